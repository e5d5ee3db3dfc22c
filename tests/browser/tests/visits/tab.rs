//! A browser tab as the peer: the gateway's own page publishes a folder while it is open.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use fantoccini::{Client, Locator};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;
use testkit::{
    chromium::Chromium,
    clicking::click,
    failing::reason,
    visitor::{self, Visitor},
    waiting::eventually,
    whole::Whole,
};
use tokio::task::JoinSet;

/// The large file, in bytes.
const LARGE: usize = 100 * 1024 * 1024;

/// How long a browser may take for the large file on a machine that is busy with other tests.
const LARGE_PATIENCE: Duration = Duration::from_secs(180);

/// A name that would do harm wherever it was not shown as text.
#[cfg(unix)]
const HOSTILE: &str = "<img src=x onerror=window.hurt=1>\"'&.txt";
#[cfg(not(unix))]
const HOSTILE: &str = "&lt;img src=x onerror=window.hurt=1&gt;'.txt";

/// A tab that publishes a folder.
struct Tab {
    browser: Chromium,
    whole: Whole,
    folder: TempDir,
    link: String,
}

impl Tab {
    /// Opens the gateway's page in a real browser, and chooses a folder with these files in it.
    async fn open(files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("holiday-")?;
        for (name, content) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            fs::write(file, content)?;
        }
        let whole = Whole::start().await?;
        let browser = Chromium::open().await?;
        let mut tab = Self { browser, whole, folder, link: String::new() };
        tab.visit().await?;
        tab.choose().await?;
        Ok(tab)
    }

    fn page(&self) -> &Client {
        self.browser.page()
    }

    /// Goes to the page by the link on the gateway's own page.
    async fn visit(&self) -> anyhow::Result<()> {
        self.page().goto(&self.whole.gateway_address().origin()).await?;
        click(self.page(), Locator::Css("a[href='/publish']")).await?;
        self.until("choosing").await
    }

    /// Chooses the folder in the browser's own field for folders, and waits for the link.
    async fn choose(&mut self) -> anyhow::Result<()> {
        let field = self.page().find(Locator::Css("#folder-input")).await?;
        field.send_keys(self.folder.path().to_str().context("a path that is text")?).await?;
        self.until("online").await?;
        self.link = self.page().find(Locator::Css("#link")).await?.text().await?;
        Ok(())
    }

    /// Waits until the page is in this state.
    async fn until(&self, state: &str) -> anyhow::Result<()> {
        eventually(&format!("the state {state:?} of the page"), async || {
            let found = self.page().find(Locator::Css("body")).await?.attr("data-state").await?;
            if found.as_deref() == Some(state) { Ok(Some(())) } else { bail!("it is {found:?}") }
        })
        .await
    }

    /// Waits until the page shows this text.
    async fn wait_for_text(&self, words: &str) -> anyhow::Result<()> {
        eventually(&format!("{words:?} on the page"), async || {
            let text = self.page().find(Locator::Css("body")).await?.text().await?;
            if text.contains(words) { Ok(Some(())) } else { bail!("it says {text:?}") }
        })
        .await
    }

    /// Returns whether the page would ask before it is closed.
    async fn asks_before_it_closes(&self) -> anyhow::Result<bool> {
        let ask = "const event = new Event('beforeunload', { cancelable: true });
            window.dispatchEvent(event);
            return event.defaultPrevented;";
        Ok(self.page().execute(ask, vec![]).await? == json!(true))
    }
}

/// Runs a test; when it fails, there is a screenshot and what the page says.
async fn with_tab(
    name: &str,
    files: &[(&str, &[u8])],
    test: impl AsyncFnOnce(&mut Tab) -> anyhow::Result<()>,
) {
    let mut tab = Tab::open(files).await.expect("the tab publishes");
    if let Err(error) = test(&mut tab).await {
        let picture =
            testkit::screenshots().map(|folder| folder.join(format!("failed-{name}.png")));
        let seen = tab.page().screenshot().await;
        if let (Ok(file), Ok(seen)) = (&picture, seen) {
            fs::write(file, seen).expect("the picture is kept");
        }
        let page = tab.page().source().await;
        let reason = reason(&error);
        panic!("{reason}\n\nSeen: {picture:?}\nThe page:\n{page:?}\n{}", tab.browser.log());
    }
}

#[tokio::test]
async fn a_tab_serves_a_folder_to_another_browser() {
    let large = content(LARGE);
    let files: &[(&str, &[u8])] = &[
        ("film.bin", &large),
        ("sub/notes.txt", b"Nobody needs a program for this"),
        (HOSTILE, b"harmless"),
        (".hidden", b"not for visitors"),
    ];
    with_tab("tab-serves", files, async |tab| {
        let other = Chromium::open().await?;
        other.page().goto(&tab.link).await?;
        let found = other.page().execute(LOOK, vec![]).await?;
        assert_eq!(found["hurt"], json!(null), "{found}");
        assert_eq!(found["strangers"], 0, "{found}");
        let names: Vec<_> = found["names"].as_array().context("no names")?.iter().collect();
        assert_eq!(names, [&json!("sub"), &json!(HOSTILE), &json!("film.bin")]);
        let shown = testkit::screenshots()?.join("tab-listing.png");
        fs::write(shown, other.page().screenshot().await?)?;

        let start = click(other.page(), Locator::LinkText("film.bin")).await?;
        let film = other.downloaded_within(LARGE_PATIENCE, "film.bin").await?;
        let taken = start.elapsed();
        assert!(film == large, "another file arrived");
        tell("100 MiB from a tab to a browser", LARGE, taken);
        // What the page says comes from receipts of what the visitor's connection took.
        tab.wait_for_text("Fetched completely, 105").await?;
        tab.wait_for_text("1 visitor so far").await?;

        other.page().goto(&tab.link).await?;
        click(other.page(), Locator::LinkText(HOSTILE)).await?;
        eventually("the file", async || {
            let text = other.page().find(Locator::Css("body")).await?.text().await?;
            if text == "harmless" { Ok(Some(())) } else { bail!("it says {text:?}") }
        })
        .await?;
        tab.wait_for_text(HOSTILE).await?;
        let hurt = tab.page().execute("return window.hurt ?? null", vec![]).await?;
        assert_eq!(hurt, json!(null));
        let shown = testkit::screenshots()?.join("tab-publishes.png");
        fs::write(shown, tab.page().screenshot().await?)?;
        Ok(())
    })
    .await;
}

/// What a page of a site shows, and what harm it did.
const LOOK: &str = "return {
    hurt: window.hurt ?? null,
    strangers: document.querySelectorAll('base, img, script, iframe, object').length,
    names: [...document.querySelectorAll('a.name')].map((link) => link.innerText),
};";

#[tokio::test]
async fn a_tab_answers_as_the_app_does() {
    let large = content(3_000_001);
    let files: &[(&str, &[u8])] =
        &[("film.bin", &large), ("web/index.html", b"<p>Hello"), ("a.txt", b"a")];
    with_tab("tab-answers", files, async |tab| {
        let stranger = Visitor::stranger(&tab.link)?;
        assert_eq!(stranger.get("/film.bin").await?.status(), StatusCode::NOT_FOUND);
        let (visitor, listing) = Visitor::enter(&tab.link).await?;
        assert!(visitor::text(&listing).contains("film.bin"));

        let start = Instant::now();
        let whole = visitor.get("/film.bin").await?;
        assert!(whole.body() == &large, "another file arrived");
        tell("3 MB from a tab", large.len(), start.elapsed());
        let tag = whole.headers()[header::ETAG].clone();

        let part = Request::get("/film.bin").header(header::RANGE, "bytes=1000000-2999999");
        let part = visitor.ask(part.body(Default::default())?).await?;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 1000000-2999999/3000001");
        assert!(part.body()[..] == large[1_000_000..3_000_000], "another part arrived");

        let known = Request::get("/film.bin").header(header::IF_NONE_MATCH, tag);
        let known = visitor.ask(known.body(Default::default())?).await?;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        let head = Request::head("/film.bin").body(Default::default())?;
        let head = visitor.ask(head).await?;
        assert_eq!(head.headers()[header::CONTENT_LENGTH], "3000001");
        assert_eq!(visitor::text(&visitor.get("/web/").await?), "<p>Hello");
        let upload = Request::post("/a.txt").body(vec![b'x'; 600_000].into())?;
        assert_eq!(visitor.ask(upload).await?.status(), StatusCode::METHOD_NOT_ALLOWED);
        for (path, status) in [
            ("/%2e%2e/", StatusCode::BAD_REQUEST),
            ("/..%2Fetc%2Fpasswd", StatusCode::BAD_REQUEST),
            ("/nothing", StatusCode::NOT_FOUND),
            ("/.hidden", StatusCode::NOT_FOUND),
            ("/web", StatusCode::PERMANENT_REDIRECT),
        ] {
            assert_eq!(visitor.get(path).await?.status(), status, "{path}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn visitors_who_stall_slow_nobody() {
    let large = content(8 * 1024 * 1024);
    let files: &[(&str, &[u8])] = &[("film.bin", &large), ("small.txt", b"small")];
    with_tab("tab-stalled", files, async |tab| {
        let (visitor, _) = Visitor::enter(&tab.link).await?;
        let mut stalled = JoinSet::new();
        for _ in 0..30 {
            let visitor = visitor.clone();
            stalled.spawn(async move { visitor.begin("/film.bin", &HeaderMap::new()).await });
        }
        let stalled: Vec<_> = stalled.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(visitor::text(&visitor.get("/small.txt").await?), "small");
        }
        let each = start.elapsed() / 20;
        tell("A small file beside 30 stalled visitors", 5, each);
        // Generous, because the machine may be busy; behind the thirty it would never come.
        ensure!(each < Duration::from_secs(10), "a visitor waits {each:?}");
        let start = Instant::now();
        assert!(visitor.get("/film.bin").await?.body() == &large, "another file arrived");
        tell("8 MiB beside 30 stalled visitors", large.len(), start.elapsed());
        assert!(tab.asks_before_it_closes().await?);
        drop(stalled);
        tab.wait_for_text("Nobody is fetching anything right now.").await?;
        assert!(!tab.asks_before_it_closes().await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_download_is_cut_when_the_tab_closes_or_the_file_changes() {
    let large = content(LARGE);
    with_tab("tab-cut", &[("film.bin", &large), ("other.bin", &large)], async |tab| {
        let (visitor, _) = Visitor::enter(&tab.link).await?;
        let mut changing = visitor.begin("/other.bin", &HeaderMap::new()).await?;
        changing.take(1_000_000).await?;
        append(&tab.folder.path().join("other.bin"))?;
        changing.take_all().await?;
        assert!(changing.left() > 0, "a file that changed on its way looks whole");
        let again = visitor.get("/other.bin").await?;
        assert_eq!(again.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", visitor::text(&again));
        tab.wait_for_text("Not completed").await?;

        let mut download = visitor.begin("/film.bin", &HeaderMap::new()).await?;
        assert_eq!(download.status(), "200");
        download.take(1_000_000).await?;
        assert!(tab.asks_before_it_closes().await?);
        // With another tab beside it, so that the browser itself stays.
        let other = tab.page().new_window(true).await?;
        tab.page().close_window().await?;
        tab.page().switch_to_window(other.handle).await?;
        download.take_all().await?;
        assert!(download.left() > 0, "a download whose tab is gone looks whole");
        // The key is gone with the tab, so the name is given back.
        eventually("nothing at the link", async || {
            let answer = visitor.get("/film.bin").await?;
            Ok((answer.status() == StatusCode::NOT_FOUND).then_some(()))
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn a_tab_comes_back_when_the_gateway_does() {
    with_tab("tab-back", &[("a.txt", b"a")], async |tab| {
        let (visitor, _) = Visitor::enter(&tab.link).await?;
        tab.whole.stop_gateway().await?;
        tab.until("away").await?;
        tab.whole.start_gateway().await?;
        tab.until("online").await?;
        let link = tab.page().find(Locator::Css("#link")).await?.text().await?;
        assert_eq!(link, tab.link, "the link changed");
        assert_eq!(visitor::text(&visitor.get("/a.txt").await?), "a");
        // The page grows by a line when it hears of that, perhaps between a look and a click: a button that
        // moves under the mouse is missed.
        tab.wait_for_text("Fetched completely").await?;
        click(tab.page(), Locator::Css("#stop")).await?;
        tab.until("choosing").await?;
        eventually("nothing at the link", async || {
            let answer = Visitor::stranger(&tab.link)?.get("/").await?;
            Ok((answer.status() == StatusCode::NOT_FOUND).then_some(()))
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn a_kept_address_stays_and_the_newest_tab_has_it() {
    with_tab("tab-kept", &[("a.txt", b"a")], async |tab| {
        let first = tab.link.clone();
        click(tab.page(), Locator::Css("#keep")).await?;
        // The box is ticked at once; what the browser keeps is there a moment later.
        eventually("the address in the browser's database", async || {
            let names = tab
                .page()
                .execute("return indexedDB.databases().then((all) => all.length)", vec![]);
            Ok((names.await? == json!(1)).then_some(()))
        })
        .await?;
        tab.visit().await?;
        tab.wait_for_text("the same as last time").await?;
        tab.choose().await?;
        assert_eq!(tab.link, first);

        let old = tab.page().window().await?;
        let new = tab.page().new_window(true).await?;
        tab.page().switch_to_window(new.handle).await?;
        tab.visit().await?;
        tab.choose().await?;
        assert_eq!(tab.link, first);
        tab.page().switch_to_window(old).await?;
        tab.until("replaced").await?;
        let (_, listing) = Visitor::enter(&first).await?;
        assert!(visitor::text(&listing).contains("a.txt"));
        Ok(())
    })
    .await;
}

/// Puts a folder of the browser's own in the place of the one that a person would choose in the
/// dialog, which nothing can press for a test. What the page gets is the same kind of handle.
const CHOOSE_A_LIVE_FOLDER: &str = "const done = arguments[0];
    const write = async (folder, name, text) => {
        const file = await folder.getFileHandle(name, { create: true });
        const stream = await file.createWritable();
        await stream.write(text);
        await stream.close();
    };
    (async () => {
        const root = await navigator.storage.getDirectory();
        const album = await root.getDirectoryHandle('album', { create: true });
        const sub = await album.getDirectoryHandle('sub', { create: true });
        await write(album, 'first.txt', 'first');
        await write(album, '.hidden', 'not for visitors');
        await write(sub, 'deep.txt', 'deep');
        window.album = { write: (name, text) => write(album, name, text), root, album };
        window.showDirectoryPicker = async () => album;
        document.querySelector('#choose-folder').click();
    })().then(() => done(null), (error) => done(String(error)));";

#[tokio::test]
async fn a_folder_that_stays_open_is_served_as_it_is_now() {
    with_tab("tab-live", &[("a.txt", b"a")], async |tab| {
        click(tab.page(), Locator::Css("#stop")).await?;
        tab.until("choosing").await?;
        let chosen = tab.page().execute_async(CHOOSE_A_LIVE_FOLDER, vec![]).await?;
        assert_eq!(chosen, json!(null));
        tab.until("online").await?;
        let link = tab.page().find(Locator::Css("#link")).await?.text().await?;
        let (visitor, listing) = Visitor::enter(&link).await?;
        let listing = visitor::text(&listing);
        assert!(listing.contains("<title>album</title>"), "{listing}");
        assert!(listing.contains("first.txt") && !listing.contains(".hidden"), "{listing}");
        assert_eq!(visitor::text(&visitor.get("/sub/deep.txt").await?), "deep");

        let change = "const done = arguments[0];
            (async () => {
                await album.write('first.txt', 'changed');
                await album.write('second.txt', 'second');
                await album.album.removeEntry('sub', { recursive: true });
            })().then(() => done(null), (error) => done(String(error)));";
        assert_eq!(tab.page().execute_async(change, vec![]).await?, json!(null));
        assert_eq!(visitor::text(&visitor.get("/first.txt").await?), "changed");
        assert_eq!(visitor::text(&visitor.get("/second.txt").await?), "second");
        for (path, status) in [
            ("/sub/deep.txt", StatusCode::NOT_FOUND),
            ("/.hidden", StatusCode::NOT_FOUND),
            ("/first.txt/x", StatusCode::NOT_FOUND),
            ("/a%5Cb", StatusCode::NOT_FOUND),
            ("/%2e%2e/x", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(visitor.get(path).await?.status(), status, "{path}");
        }
        Ok(())
    })
    .await;
}

/// Writes to a file as another program would.
fn append(file: &Path) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(fs::OpenOptions::new().append(true).open(file)?.write_all(b"more")?)
}

/// Content in which no two places are alike.
fn content(size: usize) -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..size.div_ceil(8)).flat_map(|number| (number as u64).to_le_bytes()).collect();
    content.truncate(size);
    content
}

/// Prints how fast something was, for whoever runs the tests with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a figure to read is what this is for")]
fn tell(what: &str, bytes: usize, taken: Duration) {
    let per_second = bytes as u128 * 1000 / taken.as_micros().max(1);
    println!("{what}: {} ms, {per_second} kB/s", taken.as_millis());
}

//! The page on which visitors send files, with a real browser and an inbox that fails now and then.

use std::{fs, path::PathBuf};

use anyhow::bail;
use fantoccini::Locator;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{chromium::Chromium, clicking::click, failing::reason, waiting::eventually};

use crate::tus::{Asked, Fault, Server};

const ASKED: Asked = Asked {
    note: "The photos of the trip, please.\nThank you!",
    largest: 50_000_000,
    files_left: 5,
    asks_first: false,
};

struct World {
    browser: Chromium,
    server: Server,
    /// Where files arrive.
    inbox: TempDir,
    /// Where the visitor has hers.
    hers: TempDir,
}

async fn with_page(
    name: &str,
    asked: Asked,
    test: impl AsyncFnOnce(&mut World) -> anyhow::Result<()>,
) {
    let mut world = World::start(asked).await.expect("the server and the browser come up");
    if let Err(error) = test(&mut world).await {
        let picture = world.picture(&format!("failed-{name}")).await;
        let text = world.text().await;
        let reason = reason(&error);
        panic!("{reason}\n\nSeen: {picture:?}\nThe page: {text:?}\n{:?}", world.server.seen());
    }
}

impl World {
    async fn start(asked: Asked) -> anyhow::Result<Self> {
        let inbox = TempDir::new()?;
        let server = Server::start(inbox.path(), asked).await?;
        Ok(Self { browser: Chromium::open().await?, server, inbox, hers: TempDir::new()? })
    }

    async fn enter(&self) -> anyhow::Result<()> {
        Ok(self.browser.page().goto(&self.server.link()).await?)
    }

    async fn text(&self) -> anyhow::Result<String> {
        Ok(self.browser.page().find(Locator::Css("body")).await?.text().await?)
    }

    async fn wait_for_text(&self, words: &str) -> anyhow::Result<String> {
        eventually(&format!("{words:?} on the page"), async || {
            let text = self.text().await?;
            if text.contains(words) { Ok(Some(text)) } else { bail!("it says {text:?}") }
        })
        .await
    }

    /// Chooses files, as if the system's window for that was open.
    async fn choose(&self, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
        let mut paths = Vec::new();
        for (name, content) in files {
            let path = self.hers.path().join(name);
            fs::write(&path, content)?;
            paths.push(path.display().to_string());
        }
        let input = self.browser.page().find(Locator::Css("input[type=file]")).await?;
        Ok(input.send_keys(&paths.join("\n")).await?)
    }

    /// Drops files of these names and sizes onto the page.
    async fn drop(&self, files: &[(&str, u64)]) -> anyhow::Result<()> {
        let script = "
            const dropped = new DataTransfer();
            for (const [name, size] of arguments[0]) {
                dropped.items.add(new File([new Uint8Array(size)], name));
            }
            const onto = document.querySelector('.wish-drop');
            for (const kind of ['dragenter', 'dragover', 'drop']) {
                const options = { dataTransfer: dropped, bubbles: true, cancelable: true };
                onto.dispatchEvent(new DragEvent(kind, options));
            }
        ";
        self.browser.page().execute(script, vec![json!(files)]).await?;
        Ok(())
    }

    async fn press(&self, words: &str, file: &str) -> anyhow::Result<()> {
        let button = format!("button[aria-label=\"{words}: {file}\"]");
        // The row moves when something above it gets longer, as the words on how far it is do.
        click(self.browser.page(), Locator::Css(&button)).await?;
        Ok(())
    }

    async fn look(&self, script: &str) -> anyhow::Result<Value> {
        Ok(self.browser.page().execute(script, vec![]).await?)
    }

    /// Returns the names of what arrived, sorted, and how large each is.
    fn arrived(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.inbox.path())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, entry.metadata()?.len()));
        }
        found.sort();
        Ok(found)
    }

    async fn picture(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = testkit::screenshots()?.join(format!("{name}.png"));
        fs::write(&file, self.browser.page().screenshot().await?)?;
        Ok(file)
    }

    /// Takes a picture of it in each way that people look at it; nothing may stick out.
    async fn pictures(&self, name: &str) -> anyhow::Result<()> {
        for (way, width, scheme) in
            [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 320, "light")]
        {
            let metrics = json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false,
            });
            self.browser.command("Emulation.setDeviceMetricsOverride", metrics).await?;
            let media = json!({
                "features": [{ "name": "prefers-color-scheme", "value": scheme }],
            });
            self.browser.command("Emulation.setEmulatedMedia", media).await?;
            let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
            let overflow = self.look(overflow).await?;
            assert!(overflow.as_i64().is_some_and(|it| it <= 0), "{name} {way}: {overflow}");
            self.picture(&format!("{name}-{way}")).await?;
        }
        self.browser.command("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        Ok(())
    }
}

fn sizes<const N: usize>(expected: [(&str, u64); N]) -> Vec<(String, u64)> {
    expected.into_iter().map(|(name, size)| (name.to_owned(), size)).collect()
}

#[tokio::test]
async fn chosen_files_arrive_one_after_another() {
    with_page("wish", ASKED, async |world| {
        fs::write(world.inbox.path().join("two.txt"), "mine")?;
        world.enter().await?;
        let text = world.text().await?;
        assert!(text.contains("Up to 5 files, of at most 50 MB each."), "{text}");
        assert!(text.contains("The photos of the trip, please.\nThank you!"), "{text}");
        assert!(!text.contains("JavaScript"), "{text}");
        world.pictures("wish").await?;

        let large = vec![7; 3_000_000];
        let files: &[(&str, &[u8])] =
            &[("größe 1.bin", &large), ("two.txt", b"hers"), ("empty", b"")];
        world.choose(files).await?;
        world.wait_for_text("All 3 files arrived.").await?;
        assert_eq!(fs::read(world.inbox.path().join("größe 1.bin"))?, large);
        assert_eq!(fs::read(world.inbox.path().join("two.txt"))?, b"mine");
        assert_eq!(fs::read(world.inbox.path().join("two (2).txt"))?, b"hers");
        assert_eq!(fs::read(world.inbox.path().join("empty"))?, b"");
        world.pictures("wish-done").await?;

        // Two more are taken, and no third.
        let more: &[(&str, &[u8])] = &[("a", b"1"), ("b", b"2"), ("c", b"3")];
        world.choose(more).await?;
        world.wait_for_text("This link takes only 2 more files; the others were left out.").await?;
        world.wait_for_text("All 5 files arrived. This link takes no more.").await?;
        assert_eq!(world.arrived()?.len(), 6);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn goes_on_by_itself_after_a_cut() {
    with_page("wish-cut", ASKED, async |world| {
        world.enter().await?;
        // Nobody is there, then it breaks in the middle, and then the last answer gets lost.
        world.server.fail(&[Fault::Status(503), Fault::Cut(100_000), Fault::LoseAnswer]);
        let content: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        world.choose(&[("film.mkv", &content)]).await?;
        world.wait_for_text("The file arrived.").await?;
        assert_eq!(world.arrived()?, sizes([("film.mkv", 2_000_000)]));
        assert_eq!(fs::read(world.inbox.path().join("film.mkv"))?, content);
        // What had arrived was not sent again. (Chromium may try a request twice by itself.)
        let seen = world.server.seen();
        let began: Vec<_> = seen.iter().filter(|line| line.starts_with("PATCH")).collect();
        assert!(began.iter().any(|line| *line == "PATCH 100000"), "{seen:?}");
        assert!(seen.iter().filter(|line| *line == "HEAD").count() >= 2, "{seen:?}");
        assert_eq!(seen.iter().filter(|line| *line == "POST").count(), 2, "{seen:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn shows_how_far_it_is_and_can_be_cancelled() {
    with_page("wish-progress", ASKED, async |world| {
        world.enter().await?;
        world.server.fail(&[Fault::Hold(1_000_000)]);
        let film = vec![1; 40_000_000];
        world.choose(&[("film.mkv", &film), ("second.txt", b"2"), ("third.txt", b"3")]).await?;
        world.wait_for_text("Sending file 1 of 3…").await?;
        world.wait_for_text("1 byte, waiting for its turn").await?;
        let moved = async || {
            let value = world.look("return document.querySelector('progress').value").await?;
            Ok(value.as_f64().filter(|value| *value > 0.0 && *value < 1.0))
        };
        eventually("a bar that is on its way", moved).await?;
        world.pictures("wish-sending").await?;
        // Leaving would lose it, and the browser is told so.
        let leaving = "
            const leaving = new Event('beforeunload', { cancelable: true });
            dispatchEvent(leaving);
            return leaving.defaultPrevented;
        ";
        assert_eq!(world.look(leaving).await?, json!(true));

        world.press("Cancel", "second.txt").await?;
        world.press("Cancel", "film.mkv").await?;
        world.server.go_on();
        world.wait_for_text("The file arrived.").await?;
        assert_eq!(world.look(leaving).await?, json!(false));
        // The draft goes, too.
        let gone = async || {
            let arrived = world.arrived()?;
            if arrived == sizes([("third.txt", 1)]) { Ok(Some(())) } else { bail!("{arrived:?}") }
        };
        eventually("the draft is gone", gone).await
    })
    .await;
}

#[tokio::test]
async fn says_what_went_wrong() {
    let asked = Asked { largest: 1000, ..ASKED };
    with_page("wish-wrong", asked, async |world| {
        world.enter().await?;
        world.server.fail(&[Fault::Status(507), Fault::Status(403)]);
        world
            .drop(&[("much.bin", 1001), ("full.bin", 9), ("hers.bin", 8), ("good.bin", 7)])
            .await?;
        let text = world.wait_for_text("1 of 4 files arrived. Press “Go on”").await?;
        for words in [
            "It is too large: at most 1.0 KB are taken.",
            "The owner’s drive is full. Tell them, then go on.",
            "This link is for somebody else, or was opened from another network before.",
            "7 bytes, arrived",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        world.pictures("wish-wrong").await?;
        // What was too large never began.
        let posts = world.server.seen().iter().filter(|line| *line == "POST").count();
        assert_eq!(posts, 3);
        world.press("Go on", "full.bin").await?;
        world.wait_for_text("2 of 4 files arrived.").await?;
        assert_eq!(world.arrived()?, sizes([("full.bin", 9), ("good.bin", 7)]));

        world.server.fail(&[Fault::Status(410)]);
        world.drop(&[("late.bin", 1), ("later.bin", 1)]).await?;
        let text = world.wait_for_text("This link is used up, or was taken back.").await?;
        assert_eq!(text.matches("This link is used up").count(), 2, "{text}");
        assert_eq!(
            world.look("return document.querySelector('input').disabled").await?,
            json!(true)
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn hostile_names_are_text_and_become_harmless() {
    let asked = Asked { note: "<img src=x onerror=window.hurt=1>", ..ASKED };
    with_page("wish-names", asked, async |world| {
        world.enter().await?;
        let long = format!("{}.jpg", "ab".repeat(300));
        world
            .drop(&[
                ("<img src=x onerror=window.hurt=1>.txt", 1),
                ("photo\u{202e}gpj.exe", 2),
                ("..\\..\\.bashrc", 3),
                (&long, 4),
            ])
            .await?;
        let text = world.wait_for_text("All 4 files arrived.").await?;
        assert!(text.contains("<img src=x onerror=window.hurt=1>.txt"), "{text}");
        let look = "return { hurt: window.hurt ?? null, pictures: document.images.length };";
        assert_eq!(world.look(look).await?, json!({ "hurt": null, "pictures": 0 }));
        world.pictures("wish-names").await?;
        let short = format!("{}.jpg", "ab".repeat(98));
        let expected = [
            ("_img src=x onerror=window.hurt=1_.txt", 1),
            (&short, 4),
            ("bashrc", 3),
            ("photogpj.exe", 2),
        ];
        assert_eq!(world.arrived()?, sizes(expected));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn works_with_the_keyboard_alone() {
    with_page("wish-keys", ASKED, async |world| {
        world.enter().await?;
        let press = async |key: &str, number: u32, text: &str| {
            let key = json!({
                "type": "keyDown", "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": number,
            });
            world.browser.command("Input.dispatchKeyEvent", key).await
        };
        press("Tab", 9, "").await?;
        assert_eq!(world.look("return document.activeElement.type").await?, json!("file"));
        world.server.fail(&[Fault::Status(507)]);
        world.drop(&[("a", 1)]).await?;
        world.wait_for_text("Tell them, then go on.").await?;
        press("Tab", 9, "").await?;
        let focus = "return document.activeElement.getAttribute('aria-label')";
        assert_eq!(world.look(focus).await?, json!("Go on: a"));
        press("Enter", 13, "\r").await?;
        world.wait_for_text("The file arrived.").await?;
        // Whoever listens hears it.
        let said = "return document.querySelector('[role=status]').textContent";
        assert_eq!(world.look(said).await?, json!("The file arrived."));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_script_it_says_what_is_needed() {
    with_page("wish-plain", ASKED, async |world| {
        let off = json!({ "value": true });
        world.browser.command("Emulation.setScriptExecutionDisabled", off).await?;
        world.enter().await?;
        let text = world.wait_for_text("this page needs JavaScript").await?;
        let command = format!("curl -T FILE {}/", world.server.link());
        assert!(text.contains(&command) && !text.contains("Choose"), "{text}");
        world.picture("wish-plain").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_has_to_be_asked_is_asked_by_a_button() {
    let asked = Asked { asks_first: true, files_left: 1, ..ASKED };
    with_page("wish-asks-first", asked, async |world| {
        world.enter().await?;
        let text = world.text().await?;
        assert!(text.contains("Send a file") && text.contains("is asked first"), "{text}");
        let form =
            "return document.forms[0].method + ' ' + document.forms[0].getAttribute('action')";
        assert_eq!(world.look(form).await?, json!("post /h/AAECAwQFBgcICQoLDA0ODw/take"));
        world.pictures("wish-asks-first").await
    })
    .await;
}

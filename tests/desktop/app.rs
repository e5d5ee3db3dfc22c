//! The app, on a desktop of its own.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use fantoccini::{Client, Locator, elements::Element};
use testkit::{
    clicking::click,
    desktop::{Desktop, Driver, Furniture, Window},
    failing::reason,
    waiting::{PATIENCE, eventually, within},
};

/// The app, as cargo built it for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_veranda");

/// What stands in the title of its window.
pub(crate) const TITLE: &str = "Veranda";

/// The first of the ports that the tests give to the gateways inside their apps: below those that
/// systems give to outgoing connections, and away from those that apps choose by themselves.
const FIRST_PORT: u16 = 24_000;

/// How long a test waits for what comes with the end of a large file, on a machine that is slow and
/// busy with other tests: some ten megabytes take a minute there.
pub(crate) const LARGE_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How long a button says that something is copied: a little less than the window lets it.
const COPIED: Duration = Duration::from_secs(2);

/// The app with a window that is driven. Dropping it ends everything.
pub(crate) struct App {
    driver: Driver,
    page: Client,
    name: String,
    pub(crate) desktop: Desktop,
}

/// Runs a test on a desktop with this furniture, with an app that was started with these arguments.
/// When it fails, there is a screenshot and what the programs said.
///
/// The gateway inside the app has a port of its own from the start, as after an earlier one: beside
/// other apps, as they are in tests, its port could be taken by one of them while it restarts.
pub(crate) async fn with_app(
    name: &str,
    furniture: Furniture,
    folders: &[&Path],
    test: impl AsyncFnOnce(&mut App) -> anyhow::Result<()>,
) {
    let desktop = Desktop::with(furniture).await.expect("the desktop comes up");
    let settings = desktop.home().join(".local/share/veranda");
    fs::create_dir(&settings).expect("a folder for the settings");
    let kept = serde_json::json!({ "port": free_port() });
    fs::write(settings.join("settings.json"), kept.to_string()).expect("settings to be written");
    run(name, desktop, folders, test).await;
}

/// Does the same with an app that was never started before.
pub(crate) async fn with_new_app(
    name: &str,
    test: impl AsyncFnOnce(&mut App) -> anyhow::Result<()>,
) {
    let desktop = Desktop::start().await.expect("the desktop comes up");
    run(name, desktop, &[], test).await;
}

async fn run(
    name: &str,
    desktop: Desktop,
    folders: &[&Path],
    test: impl AsyncFnOnce(&mut App) -> anyhow::Result<()>,
) {
    let (driver, page) = App::start(&desktop, folders).await.expect("the app opens");
    let mut app = App { driver, page, name: name.to_owned(), desktop };
    if let Err(error) = test(&mut app).await {
        panic!("{}", reason(&error));
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // The test failed: leave behind what helps to see why.
        let picture =
            testkit::screenshots().map(|folder| folder.join(format!("failed-{}.png", self.name)));
        if let Ok(picture) = &picture {
            let taken =
                self.desktop.command("import").args(["-window", "root"]).arg(picture).status();
            report(&format!("Seen: {} ({taken:?})", picture.display()));
        }
        report(&format!("The app said:\n{}", self.driver.log()));
        report(&format!("Others said:\n{}", self.desktop.logs()));
    }
}

#[expect(clippy::print_stderr, reason = "it belongs to the report of the failed test")]
fn report(text: &str) {
    eprintln!("{text}");
}

impl App {
    async fn start(desktop: &Desktop, folders: &[&Path]) -> anyhow::Result<(Driver, Client)> {
        let driver = desktop.driver().await?;
        let folders = folders
            .iter()
            .map(|folder| folder.to_str().context("a path that is not text"))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let page = driver.open(Path::new(PROGRAM), &folders).await?;
        Ok((driver, page))
    }

    /// Quits in the tray's menu, waits until the app is gone, and starts it again.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.quit().await?;
        (self.driver, self.page) = Self::start(&self.desktop, &[]).await?;
        Ok(())
    }

    /// Quits in the tray's menu and waits until the app is gone.
    pub(crate) async fn quit(&self) -> anyhow::Result<()> {
        let tray = self.desktop.tray().await?;
        tray.choose("Quit", |line| line.label == "Quit").await?;
        self.wait_until_gone().await
    }

    /// Waits until the app has ended.
    pub(crate) async fn wait_until_gone(&self) -> anyhow::Result<()> {
        let name = format!("{}.SingleInstance", identifier()?);
        self.desktop.wait_until_name_is_free(&name).await
    }

    /// Returns the window's page.
    pub(crate) fn page(&self) -> &Client {
        &self.page
    }

    /// Returns the window.
    pub(crate) async fn window(&self) -> anyhow::Result<Window> {
        self.desktop.wait_for_window(TITLE).await
    }

    /// Takes a picture of the window: `target/screenshots/<name>.png`.
    pub(crate) async fn portrait(&self, name: &str) -> anyhow::Result<()> {
        // What the page knows is on the screen two frames later.
        let frames = "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => done()));";
        self.page.execute_async(frames, vec![]).await?;
        self.desktop.portrait(&self.window().await?, name).await?;
        Ok(())
    }

    /// Waits for the window's new page, after the window was closed and opened again.
    pub(crate) async fn follow_window(&mut self) -> anyhow::Result<()> {
        eventually("the page of the new window", async || {
            let page = self.page.windows().await?.into_iter().next().context("no page")?;
            self.page.switch_to_window(page).await?;
            // One that is just being closed may still be named.
            self.page.execute("return document.readyState", vec![]).await?;
            Ok(Some(()))
        })
        .await
    }

    /// Waits for what bears this `data-testid`.
    pub(crate) async fn element(&self, id: &str) -> anyhow::Result<Element> {
        let selector = selector(id);
        eventually(&selector, async || {
            Ok(self.page.find_all(Locator::Css(&selector)).await?.into_iter().next())
        })
        .await
        .with_context(|| format!("there is no {id}"))
    }

    /// Returns how many bear this `data-testid` now.
    pub(crate) async fn count(&self, id: &str) -> anyhow::Result<usize> {
        Ok(self.page.find_all(Locator::Css(&selector(id))).await?.len())
    }

    /// Waits until nothing bears this `data-testid`.
    pub(crate) async fn wait_until_none(&self, id: &str) -> anyhow::Result<()> {
        eventually(&format!("no {id}"), async || Ok((self.count(id).await? == 0).then_some(())))
            .await
    }

    /// Clicks on what bears this `data-testid`, and returns when.
    pub(crate) async fn click(&self, id: &str) -> anyhow::Result<Instant> {
        self.click_on(&selector(id)).await
    }

    /// Clicks on the first that this selector finds, and returns when.
    pub(crate) async fn click_on(&self, selector: &str) -> anyhow::Result<Instant> {
        click(&self.page, Locator::Css(selector)).await
    }

    /// Waits for the system's dialog with this title, and chooses something there by its path, with
    /// the keyboard alone.
    pub(crate) async fn choose(&self, title: &str, path: &Path) -> anyhow::Result<()> {
        let desktop = &self.desktop;
        let dialog = desktop.wait_for_window(title).await?;
        // Else it is the dialog itself that comes to be seen.
        desktop.wait_until_painted(&dialog).await?;
        desktop.activate(&dialog).await?;
        desktop
            .until_seen(&dialog, "a line for the path", async || desktop.press(&["ctrl+l"]).await)
            .await?;
        let path = path.display().to_string();
        desktop
            .until_seen(&dialog, "the path", async || {
                desktop.press(&["ctrl+a"]).await?;
                desktop.type_text(&path).await
            })
            .await?;
        desktop.press(&["Return"]).await
    }

    /// Waits for what bears this `data-testid`, and returns its text.
    pub(crate) async fn text(&self, id: &str) -> anyhow::Result<String> {
        // It may be drawn anew between finding and reading.
        eventually(&format!("the text of {id}"), async || {
            Ok(Some(self.element(id).await?.text().await?))
        })
        .await
    }

    /// Waits until the text of what bears this `data-testid` has these words in it.
    pub(crate) async fn wait_for_text(&self, id: &str, words: &str) -> anyhow::Result<String> {
        self.wait_for_text_within(PATIENCE, id, words).await
    }

    /// Waits for the same at most `limit`.
    pub(crate) async fn wait_for_text_within(
        &self,
        limit: Duration,
        id: &str,
        words: &str,
    ) -> anyhow::Result<String> {
        within(limit, &format!("{words:?} in {id}"), async || {
            let text = self.text(id).await?;
            if text.contains(words) { Ok(Some(text)) } else { bail!("it says {text:?}") }
        })
        .await
    }

    /// Waits until an attribute of what bears this `data-testid` is as wanted, and returns it.
    pub(crate) async fn wait_for_attribute(
        &self,
        id: &str,
        attribute: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        eventually(&format!("{attribute} of {id}"), async || {
            let value = self.element(id).await?.attr(attribute).await?.unwrap_or_default();
            if wanted(&value) { Ok(Some(value)) } else { bail!("it is {value:?}") }
        })
        .await
    }

    /// Copies the link by its button, and waits until the button says so and another program finds the
    /// link on the clipboard.
    pub(crate) async fn copy(&self, link: &str) -> anyhow::Result<()> {
        eventually("the button to say that the link is copied", async || {
            // It says so for a moment only: who looks too late presses it again.
            self.click("copy-link").await?;
            let said = self.wait_for_text_within(COPIED, "copy-link", "Copied").await;
            said.map(Some)
        })
        .await?;
        eventually("the link on the clipboard", async || {
            let copied = self.desktop.clipboard().await?;
            ensure!(copied.as_deref() == Some(link), "there is {copied:?}");
            Ok(Some(()))
        })
        .await
    }

    /// Returns the session URL of the only site, once there is one.
    pub(crate) async fn link(&self) -> anyhow::Result<String> {
        self.wait_for_text("site-link", "http://").await
    }

    /// Returns the shown fingerprint of the identity.
    pub(crate) async fn fingerprint(&self) -> anyhow::Result<String> {
        self.click("open-settings").await?;
        let fingerprint = self.text("fingerprint").await?;
        self.click("close-settings").await?;
        Ok(fingerprint)
    }
}

/// Makes a folder to publish in the owner's home and returns it.
pub(crate) fn folder_with(
    desktop_or_place: &Path,
    name: &str,
    files: &[(&str, &[u8])],
) -> anyhow::Result<PathBuf> {
    let folder = desktop_or_place.join(name);
    fs::create_dir_all(&folder)?;
    for (file, content) in files {
        fs::write(folder.join(file), content)?;
    }
    Ok(folder)
}

/// Returns the selector of what bears this `data-testid`.
pub(crate) fn selector(id: &str) -> String {
    format!("[data-testid={id:?}]")
}

/// Returns a port that no other test of this run has.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Returns the name under which the system knows the app.
fn identifier() -> anyhow::Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tauri.conf.json");
    let configuration: serde_json::Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    Ok(configuration["identifier"].as_str().context("no identifier")?.to_owned())
}

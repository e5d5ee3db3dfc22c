//! A visitor with a real browser.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use url::Url;

use crate::{
    processes::Running,
    waiting::{PATIENCE, eventually, within},
};

/// How long a session may take to begin.
const SESSION: Duration = Duration::from_secs(60);

/// How long a download that was cut may take until it can be resumed, or is whole because Chromium
/// resumed it by itself: it may be large, and the machine slow.
const RESUMED: Duration = Duration::from_secs(5 * 60);

/// The names under which systems have it.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// What the names of downloads end with while they are under way.
const UNFINISHED: &str = "crdownload";

/// Presses "Resume" of the only download on Chromium's own page of downloads.
const RESUME: &str = "
    const items = document.querySelector('downloads-manager').shadowRoot
        .querySelectorAll('downloads-item');
    const buttons = [...items].flatMap((item) => [...item.shadowRoot.querySelectorAll('cr-button')]);
    const resume = buttons.find((button) => !button.hidden && button.innerText.trim() === 'Resume');
    resume?.click();
    return [resume !== undefined, buttons.map((button) => button.innerText.trim())];";

/// What every start needs: no screen, no sandbox (the tests may be run by root), nothing that
/// talks to anybody but the page.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--window-size=1280,900",
];

/// A Chromium with an empty profile. Dropping it kills it.
pub struct Chromium {
    client: Client,
    driver: Running,
    home: TempDir,
}

impl Chromium {
    /// Starts a browser; downloads go to [`Chromium::downloads`] without a question.
    ///
    /// # Errors
    /// When there is no Chromium, no chromedriver, or no session in time.
    pub async fn open() -> anyhow::Result<Self> {
        Self::start(&[]).await
    }

    /// Starts a browser that finds everything below `localhost` at this port of this computer,
    /// whatever port stands in an address: a [`Narrow`](crate::narrow::Narrow), for example.
    ///
    /// # Errors
    /// As of [`Chromium::open`].
    pub async fn open_through(port: u16) -> anyhow::Result<Self> {
        Self::start(&[format!("--host-resolver-rules=MAP *.localhost 127.0.0.1:{port}")]).await
    }

    async fn start(more: &[String]) -> anyhow::Result<Self> {
        let home = TempDir::with_prefix("chromium-")?;
        let downloads = home.path().join("downloads");
        fs::create_dir(&downloads)?;
        let log = home.path().join("chromedriver.log");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", home.path()).env("TMPDIR", home.path());
        command.env_remove("DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS");
        let mut driver = Running::start("chromedriver", &mut command, &log)?;
        let port = eventually("the port of chromedriver", async || {
            driver.check()?;
            Ok(read_port(&driver.log()))
        })
        .await?;

        let mut options = json!({
            "args": ([arguments(home.path()).as_slice(), more].concat()),
            "prefs": {
                "download.default_directory": downloads,
                "download.prompt_for_download": false,
            },
        });
        if let Some(program) = find_program() {
            options["binary"] = json!(program);
        }
        let wanted = json!({ "goog:chromeOptions": options, "browserName": "chrome" });
        let Value::Object(wanted) = wanted else { bail!("capabilities are an object") };
        let client = timeout(
            SESSION,
            ClientBuilder::new(HttpConnector::new())
                .capabilities(wanted)
                .connect(&format!("http://127.0.0.1:{port}")),
        )
        .await
        .context("Chromium does not start in time")?
        .with_context(|| format!("Chromium does not start:\n{}", driver.log()))?;
        let chromium = Self { client, driver, home };
        let allow =
            json!({ "behavior": "allow", "downloadPath": downloads, "eventsEnabled": true });
        chromium.command("Browser.setDownloadBehavior", allow).await?;
        Ok(chromium)
    }

    /// Returns the WebDriver session.
    #[must_use]
    pub fn page(&self) -> &Client {
        &self.client
    }

    /// Returns the folder that downloads go to.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// Returns the downloads that are whole.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn arrived(&self) -> io::Result<Vec<PathBuf>> {
        whole(&self.downloads())
    }

    /// Waits until a download is whole and returns what arrived, at most [`PATIENCE`].
    ///
    /// # Errors
    /// When it is not whole in time.
    pub async fn downloaded(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        self.downloaded_within(PATIENCE, name).await
    }

    /// Waits as [`Chromium::downloaded`] does, at most `limit`.
    ///
    /// # Errors
    /// When it is not whole in time.
    pub async fn downloaded_within(&self, limit: Duration, name: &str) -> anyhow::Result<Vec<u8>> {
        let file = self.downloads().join(name);
        within(limit, &format!("the whole of {name}"), async || {
            let arrived = self.arrived()?;
            Ok(arrived.contains(&file).then_some(()))
        })
        .await?;
        Ok(fs::read(file)?)
    }

    /// Lets the only download, which was cut, go on; Chromium does that by itself after some kinds
    /// of cuts.
    ///
    /// # Errors
    /// When it can neither be resumed nor is whole in time.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.client.goto("chrome://downloads").await?;
        within(RESUMED, "a download that goes on", async || {
            if !self.arrived()?.is_empty() {
                return Ok(Some(()));
            }
            let pressed = self.client.execute(RESUME, vec![]).await?;
            ensure!(pressed[0] == true, "there are only the buttons {}", pressed[1]);
            Ok(Some(()))
        })
        .await
    }

    /// Sends a command of the DevTools protocol and returns its result.
    ///
    /// # Errors
    /// When Chromium refuses it.
    pub async fn command(&self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        let command = DevTools { method: method.to_owned(), parameters };
        Ok(self.client.issue_cmd(command).await?)
    }

    /// Returns the end of the log, for an error's context.
    #[must_use]
    pub fn log(&self) -> String {
        self.driver.log()
    }

    /// Ends the session; the browser closes as if its window was closed.
    ///
    /// # Errors
    /// When the session was lost before.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.client.clone().close().await?)
    }
}

#[derive(Debug)]
struct DevTools {
    method: String,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.method, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}

fn arguments(home: &Path) -> Vec<String> {
    let mut arguments: Vec<_> = ARGUMENTS.iter().map(|&argument| argument.to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", home.join("profile").display()));
    arguments
}

/// Returns the browser on the PATH; elsewhere than on Linux chromedriver knows where to look.
fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    NAMES
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// Returns the whole downloads in a folder.
///
/// Until then a download is called `name.crdownload`. The name alone says nothing: Chromium lays an
/// empty file there before it gives the name to the download.
fn whole(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    Ok(files
        .into_iter()
        .filter(|file| file.extension().is_none_or(|end| end != UNFINISHED))
        // Looked for after the file itself was seen: it is gone with the same step that makes the
        // file whole.
        .filter(|file| !Path::new(&format!("{}.{UNFINISHED}", file.display())).exists())
        .collect())
}

fn read_port(log: &str) -> Option<u16> {
    let (_, after) = log.split_once("started successfully on port ")?;
    after.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_port() {
        let log = "Starting\nChromeDriver was started successfully on port 41235.\n";
        assert_eq!(read_port(log), Some(41235));
        assert_eq!(read_port("Starting"), None);
    }

    #[test]
    fn a_download_is_not_whole_because_its_name_is_there() {
        let folder = TempDir::new().unwrap();
        let (file, way) = (folder.path().join("a.zip"), folder.path().join("a.zip.crdownload"));
        fs::write(&way, "all of it").unwrap();
        assert!(whole(folder.path()).unwrap().is_empty());
        fs::write(&file, "").unwrap();
        assert!(whole(folder.path()).unwrap().is_empty());
        fs::rename(&way, &file).unwrap();
        assert_eq!(whole(folder.path()).unwrap(), [file]);
    }
}

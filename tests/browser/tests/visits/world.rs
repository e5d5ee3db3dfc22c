//! A published folder, and a browser that knows its link.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use fantoccini::{Client, Locator};
use testkit::{
    chromium::Chromium, clicking::click, failing::reason, waiting::eventually, whole::Whole,
};

/// How old the files are.
const AGE: Duration = Duration::from_secs(60 * 60);

/// Everything that a test needs. Dropping it ends everything.
pub(crate) struct World {
    pub(crate) browser: Chromium,
    pub(crate) whole: Whole,
    pub(crate) link: String,
}

/// Publishes these files and runs a test with a browser that has not been there yet. When the test
/// fails, there is a screenshot and what the page says.
pub(crate) async fn with_site(
    name: &str,
    files: &[(&str, &[u8])],
    test: impl AsyncFnOnce(&mut World) -> anyhow::Result<()>,
) {
    let mut world = World::start(files).await.expect("the site and the browser come up");
    if let Err(error) = test(&mut world).await {
        let picture = world.screenshot(&format!("failed-{name}")).await;
        let page = world.page().source().await;
        let reason = reason(&error);
        panic!("{reason}\n\nSeen: {picture:?}\nThe page:\n{page:?}\n{}", world.browser.log());
    }
}

impl World {
    async fn start(files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        let whole = Whole::start().await?;
        for (name, content) in files {
            let file = whole.folder().join(name);
            fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            fs::write(&file, content)?;
            // What people publish was not written in this very moment: only then does its time say
            // whether it changed, and a download can be resumed.
            let file = fs::File::options().write(true).open(file)?;
            file.set_modified(SystemTime::now() - AGE)?;
        }
        let link = whole.publish().await?;
        let browser = Chromium::open().await?;
        Ok(Self { browser, whole, link })
    }

    /// Returns the page.
    pub(crate) fn page(&self) -> &Client {
        self.browser.page()
    }

    /// Opens the session URL.
    pub(crate) async fn enter(&self) -> anyhow::Result<()> {
        Ok(self.page().goto(&self.link).await?)
    }

    /// Returns the origin of the site, without a slash at its end.
    pub(crate) fn origin(&self) -> anyhow::Result<&str> {
        Ok(self.link.split_once("/s/").context("not a session URL")?.0)
    }

    /// Clicks on the link with this text.
    pub(crate) async fn follow(&self, text: &str) -> anyhow::Result<()> {
        click(self.page(), Locator::LinkText(text)).await?;
        Ok(())
    }

    /// Returns the text that the page shows.
    pub(crate) async fn text(&self) -> anyhow::Result<String> {
        Ok(self.page().find(Locator::Css("body")).await?.text().await?)
    }

    /// Waits until the page shows this text.
    pub(crate) async fn wait_for_text(&self, words: &str) -> anyhow::Result<String> {
        eventually(&format!("{words:?} on the page"), async || {
            let text = self.text().await?;
            if text.contains(words) { Ok(Some(text)) } else { bail!("it says {text:?}") }
        })
        .await
    }

    /// Returns the path of the page, as the address line has it.
    pub(crate) async fn path(&self) -> anyhow::Result<String> {
        Ok(self.page().current_url().await?.path().to_owned())
    }

    /// Waits until the page has this path.
    pub(crate) async fn wait_for_path(&self, path: &str) -> anyhow::Result<()> {
        eventually(&format!("the path {path}"), async || {
            let found = self.path().await?;
            if found == path { Ok(Some(())) } else { bail!("it is {found}") }
        })
        .await
    }

    /// Takes a picture of the page: `target/screenshots/<name>.png`.
    pub(crate) async fn screenshot(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = testkit::screenshots()?.join(format!("{name}.png"));
        fs::write(&file, self.page().screenshot().await?)?;
        Ok(file)
    }
}

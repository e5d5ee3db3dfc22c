//! Visitors of hand-overs, in a real browser.

use anyhow::ensure;
use fantoccini::Locator;
use testkit::{chromium::Chromium, waiting::eventually};

/// The button of a landing page.
const BUTTON: &str = "form.hand-do button";

/// Presses the button of the landing page.
pub(crate) async fn press(browser: &Chromium) -> anyhow::Result<()> {
    Ok(browser.page().find(Locator::Css(BUTTON)).await?.click().await?)
}

/// Waits until the visitor's page has these words in it.
pub(crate) async fn page_says(browser: &Chromium, words: &str) -> anyhow::Result<()> {
    eventually(&format!("{words:?} on the visitor's page"), async || {
        let page = browser.page().find(Locator::Css("main")).await?.text().await?;
        ensure!(page.contains(words), "it says {page:?}");
        Ok(Some(()))
    })
    .await
}

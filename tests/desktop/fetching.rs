//! What an owner sees while somebody fetches.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use tempfile::TempDir;
use testkit::{
    desktop::Furniture,
    visitor::{Download, Visitor},
    waiting::eventually,
};

use crate::app::{App, folder_with, with_app};

/// A file that does not fit in the buffers between a peer and a visitor who does not read.
const LARGE: usize = 64 * 1024 * 1024;

/// How a browser introduces itself.
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// How long a transfer may go on after its stop button was pressed.
const STOP: Duration = Duration::from_secs(1);

/// How often that is tried: a machine that is busy with other tests may stand still for a second.
const TRIES: usize = 5;

/// Writes down when the next click came to the page, in milliseconds since 1970.
const NOTE_THE_CLICK: &str = "const note = () => { window.pressed = Date.now(); };
    addEventListener('click', note, { capture: true, once: true });";

#[tokio::test]
async fn a_transfer_is_seen_live_and_then_stands_in_the_history() {
    let place = TempDir::new().unwrap();
    let content = large_file();
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &content)]).unwrap();
    with_app("transfer", Furniture::default(), &[&folder], async |app| {
        let (visitor, _) = Visitor::enter(&app.link().await?).await?;
        let first = app.desktop.wait_for_notification("the first visitor", |notification| {
            notification.title == "The first visitor is here"
        });
        assert!(first.await?.text.contains("Films"));

        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(FIREFOX));
        let mut download = visitor.begin("/film.mkv", &headers).await?;
        let mut taken = download.take(LARGE / 4).await?;
        app.wait_for_text("transfer", "film.mkv").await?;
        app.wait_for_text("transfer", "Firefox").await?;
        // What the window says is what arrived: at least what we have, except for the receipts
        // that are still on their way; and never all of it while most is still to come.
        let early = percent(app, |percent| percent >= 20).await?;
        assert!(early < 75, "{early} % of a file that was hardly fetched");
        app.portrait("transfer").await?;

        taken.extend(download.take(LARGE / 4).await?);
        let later = percent(app, |percent| percent > early && percent >= 45).await?;
        assert!(later < 100, "complete, and half of it is still to come");

        taken.extend(download.take_all().await?);
        assert!(taken == content, "what arrived is not what was published");
        app.wait_until_none("transfer").await?;
        app.wait_for_text("history-item", "film.mkv").await?;
        app.wait_for_text("history-item", "Delivered").await?;
        let finished = app.desktop.wait_for_notification("a finished transfer", |notification| {
            notification.title == "A file was delivered" && notification.text.contains("film.mkv")
        });
        finished.await?;
        app.portrait("history").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_stop_button_cuts_a_transfer_within_a_second() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &large_file())]).unwrap();
    with_app("stop", Furniture::default(), &[&folder], async |app| {
        let (visitor, _) = Visitor::enter(&app.link().await?).await?;
        let mut times = Vec::new();
        loop {
            let mut download = visitor.begin("/film.mkv", &HeaderMap::new()).await?;
            download.take(LARGE / 8).await?;
            times.push(stop(app, &mut download).await?);
            assert!(download.left() > 0, "the whole file arrived");
            if times.last().is_some_and(|time| *time < STOP) {
                break;
            }
            assert!(times.len() < TRIES, "it took {times:?}");
            app.wait_until_none("transfer").await?;
        }

        app.wait_for_text("history-item", "You stopped it").await?;
        app.wait_until_none("transfer").await?;

        // The visitor may come back for the rest.
        let rest = visitor.get("/film.mkv").await?;
        assert_eq!(rest.body().len(), LARGE);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_visitor_who_leaves_is_not_shown_as_served() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &large_file())]).unwrap();
    with_app("visitor-leaves", Furniture::default(), &[&folder], async |app| {
        let (visitor, _) = Visitor::enter(&app.link().await?).await?;
        let mut download = visitor.begin("/film.mkv", &HeaderMap::new()).await?;
        download.take(LARGE / 8).await?;
        app.element("transfer").await?;
        drop(download);
        app.wait_for_text("history-item", "Cut by the visitor").await?;
        app.wait_until_none("transfer").await
    })
    .await;
}

/// Presses the stop button of the only transfer, takes what still comes of it, and returns how long
/// that took.
async fn stop(app: &App, download: &mut Download) -> anyhow::Result<Duration> {
    // What counts is when the button got the click: the driver of the window takes its time.
    app.page().execute(NOTE_THE_CLICK, vec![]).await?;
    app.click("stop-transfer").await?;
    // What is in the buffers still comes, at once; then it ends.
    download.take_all().await?;
    let ended = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let pressed = app.page().execute("return window.pressed", vec![]).await?;
    let pressed = pressed.as_u64().context("the page got no click")?;
    Ok(ended.saturating_sub(Duration::from_millis(pressed)))
}

/// Waits until the bar of the only transfer is as wanted, and returns what it shows.
async fn percent(app: &App, wanted: impl Fn(u32) -> bool) -> anyhow::Result<u32> {
    eventually("the bar to move", async || {
        let shown = app.element("transfer-progress").await?.attr("aria-valuenow").await?;
        let percent = shown.context("no value")?.parse()?;
        anyhow::ensure!(wanted(percent), "it shows {percent}");
        Ok(Some(percent))
    })
    .await
}

/// Content in which no two places are alike for long.
fn large_file() -> Vec<u8> {
    (0..LARGE / 8).flat_map(|number| (number as u64).to_le_bytes()).collect()
}

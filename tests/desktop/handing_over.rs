//! Files that go to one person, or come from others, with the real app and a real browser.

use std::{fs, process::Command};

use anyhow::{Context as _, ensure};
use fantoccini::Locator;
use tempfile::TempDir;
use testkit::{
    chromium::Chromium,
    desktop::Furniture,
    narrow::Narrow,
    waiting::{eventually, within},
};

use crate::{
    app::{App, LARGE_PATIENCE, folder_with, with_app},
    visiting::{page_says, press},
};

/// Does not fit in the buffers between a peer and a visitor who does not read.
const LARGE: usize = 64 * 1024 * 1024;

/// Where a way is cut, in bytes.
const CUT: u64 = 24 * 1024 * 1024;

#[tokio::test]
async fn a_file_is_sent_to_a_browser() {
    let content = content(3_000_000);
    with_app("send", Furniture::default(), &[], async |app| {
        let folder = folder_with(&app.desktop.home(), "Films", &[("Tom & Co.mkv", &content)])?;
        app.click("send-file").await?;
        app.choose("files to send", &folder.join("Tom & Co.mkv")).await?;
        app.wait_for_text("draft-file", "Tom & Co.mkv").await?;
        app.element("sheet-note").await?.send_keys("For you only").await?;
        app.portrait("send-sheet").await?;
        app.click("create-link").await?;
        let link = link(app).await?;
        app.copy(&link).await?;
        app.portrait("send-waiting").await?;

        let browser = Chromium::open().await?;
        browser.page().goto(&link).await?;
        let page = browser.page().find(Locator::Css("main")).await?.text().await?;
        assert!(page.contains("Tom & Co.mkv") && page.contains("For you only"), "{page}");
        press(&browser).await?;
        ensure!(browser.downloaded("Tom & Co.mkv").await? == content, "another file arrived");
        app.wait_for_text("finished-item", "Delivered").await?;
        let told = app.desktop.wait_for_notification("a delivered file", |notification| {
            notification.title == "Your file was delivered"
                && notification.text.contains("Tom &amp; Co.mkv")
        });
        told.await?;
        app.portrait("send-delivered").await?;

        browser.page().goto(&link).await?;
        let page = browser.page().find(Locator::Css("main")).await?.text().await?;
        assert!(!page.contains("Tom"), "the link leads to nothing any more: {page}");
        app.click("remove-hand-over").await?;
        app.wait_until_none("finished-item").await?;
        browser.close().await
    })
    .await;
}

#[tokio::test]
async fn files_that_are_dropped_arrive_as_one_archive() {
    let place = TempDir::new().unwrap();
    let (one, two) = (content(300_000), content(70_000));
    let files: [(&str, &[u8]); 2] = [("beach.jpg", &one), ("Zoë.txt", &two)];
    let folder = folder_with(place.path(), "Holiday", &files).unwrap();
    with_app("send-several", Furniture::default(), &[], async |app| {
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.wait_until_painted(&window).await?;
        let (one_path, two_path) = (folder.join("beach.jpg"), folder.join("Zoë.txt"));
        app.desktop.drop_on(&window, &[&one_path, &two_path]).await?;
        app.wait_for_text("send-sheet", "Send 2 files").await?;
        app.click("create-link").await?;
        let link = link(app).await?;

        let browser = Chromium::open().await?;
        browser.page().goto(&link).await?;
        press(&browser).await?;
        app.wait_for_text("finished-item", "Delivered").await?;
        let archive = eventually("the archive", async || {
            let mut arrived = browser.arrived()?.into_iter();
            Ok(arrived.find(|path| path.extension().is_some_and(|end| end == "zip")))
        });
        let out = place.path().join("out");
        let unpacked = Command::new("/usr/bin/python3")
            .args(["-m", "zipfile", "-e"])
            .args([archive.await?, out.clone()])
            .status()?;
        ensure!(unpacked.success(), "it cannot be unpacked");
        ensure!(fs::read(out.join("beach.jpg"))? == one, "another picture");
        ensure!(fs::read(out.join("Zoë.txt"))? == two, "another text");
        browser.close().await
    })
    .await;
}

#[tokio::test]
async fn files_and_folders_are_not_dropped_together() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Holiday", &[("beach.jpg", b"sand")]).unwrap();
    with_app("drop-both", Furniture::default(), &[], async |app| {
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.wait_until_painted(&window).await?;
        app.desktop.drop_on(&window, &[&folder, &folder.join("beach.jpg")]).await?;
        app.wait_for_text("problem", "drop either folders or files").await?;
        assert_eq!(app.count("site-card").await? + app.count("send-sheet").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_was_cut_goes_on_where_it_was_cut() {
    let place = TempDir::new().unwrap();
    let content = content(LARGE);
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &content)]).unwrap();
    with_app("send-cut", Furniture::default(), &[&folder.join("film.mkv")], async |app| {
        app.click("create-link").await?;
        let link = link(app).await?;
        let way = Narrow::before(&link).await?;
        way.allow_down(CUT);
        let browser = Chromium::open_through(way.port()).await?;
        browser.page().goto(&link).await?;
        press(&browser).await?;
        let early = percent(app, |percent| percent >= 20).await?;
        assert!(early < 50, "{early} % of a file that was cut before");
        app.wait_for_text("hand-over-state", "Being delivered").await?;
        app.wait_for_text("passing", "Chrom").await?;
        app.portrait("send-passing").await?;

        way.cut();
        let state = app.wait_for_text("hand-over-state", "the link still works").await?;
        assert!(state.contains(" of 67.1 MB"), "{state}");
        app.portrait("send-cut").await?;

        way.allow_down(u64::MAX);
        way.mend();
        browser.resume().await?;
        let arrived = browser.downloaded_within(LARGE_PATIENCE, "film.mkv").await?;
        ensure!(arrived == content, "another file arrived");
        app.wait_for_text("finished-item", "Delivered").await?;
        browser.close().await
    })
    .await;
}

#[tokio::test]
async fn who_asks_first_is_refused_or_allowed() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Films", &[("film.mkv", b"film")]).unwrap();
    let film = folder.join("film.mkv");
    with_app("ask-first", Furniture::default(), &[&film], async |app| {
        app.click("ask-first").await?;
        app.wait_for_attribute("ask-first", "aria-checked", |on| on == "true").await?;
        app.click("create-link").await?;
        let first = link(app).await?;
        let browser = Chromium::open().await?;
        browser.page().goto(&first).await?;
        press(&browser).await?;
        // A click on the notification itself opens the window.
        app.click("open-settings").await?;
        app.element("settings").await?;
        app.desktop.wait_until_shown(1).await?;
        app.desktop.click_notification().await?;
        app.wait_for_text("knock", "Chrom").await?;
        app.wait_until_none("settings").await?;
        app.portrait("knock").await?;
        app.click("refuse-knock").await?;
        app.wait_until_none("knock").await?;
        // The question is answered, so nobody is asked any more.
        app.desktop.wait_until_shown(0).await?;
        let told = app.desktop.wait_for_notification("a question", |notification| {
            notification.title == "May they have “film.mkv”?"
        });
        assert!(told.await?.text.contains("this computer"));
        page_says(&browser, "The answer is no").await?;
        assert_eq!(fs::read_dir(browser.downloads())?.count(), 0);
        app.click("end-hand-over").await?;
        app.click("confirm-end").await?;
        app.wait_until_none("hand-over-card").await?;

        app.desktop.output(crate::app::PROGRAM, &[&film.display().to_string()]).await?;
        app.click("ask-first").await?;
        app.click("create-link").await?;
        let second = link(app).await?;
        browser.page().goto(&second).await?;
        press(&browser).await?;
        app.click("allow-knock").await?;
        ensure!(browser.downloaded("film.mkv").await? == b"film", "another file arrived");
        app.wait_for_text("finished-item", "Delivered").await?;
        browser.close().await
    })
    .await;
}

#[tokio::test]
async fn a_file_of_somebody_else_comes_into_the_folder_also_after_a_cut() {
    let place = TempDir::new().unwrap();
    let content = content(LARGE);
    let folder = folder_with(place.path(), "Theirs", &[("film.mkv", &content)]).unwrap();
    with_app("receive", Furniture::default(), &[], async |app| {
        app.click("ask-file").await?;
        app.element("ask-sheet").await?;
        let inbox = folder_with(&app.desktop.home(), "From others", &[])?;
        app.click("change-inbox").await?;
        app.choose("files of others", &inbox).await?;
        app.wait_for_text("inbox", "From others").await?;
        app.portrait("ask-sheet").await?;
        app.click("create-link").await?;
        let link = link(app).await?;

        let way = Narrow::before(&link).await?;
        way.allow_up(CUT);
        let browser = Chromium::open_through(way.port()).await?;
        browser.page().goto(&link).await?;
        let film = folder.join("film.mkv");
        let picker = eventually("the picker", async || {
            Ok(browser.page().find(Locator::Css("input[type=file]")).await.ok())
        });
        picker.await?.send_keys(film.to_str().context("a path that is text")?).await?;
        let early = percent(app, |percent| percent >= 20).await?;
        assert!(early < 50, "{early} % of a file that was cut before");
        app.wait_for_text("passing", "film.mkv").await?;
        app.portrait("receive-passing").await?;
        assert!(!inbox.join("film.mkv").exists(), "it has its name before all of it is there");

        way.cut();
        app.wait_for_text("hand-over-state", "the link still works").await?;
        way.allow_up(u64::MAX);
        way.mend();
        // The page goes on by itself.
        app.wait_for_text_within(LARGE_PATIENCE, "received", "film.mkv").await?;
        ensure!(fs::read(inbox.join("film.mkv"))? == content, "another file arrived");
        let told = app.desktop.wait_for_notification("a file", |notification| {
            notification.title == "A file has arrived" && notification.text.contains("film.mkv")
        });
        told.await?;
        app.portrait("received").await?;
        browser.close().await
    })
    .await;
}

/// Returns the link of the first hand-over, once there is one.
async fn link(app: &App) -> anyhow::Result<String> {
    app.wait_for_text("hand-over-link", "http://").await
}

/// Waits until the only bar is as wanted, and returns what it shows.
async fn percent(app: &App, wanted: impl Fn(u32) -> bool) -> anyhow::Result<u32> {
    within(LARGE_PATIENCE, "the bar to move", async || {
        let shown = app.element("passing-progress").await?.attr("aria-valuenow").await?;
        let percent = shown.context("no value")?.parse()?;
        ensure!(wanted(percent), "it shows {percent}");
        Ok(Some(percent))
    })
    .await
}

/// Content in which no two places are alike for long.
fn content(size: usize) -> Vec<u8> {
    (0..size / 8).flat_map(|number| (number as u64).to_le_bytes()).collect()
}

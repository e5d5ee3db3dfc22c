//! What the owner does with notifications while the window is closed, in a real server of them.

use std::fs;

use anyhow::ensure;
use fantoccini::Locator;
use tempfile::TempDir;
use testkit::{chromium::Chromium, clicking::click, desktop::Furniture, waiting::eventually};

use crate::{
    app::{App, PROGRAM, TITLE, folder_with, with_app},
    visiting::{page_says, press},
};

#[tokio::test]
async fn who_asks_first_is_answered_in_the_notification() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Films", &[("film.mkv", b"film")]).unwrap();
    let film = folder.join("film.mkv");
    with_app("answer-knock", Furniture::default(), &[&film], async |app| {
        app.click("ask-first").await?;
        app.click("create-link").await?;
        let first = app.wait_for_text("hand-over-link", "http://").await?;
        app.wait_until_none("send-sheet").await?;
        app.desktop.output(PROGRAM, &[&film.display().to_string()]).await?;
        app.click("ask-first").await?;
        app.click("create-link").await?;
        let second = eventually("another link, which is above", async || {
            let link = app.text("hand-over-link").await?;
            Ok((link.starts_with("http://") && link != first).then_some(link))
        });
        let second = second.await?;
        put_away(app).await?;

        let browser = Chromium::open().await?;
        browser.page().goto(&first).await?;
        press(&browser).await?;
        app.desktop.wait_until_shown(1).await?;
        app.desktop.screenshot("knock-notification").await?;
        app.desktop.press_in_notification("Refuse").await?;
        page_says(&browser, "The answer is no").await?;
        app.desktop.wait_until_shown(0).await?;
        ensure!(fs::read_dir(browser.downloads())?.next().is_none(), "it was fetched");

        browser.page().goto(&second).await?;
        press(&browser).await?;
        app.desktop.wait_until_shown(1).await?;
        app.desktop.press_in_notification("Allow").await?;
        ensure!(browser.downloaded("film.mkv").await? == b"film", "another file arrived");
        ensure!(app.desktop.windows(TITLE).await?.is_empty(), "an answer opens no window");

        // That it arrived is told too, and a click on that opens the window.
        app.desktop.wait_until_shown(1).await?;
        app.desktop.click_notification().await?;
        app.window().await?;
        app.follow_window().await?;
        app.wait_for_text("finished-item", "Delivered").await?;
        browser.close().await
    })
    .await;
}

#[tokio::test]
async fn the_button_of_a_note_leads_to_its_answer() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("a.txt", b"a")]).unwrap();
    with_app("answer-note", Furniture::default(), &[&folder], async |app| {
        let link = app.link().await?;
        put_away(app).await?;
        let browser = Chromium::open().await?;
        let page = browser.page();
        page.goto(&link).await?;
        let told = app.desktop.wait_for_notification("the first visitor", |notification| {
            notification.title == "The first visitor is here"
        });
        told.await?;
        click(page, Locator::Css("details.note summary")).await?;
        page.find(Locator::Css("#note-text")).await?.send_keys("Where is the third?").await?;
        click(page, Locator::Css(".note-form button")).await?;
        app.desktop.wait_until_shown(1).await?;
        app.desktop.screenshot("note-notification").await?;
        // This server has no field for an answer, so its button opens the window.
        app.desktop.press_in_notification("Answer").await?;

        app.window().await?;
        app.follow_window().await?;
        app.wait_for_text("note", "Where is the third?").await?;
        app.click("answer-note").await?;
        app.element("note-answer").await?.send_keys("In the other folder").await?;
        app.click("send-answer").await?;
        eventually("the answer on the visitor's page", async || {
            let theirs = page.find_all(Locator::Css(".note-talk .theirs")).await?;
            let Some(theirs) = theirs.first() else { return Ok(None) };
            Ok(theirs.text().await?.contains("In the other folder").then_some(()))
        })
        .await?;
        browser.close().await
    })
    .await;
}

/// Closes the window, and the notification that says so.
async fn put_away(app: &App) -> anyhow::Result<()> {
    app.desktop.close(&app.window().await?).await?;
    app.desktop.wait_until_no_window(TITLE).await?;
    let told = app.desktop.wait_for_notification("a word about the tray", |notification| {
        notification.title == "Veranda keeps running"
    });
    told.await?;
    Ok(())
}

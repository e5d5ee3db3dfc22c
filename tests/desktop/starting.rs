//! Starting, starting twice, closing, coming back.

use anyhow::Context as _;
use tempfile::TempDir;
use testkit::{
    desktop::{Desktop, Furniture},
    visitor::Visitor,
    waiting::eventually,
};

use crate::app::{PROGRAM, TITLE, folder_with, with_app};

#[tokio::test]
async fn nothing_is_lost_over_a_restart() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    with_app("restart", Furniture::default(), &[&folder], async |app| {
        let link = app.link().await?;
        let fingerprint = app.fingerprint().await?;
        let (visitor, _) = Visitor::enter(&link).await?;
        assert_eq!(visitor.get("/cat.txt").await?.status(), 200);
        app.wait_for_text("history-item", "cat.txt").await?;

        app.restart().await?;
        assert_eq!(app.link().await?, link, "another link");
        assert_eq!(app.fingerprint().await?, fingerprint, "another identity");
        assert_eq!(app.count("site-card").await?, 1);
        app.wait_for_text("history-item", "cat.txt").await?;
        // Who had come before comes in again, with the cookie from then.
        eventually("the site to be back", async || {
            Ok((visitor.get("/cat.txt").await?.status() == 200).then_some(()))
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn a_second_start_raises_the_window_and_hands_its_folder_over() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    with_app("second-start", Furniture::default(), &[], async |app| {
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.minimise(&window).await?;
        app.desktop.wait_until_no_window(TITLE).await?;

        // It ends by itself, and well.
        app.desktop.output(PROGRAM, &[&folder.display().to_string()]).await?;
        let window = app.window().await?;
        app.desktop.wait_until_active(&window).await?;
        app.wait_for_text("site-card", "Photos").await?;
        assert_eq!(app.desktop.windows(TITLE).await?.len(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn closing_the_window_leaves_the_tray_and_says_so_once() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    with_app("closing", Furniture::default(), &[&folder], async |app| {
        let link = app.link().await?;
        for _ in 0..2 {
            let window = app.window().await?;
            app.desktop.close(&window).await?;
            app.desktop.wait_until_no_window(TITLE).await?;
            app.desktop
                .wait_for_notification("a word about the tray", |notification| {
                    notification.title == "Veranda keeps running"
                })
                .await?;
            let tray = app.desktop.tray().await?;
            tray.choose("a way back", |line| line.label == "Open Veranda").await?;
            app.window().await?;
        }

        // The links went on working, and the notice came with the first closing only.
        let (visitor, _) = Visitor::enter(&link).await?;
        assert_eq!(visitor.get("/cat.txt").await?.status(), 200);
        app.desktop
            .wait_for_notification("the first visitor", |notification| {
                notification.title == "The first visitor is here"
            })
            .await?;
        let notices = app.desktop.notifications().await?;
        let about_the_tray =
            notices.iter().filter(|notification| notification.title == "Veranda keeps running");
        assert_eq!(about_the_tray.count(), 1, "{notices:?}");

        app.follow_window().await?;
        assert_eq!(app.link().await?, link);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn closing_the_window_ends_the_app_where_there_is_no_tray() {
    let furniture = Furniture { panel: false, ..Furniture::default() };
    with_app("no-tray", furniture, &[], async |app| {
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.close(&window).await?;
        app.wait_until_gone().await
    })
    .await;
}

#[tokio::test]
async fn a_hidden_start_has_a_tray_and_no_window() {
    let mut desktop = Desktop::start().await.unwrap();
    desktop.run(PROGRAM, &["--hidden"]).unwrap();
    let tray = desktop.tray().await.unwrap();
    // Everything that could open a window is over when it is ready.
    let ready = tray.line("the app to be ready", |line| line.label == "Nothing is published");
    ready.await.unwrap();
    assert_eq!(desktop.windows(TITLE).await.unwrap(), []);

    tray.choose("a way in", |line| line.label == "Open Veranda").await.unwrap();
    desktop.wait_for_window(TITLE).await.unwrap();
}

#[tokio::test]
async fn starting_with_the_computer_is_a_switch() {
    with_app("autostart", Furniture::default(), &[], async |app| {
        let folder = app.desktop.home().join(".config/autostart");
        let entry = async || {
            let mut entries = std::fs::read_dir(&folder).into_iter().flatten();
            let Some(entry) = entries.next() else { return anyhow::Ok(None) };
            Ok(Some(std::fs::read_to_string(entry?.path())?))
        };
        assert_eq!(entry().await?, None, "it starts with the computer unasked");

        app.click("open-settings").await?;
        app.click("start-at-login").await?;
        app.wait_for_attribute("start-at-login", "aria-checked", |on| on == "true").await?;
        let text = eventually("an entry for the start", entry).await?;
        assert!(text.contains("--hidden"), "{text}");

        app.click("start-at-login").await?;
        app.wait_for_attribute("start-at-login", "aria-checked", |on| on == "false").await?;
        assert_eq!(entry().await?, None);

        // The next login, as a session reads such an entry: a tray, and no window.
        app.click("start-at-login").await?;
        eventually("the entry again", entry).await?;
        app.quit().await?;
        let entry = std::fs::read_dir(&folder)?.next().context("no entry")??.path();
        app.desktop.run("gio", &["launch", &entry.display().to_string()])?;
        let tray = app.desktop.tray().await?;
        tray.line("the app to be ready", |line| line.label == "Nothing is published").await?;
        assert_eq!(app.desktop.windows(TITLE).await?, []);
        app.quit().await
    })
    .await;
}

//! From nothing to a link.

use tempfile::TempDir;
use testkit::{
    desktop::Furniture,
    visitor::{self, Visitor},
};

use crate::app::{folder_with, with_app, with_new_app};

/// What stands in the title of the dialog.
const DIALOG: &str = "folder to publish";

#[tokio::test]
async fn a_first_start_makes_an_identity_in_the_keychain_and_offers_one_thing_to_do() {
    with_new_app("first-start", async |app| {
        app.element("add-folder").await?;
        app.wait_for_text("connection", "Connected").await?;
        assert_eq!(app.count("site-card").await?, 0);
        assert_eq!(app.count("problem").await?, 0);

        let key = app.desktop.secret(&["service", "Veranda"]).await?;
        assert!(key.is_some(), "no key in the keychain");
        app.portrait("first-start").await?;

        app.click("open-settings").await?;
        app.wait_for_text("settings", "the keychain of this computer").await?;
        app.portrait("settings").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_is_chosen_with_the_keyboard_alone() {
    with_app("dialog", Furniture::default(), &[], async |app| {
        let home = app.desktop.home();
        let folder = folder_with(&home, "Holiday", &[("beach.txt", b"sand")])?;
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.activate(&window).await?;
        // The one thing to do has the focus.
        app.desktop.press(&["Return"]).await?;

        app.choose(DIALOG, &folder).await?;

        let link = app.link().await?;
        assert_eq!(app.count("site-card").await?, 1);
        app.wait_for_text("site-card", "Holiday").await?;
        let (visitor, listing) = Visitor::enter(&link).await?;
        assert!(visitor::text(&listing).contains("beach.txt"));
        assert_eq!(visitor.get("/beach.txt").await?.body().as_ref(), b"sand");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_is_dropped_on_the_window() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Zoë & Co", &[("cat.txt", b"miau")]).unwrap();
    with_app("drop", Furniture::default(), &[], async |app| {
        app.element("add-folder").await?;
        let window = app.window().await?;
        app.desktop.wait_until_painted(&window).await?;
        app.desktop.drop_on(&window, &[&folder]).await?;
        app.wait_for_text("site-card", "Zoë & Co").await?;
        let (visitor, _) = Visitor::enter(&app.link().await?).await?;
        assert_eq!(visitor.get("/cat.txt").await?.body().as_ref(), b"miau");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_dialog_that_is_closed_changes_nothing() {
    with_app("dialog-closed", Furniture::default(), &[], async |app| {
        app.click("add-folder").await?;
        let dialog = app.desktop.wait_for_window(DIALOG).await?;
        app.desktop.activate(&dialog).await?;
        app.desktop.press(&["Escape"]).await?;
        app.desktop.wait_until_no_window(DIALOG).await?;
        // The window goes on, and says nothing of it.
        app.click("open-settings").await?;
        app.click("close-settings").await?;
        assert_eq!(app.count("site-card").await?, 0);
        assert_eq!(app.count("problem").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_link_is_copied_shown_switched_off_and_taken_back() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    with_app("link", Furniture::default(), &[&folder], async |app| {
        let link = app.link().await?;
        app.copy(&link).await?;

        app.click("show-qr").await?;
        app.element("qr-dialog").await?;
        app.portrait("qr-code").await?;
        app.desktop.activate(&app.window().await?).await?;
        app.desktop.press(&["Escape"]).await?;
        app.wait_until_none("qr-dialog").await?;

        let (visitor, _) = Visitor::enter(&link).await?;
        assert_eq!(visitor.get("/cat.txt").await?.status(), 200);
        app.click("site-switch").await?;
        app.wait_for_attribute("site-switch", "aria-checked", |on| on == "false").await?;
        assert_ne!(visitor.get("/cat.txt").await?.status(), 200);
        app.click("site-switch").await?;
        app.wait_for_attribute("site-switch", "aria-checked", |on| on == "true").await?;
        assert_eq!(app.link().await?, link, "the link stays");
        let again = testkit::waiting::eventually("the site to be back", async || {
            Ok((visitor.get("/cat.txt").await?.status() == 200).then_some(()))
        });
        again.await?;

        app.click("site-options").await?;
        app.click("remove-site").await?;
        app.click("confirm-remove").await?;
        app.wait_until_none("site-card").await?;
        assert_ne!(visitor.get("/cat.txt").await?.status(), 200);
        assert!(folder.join("cat.txt").exists(), "the folder stays as it is");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_published_is_a_sentence() {
    with_app("bad-folder", Furniture::default(), &["/proc/nothing-here".as_ref()], async |app| {
        app.wait_for_text("problem", "cannot be published").await?;
        assert_eq!(app.count("site-card").await?, 0);
        app.portrait("problem").await?;
        Ok(())
    })
    .await;
}

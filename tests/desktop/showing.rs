//! What arrived, shown where the owner's files are: in the file manager.

use std::fs;

use anyhow::ensure;
use http::{Request, StatusCode};
use testkit::{
    desktop::Furniture,
    visitor::{self, Visitor},
    waiting::eventually,
};
use url::Url;

use crate::app::{App, with_app};

/// A name in which everything means something to somebody, in shells, in addresses and on screens,
/// and that is longer than what the window shows of it.
const NAME: &str = "-rf 100% Zoë's #1 & $(x) 写真’\u{ad}, and everything else that belongs to it, \
                    as far as it could be found in the boxes of our grandparents this weekend, before the rain came.tar.gz";

/// What opens folders on Linux, the first that is there; Veranda asks the first one before.
const OPENERS: [&str; 6] = ["xdg-open", "gio", "gnome-open", "kde-open", "kde-open5", "kde-open6"];

#[tokio::test]
async fn a_file_that_arrived_is_shown_in_the_file_manager() {
    with_app("show", Furniture::default(), &[], async |app| {
        let mut file_manager = app.desktop.file_manager().await?;
        receive(app).await?;
        app.click("show-received").await?;
        let shown = file_manager.wait_for(1).await?;
        let shown = Url::parse(&shown[0])?.to_file_path();
        assert_eq!(shown, Ok(fs::canonicalize(app.desktop.home().join(NAME))?));
        assert_eq!(app.count("problem").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_a_file_manager_the_folder_is_opened_or_named() {
    with_app("show-folder", Furniture::default(), &[], async |app| {
        let home = app.desktop.home();
        let opened = home.join("opened");
        app.desktop.replace_program("xdg-open", r#"printf %s "$1" > "$HOME/opened""#)?;
        receive(app).await?;
        app.click("show-received").await?;
        eventually("the folder to be opened", async || {
            let folder = fs::read_to_string(&opened)?;
            ensure!(folder == home.display().to_string(), "it was {folder:?}");
            Ok(Some(()))
        })
        .await?;
        assert_eq!(app.count("problem").await?, 0);

        for opener in OPENERS {
            app.desktop.replace_program(opener, "exit 2")?;
        }
        app.click("show-received").await?;
        let why = app.wait_for_text("problem", "no file manager").await?;
        ensure!(why.contains(&home.display().to_string()), "it says {why:?}");

        fs::remove_file(home.join(NAME))?;
        app.click("show-received").await?;
        app.wait_for_text("problem", "moved, renamed or deleted").await?;
        Ok(())
    })
    .await;
}

/// Asks for a file, and lets a visitor send one of that [`NAME`] to the owner's home.
async fn receive(app: &App) -> anyhow::Result<()> {
    app.click("ask-file").await?;
    app.element("ask-sheet").await?;
    app.click("create-link").await?;
    let link = app.wait_for_text("hand-over-link", "http://").await?;
    let mut place = Url::parse(&link)?;
    place.path_segments_mut().expect("an address with a path").push(NAME);
    let answer =
        Visitor::stranger(&link)?.ask(Request::put(place.path()).body("hello".into())?).await?;
    ensure!(answer.status() == StatusCode::CREATED, "{}", visitor::text(&answer));
    app.wait_for_text("received", "everything else").await?;
    ensure!(fs::read(app.desktop.home().join(NAME))? == b"hello", "another file arrived");
    Ok(())
}

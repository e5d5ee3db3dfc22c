//! The tray icon and its menu.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use http::HeaderMap;
use tempfile::TempDir;
use testkit::{
    desktop::{Desktop, Furniture, MenuLine},
    visitor::Visitor,
    waiting::eventually,
};

use crate::app::{folder_with, with_app};

#[tokio::test]
async fn everything_is_in_the_menu_of_the_tray() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    with_app("tray-menu", Furniture::default(), &[&folder], async |app| {
        let link = app.link().await?;
        let (visitor, _) = Visitor::enter(&link).await?;
        let tray = app.desktop.tray().await?;
        tray.line("the site", |line| line.label == "Photos" && has(line, "Copy link")).await?;
        tray.choose("its link", |line| line.label == "Copy link").await?;
        let copied =
            eventually("the link on the clipboard", async || app.desktop.clipboard().await);
        assert_eq!(copied.await?, link);

        let pause = tray.line("a pause", |line| line.label == "Pause everything").await?;
        assert_eq!(pause.checked, Some(false));
        tray.choose("a pause", |line| line.label == "Pause everything").await?;
        // A menu checks its own line at once; its first line is what the app made of it.
        tray.line("the word for it", |line| line.label == "Everything is paused").await?;
        app.wait_for_attribute("pause-all", "aria-checked", |on| on == "true").await?;
        assert_ne!(visitor.get("/cat.txt").await?.status(), 200);
        let pause = tray.line("the pause", |line| line.label == "Pause everything").await?;
        assert_eq!(pause.checked, Some(true));
        tray.choose("its end", |line| line.label == "Pause everything").await?;
        tray.line("the word for it", |line| line.label == "1 folder is published").await?;
        app.wait_for_attribute("pause-all", "aria-checked", |on| on == "false").await?;
        assert_eq!(visitor.get("/cat.txt").await?.status(), 200);

        tray.line("the site", |line| line.label == "Photos" && has(line, "On")).await?;
        tray.choose("its switch", |line| line.label == "On").await?;
        app.wait_for_attribute("site-switch", "aria-checked", |on| on == "false").await?;
        let off = tray.line("the site to be off", |line| {
            line.label == "Photos"
                && line.below.iter().any(|line| line.label == "On" && line.checked == Some(false))
        });
        off.await?;
        app.quit().await
    })
    .await;
}

#[tokio::test]
async fn the_icon_shows_the_state() {
    let place = TempDir::new().unwrap();
    let content = vec![7; 64 * 1024 * 1024];
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &content)]).unwrap();
    with_app("tray-icon", Furniture::default(), &[], async |app| {
        let tray = app.desktop.tray().await?;
        let shows = async |state: &str| {
            let wanted = pixels(&app.desktop, &icon_file(state)).await?;
            eventually(&format!("the icon to be {state}"), async || {
                let shown = tray.icon().await?;
                let is_it = pixels(&app.desktop, &shown).await? == wanted;
                ensure!(is_it, "{} is another", shown.display());
                Ok(Some(()))
            })
            .await
        };
        shows("idle").await?;
        app.desktop.output(crate::app::PROGRAM, &[&folder.display().to_string()]).await?;
        let link = app.link().await?;
        shows("published").await?;

        let (visitor, _) = Visitor::enter(&link).await?;
        let mut download = visitor.begin("/film.mkv", &HeaderMap::new()).await?;
        download.take(1).await?;
        shows("active").await?;
        app.desktop.screenshot("tray").await?;
        drop(download);
        shows("published").await?;
        app.click("pause-all").await?;
        shows("idle").await
    })
    .await;
}

/// Returns whether this stands right below a line.
fn has(line: &MenuLine, label: &str) -> bool {
    line.below.iter().any(|line| line.label == label)
}

fn icon_file(state: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../icons/tray-{state}.png"))
}

/// Returns a sum over the colours of a picture, whatever its file looks like otherwise.
async fn pixels(desktop: &Desktop, picture: &Path) -> anyhow::Result<String> {
    desktop.output("identify", &["-format", "%#", &picture.display().to_string()]).await
}

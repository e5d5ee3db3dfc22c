//! The app on a desktop that does not speak English.

use anyhow::ensure;
use tempfile::TempDir;
use testkit::{desktop::Furniture, visitor::Visitor};

use crate::app::{folder_with, with_app};

#[tokio::test]
async fn on_a_german_desktop_everything_is_german() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Fotos", &[("katze.txt", b"miau")]).unwrap();
    let furniture = Furniture { locale: "de_DE.UTF-8", ..Furniture::default() };
    with_app("german", furniture, &[&folder], async |app| {
        let link = app.link().await?;
        app.wait_for_text("pause-all", "Alles anhalten").await?;
        let html = app.page().find(fantoccini::Locator::Css("html")).await?;
        ensure!(html.attr("lang").await?.as_deref() == Some("de"), "the page says another one");

        let tray = app.desktop.tray().await?;
        for label in ["1 Ordner ist veröffentlicht", "Alles anhalten", "Beenden"] {
            tray.line(label, |line| line.label == label).await?;
        }
        Visitor::enter(&link).await?;
        let told = app.desktop.wait_for_notification("the first visitor", |notification| {
            notification.title == "Der erste Besucher ist da"
        });
        let told = told.await?;
        ensure!(told.text == "Jemand hat „Fotos“ zum ersten Mal geöffnet.", "{told:?}");
        app.portrait("german").await
    })
    .await;
}

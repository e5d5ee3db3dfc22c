//! Nobody is kept out: axe-core, in the real window, on every page.

use std::{fs, path::Path};

use anyhow::Context as _;
use http::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;
use testkit::{desktop::Furniture, visitor::Visitor};

use crate::app::{App, folder_with, with_app};

#[tokio::test]
async fn no_page_has_a_violation() {
    let place = TempDir::new().unwrap();
    let content = vec![7; 64 * 1024 * 1024];
    let folder = folder_with(place.path(), "Films", &[("film.mkv", &content)]).unwrap();
    with_app("accessibility", Furniture::default(), &[], async |app| {
        app.element("add-folder").await?;
        app.wait_for_text("connection", "Connected").await?;
        check(app, "the empty page").await?;

        app.desktop.output(crate::app::PROGRAM, &[&folder.display().to_string()]).await?;
        let (visitor, _) = Visitor::enter(&app.link().await?).await?;
        let mut download = visitor.begin("/film.mkv", &HeaderMap::new()).await?;
        download.take(1024).await?;
        app.element("transfer").await?;
        check(app, "a transfer").await?;
        drop(download);
        app.element("history-item").await?;
        check(app, "the history").await?;

        app.click("show-qr").await?;
        app.element("qr-dialog").await?;
        check(app, "the QR code").await?;
        app.desktop.activate(&app.window().await?).await?;
        app.desktop.press(&["Escape"]).await?;
        app.wait_until_none("qr-dialog").await?;

        app.click("ask-file").await?;
        app.element("ask-sheet").await?;
        check(app, "the question for a file").await?;
        app.click("ask-first").await?;
        app.click("create-link").await?;
        let link = app.wait_for_text("hand-over-link", "http://").await?;
        let path = link.splitn(4, '/').nth(3).context("a path")?;
        let button = http::Request::post(format!("/{path}/take")).body(Default::default())?;
        Visitor::stranger(&link)?.ask(button).await?;
        app.wait_for_attribute("allow-knock", "disabled", str::is_empty).await?;
        check(app, "somebody who asks").await?;
        app.click("end-hand-over").await?;
        app.element("confirm-end").await?;
        check(app, "the question before the end").await?;
        app.click("confirm-end").await?;
        app.wait_until_none("hand-over-card").await?;

        app.click("open-settings").await?;
        app.element("settings").await?;
        check(app, "the settings").await
    })
    .await;
}

#[tokio::test]
async fn the_question_for_a_passphrase_has_no_violation() {
    let furniture = Furniture { keychain: false, ..Furniture::default() };
    with_app("accessibility-key", furniture, &[], async |app| {
        app.element("needs-key").await?;
        check(app, "the passphrase").await
    })
    .await;
}

async fn check(app: &App, what: &str) -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(file).context("the window's packages are not installed")?;
    app.page().execute(&axe, vec![]).await?;
    let run = "const done = arguments[0];
        axe.run().then((result) => done(result), (error) => done({ error: String(error) }));";
    let result = app.page().execute_async(run, vec![]).await?;
    let passes = result["passes"].as_array().with_context(|| format!("axe said {result}"))?;
    assert!(!passes.is_empty(), "axe looked at nothing");
    let violations: Vec<String> = result["violations"]
        .as_array()
        .context("no violations")?
        .iter()
        .map(|violation| {
            let nodes = violation["nodes"].as_array().into_iter().flatten();
            let places: Vec<&Value> = nodes.map(|node| &node["html"]).collect();
            format!("{}: {places:?}", violation["help"])
        })
        .collect();
    assert!(violations.is_empty(), "{what}: {violations:#?}");
    Ok(())
}

//! A visitor writes to the owner, on a real desktop.

use http::{Request, StatusCode, header};
use tempfile::TempDir;
use testkit::{desktop::Furniture, visitor::Visitor};

use crate::app::{folder_with, with_app};

/// A notification server reads a part of HTML: shown as it is, this would be a link.
const NOTE: &str = "The <a href=\"http://evil.example\">third</a> photo is missing";

#[tokio::test]
async fn a_click_on_the_notification_of_a_note_opens_it_in_the_window() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("a.txt", b"a")]).unwrap();
    with_app("notes", Furniture::default(), &[&folder], async |app| {
        let (visitor, listing) = Visitor::enter(&app.link().await?).await?;
        assert!(testkit::visitor::text(&listing).contains("Write to the owner"));
        // Waiting for it also puts it away.
        let first = app.desktop.wait_for_notification("the first visitor", |notification| {
            notification.title == "The first visitor is here"
        });
        first.await?;

        let form = format!("text={}", NOTE.replace(' ', "+"));
        let request = Request::post("/.well-known/veranda/note")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())?;
        assert_eq!(visitor.ask(request).await?.status(), StatusCode::OK);
        app.desktop.wait_until_shown(1).await?;
        app.desktop.click_notification().await?;

        app.wait_for_text("note", NOTE).await?;
        app.wait_until_none("new-notes").await?;
        assert_eq!(app.count("answer-note").await?, 0, "nobody is there to be answered");
        app.portrait("notes").await?;
        let told = app.desktop.wait_for_notification("a note", |notification| {
            notification.title == "A note about “Photos”"
        });
        let told = told.await?;
        assert!(!told.text.contains("<a "), "{told:?}");

        app.click("forget-note").await?;
        app.wait_until_none("note").await
    })
    .await;
}

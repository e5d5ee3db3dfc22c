//! Where the private key is kept when there is no keychain.

use fantoccini::Locator;
use tempfile::TempDir;
use testkit::desktop::Furniture;

use crate::app::{App, folder_with, with_app};

#[tokio::test]
async fn without_a_keychain_the_key_is_kept_in_an_encrypted_file() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    let furniture = Furniture { keychain: false, ..Furniture::default() };
    with_app("no-keychain", furniture, &[&folder], async |app| {
        let sentence = app.wait_for_text("needs-key", "Protect your key").await?;
        assert!(sentence.contains("no keychain"), "{sentence}");
        app.portrait("no-keychain").await?;

        answer(app, &["correct horse", "correct horse"]).await?;
        let link = app.link().await?;
        let fingerprint = app.fingerprint().await?;

        app.restart().await?;
        app.wait_for_text("needs-key", "Unlock your key").await?;
        answer(app, &["wrong horse battery"]).await?;
        app.wait_for_text("needs-key", "does not open").await?;
        answer(app, &["correct horse"]).await?;
        assert_eq!(app.link().await?, link, "another link");
        assert_eq!(app.fingerprint().await?, fingerprint, "another identity");
        Ok(())
    })
    .await;
}

/// Types into the fields for the passphrase, from top to bottom, and sends the form.
async fn answer(app: &App, texts: &[&str]) -> anyhow::Result<()> {
    let form = app.element("needs-key").await?;
    let fields = form.find_all(Locator::Css("input.field")).await?;
    anyhow::ensure!(fields.len() == texts.len(), "there are {} fields", fields.len());
    for (field, text) in fields.iter().zip(texts) {
        field.clear().await?;
        field.send_keys(text).await?;
    }
    app.click_on("[data-testid='needs-key'] button[type=submit]").await?;
    Ok(())
}

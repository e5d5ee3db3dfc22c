//! A gateway that is reached over an XMPP account, with a real server, as an owner sets it up.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use fantoccini::elements::Element;
use tempfile::TempDir;
use testkit::{
    chat::Chat,
    desktop::Furniture,
    prosody::Prosody,
    visitor::{self, Visitor},
    waiting::eventually,
};

use crate::app::{App, folder_with, with_app};

#[tokio::test]
async fn a_chat_account_is_tried_used_kept_and_forgotten() {
    let place = TempDir::new().unwrap();
    let folder = folder_with(place.path(), "Photos", &[("cat.txt", b"miau")]).unwrap();
    let chat = Chat::start(Prosody::tuned()).await.unwrap();
    let login = chat.server.login("anna").unwrap();
    let (jid, password) = (login.jid.to_string(), login.password.expose().to_owned());
    let server = format!("127.0.0.1:{}", chat.server.port());
    with_app("chat-account", Furniture::default(), &[&folder], async |app| {
        let local = app.link().await?;
        app.click("open-settings").await?;
        app.click("gateway-remote").await?;
        type_into(app, "gateway-address", &chat.invitation()).await?;
        type_into(app, "account-jid", &jid).await?;
        type_into(app, "account-server", &server).await?;

        type_into(app, "account-password", "not this one").await?;
        app.click("test-account").await?;
        app.wait_for_text("account-result", "the name or the password is wrong").await?;
        show(app, "account-test").await?;
        app.portrait("chat-wrong-password").await?;

        type_into(app, "account-password", &password).await?;
        app.click("test-account").await?;
        app.wait_for_text("account-result", "Everything works.").await?;
        show(app, "account-test").await?;
        app.portrait("chat-works").await?;

        app.click("use-gateway").await?;
        app.wait_until_none("use-gateway").await?;
        show(app, "known-account").await?;
        app.portrait("chat-used").await?;
        app.click("close-settings").await?;
        let here = format!(":{}/", chat.port());
        let link = app.wait_for_text("site-link", &here).await?;
        assert_ne!(link, local);
        fetch(&link).await?;
        app.click("connection").await?;
        app.wait_for_text("connection-details", "CrossTalk over XMPP").await?;
        app.portrait("chat-published").await?;

        // The link comes back by itself, and nobody is asked.
        app.restart().await?;
        app.wait_for_text("connection", "Connected").await?;
        assert_eq!(app.link().await?, link, "another link");
        fetch(&link).await?;
        assert_eq!(app.count("problem").await?, 0);
        app.portrait("chat-restarted").await?;
        let leaks = holding(&app.desktop.home(), &password).await?;
        assert_eq!(leaks, Vec::<PathBuf>::new(), "the password can be read");

        app.click("open-settings").await?;
        app.click("forget-account").await?;
        app.click("confirm-forget-account").await?;
        app.wait_until_none("known-account").await?;
        app.click("close-settings").await?;
        app.wait_for_text("site-link", &local).await?;
        fetch(&local).await?;
        assert_eq!(holding(&app.desktop.home(), &jid).await?, Vec::<PathBuf>::new());
        Ok(())
    })
    .await;
    chat.stop().await;
}

/// Types into a field, instead of what is in it.
async fn type_into(app: &App, id: &str, text: &str) -> anyhow::Result<()> {
    let field: Element = app.element(id).await?;
    field.clear().await?;
    Ok(field.send_keys(text).await?)
}

/// Brings something into the window, once it is there.
async fn show(app: &App, id: &str) -> anyhow::Result<()> {
    app.element(id).await?;
    let script = "document.querySelector(`[data-testid=\"${arguments[0]}\"]`)\
        .scrollIntoView({ block: 'center' });";
    app.page().execute(script, vec![id.into()]).await?;
    Ok(())
}

/// Fetches the file that is published, once it is there: the window shows a link before it works, with
/// what is in its way.
async fn fetch(link: &str) -> anyhow::Result<()> {
    eventually("the site behind the link", async || {
        let (visitor, _) = Visitor::enter(link).await?;
        let answer = visitor.get("/cat.txt").await?;
        ensure!(answer.body().as_ref() == b"miau", "{}", visitor::text(&answer));
        Ok(Some(()))
    })
    .await
}

/// Returns the files below a folder in which this text can be read.
async fn holding(folder: &Path, text: &str) -> anyhow::Result<Vec<PathBuf>> {
    // The app goes on writing: a file that is listed may have another name when it is to be read. Then
    // not all of them were looked at.
    eventually("a look at all files", async || holding_now(folder, text).map(Some)).await
}

fn holding_now(folder: &Path, text: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
        let kind = kind?;
        if kind.is_dir() {
            found.extend(holding_now(&path, text)?);
        } else if kind.is_file() {
            let content = fs::read(&path)?;
            if content.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

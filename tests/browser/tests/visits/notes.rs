//! A visitor writes to the owner, who answers.

use fantoccini::Locator;
use serde_json::json;
use testkit::clicking::click;

use crate::world::{World, with_site};

const FILES: &[(&str, &[u8])] =
    &[("readme.txt", b"Read me"), ("photos/1.txt", b"One"), ("photos/2.txt", b"Two")];

/// Looks like markup, and says so when it is taken for that.
const HOSTILE: &str = "<img src=x onerror=window.hurt=1><script>window.hurt=2</script>";

impl World {
    /// Opens the box, writes into it and sends it.
    pub(crate) async fn write(&self, text: &str) -> anyhow::Result<()> {
        let page = self.page();
        let closed = Locator::Css("details.note:not([open]) summary");
        if !page.find_all(closed).await?.is_empty() {
            click(page, closed).await?;
        }
        page.find(Locator::Css("#note-text")).await?.send_keys(text).await?;
        click(page, Locator::Css(".note-form button")).await?;
        Ok(())
    }

    /// Waits for the newest note and returns its id and text.
    pub(crate) async fn note(&self, count: usize) -> anyhow::Result<peer::Note> {
        let snapshot = self.whole.until("a note", |now| now.notes.len() == count).await?;
        Ok(snapshot.notes[0].clone())
    }

    async fn hurt(&self) -> anyhow::Result<serde_json::Value> {
        Ok(self.page().execute("return window.hurt ?? null", vec![]).await?)
    }
}

#[tokio::test]
async fn a_visitor_writes_below_the_files_and_reads_the_answer_there() {
    with_site("notes", FILES, async |world| {
        world.enter().await?;
        world.screenshot("note-closed").await?;
        world.write("The third photo is missing").await?;
        world.wait_for_text("Sent. An answer appears here.").await?;
        let note = world.note(1).await?;
        assert_eq!(note.text, "The third photo is missing");
        assert!(note.answerable && note.agent.starts_with("Chrome"), "{note:?}");

        world.whole.peer()?.reply(note.id, HOSTILE).await?;
        world.wait_for_text("The owner has answered.").await?;
        assert!(world.text().await?.contains(HOSTILE));
        assert_eq!(world.hurt().await?, json!(null));
        world.screenshot("note-answered").await?;

        // The conversation goes along into other folders, and goes on there.
        world.follow("photos").await?;
        world.wait_for_text(HOSTILE).await?;
        world.write(HOSTILE).await?;
        let second = world.note(2).await?;
        assert_eq!(second.text, HOSTILE);
        world.wait_for_text("Sent.").await?;
        assert_eq!(world.hurt().await?, json!(null));

        // An answer waits for a visitor who is away.
        world.page().goto("about:blank").await?;
        world.whole.peer()?.reply(second.id, "It is back now").await?;
        world.page().goto(&format!("{}/", world.origin()?)).await?;
        world.wait_for_text("It is back now").await?;
        let arrived = |note: &peer::Note| note.reply.as_ref().is_some_and(|reply| reply.arrived);
        world.whole.until("both answers", |now| now.notes.iter().all(arrived)).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_box_is_fit_for_every_screen() {
    with_site("note-screens", FILES, async |world| {
        world.enter().await?;
        world.write("Hello!").await?;
        world.wait_for_text("Sent.").await?;
        let note = world.note(1).await?;
        world.whole.peer()?.reply(note.id, "Hello yourself.\nHow are you?").await?;
        world.wait_for_text("How are you?").await?;
        for (name, width, scheme) in
            [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 380, "light")]
        {
            let metrics = json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false,
            });
            world.browser.command("Emulation.setDeviceMetricsOverride", metrics).await?;
            let media = json!({
                "features": [{ "name": "prefers-color-scheme", "value": scheme }],
            });
            world.browser.command("Emulation.setEmulatedMedia", media).await?;
            let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
            let overflow = world.page().execute(overflow, vec![]).await?;
            assert!(overflow.as_i64().is_some_and(|overflow| overflow <= 0), "{name}: {overflow}");
            world.screenshot(&format!("note-{name}")).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_browser_without_script_writes_by_the_form() {
    with_site("note-form", FILES, async |world| {
        world
            .browser
            .command("Emulation.setScriptExecutionDisabled", json!({ "value": true }))
            .await?;
        world.enter().await?;
        world.write(HOSTILE).await?;
        world.wait_for_text("Your note has arrived").await?;
        let note = world.note(1).await?;
        assert_eq!((&*note.text, note.answerable), (HOSTILE, false));
        world.screenshot("note-form").await?;
        world.follow("Write another").await?;
        world.wait_for_text("Write to the owner").await?;
        world.screenshot("note-page").await?;
        // Too much at once is said, and what was written stays.
        for _ in 0..6 {
            world.page().goto(&format!("{}/.well-known/veranda/note", world.origin()?)).await?;
            world.write("again").await?;
            world.wait_for_text("Your note ").await?;
        }
        let text = world.wait_for_text("Your note did not arrive").await?;
        assert!(text.contains("That was a lot at once"), "{text}");
        let kept = world.page().find(Locator::Css("#note-text")).await?;
        assert_eq!(kept.text().await?, "again");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_owner_who_wants_no_notes_gets_none() {
    with_site("note-off", FILES, async |world| {
        let site = world.whole.peer()?.snapshots().borrow().sites[0].id.clone();
        world.enter().await?;
        world.wait_for_text("Write to the owner").await?;
        world.whole.peer()?.set_takes_notes(&site, false).await?;
        // The page is still open from before.
        world.write("hello?").await?;
        world.wait_for_text("The owner takes no notes here.").await?;
        world.page().refresh().await?;
        assert!(!world.text().await?.contains("Write to the owner"));
        assert!(world.whole.peer()?.snapshots().borrow().notes.is_empty());
        Ok(())
    })
    .await;
}

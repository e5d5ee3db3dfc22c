//! A visitor who comes by another port than the gateway knows of, as behind `ssh -L` or a router: what our
//! pages allow themselves must be where they are opened, not where the gateway thinks that they are.

use std::{fs, net::Ipv4Addr};

use anyhow::Context as _;
use fantoccini::Locator;
use http::Uri;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::world::{World, with_site};

const FILES: &[(&str, &[u8])] = &[("readme.txt", b"Read me")];

/// Passes connections on, byte for byte. Dropping it ends them.
struct Forwarder {
    from: u16,
    to: u16,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    /// Stands before the gateway of this link.
    async fn start(link: &str) -> anyhow::Result<Self> {
        let to = link.parse::<Uri>()?.port_u16().context("no port")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let from = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(listener, to));
        Ok(Self { from, to, _tasks: tasks })
    }

    /// Returns where it leads to the same.
    fn moved(&self, link: &str) -> String {
        link.replacen(&format!(":{}/", self.to), &format!(":{}/", self.from), 1)
    }
}

async fn forward(listener: TcpListener, to: u16) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
            // What becomes of it shows at its ends.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
    }
}

/// Enters by a forwarder instead of the gateway's own port.
async fn enter(world: &mut World) -> anyhow::Result<Forwarder> {
    let forwarder = Forwarder::start(&world.link).await?;
    world.link = forwarder.moved(&world.link);
    world.enter().await?;
    Ok(forwarder)
}

#[tokio::test]
async fn files_can_be_sent() {
    with_site("forwarded-wish", FILES, async |world| {
        let (inbox, hers) = (TempDir::new()?, TempDir::new()?);
        let peer = world.whole.peer()?;
        peer.ask_for_files(inbox.path(), 1_000_000, 3, peer::Terms::default()).await?;
        let has_link = |now: &peer::Snapshot| now.hand_overs.iter().any(|one| one.url.is_some());
        let snapshot = world.whole.until("a link", has_link).await?;
        let link = snapshot.hand_overs[0].url.clone().context("no link")?;
        let forwarder = Forwarder::start(&link).await?;
        world.page().goto(&forwarder.moved(&link)).await?;
        world.wait_for_text("Choose files").await?;
        let film = hers.path().join("film.mkv");
        fs::write(&film, [7; 500_000])?;
        let input = world.page().find(Locator::Css("input[type=file]")).await?;
        input.send_keys(&film.display().to_string()).await?;
        world.wait_for_text("The file arrived.").await?;
        assert!(fs::read(inbox.path().join("film.mkv"))? == [7; 500_000]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_owner_can_be_written_to_and_answers() {
    with_site("forwarded-notes", FILES, async |world| {
        let _forwarder = enter(world).await?;
        world.write("The third photo is missing").await?;
        world.wait_for_text("Sent. An answer appears here.").await?;
        let note = world.note(1).await?;
        assert!(note.answerable, "{note:?}");
        world.whole.peer()?.reply(note.id, "Look again").await?;
        world.wait_for_text("Look again").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_owner_can_be_written_to_by_the_form() {
    with_site("forwarded-form", FILES, async |world| {
        let off = json!({ "value": true });
        world.browser.command("Emulation.setScriptExecutionDisabled", off).await?;
        let _forwarder = enter(world).await?;
        world.write("No script here").await?;
        world.wait_for_text("Your note has arrived").await?;
        assert_eq!(world.note(1).await?.text, "No script here");
        Ok(())
    })
    .await;
}

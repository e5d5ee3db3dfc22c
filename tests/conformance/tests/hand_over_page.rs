//! The programs of `docs/protocols/hand-over.md`, letter for letter but for where the link leads.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{path::Path, process::Stdio};

use peer::{HandOver, Peer, Stage, Terms};
use testkit::{waiting::PATIENCE, whole::Whole};
use tokio::{process::Command, time::timeout};

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/hand-over.md"));

/// More than all windows and buffers on the way.
const LARGE: u32 = 5_000_000;

fn content() -> Vec<u8> {
    (0..LARGE).map(|place| (place % 251) as u8).collect()
}

/// Runs one of the page's programs in a folder; returns what it said.
async fn run(number: usize, url: &str, folder: &Path) -> String {
    let program = PAGE.split("```sh\n").nth(number).unwrap().split("```").next().unwrap();
    let program = program.replace("https://files-k3f9x.gateway.example/h/<token>", url);
    assert!(program.contains(url), "{program}");
    let running = Command::new("bash")
        .args(["-euc", &program])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = timeout(PATIENCE, running.wait_with_output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{program}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// Waits until the only hand-over is like this.
async fn until(peer: &Peer, is: impl Fn(&HandOver) -> bool) -> HandOver {
    let mut snapshots = peer.snapshots();
    let waiting = snapshots.wait_for(|now| now.hand_overs.first().is_some_and(&is));
    timeout(PATIENCE, waiting).await.unwrap().unwrap().hand_overs[0].clone()
}

#[tokio::test]
async fn a_program_fetches_what_was_sent() {
    let mut whole = Whole::start().await.unwrap();
    let peer = whole.peer().unwrap();
    let (here, there) = (whole.folder().to_owned(), tempfile::tempdir().unwrap());
    std::fs::write(here.join("film.mp4"), content()).unwrap();
    peer.send_files(vec![here.join("film.mp4")], Terms::default()).await.unwrap();
    let url = until(peer, |one| one.url.is_some()).await.url.unwrap();
    run(1, &url, there.path()).await;
    assert!(std::fs::read(there.path().join("film.mp4")).unwrap() == content());
    until(peer, |one| matches!(one.stage, Stage::Done { .. })).await;
    whole.stop_peer().await;
    whole.stop_gateway().await.unwrap();
}

#[tokio::test]
async fn programs_send_what_was_asked_for() {
    let mut whole = Whole::start().await.unwrap();
    let peer = whole.peer().unwrap();
    let (here, there) = (whole.folder().to_owned(), tempfile::tempdir().unwrap());
    peer.ask_for_files(&here, 10_000_000, 3, Terms::default()).await.unwrap();
    let url = until(peer, |one| one.url.is_some()).await.url.unwrap();
    for name in ["film.mp4", "photo.jpg"] {
        std::fs::write(there.path().join(name), content()).unwrap();
    }
    run(2, &url, there.path()).await;
    assert_eq!(run(3, &url, there.path()).await, "photo.jpg has arrived.\n");
    // Nothing is overwritten.
    assert_eq!(run(3, &url, there.path()).await, "photo (2).jpg has arrived.\n");
    until(peer, |one| matches!(one.stage, Stage::Done { .. })).await;
    for name in ["film.mp4", "photo.jpg", "photo (2).jpg"] {
        assert!(std::fs::read(here.join(name)).unwrap() == content(), "{name}");
    }
    assert_eq!(std::fs::read_dir(&here).unwrap().count(), 3, "a draft stays");
    whole.stop_peer().await;
    whole.stop_gateway().await.unwrap();
}

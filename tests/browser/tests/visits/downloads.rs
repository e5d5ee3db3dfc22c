//! Files that a browser keeps.

use std::time::Duration;

use anyhow::Context as _;
use peer::{Ended, TransferEnd, TransferRecord};

use crate::world::{World, with_site};

/// Enough to be cut in the middle on a fast machine, in bytes.
const LARGE: usize = 256 * 1024 * 1024;

/// How long it may take on a machine that is busy with other tests.
const LARGE_PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_download_is_what_was_published() {
    let content = large_file(3_000_001);
    with_site("download", &[("photo collection.zip", &content)], async |world| {
        world.enter().await?;
        world.follow("photo collection.zip").await?;
        let file = world.browser.downloaded("photo collection.zip").await?;
        assert!(file == content, "another file arrived");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_download_that_the_owner_cut_is_resumed_where_it_was_cut() {
    let content = large_file(LARGE);
    with_site("resume", &[("film.bin", &content)], async |world| {
        world.enter().await?;
        world.follow("film.bin").await?;
        let transfer = first_bytes(world).await?;
        world.whole.peer()?.stop_transfer(transfer).await;
        let cut = ended(world, 1).await?;
        assert_eq!(cut[0].end, TransferEnd::Cut(Ended::Owner));

        world.browser.resume().await?;
        let file = film(world).await?;
        assert!(file == content, "what was put together is another file");
        // The browser asked for the rest, and for nothing twice but what was on its way.
        let all = ended(world, 2).await?;
        assert_eq!(all[0].end, TransferEnd::Complete);
        assert!(all[0].size < content.len() as u64, "all of it was fetched again");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_download_that_lost_its_owner_is_resumed_when_he_is_back() {
    let content = large_file(LARGE);
    with_site("resume-away", &[("film.bin", &content)], async |world| {
        world.enter().await?;
        world.follow("film.bin").await?;
        first_bytes(world).await?;
        world.whole.stop_peer().await;

        world.whole.start_peer().await?;
        world.whole.session_url().await?;
        world.browser.resume().await?;
        let file = film(world).await?;
        assert!(file == content, "what was put together is another file");
        Ok(())
    })
    .await;
}

/// Waits until some of the only transfer was delivered, and returns its id.
async fn first_bytes(world: &World) -> anyhow::Result<peer::TransferId> {
    let under_way = world.whole.until("bytes on their way", |snapshot| {
        snapshot.transfers.iter().any(|transfer| transfer.delivered > 0)
    });
    let transfers = under_way.await?.transfers;
    Ok(transfers.first().context("the transfer is over already")?.id)
}

/// Waits until this many transfers of the film are over and returns them, newest first.
async fn ended(world: &World, count: usize) -> anyhow::Result<Vec<TransferRecord>> {
    let of_the_film = |history: &[TransferRecord]| -> Vec<TransferRecord> {
        history.iter().filter(|record| record.file.contains("film.bin")).cloned().collect()
    };
    let snapshot = world
        .whole
        .until("the end of a transfer", |snapshot| of_the_film(&snapshot.history).len() >= count)
        .await?;
    Ok(of_the_film(&snapshot.history))
}

/// Waits until all of the film is there and returns what arrived.
async fn film(world: &World) -> anyhow::Result<Vec<u8>> {
    world.browser.downloaded_within(LARGE_PATIENCE, "film.bin").await
}

/// Content in which no two places are alike.
fn large_file(size: usize) -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..size.div_ceil(8)).flat_map(|number| (number as u64).to_le_bytes()).collect();
    content.truncate(size);
    content
}

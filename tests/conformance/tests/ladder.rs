//! Which carrier a peer lands on behind real proxies, and that its site can be visited over it.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use carriers::Carrier;
use peer::{LinkState, Missed};
use testkit::{proxy::Passes, visitor::Visitor, whole::Whole};

/// How long a peer may take to find its rung: every rung above it may be silent for a while.
const LANDS_WITHIN: Duration = Duration::from_secs(60);

/// A file that needs more than one message on every carrier.
const SIZE: usize = 1_500_000;

async fn lands_on(passes: Passes, expected: Carrier) -> Result<()> {
    let whole = Whole::start_behind(passes).await?;
    let bytes: Vec<u8> = (0..SIZE).map(|i| (i ^ (i >> 8)) as u8).collect();
    fs::write(whole.folder().join("film.bin"), &bytes)?;
    whole.peer()?.publish(whole.folder()).await?;
    let is_up = |snapshot: &peer::Snapshot| matches!(snapshot.link, LinkState::Up { .. });
    let snapshot = whole.until_within(LANDS_WITHIN, "a link", is_up).await?;
    let LinkState::Up { carrier, missed, .. } = snapshot.link else { unreachable!() };
    ensure!(carrier == expected, "landed on {carrier}, not on {expected}: {missed:?}");
    let better = Carrier::LADDER.into_iter().take_while(|better| *better != carrier);
    let explained = missed.iter().map(|Missed { carrier, .. }| *carrier);
    ensure!(explained.eq(better), "the owner cannot read why not better: {missed:?}");

    let url = whole.session_url().await?;
    let (visitor, _) = Visitor::enter(&url).await?;
    let answer = visitor.get("/film.bin").await?;
    ensure!(answer.status() == 200 && *answer.body() == bytes, "the file came differently");
    Ok(())
}

#[tokio::test]
async fn without_a_proxy_it_is_the_best() -> Result<()> {
    let whole = Whole::start().await?;
    whole.publish().await?;
    let link = whole.peer()?.snapshots().borrow().link.clone();
    ensure!(matches!(link, LinkState::Up { carrier: Carrier::Petrichor, .. }), "{link:?}");
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_passes_upgrades_takes_nothing_away() -> Result<()> {
    lands_on(Passes::Upgrades, Carrier::Petrichor).await
}

#[tokio::test]
async fn a_proxy_that_passes_only_websockets_leaves_taxi() -> Result<()> {
    lands_on(Passes::WebSockets, Carrier::Taxi).await
}

#[tokio::test]
async fn a_proxy_that_blocks_upgrades_leaves_the_poll() -> Result<()> {
    lands_on(Passes::Requests, Carrier::Poll).await
}

#[tokio::test]
async fn a_proxy_that_passes_only_short_requests_leaves_the_poll() -> Result<()> {
    lands_on(Passes::ShortRequests, Carrier::Poll).await
}

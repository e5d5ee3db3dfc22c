//! What thirty stalled visitors cost, by carrier. A program of its own, because it looks at the memory
//! of the whole process.

use std::{
    fs,
    io::{Write as _, stdout},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use conformance::{
    site::LONGEST,
    world::{DEADLINE, Wire, World},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

/// How many visitors stop reading, and as many stop being answered while they send.
const STALLED: usize = 30;

/// The most that one stalled visitor may cost in gateway and peer together: a window of 256 KiB at
/// each of them for each direction, and as much again for buffers of sockets, TLS and HTTP that
/// live in the process.
const MOST_EACH: usize = 2 * 1024 * 1024;

/// How long the memory may keep growing before it counts as settled.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn stalled_visitors_cost_a_bounded_amount_of_memory() -> Result<()> {
    if !cfg!(target_os = "linux") {
        // The memory of a process is read from /proc, which is not here.
        return Ok(());
    }
    // The site's bytes, which are not part of any figure.
    let whole = conformance::site::pattern(LONGEST);
    ensure!(whole.len() == LONGEST);
    for wire in Wire::ALL {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let each = runtime.block_on(cost(wire)).with_context(|| wire.to_string())?;
        runtime.shutdown_timeout(Duration::from_secs(1));
        let kibibytes = each / 1024;
        writeln!(stdout(), "{wire}: {kibibytes} KiB for each of {STALLED} stalled downloads")?;
        ensure!(each <= MOST_EACH, "{wire}: a stalled visitor costs {each} bytes");
    }
    Ok(())
}

/// Returns the bytes that each stalled visitor costs.
async fn cost(wire: Wire) -> Result<usize> {
    let world = World::start(wire).await?;
    let visitor = &world.visitor;
    // What the first visit allocates stays.
    visitor.get("/bytes/1000000").await?;
    let before = settled().await?;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut socket = visitor.socket().await?;
        let head =
            format!("GET /bytes/{LONGEST} HTTP/1.1\r\nHost: {}\r\n\r\n", visitor.authority());
        socket.write_all(head.as_bytes()).await?;
        timeout(DEADLINE, socket.read_exact(&mut [0; 16])).await??;
        stalled.push(socket);
    }
    let after = settled().await?;
    drop(stalled);
    Ok(after.saturating_sub(before) / STALLED)
}

/// Returns the memory of this process once it has stopped growing.
async fn settled() -> Result<usize> {
    let late = Instant::now() + SETTLES_WITHIN;
    let mut last = resident()?;
    let mut same = 0;
    while same < 5 {
        ensure!(Instant::now() < late, "the memory grows and grows: {last} bytes by now");
        sleep(Duration::from_millis(100)).await;
        let now = resident()?;
        same = if now <= last + 64 * 1024 { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn resident() -> Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kibibytes.parse::<usize>()? * 1024)
}

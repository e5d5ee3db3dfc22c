//! The order of things: start, measure in turns, stop, print.

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use carriers::Carrier;
use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    cells::{CELLS, Cell, LARGE, Work},
    chat::Chat,
    ibb, idle, load,
    process::{self, Usage},
    relay::{self, Sink, Way},
    report::{Figures, IdleLinks, Measured, Relayed, Report, Row},
    systems::{GatewayProcess, Nginx, PROSODY, Passing, Published, System},
    visitor,
};

/// Measures Veranda beside nginx and prints shares of one plain nginx reverse-proxy hop.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,

    /// A tenth of the time and of the size: shows that everything works, not how fast.
    #[arg(long)]
    quick: bool,

    /// What to measure beside Veranda.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "nginx")]
    against: Vec<Against>,

    /// By which carriers Veranda is measured.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = carrier,
        default_value = "petrichor,ptth-h2,ptth-h1,taxi,poll,xmpp")]
    carriers: Vec<Carrier>,

    /// Measure relay sessions only.
    #[arg(long, conflicts_with = "carriers")]
    relay_only: bool,

    /// How many rounds; the median of all counts.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// How many idle links the gateway holds when its memory is looked at; 0 leaves it out.
    #[arg(long, value_name = "N")]
    idle_links: Option<usize>,

    /// Where the figures go, as JSON.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,

    /// Where `veranda-gateway` and `veranda-peer` are; beside this program unless told.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// As origin, and as reverse proxy before it.
    Nginx,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Opens links that nobody uses, prints how many, and holds them until its input ends.
    #[command(hide = true)]
    IdleLinks {
        /// The gateway's address.
        gateway: String,
        /// How many.
        count: usize,
        /// By which carrier.
        #[arg(value_parser = carrier)]
        carrier: Carrier,
    },
}

/// What the length of a run decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    /// How long one turn of small requests is, in seconds.
    pub(crate) seconds: u64,
    /// The large file, in bytes.
    pub(crate) large: u64,
    /// What each of several streams fetches, in bytes.
    pub(crate) share: u64,
    /// Requests for the time of the first byte, in each turn.
    pub(crate) requests: usize,
    idle_links: usize,
}

const FULL: Extent = Extent {
    rounds: 5,
    seconds: 3,
    large: 1 << 30,
    share: 256 << 20,
    requests: 500,
    idle_links: 10_000,
};

const QUICK: Extent = Extent {
    rounds: 1,
    seconds: 1,
    large: 128 << 20,
    share: 32 << 20,
    requests: 100,
    idle_links: 500,
};

/// Of how many parts of a long body a slow system sends one.
const PARTS: u64 = 16;

/// In how much of a turn the computer may do something else: more changes the figures more than
/// what is measured does.
const MAX_FOREIGN: f64 = 0.10;

pub(crate) fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Task::IdleLinks { gateway, count, carrier }) = &arguments.task {
        return idle::hold(gateway, *count, *carrier);
    }
    let mut extent = if arguments.quick { QUICK } else { FULL };
    extent.rounds = arguments.rounds.unwrap_or(extent.rounds);
    extent.idle_links = arguments.idle_links.unwrap_or(extent.idle_links);
    if extent.rounds == 0 {
        bail!("no rounds, no figures");
    }
    for (program, package) in [("nginx", "nginx"), ("wrk", "wrk"), ("curl", "curl")] {
        process::require(program, package)?;
    }
    let carriers = if arguments.relay_only { &[][..] } else { &arguments.carriers };
    if carriers.contains(&Carrier::Xmpp) {
        process::require("prosody", "prosody")?;
    }
    let binaries = binaries(arguments.binaries.as_deref(), carriers)?;
    let place = tempfile::Builder::new().prefix("veranda-bench-").tempdir()?;
    let report = measure(extent, carriers, &binaries, place.path())?;
    let file = write(&report, &arguments.out)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{report}\nThese figures are in {}", file.display())?;
    Ok(())
}

fn carrier(name: &str) -> Result<Carrier, String> {
    Carrier::from_name(name).ok_or_else(|| "there is no such carrier".to_owned())
}

fn binaries(told: Option<&Path>, carriers: &[Carrier]) -> Result<PathBuf> {
    let here = env::current_exe().context("this program does not know where it is")?;
    let folder = match told {
        Some(folder) => folder.to_owned(),
        None => here.parent().context("this program is in no folder")?.to_owned(),
    };
    let names = ["veranda-gateway", "veranda-peer"];
    // Relay sessions need no peer.
    for name in if carriers.is_empty() { &names[..1] } else { &names } {
        if !folder.join(name).is_file() {
            bail!(
                "{name} is not in {}: build it first (cargo build --release -p gateway -p peer)",
                folder.display()
            );
        }
    }
    Ok(folder)
}

fn measure(extent: Extent, carriers: &[Carrier], binaries: &Path, place: &Path) -> Result<Report> {
    let mut measured = match carriers {
        [] => Measured::default(),
        carriers => visits(extent, carriers, binaries, place)?,
    };
    measured.relayed = Some(relayed(extent, binaries, place)?);
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(Report::new(at, extent.rounds, extent.large, MAX_FOREIGN, measured))
}

/// Measures what visitors get.
fn visits(extent: Extent, carriers: &[Carrier], binaries: &Path, place: &Path) -> Result<Measured> {
    let folder = place.join("folder");
    fs::create_dir(&folder)?;
    tell("Writing the files")?;
    for (name, size) in [
        ("1k.bin", 1 << 10),
        ("100k.bin", 100 << 10),
        ("large.bin", extent.large),
        ("share.bin", extent.share),
        ("large-part.bin", extent.large / PARTS),
        ("share-part.bin", extent.share / PARTS),
    ] {
        write_file(&folder.join(name), size)?;
    }

    tell("Starting nginx, and a gateway and a peer for each carrier")?;
    let nginx = Nginx::start(place, &folder)?;
    let chat = match carriers.contains(&Carrier::Xmpp) {
        true => Some(Chat::start(&place.join("chat"))?),
        false => None,
    };
    let mut systems = vec![nginx.direct(), nginx.hop()];
    let mut veranda = Vec::new();
    for &carrier in carriers {
        let place = place.join(carrier.name());
        fs::create_dir(&place)?;
        let published = Published::start(binaries, &place, &folder, carrier, chat.as_ref())
            .with_context(|| format!("Veranda by {carrier}"))?;
        systems.push(published.system());
        veranda.push(published);
    }
    for system in &systems {
        for (name, size) in [("1k.bin", 1 << 10), ("100k.bin", 100 << 10)] {
            let (status, body) = visitor::fetch(system, name)?;
            if status != 200 || body.len() as u64 != size {
                bail!("{} answers {status} with {} bytes for {name}", system.name, body.len());
            }
        }
    }

    let mut rows: Vec<Row> = systems.iter().map(|system| Row::new(system.name)).collect();
    let mut beside: Vec<Row> = ibb::WAYS.iter().map(|way| Row::new(way.name)).collect();
    for round in 1..=extent.rounds {
        for cell in CELLS {
            tell(&format!("Round {round} of {}: {}", extent.rounds, cell.name))?;
            for (system, row) in systems.iter().zip(&mut rows) {
                let figures = turn(system, cell, extent)
                    .with_context(|| format!("{} with {}", cell.name, system.name))?;
                row.add(cell.name, figures);
            }
            if let (Some(chat), Work::Large) = (&chat, cell.work) {
                for (way, row) in ibb::WAYS.into_iter().zip(&mut beside) {
                    let figures = beside_xmpp(chat, way, extent).context(way.name)?;
                    row.add(cell.name, figures);
                }
            }
        }
    }
    drop(veranda);
    drop(chat);
    drop(nginx);

    let mut held = Vec::new();
    // Where one link is one peer; the others cost what their sockets cost.
    let lanes = [Carrier::Petrichor, Carrier::PtthHttp2];
    for carrier in lanes.into_iter().filter(|lane| carriers.contains(lane)) {
        if extent.idle_links > 0 {
            tell(&format!("Opening {} idle links by {carrier}", extent.idle_links))?;
            held.push(idle_links(binaries, place, extent.idle_links, carrier)?);
        }
    }
    Ok(Measured { rows, beside, idle_links: held, relayed: None })
}

/// Measures what one program sends to another by relay sessions, and through nginx.
fn relayed(extent: Extent, binaries: &Path, place: &Path) -> Result<Relayed> {
    tell("Starting nginx and a gateway for relay sessions")?;
    let sink = Sink::open()?;
    let nginx = Passing::start(place, sink.address()?)?;
    let gateway = Published::gateway(binaries, &place.join("relay"), None)?;
    let before = process::resident(gateway.id())?;
    let mut rows: Vec<Row> = relay::WAYS.iter().map(|way| Row::new(way.name)).collect();
    for round in 1..=extent.rounds {
        for (way, row) in relay::WAYS.into_iter().zip(&mut rows) {
            tell(&format!("Round {round} of {}: {}", extent.rounds, way.name))?;
            let figures = relay_turn(&gateway, &nginx, &sink, way, extent).context(way.name)?;
            row.add(LARGE, figures);
        }
    }
    let most = process::most_resident(gateway.id())?;
    Ok(Relayed { rows, before, most })
}

fn relay_turn(
    gateway: &GatewayProcess,
    nginx: &Passing,
    sink: &Sink,
    way: Way,
    extent: Extent,
) -> Result<Figures> {
    let process =
        if way.is_nginx() { ("nginx hop", nginx.id()) } else { ("gateway", gateway.id()) };
    let before = Usage::now(&[process])?;
    let bytes = extent.large;
    let took = relay::transfer(gateway.address(), nginx.address, sink, way, bytes)?;
    let used = Usage::now(&[process])?.since(&before);
    Ok(Figures::new(bytes as f64 / took.as_secs_f64(), &used, gib(bytes)))
}

/// Loads one system once.
fn turn(system: &System, cell: &Cell, extent: Extent) -> Result<Figures> {
    let before = Usage::now(&system.processes)?;
    let (large, share) = match system.is_slow {
        true => {
            (("large-part.bin", extent.large / PARTS), ("share-part.bin", extent.share / PARTS))
        }
        false => (("large.bin", extent.large), ("share.bin", extent.share)),
    };
    let value = match cell.work {
        Work::Requests { file, connections, closes } => {
            load::wrk(system, file, connections, closes, extent.seconds)?
        }
        Work::Large => load::curls(system, large.0, large.1, 1)?,
        Work::Shares(streams) => load::curls(system, share.0, share.1, streams)?,
        Work::FirstByte => visitor::first_byte(system, "1k.bin", extent.requests)?.as_secs_f64(),
    };
    let used = Usage::now(&system.processes)?.since(&before);
    let units = match cell.work {
        Work::Requests { .. } => value * extent.seconds as f64,
        Work::Large => gib(large.1),
        Work::Shares(streams) => gib(share.1) * streams as f64,
        Work::FirstByte => extent.requests as f64,
    };
    Ok(Figures::new(value, &used, units))
}

/// Sends what the XMPP lane carries in a turn by in-band bytestreams.
fn beside_xmpp(chat: &Chat, way: ibb::Way, extent: Extent) -> Result<Figures> {
    let before = Usage::now(&[(PROSODY, chat.id())])?;
    let bytes = extent.large / PARTS;
    let took = ibb::transfer(&chat.publisher(), &chat.gateway(), way, bytes)?;
    let used = Usage::now(&[(PROSODY, chat.id())])?.since(&before);
    Ok(Figures::new(bytes as f64 / took.as_secs_f64(), &used, gib(bytes)))
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1_u64 << 30) as f64
}

fn idle_links(binaries: &Path, place: &Path, count: usize, carrier: Carrier) -> Result<IdleLinks> {
    let name = carrier.name();
    let gateway = Published::gateway(binaries, &place.join(format!("idle-{name}")), None)?;
    let before = process::resident(gateway.id())?;
    let holder = idle::Holder::start(gateway.origin(), count, carrier)?;
    let opened = holder.opened();
    let after = process::settled_resident(gateway.id())?;
    Ok(IdleLinks { carrier: name, asked: count, opened, before, after })
}

fn write_file(path: &Path, size: u64) -> Result<()> {
    let mut file = io::BufWriter::with_capacity(1 << 20, File::create(path)?);
    // Not all alike, so that nothing on the way makes it shorter.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = size;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let count = left.min(8);
        file.write_all(&bytes[..usize::try_from(count)?])?;
        left -= count;
    }
    file.flush()?;
    Ok(())
}

fn write(report: &Report, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{}.json", report.at()));
    fs::write(&path, serde_json::to_vec_pretty(report)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn tell(what: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{what}")
}

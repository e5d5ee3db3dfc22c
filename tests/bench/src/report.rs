//! Medians, shares and the table.

use std::{collections::BTreeMap, fmt, thread};

use serde::Serialize;

use crate::{
    cells::{CELLS, FIRST_BYTE, FIRST_BYTE_GOALS, Goals, IDLE_LINK_GOALS, LARGE, SMALL, Work},
    process::Used,
    relay,
    systems::XMPP,
};

/// One turn of one system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Requests or bytes per second, or seconds.
    value: f64,
    /// The share of the computer that others used meanwhile.
    foreign: f64,
    /// Seconds of processor time for each GiB or request, by process.
    cpu: BTreeMap<&'static str, f64>,
}

impl Figures {
    /// `units` is how many GiB or requests there were.
    pub(crate) fn new(value: f64, used: &Used, units: f64) -> Self {
        let cpu = used.by_name.iter().map(|(name, seconds)| (*name, seconds / units)).collect();
        Self { value, foreign: used.foreign, cpu }
    }
}

/// All turns of one system.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    system: &'static str,
    turns: BTreeMap<&'static str, Vec<Figures>>,
}

impl Row {
    pub(crate) fn new(system: &'static str) -> Self {
        Self { system, turns: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, cell: &'static str, figures: Figures) {
        self.turns.entry(cell).or_default().push(figures);
    }
}

/// Memory of the gateway with idle links, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct IdleLinks {
    pub(crate) carrier: &'static str,
    pub(crate) asked: usize,
    pub(crate) opened: usize,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

impl IdleLinks {
    fn each(&self) -> u64 {
        self.after.saturating_sub(self.before) / (self.opened.max(1) as u64)
    }
}

/// Bodies from one program to another.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) rows: Vec<Row>,
    /// The gateway's memory before the first of them, and the most it ever had, in bytes.
    pub(crate) before: u64,
    pub(crate) most: u64,
}

/// All turns of a run.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// What stands beside the XMPP lane; without turns where that was not measured.
    pub(crate) beside: Vec<Row>,
    pub(crate) idle_links: Vec<IdleLinks>,
    pub(crate) relayed: Option<Relayed>,
}

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When, in seconds since 1970.
    at: u64,
    cores: usize,
    rounds: usize,
    /// The large file, in bytes.
    large: u64,
    /// Turns in which others used more than this were left out, where others remain.
    max_foreign: f64,
    /// The median share of the computer that others used.
    foreign: f64,
    systems: Vec<Summary>,
    /// In-band bytestreams between the accounts of the XMPP lane.
    beside: Vec<Summary>,
    idle_links: Vec<IdleLinks>,
    relayed: Option<RelayedSummary>,
    turns: Vec<Row>,
}

/// Bodies from one program to another; shares are of nginx.
#[derive(Debug, Serialize)]
struct RelayedSummary {
    ways: Vec<Summary>,
    before: u64,
    most: u64,
    turns: Vec<Row>,
}

/// What a system comes to.
#[derive(Debug, Serialize)]
struct Summary {
    system: &'static str,
    /// Medians.
    values: BTreeMap<&'static str, f64>,
    /// The same as shares of the nginx hop.
    shares: BTreeMap<&'static str, f64>,
    /// How many turns each median is of.
    counted: BTreeMap<&'static str, usize>,
    /// Seconds of processor time for each GiB or request, by process.
    cpu: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
}

/// How wide the names of the systems are.
const WIDTH: usize = 20;

/// The row that all others are shares of.
const REFERENCE: &str = "nginx hop";

impl Report {
    pub(crate) fn new(
        at: u64,
        rounds: usize,
        large: u64,
        max_foreign: f64,
        measured: Measured,
    ) -> Self {
        let Measured { rows: turns, beside, idle_links, relayed } = measured;
        let beside = beside.iter().filter(|row| !row.turns.is_empty());
        let beside = beside.map(|row| summarise(row, max_foreign)).collect();
        let systems = shares(&turns, max_foreign, REFERENCE);
        let also = relayed.iter().flat_map(|relayed| &relayed.rows);
        let foreign = turns.iter().chain(also).flat_map(|row| row.turns.values().flatten());
        let foreign = median(foreign.map(|figures| figures.foreign).collect()).unwrap_or_default();
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let relayed = relayed.map(|Relayed { rows, before, most }| RelayedSummary {
            ways: shares(&rows, max_foreign, relay::REFERENCE),
            before,
            most,
            turns: rows,
        });
        Self {
            at,
            cores,
            rounds,
            large,
            max_foreign,
            foreign,
            systems,
            beside,
            idle_links,
            relayed,
            turns,
        }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }
}

impl Report {
    /// Writes what visitors get.
    fn write_visits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { systems, idle_links, .. } = self;
        let columns: Vec<_> = CELLS.iter().filter(|cell| cell.name != FIRST_BYTE).collect();
        write!(f, "\n{:<WIDTH$}", "")?;
        for cell in &columns {
            write!(f, "{:>11}", cell.name)?;
        }
        writeln!(f)?;
        for summary in systems {
            write!(f, "{:<WIDTH$}", summary.system)?;
            for cell in &columns {
                match summary.shares.get(cell.name) {
                    Some(share) => write!(f, "{share:>11.2}")?,
                    None => write!(f, "{:>11}", "-")?,
                }
            }
            writeln!(f)?;
        }
        for (name, is_fast) in [("goal of PTTH/2", false), ("goal of Petrichor", true)] {
            write!(f, "{name:<WIDTH$}")?;
            for cell in &columns {
                let of_lane = |goals: Goals| if is_fast { goals.fast } else { goals.standard };
                match cell.goals.map(of_lane) {
                    Some(goal) => write!(f, "{goal:>11.2}")?,
                    None => write!(f, "{:>11}", "-")?,
                }
            }
            writeln!(f)?;
        }
        for summary in systems.iter().filter(|summary| summary.system == REFERENCE) {
            write!(f, "{:<WIDTH$}", "1.00 is")?;
            for cell in &columns {
                let value = summary.values.get(cell.name).copied().unwrap_or_default();
                let text = match cell.work {
                    Work::Requests { .. } => format!("{:.1} k/s", value / 1e3),
                    Work::Large | Work::Shares(_) => format!("{:.2} GB/s", value / 1e9),
                    Work::FirstByte => String::new(),
                };
                write!(f, "{text:>11}")?;
            }
            writeln!(f)?;
        }
        for (cell, unit, factor) in [
            (LARGE, "seconds for each GiB of one stream", 1.0),
            (SMALL, "microseconds for each request of 1K c32", 1e6),
        ] {
            writeln!(f, "\nProcessor time, {unit}:")?;
            for summary in systems {
                let used = summary.cpu.get(cell).into_iter().flatten();
                let parts: Vec<_> =
                    used.map(|(name, value)| format!("{name} {:.2}", value * factor)).collect();
                writeln!(f, "  {:<20}{}", summary.system, parts.join(", "))?;
            }
        }
        writeln!(
            f,
            "\nFirst byte of 1 KiB, p50, and what was added to nginx direct (goals: PTTH/2 {:.2} ms, Petrichor {:.2} ms):",
            FIRST_BYTE_GOALS.0 * 1e3,
            FIRST_BYTE_GOALS.1 * 1e3
        )?;
        let direct = systems.first().and_then(|summary| summary.values.get(FIRST_BYTE)).copied();
        for summary in systems {
            if let (Some(value), Some(direct)) = (summary.values.get(FIRST_BYTE), direct) {
                writeln!(
                    f,
                    "  {:<20}{:.3} ms, added {:.3} ms",
                    summary.system,
                    value * 1e3,
                    (value - direct) * 1e3
                )?;
            }
        }
        self.write_beside(f)?;
        for idle in idle_links {
            writeln!(
                f,
                "\nMemory of the gateway: {:.1} KiB for each of {} idle links by {} (goals: PTTH/2 {} KiB, Petrichor {} KiB), from {:.1} to {:.1} MiB; what the system keeps for the sockets is not in it.",
                idle.each() as f64 / 1024.0,
                idle.opened,
                idle.carrier,
                IDLE_LINK_GOALS.0 / 1024,
                IDLE_LINK_GOALS.1 / 1024,
                idle.before as f64 / 1_048_576.0,
                idle.after as f64 / 1_048_576.0,
            )?;
            if idle.opened < idle.asked {
                writeln!(f, "{} were asked for; is the limit of open files too low?", idle.asked)?;
            }
        }
        Ok(())
    }

    /// Writes relay sessions beside an upload through nginx.
    fn write_relayed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(RelayedSummary { ways, before, most, .. }) = &self.relayed else { return Ok(()) };
        writeln!(
            f,
            "\nOne body of {} MiB from one program to another, compared byte for byte; nginx passes an upload on as it comes (proxy_request_buffering off):",
            self.large >> 20
        )?;
        for summary in ways {
            let value = summary.values.get(LARGE).copied().unwrap_or_default();
            let share = summary.shares.get(LARGE).copied().unwrap_or_default();
            let used = summary.cpu.get(LARGE).into_iter().flatten();
            let used: Vec<_> =
                used.map(|(name, value)| format!("{name} {value:.2} s/GiB")).collect();
            writeln!(
                f,
                "  {:<WIDTH$}  {:.2} GB/s, {share:.2} of nginx; {}",
                summary.system,
                value / 1e9,
                used.join(", ")
            )?;
        }
        writeln!(
            f,
            "  The gateway's memory was {:.1} MiB before the first and never more than {:.1} MiB.",
            *before as f64 / 1_048_576.0,
            *most as f64 / 1_048_576.0
        )
    }

    /// Writes the XMPP lane beside in-band bytestreams.
    fn write_beside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lane = self.systems.iter().find(|summary| summary.system == XMPP);
        let Some(ours) = lane.and_then(|summary| summary.values.get(LARGE)) else { return Ok(()) };
        writeln!(
            f,
            "\nOne stream through Prosody (deploy/xmpp), and as a share of in-band bytestreams (XEP-0047) between the same accounts:\n  {XMPP:<28}{:>6.1} MB/s",
            ours / 1e6
        )?;
        for summary in &self.beside {
            if let Some(theirs) = summary.values.get(LARGE) {
                let Summary { system, .. } = summary;
                writeln!(
                    f,
                    "  {system:<28}{:>6.1} MB/s, of which Veranda has {:.2}",
                    theirs / 1e6,
                    ours / theirs
                )?;
            }
        }
        Ok(())
    }
}

/// Summarises what is to be compared with one of them.
fn shares(turns: &[Row], max_foreign: f64, reference: &str) -> Vec<Summary> {
    let mut summaries: Vec<_> = turns.iter().map(|row| summarise(row, max_foreign)).collect();
    let reference = summaries.iter().find(|summary| summary.system == reference);
    let reference = reference.map(|summary| summary.values.clone()).unwrap_or_default();
    for summary in &mut summaries {
        let shares = summary.values.iter().filter_map(|(cell, value)| {
            reference.get(cell).map(|reference| (*cell, value / reference))
        });
        summary.shares = shares.collect();
    }
    summaries
}

fn summarise(row: &Row, max_foreign: f64) -> Summary {
    let mut summary = Summary {
        system: row.system,
        values: BTreeMap::new(),
        shares: BTreeMap::new(),
        counted: BTreeMap::new(),
        cpu: BTreeMap::new(),
    };
    for (&cell, turns) in &row.turns {
        let quiet: Vec<_> = turns.iter().filter(|turn| turn.foreign <= max_foreign).collect();
        let counted = if quiet.is_empty() { turns.iter().collect() } else { quiet };
        summary.counted.insert(cell, counted.len());
        if let Some(value) = median(counted.iter().map(|turn| turn.value).collect()) {
            summary.values.insert(cell, value);
        }
        let names = counted.first().map(|turn| turn.cpu.keys()).into_iter().flatten();
        let each = names.filter_map(|&name| {
            let used = counted.iter().filter_map(|turn| turn.cpu.get(name).copied());
            median(used.collect()).map(|value| (name, value))
        });
        summary.cpu.insert(cell, each.collect());
    }
    summary
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, rounds, large, max_foreign, foreign, systems, .. } = self;
        writeln!(
            f,
            "\nShares of one plain nginx reverse-proxy hop; medians of {rounds} rounds on {cores} cores."
        )?;
        writeln!(
            f,
            "Others used {:.0} % of this computer meanwhile; turns with more than {:.0} % are left out where quieter ones remain.",
            foreign * 100.0,
            max_foreign * 100.0
        )?;
        if *large < 1 << 30 {
            writeln!(
                f,
                "A quick run: the large file has {} MiB, and a turn is short.",
                large >> 20
            )?;
        }
        if foreign > max_foreign {
            writeln!(
                f,
                "That is too much: these figures say little. Run it again when the computer is idle."
            )?;
        }
        if !systems.is_empty() {
            self.write_visits(f)?;
        }
        self.write_relayed(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(value: f64, foreign: f64) -> Figures {
        Figures { value, foreign, cpu: BTreeMap::new() }
    }

    #[test]
    fn counts_quiet_turns_where_there_are_any() {
        let mut row = Row::new("x");
        for (value, foreign) in [(1.0, 0.0), (100.0, 0.5), (3.0, 0.1)] {
            row.add("a", figures(value, foreign));
        }
        row.add("b", figures(7.0, 0.9));
        let summary = summarise(&row, 0.1);
        assert_eq!((summary.values["a"], summary.counted["a"]), (2.0, 2));
        assert_eq!((summary.values["b"], summary.counted["b"]), (7.0, 1));
    }

    #[test]
    fn prints_shares_of_the_hop() {
        let mut hop = Row::new(REFERENCE);
        hop.add("1K c32", figures(1000.0, 0.0));
        let mut veranda = Row::new("veranda");
        veranda.add("1K c32", figures(870.0, 0.0));
        let mut xmpp = Row::new(XMPP);
        xmpp.add(LARGE, figures(12e6, 0.0));
        let mut blocks = Row::new("IBB");
        blocks.add(LARGE, figures(10e6, 0.0));
        let measured = Measured {
            rows: vec![hop, veranda, xmpp],
            beside: vec![blocks, Row::new("not measured")],
            idle_links: Vec::new(),
            relayed: None,
        };
        let report = Report::new(0, 1, 1 << 30, 0.1, measured);
        assert_eq!(report.systems[1].shares["1K c32"], 0.87);
        let text = report.to_string();
        assert!(text.contains("0.87") && text.contains("1.0 k/s"), "{text}");
        assert!(text.contains("10.0 MB/s, of which Veranda has 1.20"), "{text}");
        assert!(!text.contains("not measured"), "{text}");
    }

    #[test]
    fn prints_relay_sessions_as_shares_of_nginx() {
        let mut nginx = Row::new(relay::REFERENCE);
        nginx.add(LARGE, figures(2e9, 0.0));
        let mut session = Row::new("relay, host to guest");
        session.add(LARGE, figures(1.5e9, 0.0));
        let relayed = Relayed { rows: vec![nginx, session], before: 10 << 20, most: 12 << 20 };
        let measured = Measured { relayed: Some(relayed), ..Measured::default() };
        let text = Report::new(0, 1, 1 << 30, 0.1, measured).to_string();
        assert!(text.contains("1.50 GB/s, 0.75 of nginx"), "{text}");
        assert!(text.contains("10.0 MiB before the first and never more than 12.0 MiB"), "{text}");
    }
}

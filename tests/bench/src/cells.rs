//! What is measured, and what Veranda wants to reach.

/// One column of the table.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// The shares of the nginx hop that the lanes want to reach.
    pub(crate) goals: Option<Goals>,
}

/// Shares of the nginx hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goals {
    /// For PTTH/2.
    pub(crate) standard: f64,
    /// For Petrichor.
    pub(crate) fast: f64,
}

/// How a system is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// As many small requests as possible.
    Requests { file: &'static str, connections: usize, closes: bool },
    /// The large file, once.
    Large,
    /// A part of it by several at once.
    Shares(usize),
    /// One small request after the other.
    FirstByte,
}

pub(crate) const FIRST_BYTE: &str = "first byte";
pub(crate) const LARGE: &str = "1 GiB";
pub(crate) const SMALL: &str = "1K c32";

/// The time that gateway and peer together want to add to the first byte, in seconds: by PTTH/2
/// and by Petrichor.
pub(crate) const FIRST_BYTE_GOALS: (f64, f64) = (0.000_3, 0.000_1);

/// The memory that an idle link wants to cost the gateway, in bytes: by PTTH/2 and by Petrichor.
pub(crate) const IDLE_LINK_GOALS: (u64, u64) = (32 * 1024, 16 * 1024);

pub(crate) const CELLS: &[Cell] = &[
    small("1K c1", "1k.bin", 1, None),
    small(SMALL, "1k.bin", 32, goals(0.85, 1.2)),
    small("1K c256", "1k.bin", 256, goals(0.85, 1.2)),
    small("100K c32", "100k.bin", 32, goals(0.5, 1.0)),
    Cell {
        name: "1K close",
        work: Work::Requests { file: "1k.bin", connections: 32, closes: true },
        goals: goals(0.9, 1.1),
    },
    Cell { name: LARGE, work: Work::Large, goals: goals(0.7, 1.0) },
    Cell { name: "8 streams", work: Work::Shares(8), goals: goals(0.55, 1.0) },
    Cell { name: FIRST_BYTE, work: Work::FirstByte, goals: None },
];

const fn small(
    name: &'static str,
    file: &'static str,
    connections: usize,
    goals: Option<Goals>,
) -> Cell {
    Cell { name, work: Work::Requests { file, connections, closes: false }, goals }
}

const fn goals(standard: f64, fast: f64) -> Option<Goals> {
    Some(Goals { standard, fast })
}

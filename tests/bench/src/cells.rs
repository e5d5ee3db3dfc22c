//! What is measured, and what Veranda wants to reach.

/// One column of the table.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// The share of the nginx hop that the standard lane wants to reach.
    pub(crate) goal: Option<f64>,
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

/// The time that gateway and peer together want to add to the first byte, in seconds.
pub(crate) const FIRST_BYTE_GOAL: f64 = 0.000_3;

/// The memory that an idle link wants to cost the gateway, in bytes.
pub(crate) const IDLE_LINK_GOAL: u64 = 32 * 1024;

pub(crate) const CELLS: &[Cell] = &[
    small("1K c1", "1k.bin", 1, None),
    small(SMALL, "1k.bin", 32, Some(0.85)),
    small("1K c256", "1k.bin", 256, Some(0.85)),
    small("100K c32", "100k.bin", 32, Some(0.5)),
    Cell {
        name: "1K close",
        work: Work::Requests { file: "1k.bin", connections: 32, closes: true },
        goal: Some(0.9),
    },
    Cell { name: LARGE, work: Work::Large, goal: Some(0.7) },
    Cell { name: "8 streams", work: Work::Shares(8), goal: Some(0.55) },
    Cell { name: FIRST_BYTE, work: Work::FirstByte, goal: None },
];

const fn small(
    name: &'static str,
    file: &'static str,
    connections: usize,
    goal: Option<f64>,
) -> Cell {
    Cell { name, work: Work::Requests { file, connections, closes: false }, goal }
}

//! The table of carriers and cases in `docs/protocols/README.md`.
//!
//! It says what the tests of this package hold: each of them asks [`carries`] what to expect, so a
//! table that promises more or less than a carrier does fails a test.

use crate::{for_every_case, world::Wire};

macro_rules! list {
    ($($name:ident: $meaning:literal,)+) => {
        /// Every case: its name, and its meaning for a reader.
        pub const CASES: &[(&str, &str)] = &[$((stringify!($name), $meaning)),+];
    };
}
for_every_case!(list);

/// The name of the case that not every carrier can pass.
const WEBSOCKETS: &str = "websockets_are_carried";

/// Returns whether a carrier does what a case asks. Where it does not, visitors get a clean 501.
#[must_use]
pub fn carries(wire: Wire, case: &str) -> bool {
    // A poll takes as long as a request; nobody types over that.
    !(wire == Wire::Poll && case == WEBSOCKETS)
}

/// Writes the table as it stands in the document.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| |".to_owned();
    for wire in Wire::ALL {
        table += &format!(" {wire} |");
    }
    table += "\n| --- |";
    table += &" --- |".repeat(Wire::ALL.len());
    table.push('\n');
    for (case, meaning) in CASES {
        table += &format!("| {meaning} |");
        for wire in Wire::ALL {
            table += if carries(wire, case) { " yes |" } else { " 501 |" };
        }
        table.push('\n');
    }
    table
}

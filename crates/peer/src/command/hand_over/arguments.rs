//! What the command line says of what is handed over.

use std::path::PathBuf;

use carriers::Carrier;
use clap::Args;

use super::super::{Gateway, Key, XmppOptions, carrier};

/// Hands files over to one visitor, and ends when all of it arrived.
///
/// Prints a link to give to the visitor. The files stay here: she fetches them from this computer, through
/// the gateway, which keeps nothing. A download that was cut goes on where it was, also after this program
/// was started again with the same files.
#[derive(Args, Debug)]
#[command(after_help = SEND_JSON_HELP)]
pub(in super::super) struct Send {
    /// The files; several are fetched as one archive.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Asks visitors for files, and ends when all came that were asked for.
///
/// Prints a link to a page on which visitors choose files. They are written into the folder while they
/// come; nothing there is ever overwritten.
#[derive(Args, Debug)]
#[command(after_help = ASK_JSON_HELP)]
pub(in super::super) struct Ask {
    /// The folder that takes the files.
    #[arg(long, value_name = "FOLDER")]
    pub(super) into: PathBuf,
    /// The most that one file may have: bytes, or like 500M or 20G.
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = size)]
    pub(super) largest: u64,
    /// How many files are wanted.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) files: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) gateway: Gateway,
    #[command(flatten)]
    pub(super) xmpp: XmppOptions,
    #[command(flatten)]
    pub(super) key: Key,
    /// What the visitor reads beside it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) note: String,
    /// Ask here before anybody gets it: the first visitor who is allowed is the only one.
    #[arg(long)]
    pub(super) ask_first: bool,
    /// Where links are kept; if left out, where this system keeps such things.
    #[arg(long, value_name = "FOLDER", env = "VERANDA_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Use only this carrier instead of the best that works: petrichor, ptth-h2, ptth-h1, taxi or
    /// poll.
    #[arg(long, value_name = "NAME", value_parser = carrier)]
    pub(super) carrier: Option<Carrier>,
    /// Print one JSON object a line instead of text (see below).
    #[arg(long)]
    pub(super) json: bool,
}

macro_rules! json_help {
    ($own:literal) => {
        concat!(
            "With --json each line is an object. The first, as soon as the link works:\n",
            $own,
            r#"
It comes again when anything of it changes; the last has the state "done". Then, as things happen:
  {"event":"link",..} as veranda-peer publish prints it
  {"event":"passing","id":NUMBER,"file":TEXT,"visitor":ADDRESS or null,"agent":TEXT,
   "size":BYTES or null,"arrived":BYTES,"rate":BYTES A SECOND,"since":TIME}
  {"event":"knock","id":NUMBER,"visitor":ADDRESS or null,"agent":TEXT,"at":TIME}
With --ask-first, a line on standard input answers a knock: "allow NUMBER" or "refuse NUMBER".
"arrived" counts from the beginning of the file and is never too high. TIME is milliseconds since 1970.
Problems are sentences on standard error."#
        )
    };
}

const SEND_JSON_HELP: &str = json_help!(
    r#"  {"event":"hand-over","id":NUMBER,"url":URL or null,"state":"waiting", "cut" or "done",
   "name":TEXT,"size":BYTES,"files":NUMBER,"cut":null or {"file":TEXT,"arrived":BYTES,
   "size":BYTES or null,"at":TIME,"by":"connection", "file", "owner", "unconfirmed" or "visitor"}}"#
);

const ASK_JSON_HELP: &str = json_help!(
    r#"  {"event":"hand-over","id":NUMBER,"url":URL or null,"state":"waiting", "cut" or "done",
   "folder":TEXT,"largest":BYTES,"files_left":NUMBER,"cut":null or {"file":TEXT,"arrived":BYTES,
   "size":BYTES or null,"at":TIME,"by":"connection", "file", "owner", "unconfirmed" or "visitor"}}
  {"event":"received","file":TEXT,"size":BYTES,"visitor":ADDRESS or null,"at":TIME}, for each file"#
);

/// Reads a size: bytes, or thousands of them by a letter.
fn size(text: &str) -> Result<u64, String> {
    let why = || "a size is a number of bytes, or like 500M or 20G".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| why())?;
    let unit: u64 = match &*text[digits.len()..].to_ascii_uppercase() {
        "" | "B" => 1,
        "K" | "KB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        _ => return Err(why()),
    };
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1", Some(1)),
            ("500M", Some(500_000_000)),
            ("20g", Some(20_000_000_000)),
            ("3TB", Some(3_000_000_000_000)),
            ("12kb", Some(12_000)),
            ("0", None),
            ("", None),
            ("G", None),
            ("1.5G", None),
            ("-1", None),
            ("20000000T", None),
            ("1 G", None),
            ("1Gä", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}

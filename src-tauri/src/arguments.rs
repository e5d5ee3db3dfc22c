//! The command line, of the first start and of every later one.

use std::path::{Path, PathBuf};

use clap::Parser;

/// Starts without a window; also what the system passes at login.
pub(crate) const HIDDEN: &str = "--hidden";

/// Publish a folder from the computer at home.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "veranda", version)]
pub(crate) struct Arguments {
    /// Start in the tray, without a window
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Folders to publish, or files to send
    #[arg(value_name = "FOLDER OR FILE")]
    pub(crate) paths: Vec<PathBuf>,
}

impl Arguments {
    /// Reads what a second start passed on. It has checked them itself, so what cannot be read is
    /// only a wish to see the window.
    pub(crate) fn passed_on(words: &[String]) -> Self {
        Self::try_parse_from(words).unwrap_or(Self { hidden: false, paths: Vec::new() })
    }

    /// Returns what was given as absolute paths; the others are meant from `folder` on.
    pub(crate) fn paths_from(&self, folder: &Path) -> Vec<PathBuf> {
        self.paths.iter().map(|path| folder.join(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_second_start_passes_on_what_it_was_given() {
        let arguments = Arguments::passed_on(&words("veranda Photos /srv/music"));
        let home = if cfg!(windows) { Path::new(r"C:\home") } else { Path::new("/home") };
        assert_eq!(arguments.paths_from(home)[0], home.join("Photos"));
        assert!(!arguments.hidden);
    }

    #[test]
    fn what_cannot_be_read_still_shows_the_window() {
        let arguments = Arguments::passed_on(&words("veranda --of-a-newer-version"));
        assert_eq!(arguments, Arguments { hidden: false, paths: vec![] });
    }
}

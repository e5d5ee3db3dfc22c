//! What must be there before anything is built.

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, bail};

use crate::{
    apt, command,
    needs::{self, Need, Purpose, Sign},
};

/// The oldest Node that the window's tools run on.
const OLDEST_NODE: u32 = 20;

/// Where shared objects of the system usually are.
const LIBRARY_FOLDERS: &[&str] = &[
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib",
];

/// Whether packages may be installed.
#[derive(Clone, Copy)]
pub(crate) struct Consent {
    /// The owner said yes on the command line.
    pub(crate) given: bool,
}

/// Makes sure that the system has what is needed.
///
/// # Errors
/// With a sentence that names what is missing.
pub(crate) fn prepare(purpose: Purpose, consent: Consent) -> anyhow::Result<()> {
    if purpose != Purpose::Bench {
        check_node()?;
    }
    match env::consts::OS {
        "linux" => match apt::names() {
            Some(names) => apt::prepare(names, purpose, consent),
            None => check_linux(purpose),
        },
        "macos" => check_macos(),
        "windows" => check_windows(),
        other => bail!("Veranda does not know the system {other:?}"),
    }
}

fn check_node() -> anyhow::Result<()> {
    const ADVICE: &str = "Install Node 20 or newer with npm, from https://nodejs.org/ or your \
                          system's packages, and see that `node` is on the PATH";
    let version = command::answer(Command::new("node").arg("--version"))?
        .with_context(|| format!("Node is missing. {ADVICE}"))?;
    match read_major(&version) {
        Some(major) if major >= OLDEST_NODE => {}
        Some(_) | None => bail!("Node {} is too old. {ADVICE}", version.trim()),
    }
    command::answer(command::npm(Path::new(".")).arg("--version"))?
        .with_context(|| format!("npm is missing. {ADVICE}"))?;
    Ok(())
}

fn check_linux(purpose: Purpose) -> anyhow::Result<()> {
    let missing: Vec<_> = needs::needs_for(purpose).filter(|need| !is_there(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = missing.iter().map(|need| described(need)).collect();
    bail!(
        "This system lacks the following; install it with the system's own package manager \
         (the names in brackets are Debian's):\n{}",
        lines.join("\n")
    )
}

fn is_there(need: &Need) -> bool {
    match need.sign {
        Sign::Library(name) => {
            matches!(
                command::answer(Command::new("pkg-config").args(["--exists", name])),
                Ok(Some(_))
            )
        }
        Sign::Program(names) => names.iter().any(|name| command::find_program(name).is_some()),
        Sign::SharedObject(name) => {
            LIBRARY_FOLDERS.iter().any(|folder| Path::new(folder).join(name).exists())
        }
        Sign::None => true,
    }
}

fn described(need: &Need) -> String {
    let what = match need.sign {
        Sign::Library(name) => format!("the library that pkg-config calls {name}"),
        Sign::Program(names) => format!("the program {}", names.join(" or ")),
        Sign::SharedObject(name) => format!("the library {name}"),
        Sign::None => need.debian.to_owned(),
    };
    format!("  {what} [{}]: {}", need.debian, need.why)
}

fn check_macos() -> anyhow::Result<()> {
    match command::answer(Command::new("xcode-select").arg("-p"))? {
        Some(_) => Ok(()),
        None => bail!("The Xcode command line tools are missing: run `xcode-select --install`"),
    }
}

fn check_windows() -> anyhow::Result<()> {
    // Its number in the registry of Microsoft's updater, as its documentation gives it.
    const WEBVIEW2: &str = r"EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}";
    let places = [
        r"HKLM\SOFTWARE\WOW6432Node\Microsoft",
        r"HKLM\SOFTWARE\Microsoft",
        r"HKCU\Software\Microsoft",
    ];
    for place in places {
        let key = format!(r"{place}\{WEBVIEW2}");
        if command::answer(Command::new("reg").args(["query", &key, "/v", "pv"]))?.is_some() {
            return Ok(());
        }
    }
    bail!(
        "The WebView2 runtime is missing (it is part of Windows 11): install it from \
         https://developer.microsoft.com/microsoft-edge/webview2/. The MSVC build tools (\"Desktop \
         development with C++\") are needed too"
    )
}

fn read_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_node_says() {
        assert_eq!(read_major("v20.20.2\n"), Some(20));
        assert_eq!(read_major("v8.17.0\n"), Some(8));
        assert_eq!(read_major("nonsense"), None);
    }

    #[test]
    fn names_what_is_missing() {
        let need = needs::NEEDS.iter().find(|need| need.debian == "libdbus-1-dev").unwrap();
        assert!(described(need).contains("pkg-config calls dbus-1 [libdbus-1-dev]"));
    }
}

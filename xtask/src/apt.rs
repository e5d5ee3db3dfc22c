//! Installing packages on Debian, Ubuntu and their relatives.

use std::{
    collections::HashSet,
    fs,
    io::{IsTerminal as _, Write as _, stdin, stdout},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    command,
    needs::{self, Need, Purpose, Sign},
    report,
    setup::Consent,
};

/// Which names of packages apply here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Debian and what is built from it.
    Debian,
    /// Ubuntu and what is built from it.
    Ubuntu,
}

/// Returns the names that apply when this system installs its software with apt.
pub(crate) fn names() -> Option<Names> {
    command::find_program("apt-get")?;
    command::find_program("dpkg-query")?;
    read_names(&fs::read_to_string("/etc/os-release").ok()?)
}

/// Installs what is missing, after saying what and why.
///
/// # Errors
/// When the owner refuses, when nobody can be asked and we are not root, or when apt fails.
pub(crate) fn prepare(names: Names, purpose: Purpose, consent: Consent) -> anyhow::Result<()> {
    let missing = missing(names, purpose)?;
    if missing.is_empty() {
        return Ok(());
    }
    report::heading("The system lacks");
    for need in &missing {
        report::say(&format!("  {:28} {}", package(need, names), need.why));
    }
    let packages: Vec<_> = missing.iter().map(|need| package(need, names)).collect();
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", packages.join(" "));
    let root = is_root()?;
    ask(root, consent, &by_hand)?;

    command::run(apt(root).args(["update", "-qq"]))
        .context("apt-get cannot fetch the list of packages")?;
    command::run(
        apt(root).args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages),
    )
    .with_context(|| format!("packages are not installed; try by hand: {by_hand}"))?;

    let still = self::missing(names, purpose)?;
    if !still.is_empty() {
        let still: Vec<_> = still.iter().map(|need| package(need, names)).collect();
        bail!("apt-get said nothing, and yet these are not installed: {}", still.join(" "));
    }
    Ok(())
}

fn missing(names: Names, purpose: Purpose) -> anyhow::Result<Vec<&'static Need>> {
    let wanted: Vec<_> = needs::needs_for(purpose).collect();
    let listed = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Abbrev} ${Package}\n"])
        .args(wanted.iter().map(|need| package(need, names)))
        .output()
        .context("cannot start dpkg-query")?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let installed = read_installed(&listed);
    Ok(wanted
        .into_iter()
        .filter(|need| !installed.contains(package(need, names)) && !is_there_otherwise(need))
        .collect())
}

/// A program counts wherever it comes from: a compiler or a browser need not be the system's.
fn is_there_otherwise(need: &Need) -> bool {
    match need.sign {
        Sign::Program(programs) => {
            programs.iter().any(|name| command::find_program(name).is_some())
        }
        Sign::Library(_) | Sign::SharedObject(_) | Sign::None => false,
    }
}

fn package(need: &Need, names: Names) -> &'static str {
    match names {
        Names::Debian => need.debian,
        Names::Ubuntu => need.ubuntu.unwrap_or(need.debian),
    }
}

fn ask(root: bool, consent: Consent, by_hand: &str) -> anyhow::Result<()> {
    if consent.given {
        return Ok(());
    }
    if stdin().is_terminal() {
        let whom = if root { "apt-get" } else { "sudo apt-get" };
        write!(stdout(), "\nInstall them now with {whom}? [Y/n] ")?;
        stdout().flush()?;
        let mut line = String::new();
        stdin().read_line(&mut line)?;
        return match line.trim().to_lowercase().as_str() {
            "" | "y" | "yes" => Ok(()),
            _ => bail!("Nothing was installed. By hand it would be: {by_hand}"),
        };
    }
    if root {
        return Ok(());
    }
    bail!(
        "Nobody can be asked and this is not root, so nothing was installed. Use `--yes` to allow \
         sudo, or: {by_hand}"
    )
}

fn apt(root: bool) -> Command {
    // Set behind sudo, which does not pass the environment on.
    let variable = "DEBIAN_FRONTEND=noninteractive";
    let mut command = if root {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    // Without a terminal of its own, dpkg writes no progress bars into a log.
    command.args([variable, "apt-get", "-o=Dpkg::Use-Pty=0"]);
    command
}

fn is_root() -> anyhow::Result<bool> {
    let id = command::answer(Command::new("id").arg("-u"))?.context("`id -u` does not answer")?;
    Ok(id.trim() == "0")
}

fn read_installed(listed: &str) -> HashSet<&str> {
    listed.lines().filter_map(|line| line.strip_prefix("ii")).map(str::trim).collect()
}

fn read_names(os_release: &str) -> Option<Names> {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_lowercase())
            .unwrap_or_default()
    };
    let family = format!("{} {}", value("ID"), value("ID_LIKE"));
    let mut family = family.split_whitespace();
    if family.clone().any(|name| name == "ubuntu") {
        return Some(Names::Ubuntu);
    }
    family.any(|name| name == "debian").then_some(Names::Debian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_relatives_apart() {
        assert_eq!(read_names("NAME=x\nID=debian\n"), Some(Names::Debian));
        assert_eq!(read_names("ID=ubuntu\nID_LIKE=debian\n"), Some(Names::Ubuntu));
        assert_eq!(read_names("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Some(Names::Ubuntu));
        assert_eq!(read_names("ID=fedora\n"), None);
    }

    #[test]
    fn only_whole_installations_count() {
        let listed = "ii  curl\nrc  dunst\nun  xvfb\nii  openbox\n";
        assert_eq!(read_installed(listed), HashSet::from(["curl", "openbox"]));
    }
}

//! What the partners in Python need that the system has not.

use std::{fs, io::ErrorKind, path::Path, process::Command, slice};

use anyhow::Context as _;

use crate::{
    command,
    window::{Stamp, print_of},
};

/// The Python with which the tests start their partners: the system's, whose packages are installed
/// with the others. A Python that comes first on the PATH need not have them.
const PYTHON: &str = "/usr/bin/python3";

/// Installs what a folder's requirements.txt lists into its `python_modules`, unless that was done
/// already, or there is no such Python.
///
/// # Errors
/// When pip fails.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    let requirements = folder.join("requirements.txt");
    let modules = folder.join("python_modules");
    // Compiled packages belong to one version of Python. Without it, the tests of its partners say
    // that it is missing.
    let Some(version) = command::answer(Command::new(PYTHON).arg("--version"))? else {
        return Ok(());
    };
    let value = format!("{} {}", print_of(slice::from_ref(&requirements), &[])?, version.trim());
    let stamp = Stamp { file: modules.join(".veranda-installed"), value };
    if stamp.is_set()? {
        return Ok(());
    }
    match fs::remove_dir_all(&modules) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", modules.display()));
        }
        Ok(()) | Err(_) => {}
    }
    command::run(
        Command::new(PYTHON)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--prefer-binary", "--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--target")
            .arg(&modules)
            // It warns of harm to the system, which `--target` does not touch.
            .env("PIP_ROOT_USER_ACTION", "ignore"),
    )
    .with_context(|| {
        format!(
            "cannot install the Python packages of {} (pip is Debian's python3-pip; where a \
             package is not there compiled, it takes python3-dev too)",
            folder.display()
        )
    })?;
    stamp.set()
}

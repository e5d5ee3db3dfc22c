//! Building the window: npm and vite, only when something changed.

use std::{
    fs,
    hash::{DefaultHasher, Hasher as _},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{command, report, workspace::Workspace};

/// Folders in `ui` that are results, not sources.
const RESULTS: &[&str] = &["node_modules", "dist", "coverage"];

/// Installs what a folder's package-lock.json lists, unless that was done already.
///
/// # Errors
/// When npm fails.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    let lock = folder.join("package-lock.json");
    let stamp = Stamp {
        file: folder.join("node_modules/.veranda-installed"),
        value: print_of(&[lock], &[])?,
    };
    if stamp.is_set()? {
        return Ok(());
    }
    command::run(command::npm(folder).args(["ci", "--no-audit", "--no-fund"]))
        .with_context(|| format!("cannot install the npm packages of {}", folder.display()))?;
    stamp.set()
}

/// Builds `ui/dist`, unless neither the sources nor the result changed since the last build.
///
/// # Errors
/// When npm or vite fails.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let ui = workspace.ui();
    install(&ui)?;
    let dist = ui.join("dist");
    // Outside dist: vite empties it, and all of it is embedded in the app.
    let file = ui.join("node_modules/.veranda-built");
    let before = Stamp { file: file.clone(), value: built(&ui, &dist)? };
    if dist.join("index.html").exists() && before.is_set()? {
        report::say("The window is built already");
        return Ok(());
    }
    command::run(command::npm(&ui).args(["run", "build"])).context("the window does not build")?;
    Stamp { file, value: built(&ui, &dist)? }.set()
}

/// A fingerprint of everything that a build reads, and of its result: a result that somebody else
/// wrote (the placeholder of the app's build script) is built again.
fn built(ui: &Path, dist: &Path) -> anyhow::Result<String> {
    print_of(&[ui.to_owned(), dist.to_owned()], RESULTS)
}

/// A file that says from what something was made.
pub(crate) struct Stamp {
    pub(crate) file: PathBuf,
    pub(crate) value: String,
}

impl Stamp {
    pub(crate) fn is_set(&self) -> anyhow::Result<bool> {
        match fs::read_to_string(&self.file) {
            Ok(found) => Ok(found == self.value),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.file.display()))
            }
        }
    }

    pub(crate) fn set(&self) -> anyhow::Result<()> {
        fs::write(&self.file, &self.value)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// Returns a fingerprint of names and contents below these files and folders; what is not there
/// counts as empty.
pub(crate) fn print_of(places: &[PathBuf], left_out: &[&str]) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for place in places {
        collect(place, left_out, &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write_u64(content.len() as u64);
        hasher.write(&content);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(place: &Path, left_out: &[&str], files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if place.is_file() {
        files.push(place.to_owned());
        return Ok(());
    }
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", place.display()));
        }
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !left_out.contains(&name.as_ref()) {
            collect(&path, left_out, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_sees_contents_and_names_but_not_results() {
        let folder = tempfile::tempdir().unwrap();
        let place = [folder.path().to_owned()];
        fs::write(folder.path().join("a.ts"), "1").unwrap();
        let first = print_of(&place, RESULTS).unwrap();
        fs::create_dir(folder.path().join("node_modules")).unwrap();
        fs::write(folder.path().join("node_modules/x"), "1").unwrap();
        assert_eq!(print_of(&place, RESULTS).unwrap(), first);
        fs::write(folder.path().join("a.ts"), "2").unwrap();
        let second = print_of(&place, RESULTS).unwrap();
        assert_ne!(second, first);
        fs::rename(folder.path().join("a.ts"), folder.path().join("b.ts")).unwrap();
        assert_ne!(print_of(&place, RESULTS).unwrap(), second);
    }
}

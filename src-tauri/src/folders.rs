//! Where the app keeps its things.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use directories::{ProjectDirs, UserDirs};

/// Names another data folder than the system's, for tests and for trying things out. It has an
/// identity of its own.
pub(crate) const DATA_VARIABLE: &str = "VERANDA_DATA";

/// The data folder, and the name of the keychain entry that belongs to it.
pub(crate) struct Data {
    pub(crate) folder: PathBuf,
    pub(crate) key: String,
}

/// Returns the data folder, made if need be.
///
/// # Errors
/// When the system has no place for it, or it cannot be made.
pub(crate) fn data() -> anyhow::Result<Data> {
    let data = match env::var_os(DATA_VARIABLE).filter(|value| !value.is_empty()) {
        Some(folder) => {
            let folder = std::path::absolute(folder)?;
            let key = folder.to_string_lossy().into_owned();
            Data { folder, key }
        }
        None => {
            let folders = ProjectDirs::from("org", "Veranda", "Veranda");
            let folders = folders.context("this account has no home folder")?;
            Data { folder: folders.data_local_dir().to_owned(), key: "default".to_owned() }
        }
    };
    create(&data.folder).with_context(|| format!("cannot make {}", data.folder.display()))?;
    Ok(data)
}

/// Makes a folder that only its owner can read.
#[cfg(unix)]
fn create(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a folder; on Windows it inherits that only its owner can read it.
#[cfg(not(unix))]
fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Returns where files of visitors go when the owner chooses no other folder.
pub(crate) fn downloads() -> PathBuf {
    let folders = UserDirs::new();
    let downloads = folders.as_ref().and_then(UserDirs::download_dir);
    downloads.map_or_else(first_shown, Path::to_owned)
}

/// Returns where the dialog begins. Without a place, GTK begins with a list of recent files, where
/// a path cannot be typed.
pub(crate) fn first_shown() -> PathBuf {
    UserDirs::new().map_or_else(env::temp_dir, |folders| folders.home_dir().to_owned())
}

//! The disk: the only place that opens anything, always through a handle of the folder, so that
//! no name and no link leads out of it. Everything here may wait for the disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use cap_fs_ext::MetadataExt as _;
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};

use super::path::{SitePath, is_hidden_name, name_bytes};

/// The folder, by its path. It is opened anew for each request: a drive can be unplugged while
/// nobody fetches from it, and is served again when it is back.
#[derive(Debug)]
pub(crate) struct Root {
    shown: PathBuf,
    /// The path without any link in it.
    real: PathBuf,
    known: Mutex<Known>,
}

/// What is known of the folder at the path.
#[derive(Clone, Copy, Debug)]
struct Known {
    identity: Identity,
    /// Whether it is on a disk of this computer, where what is in memory need not be waited for.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux can ask for it"))]
    is_local: bool,
}

/// Tells a folder from another one that took its place: the number of its disk, and its own.
pub(super) type Identity = (u64, u64);

/// A file that is open, and what was known when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// The handle.
    pub(crate) file: fs::File,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was changed last, if the disk says it.
    pub(crate) modified: Option<SystemTime>,
    /// Its number on the disk, 0 where there is none.
    pub(crate) number: u64,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Node {
    File(OpenFile),
    Folder,
}

/// Why a path leads nowhere.
#[derive(Debug)]
pub(crate) enum LookupError {
    /// Nothing is there, or nothing that is published: a link that leaves the folder, a device.
    NotFound,
    /// The owner may not read it.
    Denied,
    /// Too many files are open.
    Busy,
    /// The disk says something else.
    Disk(io::Error),
}

/// One line of a listing.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_folder: bool,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Root {
    /// Opens the folder at this path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let real = fs::canonicalize(path)?;
        let dir = Dir::open_ambient_dir(&real, ambient_authority())?;
        let known = Known { identity: identity(&dir)?, is_local: is_local(&dir) };
        dir.entries()?;
        Ok(Self { shown: path.to_owned(), real, known: Mutex::new(known) })
    }

    /// Returns the path it was opened at.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    /// Returns a handle of the folder as it is now.
    ///
    /// A different folder in its place is taken for the same one brought back (from a copy, from
    /// a drive), as long as it really is at this path: somebody else who may write next to the
    /// folder could put a link to other files in its place.
    pub(crate) fn dir(&self) -> io::Result<Dir> {
        let dir = Dir::open_ambient_dir(&self.real, ambient_authority())?;
        let found = identity(&dir)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.identity != found {
            if fs::canonicalize(&self.real)? != self.real || !is_at(&self.real, found)? {
                return Err(io::ErrorKind::NotFound.into());
            }
            *known = Known { identity: found, is_local: is_local(&dir) };
        }
        Ok(dir)
    }

    /// Opens a file if that needs no waiting; `None` says nothing about what is there.
    #[cfg(target_os = "linux")]
    pub(super) fn open_resident(&self, on_disk: &Path) -> Option<OpenFile> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_local {
            return None;
        }
        super::resident::open(&self.real, known.identity, on_disk)
    }

    /// Returns whether the folder is there and can be listed.
    pub(crate) fn is_there(&self) -> bool {
        self.dir().and_then(|dir| dir.entries()).is_ok()
    }
}

fn identity(dir: &Dir) -> io::Result<Identity> {
    let metadata = dir.dir_metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(target_os = "linux")]
fn is_local(dir: &Dir) -> bool {
    super::resident::is_local(dir)
}

#[cfg(not(target_os = "linux"))]
fn is_local(_: &Dir) -> bool {
    false
}

#[cfg(unix)]
fn is_at(path: &Path, identity: Identity) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()) == identity)
}

#[cfg(not(unix))]
fn is_at(path: &Path, _: Identity) -> io::Result<bool> {
    Ok(fs::symlink_metadata(path)?.is_dir())
}

/// Looks a path up, and opens it when it is a file. What is neither file nor folder is never
/// opened: opening a device may do something, and opening a FIFO waits for its other end.
pub(super) fn look_up(dir: &Dir, path: &SitePath, hidden: bool) -> Result<Node, LookupError> {
    let on_disk = path.on_disk().ok_or(LookupError::NotFound)?;
    if !hidden && (path.is_hidden() || has_hidden_attribute(dir, &on_disk)) {
        return Err(LookupError::NotFound);
    }
    look_up_on_disk(dir, &on_disk)
}

/// Looks a file up inside a folder that was looked up before.
pub(super) fn look_up_in(dir: &Dir, path: &SitePath, name: &str) -> Result<Node, LookupError> {
    look_up_on_disk(dir, &path.on_disk().ok_or(LookupError::NotFound)?.join(name))
}

fn look_up_on_disk(dir: &Dir, on_disk: &Path) -> Result<Node, LookupError> {
    let metadata = dir.metadata(on_disk)?;
    if metadata.is_dir() {
        return Ok(Node::Folder);
    }
    if !metadata.is_file() {
        return Err(LookupError::NotFound);
    }
    let file = dir.open_with(on_disk, &reading())?;
    let metadata = file.metadata()?;
    // Something else may have taken its place since the look.
    if !metadata.is_file() {
        return Err(LookupError::NotFound);
    }
    Ok(Node::File(OpenFile {
        file: file.into_std(),
        size: metadata.len(),
        modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
        number: metadata.ino(),
    }))
}

/// How a file is opened: so that a FIFO in its place does not make us wait, and a terminal in its
/// place does not become ours.
#[cfg(unix)]
pub(crate) const READ_FLAGS: rustix::fs::OFlags =
    rustix::fs::OFlags::NONBLOCK.union(rustix::fs::OFlags::NOCTTY);

pub(crate) fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.custom_flags(READ_FLAGS.bits().cast_signed());
    }
    options
}

/// Returns whether a name on the way has the attribute by which Windows hides files.
#[cfg(windows)]
fn has_hidden_attribute(dir: &Dir, on_disk: &Path) -> bool {
    on_disk
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty() && *path != Path::new("."))
        .any(|path| dir.symlink_metadata(path).is_ok_and(|metadata| is_marked_hidden(&metadata)))
}

#[cfg(not(windows))]
fn has_hidden_attribute(_: &Dir, _: &Path) -> bool {
    false
}

#[cfg(windows)]
fn is_marked_hidden(metadata: &cap_std::fs::Metadata) -> bool {
    /// `FILE_ATTRIBUTE_HIDDEN`.
    const HIDDEN: u32 = 2;
    cap_std::fs::MetadataExt::file_attributes(metadata) & HIDDEN != 0
}

#[cfg(not(windows))]
fn is_marked_hidden(_: &cap_std::fs::Metadata) -> bool {
    false
}

/// Reads what is in a folder, at most `limit` entries, in the order of the disk; returns also
/// whether there are more. Entries that a visitor could not open are left out.
pub(super) fn entries(
    dir: &Dir,
    path: &SitePath,
    hidden: bool,
    limit: usize,
) -> Result<(Vec<Entry>, bool), LookupError> {
    let on_disk = path.on_disk().ok_or(LookupError::NotFound)?;
    let mut entries = Vec::new();
    for entry in dir.read_dir(&on_disk)? {
        let entry = entry?;
        let os_name = entry.file_name();
        let Some(name) = name_bytes(&os_name) else { continue };
        if !hidden && is_hidden_name(&name) {
            continue;
        }
        // What goes away while we look is left out.
        let Ok(mut metadata) = entry.metadata() else { continue };
        if !hidden && is_marked_hidden(&metadata) {
            continue;
        }
        if metadata.is_symlink() {
            // Asked of the folder as a whole: a link may lead up, as long as it stays inside.
            let Ok(target) = dir.metadata(on_disk.join(&os_name)) else { continue };
            metadata = target;
        }
        if !metadata.is_file() && !metadata.is_dir() {
            continue;
        }
        if entries.len() == limit {
            return Ok((entries, true));
        }
        entries.push(Entry {
            name,
            is_folder: metadata.is_dir(),
            size: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
        });
    }
    Ok((entries, false))
}

impl From<io::Error> for LookupError {
    fn from(error: io::Error) -> Self {
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            let number = error.raw_os_error();
            let is = |errno: Errno| number == Some(errno.raw_os_error());
            // cap-std's own refusal of a way out has no number.
            if number.is_none() && error.kind() == io::ErrorKind::PermissionDenied {
                return Self::NotFound;
            }
            if [Errno::LOOP, Errno::NAMETOOLONG, Errno::INVAL, Errno::ILSEQ, Errno::NXIO]
                .into_iter()
                .any(is)
            {
                return Self::NotFound;
            }
            if is(Errno::MFILE) || is(Errno::NFILE) {
                return Self::Busy;
            }
        }
        #[cfg(windows)]
        match error.raw_os_error() {
            // ERROR_TOO_MANY_OPEN_FILES
            Some(4) => return Self::Busy,
            // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION: another program has it to itself.
            Some(32 | 33) => return Self::Denied,
            _ => {}
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is the disk's"
        )]
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Disk(error),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use rustix::{
        fs::{CWD, FileType, Mode, mknodat},
        io::Errno,
    };

    use super::*;

    #[test]
    fn does_not_wait_when_a_fifo_takes_the_place_of_a_file() {
        let place = tempfile::tempdir().unwrap();
        mknodat(CWD, place.path().join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let (opened, is_open) = mpsc::channel();
        thread::spawn(move || opened.send(dir.open_with("fifo", &reading()).map(drop)));
        is_open.recv_timeout(Duration::from_secs(10)).expect("opening does not wait").unwrap();
    }

    #[test]
    fn tells_errors_apart() {
        let check = |error: io::Error, expected: &str| {
            let found = LookupError::from(error);
            assert!(format!("{found:?}").starts_with(expected), "{found:?} is not {expected}");
        };
        for (errno, expected) in [
            (Errno::NOENT, "NotFound"),
            (Errno::NOTDIR, "NotFound"),
            (Errno::LOOP, "NotFound"),
            (Errno::NAMETOOLONG, "NotFound"),
            (Errno::ACCESS, "Denied"),
            (Errno::PERM, "Denied"),
            (Errno::MFILE, "Busy"),
            (Errno::NFILE, "Busy"),
            (Errno::IO, "Disk"),
        ] {
            check(errno.into(), expected);
        }
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        std::os::unix::fs::symlink("..", place.path().join("up")).unwrap();
        for path in ["..", "/etc", "up", "up/x", "a/../../b"] {
            check(dir.metadata(path).unwrap_err(), "NotFound");
        }
    }
}

//! A file of the owner's, as it was when it was chosen. Everything here may wait for the disk.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::{ambient_authority, fs::Dir};

use super::{name::SafeName, parcel::ParcelError};
use crate::folder::{
    disk::{LookupError, OpenFile, reading},
    path::name_bytes,
    validators::Validators,
};

/// A file, by its path and by what it was like.
#[derive(Debug)]
pub(super) struct Original {
    /// The folder it is in, without any link in its path.
    folder: PathBuf,
    /// Its name there.
    on_disk: OsString,
    /// The name by which it was chosen.
    name: Vec<u8>,
    size: u64,
    modified: Option<SystemTime>,
    /// Its number on the disk, 0 where there is none.
    number: u64,
}

impl Original {
    /// Looks at the file that is at this path now. A link is followed this once: the owner chose it.
    pub(super) fn choose(path: &Path) -> Result<Self, ParcelError> {
        let failed = |error| ParcelError::new(path, error);
        let not_a_file = || ParcelError::NotAFile(path.to_owned());
        let real = fs::canonicalize(path).map_err(failed)?;
        let (Some(folder), Some(on_disk)) = (real.parent(), real.file_name()) else {
            return Err(not_a_file());
        };
        let name = path.file_name().and_then(name_bytes).or_else(|| name_bytes(on_disk));
        let mut original = Self {
            folder: folder.to_owned(),
            on_disk: on_disk.to_owned(),
            name: name.unwrap_or_default(),
            size: 0,
            modified: None,
            number: 0,
        };
        let dir = original.dir().map_err(failed)?;
        // Looked at before it is opened: opening a device may do something.
        if !dir.symlink_metadata(on_disk).map_err(failed)?.is_file() {
            return Err(not_a_file());
        }
        let open = original.open_as_it_is(&dir).map_err(failed)?.ok_or_else(not_a_file)?;
        original.size = open.size;
        original.modified = open.modified;
        original.number = open.number;
        Ok(original)
    }

    /// Returns the name by which it was chosen, as every system can keep it.
    pub(super) fn safe_name(&self) -> SafeName {
        SafeName::new(&String::from_utf8_lossy(&self.name))
    }

    /// Returns how many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns when it was changed last, if the disk says it.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Returns what tells this state of it from others.
    pub(super) fn validators(&self, now: SystemTime) -> Validators {
        Validators::new(self.size, self.modified, self.number, now)
    }

    /// Opens it, if it still is what it was: [`LookupError::NotFound`] when it is not, or is not
    /// there. No link in its place is followed.
    pub(super) fn open(&self) -> Result<OpenFile, LookupError> {
        let dir = self.dir()?;
        if !dir.symlink_metadata(&self.on_disk)?.is_file() {
            return Err(LookupError::NotFound);
        }
        let open = self.open_as_it_is(&dir)?.ok_or(LookupError::NotFound)?;
        let found = (open.size, open.modified, open.number);
        if found != (self.size, self.modified, self.number) {
            return Err(LookupError::NotFound);
        }
        Ok(open)
    }

    fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.folder, ambient_authority())
    }

    /// Opens what is in its place; `None` when that is no file.
    fn open_as_it_is(&self, dir: &Dir) -> io::Result<Option<OpenFile>> {
        let mut options = reading();
        options.follow(FollowSymlinks::No);
        let file = dir.open_with(&self.on_disk, &options)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some(OpenFile {
            file: file.into_std(),
            size: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            number: metadata.ino(),
        }))
    }
}

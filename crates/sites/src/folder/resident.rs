//! Linux: files that the system has in memory are served at once, without asking another thread.
//!
//! Handing a small file's lookup to a thread that may wait costs more than the lookup. So it is
//! tried here first, in calls that give up instead of waiting; whatever is unusual (not in memory,
//! not a file, not there, not a local disk, an old kernel) is left to the thread that may wait.
//! Nothing outside the folder is found here either: the kernel walks the path, beneath the
//! folder's handle.

use std::{fs::File, io::IoSliceMut, path::Path};

use bytes::Bytes;
use cap_fs_ext::MetadataExt as _;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstatfs, makedev, openat2,
        statx,
    },
    io::{ReadWriteFlags, preadv2},
};

use super::{
    disk::{Identity, OpenFile, READ_FLAGS},
    reading::{Room, SMALL},
};

/// How a path is walked: only through names that are in memory, and for visitors only beneath the
/// folder and on its disk.
const IN_MEMORY: ResolveFlags = ResolveFlags::CACHED.union(ResolveFlags::NO_MAGICLINKS);
const FOR_VISITORS: ResolveFlags =
    IN_MEMORY.union(ResolveFlags::BENEATH).union(ResolveFlags::NO_XDEV);

/// Disks of this computer, as `statfs` numbers them, that can be asked for what is in memory.
/// Network drives ask their server even then; tmpfs and others do not know the question.
const LOCAL: [u64; 3] = [
    0xef53,      // ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
];

/// Returns whether a folder is on a disk of this computer. May wait for the disk.
pub(super) fn is_local(folder: impl AsFd) -> bool {
    fstatfs(folder)
        .is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| LOCAL.contains(&kind)))
}

/// Opens a file of the folder that is at `root` and has this identity, if nothing has to wait for
/// that.
pub(super) fn open(root: &Path, identity: Identity, on_disk: &Path) -> Option<OpenFile> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat2(CWD, root, flags, Mode::empty(), IN_MEMORY).ok()?;
    let stat = look(&root)?;
    if (makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino) != identity {
        return None;
    }
    // Looked at before it is opened: opening a device may do something.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let seen = openat2(&root, on_disk, flags, Mode::empty(), FOR_VISITORS).ok()?;
    if FileType::from_raw_mode(look(&seen)?.stx_mode.into()) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | READ_FLAGS;
    let file = openat2(&root, on_disk, flags, Mode::empty(), FOR_VISITORS).ok()?;
    let file = File::from(file);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    Some(OpenFile {
        size: metadata.len(),
        modified: metadata.modified().ok(),
        number: metadata.ino(),
        file,
    })
}

fn look(file: &OwnedFd) -> Option<rustix::fs::Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(file, "", flags, StatxFlags::TYPE | StatxFlags::INO).ok()
}

/// Reads a part of a file, if all of it is in memory and fits into one piece.
pub(super) fn read(open: &OpenFile, offset: u64, length: u64) -> Option<Bytes> {
    let wanted = usize::try_from(length).ok()?;
    if length <= SMALL {
        let mut buffer = vec![0; wanted];
        return read_into(open, offset, &mut buffer).then(|| buffer.into());
    }
    let mut room = Room::take()?;
    let buffer = room.buffer().get_mut(..wanted)?;
    read_into(open, offset, buffer).then(|| room.filled(wanted))
}

fn read_into(open: &OpenFile, offset: u64, buffer: &mut [u8]) -> bool {
    let wanted = buffer.len();
    let mut buffers = [IoSliceMut::new(buffer)];
    preadv2(&open.file, &mut buffers, offset, ReadWriteFlags::NOWAIT) == Ok(wanted)
}

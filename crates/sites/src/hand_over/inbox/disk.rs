//! Drafts on the disk, always through a handle of the folder. Everything here may wait for the disk.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cap_fs_ext::{FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use tokio::{sync::Notify, time::timeout};

use super::{Given, InboxError, Rules};
use crate::folder::disk::Root;
use crate::hand_over::name::SafeName;

/// After how many bytes a writer looks again whether the folder is there and has room. Uploads that are
/// written at the same time can together pass [`Rules::keep_free`] by this each, so it is small.
const LOOK: u64 = 1024 * 1024;

/// After how many bytes the disk is told to keep them: a slow stick does that in half a minute, and the
/// end of a large file has no more to wait for.
const SYNC: u64 = 32 * 1024 * 1024;

/// How long one who goes on with a draft waits for the one who had it before, and is just writing.
const TAKE_OVER: Duration = Duration::from_secs(20);

/// How many names are tried beside the wanted one. Some telephones call every picture alike.
const NAMES: u32 = 10_000;

/// How far two words of a drive about when a file was written can be from each other: FAT keeps only every
/// second second, and says so only after it was unplugged.
const SAME_MOMENT: Duration = Duration::from_secs(2);

/// Around a draft's name. The dot hides it, also from those who visit the folder as a site.
const BEFORE: &str = ".veranda-";
const AFTER: &str = ".part";

/// Returns how many bytes may still be written to the drive of a folder; `None` when it does not say.
pub(super) type Available = fn(&Root, &Dir) -> io::Result<Option<u64>>;

/// The drafts that are open in this process, so that each has one writer at a time.
static OPEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says that one was closed.
static CLOSED: Notify = Notify::const_new();

/// The right to touch a draft.
#[derive(Debug)]
pub(super) struct Hold {
    id: String,
}

impl Hold {
    /// Waits for the one who has it. `None` when that one does not let go.
    pub(super) async fn take(id: &str) -> Option<Self> {
        let taking = async {
            loop {
                // From here on nothing is missed.
                let mut closed = std::pin::pin!(CLOSED.notified());
                closed.as_mut().enable();
                if let Some(hold) = Self::try_take(id) {
                    return hold;
                }
                closed.await;
            }
        };
        timeout(TAKE_OVER, taking).await.ok()
    }

    pub(super) fn try_take(id: &str) -> Option<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id.to_owned()).then(|| Self { id: id.to_owned() })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        CLOSED.notify_waiters();
    }
}

/// A draft that is open.
#[derive(Debug)]
pub(super) struct Writer {
    file: fs::File,
    offset: u64,
    /// How many bytes may be written before the next look.
    allowed: u64,
    unsynced: u64,
    hold: Hold,
}

/// A draft that is all there, and closed.
#[derive(Debug)]
pub(super) struct Whole {
    hold: Hold,
    size: u64,
    /// When the drive says that it was written last.
    written: SystemTime,
    names: Names,
}

/// Returns a name for a draft that nobody can guess.
pub(super) fn new_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// Returns whether a text is one that [`new_id`] can have made; only such a text comes near the disk.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 22
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Makes an empty draft.
pub(super) fn begin(root: &Root, hold: Hold) -> Result<Writer, InboxError> {
    let dir = root.dir().map_err(InboxError::Folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let file = dir.open_with(draft_name(&hold.id), &options).map_err(failed)?.into_std();
    Ok(Writer { file, offset: 0, allowed: 0, unsynced: 0, hold })
}

/// Opens a draft at its end.
pub(super) fn resume(root: &Root, hold: Hold) -> Result<Writer, InboxError> {
    let dir = root.dir().map_err(InboxError::Folder)?;
    let (file, offset) = open(&dir, &hold)?.ok_or(InboxError::NoDraft)?;
    Ok(Writer { file, offset, allowed: 0, unsynced: 0, hold })
}

/// Opens a draft, and returns its length; nothing when there is none, or something else in its place.
fn open(dir: &Dir, hold: &Hold) -> Result<Option<(fs::File, u64)>, InboxError> {
    let name = draft_name(&hold.id);
    if !look(dir, &name)?.is_some_and(|there| there.is_file()) {
        return Ok(None);
    }
    let file = dir.open_with(&name, &appending()).map_err(failed)?;
    let metadata = file.metadata().map_err(InboxError::Folder)?;
    // Something else may have taken its place since the look; and a draft with a second name got its own
    // before, or would be changed under that other name.
    let is_draft = metadata.is_file() && metadata.nlink() <= 1;
    Ok(is_draft.then(|| (file.into_std(), metadata.len())))
}

/// Looks whether what was a draft has this name now. Another file that came there later is not it.
pub(super) fn has_name(root: &Root, hold: &Hold, given: &Given) -> Result<bool, InboxError> {
    let dir = root.dir().map_err(InboxError::Folder)?;
    if open(&dir, hold)?.is_some() {
        return Ok(false);
    }
    let Some(there) = look(&dir, &given.name)? else { return Ok(false) };
    let written = there.modified().map_err(InboxError::Folder)?.into_std();
    let apart = written.duration_since(given.written).unwrap_or_else(|early| early.duration());
    let is_it = there.is_file() && there.len() == given.size && apart <= SAME_MOMENT;
    if is_it && let Err(error) = discard(root, hold) {
        tracing::debug!(%error, "A draft's name stays beside the file's");
    }
    Ok(is_it)
}

/// Returns what has this name, itself and not what a link leads to; nothing when nothing has it.
fn look(dir: &Dir, name: &str) -> Result<Option<Metadata>, InboxError> {
    match dir.symlink_metadata(name) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InboxError::Folder(error)),
    }
}

/// Removes a draft, if it is there.
pub(super) fn discard(root: &Root, hold: &Hold) -> Result<(), InboxError> {
    let removed = root.dir().and_then(|dir| dir.remove_file(draft_name(&hold.id)));
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InboxError::Folder(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the drafts that nobody has written to for as long as this. Returns how many.
pub(super) fn sweep(root: &Root, age: Duration) -> Result<usize, InboxError> {
    let dir = root.dir().map_err(InboxError::Folder)?;
    let now = SystemTime::now();
    let mut removed = 0;
    for entry in dir.entries().map_err(InboxError::Folder)? {
        let entry = entry.map_err(InboxError::Folder)?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(draft_id) else { continue };
        // What goes away while we look is gone all the same.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
        let is_old = modified.and_then(|then| now.duration_since(then).ok()) >= Some(age);
        if !metadata.is_file() || !is_old {
            continue;
        }
        // A draft that somebody writes to is not old, whatever its date.
        let Some(_hold) = Hold::try_take(id) else { continue };
        removed += usize::from(dir.remove_file(&name).is_ok());
    }
    Ok(removed)
}

/// Looks whether there is room for so many bytes. Returns how many can be written, at most [`LOOK`].
pub(super) fn room(
    root: &Root,
    dir: &Dir,
    available: Available,
    rules: Rules,
    wanted: u64,
) -> Result<u64, InboxError> {
    let Some(free) = available(root, dir).map_err(InboxError::Folder)? else { return Ok(LOOK) };
    let room = free.saturating_sub(rules.keep_free);
    if room < wanted { Err(InboxError::NoSpace) } else { Ok(room.min(LOOK)) }
}

/// Asks the drive. What is there for its administrator only does not count.
#[cfg(unix)]
pub(super) fn available(_: &Root, dir: &Dir) -> io::Result<Option<u64>> {
    let numbers = rustix::fs::fstatvfs(dir)?;
    // Some that are far away have no numbers.
    Ok((numbers.f_blocks > 0).then(|| numbers.f_bavail.saturating_mul(numbers.f_frsize)))
}

#[cfg(not(unix))]
pub(super) fn available(root: &Root, _: &Dir) -> io::Result<Option<u64>> {
    fs4::available_space(root.path()).map(Some)
}

impl Writer {
    /// Returns how much of the file is there.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends these bytes, or as many of them as there is room for.
    pub(super) fn write(
        &mut self,
        root: &Root,
        available: Available,
        rules: Rules,
        mut bytes: &[u8],
    ) -> Result<(), InboxError> {
        while !bytes.is_empty() {
            if self.allowed == 0 {
                let dir = self.find(root)?;
                self.allowed = room(root, &dir, available, rules, 1)?;
            }
            let now =
                usize::try_from(self.allowed).map_or(bytes.len(), |most| bytes.len().min(most));
            match self.file.write(&bytes[..now]) {
                Ok(0) => return Err(InboxError::Folder(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    let count = written as u64;
                    self.offset += count;
                    self.allowed -= count;
                    self.unsynced += count;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if self.unsynced >= SYNC {
            self.file.sync_data().map_err(failed)?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// All of it is there: makes that last, and closes it.
    pub(super) fn close(self, root: &Root, wanted: &str) -> Result<Whole, InboxError> {
        let dir = self.find(root)?;
        let draft = draft_name(&self.hold.id);
        if let Err(error) = mark(&dir, &draft, &self.file) {
            // A drive that keeps no marks keeps files all the same.
            tracing::debug!(%error, "The drive keeps no mark of where a file is from");
        }
        self.file.sync_all().map_err(failed)?;
        // Windows does not rename what is open everywhere, and some drives say only now when it was written.
        let Self { file, offset: size, allowed: _, unsynced: _, hold } = self;
        drop(file);
        let there = look(&dir, &draft)?.ok_or(InboxError::NoDraft)?;
        let written = there.modified().map_err(InboxError::Folder)?.into_std();
        Ok(Whole { hold, size, written, names: Names::new(wanted) })
    }

    /// Returns the folder, if the draft is still in it: what is written to a file that was removed, or
    /// is in a folder that was moved to the bin, arrives nowhere.
    fn find(&self, root: &Root) -> Result<Dir, InboxError> {
        let dir = root.dir().map_err(InboxError::Folder)?;
        let there = look(&dir, &draft_name(&self.hold.id))?.ok_or(InboxError::NoDraft)?;
        if !there.is_file() || !self.is_this(&there).map_err(InboxError::Folder)? {
            return Err(InboxError::NoDraft);
        }
        Ok(dir)
    }

    #[cfg(unix)]
    fn is_this(&self, there: &Metadata) -> io::Result<bool> {
        let mine = self.file.metadata()?;
        Ok((mine.dev(), mine.ino()) == (there.dev(), there.ino()))
    }

    /// Elsewhere a file that is open stays where it is.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "it is not so elsewhere")]
    fn is_this(&self, _: &Metadata) -> io::Result<bool> {
        Ok(true)
    }
}

fn draft_name(id: &str) -> String {
    format!("{BEFORE}{id}{AFTER}")
}

fn draft_id(name: &str) -> Option<&str> {
    name.strip_prefix(BEFORE)?.strip_suffix(AFTER).filter(|id| is_id(id))
}

/// How a draft is opened again: itself, not what a link in its place leads to, and without waiting for
/// the other end of a FIFO.
fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.custom_flags(crate::folder::disk::READ_FLAGS.bits().cast_signed());
    }
    options
}

fn failed(error: io::Error) -> InboxError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind grows; the rest is the folder's")]
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => InboxError::NoSpace,
        // The drive has a limit of its own: 4 GiB on FAT.
        io::ErrorKind::FileTooLarge => InboxError::TooLarge,
        _ => InboxError::Folder(error),
    }
}

impl Whole {
    /// Returns the name that it can get now.
    pub(super) fn choose(&mut self, root: &Root) -> Result<Given, InboxError> {
        let dir = root.dir().map_err(InboxError::Folder)?;
        let name = self.names.free(&dir).map_err(failed)?;
        Ok(Given { name, size: self.size, written: self.written })
    }

    /// Gives it the name that it chose. Returns it when that is taken by now, or nothing can be called so
    /// there.
    pub(super) fn give(mut self, root: &Root, given: &Given) -> Result<Option<Self>, InboxError> {
        let dir = root.dir().map_err(InboxError::Folder)?;
        let draft = draft_name(&self.hold.id);
        let there = look(&dir, &draft)?.ok_or(InboxError::NoDraft)?;
        if !there.is_file() || there.len() != self.size {
            return Err(InboxError::NoDraft);
        }
        if let Err(error) = place(&dir, &draft, &given.name) {
            self.names.after(error).map_err(failed)?;
            return Ok(Some(self));
        }
        if let Err(error) = sync_folder(&dir) {
            tracing::debug!(%error, "The drive does not say when names are kept");
        }
        Ok(None)
    }
}

/// The names that a file can get, one after the other: the wanted one, and those beside it.
#[derive(Debug)]
pub(super) struct Names {
    wanted: SafeName,
    number: u32,
}

impl Names {
    pub(super) fn new(wanted: &str) -> Self {
        Self { wanted: SafeName::new(wanted), number: 1 }
    }

    pub(super) fn name(&self) -> String {
        self.wanted.numbered(self.number)
    }

    /// Goes on to the next one, if it was the name that was in the way.
    pub(super) fn after(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() == io::ErrorKind::AlreadyExists && self.number < NAMES {
            self.number += 1;
        } else if error.kind() == io::ErrorKind::InvalidFilename {
            self.wanted = self.wanted.shorter().ok_or(error)?;
        } else {
            return Err(error);
        }
        Ok(())
    }

    /// Goes on to the first one that nothing has.
    fn free(&mut self, dir: &Dir) -> io::Result<String> {
        loop {
            let name = self.name();
            match dir.symlink_metadata(&name) {
                Ok(_) => self.after(io::ErrorKind::AlreadyExists.into())?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
                Err(error) => self.after(error)?,
            }
        }
    }
}

/// Renames, and never over anything: in one step where the system has one.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn place(dir: &Dir, draft: &str, name: &str) -> io::Result<()> {
    use rustix::{
        fs::{RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(dir, draft, dir, name, RenameFlags::NOREPLACE) {
        // Not every drive can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => place_by_link(dir, draft, name),
        other => Ok(other?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn place(dir: &Dir, draft: &str, name: &str) -> io::Result<()> {
    place_by_link(dir, draft, name)
}

/// A second name is never made over anything; then the first goes.
pub(super) fn place_by_link(dir: &Dir, draft: &str, name: &str) -> io::Result<()> {
    match dir.hard_link(draft, dir, name) {
        Ok(()) => {
            // The file has its name. A draft that stays is swept up later.
            if let Err(error) = dir.remove_file(draft) {
                tracing::debug!(%error, "A draft's name stays beside the file's");
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => place_by_placeholder(dir, draft, name),
    }
}

/// Where no file has two names (FAT): an empty file takes the name, which only one can make, and the
/// draft takes its place.
pub(super) fn place_by_placeholder(dir: &Dir, draft: &str, name: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    drop(dir.open_with(name, &options)?);
    dir.rename(draft, dir, name).inspect_err(|_| {
        let is_ours = dir.symlink_metadata(name).is_ok_and(|it| it.is_file() && it.len() == 0);
        if is_ours {
            // Nothing else can be done about an empty file that stays.
            let _ = dir.remove_file(name);
        }
    })
}

/// Marks a file as one from elsewhere, so that Windows asks before it opens it (MS-FSCC §5.6.1). Where
/// from is not told: the address is a secret of the hand-over.
#[cfg(windows)]
fn mark(dir: &Dir, draft: &str, _: &fs::File) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let mut stream = dir.open_with(format!("{draft}:Zone.Identifier"), &options)?;
    stream.write_all(b"[ZoneTransfer]\r\nZoneId=3\r\n")
}

/// The same for macOS: downloaded (1), and to be looked at before it is opened (0x80).
#[cfg(target_vendor = "apple")]
fn mark(_: &Dir, _: &str, file: &fs::File) -> io::Result<()> {
    use rustix::fs::{XattrFlags, fsetxattr};
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mark = format!("0081;{:08x};Veranda;", now.as_secs());
    Ok(fsetxattr(file, "com.apple.quarantine", mark.as_bytes(), XattrFlags::empty())?)
}

/// Elsewhere no program heeds one. What counts there is that the file may not be run, and it never may:
/// drafts are made without that right. (`user.xdg.origin.url` would only write the secret address down.)
#[cfg(not(any(windows, target_vendor = "apple")))]
#[expect(clippy::unnecessary_wraps, reason = "it is not so elsewhere")]
fn mark(_: &Dir, _: &str, _: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Makes the new name last.
#[cfg(unix)]
fn sync_folder(dir: &Dir) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, fsync, openat};
    // The handle that we have is only good for looking things up.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fsync(openat(dir, ".", flags, Mode::empty())?)?)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it is not so elsewhere")]
fn sync_folder(_: &Dir) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn tells_a_full_drive_from_a_broken_one() {
        for (errno, expected) in [
            (Errno::NOSPC, "NoSpace"),
            (Errno::DQUOT, "NoSpace"),
            (Errno::FBIG, "TooLarge"),
            (Errno::ROFS, "Folder"),
            (Errno::IO, "Folder"),
        ] {
            let found = format!("{:?}", failed(errno.into()));
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }
}

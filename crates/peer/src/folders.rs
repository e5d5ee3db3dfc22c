//! Which folders may be published.

use std::path::{Component, Path, PathBuf};

use sites::folder::{Folder, FolderOptions};

use crate::{fault::FolderFault, model::PublishError};

/// Folders of the system whose contents are nobody's to publish, nor anything below them.
const NEVER: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run/lock",
    "/run/secrets",
    "/run/systemd",
    "/sbin",
    "/sys",
    "/System",
    "/private/etc",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
];

/// Folders that hold everybody's things; what is below them may be published.
const TOO_MUCH: &[&str] = &[
    "/Applications",
    "/Library",
    "/Users",
    "/Volumes",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/private",
    "/private/tmp",
    "/private/var",
    "/root",
    "/run",
    "/run/media",
    "/run/user",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/local",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/tmp",
];

/// Where systems mount drives, and how many names below it make one drive.
const DRIVES: &[(&str, usize)] = &[("/Volumes", 1), ("/media", 2), ("/mnt", 1), ("/run/media", 2)];

/// Folders of a Windows drive that belong to the system; the first are too much, the second are
/// never to be published.
const WINDOWS_TOO_MUCH: &[&str] = &["users", "programdata", "program files", "program files (x86)"];
const WINDOWS_NEVER: &[&str] = &["windows", "$recycle.bin", "system volume information"];

/// Finds the folder that the owner means, and opens it. Touches the disk and may wait for it.
/// `private` is the file with our own secrets, which must not be inside.
pub(crate) fn choose(
    folder: &Path,
    private: Option<&Path>,
) -> Result<(PathBuf, Folder), PublishError> {
    let refused = |why| PublishError::Folder(folder.to_owned(), why);
    let path = canonical(folder).map_err(|error| refused(FolderFault::of(&error)))?;
    let home =
        directories::BaseDirs::new().and_then(|directories| canonical(directories.home_dir()).ok());
    let private = private.and_then(|file| canonical(file).ok());
    if is_too_much(&path, home.as_deref()) || private.is_some_and(|file| file.starts_with(&path)) {
        return Err(PublishError::TooMuch(path));
    }
    let opened = Folder::open(&path, FolderOptions { hidden: false })
        .map_err(|error| refused(reason(&error)))?;
    Ok((path, opened))
}

/// Says why a folder cannot be opened, without naming it a second time.
pub(crate) fn reason(error: &sites::folder::OpenError) -> FolderFault {
    use sites::folder::OpenError;
    match error {
        OpenError::NotFound(_) => FolderFault::NotFound,
        OpenError::NotAFolder(_) => FolderFault::NotAFolder,
        OpenError::Denied(_) => FolderFault::Denied,
        OpenError::Other(_, error) => FolderFault::of(error),
    }
}

/// Returns the real path, on Windows without the `\\?\` that its owner never typed.
pub(crate) fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    let path = path.canonicalize()?;
    if cfg!(windows)
        && let Some(plain) = path.to_str().and_then(|text| text.strip_prefix(r"\\?\"))
        && !plain.starts_with("UNC\\")
    {
        return Ok(PathBuf::from(plain));
    }
    Ok(path)
}

fn is_too_much(path: &Path, home: Option<&Path>) -> bool {
    // A whole drive, the home folder, or something that the home folder is inside of.
    path.parent().is_none()
        || home.is_some_and(|home| home.starts_with(path))
        || NEVER.iter().any(|never| path.starts_with(never))
        || TOO_MUCH.iter().any(|much| path == Path::new(much))
        || is_drive(path)
        || is_of_windows(path)
}

fn is_drive(path: &Path) -> bool {
    DRIVES.iter().any(|(mounts, depth)| {
        path.strip_prefix(mounts)
            .is_ok_and(|below| (1..=*depth).contains(&below.components().count()))
    })
}

fn is_of_windows(path: &Path) -> bool {
    let mut components = path.components();
    let (Some(Component::Prefix(_)), Some(Component::RootDir), Some(Component::Normal(first))) =
        (components.next(), components.next(), components.next())
    else {
        return false;
    };
    let first = first.to_string_lossy().to_lowercase();
    let deeper = components.next().is_some();
    WINDOWS_NEVER.contains(&&*first) || (!deeper && WINDOWS_TOO_MUCH.contains(&&*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn whole_drives_homes_and_system_folders_are_too_much() {
        let home = Path::new("/home/somebody");
        for path in [
            "/",
            "/home",
            "/home/somebody",
            "/Users",
            "/etc",
            "/etc/ssh",
            "/proc/1",
            "/usr/lib/x",
            "/var",
            "/tmp",
            "/media/somebody/STICK",
            "/media/somebody",
            "/Volumes/Backup",
            "/mnt/c",
            "/run/media/somebody/STICK",
            "/root",
        ] {
            assert!(is_too_much(Path::new(path), Some(home)), "{path}");
        }
        for path in [
            "/home/somebody/Photos",
            "/home/another",
            "/var/www",
            "/tmp/x",
            "/srv/files",
            "/media/somebody/STICK/Photos",
            "/mnt/c/Photos",
            "/etcetera",
            "/data",
        ] {
            assert!(!is_too_much(Path::new(path), Some(home)), "{path}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn whole_drives_homes_and_system_folders_are_too_much() {
        let home = Path::new(r"C:\Users\somebody");
        for path in [r"C:\", r"D:\", r"C:\Users", r"C:\Users\somebody", r"C:\Windows\System32"] {
            assert!(is_too_much(Path::new(path), Some(home)), "{path}");
        }
        for path in [r"C:\Users\somebody\Photos", r"D:\Photos"] {
            assert!(!is_too_much(Path::new(path), Some(home)), "{path}");
        }
    }

    #[test]
    fn the_folder_with_our_own_secrets_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("in/side")).unwrap();
        let store = folder.path().join("in/side/store");
        std::fs::write(&store, "").unwrap();
        let refused = choose(&folder.path().join("in"), Some(&store));
        assert!(matches!(refused, Err(PublishError::TooMuch(_))), "{refused:?}");
        std::fs::create_dir(folder.path().join("beside")).unwrap();
        choose(&folder.path().join("beside"), Some(&store)).unwrap();
    }

    #[test]
    fn what_is_no_folder_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for (name, fault) in [("file", FolderFault::NotAFolder), ("nothing", FolderFault::NotFound)]
        {
            let path = folder.path().join(name);
            let Err(PublishError::Folder(at, why)) = choose(&path, None) else { panic!() };
            assert_eq!((at, why), (path, fault));
        }
    }

    #[test]
    fn a_drive_that_fails_is_told_by_what_is_the_matter() {
        use std::io::{Error, ErrorKind};
        for (kind, fault) in [
            (ErrorKind::StorageFull, FolderFault::Full),
            (ErrorKind::TimedOut, FolderFault::Silent),
            (ErrorKind::Other, FolderFault::Other("torn".to_owned())),
        ] {
            let error = Error::new(kind, "torn");
            let error = sites::folder::OpenError::Other("/photos".into(), error);
            assert_eq!(reason(&error), fault, "{kind}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_the_folder_that_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let (path, _) = choose(&folder.path().join("link/../link"), None).unwrap();
        assert_eq!(path, folder.path().canonicalize().unwrap().join("real"));
        let refused = choose(&folder.path().join("root"), None);
        assert!(matches!(refused, Err(PublishError::TooMuch(_))), "{refused:?}");
    }
}

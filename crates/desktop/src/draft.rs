//! What the owner is about to hand over, and what she gave to the app to publish or to send.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// How many files can be sent together: what the peer takes.
pub(crate) const MAX_FILES: usize = 1000;

/// What the owner is about to hand over, before there is a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draft {
    /// Files of visitors come into this folder.
    Ask(PathBuf),
    /// These files go to a visitor.
    Send(Vec<FileToSend>),
}

/// A file, as it was when it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileToSend {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it had.
    pub size: u64,
}

/// What was dropped on the window, chosen, or given to a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Folders, and what is not there: that is said when it is published.
    Folders(Vec<PathBuf>),
    /// Files, in the order in which they were given.
    Files(Vec<FileToSend>),
    /// Files, and among them something that is neither file nor folder.
    Strange(PathBuf),
    /// Folders and files.
    Both,
    /// More files than can be sent together.
    TooMany,
}

/// Looks at what was given. Touches the disk and may wait for it.
pub(crate) fn look(paths: Vec<PathBuf>) -> Given {
    if paths.len() > MAX_FILES {
        return Given::TooMany;
    }
    let (mut folders, mut files, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => folders.push(path),
            Ok(found) if found.is_file() => files.push(FileToSend { path, size: found.len() }),
            Ok(_) | Err(_) => strange.push(path),
        }
    }
    match (files.is_empty(), folders.is_empty()) {
        (true, _) => {
            folders.append(&mut strange);
            Given::Folders(folders)
        }
        (false, false) => Given::Both,
        (false, true) => strange.into_iter().next().map_or(Given::Files(files), Given::Strange),
    }
}

impl Draft {
    /// Adds files to those that are there, each once.
    ///
    /// # Errors
    /// When they would be more than [`MAX_FILES`]; then nothing is added.
    pub(crate) fn with(draft: Option<Self>, files: Vec<FileToSend>) -> Result<Self, Option<Self>> {
        let mut all = match &draft {
            Some(Self::Send(present)) => present.clone(),
            Some(Self::Ask(_)) | None => Vec::new(),
        };
        for file in files {
            if !all.iter().any(|other| other.path == file.path) {
                all.push(file);
            }
        }
        if all.len() > MAX_FILES { Err(draft) } else { Ok(Self::Send(all)) }
    }
}

/// Returns the name of a file for people.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_published_and_files_are_sent() {
        let place = tempfile::tempdir().unwrap();
        let (folder, file) = (place.path().join("Photos"), place.path().join("film.mkv"));
        let nothing = place.path().join("nothing");
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "12345").unwrap();
        let to_send = FileToSend { path: file.clone(), size: 5 };
        let check = |paths: &[&PathBuf], given| {
            assert_eq!(look(paths.iter().copied().cloned().collect()), given);
        };
        check(&[&folder], Given::Folders(vec![folder.clone()]));
        check(&[&file], Given::Files(vec![to_send]));
        check(&[&nothing, &folder], Given::Folders(vec![folder.clone(), nothing.clone()]));
        check(&[&file, &nothing], Given::Strange(nothing.clone()));
        check(&[&folder, &file, &nothing], Given::Both);
        assert_eq!(look(vec![file; MAX_FILES + 1]), Given::TooMany);
    }

    #[test]
    fn a_file_is_sent_once_and_not_too_many() {
        let file = |n: usize| FileToSend { path: format!("/{n}").into(), size: 1 };
        let draft = Draft::with(None, vec![file(1), file(2)]).unwrap();
        let draft = Draft::with(Some(draft), vec![file(2), file(3)]).unwrap();
        assert_eq!(draft, Draft::Send(vec![file(1), file(2), file(3)]));
        let many = (0..MAX_FILES + 1).map(file).collect();
        assert_eq!(Draft::with(Some(draft.clone()), many), Err(Some(draft)));
        let instead = Draft::with(Some(Draft::Ask("/home".into())), vec![file(1)]).unwrap();
        assert_eq!(instead, Draft::Send(vec![file(1)]));
    }
}

//! Starting with the computer, on Linux: an entry in the folder that desktops read at login (Desktop
//! Application Autostart Specification). Ours, and not that of a library, which writes the program's path as
//! it is: a space in it would end the program's name, and a per cent sign would be read as a placeholder.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use directories::BaseDirs;

use crate::arguments::HIDDEN;

/// What the entry is called; there is one.
const ENTRY: &str = "veranda.desktop";

/// The entry, whether it is there or not.
pub(crate) struct LoginStart {
    entry: PathBuf,
    program: PathBuf,
}

impl LoginStart {
    /// Returns the entry of this program. `image` is the file that it runs from, when that is not the
    /// program itself (an AppImage).
    ///
    /// # Errors
    /// When the account has no home folder, or the system does not say which program this is.
    pub(crate) fn of(image: Option<PathBuf>) -> anyhow::Result<Self> {
        let folders = BaseDirs::new().context("this account has no home folder")?;
        let program = image.map_or_else(env::current_exe, Ok)?;
        Ok(Self { entry: folders.config_dir().join("autostart").join(ENTRY), program })
    }

    /// Returns whether it is there.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn is_on(&self) -> io::Result<bool> {
        self.entry.try_exists()
    }

    /// Writes the entry.
    ///
    /// # Errors
    /// When it cannot be written, or the program's path is no text.
    pub(crate) fn switch_on(&self) -> anyhow::Result<()> {
        let text = entry_for(&self.program)?;
        if let Some(folder) = self.entry.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(&self.entry, text)?)
    }

    /// Takes the entry away; one that is not there is away.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn switch_off(&self) -> io::Result<()> {
        match fs::remove_file(&self.entry) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn entry_for(program: &Path) -> anyhow::Result<String> {
    let path = program.to_str().filter(|path| !path.contains(char::is_control));
    let path = path.context("the program is in a folder with a name that is no text")?;
    // GLib looks for the program before it reads "%%" as "%", and does not find it then.
    let env = if path.contains('%') { "env " } else { "" };
    Ok(format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Version=1.0\n\
         Name=Veranda\n\
         Exec={env}{} {HIDDEN}\n\
         StartupNotify=false\n\
         Terminal=false\n",
        quoted(path)
    ))
}

/// Writes an argument of `Exec` as the Desktop Entry Specification wants it: quoted, with "%" doubled; and
/// then, as the whole value, with each backslash doubled.
fn quoted(argument: &str) -> String {
    let mut quoted = String::from('"');
    for character in argument.chars() {
        match character {
            '"' | '`' | '$' => quoted.extend(["\\\\", character.encode_utf8(&mut [0; 4])]),
            '\\' => quoted.push_str(r"\\\\"),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_any_folder_is_found_again() {
        for program in [
            "/usr/bin/veranda",
            "/home/anna/My Programs/Veranda.AppImage",
            "/home/anna/Programs \"100%\" f%f/Zoë's $HOME `x` \\ \\\\ ; & #.AppImage",
        ] {
            let place = tempfile::tempdir().unwrap();
            let start = LoginStart {
                entry: place.path().join("autostart").join(ENTRY),
                program: program.into(),
            };
            assert!(!start.is_on().unwrap());
            start.switch_on().unwrap();
            assert!(start.is_on().unwrap());
            // As a desktop reads it, by GLib.
            let entry = glib::KeyFile::new();
            entry.load_from_file(&start.entry, glib::KeyFileFlags::NONE).unwrap();
            let line = entry.string("Desktop Entry", "Exec").unwrap();
            let mut words = glib::shell_parse_argv(line.as_str()).unwrap().into_iter();
            let mut next = || words.next().map(|word| word.into_string().unwrap());
            let first = next().unwrap();
            let found = if first == "env" {
                next().unwrap().replace("%%", "%")
            } else {
                assert!(!first.contains('%'), "GLib looks for {first:?}");
                first
            };
            assert_eq!((found.as_str(), next().as_deref()), (program, Some(HIDDEN)), "{line}");
            assert_eq!(next(), None, "{line}");
            start.switch_off().unwrap();
            start.switch_off().unwrap();
            assert!(!start.is_on().unwrap());
        }
    }

    #[test]
    fn what_no_entry_can_name_is_refused() {
        entry_for(Path::new("/home/anna/a\nExec=b")).unwrap_err();
    }
}

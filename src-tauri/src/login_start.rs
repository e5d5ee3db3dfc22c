//! Starting with the computer, on Linux: an entry in the folder that desktops read at login (Desktop
//! Application Autostart Specification). Ours, and not that of a library, which writes the program's path as
//! it is: a space in it would end the program's name, and a per cent sign would be read as a placeholder.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use directories::BaseDirs;
use tauri::Env;

use crate::arguments::HIDDEN;

/// What the entry is called; there is one.
const ENTRY: &str = "Veranda.desktop";

/// The entry, whether it is there or not.
#[derive(Debug)]
pub(crate) struct LoginStart {
    entry: PathBuf,
    program: PathBuf,
}

impl LoginStart {
    /// Returns the entry of this program, which is best asked for when it starts: after an update under the
    /// running program the system says that its file is deleted.
    ///
    /// # Errors
    /// When the account has no home folder, or the system does not say which program this is.
    pub(crate) fn of(env: &Env) -> anyhow::Result<Self> {
        let folders = BaseDirs::new().context("this account has no home folder")?;
        let program = env::current_exe()?;
        let program = match (&env.appimage, &env.appdir) {
            // What an image has in it is gone when it ends. Who was only started from within another
            // program's image has these variables too.
            (Some(image), Some(content)) if program.starts_with(content) => image.into(),
            _ => program,
        };
        Ok(Self { entry: folders.config_dir().join("autostart").join(ENTRY), program })
    }

    /// Returns whether it is there, and nobody switched it off in the desktop's own settings, which leave
    /// the file and write into it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn is_on(&self) -> io::Result<bool> {
        match fs::read_to_string(&self.entry) {
            Ok(text) => Ok(starts_something(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the entry.
    ///
    /// # Errors
    /// When it cannot be written, or the program's path cannot stand in it.
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

/// Returns whether a desktop that reads this entry starts a program.
fn starts_something(entry: &str) -> bool {
    let is = |key: &str, wanted: fn(&str) -> bool| {
        entry
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(found, value)| found.trim() == key && wanted(value.trim()))
    };
    is("Exec", |program| !program.is_empty())
        && !is("Hidden", |hidden| hidden == "true")
        // Of GNOME, Cinnamon and MATE.
        && !is("X-GNOME-Autostart-enabled", |enabled| enabled == "false")
}

fn entry_for(program: &Path) -> anyhow::Result<String> {
    let path = program.to_str().filter(|path| !path.contains(char::is_control));
    let path = path.context("the program is in a folder with a name that is no text")?;
    // GLib looks for the program before it reads "%%" as "%", and does not find it then.
    let env = if path.contains('%') { "env " } else { "" };
    ensure!(
        env.is_empty() || !path.contains('='),
        "the program is in a folder with both % and = in its name"
    );
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
        entry_for(Path::new("/home/anna/100%/a=b")).unwrap_err();
    }

    #[test]
    fn what_a_desktop_switched_off_is_off() {
        let text = entry_for(Path::new("/usr/bin/veranda")).unwrap();
        assert!(starts_something(&text));
        for more in ["Hidden=true", "X-GNOME-Autostart-enabled=false"] {
            assert!(!starts_something(&format!("{text}{more}\n")), "{more}");
        }
        assert!(starts_something(&format!("{text}X-GNOME-Autostart-enabled=true\n")));
        assert!(!starts_something(""), "what a full drive leaves");
    }
}

//! What the owner speaks, as the system knows it.

use desktop::Language;

/// Returns the language that the app speaks from now on.
pub(crate) fn wanted() -> Language {
    Language::wanted(preferred())
}

/// By `LANGUAGE`, `LC_ALL`, `LC_MESSAGES` and `LANG`, as the dialogs of the system do.
#[cfg(target_os = "linux")]
fn preferred() -> impl Iterator<Item = impl AsRef<str>> {
    glib::language_names().into_iter().map(String::from)
}

#[cfg(not(target_os = "linux"))]
fn preferred() -> impl Iterator<Item = impl AsRef<str>> {
    sys_locale::get_locales()
}

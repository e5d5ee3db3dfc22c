//! What the owner speaks, as the system knows it.

use desktop::Language;

/// Returns the language that the app speaks from now on.
pub(crate) fn wanted() -> Language {
    Language::wanted(preferred())
}

/// Returns GLib's list of languages (`g_get_language_names`): what the first of `LANGUAGE`, `LC_ALL`,
/// `LC_MESSAGES` and `LANG` names that is not empty in the environment.
#[cfg(target_os = "linux")]
fn preferred() -> impl Iterator<Item = impl AsRef<str>> {
    glib::language_names().into_iter().map(String::from)
}

#[cfg(not(target_os = "linux"))]
fn preferred() -> impl Iterator<Item = impl AsRef<str>> {
    sys_locale::get_locales()
}

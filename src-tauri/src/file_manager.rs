//! Shows a file or folder in the system's file manager.

use std::path::Path;

/// How long a program that opens folders may take to say that it cannot; one that still runs then is
/// the file manager itself. The programs look through the whole system for one.
#[cfg(target_os = "linux")]
const OPENING: std::time::Duration = std::time::Duration::from_secs(3);

/// Shows it, without opening the file. Waits for other programs.
///
/// # Errors
/// When it is not there, or there is no file manager.
pub(crate) fn show(path: &Path) -> anyhow::Result<()> {
    // Else the folder would be opened for a file that is not in it.
    path.metadata()?;
    let shown = tauri_plugin_opener::reveal_item_in_dir(path);
    #[cfg(target_os = "linux")]
    if let Err(error) = &shown {
        tracing::debug!(%error, "No file manager can be asked; its folder is opened");
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        return Ok(open::that_detached_with_timeout(folder, OPENING)?);
    }
    Ok(shown?)
}

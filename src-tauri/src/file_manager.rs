//! Shows a file or folder in the system's file manager.

#[cfg(target_os = "linux")]
mod opening;

use std::path::PathBuf;

use tokio::task::spawn_blocking;

/// Shows it, without opening the file. Waits for other programs.
///
/// # Errors
/// When it is not there, or there is no file manager.
pub(crate) async fn show(path: PathBuf) -> anyhow::Result<()> {
    let asking = spawn_blocking(move || {
        // Else the folder would be opened for a file that is not in it.
        let folder = if path.metadata()?.is_dir() { Some(&*path) } else { path.parent() };
        let folder = folder.unwrap_or(&path).to_owned();
        anyhow::Ok((tauri_plugin_opener::reveal_item_in_dir(path), folder))
    });
    let (shown, folder) = asking.await??;
    fall_back(shown, folder).await
}

#[cfg(target_os = "linux")]
async fn fall_back(
    shown: Result<(), tauri_plugin_opener::Error>,
    folder: PathBuf,
) -> anyhow::Result<()> {
    let Err(error) = shown else { return Ok(()) };
    tracing::debug!(%error, "No file manager can be asked; its folder is opened");
    opening::open_by(open::commands(folder), opening::PATIENCE).await
}

#[cfg(not(target_os = "linux"))]
async fn fall_back(
    shown: Result<(), tauri_plugin_opener::Error>,
    _: PathBuf,
) -> anyhow::Result<()> {
    Ok(shown?)
}

//! The system's dialogs, in which the owner chooses files and folders.

use std::path::PathBuf;

use anyhow::Context as _;
use desktop::Choice;
use tauri::{AppHandle, Manager as _};
use tauri_plugin_dialog::{DialogExt as _, FilePath};
use tokio::sync::oneshot;

use crate::{folders, window};

/// Opens a dialog with this title and returns what was chosen there; nothing when it was closed.
///
/// # Errors
/// When something was chosen that is not of this computer.
pub(crate) async fn choose(
    app: &AppHandle,
    choice: Choice,
    title: String,
) -> anyhow::Result<Vec<PathBuf>> {
    let (choose, chosen) = oneshot::channel();
    let dialog = app.dialog().file().set_title(title).set_directory(start(choice));
    let dialog = match app.get_webview_window(window::LABEL) {
        Some(window) => dialog.set_parent(&window),
        None => dialog,
    };
    match choice {
        Choice::Files => dialog.pick_files(move |files| {
            // The app may be ending by now; then nobody wants to know.
            let _ = choose.send(files.unwrap_or_default());
        }),
        Choice::Folder | Choice::Inbox => dialog.pick_folder(move |folder| {
            let _ = choose.send(folder.into_iter().collect());
        }),
    }
    let chosen = chosen.await.unwrap_or_default();
    let paths = chosen.into_iter().map(FilePath::into_path).collect::<Result<_, _>>();
    paths.context("that is not a file or folder of this computer")
}

fn start(choice: Choice) -> PathBuf {
    match choice {
        Choice::Files | Choice::Folder => folders::first_shown(),
        Choice::Inbox => folders::downloads(),
    }
}

//! What the window can call: three commands, named in `build.rs` and `capabilities/main.json`.

use std::{path::PathBuf, sync::Arc};

use desktop::{Handle, Problem, ProblemCode, Request, View};
use tauri::{AppHandle, State, WebviewWindow, ipc::Channel};
use tauri_plugin_dialog::{DialogExt as _, FilePath};
use tokio::sync::{Mutex, oneshot};

use crate::{folders, viewer::Viewer};

/// Held while the dialog is open, so that there is one.
#[derive(Default)]
pub(crate) struct Dialog(Mutex<()>);

/// Asks the app for something.
#[tauri::command]
pub(crate) async fn ask(handle: State<'_, Handle>, request: Request) -> Result<(), Problem> {
    handle.ask(request).await
}

/// Passes every view on, beginning with the present one.
#[tauri::command]
pub(crate) fn watch(viewer: State<'_, Arc<Viewer>>, channel: Channel<View>) {
    viewer.watch(channel);
}

/// Opens the system's dialog, and publishes the folder that is chosen there, if any.
#[tauri::command]
pub(crate) async fn choose_folder(
    app: AppHandle,
    window: WebviewWindow,
    handle: State<'_, Handle>,
    dialog: State<'_, Dialog>,
) -> Result<(), Problem> {
    let Ok(_open) = dialog.0.try_lock() else { return Ok(()) };
    let (choose, chosen) = oneshot::channel();
    app.dialog()
        .file()
        .set_parent(&window)
        .set_title("Choose a folder to publish")
        .set_directory(folders::first_shown())
        .pick_folder(move |folder| {
            // The window may be gone by now; then nobody wants to know.
            let _ = choose.send(folder);
        });
    let Ok(Some(folder)) = chosen.await else { return Ok(()) };
    let path = path_of(folder)?;
    handle.ask(Request::AddFolder { path }).await
}

fn path_of(folder: FilePath) -> Result<String, Problem> {
    let unusable = |sentence: &str| Problem {
        code: ProblemCode::FolderUnusable,
        sentence: sentence.to_owned(),
    };
    let path: PathBuf =
        folder.into_path().map_err(|_| unusable("That is not a folder of this computer."))?;
    path.into_os_string().into_string().map_err(|_| {
        unusable(
            "The name of that folder cannot be written as text. Drop the folder on the window.",
        )
    })
}

//! What the window can call: two commands, named in `build.rs` and `capabilities/main.json`.

use std::sync::Arc;

use desktop::{Handle, Problem, Request, View};
use tauri::{State, ipc::Channel};

use crate::viewer::Viewer;

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

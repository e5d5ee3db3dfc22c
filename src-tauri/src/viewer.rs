//! Brings views to the window.

use std::sync::{Mutex, MutexGuard, PoisonError};

use desktop::View;
use tauri::ipc::Channel;

/// Remembers the last view, and who watches.
#[derive(Default)]
pub(crate) struct Viewer {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    view: Option<View>,
    /// The window has one page, so there is one watcher; a page that loads anew replaces it.
    watcher: Option<Channel<View>>,
}

impl Viewer {
    /// Passes every view on, beginning with the last one.
    pub(crate) fn watch(&self, watcher: Channel<View>) {
        let mut state = self.state();
        state.watcher = Some(watcher);
        state.send();
    }

    /// Shows a view.
    pub(crate) fn show(&self, view: &View) {
        let mut state = self.state();
        state.view = Some(view.clone());
        state.send();
    }

    /// Forgets who watches: the window is gone.
    pub(crate) fn close(&self) {
        self.state().watcher = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked here left a whole value behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&mut self) {
        if let (Some(view), Some(watcher)) = (&self.view, &self.watcher)
            && let Err(error) = watcher.send(view.clone())
        {
            tracing::debug!(%error, "The window does not watch any more");
            self.watcher = None;
        }
    }
}

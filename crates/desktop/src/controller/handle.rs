//! What others hold of the controller.

use std::path::PathBuf;

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::internal;
use crate::{request::Request, view::Problem, words::Words};

/// What others tell the controller. Cheap to clone; when the last one is dropped, the app ends.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) told: mpsc::Sender<Told>,
    pub(super) words: Words,
}

/// What can be told.
#[derive(Debug)]
pub(super) enum Told {
    /// The window asks.
    Asked(Request, oneshot::Sender<Result<(), Problem>>),
    /// The menu was clicked.
    Clicked(Request),
    /// Something is held over the window, or not any more.
    DragOver(bool),
    /// Folders or files were dropped, or given to a second start.
    Given(Vec<PathBuf>),
    /// The owner wants to close the window.
    WindowClosed,
}

impl Handle {
    /// Asks for something on behalf of the window.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn ask(&self, request: Request) -> Result<(), Problem> {
        let (reply, answer) = oneshot::channel();
        let ending = || internal(self.words.ending());
        self.told.send(Told::Asked(request, reply)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }

    /// Asks on behalf of the menu: what goes wrong is shown as a problem.
    pub fn click(&self, request: Request) {
        self.tell(Told::Clicked(request));
    }

    /// Publishes folders, or offers to send files, that were dropped on the window or given on the
    /// command line.
    pub fn give(&self, paths: Vec<PathBuf>) {
        self.tell(Told::Given(paths));
    }

    /// Tells that something is held over the window, or not any more.
    pub fn drag_over(&self, over: bool) {
        self.tell(Told::DragOver(over));
    }

    /// Tells that the owner wants to close the window.
    pub fn window_closed(&self) {
        self.tell(Told::WindowClosed);
    }

    /// Returns whether the app is ending, so that nothing can be asked any more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.told.is_closed()
    }

    /// Tells without waiting: who calls may be the thread that draws.
    fn tell(&self, told: Told) {
        match self.told.try_send(told) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => tracing::debug!("A click came too late"),
            Err(TrySendError::Full(_)) => tracing::warn!("The app is too busy; a click was lost"),
        }
    }
}

//! What the controller needs from the desktop: Tauri in the app, a notebook in tests.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
};

use crate::{notices::Notification, request::Request, tray::Tray, view::View};

/// A future that a trait object can return.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the owner chooses in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Files to send, one or several.
    Files,
    /// A folder to publish.
    Folder,
    /// A folder into which visitors put files.
    Inbox,
}

/// The desktop around the app. No call may wait for the controller, and none may take long.
pub trait Shell: Send + 'static {
    /// Shows this view in the window, if there is one, and in every window that opens later.
    fn show(&mut self, view: &View);

    /// Draws the tray icon and its menu anew.
    fn tray(&mut self, tray: &Tray);

    /// Shows a notification.
    fn notify(&mut self, notification: &Notification);

    /// Takes away the notification that has a button for this, where the system lets it: the question
    /// is answered.
    fn withdraw(&mut self, button: &Request);

    /// Puts text on the clipboard.
    ///
    /// # Errors
    /// When the system refuses.
    fn copy(&mut self, text: &str) -> anyhow::Result<()>;

    /// Opens a link in the browser. It has been checked to be one of our own links.
    ///
    /// # Errors
    /// When there is no browser, or it cannot be started.
    fn open(&mut self, link: &str) -> anyhow::Result<()>;

    /// Opens the system's dialog with this title, in front of the window if there is one, and returns
    /// what the owner chose there; nothing when it was closed, or while another one is open.
    fn choose(
        &mut self,
        choice: Choice,
        title: String,
    ) -> Answer<'static, anyhow::Result<Vec<PathBuf>>>;

    /// Shows a file or folder in the system's file manager, without opening the file.
    fn reveal(&mut self, path: &Path) -> Answer<'static, anyhow::Result<()>>;

    /// Shows the window in front of the others; makes it first if there is none.
    fn raise(&mut self);

    /// Takes the window away.
    fn hide(&mut self);

    /// Returns whether a tray shows our icon, so that somebody finds the app without its window.
    fn has_tray(&self) -> Answer<'static, bool>;

    /// Returns whether the app starts with the computer.
    ///
    /// # Errors
    /// When the system cannot say.
    fn starts_at_login(&mut self) -> anyhow::Result<bool>;

    /// Starts with the computer from now on, hidden, or not.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_start_at_login(&mut self, on: bool) -> anyhow::Result<()>;

    /// Ends the app; everything is kept by now.
    fn quit(&mut self);
}

//! Shows notifications through the system, and hears what is done with them.
//!
//! On Linux a click comes back as a request, and a note can be answered in the notification where the
//! server offers a field for that (KDE's does). Elsewhere notifications only tell.

#[cfg(target_os = "linux")]
mod linux;

use std::thread;

use tokio::sync::mpsc;

use crate::{language::Language, notices::Notification, request::Request, words::Words};

/// How many notifications wait while the system is slow; more are dropped, being old news by then.
const QUEUE: usize = 8;

/// Shows notifications from a thread of its own, because a daemon may take long to answer. The
/// thread ends with the notifier.
#[derive(Debug)]
pub struct Notifier {
    queue: mpsc::Sender<Wish>,
}

/// What the thread is asked for.
#[derive(Debug)]
enum Wish {
    Show(Notification),
    /// Takes away the notification with this button.
    Withdraw(Request),
}

impl Notifier {
    /// Starts the thread, which names what can be done in the language of the app; `asked` is called in it with what the owner wants by a click or an answer.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        language: Language,
        asked: impl Fn(Request) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("notifications".to_owned())
            .spawn(move || runtime.block_on(run(waiting, Words::of(language), asked)))?;
        Ok(Self { queue })
    }

    /// Shows a notification soon.
    pub fn show(&self, notification: &Notification) {
        self.wish(Wish::Show(notification.clone()));
    }

    /// Takes away the notification that has a button for this, if it is still shown.
    pub fn withdraw(&self, button: &Request) {
        self.wish(Wish::Withdraw(button.clone()));
    }

    fn wish(&self, wish: Wish) {
        if self.queue.try_send(wish).is_err() {
            tracing::debug!("A notification was dropped: the system is slow to show them");
        }
    }
}

#[cfg(target_os = "linux")]
async fn run(waiting: mpsc::Receiver<Wish>, words: Words, asked: impl Fn(Request)) {
    linux::run(waiting, words, asked).await;
}

/// Shows what arrives, and says once when the system does not. macOS and Windows take plain text.
#[cfg(not(target_os = "linux"))]
async fn run(mut waiting: mpsc::Receiver<Wish>, _: Words, _: impl Fn(Request)) {
    let mut complained = false;
    while let Some(wish) = waiting.recv().await {
        let Wish::Show(notification) = wish else { continue };
        let shown = notify_rust::Notification::new()
            .appname(crate::words::APP)
            .summary(&notification.title)
            .body(&notification.body)
            .icon(&crate::words::APP.to_lowercase())
            .show();
        if let Err(error) = shown
            && !complained
        {
            complained = true;
            tracing::warn!(%error, "This system shows no notifications");
        }
    }
}

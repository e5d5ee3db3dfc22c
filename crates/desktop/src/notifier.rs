//! Shows notifications through the system.

use std::{sync::mpsc, thread};

use notify_rust::Notification as Shown;

use crate::{notices::Notification, words};

/// How many notifications wait while the system is slow; more are dropped, being old news by then.
const QUEUE: usize = 8;

/// Shows notifications from a thread of its own, because a daemon may take long to answer. The
/// thread ends with the notifier.
#[derive(Debug)]
pub struct Notifier {
    queue: mpsc::SyncSender<Notification>,
}

impl Notifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::sync_channel(QUEUE);
        thread::Builder::new().name("notifications".to_owned()).spawn(move || show(&waiting))?;
        Ok(Self { queue })
    }

    /// Shows a notification soon.
    pub fn show(&self, notification: &Notification) {
        if self.queue.try_send(notification.clone()).is_err() {
            tracing::debug!("A notification was dropped: the system is slow to show them");
        }
    }
}

/// Shows what arrives, and says once when the system does not.
fn show(waiting: &mpsc::Receiver<Notification>) {
    let escaped = needs_escapes();
    let mut complained = false;
    for Notification { title, body, .. } in waiting {
        let body = if escaped { escape(&body) } else { body };
        let shown = Shown::new()
            .appname(words::APP)
            .summary(&title)
            .body(&body)
            .icon(&words::APP.to_lowercase())
            .show();
        if let Err(error) = shown
            && !complained
        {
            complained = true;
            tracing::warn!(%error, "This system shows no notifications");
        }
    }
}

/// Returns whether the body is read as markup, so that a file name could bring links and images.
#[cfg(all(unix, not(target_os = "macos")))]
fn needs_escapes() -> bool {
    // A daemon that does not say so is taken at the worst.
    notify_rust::get_capabilities()
        .map_or(true, |capabilities| capabilities.iter().any(|one| one == "body-markup"))
}

/// Returns whether the body is read as markup: macOS and Windows take plain text.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn needs_escapes() -> bool {
    false
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_markup() {
        let name = r#"<a href="http://x.example">&.jpg</a>"#;
        let safe = r#"&lt;a href="http://x.example"&gt;&amp;.jpg&lt;/a&gt;"#;
        assert_eq!(escape(name), safe);
    }
}

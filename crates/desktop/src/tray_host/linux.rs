//! Linux desktops have a tray or not: GNOME without its extension has none.

use std::time::Duration;

use tokio::time::timeout;

/// Who shows StatusNotifierItems has this name on the session bus.
const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// How long the bus may take to answer. Somebody waits for the window to close, but a computer that is
/// busy for a moment is no reason to end the app with all its links.
const BUS_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn is_there() -> bool {
    match timeout(BUS_TIMEOUT, ask()).await {
        Ok(Ok(there)) => there,
        Ok(Err(error)) => {
            tracing::debug!(%error, "The session bus does not say whether there is a tray");
            false
        }
        Err(_) => {
            tracing::debug!("The session bus did not answer in time");
            false
        }
    }
}

async fn ask() -> zbus::Result<bool> {
    let bus = zbus::Connection::session().await?;
    let daemon = zbus::fdo::DBusProxy::new(&bus).await?;
    Ok(daemon.name_has_owner(WATCHER.try_into()?).await?)
}

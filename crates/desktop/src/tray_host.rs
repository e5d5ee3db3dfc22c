//! Whether a tray shows our icon.

#[cfg(target_os = "linux")]
#[path = "tray_host/linux.rs"]
mod system;

#[cfg(not(target_os = "linux"))]
mod system {
    /// Windows and macOS always have a place for it.
    pub(super) async fn is_there() -> bool {
        true
    }
}

/// Returns whether a tray shows our icon, so that somebody finds the app without its window.
pub async fn is_there() -> bool {
    system::is_there().await
}

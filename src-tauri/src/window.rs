//! The window: made when it is wanted, gone when it is closed.

use std::sync::Arc;

use desktop::{Handle, Language};
use tauri::{
    AppHandle, DragDropEvent, Manager as _, Url, WebviewUrl, WebviewWindowBuilder, Window,
    WindowEvent, webview::NewWindowResponse,
};

use crate::viewer::Viewer;

/// The window's name, also in `capabilities/main.json`.
pub(crate) const LABEL: &str = "main";

/// Size at the first start, in logical pixels; later ones remember.
const SIZE: (f64, f64) = (900.0, 640.0);

/// Smaller than this, buttons fall out of the window.
const SMALLEST: (f64, f64) = (420.0, 360.0);

/// Shows the window in front of the others, and makes it first if there is none. Not for the main
/// thread, which has to turn meanwhile.
///
/// # Errors
/// When the system refuses.
pub(crate) fn raise(app: &AppHandle) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        window.unminimize()?;
        window.show()?;
        return window.set_focus();
    }
    // What the page says before its first view.
    let page = format!("index.html?language={}", app.state::<Language>().tag());
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(page.into()))
        .title(desktop::words::APP)
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        .on_navigation(is_ours)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    window.set_focus()
}

/// Takes the window away, with everything that its pages hold in memory.
///
/// # Errors
/// When the system refuses.
pub(crate) fn hide(app: &AppHandle) -> tauri::Result<()> {
    match app.get_webview_window(LABEL) {
        Some(window) => window.destroy(),
        None => Ok(()),
    }
}

/// Returns whether a page is one of ours: `tauri://localhost/`, or on Windows
/// `http://tauri.localhost/`.
fn is_ours(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        _ => false,
    }
}

/// Tells the controller what happens to the window.
#[expect(clippy::wildcard_enum_match_arm, reason = "Tauri may tell more; these are what we need")]
pub(crate) fn happened(window: &Window, event: &WindowEvent) {
    let handle = window.state::<Handle>();
    match event {
        WindowEvent::CloseRequested { api, .. } => {
            // Whether it goes, and the app with it, is for the controller to say.
            api.prevent_close();
            handle.window_closed();
        }
        WindowEvent::Destroyed => window.state::<Arc<Viewer>>().close(),
        WindowEvent::DragDrop(DragDropEvent::Enter { .. }) => handle.drag_over(true),
        WindowEvent::DragDrop(DragDropEvent::Leave) => handle.drag_over(false),
        WindowEvent::DragDrop(DragDropEvent::Drop { paths, .. }) => handle.give(paths.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_shown() {
        for (page, ours) in [
            ("tauri://localhost/index.html", true),
            ("http://tauri.localhost/", true),
            ("http://photos.localhost:28260/", false),
            ("https://example.org/", false),
            ("tauri://example/", false),
            ("file:///etc/passwd", false),
            ("about:blank", false),
        ] {
            assert_eq!(is_ours(&Url::parse(page).unwrap()), ours, "{page}");
        }
    }
}

//! The desktop, as the controller sees it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(target_os = "linux")]
use anyhow::anyhow;
use desktop::{
    Answer, Choice, Handle, Language, Request, Shell, View,
    notices::Notification,
    notifier::Notifier,
    tray::{Icon, Tray},
    tray_host,
};
use tauri::{AppHandle, Manager as _};
#[cfg(not(target_os = "linux"))]
use tauri_plugin_autostart::ManagerExt as _;
use tauri_plugin_clipboard_manager::ClipboardExt as _;
use tokio::sync::Mutex;

#[cfg(target_os = "linux")]
use crate::login_start::LoginStart;
use crate::{dialogs, file_manager, tray, viewer::Viewer, window};

/// The real desktop, by Tauri.
pub(crate) struct Desktop {
    app: AppHandle,
    viewer: Arc<Viewer>,
    notifier: Option<Notifier>,
    icon: Option<Icon>,
    has_icon: Arc<AtomicBool>,
    /// Held while a dialog is open, so that there is one.
    dialog: Arc<Mutex<()>>,
    #[cfg(target_os = "linux")]
    login_start: anyhow::Result<LoginStart>,
}

impl Desktop {
    pub(crate) fn new(app: AppHandle, viewer: Arc<Viewer>, language: Language) -> Self {
        let clicked = app.clone();
        let notifier = Notifier::start(language, move |request| {
            if let Some(handle) = clicked.try_state::<Handle>() {
                handle.click(request);
            }
        });
        let notifier = notifier.inspect_err(|error| {
            tracing::warn!(%error, "There will be no notifications");
        });
        let has_icon = Arc::new(AtomicBool::new(false));
        Self {
            #[cfg(target_os = "linux")]
            login_start: LoginStart::of(&app.env()),
            app,
            viewer,
            notifier: notifier.ok(),
            icon: None,
            has_icon,
            dialog: Arc::default(),
        }
    }

    #[cfg(target_os = "linux")]
    fn login_start(&self) -> anyhow::Result<&LoginStart> {
        self.login_start.as_ref().map_err(|error| anyhow!("{error:#}"))
    }

    /// Draws the tray where only that can be done: on the main thread.
    fn draw(&mut self, tray: &Tray) -> tauri::Result<()> {
        let icon_too = self.icon.replace(tray.icon) != Some(tray.icon);
        let (app, tray, has_icon) = (self.app.clone(), tray.clone(), Arc::clone(&self.has_icon));
        self.app.run_on_main_thread(move || match tray::draw(&app, &tray, icon_too) {
            Ok(()) => has_icon.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "The tray icon cannot be drawn"),
        })
    }
}

impl Shell for Desktop {
    fn show(&mut self, view: &View) {
        self.viewer.show(view);
    }

    fn tray(&mut self, tray: &Tray) {
        if let Err(error) = self.draw(tray) {
            tracing::warn!(%error, "The tray icon cannot be drawn");
        }
    }

    fn notify(&mut self, notification: &Notification) {
        if let Some(notifier) = &self.notifier {
            notifier.show(notification);
        }
    }

    fn withdraw(&mut self, button: &Request) {
        if let Some(notifier) = &self.notifier {
            notifier.withdraw(button);
        }
    }

    fn copy(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.app.clipboard().write_text(text)?)
    }

    fn open(&mut self, link: &str) -> anyhow::Result<()> {
        Ok(tauri_plugin_opener::open_url(link, None::<&str>)?)
    }

    fn choose(
        &mut self,
        choice: Choice,
        title: String,
    ) -> Answer<'static, anyhow::Result<Vec<PathBuf>>> {
        let (app, dialog) = (self.app.clone(), Arc::clone(&self.dialog));
        Box::pin(async move {
            let Ok(_open) = dialog.try_lock() else { return Ok(Vec::new()) };
            dialogs::choose(&app, choice, title).await
        })
    }

    fn reveal(&mut self, path: &Path) -> Answer<'static, anyhow::Result<()>> {
        Box::pin(file_manager::show(path.to_owned()))
    }

    fn raise(&mut self) {
        if let Err(error) = window::raise(&self.app) {
            tracing::error!(%error, "The window cannot be shown");
        }
    }

    fn hide(&mut self) {
        if let Err(error) = window::hide(&self.app) {
            tracing::warn!(%error, "The window cannot be taken away");
        }
    }

    fn has_tray(&self) -> Answer<'static, bool> {
        let has_icon = self.has_icon.load(Ordering::Relaxed);
        Box::pin(async move { has_icon && tray_host::is_there().await })
    }

    #[cfg(target_os = "linux")]
    fn starts_at_login(&mut self) -> anyhow::Result<bool> {
        Ok(self.login_start()?.is_on()?)
    }

    #[cfg(not(target_os = "linux"))]
    fn starts_at_login(&mut self) -> anyhow::Result<bool> {
        Ok(self.app.autolaunch().is_enabled()?)
    }

    #[cfg(target_os = "linux")]
    fn set_start_at_login(&mut self, on: bool) -> anyhow::Result<()> {
        let start = self.login_start()?;
        if on { start.switch_on() } else { Ok(start.switch_off()?) }
    }

    #[cfg(not(target_os = "linux"))]
    fn set_start_at_login(&mut self, on: bool) -> anyhow::Result<()> {
        let autolaunch = self.app.autolaunch();
        // Switching off what is off is an error for some systems.
        if autolaunch.is_enabled()? != on {
            if on { autolaunch.enable()? } else { autolaunch.disable()? }
        }
        Ok(())
    }

    fn quit(&mut self) {
        self.app.exit(0);
    }
}

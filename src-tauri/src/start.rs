//! Puts the app together, and turns its event loop.

use std::{env, path::PathBuf, sync::Arc};

use desktop::{Controller, Handle, Options, Request, SystemKeychain};
use tauri::{App, AppHandle, Builder, Manager as _, RunEvent, Wry};
use tauri_plugin_window_state::StateFlags;

#[cfg(not(target_os = "linux"))]
use crate::arguments::HIDDEN;
use crate::{
    again::Again, arguments::Arguments, backstage::Backstage, commands, folders, language, retry,
    shell::Desktop, viewer::Viewer, window,
};

/// Runs the app until its end.
///
/// # Errors
/// When it cannot start.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let app = build(arguments)?;
    app.run(|app, event| match event {
        // The last window is closed; the tray stays. Quitting has a code.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        RunEvent::Exit => {
            if let Some(handle) = app.try_state::<Handle>() {
                handle.click(Request::Quit);
            }
            if let Some(backstage) = app.try_state::<Backstage>() {
                backstage.wait();
            }
            start_again(app);
        }
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => raise(app),
        _ => {}
    });
    Ok(())
}

/// Builds the app. A second start passes its arguments on to the first one and ends here; when the
/// first one is just ending, it does not answer, and a moment later there is none.
fn build(arguments: &Arguments) -> anyhow::Result<App<Wry>> {
    let arguments = arguments.clone();
    let built = builder().setup(move |app| Ok(set_up(app, &arguments)?)).build(context());
    built.map_err(|error| {
        if matches!(error, tauri::Error::PluginInitialization(..)) {
            retry::start_over(error.into())
        } else {
            anyhow::Error::new(error).context("the window system refuses")
        }
    })
}

/// Embeds configuration, permissions and pages, once.
fn context() -> tauri::Context {
    tauri::generate_context!()
}

fn builder() -> Builder<Wry> {
    let remembered = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
    let builder = tauri::Builder::default()
        // First, so that a second start does nothing else.
        .plugin(tauri_plugin_single_instance::init(second_start));
    #[cfg(not(target_os = "linux"))]
    let builder = builder.plugin(tauri_plugin_autostart::Builder::new().args([HIDDEN]).build());
    builder
        .plugin(tauri_plugin_clipboard_manager::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_window_state::Builder::new().with_state_flags(remembered).build())
        .invoke_handler(tauri::generate_handler![commands::ask, commands::watch])
        .on_window_event(window::happened)
}

fn set_up(app: &App, arguments: &Arguments) -> anyhow::Result<()> {
    let data = folders::data()?;
    let (viewer, language) = (Arc::new(Viewer::default()), language::wanted());
    tracing::info!(language = language.tag(), "The app speaks");
    let (controller, handle) = Controller::new(Options {
        language,
        data: data.folder,
        shell: Box::new(Desktop::new(app.handle().clone(), Arc::clone(&viewer), language)),
        keychain: Arc::new(SystemKeychain::new(data.key)),
        hidden: arguments.hidden,
        give: arguments.paths_from(&env::current_dir().unwrap_or_default()),
        downloads: folders::downloads(),
    });
    app.manage(viewer);
    app.manage(language);
    app.manage(Again::default());
    app.manage(handle.clone());
    app.manage(Backstage::start(controller, handle)?);
    Ok(())
}

/// Makes room for the next app, and starts it if somebody asked for it meanwhile.
fn start_again(app: &AppHandle) {
    tauri_plugin_single_instance::destroy(app);
    if let Some(again) = app.try_state::<Again>()
        && let Err(error) = again.start()
    {
        tracing::warn!(%error, "The app cannot be started again");
    }
}

/// Does what a second start was asked for.
fn second_start(app: &AppHandle, words: Vec<String>, folder: String) {
    let arguments = Arguments::passed_on(&words);
    let Some(handle) = app.try_state::<Handle>() else { return };
    if handle.is_ending() {
        return app.state::<Again>().ask(words, folder);
    }
    if !arguments.paths.is_empty() {
        handle.give(arguments.paths_from(&PathBuf::from(folder)));
    }
    if !arguments.hidden {
        handle.click(Request::ShowWindow);
    }
}

#[cfg(target_os = "macos")]
fn raise(app: &AppHandle) {
    app.state::<Handle>().click(Request::ShowWindow);
}

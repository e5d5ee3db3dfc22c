//! Draws the tray icon and its menu.

use desktop::{
    Handle, Request,
    tray::{Entry, Icon, Menu as Lines, Tray},
};
use tauri::{
    AppHandle, Manager as _, Wry,
    image::Image,
    include_image,
    menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu},
    tray::TrayIconBuilder,
};

const ID: &str = "main";
const ACTIVE: Image<'static> = include_image!("../icons/tray-active.png");
const IDLE: Image<'static> = include_image!("../icons/tray-idle.png");
const OFFLINE: Image<'static> = include_image!("../icons/tray-offline.png");
const PUBLISHED: Image<'static> = include_image!("../icons/tray-published.png");

/// Draws the tray, for the first time or anew. For the main thread only.
///
/// # Errors
/// When the system refuses.
pub(crate) fn draw(app: &AppHandle, tray: &Tray, icon_too: bool) -> tauri::Result<()> {
    let menu = Menu::with_items(app, &borrowed(&lines(app, &tray.menu)?))?;
    match app.tray_by_id(ID) {
        Some(drawn) => {
            // Linux writes each icon to a file, so it is only drawn when it is another.
            if icon_too {
                drawn.set_icon(Some(image(tray.icon)))?;
            }
            drawn.set_tooltip(Some(&tray.status))?;
            drawn.set_menu(Some(menu))
        }
        None => TrayIconBuilder::with_id(ID)
            .icon(image(tray.icon))
            .tooltip(&tray.status)
            .menu(&menu)
            .on_menu_event(|app, event| click(app, event.id.as_ref()))
            .build(app)
            .map(|_| ()),
    }
}

fn image(icon: Icon) -> Image<'static> {
    match icon {
        Icon::Active => ACTIVE,
        Icon::Idle => IDLE,
        Icon::Offline => OFFLINE,
        Icon::Published => PUBLISHED,
    }
}

type Line = Box<dyn IsMenuItem<Wry>>;

fn lines(app: &AppHandle, menu: &Lines) -> tauri::Result<Vec<Line>> {
    menu.0.iter().map(|entry| line(app, entry)).collect()
}

fn line(app: &AppHandle, entry: &Entry) -> tauri::Result<Line> {
    Ok(match entry {
        Entry::Check { label, on, click } => {
            let (id, label) = (id(click)?, plain(label));
            Box::new(CheckMenuItem::with_id(app, id, label, true, *on, None::<&str>)?)
        }
        Entry::Item { label, click } => {
            Box::new(MenuItem::with_id(app, id(click)?, plain(label), true, None::<&str>)?)
        }
        Entry::Label(label) => Box::new(MenuItem::new(app, plain(label), false, None::<&str>)?),
        Entry::Separator => Box::new(PredefinedMenuItem::separator(app)?),
        Entry::Submenu { label, menu } => {
            let lines = lines(app, menu)?;
            Box::new(Submenu::with_items(app, plain(label), true, &borrowed(&lines))?)
        }
    })
}

fn borrowed(lines: &[Line]) -> Vec<&dyn IsMenuItem<Wry>> {
    lines.iter().map(|line| &**line).collect()
}

/// Writes what a click asks for into the line itself, so that a click on a menu that is being drawn
/// anew still means what was read.
fn id(click: &Request) -> tauri::Result<String> {
    Ok(serde_json::to_string(click)?)
}

/// Returns a label without mnemonics: an `&` in a title is just that.
fn plain(label: &str) -> String {
    label.replace('&', "&&")
}

fn click(app: &AppHandle, id: &str) {
    match serde_json::from_str(id) {
        Ok(request) => app.state::<Handle>().click(request),
        Err(error) => tracing::warn!(%error, "A line of the menu asks for nothing"),
    }
}

//! The tray, over the bus: what a panel reads and sends, without the pixels.

use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context as _, bail};
use zbus::{
    Connection, Proxy,
    proxy::{Builder, CacheProperties},
    zvariant::{OwnedObjectPath, OwnedValue, Structure, Value},
};

use crate::waiting::eventually;

/// A tray icon with its menu.
pub struct Tray {
    item: Proxy<'static>,
    menu: Proxy<'static>,
}

/// A line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuLine {
    /// What the line says; empty for a separator.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
    /// Whether it has a check mark, where it may have one.
    pub checked: Option<bool>,
    /// The menu below it.
    pub below: Vec<MenuLine>,
    id: i32,
}

/// A node as the bus gives it: number, properties, children.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

pub(super) async fn only(connection: &Connection) -> anyhow::Result<Tray> {
    eventually("exactly one tray icon", async || {
        let watcher = Proxy::new(
            connection,
            "org.kde.StatusNotifierWatcher",
            "/StatusNotifierWatcher",
            "org.kde.StatusNotifierWatcher",
        )
        .await?;
        let items: Vec<String> = watcher.get_property("RegisteredStatusNotifierItems").await?;
        let [item] = items.as_slice() else { bail!("there are {items:?}") };
        let (owner, path) = item.split_at(item.find('/').context("an item without a path")?);
        let (owner, path) = (owner.to_owned(), path.to_owned());
        let interface = "org.kde.StatusNotifierItem";
        let item: Proxy<'_> = Builder::new(connection)
            .destination(owner.clone())?
            .path(path)?
            .interface(interface)?
            // The icon changes.
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // The icon is announced before its menu is there.
        let menu: OwnedObjectPath = item.get_property("Menu").await?;
        let menu = Proxy::new(connection, owner, menu, "com.canonical.dbusmenu").await?;
        let tray = Tray { item, menu };
        tray.lines().await?;
        Ok(Some(tray))
    })
    .await
}

impl Tray {
    /// Returns the lines of the menu.
    ///
    /// # Errors
    /// When the app does not answer.
    pub async fn lines(&self) -> anyhow::Result<Vec<MenuLine>> {
        let nothing: &[&str] = &[];
        let (_, root): (u32, Node) = self.menu.call("GetLayout", &(0, -1, nothing)).await?;
        let (_, _, children) = root;
        children.into_iter().map(read_line).collect()
    }

    /// Waits until a menu line, at any depth, is as wanted.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn line(
        &self,
        what: &str,
        wanted: impl Fn(&MenuLine) -> bool,
    ) -> anyhow::Result<MenuLine> {
        eventually(what, async || {
            let lines = self.lines().await?;
            match find(&lines, &wanted) {
                Some(line) => Ok(Some(line.clone())),
                None => bail!("the menu is {lines:#?}"),
            }
        })
        .await
    }

    /// Waits until a menu line, at any depth, is as wanted, and chooses it, as a click does.
    ///
    /// # Errors
    /// When there is none in time, or the app does not answer.
    pub async fn choose(
        &self,
        what: &str,
        wanted: impl Fn(&MenuLine) -> bool,
    ) -> anyhow::Result<()> {
        eventually(what, async || {
            let lines = self.lines().await?;
            let Some(line) = find(&lines, &wanted) else { bail!("the menu is {lines:#?}") };
            // A menu that is drawn anew meanwhile has other numbers: the app refuses this one then, and
            // the click is made on the new menu.
            let nothing = Value::from("");
            self.menu.call::<_, _, ()>("Event", &(line.id, "clicked", nothing, 0_u32)).await?;
            Ok(Some(()))
        })
        .await
    }

    /// Returns the file of the icon that is shown now.
    ///
    /// # Errors
    /// When the app does not answer.
    pub async fn icon(&self) -> anyhow::Result<PathBuf> {
        let name: String = self.item.get_property("IconName").await?;
        let folder: String = self.item.get_property("IconThemePath").await?;
        let file = PathBuf::from(folder).join(name);
        // Either a file name, or a name to which a theme adds the ending.
        if file.extension().is_some() { Ok(file) } else { Ok(file.with_extension("png")) }
    }
}

fn find<'l>(lines: &'l [MenuLine], wanted: &impl Fn(&MenuLine) -> bool) -> Option<&'l MenuLine> {
    lines.iter().find_map(|line| if wanted(line) { Some(line) } else { find(&line.below, wanted) })
}

fn read_line(value: OwnedValue) -> anyhow::Result<MenuLine> {
    let (id, mut properties, children): Node = Structure::try_from(value)?.try_into()?;
    let label: String = match properties.remove("label") {
        Some(label) => label.try_into()?,
        None => String::new(),
    };
    let enabled = match properties.remove("enabled") {
        Some(enabled) => enabled.try_into()?,
        None => true,
    };
    let checked = match properties.remove("toggle-state") {
        Some(state) => Some(i32::try_from(state)? == 1),
        None => None,
    };
    let below = children.into_iter().map(read_line).collect::<anyhow::Result<_>>()?;
    // An underscore marks a letter for the keyboard.
    Ok(MenuLine { label: label.replacen('_', "", 1), enabled, checked, below, id })
}

//! What an owner does with notifications: reads them, clicks on them, presses their buttons.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::Desktop;
use crate::waiting::eventually;

/// What stands in for the menu in which an owner chooses among all buttons: it writes down what is
/// there, and chooses what begins as the test wrote down before.
const MENU: &str = r##"#!/bin/sh
cd "${0%/*}" && cat > offered.new && mv offered.new offered
exec grep -m 1 -F -e "#$(cat wanted) (" offered
"##;

/// A notification that the desktop received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its first line.
    pub title: String,
    /// What stands below.
    pub text: String,
}

/// Makes what the daemon finds when it starts.
pub(super) fn furnish(place: &Path) -> anyhow::Result<()> {
    let folder = place.join("menu");
    fs::create_dir(&folder)?;
    let menu = folder.join("choose");
    fs::write(&menu, MENU)?;
    fs::set_permissions(&menu, Permissions::from_mode(0o700))?;
    let configuration = place.join("home/.config/dunst");
    fs::create_dir_all(&configuration)?;
    // With a part of HTML in what is shown, as Debian configures it and most servers do.
    // What is shown stays until a test is done with it, however slow the machine is.
    let text = format!(
        "[global]\ndmenu = {}\nmarkup = full\n\
         [urgency_low]\ntimeout = 0\n[urgency_normal]\ntimeout = 0\n",
        menu.display()
    );
    fs::write(configuration.join("dunstrc"), text)?;
    Ok(())
}

impl Desktop {
    /// Returns all notifications since the desktop began, newest first. Those that are shown are
    /// closed: the daemon tells only of those that are over.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn notifications(&self) -> anyhow::Result<Vec<Notification>> {
        self.output("dunstctl", &["close-all"]).await?;
        read(&self.output("dunstctl", &["history"]).await?)
    }

    /// Waits for a notification.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn wait_for_notification(
        &self,
        what: &str,
        wanted: impl Fn(&Notification) -> bool,
    ) -> anyhow::Result<Notification> {
        eventually(what, async || {
            let all = self.notifications().await?;
            match all.iter().find(|notification| wanted(notification)) {
                Some(found) => Ok(Some(found.clone())),
                None => bail!("until now there were {all:?}"),
            }
        })
        .await
    }

    /// Waits until so many notifications are shown at once.
    ///
    /// # Errors
    /// When it is another number for too long.
    pub async fn wait_until_shown(&self, count: usize) -> anyhow::Result<()> {
        eventually(&format!("{count} notifications"), async || {
            let shown: usize =
                self.output("dunstctl", &["count", "displayed"]).await?.trim().parse()?;
            ensure!(shown == count, "there are {shown}");
            Ok(Some(()))
        })
        .await
    }

    /// Clicks on the newest notification that is shown, beside its buttons.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn click_notification(&self) -> anyhow::Result<()> {
        self.output("dunstctl", &["action"]).await?;
        Ok(())
    }

    /// Presses the button that says this, on any of the notifications that are shown.
    ///
    /// # Errors
    /// When there is none, or the daemon does not answer in time.
    pub async fn press_in_notification(&self, button: &str) -> anyhow::Result<()> {
        let folder = self.home.path().join("menu");
        let offered = folder.join("offered");
        if offered.exists() {
            fs::remove_file(&offered)?;
        }
        fs::write(folder.join("wanted"), button)?;
        self.output("dunstctl", &["context"]).await?;
        let lines = eventually("the menu of notifications", async || {
            Ok(offered.exists().then(|| fs::read_to_string(&offered)).transpose()?)
        })
        .await?;
        let is_there = lines.lines().any(|line| line.starts_with(&format!("#{button} (")));
        ensure!(is_there, "no {button:?} in {lines:?}");
        Ok(())
    }
}

fn read(json: &str) -> anyhow::Result<Vec<Notification>> {
    let history: Value = serde_json::from_str(json)?;
    let entries = history["data"][0].as_array().context("no history")?;
    let text =
        |entry: &Value, field: &str| entry[field]["data"].as_str().unwrap_or_default().to_owned();
    Ok(entries
        .iter()
        .map(|entry| Notification { title: text(entry, "summary"), text: text(entry, "body") })
        .collect())
}

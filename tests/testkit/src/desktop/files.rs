//! The files that a desktop finds in its home.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use anyhow::Context as _;

use super::notifications;

/// Where the system keeps what a bus may start.
const SYSTEM_SERVICES: &str = "/usr/share/dbus-1/services";

/// What the bus of a throw-away desktop may start: settings and accessibility. Not a keychain: a
/// desktop without one must stay so. No portals and no volumes of the machine around.
const SERVICES: &[&str] = &["org.a11y.Bus", "org.xfce.Xfconf", "ca.desrt.dconf"];

/// One panel at the top with windows at the left and a tray at the right.
const PANEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array"><value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="tasklist"/>
    <property name="plugin-2" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-3" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"#;

/// Nothing moves by itself, so that a picture tells whether something happened.
const GTK: &str = "[Settings]\ngtk-cursor-blink=false\ngtk-enable-animations=false\n";

/// Makes all folders and files of a desktop below this folder.
pub(super) fn furnish(place: &Path) -> anyhow::Result<()> {
    for folder in ["home/.config", "home/.local/share", "home/.local/state", "home/.cache"] {
        fs::create_dir_all(place.join(folder))?;
    }
    for folder in ["bin", "run", "logs", "tmp", "services"] {
        fs::create_dir(place.join(folder))?;
    }
    fs::set_permissions(place.join("run"), Permissions::from_mode(0o700))?;

    let panel = place.join("home/.config/xfce4/xfconf/xfce-perchannel-xml");
    fs::create_dir_all(&panel)?;
    fs::write(panel.join("xfce4-panel.xml"), PANEL)?;

    let gtk = place.join("home/.config/gtk-3.0");
    fs::create_dir_all(&gtk)?;
    fs::write(gtk.join("settings.ini"), GTK)?;

    notifications::furnish(place)?;
    link_services(&place.join("services"))?;
    fs::write(place.join("bus.conf"), bus_configuration(place))?;
    Ok(())
}

fn link_services(folder: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(SYSTEM_SERVICES)
        .with_context(|| format!("no {SYSTEM_SERVICES}: is there no desktop at all?"))?;
    for entry in entries {
        let file = entry?.path();
        let text = fs::read_to_string(&file).unwrap_or_default();
        let name = text.lines().find_map(|line| line.strip_prefix("Name="));
        if let (Some(name), Some(file_name)) = (name, file.file_name())
            && SERVICES.contains(&name.trim())
        {
            symlink(&file, folder.join(file_name))?;
        }
    }
    Ok(())
}

fn bus_configuration(place: &Path) -> String {
    let (run, services) = (place.join("run"), place.join("services"));
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        run.display(),
        services.display()
    )
}

//! A whole desktop that is thrown away: a screen that is not there, a bus, a keychain, a place for
//! notifications, windows and a tray; the home folder is a temporary one.
//!
//! Everything is a real program of a Linux desktop, so what works here works for an owner. Each
//! test has a desktop of its own; tests run side by side.

mod bus;
mod clipboard;
mod dragging;
mod driver;
mod file_manager;
mod files;
mod notifications;
mod tray;
mod windows;

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::{
    processes::{self, Running},
    waiting::eventually,
};

pub use driver::Driver;
pub use file_manager::FileManager;
pub use notifications::Notification;
pub use tray::{MenuLine, Tray};
pub use windows::Window;

/// What unlocks the keychain of a throw-away desktop.
const KEYCHAIN_PASSWORD: &str = "throw-away";

/// Names the bus to all programs of a desktop.
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// What a desktop consists of besides a screen, a bus and windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Furniture {
    /// A keychain, unlocked.
    pub keychain: bool,
    /// A panel with a tray.
    pub panel: bool,
    /// What it speaks, as `LANG` says it. Nothing of the language that the tests are started in gets in.
    pub locale: &'static str,
}

/// A desktop that speaks English.
const ENGLISH: &str = "C.UTF-8";

impl Default for Furniture {
    fn default() -> Self {
        Self { keychain: true, panel: true, locale: ENGLISH }
    }
}

/// A desktop. Dropping it ends everything that runs on it.
pub struct Desktop {
    // The order is that of dropping: programs first, then the bus, the screen, the folder.
    programs: Vec<Running>,
    connection: zbus::Connection,
    display: String,
    environment: Vec<(&'static str, String)>,
    _bus: Running,
    _screen: Running,
    home: TempDir,
}

impl Desktop {
    /// Starts a desktop with everything.
    ///
    /// # Errors
    /// When one of its programs is missing or does not come up in time.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(Furniture::default()).await
    }

    /// Starts a desktop with this furniture.
    ///
    /// # Errors
    /// When one of its programs is missing or does not come up in time.
    pub async fn with(furniture: Furniture) -> anyhow::Result<Self> {
        let home = TempDir::with_prefix("desktop-")?;
        let folder = |name: &str| home.path().join(name);
        files::furnish(home.path())?;
        let mut environment = vec![
            ("PATH", format!("{}:{}", shown(&folder("bin")), env::var("PATH").context("no PATH")?)),
            ("LANG", furniture.locale.to_owned()),
            ("HOME", shown(&folder("home"))),
            ("XDG_CONFIG_HOME", shown(&folder("home/.config"))),
            ("XDG_DATA_HOME", shown(&folder("home/.local/share"))),
            ("XDG_STATE_HOME", shown(&folder("home/.local/state"))),
            ("XDG_CACHE_HOME", shown(&folder("home/.cache"))),
            ("XDG_RUNTIME_DIR", shown(&folder("run"))),
            ("XDG_SESSION_TYPE", "x11".to_owned()),
            ("XDG_CURRENT_DESKTOP", "XFCE".to_owned()),
            ("GDK_BACKEND", "x11".to_owned()),
            ("TMPDIR", shown(&folder("tmp"))),
        ];

        let log = folder("logs/screen");
        let mut command = prepared("Xvfb", &environment);
        command.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        let mut screen = Running::start("Xvfb", &mut command, &log)?;
        let number = eventually("the number of the screen", async || {
            screen.check()?;
            let log = screen.log();
            Ok(log.lines().find_map(|line| line.trim().parse::<u32>().ok()))
        });
        let display = format!(":{}", number.await?);
        // Before the bus: what the bus starts inherits it.
        environment.push(("DISPLAY", display.clone()));

        let log = folder("logs/bus");
        let mut command = prepared("dbus-daemon", &environment);
        command.args(["--nofork", "--nopidfile", "--print-address=1"]);
        command.arg(format!("--config-file={}", folder("bus.conf").display()));
        let mut bus = Running::start("dbus-daemon", &mut command, &log)?;
        let address = eventually("the address of the bus", async || {
            bus.check()?;
            Ok(bus.log().lines().find(|line| line.starts_with("unix:")).map(str::to_owned))
        })
        .await?;
        environment.push((BUS, address.clone()));
        let connection = zbus::connection::Builder::address(address.as_str())?.build().await?;

        let mut desktop = Self {
            programs: Vec::new(),
            connection,
            display,
            environment,
            _bus: bus,
            _screen: screen,
            home,
        };
        desktop.move_in(furniture).await?;
        Ok(desktop)
    }

    async fn move_in(&mut self, furniture: Furniture) -> anyhow::Result<()> {
        if furniture.keychain {
            let mut command = self.command("gnome-keyring-daemon");
            command.args(["--unlock", "--foreground", "--components=secrets"]);
            let log = self.log_of("keychain");
            let keychain =
                Running::start_told("gnome-keyring-daemon", &mut command, KEYCHAIN_PASSWORD, &log)?;
            self.programs.push(keychain);
        }
        self.run("dunst", &[])?;
        self.run("openbox", &[])?;
        if furniture.panel {
            self.run("xfce4-panel", &["--disable-wm-check"])?;
        }

        self.wait_for_name("org.freedesktop.Notifications").await?;
        if furniture.keychain {
            self.wait_for_name("org.freedesktop.secrets").await?;
        }
        if furniture.panel {
            self.wait_for_name("org.kde.StatusNotifierWatcher").await?;
        }
        eventually("a window manager", async || {
            self.output("xdotool", &["get_num_desktops"]).await.map(Some)
        })
        .await?;
        Ok(())
    }

    /// Returns a command that will run on this desktop, and knows nothing of any other.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        prepared(program, &self.environment)
    }

    /// Starts a program that stays; it ends with the desktop.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&mut self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let log = self.log_of(program);
        let running = Running::start(program, self.command(program).args(arguments), &log)?;
        self.programs.push(running);
        Ok(())
    }

    /// Runs a program to its end and returns what it wrote.
    ///
    /// # Errors
    /// When it does not succeed.
    pub async fn output(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command(program);
        command.args(arguments);
        Ok(String::from_utf8(processes::output(command).await?)?)
    }

    /// Puts a shell script in the place of a program, for all that is started by its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace_program(&self, name: &str, script: &str) -> anyhow::Result<()> {
        let file = self.home.path().join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// Returns the owner's home folder.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// Returns everything that the programs on this desktop wrote, for an error's context.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for running in &self.programs {
            all.push_str(&running.log());
        }
        all
    }

    /// Looks into the keychain from outside, by the attributes of a secret.
    ///
    /// # Errors
    /// When there is no keychain.
    pub async fn secret(&self, attributes: &[&str]) -> anyhow::Result<Option<String>> {
        let mut command = self.command("secret-tool");
        command.arg("lookup").args(attributes);
        let output = tokio::process::Command::from(command).output().await?;
        // It ends with 1 both when there is no such secret and when there is no keychain.
        if !output.stderr.is_empty() {
            bail!("secret-tool: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Returns what is on the clipboard, as another program sees it.
    ///
    /// # Errors
    /// When the screen is gone or nobody gives out the clipboard.
    pub async fn clipboard(&self) -> anyhow::Result<Option<String>> {
        clipboard::read(self.display.clone()).await
    }

    /// Waits until there is exactly one tray icon and returns it.
    ///
    /// # Errors
    /// When there is none in time, or another one as well.
    pub async fn tray(&self) -> anyhow::Result<Tray> {
        tray::only(&self.connection).await
    }

    /// Starts a WebDriver on this desktop.
    ///
    /// # Errors
    /// When it is missing or does not come up in time.
    pub async fn driver(&self) -> anyhow::Result<Driver> {
        Driver::start(self).await
    }

    fn bus_address(&self) -> anyhow::Result<&str> {
        let named = self.environment.iter().find(|(name, _)| *name == BUS);
        Ok(named.context("no bus")?.1.as_str())
    }

    fn log_of(&self, program: &str) -> PathBuf {
        let name = Path::new(program).file_name().unwrap_or_default();
        self.home.path().join("logs").join(name)
    }
}

fn prepared(program: &str, environment: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    // For whoever looks for a fault; both are set by hand.
    for name in ["RUST_LOG", "RUST_BACKTRACE"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_desktop_has_all_that_an_app_asks_for() {
        let desktop = Desktop::start().await.unwrap();

        assert_eq!(desktop.secret(&["service", "test"]).await.unwrap(), None);
        let mut store = desktop.command("sh");
        store.args(["-c", "printf hush | secret-tool store --label=x service test"]);
        processes::output(store).await.unwrap();
        let secret = desktop.secret(&["service", "test"]).await.unwrap();
        assert_eq!(secret.as_deref(), Some("hush"));

        assert_eq!(desktop.notifications().await.unwrap(), []);
        let command = "gdbus call --session --dest org.freedesktop.Notifications \
            --object-path /org/freedesktop/Notifications \
            --method org.freedesktop.Notifications.Notify test 0 '' Title Text '[]' '{}' 0";
        desktop.output("sh", &["-c", command]).await.unwrap();
        let seen = desktop.wait_for_notification("the title", |one| one.title == "Title");
        assert_eq!(seen.await.unwrap().text, "Text");

        assert_eq!(desktop.clipboard().await.unwrap(), None);
        assert!(
            std::fs::metadata(desktop.screenshot("empty-desktop").await.unwrap()).unwrap().len()
                > 0
        );
    }

    #[tokio::test]
    async fn a_desktop_may_lack_a_keychain_and_a_tray() {
        let bare = Furniture { keychain: false, panel: false, ..Furniture::default() };
        let desktop = Desktop::with(bare).await.unwrap();
        let names = desktop.names_on_the_bus().await.unwrap();
        assert!(!names.iter().any(|name| name == "org.freedesktop.secrets"));
        assert!(!names.iter().any(|name| name == "org.kde.StatusNotifierWatcher"));
        desktop.secret(&["service", "test"]).await.unwrap_err();
    }
}

//! Windows and keys, as somebody at the desk has them.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail, ensure};

use super::Desktop;
use crate::{
    processes,
    waiting::{eventually, within},
};

/// How many colours a window has at least once its page is painted; an empty one has one.
const PAINTED: usize = 20;

/// How often somebody tries to close a window.
const CLOSING: usize = 5;

/// How long it may take until a window is gone whose owner closed it. After that the keys are pressed
/// once more, which must not meet another window in its place.
const KEYS_TAKEN: Duration = Duration::from_secs(10);

/// A window, by the number that the screen gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window(String);

impl Window {
    pub(super) fn number(&self) -> anyhow::Result<u32> {
        Ok(self.0.parse()?)
    }
}

impl Desktop {
    /// Returns the windows that are to be seen and have this text in their title.
    ///
    /// # Errors
    /// When the screen is gone.
    pub async fn windows(&self, title: &str) -> anyhow::Result<Vec<Window>> {
        eventually("a list of windows", async || {
            let mut command = self.command("xdotool");
            command.args(["search", "--onlyvisible", "--name", title]);
            let output = tokio::process::Command::from(command).output().await?;
            // It fails without a word when it finds nothing, and with one when a window goes while it
            // looks at it: then it has not looked at all of them.
            let is_whole = output.stderr.is_empty() || output.status.success();
            ensure!(is_whole, "xdotool: {}", String::from_utf8_lossy(&output.stderr));
            let numbers = String::from_utf8(output.stdout)?;
            Ok(Some(numbers.lines().map(|number| Window(number.to_owned())).collect()))
        })
        .await
    }

    /// Waits until there is a window with this text in its title.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn wait_for_window(&self, title: &str) -> anyhow::Result<Window> {
        eventually(&format!("a window called {title:?}"), async || {
            Ok(self.windows(title).await?.into_iter().next())
        })
        .await
    }

    /// Waits until no window with this text in its title is to be seen.
    ///
    /// # Errors
    /// When there is still one after the time.
    pub async fn wait_until_no_window(&self, title: &str) -> anyhow::Result<()> {
        eventually(&format!("no window called {title:?}"), async || {
            Ok(self.windows(title).await?.is_empty().then_some(()))
        })
        .await
    }

    /// Waits until this window has the keyboard.
    ///
    /// # Errors
    /// When it does not get it in time.
    pub async fn wait_until_active(&self, window: &Window) -> anyhow::Result<()> {
        eventually("the window to be the active one", async || {
            let active = self.output("xdotool", &["getactivewindow"]).await?;
            Ok((active.trim() == window.0).then_some(()))
        })
        .await
    }

    /// Gives the keyboard to a window.
    ///
    /// # Errors
    /// When it does not get it in time.
    pub async fn activate(&self, window: &Window) -> anyhow::Result<()> {
        self.output("xdotool", &["windowactivate", &window.0]).await?;
        self.wait_until_active(window).await
    }

    /// Presses keys, in the names of xdotool: `ctrl+l`, `Return`.
    ///
    /// # Errors
    /// When the screen is gone.
    pub async fn press(&self, keys: &[&str]) -> anyhow::Result<()> {
        self.output("xdotool", &[&["key", "--clearmodifiers"], keys].concat()).await?;
        Ok(())
    }

    /// Types text.
    ///
    /// # Errors
    /// When the screen is gone.
    pub async fn type_text(&self, text: &str) -> anyhow::Result<()> {
        self.output("xdotool", &["type", "--clearmodifiers", "--", text]).await?;
        Ok(())
    }

    /// Closes a window as its owner does: who presses the keys while the desktop still arranges a
    /// new window presses them in vain, and once more.
    ///
    /// # Errors
    /// When the window does not get the keyboard, or does not go.
    pub async fn close(&self, window: &Window) -> anyhow::Result<()> {
        for _ in 0..CLOSING {
            let press = async || {
                self.activate(window).await?;
                self.press(&["alt+F4"]).await
            };
            let pressed = press().await;
            let gone = within(KEYS_TAKEN, "the window to go", async || {
                let seen = self.windows("").await?.contains(window);
                Ok((!seen).then_some(()))
            });
            if gone.await.is_ok() {
                return Ok(());
            }
            // What is gone by itself meanwhile, as the keys before wanted it, gets no keyboard.
            pressed?;
        }
        bail!("the window does not go, however often it is closed")
    }

    /// Makes a window small, so that it is seen no more.
    ///
    /// # Errors
    /// When the screen is gone.
    pub async fn minimise(&self, window: &Window) -> anyhow::Result<()> {
        self.output("xdotool", &["windowminimize", "--sync", &window.0]).await?;
        Ok(())
    }

    /// Does something to a window and waits until that is to be seen: until the window looks
    /// different, and then the same for a moment. Nothing blinks on this desktop.
    ///
    /// # Errors
    /// When what is done fails, or nothing is to be seen in time.
    pub async fn until_seen(
        &self,
        window: &Window,
        what: &str,
        act: impl AsyncFnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let before = self.picture_of(window).await?;
        act().await?;
        let mut last = before.clone();
        eventually(&format!("what was done to be seen: {what}"), async || {
            let now = self.picture_of(window).await?;
            let still = now == last;
            last = now;
            Ok((still && last != before).then_some(()))
        })
        .await
    }

    async fn picture_of(&self, window: &Window) -> anyhow::Result<Vec<u8>> {
        let mut command = self.command("import");
        command.args(["-silent", "-window", &window.0, "rgb:-"]);
        processes::output(command).await
    }

    /// Takes a picture of the screen: `target/screenshots/<name>.png`.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub async fn screenshot(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = crate::screenshots()?.join(format!("{name}.png"));
        let path = file.to_str().context("a path that is not text")?;
        self.output("import", &["-silent", "-window", "root", path]).await?;
        Ok(file)
    }

    /// Takes a picture of a window with its frame, as soon as nothing moves on it:
    /// `target/screenshots/<name>.png`.
    ///
    /// # Errors
    /// When it cannot be taken, or the window stays empty.
    pub async fn portrait(&self, window: &Window, name: &str) -> anyhow::Result<PathBuf> {
        self.wait_until_painted(window).await?;
        let mut last = Vec::new();
        eventually("the window to be still", async || {
            let now = self.picture_of(window).await?;
            let still = now == last;
            last = now;
            Ok(still.then_some(()))
        })
        .await?;
        let file = crate::screenshots()?.join(format!("{name}.png"));
        let path = file.to_str().context("a path that is not text")?;
        self.output("import", &["-silent", "-frame", "-window", &window.0, path]).await?;
        Ok(file)
    }

    /// Waits until this window is painted: a page answers before its first frame is on the screen.
    ///
    /// # Errors
    /// When the window stays empty.
    pub async fn wait_until_painted(&self, window: &Window) -> anyhow::Result<()> {
        let file = self.home.path().join("tmp/painted.png");
        let path = file.to_str().context("a path that is not text")?;
        eventually("paint on the window", async || {
            self.output("import", &["-silent", "-window", &window.0, path]).await?;
            let colours = self.output("identify", &["-format", "%k", path]).await?;
            match colours.trim().parse::<usize>()? {
                enough if enough > PAINTED => Ok(Some(())),
                few => bail!("the window has {few} colours"),
            }
        })
        .await
    }
}

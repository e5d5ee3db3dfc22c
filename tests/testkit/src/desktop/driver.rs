//! Opening an app and driving its window.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use super::Desktop;
use crate::{ports::KeptPort, processes::Running, waiting::eventually};

/// How long an app may take to show its first page. A driver whose app ends at once never answers.
const SESSION: Duration = Duration::from_secs(90);

/// A WebKitWebDriver. Dropping it ends the app too.
pub struct Driver {
    running: Running,
    port: KeptPort,
}

impl Driver {
    pub(super) async fn start(desktop: &Desktop) -> anyhow::Result<Self> {
        let port = KeptPort::take()?;
        let mut command = desktop.command("WebKitWebDriver");
        command.arg(format!("--port={}", port.number()));
        // The app inherits it, and lets its window be driven.
        command.env("TAURI_WEBVIEW_AUTOMATION", "true");
        let log = desktop.log_of(&format!("driver-{}", port.number()));
        let mut running = Running::start("WebKitWebDriver", &mut command, &log)?;
        eventually("WebKitWebDriver to listen", async || {
            running.check()?;
            Ok(Some(TcpStream::connect(port.address()).await?))
        })
        .await?;
        Ok(Self { running, port })
    }

    /// Starts an app and returns the session of its window, once there is one.
    ///
    /// # Errors
    /// When the app ends, or has no window in time.
    pub async fn open(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<Client> {
        let wanted = json!({
            "webkitgtk:browserOptions": { "binary": program, "args": arguments },
        });
        let Value::Object(wanted) = wanted else { bail!("capabilities are an object") };
        let address = format!("http://{}", self.port.address());
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connecting = builder.capabilities(wanted).connect(&address);
        let connected = timeout(SESSION, connecting).await;
        connected
            .context("the app shows no window")
            .and_then(|client| Ok(client?))
            .with_context(|| format!("{} did not open:\n{}", program.display(), self.log()))
    }

    /// Returns the end of what the driver and its app wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log()
    }
}

//! A file manager without windows: it writes down what it is asked to show.

use anyhow::Context as _;
use tokio::{sync::watch, time::timeout};
use zbus::{Connection, connection::Builder, interface};

use super::Desktop;
use crate::waiting::PATIENCE;

/// The name and the interface of all of them.
const NAME: &str = "org.freedesktop.FileManager1";

/// A file manager on the bus. Dropping it takes it away.
pub struct FileManager {
    shown: watch::Receiver<Vec<String>>,
    _connection: Connection,
}

/// What it answers.
struct Service(watch::Sender<Vec<String>>);

#[interface(name = "org.freedesktop.FileManager1")]
impl Service {
    fn show_items(&self, addresses: Vec<String>, _startup: &str) {
        self.0.send_modify(|shown| shown.extend(addresses));
    }
}

impl Desktop {
    /// Starts a file manager; until then this desktop has none.
    ///
    /// # Errors
    /// When there is one already, or the bus does not answer.
    pub async fn file_manager(&self) -> anyhow::Result<FileManager> {
        let (show, shown) = watch::channel(Vec::new());
        let connection = Builder::address(self.bus_address()?)?
            .serve_at("/org/freedesktop/FileManager1", Service(show))?
            .name(NAME)?
            .build()
            .await?;
        Ok(FileManager { shown, _connection: connection })
    }
}

impl FileManager {
    /// Waits until it was asked to show so many things, and returns their addresses.
    ///
    /// # Errors
    /// When it is not asked in time.
    pub async fn wait_for(&mut self, count: usize) -> anyhow::Result<Vec<String>> {
        let asked = self.shown.wait_for(|shown| shown.len() >= count);
        let shown = timeout(PATIENCE, asked).await.context("nobody asked for it")??;
        Ok(shown.clone())
    }
}

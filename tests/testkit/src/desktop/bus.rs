//! Who is on the bus.

use zbus::fdo::DBusProxy;

use super::Desktop;
use crate::waiting::eventually;

impl Desktop {
    /// Waits until somebody on the bus has this name.
    ///
    /// # Errors
    /// When nobody has it in time.
    pub async fn wait_for_name(&self, name: &str) -> anyhow::Result<()> {
        self.wait_for(name, true).await
    }

    /// Waits until nobody on the bus has this name. After an app ended, its successor must not
    /// start before: it would hand its arguments to the dying one.
    ///
    /// # Errors
    /// When somebody still has it after the time.
    pub async fn wait_until_name_is_free(&self, name: &str) -> anyhow::Result<()> {
        self.wait_for(name, false).await
    }

    /// Returns all names on the bus that are not numbers.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn names_on_the_bus(&self) -> anyhow::Result<Vec<String>> {
        let names = DBusProxy::new(&self.connection).await?.list_names().await?;
        Ok(names
            .iter()
            .map(|name| name.to_string())
            .filter(|name| !name.starts_with(':'))
            .collect())
    }

    async fn wait_for(&self, name: &str, taken: bool) -> anyhow::Result<()> {
        let bus = DBusProxy::new(&self.connection).await?;
        let what = format!("{name} on the bus to be {}", if taken { "taken" } else { "free" });
        eventually(&what, async || {
            Ok((bus.name_has_owner(name.try_into()?).await? == taken).then_some(()))
        })
        .await
    }
}

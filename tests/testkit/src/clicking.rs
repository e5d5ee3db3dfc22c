//! Clicking as a person does: on what stands still and can be clicked.

use std::time::Instant;

use fantoccini::{Client, Locator};
use serde_json::Value;

use crate::waiting::eventually;

/// Where an element is, as far as it takes clicks: a button that waits for an answer does not. Asked
/// at once and not with the next picture, since pages may have no script, and draw nothing by it.
const PLACE: &str = "const [element] = arguments;
    element.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    const { left, top, width, height } = element.getBoundingClientRect();
    return element.isConnected && !element.disabled ? [left, top, width, height].join() : null;";

/// Waits until this is there, stands still and takes clicks; clicks on it, and returns when.
///
/// # Errors
/// When there is no such thing in time.
pub async fn click(page: &Client, what: Locator<'_>) -> anyhow::Result<Instant> {
    let mut before = Value::Null;
    eventually(&format!("a click on {what:?}"), async || {
        // It may be drawn anew between finding and clicking, and move under the mouse because a line
        // appears above it.
        let element = page.find(what).await?;
        let place = page.execute(PLACE, vec![serde_json::to_value(&element)?]).await?;
        let is_still = !place.is_null() && place == before;
        before = place;
        if !is_still {
            return Ok(None);
        }
        let clicked = Instant::now();
        element.click().await?;
        Ok(Some(clicked))
    })
    .await
}

//! Waiting for something that tells nobody when it happens.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// How long a test waits for another program, on a machine that is slow and busy with other tests.
/// Nobody waits that long unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something, at most [`PATIENCE`].
///
/// # Errors
/// When there is nothing in time; then with what the last look failed with, if it did.
pub async fn eventually<T>(
    what: &str,
    look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    within(PATIENCE, what, look).await
}

/// Looks again and again until there is something, at most `limit`. A look that fails is a look
/// that saw nothing.
///
/// # Errors
/// When there is nothing in time; then with what the last look failed with, if it did.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        let seen = look().await;
        match seen {
            Ok(Some(found)) => return Ok(found),
            Ok(None) if Instant::now() >= end => bail!("waited {limit:?} in vain for: {what}"),
            Err(error) if Instant::now() >= end => {
                return Err(error).context(format!("waited {limit:?} in vain for: {what}"));
            }
            Ok(None) | Err(_) => sleep(PERIOD).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_up_and_says_what_was_missing() {
        let outcome: anyhow::Result<()> =
            eventually("rain", async || bail!("the sun shines")).await;
        let text = format!("{:#}", outcome.unwrap_err());
        assert!(text.contains("rain") && text.contains("the sun shines"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_look_is_not_the_end() {
        let mut looks = 0;
        let found = eventually("the third look", async || {
            looks += 1;
            if looks < 3 { bail!("not yet") } else { Ok(Some(looks)) }
        });
        assert_eq!(found.await.unwrap(), 3);
    }
}

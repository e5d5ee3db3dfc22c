//! The smallest service on Petrichor's primitives: it says everything back.
//!
//! Somebody who writes Petrichor in another language tries it against this (`cargo run -p carriers
//! --example petrichor-echo`), and our own tests try it against programs in Python.

use std::time::Duration;

use crosstalk::tnetstring::{Dictionary, Value};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::primitives::{Conversation, PetrichorError};

/// How long the other end may say nothing, or not take what it asked for. A person types.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long the connection stays open after a no. Closing at once while the other end still sends
/// would make its system throw away the sentence with the connection.
const AFTER_DENIAL: Duration = Duration::from_secs(1);

/// What is said to somebody who introduced themselves.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Yes, and this.
    Allowed(Value),
    /// No, and why.
    Denied(Value),
}

/// Serves one connection: hears who is there, asks `judge`, and says back every pair's body until
/// the other end is done. `header` is what this end says of itself.
///
/// # Errors
/// See [`PetrichorError`].
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    header: Dictionary,
    judge: impl FnOnce(&Dictionary) -> Verdict,
) -> Result<(), PetrichorError> {
    let (mut conversation, who) = Conversation::accept(stream).await?;
    match judge(&who.header) {
        Verdict::Allowed(words) => {
            within(PATIENCE, conversation.peer_allowed(header, &words)).await?;
        }
        Verdict::Denied(why) => {
            within(PATIENCE, conversation.peer_denied(header, &why)).await?;
            // What is still said is not wanted, and nor is why it stops.
            let rest = async { while let Ok(Some(_)) = conversation.recv().await {} };
            let _ = timeout(AFTER_DENIAL, rest).await;
            conversation.close().await?;
            return Ok(());
        }
    }
    while let Some(pair) = within(PATIENCE, conversation.recv()).await? {
        within(PATIENCE, conversation.send(&Dictionary::new(), &pair.body)).await?;
    }
    conversation.close().await?;
    Ok(())
}

async fn within<T>(
    patience: Duration,
    step: impl Future<Output = Result<T, PetrichorError>>,
) -> Result<T, PetrichorError> {
    timeout(patience, step).await.map_err(|_| PetrichorError::TimedOut)?
}

//! The peer's side of the handshake.

use super::{Protocol, Token};
use crate::{DialError, DialOptions, Served, Timing};

/// Dials a gateway by `Upgrade: ptth`. `protocols` are offered in this order; the gateway chooses.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions, protocols: &[Protocol]) -> Result<Served, DialError> {
    dial_with(options, Token::Ptth, protocols, Timing::default()).await
}

/// The same with another name of the protocol and times of one's own.
///
/// The old names say nothing of HTTP/2, so `ALPN` goes with them only if `protocols` has it.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(
    options: &DialOptions,
    token: Token,
    protocols: &[Protocol],
    timing: Timing,
) -> Result<Served, DialError> {
    let _ = (options, token, protocols, timing);
    unimplemented!()
}

//! The types in which all carriers and all sites meet.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use tower::util::BoxCloneSyncService;

/// Why a body ended early. A response whose body ends with an error is shown as cut, never as
/// complete.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A streaming body of a request or a response.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Something that answers requests: a site at the peer.
pub type Handler = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// Returns a body without bytes.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Returns a body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Boxes any body that fits.
pub fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    body.map_err(Into::into).boxed_unsync()
}

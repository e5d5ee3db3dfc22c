//! Stanzas as bytes.

use bytes::Bytes;
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

/// An `<iq type='set'>`.
pub(super) fn set(_to: Option<&str>, _id: &str, _payload: &Element) -> Bytes {
    Bytes::new()
}

/// An `<iq type='result'>`.
pub(super) fn result(_to: Option<&str>, _id: &str, _payload: Option<&Element>) -> Bytes {
    Bytes::new()
}

/// An `<iq type='error'>`.
pub(super) fn refusal(
    _to: Option<&str>,
    _id: &str,
    _condition: DefinedCondition,
    _text: Option<&str>,
    _extra: Option<&Element>,
) -> Bytes {
    Bytes::new()
}

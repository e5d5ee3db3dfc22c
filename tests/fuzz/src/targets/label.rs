//! Names of sites: what a label promises to host names, paths and people.

use crosstalk::label::{Label, MAX_LENGTH, MIN_LENGTH, RESERVED};
use http::uri::Authority;

/// A text is a label only if it is the first part of a host name exactly as it stands.
pub fn target(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    let Ok(label) = Label::parse(text) else { return };
    assert_eq!(label.as_str(), text, "a label is not changed by reading it");
    assert!((MIN_LENGTH..=MAX_LENGTH).contains(&text.len()));
    assert!(!RESERVED.contains(&text));
    let authority = format!("{label}.localhost:80").parse::<Authority>();
    let host = authority.map(|authority| authority.host().to_owned());
    assert_eq!(host.ok(), Some(format!("{text}.localhost")), "it fits into a host name");
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    assert!(!text.starts_with("xn--"), "no browser shows it as something else");
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let shouted = Label::parse(&text.to_ascii_uppercase());
        assert!(shouted.is_err(), "two spellings of one name");
    }
    let json = serde_json::to_string(&label).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Label>(&json).ok(), Some(label));
}

//! Stanzas as bytes, and what is read out of them.

use std::io;

use bytes::Bytes;
use crosstalk::xmpp::Jid;
use xmpp_parsers::{
    minidom::{Element, Node, rxml::NcNameStr},
    ns,
    stanza_error::DefinedCondition,
};

/// The longest id that is answered, in bytes. RFC 6120 sets no limit; what repeats a longer one could
/// be more than the server takes.
const MAX_ID: usize = 1_023;

/// The namespace of `xml:lang` and its like.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// How much of a server's or partner's sentence is kept, in characters.
const MAX_SENTENCE: usize = 300;

/// An `<iq type='get'>`.
pub(super) fn get(to: Option<&str>, id: &str, payload: &Element) -> io::Result<Bytes> {
    iq("get", to, id, Some(payload))
}

/// An `<iq type='set'>`.
pub(super) fn set(to: Option<&str>, id: &str, payload: &Element) -> io::Result<Bytes> {
    iq("set", to, id, Some(payload))
}

/// An `<iq type='result'>`.
pub(super) fn result(to: Option<&str>, id: &str, payload: Option<&Element>) -> io::Result<Bytes> {
    iq("result", to, id, payload)
}

/// An `<iq type='error'>` (RFC 6120 §8.3.2).
pub(super) fn refusal(
    to: Option<&str>,
    id: &str,
    condition: DefinedCondition,
    text: Option<&str>,
    extra: Option<&Element>,
) -> io::Result<Bytes> {
    let kind = match condition {
        DefinedCondition::ResourceConstraint
        | DefinedCondition::RecipientUnavailable
        | DefinedCondition::RemoteServerTimeout
        | DefinedCondition::UnexpectedRequest => "wait",
        DefinedCondition::BadRequest
        | DefinedCondition::JidMalformed
        | DefinedCondition::NotAcceptable
        | DefinedCondition::PolicyViolation
        | DefinedCondition::Redirect { .. } => "modify",
        DefinedCondition::Forbidden
        | DefinedCondition::NotAuthorized
        | DefinedCondition::RegistrationRequired
        | DefinedCondition::SubscriptionRequired => "auth",
        DefinedCondition::Conflict
        | DefinedCondition::FeatureNotImplemented
        | DefinedCondition::Gone { .. }
        | DefinedCondition::InternalServerError
        | DefinedCondition::ItemNotFound
        | DefinedCondition::NotAllowed
        | DefinedCondition::RemoteServerNotFound
        | DefinedCondition::ServiceUnavailable
        | DefinedCondition::UndefinedCondition => "cancel",
    };
    let mut error = Element::bare("error", ns::JABBER_CLIENT);
    set_attribute(&mut error, "type", kind);
    error.append_child(condition.into());
    if let Some(text) = text {
        error.append_child(Element::builder("text", ns::XMPP_STANZAS).append(text).build());
    }
    if let Some(extra) = extra {
        error.append_child(extra.clone());
    }
    iq("error", to, id, Some(&error))
}

/// A `<presence>`, of this type if it has one.
pub(super) fn presence(
    to: Option<&Jid>,
    kind: Option<&str>,
    children: impl IntoIterator<Item = Element>,
) -> io::Result<Bytes> {
    let mut presence = Element::bare("presence", ns::JABBER_CLIENT);
    for (name, value) in [("to", to.map(Jid::as_str)), ("type", kind)] {
        if let Some(value) = value {
            set_attribute(&mut presence, name, value);
        }
    }
    for child in children {
        presence.append_child(child);
    }
    bytes(&presence)
}

fn iq(kind: &str, to: Option<&str>, id: &str, payload: Option<&Element>) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"<iq");
    for (name, value) in [("type", Some(kind)), ("id", Some(id)), ("to", to)] {
        if let Some(value) = value {
            attribute(name, value, &mut out)?;
        }
    }
    let Some(payload) = payload else {
        out.extend_from_slice(b"/>");
        return Ok(out.into());
    };
    out.push(b'>');
    // The stream's namespace is the stanza's.
    write_below(payload, ns::JABBER_CLIENT, &mut out)?;
    out.extend_from_slice(b"</iq>");
    Ok(out.into())
}

/// A stanza, or another child of the stream, as bytes.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for characters that XML does not have.
pub(super) fn bytes(element: &Element) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(256);
    write_below(element, ns::JABBER_CLIENT, &mut out)?;
    Ok(out.into())
}

/// Not with minidom's own writer, which panics at characters that XML does not have. Visitors can
/// send some of them.
fn write_below(element: &Element, parent: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let (name, namespace) = (element.name(), element.ns());
    let no_name = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("{error}"));
    <&NcNameStr>::try_from(name).map_err(no_name)?;
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    if namespace != parent {
        attribute("xmlns", &namespace, out)?;
    }
    for ((namespace, name), value) in element.attrs() {
        if namespace.as_str() == XML_NAMESPACE {
            attribute(&format!("xml:{name}"), value, out)?;
        } else if namespace.as_str().is_empty() {
            attribute(name.as_str(), value, out)?;
        } else {
            let problem = "attributes with a namespace are not written";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
    }
    if element.nodes().next().is_none() {
        out.extend_from_slice(b"/>");
        return Ok(());
    }
    out.push(b'>');
    for node in element.nodes() {
        match node {
            Node::Element(child) => write_below(child, &namespace, out)?,
            Node::Text(text) => escape_into(text, false, out)?,
        }
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    Ok(())
}

fn attribute(name: &str, value: &str, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_into(value, true, out)?;
    out.push(b'\'');
    Ok(())
}

/// Writes text so that it can stand between tags, or `quoted` in an attribute. Between tags quotation
/// marks stay, of which heads are full: each would be six bytes.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for characters that XML does not have (XML 1.0 §2.2).
pub(super) fn escape_into(text: &str, quoted: bool, out: &mut Vec<u8>) -> io::Result<()> {
    // Most of it is base64.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" +/=.-_:@#".contains(&byte);
    let mut rest = text;
    loop {
        let length = rest.bytes().position(|byte| !plain(byte)).unwrap_or(rest.len());
        out.extend_from_slice(&rest.as_bytes()[..length]);
        let mut others = rest[length..].chars();
        let Some(character) = others.next() else { return Ok(()) };
        rest = others.as_str();
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '\'' if quoted => out.extend_from_slice(b"&apos;"),
            '"' if quoted => out.extend_from_slice(b"&quot;"),
            '\t' | '\n' | '\r' => {
                out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes());
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let problem = "a character that XML does not have";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Sets an attribute without a namespace, of a name that is written down in this program.
pub(super) fn set_attribute(element: &mut Element, name: &'static str, value: &str) {
    use xmpp_parsers::minidom::rxml::{Namespace, NcName};
    if let Ok(name) = NcName::try_from(name) {
        element.attrs_mut().insert(Namespace::NONE, name, value.to_owned());
    }
}

/// Returns the id, if it is one that can be repeated.
pub(super) fn id(stanza: &Element) -> Option<&str> {
    stanza.attr("id").filter(|id| id.len() <= MAX_ID)
}

/// What an `<error>` says.
pub(super) struct Refusal {
    pub(super) condition: DefinedCondition,
    pub(super) text: Option<String>,
    pub(super) extra: Option<Element>,
}

/// Reads the error of a stanza; one without, or of a kind of its own, is undefined.
pub(super) fn refused(stanza: &Element) -> Refusal {
    let mut refusal =
        Refusal { condition: DefinedCondition::UndefinedCondition, text: None, extra: None };
    let Some(error) = stanza.get_child("error", ns::JABBER_CLIENT) else { return refusal };
    for child in error.children() {
        if child.is("text", ns::XMPP_STANZAS) {
            refusal.text = Some(sentence(&child.text()));
        } else if child.has_ns(ns::XMPP_STANZAS) {
            refusal.condition = DefinedCondition::try_from(child.clone())
                .unwrap_or(DefinedCondition::UndefinedCondition);
        } else {
            refusal.extra = Some(child.clone());
        }
    }
    refusal
}

/// Makes a sentence of somebody else's presentable: short, on one line.
pub(super) fn sentence(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    line.chars().take(MAX_SENTENCE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let payload = Element::builder("x", "urn:test").append("a<b&'\"\u{e9}").build();
        let bytes = set(Some("a&b@c/'<"), "i'd", &payload).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let back: Element = text.replacen("<iq", "<iq xmlns='jabber:client'", 1).parse().unwrap();
        assert_eq!(back.attr("to"), Some("a&b@c/'<"));
        assert_eq!(back.attr("id"), Some("i'd"));
        assert_eq!(back.get_child("x", "urn:test").unwrap().text(), "a<b&'\"\u{e9}");
    }

    #[test]
    fn what_xml_does_not_have_is_not_sent() {
        for character in ['\0', '\u{b}', '\u{fffe}', '\u{ffff}'] {
            let payload = Element::builder("x", "urn:test").append(character.to_string()).build();
            let error = set(None, "1", &payload).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn an_error_is_read_as_it_was_written() {
        let extra = Element::bare("denied", "urn:test");
        let bytes = refusal(None, "1", DefinedCondition::Forbidden, Some("Not you."), Some(&extra))
            .unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let stanza: Element = text.replacen("<iq", "<iq xmlns='jabber:client'", 1).parse().unwrap();
        let read = refused(&stanza);
        assert_eq!(read.condition, DefinedCondition::Forbidden);
        assert_eq!(read.text.as_deref(), Some("Not you."));
        assert!(read.extra.unwrap().is("denied", "urn:test"));
        let plain = refused(&Element::bare("iq", ns::JABBER_CLIENT));
        assert_eq!(plain.condition, DefinedCondition::UndefinedCondition);
    }

    #[test]
    fn sentences_of_others_are_one_short_line() {
        assert_eq!(sentence(" a\r\n\u{7}b  c "), "a b c");
        assert_eq!(sentence(&"x".repeat(10_000)).len(), MAX_SENTENCE);
    }
}

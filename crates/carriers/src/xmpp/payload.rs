//! The stanzas of a link as XML.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use crosstalk::{
    transactions::Bye,
    xmpp::ct2::{
        Condition, Head, LinkError, NAMESPACE, Payload, Place, Signal, Stanza, Token, read_number,
    },
};
use xmpp_parsers::{
    minidom::{
        Element, ElementBuilder, Node,
        rxml::{NcNameStr, xml_ncname},
    },
    stanza_error::DefinedCondition,
};

use super::conversation::{Incoming, Outgoing};

/// The longest wait that a bye can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The longest sentence for a person that is read or written, in characters.
const MAX_SENTENCE: usize = 500;

/// Writes a stanza of this link.
pub(super) fn write(token: &Token, stanza: Stanza) -> Outgoing {
    let id = |place: Place| format!("{token}.{place}");
    match stanza {
        Stanza::Set(payload) => {
            let id = id(payload.place());
            Outgoing::Set { id, payload: write_payload(token, payload) }
        }
        Stanza::Result(place) => Outgoing::Result { id: id(place) },
        Stanza::Error(place, condition) => {
            let condition = match condition {
                Condition::NotFound => DefinedCondition::ItemNotFound,
                Condition::Unavailable => DefinedCondition::ServiceUnavailable,
                Condition::Other => DefinedCondition::UndefinedCondition,
            };
            Outgoing::Refuse { id: id(place), condition }
        }
    }
}

/// Reads a stanza that is for this link.
pub(super) fn read(token: &Token, stanza: Incoming) -> Result<Stanza, LinkError> {
    let place = |id: &str| {
        let (link, place) = id.split_once('.').ok_or(LinkError::Value("id"))?;
        if Token::parse(link).as_ref() != Some(token) {
            return Err(LinkError::Value("id"));
        }
        Place::parse(place)
    };
    match stanza {
        Incoming::Set { id, payload } => {
            let place = place(&id)?;
            let payload = read_payload(token, place, &payload)?;
            // What answers the stanza goes by its id, so that has to be right.
            if payload.place() != place {
                return Err(LinkError::Value("id"));
            }
            Ok(Stanza::Set(payload))
        }
        Incoming::Result { id } => Ok(Stanza::Result(place(&id)?)),
        Incoming::Refused { id, condition } => {
            Ok(Stanza::Error(place(&id)?, read_condition(&condition)))
        }
    }
}

/// Returns what an error means for a link.
pub(super) fn read_condition(condition: &DefinedCondition) -> Condition {
    match condition {
        DefinedCondition::ItemNotFound => Condition::NotFound,
        DefinedCondition::Gone { .. }
        | DefinedCondition::RecipientUnavailable
        | DefinedCondition::RemoteServerNotFound
        | DefinedCondition::RemoteServerTimeout
        | DefinedCondition::ServiceUnavailable => Condition::Unavailable,
        DefinedCondition::BadRequest
        | DefinedCondition::Conflict
        | DefinedCondition::FeatureNotImplemented
        | DefinedCondition::Forbidden
        | DefinedCondition::InternalServerError
        | DefinedCondition::JidMalformed
        | DefinedCondition::NotAcceptable
        | DefinedCondition::NotAllowed
        | DefinedCondition::NotAuthorized
        | DefinedCondition::PolicyViolation
        | DefinedCondition::Redirect { .. }
        | DefinedCondition::RegistrationRequired
        | DefinedCondition::ResourceConstraint
        | DefinedCondition::SubscriptionRequired
        | DefinedCondition::UndefinedCondition
        | DefinedCondition::UnexpectedRequest => Condition::Other,
    }
}

/// Returns a sentence of ours or of somebody else as XML can have it, and not too long.
pub(super) fn sentence(text: &str) -> String {
    let plain =
        |c: char| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c };
    text.chars().take(MAX_SENTENCE).map(plain).collect()
}

/// Returns an attribute of ours.
pub(super) fn attribute<'a>(element: &'a Element, name: &'static NcNameStr) -> Option<&'a str> {
    element.attr(name)
}

/// Reads a wait in seconds.
pub(super) fn read_wait(text: Option<&str>) -> Option<Duration> {
    let seconds = text.and_then(read_number)?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn write_payload(token: &Token, payload: Payload) -> Element {
    let batch = |number: u64| format!("{token}.{number}");
    match payload {
        Payload::Request(head) => write_head(token, "request", head),
        Payload::Response(head) => write_head(token, "response", head),
        Payload::Data { number, seq, bytes, last } => {
            let element = Element::builder("d", NAMESPACE)
                .attr(xml_ncname!("batch").into(), batch(number))
                .attr(xml_ncname!("seq").into(), seq.to_string())
                .attr(xml_ncname!("last").into(), last.then_some("1"));
            if bytes.is_empty() {
                element.build()
            } else {
                element.append(BASE64_STANDARD.encode(bytes)).build()
            }
        }
        Payload::Signal { number, signal } => Element::builder("ct", NAMESPACE)
            .attr(xml_ncname!("batch").into(), batch(number))
            .attr(xml_ncname!("kind").into(), "signal")
            .append(signal.to_json())
            .build(),
        Payload::Ping { number: _, padding } => {
            let element = of_link(token, "ping");
            if padding.is_empty() {
                element.build()
            } else {
                element.append(BASE64_STANDARD.encode(padding)).build()
            }
        }
        Payload::Bye(bye) => of_link(token, "bye")
            .attr(
                xml_ncname!("retry-after").into(),
                bye.retry_after.map(|wait| wait.as_secs().to_string()),
            )
            .append(sentence(&bye.sentence))
            .build(),
        Payload::Gone => of_link(token, "gone").build(),
    }
}

/// Begins an element about the whole link.
fn of_link(token: &Token, name: &str) -> ElementBuilder {
    Element::builder(name, NAMESPACE).attr(xml_ncname!("batch").into(), token.to_string())
}

fn write_head(token: &Token, kind: &str, head: Head) -> Element {
    let Head { number, json, body, last } = head;
    let element = Element::builder("ct", NAMESPACE)
        .attr(xml_ncname!("batch").into(), format!("{token}.{number}"))
        .attr(xml_ncname!("kind").into(), kind)
        .attr(xml_ncname!("last").into(), last.then_some("1"))
        .append(json);
    if body.is_empty() {
        return element.build();
    }
    let data = Element::builder("data64", NAMESPACE).append(BASE64_STANDARD.encode(body));
    element.append(data.build()).build()
}

fn read_payload(token: &Token, place: Place, element: &Element) -> Result<Payload, LinkError> {
    if !element.has_ns(NAMESPACE) {
        return Err(LinkError::Value("namespace"));
    }
    match element.name() {
        "ct" => {
            let number = read_batch(token, element)?;
            match attribute(element, xml_ncname!("kind")) {
                Some("request") => Ok(Payload::Request(read_head(number, element)?)),
                Some("response") => Ok(Payload::Response(read_head(number, element)?)),
                Some("signal") => {
                    let signal = Signal::parse(&text_alone(element)?)?;
                    Ok(Payload::Signal { number, signal })
                }
                Some(_) | None => Err(LinkError::Value("kind")),
            }
        }
        "d" => {
            let number = read_batch(token, element)?;
            let seq = attribute(element, xml_ncname!("seq")).and_then(read_number);
            let seq = seq.ok_or(LinkError::Value("seq"))?;
            let bytes = read_base64(element)?;
            Ok(Payload::Data { number, seq, bytes, last: read_last(element)? })
        }
        "ping" => {
            let Place::Ping(number) = place else { return Err(LinkError::Value("id")) };
            Ok(Payload::Ping { number, padding: read_base64(element)? })
        }
        "bye" => Ok(Payload::Bye(Bye {
            retry_after: read_wait(attribute(element, xml_ncname!("retry-after"))),
            sentence: sentence(&text_alone(element)?),
        })),
        "gone" => Ok(Payload::Gone),
        _ => Err(LinkError::Value("name")),
    }
}

fn read_head(number: u64, element: &Element) -> Result<Head, LinkError> {
    let mut json = String::new();
    let mut body = None;
    for node in element.nodes() {
        match node {
            Node::Text(text) => json.push_str(text),
            Node::Element(child) if child.is("data64", NAMESPACE) && body.is_none() => {
                body = Some(read_base64(child)?);
            }
            Node::Element(_) => return Err(LinkError::Value("content")),
        }
    }
    let body = body.unwrap_or_default();
    Ok(Head { number, json, body, last: read_last(element)? })
}

fn read_batch(token: &Token, element: &Element) -> Result<u64, LinkError> {
    let batch = attribute(element, xml_ncname!("batch")).and_then(|batch| batch.split_once('.'));
    let (link, number) = batch.ok_or(LinkError::Value("batch"))?;
    if Token::parse(link).as_ref() != Some(token) {
        return Err(LinkError::Value("batch"));
    }
    read_number(number).filter(|number| *number > 0).ok_or(LinkError::Value("batch"))
}

fn read_last(element: &Element) -> Result<bool, LinkError> {
    match attribute(element, xml_ncname!("last")) {
        None => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(LinkError::Value("last")),
    }
}

fn read_base64(element: &Element) -> Result<Bytes, LinkError> {
    let text = text_alone(element)?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| LinkError::Value("base64"))?;
    Ok(bytes.into())
}

/// Returns the text of an element that has nothing else.
fn text_alone(element: &Element) -> Result<String, LinkError> {
    if element.children().next().is_some() {
        return Err(LinkError::Value("content"));
    }
    Ok(element.text())
}

#[cfg(test)]
mod tests {
    use crosstalk::transactions::AbortCode;

    use super::*;

    fn token() -> Token {
        Token::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap()
    }

    fn all() -> Vec<Stanza> {
        let head = |json: &str, body: &[u8], last| Head {
            number: 2,
            json: json.to_owned(),
            body: Bytes::copy_from_slice(body),
            last,
        };
        let every: Vec<u8> = (0..=255).collect();
        let retry_after = Some(Duration::from_secs(30));
        vec![
            Stanza::Set(Payload::Request(head("{\"a\":\"<&>'\u{e9}\"}", b"", false))),
            Stanza::Set(Payload::Response(head("{}", &every, true))),
            Stanza::Set(Payload::Data { number: 2, seq: 1, bytes: every.into(), last: false }),
            Stanza::Set(Payload::Data { number: 2, seq: 2, bytes: Bytes::new(), last: true }),
            Stanza::Set(Payload::Signal { number: 3, signal: Signal::Finished }),
            Stanza::Set(Payload::Signal {
                number: 3,
                signal: Signal::Shutdown(AbortCode::TimedOut),
            }),
            Stanza::Set(Payload::Ping { number: 1, padding: Bytes::from_static(b"xyz") }),
            Stanza::Set(Payload::Ping { number: 2, padding: Bytes::new() }),
            Stanza::Set(Payload::Bye(Bye { retry_after, sentence: "Back <soon>.".to_owned() })),
            Stanza::Set(Payload::Bye(Bye::default())),
            Stanza::Set(Payload::Gone),
            Stanza::Result(Place::Part { number: 2, seq: 0 }),
            Stanza::Error(Place::Signal(2), Condition::NotFound),
            Stanza::Error(Place::Bye, Condition::Unavailable),
            Stanza::Error(Place::Ping(7), Condition::Other),
        ]
    }

    /// What one end writes as the other gets it, and how long it is in XML.
    fn carry(stanza: &Stanza) -> (Incoming, usize) {
        match write(&token(), stanza.clone()) {
            Outgoing::Set { id, payload } => {
                let mut xml = Vec::new();
                payload.write_to(&mut xml).unwrap();
                let payload = String::from_utf8(xml).unwrap().parse().unwrap();
                let length = "<iq type='set' id='' from='' to=''></iq>".len() + id.len();
                let length = length + String::from(&payload).len();
                (Incoming::Set { id, payload }, length)
            }
            Outgoing::Result { id } => (Incoming::Result { id }, 0),
            Outgoing::Refuse { id, condition } => (Incoming::Refused { id, condition }, 0),
        }
    }

    fn from_xml(id: &str, payload: Element) -> Result<Stanza, LinkError> {
        read(&token(), Incoming::Set { id: id.to_owned(), payload })
    }

    #[test]
    fn what_is_written_is_read() {
        for stanza in all() {
            assert_eq!(read(&token(), carry(&stanza).0), Ok(stanza));
        }
    }

    #[test]
    fn the_frame_of_a_stanza_is_as_small_as_promised() {
        for stanza in all() {
            let content = match &stanza {
                Stanza::Set(Payload::Request(head) | Payload::Response(head)) => {
                    head.json.len() * 6 + head.body.len().div_ceil(3) * 4
                }
                Stanza::Set(_) | Stanza::Result(_) | Stanza::Error(..) => {
                    stanza.length().div_ceil(3) * 4
                }
            };
            let longest = carry(&stanza).1;
            assert!(longest <= content + crosstalk::xmpp::ct2::FRAME, "{longest}: {stanza:?}");
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let token = "AAAAAAAAAAAAAAAAAAAAAA";
        let ns = format!("xmlns='{NAMESPACE}'");
        let batch = format!("batch='{token}.2'");
        for (id, child) in [
            // Another link, no link, another place.
            ("BAAAAAAAAAAAAAAAAAAAAA.2.1".to_owned(), format!("<d {ns} {batch} seq='1'>eA==</d>")),
            ("2.1".to_owned(), format!("<d {ns} {batch} seq='1'>eA==</d>")),
            (format!("{token}.2.2"), format!("<d {ns} {batch} seq='1'>eA==</d>")),
            (format!("{token}.4.1"), format!("<d {ns} {batch} seq='1'>eA==</d>")),
            (format!("{token}.bye"), format!("<ping {ns}/>")),
            // Numbers that are none.
            (format!("{token}.2.01"), format!("<d {ns} {batch} seq='01'>eA==</d>")),
            (format!("{token}.2.1"), format!("<d {ns} {batch} seq='+1'>eA==</d>")),
            (format!("{token}.0.1"), format!("<d {ns} batch='{token}.0' seq='1'>eA==</d>")),
            (format!("{token}.2.1"), format!("<d {ns} {batch} seq='1' last='yes'>eA==</d>")),
            // Base64 that is none, or not all.
            (format!("{token}.2.1"), format!("<d {ns} {batch} seq='1'>eA</d>")),
            (format!("{token}.2.1"), format!("<d {ns} {batch} seq='1'>eA==<d/></d>")),
            (format!("{token}.2.1"), format!("<d {ns} {batch} seq='1'> eA== </d>")),
            // Something else.
            (format!("{token}.2.1"), format!("<d xmlns='urn:other' {batch} seq='1'>eA==</d>")),
            (format!("{token}.2.0"), format!("<ct {ns} {batch} kind='reply'>{{}}</ct>")),
            (format!("{token}.2.0"), format!("<ct {ns} {batch} kind='request'>{{}}<x/></ct>")),
            (format!("{token}.2.signal"), format!("<ct {ns} {batch} kind='signal'>{{}}</ct>")),
            (format!("{token}.2.0"), format!("<message {ns}/>")),
        ] {
            assert!(
                matches!(from_xml(&id, child.parse().unwrap()), Err(LinkError::Value(_))),
                "{id} {child}"
            );
        }
    }
}

//! How a link begins: the peer says who it is, the gateway whether it may, in one IQ.

use std::time::Duration;

use crosstalk::{
    label::Label,
    petrichor::Denial,
    registry::{Reason, Refused},
    xmpp::ct2::{NAMESPACE, Token, read_number},
};
use http::StatusCode;
use serde_json::{Map, Value};
use xmpp_parsers::minidom::{Element, rxml::xml_ncname};

use super::{
    accept::Hello,
    payload::{attribute, read_wait, sentence},
};

/// How long hello and answer may take. The gateway looks at a signature and at its list of names; a
/// slow server holds both back for some seconds.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(20);

/// The version of the profile.
const VERSION: &str = "2";

/// What the peer says of itself.
const IDENT: &str = concat!("veranda-peer/", env!("CARGO_PKG_VERSION"));

/// The longest hello that is read: a proof and a few words, and what a later version may add.
const MAX_HELLO: usize = 4 * 1024;

/// The longest invitation that is read.
const MAX_INVITE: usize = 256;

/// What the gateway answers when the link may be.
#[derive(Clone, Debug)]
pub(super) struct Welcome {
    pub(super) token: Token,
    /// The most bytes of a body in one stanza that the gateway takes.
    pub(super) max_chunk: usize,
    /// For a person.
    pub(super) sentence: String,
}

/// What is wrong with a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GreetingError {
    /// It is for another version.
    #[error("this is for another version of CrossTalk")]
    Version,
    /// Something in it cannot be read.
    #[error("the greeting's {0} cannot be read")]
    Value(&'static str),
}

/// Writes a hello.
pub(super) fn hello(hello: &Hello, max_chunk: usize) -> Element {
    let mut object = Map::new();
    object.insert("version".to_owned(), VERSION.into());
    object.insert("ident".to_owned(), IDENT.into());
    object.insert("max-chunk".to_owned(), max_chunk.into());
    if !hello.proof.is_empty() {
        object.insert("token".to_owned(), hello.proof.clone().into());
    }
    if let Some(label) = &hello.label {
        object.insert("label".to_owned(), label.as_str().into());
    }
    if hello.asks {
        object.insert("asks".to_owned(), true.into());
    }
    if let Some(invite) = &hello.invite {
        object.insert("invite".to_owned(), invite.clone().into());
    }
    Element::builder("hello", NAMESPACE).append(Value::Object(object).to_string()).build()
}

/// Reads a hello, and the most bytes of a body in one stanza that its sender takes. The lengths are
/// looked at before anything else.
pub(super) fn read_hello(element: &Element) -> Result<(Hello, usize), GreetingError> {
    let length: usize = element.texts().map(str::len).sum();
    if !element.is("hello", NAMESPACE) || element.children().next().is_some() || length > MAX_HELLO
    {
        return Err(GreetingError::Value("text"));
    }
    let object: Map<String, Value> =
        serde_json::from_str(&element.text()).map_err(|_| GreetingError::Value("JSON"))?;
    let text = |key: &'static str, longest: usize| match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= longest => Ok(Some(text.clone())),
        Some(_) => Err(GreetingError::Value(key)),
    };
    if text("version", MAX_HELLO)?.as_deref() != Some(VERSION) {
        return Err(GreetingError::Version);
    }
    let asks = match object.get("asks") {
        None => false,
        Some(asks) => asks.as_bool().ok_or(GreetingError::Value("asks"))?,
    };
    let label = text("label", MAX_INVITE)?.map(|label| Label::parse(&label)).transpose();
    let max_chunk = object.get("max-chunk").and_then(Value::as_u64);
    let max_chunk = max_chunk.and_then(|chunk| usize::try_from(chunk).ok());
    let hello = Hello {
        proof: text("token", crosstalk::proof::MAX_LENGTH)?.unwrap_or_default(),
        label: label.map_err(|_| GreetingError::Value("label"))?,
        asks,
        invite: text("invite", MAX_INVITE)?,
    };
    Ok((hello, max_chunk.ok_or(GreetingError::Value("max-chunk"))?))
}

/// Writes a yes.
pub(super) fn welcome(welcome: &Welcome) -> Element {
    Element::builder("welcome", NAMESPACE)
        .attr(xml_ncname!("link").into(), welcome.token.to_string())
        .attr(xml_ncname!("max-chunk").into(), welcome.max_chunk.to_string())
        .append(sentence(&welcome.sentence))
        .build()
}

/// Reads a yes.
pub(super) fn read_welcome(element: &Element) -> Result<Welcome, GreetingError> {
    if !element.is("welcome", NAMESPACE) {
        return Err(GreetingError::Value("name"));
    }
    let token = attribute(element, xml_ncname!("link")).and_then(Token::parse);
    let max_chunk = attribute(element, xml_ncname!("max-chunk")).and_then(read_number);
    let max_chunk = max_chunk.and_then(|chunk| usize::try_from(chunk).ok());
    Ok(Welcome {
        token: token.ok_or(GreetingError::Value("link"))?,
        max_chunk: max_chunk.ok_or(GreetingError::Value("max-chunk"))?,
        sentence: sentence(&element.text()),
    })
}

/// Writes a no, as the child of an IQ's error.
pub(super) fn denied(denial: &Denial) -> Element {
    let wait = denial.retry_after.map(|wait| wait.as_secs().to_string());
    Element::builder("denied", NAMESPACE)
        .attr(xml_ncname!("status").into(), denial.status.as_str())
        .attr(xml_ncname!("reason").into(), denial.refused.reason.name())
        .attr(xml_ncname!("retry-after").into(), wait)
        .append(sentence(&denial.refused.sentence))
        .build()
}

/// Reads a no. What cannot be read of it counts as not said.
pub(super) fn read_denied(element: &Element) -> Option<Denial> {
    if !element.is("denied", NAMESPACE) {
        return None;
    }
    let status = attribute(element, xml_ncname!("status")).and_then(|status| status.parse().ok());
    let status =
        status.filter(|status: &StatusCode| status.is_client_error() || status.is_server_error());
    let reason = attribute(element, xml_ncname!("reason"));
    Some(Denial {
        status: status.unwrap_or(StatusCode::FORBIDDEN),
        refused: Refused {
            reason: reason.map_or(Reason::NotAdmitted, Reason::read),
            sentence: sentence(&element.text()),
        },
        retry_after: read_wait(attribute(element, xml_ncname!("retry-after"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_read_as_they_were_written() {
        let said = Hello {
            proof: "a.b.c".to_owned(),
            label: Some(Label::parse("photos").unwrap()),
            asks: true,
            invite: Some("<secret> & \"more\"".to_owned()),
        };
        let (heard, chunk) = read_hello(&hello(&said, 16_384)).unwrap();
        assert_eq!(format!("{heard:?} {chunk}"), format!("{said:?} 16384"));
        let (heard, _) = read_hello(&hello(&Hello::default(), 6_144)).unwrap();
        assert_eq!(format!("{heard:?}"), format!("{:?}", Hello::default()));

        let said = Welcome {
            token: Token::random(),
            max_chunk: 6_144,
            sentence: "Hello\u{1}.".to_owned(),
        };
        let heard = read_welcome(&welcome(&said)).unwrap();
        assert_eq!((heard.token, heard.max_chunk), (said.token, said.max_chunk));
        assert_eq!(heard.sentence, "Hello .");

        let refused = Refused { reason: Reason::Busy, sentence: "Later.".to_owned() };
        let retry_after = Some(Duration::from_secs(30));
        let said = Denial { status: StatusCode::TOO_MANY_REQUESTS, refused, retry_after };
        assert_eq!(read_denied(&denied(&said)), Some(said));
    }

    #[test]
    fn a_hello_that_says_too_much_is_refused() {
        let read = |json: &str| {
            let element = Element::builder("hello", NAMESPACE).append(json).build();
            read_hello(&element).map(|_| ())
        };
        let good = "\"version\":\"2\",\"max-chunk\":6144";
        assert_eq!(read(&format!("{{{good},\"later\":[1]}}")), Ok(()));
        assert_eq!(read("{\"version\":\"3\",\"max-chunk\":6144}"), Err(GreetingError::Version));
        assert_eq!(read("{\"version\":\"2\"}"), Err(GreetingError::Value("max-chunk")));
        assert_eq!(read(&"[".repeat(4_000)), Err(GreetingError::Value("JSON")));
        assert_eq!(read(&" ".repeat(5_000)), Err(GreetingError::Value("text")));
        for (key, value) in [
            ("token", format!("\"{}\"", "x".repeat(1_025))),
            ("token", "7".to_owned()),
            ("label", "\"UPPER CASE\"".to_owned()),
            ("invite", format!("\"{}\"", "x".repeat(257))),
            ("asks", "\"yes\"".to_owned()),
        ] {
            let hello = format!("{{{good},\"{key}\":{value}}}");
            assert_eq!(read(&hello), Err(GreetingError::Value(key)), "{value}");
        }
    }
}

//! The examples of `docs/protocols/crosstalk-xmpp.md`, as the code writes them.

use crosstalk::{
    petrichor::Denial,
    registry::{Reason, Refused},
    transactions::{Message, Numbers, TransactionId},
    xmpp::ct2::{CHUNK, Codec, Place, Room, Settings, Stanza, Token, window},
};
use http::StatusCode;
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{
    accept::Hello,
    conversation::{Incoming, Outgoing},
    greeting::{self, Welcome},
    payload, presence, stanza,
};

const PEER: &str = "peer@home.example/8f3c";
const GATEWAY: &str = "gateway@chat.example/w2q9";

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/crosstalk-xmpp.md");
    std::fs::read_to_string(path).unwrap()
}

/// The stanzas on the page, one a line.
fn shown() -> Vec<String> {
    let page = page();
    page.lines().filter(|line| line.starts_with("<iq ")).map(str::to_owned).collect()
}

fn token() -> Token {
    Token::parse("q7Yb2kXw0mZr5tVn9sJd4A").unwrap()
}

fn written(to: &str, stanza: Stanza) -> String {
    let bytes = match payload::write(&token(), stanza) {
        Outgoing::Set { id, payload } => stanza::set(Some(to), &id, &payload),
        Outgoing::Result { id } => stanza::result(Some(to), &id, None),
        Outgoing::Refuse { id, condition } => stanza::refusal(Some(to), &id, condition, None, None),
    };
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

#[test]
fn a_link_begins_as_the_page_says() {
    let hello = Hello { proof: "PROOF".to_owned(), ..Hello::default() };
    let hello = stanza::set(Some(GATEWAY), "hello-1", &greeting::hello(&hello, CHUNK)).unwrap();
    let sentence = "Welcome to https://gateway.example.".to_owned();
    let welcome = Welcome { token: token(), max_chunk: CHUNK, sentence };
    let welcome = greeting::welcome(&welcome);
    let welcome = stanza::result(Some(PEER), "hello-1", Some(&welcome)).unwrap();
    let sentence = "this name belongs to somebody else".to_owned();
    let denial = Denial {
        status: StatusCode::CONFLICT,
        refused: Refused { reason: Reason::Taken, sentence: sentence.clone() },
        retry_after: None,
    };
    let (condition, denied) = (DefinedCondition::Forbidden, greeting::denied(&denial));
    let denied =
        stanza::refusal(Some(PEER), "hello-1", condition, Some(&sentence), Some(&denied)).unwrap();
    let shown = shown();
    for (bytes, shown) in [hello, welcome, denied].iter().zip(&shown) {
        assert_eq!(String::from_utf8_lossy(bytes), *shown);
    }
}

#[test]
fn a_request_and_its_answer_are_as_the_page_says() {
    let settings = |numbers| Settings { numbers, chunk: CHUNK, max_payload: 10 * CHUNK };
    let mut gateway = Codec::new(settings(Numbers::Even));
    let mut peer = Codec::new(settings(Numbers::Odd));
    let room = Room { head: true, body: Some(CHUNK) };
    let id = TransactionId(2);
    let mut said = Vec::new();
    let mut carry = |from: &mut Codec, to: &mut Codec, address: &str| {
        while let Some(stanza) = from.poll_stanza(room) {
            said.push(written(address, stanza.clone()));
            to.receive(stanza).unwrap();
        }
    };

    let request = http::Request::get("/hello").header("host", "photos.gateway.example");
    let (head, ()) = request.body(()).unwrap().into_parts();
    gateway.write(Message::Open { id, head: Box::new(head), body: "".into(), end: true });
    carry(&mut gateway, &mut peer, PEER);
    carry(&mut peer, &mut gateway, GATEWAY);

    let response = http::Response::builder().header("content-type", "text/plain");
    let (head, ()) = response.body(()).unwrap().into_parts();
    peer.write(Message::Head { id, head: Box::new(head), body: "hello,".into(), end: false });
    peer.write(Message::Data { id, bytes: " world".into(), end: true });
    carry(&mut peer, &mut gateway, GATEWAY);
    gateway.write(Message::Credit { id, bytes: 12 });
    carry(&mut gateway, &mut peer, PEER);

    let shown = shown();
    assert_eq!(said, shown[3..], "in this order");
}

#[test]
fn the_page_names_every_stanza_and_number() {
    let page = page();
    for named in [
        format!(
            "<ct kind='signal'>{}</ct>",
            r#"{"code":"cancelled","signal":"shutdownMicroprocess"}"#
        ),
        "<ping batch=TOKEN>BASE64</ping>".to_owned(),
        "<bye batch=TOKEN retry-after='30'>sentence</bye>".to_owned(),
        "<gone batch=TOKEN/>".to_owned(),
        format!("has at most {} stanzas", "eight"),
        format!("({} KiB at {} KiB each", window(CHUNK) / 1024, CHUNK / 1024),
    ] {
        assert!(page.contains(&named), "the page does not say {named}");
    }
    for place in [Place::Signal(2), Place::Ping(1), Place::Bye, Place::Gone] {
        let id = format!("`.{}`", place.to_string().trim_start_matches("2."));
        let whole = format!("`.{place}`");
        assert!(page.contains(&whole) || page.contains(&id), "the page does not say {whole}");
    }
}

#[test]
fn what_a_session_can_do_is_on_the_page() {
    let info = presence::disco_info(&Element::bare("query", ns::DISCO_INFO)).unwrap();
    let features = info.children().filter_map(|child| child.attr("var"));
    assert!(features.into_iter().any(|name| name == super::CROSSTALK));
    assert!(page().contains(&format!("the feature `{}`", super::CROSSTALK)));
}

#[test]
fn what_the_page_shows_is_read() {
    for shown in &shown()[3..] {
        let whole = shown.replacen("<iq", "<iq xmlns='jabber:client'", 1);
        let iq: Element = whole.parse().unwrap();
        let id = iq.attr("id").unwrap().to_owned();
        let incoming = match iq.children().next() {
            Some(payload) => Incoming::Set { id, payload: payload.clone() },
            None => Incoming::Result { id },
        };
        let read = payload::read(&token(), incoming).unwrap();
        assert_eq!(written(iq.attr("to").unwrap(), read), *shown);
    }
}

//! The stanzas of a link over XMPP, as the values that the carrier reads out of XML.

use bytes::Bytes;
use crosstalk::{
    limits,
    transactions::{Config, Message, Numbers, Transactions},
    xmpp::ct2::{
        Codec, Condition, Head, MIN_CHUNK, Payload, Place, Room, Settings, Signal, Stanza, Token,
        window,
    },
};

/// One stanza a line: a word for what it is, a place as in the `id` of an IQ, and what is in it.
///
/// Whatever comes, the codec gives the multiplexer only heads within the limits; every stanza of the
/// other end is answered once, unless the link ends; and names that are read are written as themselves.
pub fn target(bytes: &[u8]) {
    let settings = Settings { numbers: Numbers::Odd, chunk: MIN_CHUNK, max_payload: 256 * 1024 };
    let mut codec = Codec::new(settings);
    let config = Config { window: window(MIN_CHUNK), ..Config::new(Numbers::Odd) };
    let now = std::time::Duration::ZERO;
    let mut link = Transactions::new(config, now);
    let mut asked = 0_usize;
    let mut answered = 0_usize;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(stanza) = super::text(line).and_then(read) else { continue };
        asked += usize::from(matches!(stanza, Stanza::Set(_)));
        if codec.receive(stanza).is_err() {
            return;
        }
        while let Some(message) = codec.poll_message() {
            check(&message);
            if link.receive(message, now).is_err() {
                return;
            }
            while link.poll_event().is_some() {}
        }
        while let Some(message) = link.poll_message() {
            codec.write(message);
        }
        while let Some(stanza) = codec.poll_stanza(Room { head: true, body: Some(MIN_CHUNK) }) {
            answered += usize::from(!matches!(stanza, Stanza::Set(_)));
        }
        assert!(answered <= asked, "more answers than questions");
    }
}

fn read(line: &str) -> Option<Stanza> {
    let mut words = line.splitn(3, ' ');
    let (kind, place, rest) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    if let Some(token) = Token::parse(place) {
        assert_eq!(token.to_string(), place);
    }
    let place = Place::parse(place).ok()?;
    assert_eq!(Place::parse(&place.to_string()), Ok(place));
    let body = Bytes::copy_from_slice(rest.as_bytes());
    let number = match place {
        Place::Part { number, .. } | Place::Signal(number) | Place::Ping(number) => number,
        Place::Bye | Place::Gone => 0,
    };
    let head = |last| Head { number, json: rest.to_owned(), body: Bytes::new(), last };
    let seq = if let Place::Part { seq, .. } = place { seq } else { 0 };
    Some(match kind {
        "request" => Stanza::Set(Payload::Request(head(false))),
        "request-last" => Stanza::Set(Payload::Request(head(true))),
        "response" => Stanza::Set(Payload::Response(head(true))),
        "data" => Stanza::Set(Payload::Data { number, seq, bytes: body, last: false }),
        "last" => Stanza::Set(Payload::Data { number, seq, bytes: body, last: true }),
        "signal" => {
            let signal = Signal::parse(rest).ok()?;
            assert_eq!(Signal::parse(&signal.to_json()), Ok(signal));
            Stanza::Set(Payload::Signal { number, signal })
        }
        "ping" => Stanza::Set(Payload::Ping { number, padding: body }),
        "bye" => Stanza::Set(Payload::Bye(crosstalk::transactions::Bye::default())),
        "result" => Stanza::Result(place),
        "not-found" => Stanza::Error(place, Condition::NotFound),
        "other" => Stanza::Error(place, Condition::Other),
        _ => return None,
    })
}

fn check(message: &Message) {
    match message {
        Message::Open { head, .. } => assert_eq!(limits::check_request(head), Ok(())),
        Message::Head { head, .. } => assert_eq!(limits::check_response(head), Ok(())),
        Message::Data { bytes, end, .. } => assert!(*end || !bytes.is_empty()),
        Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong
        | Message::Bye(_) => {}
    }
}

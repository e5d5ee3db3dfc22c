//! Petrichor's messages and hellos: what is read is written as itself, within the limits.

use bytes::{Bytes, BytesMut};
use crosstalk::{
    limits,
    petrichor::{
        self, Answer, Frame, Hello, MAX_BODY, MAX_HEADER, MAX_SENTENCE, Packing, WireError,
    },
    tnetstring::{self, Whole},
    transactions::Message,
};

/// The most lines that the gateway adds to a head.
const ADDED_LINES: usize = 16;

/// Whatever pairs a stream has, each is refused, or says the same when it is written and read again.
pub fn target(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    while let Some((header, body)) = pair(&mut rest) {
        if let Ok(frame) = petrichor::read(&header, body.clone()) {
            check_frame(&frame);
        }
        if let Ok(hello) = Hello::read(&header, &body) {
            assert!(body.is_empty());
            let (header, body) = halves(hello.to_pair());
            assert_eq!(Hello::read(&header, &body).as_ref(), Ok(&hello));
        }
        if let Ok(answer) = Answer::read(&header, &body) {
            if let Answer::Denied(denial) = &answer {
                assert!(denial.status.is_client_error() || denial.status.is_server_error());
            }
            let (header, body) = halves(answer.to_pair());
            assert_eq!(Answer::read(&header, &body).as_ref(), Ok(&answer));
        }
    }
}

/// Takes a pair, as a link does: the header whole, and the bytes of the body.
fn pair(rest: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let all = rest.clone();
    Whole::split(rest).ok()?;
    let header = all.slice(..all.len() - rest.len());
    let body = Whole::split(rest).and_then(Whole::into_string).ok()?;
    let fits = header.len() <= tnetstring::written_length(MAX_HEADER) && body.len() <= MAX_BODY;
    fits.then_some((header, body))
}

fn halves(mut bytes: Bytes) -> (Bytes, Bytes) {
    let found = pair(&mut bytes);
    assert!(bytes.is_empty());
    let Some(found) = found else { panic!("what is written is no pair") };
    found
}

fn check_frame(frame: &Frame) {
    match &frame.message {
        Message::Open { head, .. } => {
            let target = head.uri.to_string();
            assert!(target == "*" || target.starts_with('/'), "{target:?}");
            check_lines(&head.headers);
        }
        Message::Head { head, .. } => check_lines(&head.headers),
        Message::Data { bytes, end, .. } => {
            assert!(*end || !bytes.is_empty() || matches!(frame.packing, Packing::Same(_)));
        }
        Message::Bye(bye) => {
            assert!(bye.sentence.len() <= 3 * MAX_SENTENCE);
            assert!(!bye.sentence.contains(char::is_control));
        }
        Message::Credit { bytes, .. } => assert!(*bytes > 0),
        Message::Abort { .. } | Message::Ping | Message::Pong => {}
    }
    if let Packing::Zstd { size, .. } = frame.packing {
        assert!((1..=MAX_BODY).contains(&size));
    }
    let mut written = BytesMut::new();
    match petrichor::write_header(&mut written, &frame.message, frame.packing) {
        Ok(()) => {}
        // The names of headers may have been shorter in the bytes that came, never much.
        Err(error) => {
            assert_eq!(error, WireError::Head);
            return;
        }
    }
    let body = match &frame.message {
        Message::Bye(bye) => bye.sentence.clone().into(),
        Message::Open { .. }
        | Message::Head { .. }
        | Message::Data { .. }
        | Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong => petrichor::body(&frame.message).cloned().unwrap_or_default(),
    };
    let again = petrichor::read(&written, body);
    let Ok(again) = again else { panic!("what is written cannot be read: {again:?}") };
    assert_eq!(again.packing, frame.packing);
    assert_eq!(shown(&again.message), shown(&frame.message));
}

fn check_lines(headers: &http::HeaderMap) {
    assert!(headers.len() <= limits::MAX_HEADERS + ADDED_LINES);
    for value in headers.values() {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

fn shown(message: &Message) -> String {
    match message {
        Message::Open { id, head, body, end } => {
            format!("{id} {} {} {:?} {body:?} {end}", head.method, head.uri, head.headers)
        }
        Message::Head { id, head, body, end } => {
            format!("{id} {} {:?} {body:?} {end}", head.status, head.headers)
        }
        Message::Data { .. }
        | Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong
        | Message::Bye(_) => format!("{message:?}"),
    }
}

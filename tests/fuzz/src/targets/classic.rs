//! The chat messages of 2008.

use crosstalk::{
    limits,
    xmpp::classic::{
        self, Batch, Direction, Ending, MAX_BATCH, MAX_BODY, MAX_JSON, Message, Texts,
    },
};
use http::HeaderMap;

/// What is read obeys the limits, ends no header line, and text is written as itself: the bytes are
/// tried as a message, as the JSON in one, and as the body of a response.
pub fn target(bytes: &[u8]) {
    if let Ok(body) = std::str::from_utf8(bytes) {
        check_message(body);
        check_message(&format!("{{{body}}}"));
    }
    check_text(bytes);
}

fn check_message(body: &str) {
    let Ok(mut message) = Message::read(body) else { return };
    if let Some(batch) = message.batch() {
        assert!(batch.as_str().len() <= MAX_BATCH && !batch.as_str().contains(' '));
    }
    if let Ok(Some(object)) = message.request() {
        let around = object.surroundings().clone();
        let head = object.into_parts();
        assert_eq!(limits::check_request(&head), Ok(()));
        check_lines(&head.headers);
        if let Ok(written) = classic::request(&head, around, &Batch::random()) {
            let back = Message::read(&written).map(|back| back.request());
            assert!(matches!(back, Ok(Ok(Some(_)))), "{head:?} is written and not read");
        }
    }
    if let Ok(Some(object)) = message.response() {
        let head = object.into_parts();
        assert_eq!(limits::check_response(&head), Ok(()));
        check_lines(&head.headers);
    }
    let ending = message.ending();
    assert!(matches!(ending, None | Some(Ending::Finished | Ending::Broken)));
    for direction in [Direction::Request, Direction::Response] {
        if let Ok(text) = message.take_text(direction) {
            assert!(text.len() <= MAX_JSON);
        }
    }
}

fn check_text(bytes: &[u8]) {
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let mut texts = Texts::default();
    let read = texts.push(before).and_then(|before| {
        let text = before + &texts.push(after)?;
        texts.finish().map(|()| text)
    });
    assert_eq!(read.is_ok(), std::str::from_utf8(bytes).is_ok());
    let Ok(text) = read else { return };
    assert_eq!(text.as_bytes(), bytes);
    let batch = Batch::random();
    for direction in [Direction::Request, Direction::Response] {
        let mut arrived = String::new();
        for piece in classic::pieces(&text, direction) {
            let written = classic::more(piece, direction, &batch).expect("a piece fits");
            assert!(written.len() <= MAX_BODY);
            let mut message = Message::read(&written).expect("what is written is read");
            assert_eq!(message.batch(), Some(&batch));
            arrived += &message.take_text(direction).expect("text");
        }
        assert_eq!(arrived, text);
    }
}

fn check_lines(headers: &HeaderMap) {
    for value in headers.values() {
        let breaks = value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(!breaks, "{value:?} ends its line");
    }
}

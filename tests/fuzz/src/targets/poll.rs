//! The objects of the long poll.

use crosstalk::{
    limits,
    poll::{
        self, Dialect, MAX_CHUNK, MAX_CLASSIC_BODY, MAX_DOCUMENT, MAX_OBJECTS, Object, PollError,
    },
};
use http::HeaderMap;

/// What is read obeys the limits, ends no header line, and is written as itself, in the dialect that
/// has it.
pub fn target(bytes: &[u8]) {
    for dialect in [Dialect::Classic, Dialect::Second] {
        let objects = match poll::read(bytes, dialect) {
            Ok(objects) => objects,
            Err(error) => {
                assert_eq!(bytes.len() > MAX_DOCUMENT, error == PollError::TooLong);
                continue;
            }
        };
        assert!(objects.len() <= if dialect == Dialect::Classic { 1 } else { MAX_OBJECTS });
        for object in &objects {
            check(object, dialect);
            let mut written = Vec::new();
            let text = poll::write(&mut written, object, dialect);
            assert_eq!(text, Ok(()), "{object:?}");
            let back = poll::read(&written, dialect);
            let back = back.as_deref().map(|back| format!("{back:?}"));
            assert_eq!(back, Ok(format!("{:?}", std::slice::from_ref(object))));
        }
    }
}

fn check(object: &Object, dialect: Dialect) {
    let (body, more) = match object {
        Object::Request { head, body, more, .. } => {
            assert_eq!(limits::check_request(head), Ok(()));
            check_lines(&head.headers);
            let target = head.uri.to_string();
            assert!(!target.contains(['\r', '\n', ' ', '#']), "{target:?}");
            (body, *more)
        }
        Object::Response { head, body, more, .. } => {
            assert_eq!(limits::check_response(head), Ok(()));
            check_lines(&head.headers);
            (body, *more)
        }
        Object::Chunk { seq, body, more, .. } => {
            assert!(*seq > 0, "a part of a body in the place of a head");
            (body, *more)
        }
        Object::Taken { .. } | Object::Abort { .. } | Object::Report(_) | Object::Bye(_) => return,
    };
    match dialect {
        Dialect::Classic => assert!(!more && body.len() <= MAX_CLASSIC_BODY),
        Dialect::Second => assert!(body.len() <= MAX_CHUNK),
    }
}

fn check_lines(headers: &HeaderMap) {
    for value in headers.values() {
        let breaks = value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(!breaks, "{value:?} ends its line");
    }
}

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Method, Request, Response, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::object::{Dictionary, Surroundings};

/// The end of a batch and a continuation, as a gateway and a peer of 2008 sent them.
const END: &str = "eJyrVirOTM9LzFGyUlAqKMpPKU1OLXLLzMsszkhNUdJRUEpKLEnOAEkamhso1QIAcfcOrw==";
const CONTINUATION: &str = "eJyrVkpJLElUslJQSs4ozctWMIzJU9JRUEpKLEnOAIkaGZgq1QIA0jIKcA==";

fn packed(json: &str) -> String {
    BASE64_STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 9))
}

/// Returns the JSON in a body that we wrote.
fn unpacked(body: &str) -> Value {
    let packed = BASE64_STANDARD.decode(body).unwrap();
    let json = miniz_oxide::inflate::decompress_to_vec_zlib(&packed).unwrap();
    assert!(json.is_ascii());
    serde_json::from_slice(&json).unwrap()
}

fn batch(name: &str) -> Batch {
    Batch::read(name).unwrap()
}

fn read(json: &Value) -> Message {
    Message::read(&packed(&json.to_string())).unwrap()
}

fn refused(json: &str) -> ClassicError {
    Message::read(&packed(json)).unwrap_err()
}

/// Checks that an answer is read as this status, these headers and this text.
fn check(json: &Value, status: u16, headers: &[(&str, &str)], text: &str, end: Option<Ending>) {
    let mut message = read(json);
    let head = message.response().unwrap().expect("it begins a response").into_parts();
    let lines = head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    assert_eq!(head.status, status, "{json}");
    assert_eq!(lines.collect::<Vec<_>>(), headers, "{json}");
    assert_eq!(message.ending(), end, "{json}");
    assert_eq!(message.take_text(Direction::Response).unwrap(), text, "{json}");
}

#[test]
fn the_end_of_a_batch_is_read_and_written() {
    let message = Message::read(END).unwrap();
    assert_eq!(message.batch(), Some(&batch("170")));
    assert_eq!(message.ending(), Some(Ending::Finished));
    assert!(message.request().unwrap().is_none() && message.response().unwrap().is_none());
    let written = end(&batch("170"));
    assert_eq!(unpacked(&written), json!({"signal": "producerFinished", "batch": "170"}));
    assert_eq!(unpacked(&written), unpacked(END));
}

#[test]
fn a_continuation_is_read_and_written() {
    let mut message = Message::read(CONTINUATION).unwrap();
    assert_eq!(message.batch(), Some(&batch("205")));
    assert_eq!(message.ending(), None);
    assert_eq!(message.take_text(Direction::Response).unwrap(), "chunk 1\n");
    let written = more("chunk 1\n", Direction::Response, &batch("205")).unwrap();
    assert_eq!(unpacked(&written), unpacked(CONTINUATION));
}

#[test]
fn a_request_is_read_and_written() {
    let vector = json!({
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/amnorvend", "PATH_INFO": "/mine/env",
        "QUERY_STRING": "a=1&b=%2F", "REQUEST_URI": "/amnorvend/mine/env?a=1&b=%2F",
        "NON_QUERY_URI": "/amnorvend/mine/env", "CONTENT_TYPE": "", "CONTENT_LENGTH": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "Kamaelia HTTPServer/0.6.0", "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": 37914, "wsgi.url_scheme": "", "HTTP_HOST": "127.0.0.1:8080",
        "HTTP_ACCEPT": "*/*", "batch": "170"
    });
    let message = read(&vector);
    assert_eq!(message.batch(), Some(&batch("170")));
    assert_eq!(message.ending(), None);
    assert!(message.response().unwrap().is_none());
    let object = message.request().unwrap().expect("it begins a request");
    let around = object.surroundings().clone();
    assert_eq!(around.script_name, "/amnorvend");
    let head = object.into_parts();
    assert_eq!(head.method, Method::GET);
    assert_eq!(head.uri, "/amnorvend/mine/env?a=1&b=%2F");
    assert_eq!(head.headers["host"], "127.0.0.1:8080");
    assert_eq!(unpacked(&request(&head, around, &batch("170")).unwrap()), vector);
}

#[test]
fn a_part_of_a_form_is_read_and_written() {
    let vector = json!({"body": "x=1&amp;y=&lt;&amp;&gt;", "batch": "188"});
    let mut message = read(&vector);
    assert_eq!(message.clone().take_text(Direction::Response).unwrap(), "", "the other way's key");
    assert_eq!(message.take_text(Direction::Request).unwrap(), "x=1&y=<&>");
    let written = more("x=1&y=<&>", Direction::Request, &batch("188")).unwrap();
    assert_eq!(unpacked(&written), vector);
}

#[test]
fn the_head_of_a_response_is_read_and_written() {
    let vector = json!({
        "headers": [["Content-Type", "text/plain"]], "data": "chunk 0\n", "batch": "205",
        "statuscode": "200 OK"
    });
    check(&vector, 200, &[("content-type", "text/plain")], "chunk 0\n", None);
    let head = Response::builder().header("content-type", "text/plain").body(()).unwrap();
    let written = response(&head.into_parts().0, "chunk 0\n", &batch("205")).unwrap();
    assert_eq!(unpacked(&written), vector);
}

#[test]
fn answers_are_read_as_old_programs_wrote_them() {
    let html = ("content-type", "text/html");
    check(&json!({"statuscode": "404", "data": "no"}), 404, &[], "no", None);
    check(&json!({"statuscode": 200, "data": ""}), 200, &[], "", None);
    check(&json!({"statuscode": "304 Not Modified", "headers": []}), 304, &[], "", None);
    check(
        &json!({"statuscode": 503, "data": "<p>", "type": "text/html"}),
        503,
        &[html],
        "<p>",
        None,
    );
    check(&json!({"statuscode": "404", "content-type": "text/html"}), 404, &[html], "", None);
    check(
        &json!({"statuscode": 200, "length": 3, "data": "a"}),
        200,
        &[("content-length", "3")],
        "a",
        None,
    );
    check(
        &json!({"statuscode": 200, "complete": true, "data": "\u{fc}"}),
        200,
        &[("content-length", "2")],
        "\u{fc}",
        Some(Ending::Finished),
    );
    check(
        &json!({"statuscode": "200 OK", "data": "a", "signal": "producerFinished", "kp.x": [1], "batch": 7}),
        200,
        &[],
        "a",
        Some(Ending::Finished),
    );
    let message = read(&json!({"statuscode": "fine"}));
    assert!(matches!(message.response(), Err(ClassicError::Object(_))));
    let mut message = read(&json!({"data": 5}));
    assert_eq!(message.take_text(Direction::Response), Err(ClassicError::Text));
}

#[test]
fn any_signal_ends_the_batch() {
    for name in ["shutdownMicroprocess", "userLoggedOut", "newBatch", "__import__", ""] {
        assert_eq!(read(&json!({"signal": name})).ending(), Some(Ending::Broken), "{name}");
    }
    assert_eq!(read(&json!({"signal": ["producerFinished"]})).ending(), Some(Ending::Broken));
    assert_eq!(read(&json!({"signal": null})).ending(), None);
}

#[test]
fn the_envelope_may_be_wrapped_bare_or_missing() {
    let mut wrapped = String::from("\n ");
    for line in END.as_bytes().chunks(20) {
        wrapped.push_str(std::str::from_utf8(line).unwrap());
        wrapped.push_str("\r\n");
    }
    for body in [
        &wrapped,
        END.trim_end_matches('='),
        "{\"signal\":\"producerFinished\",\"batch\":\"170\"}",
        "\n {\"batch\": 170, \"signal\": \"producerFinished\"}\n",
    ] {
        let message = Message::read(body).unwrap();
        assert_eq!(message.batch(), Some(&batch("170")), "{body}");
        assert_eq!(message.ending(), Some(Ending::Finished), "{body}");
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for (body, why) in [
        ("", ClassicError::Zlib),
        ("hello there", ClassicError::Base64),
        ("aGVsbG8=", ClassicError::Zlib),
        (&END[..40], ClassicError::Zlib),
        (&END.replace('q', "r"), ClassicError::Zlib),
        ("{", ClassicError::NotAnObject),
        (&packed("[]"), ClassicError::NotAnObject),
        (&packed("\"text\""), ClassicError::NotAnObject),
        (&packed(r#"{"batch":[1]}"#), ClassicError::Batch),
        (&packed(r#"{"batch":"a b"}"#), ClassicError::Batch),
    ] {
        assert_eq!(Message::read(body).unwrap_err(), why, "{body}");
    }
    assert_eq!(Message::read(&"A".repeat(MAX_READ + 1)).unwrap_err(), ClassicError::TooLong);
}

#[test]
fn a_bomb_is_refused_when_it_begins_to_grow() {
    let json = format!(r#"{{"data":"{}"}}"#, " ".repeat(MAX_JSON - 11));
    assert_eq!(json.len(), MAX_JSON);
    assert!(Message::read(&packed(&json)).is_ok());
    assert_eq!(refused(&format!("{json} ")), ClassicError::Bomb);
    assert_eq!(refused(&" ".repeat(64 << 20)), ClassicError::Bomb);
}

#[test]
fn depth_and_number_of_values_are_counted_before_parsing() {
    let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Message::read(&packed(&deep(MAX_DEPTH - 1))).is_ok());
    assert_eq!(refused(&deep(MAX_DEPTH)), ClassicError::TooDeep);
    let many = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count));
    assert!(Message::read(&packed(&many(MAX_VALUES - 2))).is_ok());
    assert_eq!(refused(&many(MAX_VALUES - 1)), ClassicError::TooMany);
    // Brackets in texts are text.
    let text = json!({"data": r#"[[[[[[[[[["\,,"#.repeat(1000)}).to_string();
    assert!(Message::read(&packed(&text)).is_ok());
    let headers = vec![json!(["a", "b"]); crate::limits::MAX_LINK_HEADERS + 1];
    let message = read(&json!({"statuscode": 200, "headers": headers}));
    assert!(matches!(message.response(), Err(ClassicError::Object(_))));
}

/// Returns printable characters that cannot be packed.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 94).unwrap())
    };
    (0..length).map(next).collect()
}

#[test]
fn heads_that_old_programs_end_at_are_not_written() {
    let umlaut = http::HeaderValue::from_bytes(b"\xfc").unwrap();
    let asked = Request::get("/").header("x", &umlaut).body(()).unwrap().into_parts().0;
    let answer = Response::builder().header("x", umlaut).body(()).unwrap().into_parts().0;
    let name = batch("1");
    let around = Surroundings::default();
    assert_eq!(request(&asked, around.clone(), &name), Err(ClassicError::NotAscii));
    assert_eq!(response(&answer, "", &name), Err(ClassicError::NotAscii));

    let head = |value: String| {
        let request = Request::get("/").header("x", &value).body(()).unwrap();
        (request.into_parts().0, Response::builder().header("x", value).body(()).unwrap())
    };
    // What packs well fits.
    let (asked, answer) = head("v".repeat(60_000));
    let answer = answer.into_parts().0;
    assert!(request(&asked, around.clone(), &name).is_ok());
    assert!(response(&answer, &"v".repeat(1 << 20), &name).is_ok());
    assert_eq!(response(&answer, &noise(130_000), &name), Err(ClassicError::TooLarge));
    let (asked, _) = head("v".repeat(100_000));
    assert!(matches!(request(&asked, around, &name), Err(ClassicError::Object(_))));
}

#[test]
fn names_are_random_and_short_and_print_nothing() {
    assert_eq!(Batch::random().as_str().len(), 32);
    assert_ne!(Batch::random(), Batch::random());
    assert_eq!(format!("{:?}", batch("0123456789")), "Batch(0123..)");
    for bad in ["", "a b", "\n", "\u{fc}", &"x".repeat(MAX_BATCH + 1)] {
        assert_eq!(Batch::read(bad), None, "{bad:?}");
    }
}

#[test]
fn bytes_become_text_wherever_they_are_cut() {
    let text = "a\u{fc}\u{20ac}\u{1f600}z";
    for cut in 0..=text.len() {
        let mut texts = Texts::default();
        let (before, after) = text.as_bytes().split_at(cut);
        let read = texts.push(before).unwrap() + &texts.push(after).unwrap();
        assert_eq!((&*read, texts.finish()), (text, Ok(())));
    }
    let mut texts = Texts::default();
    assert_eq!(texts.push(b"a\xf0\x9f"), Ok("a".to_owned()));
    assert_eq!(texts.finish(), Err(NotText));
    for bytes in [b"\x80".as_slice(), b"a\xff", b"\xc0\x80", b"\xed\xa0\x80"] {
        assert_eq!(Texts::default().push(bytes), Err(NotText), "{bytes:?}");
    }
}

proptest! {
    // Large texts, packed without optimisation.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn text_arrives_as_it_was_in_messages_that_fit(
        part in "[a-z&<>\"\\\\\u{0}-\u{1f}\u{fc}\u{20ac}\u{1f600}]{1,40}", times in 1_usize..6000
    ) {
        let text = part.repeat(times);
        for direction in [Direction::Request, Direction::Response] {
            let mut arrived = String::new();
            for piece in pieces(&text, direction) {
                let written = more(piece, direction, &batch("1")).unwrap();
                prop_assert!(written.len() <= MAX_BODY);
                arrived += &Message::read(&written).unwrap().take_text(direction).unwrap();
            }
            prop_assert!(arrived == text);
        }
    }

    #[test]
    fn a_piece_that_cannot_be_packed_fits(seed in any::<u64>()) {
        let mut state = seed | 1;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from_u32((state >> 33) as u32 % 0x11_0000).unwrap_or('x')
        };
        let text: String = (0..40_000).map(|_| random()).collect();
        let mut count = 0;
        for piece in pieces(&text, Direction::Response) {
            prop_assert!(more(piece, Direction::Response, &Batch::random()).is_ok());
            count += 1;
        }
        prop_assert!(count > 1);
    }
}

proptest! {
    #[test]
    fn reading_never_panics(body in "[ -~]{0,200}", json in "[\\[\\]{}\",:a-z0-9]{0,100}") {
        for body in [&body, &packed(&json), &format!("{{{json}")] {
            if let Ok(mut message) = Message::read(body) {
                let _ = (message.request(), message.response(), message.ending());
                let _ = message.take_text(Direction::Response);
            }
        }
    }
}

#[test]
fn head_only_and_status_alone_are_whole() {
    let mut head = Response::new(()).into_parts().0;
    head.status = StatusCode::from_u16(299).unwrap();
    let written = unpacked(&response(&head, "", &batch("1")).unwrap());
    let expected = json!({"statuscode": "299", "headers": [], "data": "", "batch": "1"});
    assert_eq!(written, expected);
    let written: Dictionary = serde_json::from_value(written).unwrap();
    assert_eq!(written.len(), 4);
}

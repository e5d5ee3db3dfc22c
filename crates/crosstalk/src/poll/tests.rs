use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::limits::{MAX_LINK_HEAD_BYTES, MAX_LINK_HEADERS};

const REQUEST: &[u8] = include_bytes!("../../fixtures/poll-request.json");
const RESPONSE: &[u8] = include_bytes!("../../fixtures/poll-response.json");

fn one(document: &[u8], dialect: Dialect) -> Result<Object, PollError> {
    let mut objects = read(document, dialect)?;
    assert_eq!(objects.len(), 1);
    Ok(objects.remove(0))
}

fn second(document: &str) -> Result<Object, PollError> {
    one(document.as_bytes(), Dialect::Second)
}

fn written(object: &Object, dialect: Dialect) -> String {
    let mut document = Vec::new();
    write(&mut document, object, dialect).unwrap();
    String::from_utf8(document).unwrap()
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

/// What two objects must have in common to be the same.
fn shape(object: &Object) -> String {
    match object {
        Object::Request { id, head, body, more } => {
            format!("{id} {} {} {:?} {body:?} {more}", head.method, head.uri, head.headers)
        }
        Object::Response { id, head, body, more } => {
            format!("{id} {} {:?} {body:?} {more}", head.status, head.headers)
        }
        Object::Chunk { .. }
        | Object::Taken { .. }
        | Object::Abort { .. }
        | Object::Report(_)
        | Object::Bye(_) => format!("{object:?}"),
    }
}

#[test]
fn the_request_of_2008_is_read_and_written() {
    let object = one(REQUEST, Dialect::Classic).unwrap();
    let Object::Request { id: name, head, body, more } = &object else { panic!("{object:?}") };
    assert_eq!((name.as_str(), head.method.as_str(), head.uri.path()), ("xxx", "GET", "/"));
    assert_eq!(head.headers["host"], "127.0.0.1:65331");
    assert_eq!(head.headers["accept"], "text/plain;q=1,*/*;q=0");
    assert!(body.is_empty() && !more);
    // The page leaves one blank out.
    let page = std::str::from_utf8(REQUEST).unwrap().replace(r#""Accept","#, r#""Accept", "#);
    assert_eq!(written(&object, Dialect::Classic), page);
}

#[test]
fn the_answer_of_2008_is_read() {
    let object = one(RESPONSE, Dialect::Classic).unwrap();
    let Object::Response { id: name, head, body, more } = &object else { panic!("{object:?}") };
    assert_eq!((name.as_str(), head.status), ("xxx", StatusCode::OK));
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(head.headers["date"], "Tue, 13 May 2008 20:14:45 GMT");
    assert_eq!((&body[..], *more), (&b"rdlrow ,olleH"[..], false));
    let page = std::str::from_utf8(RESPONSE).unwrap().replace("Content-type", "Content-Type");
    assert_eq!(written(&object, Dialect::Classic), page);
}

#[test]
fn the_objects_of_the_page_are_read() {
    let chunk = second(r#"{"message-id":"2","seq":1,"body":"aGk=","body-encoding":"base64"}"#);
    assert_eq!(
        shape(&chunk.unwrap()),
        shape(&Object::Chunk { id: id("2"), seq: 1, body: "hi".into(), more: false })
    );
    let taken = second(r#"{"message-id":"2","seq":2,"taken":131072}"#);
    assert!(matches!(taken, Ok(Object::Taken { seq: Some(2), bytes: 131_072, .. })), "{taken:?}");
    let abort = second(r#"{"message-id":"2","abort":"too-large"}"#);
    assert!(matches!(abort, Ok(Object::Abort { seq: None, code: AbortCode::TooLarge, .. })));
    let unknown = second(r#"{"message-id":"2","seq":3,"abort":"gremlins"}"#);
    assert!(matches!(unknown, Ok(Object::Abort { seq: Some(3), code: AbortCode::Failed, .. })));
    let report = second(r#"{"ack":["2#0","a#b#17"],"taken":{"2":131072}}"#);
    let Ok(Object::Report(report)) = report else { panic!("{report:?}") };
    let acks = [("2", 0), ("a#b", 17)];
    assert_eq!(report.acks, acks.map(|(name, seq)| Acknowledgement { id: id(name), seq }));
    assert_eq!(report.taken, [(id("2"), 131_072)]);
    let bye = second("{\"bye\":\"the\\ngateway stops\",\"retry-after\":3}");
    let Ok(Object::Bye(bye)) = bye else { panic!("{bye:?}") };
    assert_eq!(bye.sentence, "the gateway stops");
    assert_eq!(bye.retry_after.map(|wait| wait.as_secs()), Some(3));
    assert!(matches!(second("{}"), Ok(Object::Report(report)) if report == Report::default()));
    assert!(read(b" \n", Dialect::Classic).unwrap().is_empty());
    assert!(read(b"[]", Dialect::Second).unwrap().is_empty());
    assert_eq!(read(b"[{},{}]", Dialect::Second).unwrap().len(), 2);
}

#[test]
fn what_is_harmless_is_tolerated() {
    for document in [
        r#"{"message-id":"2","status":"200","headers":null}"#,
        r#"{"message-id":"2","status":200,"seq":0,"x":{"deep":[1,[2]]},"body":null}"#,
        r#"{"status":200,"message-id":"2","body":"YQ","body-encoding":"base64"}"#,
        " {\"message-id\":\"\\u0032\",\n\"status\":200} ",
    ] {
        let object = second(document);
        assert!(matches!(object, Ok(Object::Response { .. })), "{document}: {object:?}");
    }
}

#[test]
fn what_is_ambiguous_is_refused() {
    for (document, why) in [
        (r#"{"message-id":"2","status":200,"method":"GET"}"#, PollError::Mixed),
        (r#"{"message-id":"2","abort":"failed","body":"x"}"#, PollError::Mixed),
        (r#"{"message-id":"2","ack":["2#0"]}"#, PollError::Mixed),
        (r#"{"message-id":"2","seq":1,"body":"x","headers":[]}"#, PollError::Mixed),
        (r#"{"ack":[],"body":"x"}"#, PollError::Mixed),
        (r#"{"message-id":"2","message-id":"4","status":200}"#, PollError::Json),
        (r#"{"message-id":"2","status":200,"status":200}"#, PollError::Json),
        (r#"{'message-id':'2','status':200}"#, PollError::Json),
        (r#"{"message-id":"2","status":200}{}"#, PollError::Json),
        (r#"{"message-id":2,"status":200}"#, PollError::Json),
        (r#"{"message-id":"2","status":200,"headers":[["a"]]}"#, PollError::Json),
        (r#"{"message-id":"2","status":200,"headers":[["a","b","c"]]}"#, PollError::Json),
        (r#"{"message-id":"","status":200}"#, PollError::Value("message-id")),
        (r#"{"message-id":"a\nb","status":200}"#, PollError::Value("message-id")),
        (r#"{"status":200}"#, PollError::Missing("message-id")),
        (r#"{"message-id":"2"}"#, PollError::Missing("status")),
        (r#"{"message-id":"2","body":"x"}"#, PollError::Missing("seq")),
        (r#"{"message-id":"2","status":99}"#, PollError::Value("status")),
        (r#"{"message-id":"2","status":200,"seq":1}"#, PollError::Value("seq")),
        (r#"{"message-id":"2","seq":0,"body":"x"}"#, PollError::Value("seq")),
        (
            r#"{"message-id":"2","seq":1,"body":"x","body-encoding":"hex"}"#,
            PollError::Value("body-encoding"),
        ),
        (
            r#"{"message-id":"2","seq":1,"body":"x","body-encoding":"base64"}"#,
            PollError::Value("body"),
        ),
        (r#"{"ack":["2"]}"#, PollError::Value("ack")),
        (r#"{"ack":["2#+1"]}"#, PollError::Value("ack")),
        (
            r#"{"message-id":"2","method":"GET","request-uri":"/a#b"}"#,
            PollError::Head(ObjectError::Target),
        ),
        (
            r#"{"message-id":"2","status":200,"headers":[["a","b\r\nc: d"]]}"#,
            PollError::Head(ObjectError::Header),
        ),
        (
            r#"{"message-id":"2","status":200,"http-version":"FTP/1"}"#,
            PollError::Value("http-version"),
        ),
    ] {
        assert_eq!(second(document).map(|object| shape(&object)), Err(why), "{document}");
    }
    for document in
        ["[", "[[]]", "3", "\"a\"", "null", "{\"body\":\"\u{0}\"}", "\u{feff}{}", "[{},]"]
    {
        let refused = read(document.as_bytes(), Dialect::Second);
        assert!(matches!(refused, Err(PollError::Json)), "{document}: {refused:?}");
    }
    assert!(matches!(read(b"{\"bye\":\"\xff\"}", Dialect::Second), Err(PollError::Json)));
}

#[test]
fn classic_peers_know_nothing_of_what_came_later() {
    for (document, name) in [
        (r#"{"message-id":"2","seq":0,"status":200}"#, "seq"),
        (r#"{"message-id":"2","status":200,"more":true}"#, "more"),
        (r#"{"message-id":"2","status":200,"body":"","body-encoding":"base64"}"#, "body-encoding"),
        (r#"{"message-id":"2","abort":"failed"}"#, "abort"),
        (r#"{"ack":[]}"#, "ack"),
        (r#"{"bye":""}"#, "bye"),
        ("[]", "an array"),
    ] {
        let refused = read(document.as_bytes(), Dialect::Classic);
        assert!(matches!(refused, Err(PollError::Dialect(what)) if what == name), "{document}");
    }
    let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
    let body = Bytes::from_static(b"\xff");
    let object = Object::Request { id: id("2"), head: Box::new(head), body, more: false };
    let mut document = b"before".to_vec();
    assert_eq!(write(&mut document, &object, Dialect::Classic), Err(PollError::NotText));
    let chunk = Object::Chunk { id: id("2"), seq: 1, body: "a".into(), more: true };
    assert!(write(&mut document, &chunk, Dialect::Classic).is_err());
    assert_eq!(document, b"before");
}

#[test]
fn limits_hold_before_anything_is_kept() {
    let long = " ".repeat(MAX_DOCUMENT + 1);
    assert!(matches!(read(long.as_bytes(), Dialect::Second), Err(PollError::TooLong)));
    for deep in ["[".repeat(MAX_DOCUMENT), "{\"x\":".repeat(MAX_DOCUMENT / 5)] {
        assert!(matches!(read(deep.as_bytes(), Dialect::Second), Err(PollError::Json)));
    }
    let many = format!("[{}{{}}]", "{},".repeat(MAX_OBJECTS));
    assert!(matches!(read(many.as_bytes(), Dialect::Second), Err(PollError::Json)));
    let acks = format!("{{\"ack\":[{}\"2#0\"]}}", "\"2#0\",".repeat(MAX_ENTRIES));
    assert!(matches!(read(acks.as_bytes(), Dialect::Second), Err(PollError::Json)));
    let taken: String = (0..=MAX_ENTRIES).map(|n| format!("\"{n}\":1,")).collect();
    let taken = format!("{{\"taken\":{{{taken}\"x\":1}}}}");
    assert!(matches!(read(taken.as_bytes(), Dialect::Second), Err(PollError::Json)));

    let answer = |headers: &str, body: &str, rest: &str| {
        format!(
            "{{\"message-id\":\"2\",\"status\":200,\"headers\":[{headers}],\"body\":\"{body}\"{rest}}}"
        )
    };
    let lines = "[\"a\",\"b\"],".repeat(MAX_LINK_HEADERS);
    assert!(second(&answer(lines.trim_end_matches(','), "", "")).is_ok());
    assert_eq!(
        second(&answer(&format!("{lines}[\"a\",\"b\"]"), "", "")).map(|_| ()),
        Err(PollError::Json)
    );
    let large = format!("[\"a\",\"{}\"]", "b".repeat(MAX_LINK_HEAD_BYTES));
    let refused = second(&answer(&large, "", "")).map(|_| ());
    assert_eq!(refused, Err(HeadError::Bytes.into()));

    let base64 = ",\"body-encoding\":\"base64\"";
    for (length, encoding, dialect, fits) in [
        (MAX_CHUNK, "", Dialect::Second, true),
        (MAX_CHUNK + 1, "", Dialect::Second, false),
        (MAX_CLASSIC_BODY, "", Dialect::Classic, true),
        (MAX_CLASSIC_BODY + 1, "", Dialect::Classic, false),
        (MAX_CHUNK / 3 * 4, base64, Dialect::Second, true),
        (MAX_CHUNK / 3 * 4 + 4, base64, Dialect::Second, false),
    ] {
        let document = answer("", &"A".repeat(length), encoding);
        let read = one(document.as_bytes(), dialect).map(|_| ());
        assert_eq!(read, if fits { Ok(()) } else { Err(PollError::Body) }, "{length}");
    }
}

#[test]
fn a_body_is_written_as_what_is_shorter() {
    let written = |body: &[u8]| {
        let body = Bytes::copy_from_slice(body);
        written(&Object::Chunk { id: id("2"), seq: 1, body, more: false }, Dialect::Second)
    };
    assert_eq!(
        written("grün".as_bytes()),
        r#"{"message-id":"2","seq":1,"more":false,"body":"grün"}"#
    );
    for bytes in [&b"\xff"[..], b"\0\0\0\0", &"ü".as_bytes()[..1]] {
        assert!(written(bytes).contains("\"body-encoding\":\"base64\""), "{bytes:?}");
    }
    let largest = written(&vec![b'"'; MAX_CHUNK]);
    assert!(largest.len() < MAX_CHUNK.div_ceil(3) * 4 + 100, "{}", largest.len());
}

/// The document that grows most: any object that is written can be read.
#[test]
fn the_largest_head_with_the_largest_body_fits_into_a_document() {
    let (mut head, ()) = Response::new(()).into_parts();
    for _ in 0..MAX_LINK_HEADERS {
        let value =
            HeaderValue::from_bytes(&[0xff; MAX_LINK_HEAD_BYTES / MAX_LINK_HEADERS - 1]).unwrap();
        head.headers.append("x", value);
    }
    let body = Bytes::from(vec![0; MAX_CHUNK]);
    let object = Object::Response { id: id("2"), head: Box::new(head), body, more: true };
    let document = written(&object, Dialect::Second);
    assert_eq!(shape(&second(&document).unwrap()), shape(&object));
    assert!(document.len() < MAX_DOCUMENT / 2, "{}", document.len());
}

fn any_headers() -> impl Strategy<Value = http::HeaderMap> {
    let value = proptest::collection::vec(prop_oneof![b' '..=b'~', 0x80u8..=0xff], 0..12);
    let header = ("[a-z][a-z0-9-]{0,8}", value).prop_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(&value).unwrap())
    });
    proptest::collection::vec(header, 0..6).prop_map(|lines| {
        let mut headers = http::HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

fn any_id() -> impl Strategy<Value = MessageId> {
    "[ -~\u{a0}-\u{ff}]{1,20}".prop_map(|text| id(&text))
}

fn any_body() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Bytes::from),
        "\\PC{0,30}".prop_map(Bytes::from),
    ]
}

fn any_object() -> impl Strategy<Value = Object> {
    let code = proptest::sample::select(&AbortCode::ALL[..]);
    prop_oneof![
        (any_id(), "[A-Z]{1,6}", "/[a-z0-9?%&=]{0,12}", any_headers(), any_body(), any::<bool>())
            .prop_map(|(id, method, uri, headers, body, more)| {
                let (mut head, ()) = Request::new(()).into_parts();
                head.method = method.parse().unwrap();
                head.uri = uri.parse().unwrap();
                head.headers = headers;
                Object::Request { id, head: Box::new(head), body, more }
            }),
        (any_id(), 100u16..1000, any_headers(), any_body(), any::<bool>()).prop_map(
            |(id, status, headers, body, more)| {
                let (mut head, ()) = Response::new(()).into_parts();
                head.status = status.try_into().unwrap();
                head.headers = headers;
                Object::Response { id, head: Box::new(head), body, more }
            }
        ),
        (any_id(), 1u64.., any_body(), any::<bool>())
            .prop_map(|(id, seq, body, more)| Object::Chunk { id, seq, body, more }),
        (any_id(), any::<Option<u64>>(), any::<u64>()).prop_map(|(id, seq, bytes)| Object::Taken {
            id,
            seq,
            bytes
        }),
        (any_id(), any::<Option<u64>>(), code).prop_map(|(id, seq, code)| Object::Abort {
            id,
            seq,
            code
        }),
        (
            proptest::collection::vec((any_id(), any::<u64>()), 0..4),
            proptest::collection::btree_map(any_id(), any::<u64>(), 0..4),
            proptest::collection::vec(any_id(), 0..4)
        )
            .prop_map(|(acks, taken, gone)| {
                let acks = acks.into_iter().map(|(id, seq)| Acknowledgement { id, seq });
                let taken = taken.into_iter().collect();
                Object::Report(Report { acks: acks.collect(), taken, gone })
            }),
        ("[ -~]{0,20}", any::<Option<u32>>()).prop_map(|(sentence, wait)| {
            let retry_after = wait.map(|wait| std::time::Duration::from_secs(wait.into()));
            Object::Bye(Bye { retry_after, sentence })
        }),
    ]
}

proptest! {
    #[test]
    fn an_array_comes_back_as_it_went(objects in proptest::collection::vec(any_object(), 0..5)) {
        let mut document = b"[".to_vec();
        for (place, object) in objects.iter().enumerate() {
            if place > 0 {
                document.push(b',');
            }
            write(&mut document, object, Dialect::Second).unwrap();
        }
        document.push(b']');
        let back = read(&document, Dialect::Second).unwrap();
        prop_assert_eq!(
            back.iter().map(shape).collect::<Vec<_>>(),
            objects.iter().map(shape).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_classic_object_comes_back_or_is_not_written(object in any_object()) {
        let mut document = Vec::new();
        if write(&mut document, &object, Dialect::Classic).is_ok() {
            prop_assert_eq!(shape(&one(&document, Dialect::Classic).unwrap()), shape(&object));
        } else {
            prop_assert!(document.is_empty());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"[\[\]{}:,"a-z0-9#-]{0,80}"#) {
        for dialect in [Dialect::Classic, Dialect::Second] {
            let _ = read(text.as_bytes(), dialect);
        }
    }
}

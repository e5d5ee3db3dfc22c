use std::{collections::HashMap, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::{
    registry::{Reason, Refused},
    tnetstring::{self, TnetstringError, Whole},
    transactions::{AbortCode, Bye, MAX_DATA, Message, TransactionId},
};

const ID: TransactionId = TransactionId(6);

/// Writes a pair as a carrier does.
fn pair(message: &Message, packing: Packing) -> Bytes {
    let mut out = BytesMut::new();
    write_header(&mut out, message, packing).unwrap();
    let body = match message {
        Message::Bye(bye) => Bytes::from(bye.sentence.clone()),
        Message::Open { .. }
        | Message::Head { .. }
        | Message::Data { .. }
        | Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong => body(message).cloned().unwrap_or_default(),
    };
    tnetstring::string(&mut out, &body);
    out.freeze()
}

/// Reads a pair as a carrier does.
fn read_pair(mut bytes: Bytes) -> Result<Frame, WireError> {
    let all = bytes.clone();
    Whole::split(&mut bytes)?;
    let header = all.slice(..all.len() - bytes.len());
    let body = Whole::split(&mut bytes)?.into_string()?;
    assert!(bytes.is_empty());
    read(&header, body)
}

fn again(message: &Message, packing: Packing) -> Frame {
    read_pair(pair(message, packing)).unwrap()
}

/// Shows everything of a message that has to arrive.
fn shown(message: &Message) -> String {
    match message {
        Message::Open { id, head, body, end } => {
            format!("open {id} {} {} {:?} {body:?} {end}", head.method, head.uri, head.headers)
        }
        Message::Head { id, head, body, end } => {
            format!("head {id} {} {:?} {body:?} {end}", head.status, head.headers)
        }
        Message::Data { .. }
        | Message::Abort { .. }
        | Message::Credit { .. }
        | Message::Ping
        | Message::Pong
        | Message::Bye(_) => format!("{message:?}"),
    }
}

fn open(target: &str, headers: &[(&str, &[u8])], body: &[u8], end: bool) -> Message {
    let mut request = Request::get(target).body(()).unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let head = Box::new(request.into_parts().0);
    Message::Open { id: ID, head, body: Bytes::copy_from_slice(body), end }
}

fn head(status: u16, body: &[u8], end: bool) -> Message {
    let response = Response::builder().status(status).header("content-type", "text/plain");
    let head = Box::new(response.body(()).unwrap().into_parts().0);
    Message::Head { id: ID, head, body: Bytes::copy_from_slice(body), end }
}

#[test]
fn a_message_looks_like_this() {
    let host: (&str, &[u8]) = ("host", b"photos.example");
    for (message, bytes) in [
        (
            open("/a?b", &[host], b"", true),
            "113:4:type,7:request,2:id,1:6#3:end,4:true!6:method,3:GET,6:target,4:/a?b,\
             7:headers,29:25:4:host,14:photos.example,]]}0:,",
        ),
        (
            head(200, b"hello", true),
            "103:4:type,8:response,2:id,1:6#3:end,4:true!6:status,3:200#\
             7:headers,34:30:12:content-type,10:text/plain,]]}5:hello,",
        ),
        (
            Message::Data { id: ID, bytes: Bytes::from_static(b"more"), end: false },
            "23:4:type,4:data,2:id,1:6#}4:more,",
        ),
        (
            Message::Data { id: ID, bytes: Bytes::new(), end: true },
            "36:4:type,4:data,2:id,1:6#3:end,4:true!}0:,",
        ),
        (
            Message::Abort { id: ID, code: AbortCode::Cancelled },
            "43:4:type,5:abort,2:id,1:6#4:code,9:cancelled,}0:,",
        ),
        (
            Message::Credit { id: ID, bytes: 131_072 },
            "38:4:type,6:credit,2:id,1:6#1:n,6:131072#}0:,",
        ),
        (Message::Ping, "14:4:type,4:ping,}0:,"),
        (Message::Pong, "14:4:type,4:pong,}0:,"),
        (
            Message::Bye(Bye {
                retry_after: Some(Duration::from_secs(9)),
                sentence: "back soon".to_owned(),
            }),
            "32:4:type,3:bye,11:retry-after,1:9#}9:back soon,",
        ),
    ] {
        let written = pair(&message, Packing::NONE);
        assert_eq!(written, bytes, "{}", String::from_utf8_lossy(&written));
        assert_eq!(shown(&again(&message, Packing::NONE).message), shown(&message));
    }
}

#[test]
fn packing_is_in_the_header() {
    let hash = Hash([7; HASH_BYTES]);
    for (packing, body) in [
        (Packing::NONE, "x"),
        (Packing::Plain { keep: Some(hash) }, "x"),
        (Packing::Zstd { size: 1, keep: None }, "x"),
        (Packing::Zstd { size: MAX_BODY, keep: Some(hash) }, "x"),
        (Packing::Same(hash), ""),
    ] {
        let message =
            Message::Data { id: ID, bytes: Bytes::from_static(body.as_bytes()), end: false };
        assert_eq!(again(&message, packing).packing, packing);
    }
}

#[test]
fn what_is_not_a_message_is_refused() {
    let not = |kind| WireError::Tnetstring(TnetstringError::Not(kind));
    let long_hash = format!("4:same,33:{}", "h".repeat(33));
    let length = "4:type,4:data,2:id,1:6#".len() + long_hash.len() + 1;
    let wrong_hash = format!("{length}:4:type,4:data,2:id,1:6#{long_hash},}}0:,");
    for (bytes, error) in [
        ("0:~0:,", not(tnetstring::Kind::Dictionary)),
        ("0:]0:,", not(tnetstring::Kind::Dictionary)),
        ("0:}0:,", WireError::Missing("type")),
        ("14:4:type,4:pung,}0:,", WireError::Type),
        ("14:4:type,4:ping,}1:x,", WireError::Body),
        ("14:4:type,4:ping,}0:~", not(tnetstring::Kind::String)),
        ("14:4:type,4:data,}1:x,", WireError::Missing("id")),
        ("24:4:type,4:data,2:id,2:-6#}1:x,", WireError::Value("id")),
        ("23:4:type,4:data,2:id,1:6,}1:x,", not(tnetstring::Kind::Integer)),
        ("23:4:type,4:data,2:id,1:6#}0:,", WireError::Body),
        ("33:4:type,6:credit,2:id,1:6#1:n,1:0#}0:,", WireError::Value("n")),
        ("25:4:type,6:credit,2:id,1:6#}0:,", WireError::Missing("n")),
        ("24:4:type,5:abort,2:id,1:6#}0:,", WireError::Missing("code")),
        ("44:4:type,4:data,2:id,1:6#4:zstd,10:1048577000#}1:x,", WireError::Value("zstd")),
        ("34:4:type,4:data,2:id,1:6#4:zstd,1:0#}1:x,", WireError::Value("zstd")),
        (&wrong_hash, WireError::Value("same")),
        ("26:4:type,7:request,2:id,1:6#}0:,", WireError::Missing("method")),
        (
            "59:4:type,7:request,2:id,1:6#6:method,3:GET,6:target,6:a.test,}0:,",
            WireError::Value("target"),
        ),
        (
            "54:4:type,7:request,2:id,1:6#6:method,3:G T,6:target,1:/,}0:,",
            WireError::Value("method"),
        ),
        ("42:4:type,8:response,2:id,1:6#6:status,3:100#}0:,", WireError::Value("status")),
        ("41:4:type,8:response,2:id,1:6#6:status,2:99#}0:,", WireError::Value("status")),
    ] {
        assert_eq!(
            read_pair(Bytes::copy_from_slice(bytes.as_bytes())).unwrap_err(),
            error,
            "{bytes}"
        );
    }
}

#[test]
fn a_header_line_is_a_name_and_a_value() {
    for (line, fine) in [
        (&["host", "a"][..], true),
        (&["Host", "a"], true),
        (&["host"], false),
        (&["host", "a", "b"], false),
        (&["ho st", "a"], false),
        (&["", "a"], false),
        (&[":path", "a"], false),
        (&["host", "a\r\nb: c"], false),
    ] {
        let mut bytes = BytesMut::new();
        tnetstring::dictionary(&mut bytes, |header| {
            header.string(b"type", b"request").integer(b"id", 6);
            header.string(b"method", b"GET").string(b"target", b"/");
            header.list(b"headers", |lines| {
                lines.list(|words| {
                    for word in line {
                        words.string(word.as_bytes());
                    }
                });
            });
        });
        assert_eq!(read(&bytes, Bytes::new()).is_ok(), fine, "{line:?}");
    }
}

#[test]
fn keys_of_a_later_version_are_read_over_but_have_to_be_in_order() {
    let fine = "26:4:type,4:ping,5:later,1:1#}0:,";
    assert!(matches!(
        read_pair(Bytes::from_static(fine.as_bytes())).unwrap().message,
        Message::Ping
    ));
    let bad = "26:4:type,4:ping,5:later,1:x#}0:,";
    assert_eq!(
        read_pair(Bytes::from_static(bad.as_bytes())).unwrap_err(),
        WireError::Tnetstring(TnetstringError::Integer)
    );
}

#[test]
fn the_largest_head_fits_and_a_larger_one_is_not_written() {
    let lines = limits::MAX_HEADERS + 16;
    let room = limits::MAX_HEAD_BYTES + 4096 - "GET/".len();
    let value = "v".repeat(room / lines - "x-000".len());
    let mut request = Request::get("/").body(()).unwrap();
    for number in 0..lines {
        let name: HeaderName = format!("x-{number:03}").parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let (mut head, ()) = request.into_parts();
    let message =
        |head| Message::Open { id: ID, head: Box::new(head), body: Bytes::new(), end: true };
    let bytes = pair(&message(head.clone()), Packing::NONE);
    assert!(bytes.len() < MAX_HEADER);
    assert_eq!(shown(&read_pair(bytes).unwrap().message), shown(&message(head.clone())));

    head.headers.append("one-more", HeaderValue::from_static(""));
    let bytes = pair(&message(head.clone()), Packing::NONE);
    assert_eq!(read_pair(bytes).unwrap_err(), WireError::Head);

    head.headers.insert("long", "v".repeat(MAX_HEADER).parse().unwrap());
    let mut out = BytesMut::from(&b"before"[..]);
    assert_eq!(write_header(&mut out, &message(head), Packing::NONE), Err(WireError::Head));
    assert_eq!(out, "before");
}

#[test]
fn a_hello_and_its_answers_come_through() {
    let hellos = [
        Hello::default(),
        Hello { asks: true, ident: "veranda-peer/1".to_owned(), ..Hello::default() },
        Hello {
            ident: "veranda-peer/1".to_owned(),
            user: Some("Zoë".to_owned()),
            token: Some(Token::new("a.b.c")),
            label: Some("photos".parse().unwrap()),
            asks: false,
            compress: true,
            dedupe: Some(1 << 20),
        },
    ];
    for hello in hellos {
        let (header, body) = halves(hello.to_pair());
        assert_eq!(Hello::read(&header, &body).unwrap(), hello);
        assert!(!format!("{hello:?}").contains("a.b.c"), "a proof is not printed");
    }
    let answers = [
        Answer::Allowed(Welcome {
            ident: "veranda-gateway/1".to_owned(),
            compress: true,
            dedupe: 4 << 20,
            sentence: "Welcome.".to_owned(),
        }),
        Answer::Denied(Denial {
            status: StatusCode::SERVICE_UNAVAILABLE,
            refused: Refused { reason: Reason::Busy, sentence: "no room".to_owned() },
            retry_after: Some(Duration::from_secs(5)),
        }),
    ];
    for answer in answers {
        let (header, body) = halves(answer.to_pair());
        assert_eq!(Answer::read(&header, &body).unwrap(), answer);
    }
}

fn halves(mut bytes: Bytes) -> (Bytes, Bytes) {
    let all = bytes.clone();
    Whole::split(&mut bytes).unwrap();
    let header = all.slice(..all.len() - bytes.len());
    (header, Whole::split(&mut bytes).unwrap().into_string().unwrap())
}

#[test]
fn only_an_explicit_yes_is_one() {
    let answer = |header: &'static str| Answer::read(header.as_bytes(), b"go\x07 away");
    let Answer::Denied(denial) = answer("0:}").unwrap() else { panic!("that was no yes") };
    assert_eq!(denial.refused.sentence, "go  away");
    assert_eq!(denial.refused.reason, Reason::NotAdmitted);
    assert_eq!(denial.status, StatusCode::FORBIDDEN);
    // What the seed's own program writes.
    assert!(matches!(answer("18:7:allowed,5:false!}"), Ok(Answer::Denied(_))));
    assert_eq!(answer("17:7:allowed,4:true!}"), Err(WireError::Version));
    assert_eq!(
        answer("33:7:allowed,4:true!7:version,3:0.1,}x"),
        Err(WireError::Tnetstring(TnetstringError::Trailing))
    );
    assert_eq!(answer("33:7:allowed,4:true!7:version,3:0.1,}"), Err(WireError::Version));
}

#[test]
fn reasons_have_the_names_that_they_have_in_json() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        assert_eq!(Reason::read(reason.name()), reason);
    }
    assert_eq!(Reason::read("of a later version"), Reason::Unknown);
}

fn any_lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof!["[a-z][a-z0-9-]{0,12}", Just("set-cookie".to_owned())];
    let byte = prop_oneof![0x20u8..=0x7e, 0x80u8..=0xff, Just(b'\t')];
    let value = proptest::collection::vec(byte, 0..40);
    proptest::collection::vec((name, value), 0..20)
}

fn any_message() -> impl Strategy<Value = Message> {
    let body = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let id = (1..=u64::from(u32::MAX)).prop_map(TransactionId);
    let with_lines = |headers: &mut http::HeaderMap, lines: Vec<(String, Vec<u8>)>| {
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
    };
    let open = (
        "[A-Z]{1,8}",
        "/[!-~&&[^#\"<>`{}|\\\\^]]{0,30}",
        any_lines(),
        id.clone(),
        body.clone(),
        any::<bool>(),
    )
        .prop_map(move |(method, target, lines, id, body, end)| {
            let request = Request::builder().method(method.as_str()).uri(target).body(()).unwrap();
            let (mut head, ()) = request.into_parts();
            with_lines(&mut head.headers, lines);
            Message::Open { id, head: Box::new(head), body, end }
        });
    let status = prop_oneof![Just(101u16), 200u16..=599];
    let head = (status, any_lines(), id.clone(), body.clone(), any::<bool>()).prop_map(
        move |(status, lines, id, body, end)| {
            let (mut head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
            with_lines(&mut head.headers, lines);
            Message::Head { id, head: Box::new(head), body, end }
        },
    );
    let data = (id.clone(), body, any::<bool>()).prop_map(|(id, bytes, end)| {
        let end = end || bytes.is_empty();
        Message::Data { id, bytes, end }
    });
    let code = proptest::sample::select(AbortCode::ALL.to_vec());
    let abort = (id.clone(), code).prop_map(|(id, code)| Message::Abort { id, code });
    let credit = (id, 1..=u32::MAX).prop_map(|(id, bytes)| Message::Credit { id, bytes });
    let wait = proptest::option::of((0u64..3600).prop_map(Duration::from_secs));
    let bye = (wait, "[a-zé ]{0,30}").prop_map(|(retry_after, sentence)| {
        Message::Bye(Bye { retry_after, sentence: sentence.trim().to_owned() })
    });
    prop_oneof![open, head, data, abort, credit, Just(Message::Ping), Just(Message::Pong), bye]
}

proptest! {
    #[test]
    fn every_message_comes_through(message in any_message()) {
        let frame = again(&message, Packing::NONE);
        prop_assert_eq!(shown(&frame.message), shown(&message));
        prop_assert_eq!(frame.packing, Packing::NONE);
    }

    #[test]
    fn damaged_messages_are_errors_and_nothing_worse(
        message in any_message(),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = pair(&message, Packing::NONE).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut rest = Bytes::from(bytes);
        let all = rest.clone();
        if Whole::split(&mut rest).is_ok() {
            let header = all.slice(..all.len() - rest.len());
            if let Ok(body) = Whole::split(&mut rest).and_then(Whole::into_string) {
                let _ = read(&header, body);
            }
        }
    }

    /// Two ends that do the same in the same order always hold the same, and never more than they may.
    #[test]
    fn both_ends_keep_the_same(
        capacity in 0usize..20_000,
        pieces in proptest::collection::vec((0u8..40, 1usize..MAX_DATA / 16), 0..300),
    ) {
        let mut sender = Mirror::<()>::new(capacity);
        let mut receiver = Mirror::<Vec<u8>>::new(capacity);
        let mut sizes = HashMap::new();
        for (name, size) in pieces {
            // A name always stands for the same bytes.
            let size = *sizes.entry(name).or_insert(size);
            let bytes = vec![name; size];
            let hash = Hash([name; HASH_BYTES]);
            if sender.recall(&hash).is_some() {
                prop_assert_eq!(receiver.recall(&hash), Some(&bytes));
            } else if sender.keep(hash, size, ()) {
                prop_assert!(receiver.keep(hash, size, bytes));
            } else {
                prop_assert!(size + ENTRY_COST > capacity);
            }
            prop_assert_eq!(sender.used(), receiver.used());
            prop_assert!(receiver.used() <= capacity);
        }
    }
}

#[test]
fn the_least_recently_used_goes_first() {
    let name = |name| Hash([name; HASH_BYTES]);
    let mut mirror = Mirror::new(3 * (100 + ENTRY_COST));
    for piece in 1..=3 {
        assert!(mirror.keep(name(piece), 100, piece));
    }
    assert!(mirror.recall(&name(1)).is_some());
    assert!(mirror.keep(name(4), 100, 4));
    assert_eq!(mirror.recall(&name(2)), None);
    assert!([1, 3, 4].iter().all(|piece| mirror.recall(&name(*piece)).is_some()));
    assert!(!mirror.keep(name(4), 100, 4), "it is there");
    assert!(!mirror.keep(name(5), 3 * (100 + ENTRY_COST), 5), "it never fits");
    assert_eq!(mirror.used(), 3 * (100 + ENTRY_COST));
}

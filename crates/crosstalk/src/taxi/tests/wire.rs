//! The messages of a link.

use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, request, response};
use proptest::prelude::*;

use super::*;
use crate::{
    limits::STREAM_WINDOW,
    object::ObjectError,
    taxi::wire::{MAX_MESSAGE, Wire, WireError},
    transactions::{AbortCode, Bye, MAX_DATA, Message, Numbers, TransactionId},
};

const GATEWAY: Numbers = Numbers::Even;
const PEER: Numbers = Numbers::Odd;

fn request_head() -> Box<request::Parts> {
    let request = Request::get("/a?b").header("host", "a.example").body(()).unwrap();
    Box::new(request.into_parts().0)
}

fn response_head() -> Box<response::Parts> {
    Box::new(Response::builder().status(404).body(()).unwrap().into_parts().0)
}

fn id(number: u64) -> TransactionId {
    TransactionId(number)
}

/// Shows a message in full.
fn shown(message: &Message) -> String {
    format!("{message:?}")
}

fn read(ours: Numbers, message: impl AsRef<[u8]>) -> Result<String, WireError> {
    Wire::new(ours).read(&Bytes::copy_from_slice(message.as_ref())).map(|read| shown(&read))
}

/// Sends a message from one end to the other, and returns the bytes.
fn there(from: Numbers, to: Numbers, message: &Message) -> String {
    let bytes = Wire::new(from).write(message.clone()).unwrap();
    assert!(bytes.len() <= MAX_MESSAGE);
    assert_eq!(read(to, &bytes), Ok(shown(message)));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn each_message_has_its_form() {
    let data = |number, bytes: &'static str, end| Message::Data {
        id: id(number),
        bytes: Bytes::from_static(bytes.as_bytes()),
        end,
    };
    let bye = Bye { retry_after: Some(Duration::from_secs(30)), sentence: "restart".to_owned() };
    for (from, to, message, expected) in [
        (GATEWAY, PEER, data(4, "abc", false), "c=data,d=q,p=23,t=4;abc"),
        (PEER, GATEWAY, data(4, "abc", false), "c=data,d=r,p=23,t=4;abc"),
        (PEER, GATEWAY, data(3, "abc", true), "c=end,d=q,p=22,t=3;abc"),
        (GATEWAY, PEER, data(3, "", true), "c=end,d=r,p=19,t=3;"),
        (
            GATEWAY,
            PEER,
            Message::Abort { id: id(6), code: AbortCode::TimedOut },
            "c=abort,p=26,t=6;timed-out",
        ),
        (PEER, GATEWAY, Message::Credit { id: id(6), bytes: 131_072 }, "c=credit,p=24,t=6;131072"),
        (GATEWAY, PEER, Message::Ping, "c=ping,p=12;"),
        (PEER, GATEWAY, Message::Pong, "c=pong,p=12;"),
        (GATEWAY, PEER, Message::Bye(bye), r#"c=bye,p=50;{"retry-after":30,"sentence":"restart"}"#),
        (GATEWAY, PEER, Message::Bye(Bye::default()), "c=bye,p=13;{}"),
        (
            PEER,
            GATEWAY,
            Message::Head { id: id(2), head: response_head(), body: Bytes::new(), end: false },
            r#"c=response,p=63,t=2;{"headers":[],"statuscode":"404 Not Found"}"#,
        ),
        (
            PEER,
            GATEWAY,
            Message::Head { id: id(2), head: response_head(), body: "no".into(), end: true },
            r#"c=response,e=1,h=43,p=74,t=2;{"headers":[],"statuscode":"404 Not Found"}no"#,
        ),
    ] {
        let bytes = there(from, to, &message);
        assert_eq!(bytes, expected);
        assert!(bytes.contains(&format!("p={}", bytes.len())), "{bytes}");
    }
    let open = Message::Open { id: id(2), head: request_head(), body: Bytes::new(), end: true };
    let bytes = there(GATEWAY, PEER, &open);
    assert!(bytes.starts_with("c=request,e=1,p="), "{bytes}");
    assert!(bytes.contains(",t=2;{\"") && bytes.contains(r#""REQUEST_URI":"/a?b""#), "{bytes}");
    let open = Message::Open { id: id(3), head: request_head(), body: "x".into(), end: false };
    assert!(there(PEER, GATEWAY, &open).starts_with("c=request,h="));
}

#[test]
fn the_page_shows_an_answer_as_it_is_written() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/taxi.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown = page.lines().find(|line| line.starts_with("c=response,e=1")).unwrap();
    let message = Wire::new(GATEWAY).read(&Bytes::copy_from_slice(shown.as_bytes())).unwrap();
    assert_eq!(there(PEER, GATEWAY, &message), shown);
}

#[test]
fn the_largest_messages_fit() {
    let body = Bytes::from(vec![b'"'; STREAM_WINDOW as usize]);
    let mut head = request_head();
    head.method = Method::POST;
    let name = HeaderValue::from_bytes(&[0xff; 60_000]).unwrap();
    head.headers.append("a", name);
    there(GATEWAY, PEER, &Message::Open { id: id(u64::MAX - 1), head, body, end: false });
    let bytes = Bytes::from(vec![0; MAX_DATA]);
    there(PEER, GATEWAY, &Message::Data { id: id(u64::MAX - 1), bytes, end: false });
}

#[test]
fn a_simple_partner_may_say_each_thing_by_itself() {
    let head = shown(&Message::Head {
        id: id(2),
        head: Box::new(Response::new(()).into_parts().0),
        body: Bytes::new(),
        end: false,
    });
    assert_eq!(read(GATEWAY, r#"t=2,c=response;{"statuscode":200,"headers":[]}"#), Ok(head));
    let end = shown(&Message::Data { id: id(2), bytes: Bytes::new(), end: true });
    assert_eq!(read(GATEWAY, " c = end , d = r, t=2 ;"), Ok(end));
    assert_eq!(read(PEER, "a=gate,s={b,c},x=1,c=ping;"), Ok(shown(&Message::Ping)));
    assert_eq!(read(PEER, "c=bye;"), Ok(shown(&Message::Bye(Bye::default()))));
}

#[test]
fn a_bye_says_nothing_that_cannot_be_shown() {
    let Ok(Message::Bye(bye)) = Wire::new(PEER).read(&Bytes::from(format!(
        r#"c=bye;{{"retry-after":18446744073709551615,"sentence":"a\nb{}","url":"x"}}"#,
        "c".repeat(1000),
    ))) else {
        panic!("no bye");
    };
    assert_eq!(bye.retry_after, Some(Duration::from_secs(3600)));
    assert!(bye.sentence.starts_with("a bccc") && bye.sentence.len() == 300, "{}", bye.sentence);
}

#[test]
fn a_link_is_strict() {
    use WireError::{Body, Command, Key, Missing, Object, Taxi};
    let over = format!("c=data,d=r,t=2;{}", "x".repeat(MAX_DATA + 1));
    for (message, expected) in [
        ("hello", Taxi(TaxiError::NoEnd)),
        ("c=ping,p=5;", Taxi(TaxiError::Length)),
        (";", Command),
        ("c=hello;", Command),
        ("c=Ping;", Command),
        ("c=text,t=1,u=jim;hey", Key("u")),
        ("c=ping,g=*;", Key("u")),
        ("c=ping,t=2;", Key("t")),
        ("c=ping;x", Body),
        ("c=ping,d=q;", Key("d")),
        ("c=ping,h=1;", Key("h")),
        ("c=data,d=r;x", Missing("t")),
        ("c=data,d=r,t=x;x", Key("t")),
        ("c=data,d=r,t=02;x", Key("t")),
        ("c=data,d=r,t=18446744073709551616;x", Key("t")),
        ("c=data,t=2;x", Missing("d")),
        ("c=data,d=q,t=2;x", Key("d")),
        ("c=data,d=r,t=3;x", Key("d")),
        ("c=data,d={q,r},t=2;x", Key("d")),
        ("c=data,d=r,e=1,t=2;x", Key("e")),
        ("c=data,d=r,t=2;", Body),
        (&over, Body),
        ("c=credit,t=2;", Body),
        ("c=credit,t=2;-1", Body),
        ("c=credit,t=2;4294967296", Body),
        ("c=credit,t=2;\u{663}", Body),
        ("c=bye;hello", Body),
        ("c=bye;[]x", Body),
        ("c=response,t=2;", Object(ObjectError::NotAnObject)),
        ("c=response,t=2;{}", Object(ObjectError::Missing("statuscode"))),
        ("c=response,e=0,t=2;{\"statuscode\":200}", Key("e")),
        ("c=response,h=1000,t=2;{\"statuscode\":200}", Key("h")),
        ("c=response,h=-1,t=2;{\"statuscode\":200}", Key("h")),
        ("c=response,h=1,t=2;{\"statuscode\":200}", Object(ObjectError::NotAnObject)),
        ("c=response,d=r,t=2;{\"statuscode\":200}", Key("d")),
        ("c=request,t=2;{\"REQUEST_METHOD\":\"GET\"}", Object(ObjectError::Missing("REQUEST_URI"))),
    ] {
        assert_eq!(read(GATEWAY, message), Err(expected), "{message}");
    }
    assert_eq!(read(GATEWAY, b"c=abort,t=2;\xff"), Err(Body));
    let unknown = shown(&Message::Abort { id: id(2), code: AbortCode::Failed });
    assert_eq!(read(GATEWAY, "c=abort,t=2;something new"), Ok(unknown));
}

#[test]
fn what_cannot_be_written_is_said() {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::OK;
    let long = HeaderValue::from_str(&"x".repeat(70_000)).unwrap();
    head.headers.append("a", long);
    let message = Message::Head { id: id(2), head: Box::new(head), body: Bytes::new(), end: true };
    assert!(matches!(Wire::new(PEER).write(message), Err(WireError::Object(_))));
}

/// A head that cannot be written would end the link, and a visitor chooses the target.
fn check_target(target: &[u8]) -> Result<(), TestCaseError> {
    // As a server reads it, and as it goes onto a link: in origin form.
    let Ok(uri) = http::Uri::try_from(target) else { return Ok(()) };
    let Some(path) = uri.path_and_query() else { return Ok(()) };
    let mut head = request_head();
    head.uri = http::Uri::from(path.clone());
    let expected = head.uri.clone();
    let open = Message::Open { id: id(2), head, body: Bytes::new(), end: true };
    let Ok(written) = Wire::new(GATEWAY).write(open) else {
        return Err(TestCaseError::fail(format!("{expected:?}")));
    };
    match Wire::new(PEER).read(&written) {
        Ok(Message::Open { head, .. }) => prop_assert_eq!(head.uri, expected),
        other => return Err(TestCaseError::fail(format!("{expected:?} became {other:?}"))),
    }
    Ok(())
}

#[test]
fn strange_targets_are_carried() {
    for target in ["*", "/", "//", "//a/b", "/?", "/??", "/a?b=c?d", "/%00%ff", "/\"{}|^`<>", "/#a"]
    {
        check_target(target.as_bytes()).unwrap();
    }
    check_target(&[b"/".as_slice(), &[b'a'; 65_000]].concat()).unwrap();
}

proptest! {
    #[test]
    fn any_target_that_a_server_reads_is_carried(
        rest in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "[/?#%a{}\"|:@\\\\ü]{0,20}".prop_map(String::into_bytes),
        ],
    ) {
        check_target(&[b"/".as_slice(), &rest].concat())?;
    }

    #[test]
    fn bodies_pass_unchanged(
        number in any::<u64>(),
        gateway in any::<bool>(),
        end in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..300),
        kind in 0..3,
    ) {
        let (from, to) = if gateway { (GATEWAY, PEER) } else { (PEER, GATEWAY) };
        let (id, bytes) = (id(number), Bytes::from(bytes));
        let message = match kind {
            0 => Message::Data { id, bytes, end },
            1 => Message::Open { id, head: request_head(), body: bytes, end },
            _ => Message::Head { id, head: response_head(), body: bytes, end },
        };
        there(from, to, &message);
    }
}

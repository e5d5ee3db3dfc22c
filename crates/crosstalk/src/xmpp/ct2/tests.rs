//! Each rule of its own, and whole links in simulated time.

mod properties;
mod simulation;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request, response};

use super::*;
use crate::transactions::{AbortCode, Bye, Message, Numbers, TransactionId};

const EVERYTHING: Room = Room { head: true, body: Some(MAX_CHUNK) };

fn settings(numbers: Numbers) -> Settings {
    Settings { numbers, chunk: 1000, max_payload: 4000 }
}

fn gateway() -> Codec {
    Codec::new(settings(Numbers::Even))
}

fn peer() -> Codec {
    Codec::new(settings(Numbers::Odd))
}

fn request() -> Box<request::Parts> {
    Box::new(Request::new(()).into_parts().0)
}

fn response() -> Box<response::Parts> {
    Box::new(Response::new(()).into_parts().0)
}

fn bytes(length: usize) -> Bytes {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn open(number: u64, length: usize, end: bool) -> Message {
    Message::Open { id: TransactionId(number), head: request(), body: bytes(length), end }
}

fn head(number: u64, length: usize, end: bool) -> Message {
    Message::Head { id: TransactionId(number), head: response(), body: bytes(length), end }
}

fn data(number: u64, length: usize, end: bool) -> Message {
    Message::Data { id: TransactionId(number), bytes: bytes(length), end }
}

fn abort(number: u64, code: AbortCode) -> Message {
    Message::Abort { id: TransactionId(number), code }
}

fn credit(number: u64, bytes: u32) -> Message {
    Message::Credit { id: TransactionId(number), bytes }
}

fn stanzas(codec: &mut Codec) -> Vec<Stanza> {
    std::iter::from_fn(|| codec.poll_stanza(EVERYTHING)).collect()
}

/// Carries everything from one to the other.
fn carry(from: &mut Codec, to: &mut Codec) {
    for stanza in stanzas(from) {
        to.receive(stanza).unwrap();
    }
}

fn settle(left: &mut Codec, right: &mut Codec) {
    while !left.is_idle() || !right.is_idle() {
        carry(left, right);
        carry(right, left);
    }
}

/// Shows what came without heads.
fn came(codec: &mut Codec) -> Vec<String> {
    let show = |message| match message {
        Message::Open { id, body, end, .. } => format!("open {id} {} {end}", body.len()),
        Message::Head { id, body, end, .. } => format!("head {id} {} {end}", body.len()),
        Message::Data { id, bytes, end } => format!("data {id} {} {end}", bytes.len()),
        Message::Abort { id, code } => format!("abort {id} {code}"),
        Message::Credit { id, bytes } => format!("credit {id} {bytes}"),
        Message::Ping => "ping".to_owned(),
        Message::Pong => "pong".to_owned(),
        Message::Bye(bye) => format!("bye {}", bye.sentence),
    };
    std::iter::from_fn(|| codec.poll_message()).map(show).collect()
}

fn part(number: u64, seq: u64) -> Place {
    Place::Part { number, seq }
}

/// A gateway that has opened number 2, and a peer that knows of it.
fn opened(end: bool) -> (Codec, Codec) {
    let (mut gateway, mut peer) = (gateway(), peer());
    gateway.write(open(2, 0, end));
    settle(&mut gateway, &mut peer);
    assert_eq!(came(&mut peer), [format!("open 2 0 {end}")]);
    (gateway, peer)
}

#[test]
fn a_small_body_rides_along_and_a_large_one_is_cut_into_chunks() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 900, true));
    settle(&mut peer, &mut gateway);
    assert_eq!(came(&mut gateway), ["head 2 900 true"]);

    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, SMALL_BODY + 1, true));
    carry(&mut peer, &mut gateway);
    let mut expected = vec!["head 2 0 false".to_owned()];
    expected.extend((0..6).map(|_| "data 2 1000 false".to_owned()));
    expected.push("data 2 145 true".to_owned());
    assert_eq!(came(&mut gateway), expected);
}

#[test]
fn crumbs_that_wait_leave_together() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 0, false));
    for length in [1, 2, 1500, 3] {
        peer.write(data(2, length, false));
    }
    peer.write(data(2, 0, true));
    carry(&mut peer, &mut gateway);
    let expected = ["head 2 0 false", "data 2 1000 false", "data 2 506 true"];
    assert_eq!(came(&mut gateway), expected);
}

#[test]
fn a_chunk_is_answered_when_credit_covers_it_and_the_rest_is_carried_on() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 300, false));
    peer.write(data(2, 2500, false));
    carry(&mut peer, &mut gateway);
    assert!(stanzas(&mut gateway).is_empty(), "nothing is read yet");
    gateway.write(credit(2, 1200));
    assert_eq!(stanzas(&mut gateway), [Stanza::Result(part(2, 0))]);
    // 900 are left of it.
    gateway.write(credit(2, 100));
    assert_eq!(stanzas(&mut gateway), [Stanza::Result(part(2, 1))]);
    gateway.write(credit(2, 1500));
    for stanza in stanzas(&mut gateway) {
        peer.receive(stanza).unwrap();
    }
    peer.receive(Stanza::Result(part(2, 0))).unwrap();
    peer.receive(Stanza::Result(part(2, 1))).unwrap();
    assert_eq!(came(&mut peer), ["credit 2 1000", "credit 2 500", "credit 2 300", "credit 2 1000"]);
    // Answers that were given already, or to what was never sent, give nothing.
    peer.receive(Stanza::Result(part(2, 1))).unwrap();
    peer.receive(Stanza::Result(part(2, 9))).unwrap();
    peer.receive(Stanza::Result(part(8, 1))).unwrap();
    assert!(came(&mut peer).is_empty());
}

#[test]
fn the_end_of_a_body_is_answered_at_once() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 0, false));
    peer.write(data(2, 2500, true));
    carry(&mut peer, &mut gateway);
    let answers: Vec<Stanza> = (0..=3).map(|seq| Stanza::Result(part(2, seq))).collect();
    assert_eq!(stanzas(&mut gateway), answers);
}

#[test]
fn heads_overtake_bodies_and_bodies_take_turns() {
    let mut peer = peer();
    for number in [2, 4, 6] {
        peer.receive(Stanza::Set(Payload::Request(Head {
            number,
            json: "{\"REQUEST_METHOD\":\"GET\",\"REQUEST_URI\":\"/\"}".to_owned(),
            body: Bytes::new(),
            last: true,
        })))
        .unwrap();
    }
    peer.write(head(2, 0, false));
    peer.write(data(2, 3000, false));
    peer.write(head(4, 0, false));
    peer.write(data(4, 3000, false));
    stanzas_until_bodies(&mut peer);
    peer.write(head(6, 0, true));
    let mut order = Vec::new();
    while let Some(Stanza::Set(payload)) = peer.poll_stanza(EVERYTHING) {
        order.push(payload.place());
    }
    let expected = [(6, 0), (2, 1), (4, 1), (2, 2), (4, 2), (2, 3), (4, 3)];
    assert_eq!(order, expected.map(|(number, seq)| part(number, seq)));
}

/// Takes answers and heads.
fn stanzas_until_bodies(codec: &mut Codec) {
    while codec.poll_stanza(Room { head: true, body: None }).is_some() {}
}

#[test]
fn without_room_only_answers_and_aborts_leave() {
    let (mut gateway, _) = opened(false);
    gateway.write(data(2, 10, false));
    gateway.write(open(4, 0, true));
    gateway.write(Message::Bye(Bye::default()));
    assert!(gateway.has_heads() && gateway.has_bodies() && !gateway.is_idle());
    assert!(gateway.poll_stanza(Room::default()).is_none());
    gateway.write(abort(2, AbortCode::Cancelled));
    let signal = Signal::Shutdown(AbortCode::Cancelled);
    let sent = gateway.poll_stanza(Room::default());
    assert_eq!(sent, Some(Stanza::Set(Payload::Signal { number: 2, signal })));
    // What was opened before the bye leaves before it.
    let left: Vec<Place> = stanzas(&mut gateway)
        .into_iter()
        .map(|stanza| match stanza {
            Stanza::Set(payload) => payload.place(),
            Stanza::Result(place) | Stanza::Error(place, _) => place,
        })
        .collect();
    assert_eq!(left, [part(4, 0), Place::Bye]);
}

#[test]
fn what_never_left_needs_no_abort() {
    let mut gateway = gateway();
    gateway.write(open(2, 10, false));
    gateway.write(abort(2, AbortCode::Cancelled));
    assert!(stanzas(&mut gateway).is_empty() && gateway.is_idle());
}

#[test]
fn an_abort_behind_a_response_takes_nothing_of_it() {
    for length in [0, 3000] {
        let (mut gateway, mut peer) = opened(false);
        peer.write(head(2, length, true));
        peer.write(abort(2, AbortCode::Cancelled));
        carry(&mut peer, &mut gateway);
        let came = came(&mut gateway);
        assert!(came[came.len() - 2].ends_with("true"), "{came:?}");
        assert_eq!(came.last().unwrap(), "abort 2 cancelled");
    }
}

#[test]
fn a_gap_a_duplicate_and_a_body_before_its_head_end_that_transaction_on_both_ends() {
    let chunk = |seq| Stanza::Set(Payload::Data { number: 2, seq, bytes: bytes(5), last: false });
    for wrong in [1_u64, 3] {
        let (mut gateway, mut peer) = opened(true);
        peer.write(head(2, 0, false));
        peer.write(data(2, 5, false));
        carry(&mut peer, &mut gateway);
        came(&mut gateway);
        gateway.receive(chunk(wrong)).unwrap();
        assert_eq!(came(&mut gateway), ["abort 2 failed"]);
        carry(&mut gateway, &mut peer);
        assert!(came(&mut peer).iter().any(|came| came.starts_with("abort 2 ")));
        // What was on its way is told that nobody wants it.
        gateway.receive(chunk(2)).unwrap();
        assert_eq!(stanzas(&mut gateway), [Stanza::Error(part(2, 2), Condition::NotFound)]);
        assert!(came(&mut gateway).is_empty());
    }
    let (mut gateway, _) = opened(true);
    gateway.receive(chunk(1)).unwrap();
    assert_eq!(came(&mut gateway), ["abort 2 failed"]);
}

#[test]
fn a_refused_chunk_ends_that_transaction_on_both_ends() {
    let answers = [(Condition::NotFound, "cancelled"), (Condition::Other, "failed")];
    for (condition, code) in answers {
        let (mut gateway, mut peer) = opened(true);
        peer.write(head(2, 0, false));
        peer.write(data(2, 1000, true));
        let sent = stanzas(&mut peer);
        assert_eq!(sent.len(), 2);
        gateway.receive(sent[0].clone()).unwrap();
        came(&mut gateway);
        // The body's end is on the way and the transaction over, as far as this end said everything.
        peer.receive(Stanza::Error(part(2, 1), condition)).unwrap();
        assert_eq!(came(&mut peer), [format!("abort 2 {code}")]);
        carry(&mut peer, &mut gateway);
        assert_eq!(came(&mut gateway), [format!("abort 2 {code}")]);
    }
    let (_, mut peer) = opened(true);
    peer.write(head(2, 0, false));
    stanzas(&mut peer);
    let gone = peer.receive(Stanza::Error(part(2, 0), Condition::Unavailable));
    assert_eq!(gone, Err(LinkError::Gone));
}

#[test]
fn a_head_that_no_stanza_takes_is_refused_before_it_leaves() {
    let mut large = request();
    large.headers.insert("x", "v".repeat(3000).parse().unwrap());
    let mut gateway = gateway();
    let id = TransactionId(2);
    gateway.write(Message::Open { id, head: large, body: Bytes::new(), end: true });
    assert_eq!(came(&mut gateway), ["abort 2 too-large"]);
    assert!(stanzas(&mut gateway).is_empty());

    let (mut gateway, mut peer) = opened(true);
    let mut large = response();
    large.headers.insert("x", "v".repeat(5000).parse().unwrap());
    peer.write(Message::Head { id, head: large, body: Bytes::new(), end: true });
    assert_eq!(came(&mut peer), ["abort 2 failed"]);
    carry(&mut peer, &mut gateway);
    assert_eq!(came(&mut gateway), ["abort 2 failed"]);
}

#[test]
fn signals_of_the_first_crosstalk_are_understood() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 5, false));
    carry(&mut peer, &mut gateway);
    let finished = Signal::parse("{\"signal\":\"producerFinished\",\"batch\":\"2\"}").unwrap();
    gateway.receive(Stanza::Set(Payload::Signal { number: 2, signal: finished })).unwrap();
    assert_eq!(came(&mut gateway), ["head 2 5 false", "data 2 0 true"]);
    let shutdown = Signal::parse("{\"signal\":\"shutdownMicroprocess\"}");
    assert_eq!(shutdown, Ok(Signal::Shutdown(AbortCode::Cancelled)));
    for code in AbortCode::ALL {
        let signal = Signal::Shutdown(code);
        assert_eq!(Signal::parse(&signal.to_json()), Ok(signal));
    }
    for bad in ["", "[]", "{}", "{\"signal\":1}", "{\"signal\":\"userLoggedOut\"}"] {
        assert_eq!(Signal::parse(bad), Err(LinkError::Value("signal")));
    }
}

#[test]
fn pings_are_answered_whatever_waits_and_tell_of_life() {
    let (mut gateway, mut peer) = opened(true);
    peer.write(head(2, 0, false));
    peer.write(data(2, 3000, false));
    let Stanza::Set(Payload::Ping { number, .. }) = gateway.ping(bytes(3)) else { panic!() };
    peer.receive(Stanza::Set(Payload::Ping { number, padding: bytes(3) })).unwrap();
    assert_eq!(peer.poll_stanza(Room::default()), Some(Stanza::Result(Place::Ping(number))));
    gateway.receive(Stanza::Result(Place::Ping(number))).unwrap();
    assert_eq!(gateway.poll_pong(), Some(number));
    assert_eq!(came(&mut gateway), ["pong"]);
    // To pings that were never sent there are no answers.
    gateway.receive(Stanza::Result(Place::Ping(9))).unwrap();
    assert_eq!(gateway.poll_pong(), None);
    // Nor a second answer to the same.
    gateway.receive(Stanza::Result(Place::Ping(number))).unwrap();
    assert!(gateway.poll_pong().is_none() && came(&mut gateway).is_empty());
    let unknown = gateway.receive(Stanza::Error(Place::Ping(1), Condition::NotFound));
    assert_eq!(unknown, Err(LinkError::Gone));
}

#[test]
fn what_is_lost_on_the_way_ends_the_link() {
    // Nobody says so when a connection between servers breaks with stanzas in it, and for the answers
    // to a body's parts their sender would wait for ever.
    let ping = |number| Stanza::Set(Payload::Ping { number, padding: Bytes::new() });
    let mut gateway = gateway();
    // The one that the multiplexer asked for leaves in order, too.
    gateway.write(Message::Ping);
    assert_eq!(gateway.ping(Bytes::new()), ping(1));
    assert_eq!(stanzas(&mut gateway), [ping(2)]);
    assert_eq!(gateway.ping(Bytes::new()), ping(3));
    assert_eq!(gateway.receive(Stanza::Result(Place::Ping(1))), Ok(()));
    assert_eq!(gateway.receive(Stanza::Result(Place::Ping(3))), Err(LinkError::Lost));
    let lost = Err(LinkError::Lost);
    for (numbers, end) in [([1, 3], lost), ([1, 2], Ok(())), ([1, 1], lost)] {
        let mut peer = peer();
        assert_eq!(peer.receive(ping(numbers[0])), Ok(()));
        assert_eq!(peer.receive(ping(numbers[1])), end);
    }
}

#[test]
fn who_breaks_the_rules_ends_the_link() {
    let request = |number, json: &str, length| {
        Stanza::Set(Payload::Request(Head {
            number,
            json: json.to_owned(),
            body: bytes(length),
            last: true,
        }))
    };
    let good = "{\"REQUEST_METHOD\":\"GET\",\"REQUEST_URI\":\"/\"}";
    let mut peer = peer();
    assert_eq!(peer.receive(request(3, good, 0)), Err(LinkError::Number));
    assert_eq!(peer.receive(request(0, good, 0)), Err(LinkError::Number));
    assert_eq!(peer.receive(request(4, good, 1000)), Ok(()));
    assert_eq!(peer.receive(request(4, good, 0)), Err(LinkError::Number));
    assert_eq!(peer.receive(request(2, good, 0)), Err(LinkError::Number));
    assert_eq!(peer.receive(request(6, good, 1001)), Err(LinkError::TooLong));
    let empty = Payload::Data { number: 4, seq: 1, bytes: Bytes::new(), last: false };
    assert_eq!(peer.receive(Stanza::Set(empty)), Err(LinkError::Value("seq")));
    let padded = Payload::Ping { number: 1, padding: bytes(1001) };
    assert_eq!(peer.receive(Stanza::Set(padded)), Err(LinkError::TooLong));
    assert_eq!(peer.receive(Stanza::Set(Payload::Gone)), Err(LinkError::Gone));

    // A head that cannot be read is nobody's but its own trouble.
    let mut peer = super::tests::peer();
    let bomb = format!("{{\"REQUEST_METHOD\":{}", "[".repeat(200_000));
    for (number, bad) in [(2, "{}"), (4, bomb.as_str()), (6, "\"{\"")] {
        assert_eq!(peer.receive(request(number, bad, 0)), Ok(()));
        let refused = Stanza::Error(part(number, 0), Condition::NotFound);
        let signal = Signal::Shutdown(AbortCode::Failed);
        let told = Stanza::Set(Payload::Signal { number, signal });
        assert_eq!(stanzas(&mut peer), [refused, told]);
    }
    assert!(came(&mut peer).is_empty());
}

#[test]
fn who_does_not_take_answers_is_cut_off() {
    let mut peer = peer();
    let mut number = 0;
    let error = loop {
        number += 1;
        let ping = Payload::Ping { number, padding: Bytes::new() };
        if let Err(error) = peer.receive(Stanza::Set(ping)) {
            break error;
        }
    };
    assert_eq!((error, number), (LinkError::Flood, MAX_ANSWERS as u64 + 1));
}

#[test]
fn sizes_are_agreed_on_within_what_everybody_takes() {
    assert_eq!(agree(CHUNK, MAX_CHUNK), Some(CHUNK));
    assert_eq!(agree(usize::MAX, usize::MAX), Some(MAX_CHUNK));
    assert_eq!(agree(CHUNK, MIN_CHUNK - 1), None);
    assert_eq!(fits(256 * 1024, 100), Some(MAX_CHUNK));
    assert_eq!(fits(10_000, 100), Some((10_000 - FRAME - 100) / 4 * 3));
    assert_eq!(fits(5_000, 100), None);
    for chunk in [MIN_CHUNK, CHUNK, MAX_CHUNK] {
        assert!(window(chunk) as usize >= 2 * chunk, "or a run of crumbs could hold it up");
    }
    assert_eq!(window(CHUNK), 128 * 1024);
}

#[test]
fn names_have_one_form() {
    let token = Token::random();
    assert_eq!(Token::parse(&token.to_string()), Some(token));
    assert_eq!(token.to_string().len(), 22);
    assert_ne!(token, Token::random());
    assert_eq!(format!("{token:?}"), "Token(..)");
    for bad in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(Token::parse(bad), None, "{bad}");
    }
    for place in [part(2, 0), Place::Signal(7), Place::Ping(1), Place::Bye, Place::Gone] {
        assert_eq!(Place::parse(&place.to_string()), Ok(place));
    }
    for bad in
        ["", ".", "2", "2.", "02.1", "2.-1", "2.1.1", "ping", "ping.x", "18446744073709551616.0"]
    {
        assert_eq!(Place::parse(bad), Err(LinkError::Value("id")), "{bad}");
    }
}

/// Only for the clock of the tests.
fn at(step: u64) -> Duration {
    Duration::from_millis(step)
}

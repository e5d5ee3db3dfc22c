//! Requests and responses.

use std::convert::Infallible;

use bytes::Bytes;
use crosstalk::{
    control, limits,
    transaction::{self, Body},
};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Pair,
    common::{bytes, endless, get, handler, idle, pattern, request, soon, stream},
};
use crate::SendError;

/// A handler that sends back what it gets.
fn echo() -> transaction::Handler {
    handler(async |request: Request<Body>| Response::new(request.into_body()))
}

#[tokio::test]
async fn bodies_of_every_size_arrive_as_they_were_sent() {
    let pair = Pair::new(echo());
    for length in [0, 1, 255, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_000] {
        for body in [transaction::full(pattern(0, length)), stream(length)] {
            let response = pair.fetch(request("POST", "/echo", body)).await;
            assert_eq!(bytes(response).await.unwrap(), pattern(0, length), "{length}");
        }
    }
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_go_both_ways_unchanged() {
    const LENGTH: usize = 20_000_000;
    let pair = Pair::new(echo());
    let response = pair.fetch(request("POST", "/echo", stream(LENGTH))).await;
    let body = bytes(response).await.unwrap();
    assert!(body == pattern(0, LENGTH), "{} bytes", body.len());
    pair.finish().await;
}

#[tokio::test]
async fn lengths_are_known_where_they_can_be() {
    let (seen, mut sizes) = mpsc::channel(1);
    let pair = Pair::new(handler(move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            seen.send(request.body().size_hint().exact()).await.unwrap();
            let large = request.uri().path() == "/large";
            Response::new(transaction::full(pattern(0, if large { 300_000 } else { 12 })))
        }
    }));
    for (path, expected) in [("/large", 300_000), ("/small", 12)] {
        let upload = transaction::full(pattern(0, expected));
        let response = pair.fetch(request("POST", path, upload)).await;
        assert_eq!(soon(sizes.recv()).await.unwrap(), Some(expected as u64));
        assert_eq!(response.body().size_hint().exact(), Some(expected as u64));
        assert_eq!(bytes(response).await.unwrap().len(), expected);
    }
    pair.fetch(get("/small")).await;
    assert_eq!(soon(sizes.recv()).await.unwrap(), Some(0));
    pair.finish().await;
}

#[tokio::test]
async fn a_handler_sees_what_the_visitor_sent_and_nothing_for_one_hop() {
    let (seen, mut heads) = mpsc::channel(1);
    let pair = Pair::new(handler(move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            seen.send(request.into_parts().0).await.unwrap();
            let mut response = Response::new(transaction::full("seen"));
            for (name, value) in [
                ("set-cookie", "a=1"),
                ("connection", "x-once"),
                ("x-once", "1"),
                ("set-cookie", "b"),
            ] {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
    }));
    let mut asked = get("http://site.gateway.example/a%2Fb/%ff?x=1&y=%20");
    asked.headers_mut().insert("host", "somebody.else".parse().unwrap());
    for (name, value) in
        [("x-twice", "1"), ("connection", "x-private"), ("x-private", "1"), ("x-twice", "2")]
    {
        asked.headers_mut().append(name, value.parse().unwrap());
    }
    let response = pair.fetch(asked).await;
    let head = soon(heads.recv()).await.unwrap();
    assert_eq!(head.uri.to_string(), "/a%2Fb/%ff?x=1&y=%20");
    assert_eq!(head.headers["host"], "site.gateway.example");
    let mut names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-twice"]);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b"]);
    assert!(!response.headers().contains_key("x-once"));
    assert_eq!(bytes(response).await.unwrap(), "seen");
    pair.finish().await;
}

#[tokio::test]
async fn answers_to_head_have_a_length_and_no_body() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        let known = request.uri().path() == "/known";
        Response::new(if known { transaction::full("12345") } else { stream(10) })
    }));
    for (path, length) in [("/known", Some("5")), ("/unknown", None)] {
        let response = pair.fetch(request("HEAD", path, transaction::empty())).await;
        let told = response.headers().get("content-length").map(|value| value.to_str().unwrap());
        assert_eq!(told, length);
        assert_eq!(bytes(response).await.unwrap(), "");
    }
    pair.finish().await;
}

#[tokio::test]
async fn a_response_may_come_before_the_request_has_ended() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        let mut upload = request.into_body();
        let (tell, told) = mpsc::channel::<Bytes>(1);
        let mut readers = JoinSet::new();
        readers.spawn(async move {
            let mut length = 0;
            while let Some(frame) = upload.frame().await {
                length += frame.unwrap().into_data().unwrap().len();
            }
            tell.send(length.to_string().into()).await.unwrap();
        });
        readers.detach_all();
        let pieces = futures_util::stream::unfold(told, async |mut told| {
            Some((Ok::<_, Infallible>(Frame::data(told.recv().await?)), told))
        });
        Response::new(transaction::boxed(StreamBody::new(pieces)))
    }));
    let (give, mut given) = mpsc::channel::<Bytes>(1);
    let pieces = futures_util::stream::poll_fn(move |cx| given.poll_recv(cx));
    let pieces =
        futures_util::StreamExt::map(pieces, |piece| Ok::<_, Infallible>(Frame::data(piece)));
    let body = transaction::boxed(StreamBody::new(pieces));
    let response = pair.fetch(request("POST", "/", body)).await;
    for _ in 0..10 {
        soon(give.send(pattern(0, 100_000))).await.unwrap();
    }
    drop(give);
    assert_eq!(bytes(response).await.unwrap(), "1000000");
    pair.finish().await;
}

#[tokio::test]
async fn the_rest_of_a_request_that_nobody_reads_takes_nothing_from_its_response() {
    let pair = Pair::new(handler(async |_| Response::new(transaction::full("too much"))));
    let room = pair.link.room();
    for _ in 0..20 {
        let body = endless(vec![pattern(0, 100_000); 10]);
        let response = pair.fetch(request("POST", "/", body)).await;
        assert_eq!(bytes(response).await.unwrap(), "too much");
    }
    soon(async {
        while pair.link.room() < room {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pair.finish().await;
}

#[tokio::test]
async fn a_hundred_at_once_are_told_apart() {
    let pair = std::sync::Arc::new(Pair::new(handler(async |request: Request<Body>| {
        tokio::task::yield_now().await;
        let number: usize = request.uri().path()[1..].parse().unwrap();
        Response::new(stream(number * 1000))
    })));
    let mut visits = JoinSet::new();
    for number in 0..100 {
        let pair = std::sync::Arc::clone(&pair);
        visits.spawn(async move {
            let response = pair.fetch(get(&format!("/{number}"))).await;
            assert_eq!(bytes(response).await.unwrap(), pattern(0, number * 1000));
        });
    }
    while let Some(visit) = soon(visits.join_next()).await {
        visit.unwrap();
    }
    std::sync::Arc::into_inner(pair).unwrap().finish().await;
}

#[tokio::test]
async fn places_are_free_again_when_responses_are_over() {
    let pair = Pair::new(handler(async |_| Response::new(endless(vec!["x".into()]))));
    let room = pair.link.room();
    let response = pair.fetch(get("/")).await;
    assert_eq!(pair.link.room(), room - 1);
    pair.ping().await;
    drop(response);
    assert_eq!(pair.link.room(), room);
    pair.finish().await;
}

#[tokio::test]
async fn control_transactions_pass_when_visitors_hold_every_place() {
    let pair = Pair::new(handler(async |_| Response::new(endless(vec!["x".into()]))));
    let mut held = Vec::new();
    while pair.link.room() > 0 {
        held.push(pair.fetch(get("/")).await);
    }
    assert!(matches!(pair.link.try_reserve(), Err(SendError::Busy)));
    let mut asked = get("/ping");
    asked.headers_mut().insert("host", control::AUTHORITY.parse().unwrap());
    let response = soon(pair.link.send(asked)).await.unwrap();
    assert_eq!(bytes(response).await.unwrap(), "pong");
    drop(held);
    pair.finish().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_the_link_lives_on() {
    let pair = Pair::new(handler(async |_| {
        let mut response = Response::new(transaction::empty());
        let long = "x".repeat(limits::MAX_HEAD_BYTES + 5000);
        response.headers_mut().insert("x-long", long.parse().unwrap());
        response
    }));
    let mut asked = get("/");
    let long = "x".repeat(limits::MAX_HEAD_BYTES + 5000);
    asked.headers_mut().insert("x-long", long.parse().unwrap());
    let unsent = pair.link.reserve().await.unwrap().send(asked).await.unwrap_err();
    assert!(matches!(unsent.error, SendError::TooLarge));
    assert_eq!(pair.fetch(get("/")).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn handlers_cannot_answer_with_what_is_no_answer() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        let mut response = Response::new(transaction::full("x"));
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        response
    }));
    for (answered, expected) in [(101, 502), (103, 502), (204, 204), (304, 304)] {
        let response = pair.fetch(get(&format!("/{answered}"))).await;
        assert_eq!(response.status().as_u16(), expected);
        let body = bytes(response).await.unwrap();
        assert_eq!(body.is_empty(), expected != 502);
    }
    pair.finish().await;
}

#[tokio::test]
async fn a_request_without_a_host_comes_back() {
    let pair = Pair::new(idle());
    let asked = Request::get("/").body(transaction::empty()).unwrap();
    let unsent = pair.link.reserve().await.unwrap().send(asked).await.unwrap_err();
    assert!(matches!(unsent.error, SendError::Unsupported));
    assert!(unsent.request.is_some());
    pair.finish().await;
}

//! Requests and responses over both protocols.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use carriers::{
    SendError, Timing,
    ptth::{Protocol, Token},
};
use crosstalk::{
    control, limits,
    transaction::{self, Body},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    common::{bytes, endless, get, handler, idle, pattern, request, soon, stream},
    world::{BOTH, Pair},
};

/// A handler that sends back what it gets.
fn echo() -> transaction::Handler {
    handler(async |request: Request<Body>| {
        let length = request.headers().get("content-length").cloned();
        let mut response = Response::new(request.into_body());
        if let Some(length) = length {
            response.headers_mut().insert("content-length", length);
        }
        response
    })
}

#[tokio::test]
async fn bodies_of_every_size_arrive_as_they_were_sent() {
    for protocol in BOTH {
        let pair = Pair::new(protocol, echo()).await;
        for length in [0, 1, 255, 65_535, 65_536, 65_537, 1_000_000] {
            // Of a GET hyper itself sends no body whose length it does not know.
            for method in ["POST", "GET"] {
                for body in [transaction::full(pattern(0, length)), stream(length)] {
                    let response = pair.fetch(request(method, "/echo", body)).await;
                    let body = bytes(response).await.unwrap();
                    assert!(body == pattern(0, length), "{protocol:?} {method} {length}");
                }
            }
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn twenty_megabytes_go_both_ways_unchanged() {
    const LENGTH: usize = 20_000_000;
    for protocol in BOTH {
        let pair = Pair::new(protocol, echo()).await;
        let response = pair.fetch(request("POST", "/echo", stream(LENGTH))).await;
        let body = bytes(response).await.unwrap();
        assert!(body == pattern(0, LENGTH), "{protocol:?}: {} bytes", body.len());
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_handler_sees_what_the_visitor_sent_and_nothing_for_one_hop() {
    for protocol in BOTH {
        let (seen, mut heads) = mpsc::channel(1);
        let pair = Pair::new(
            protocol,
            handler(move |request: Request<Body>| {
                let seen = seen.clone();
                async move {
                    seen.send(request.into_parts().0).await.unwrap();
                    let mut response = Response::new(transaction::full("seen"));
                    for (name, value) in [
                        ("set-cookie", "a=1"),
                        ("x-other", "between"),
                        ("set-cookie", "b=2"),
                        ("connection", "x-once"),
                        ("x-once", "only this hop"),
                        ("keep-alive", "timeout=3"),
                    ] {
                        response.headers_mut().append(name, value.parse().unwrap());
                    }
                    response
                }
            }),
        )
        .await;
        for absolute in [false, true] {
            let mut asked = get("/a%2Fb/%ff?x=1&y=%20");
            if absolute {
                asked = get("http://site.gateway.example/a%2Fb/%ff?x=1&y=%20");
                asked.headers_mut().insert("host", "somebody.else".parse().unwrap());
            }
            for (name, value) in [
                ("x-twice", "1"),
                ("cookie", "one"),
                ("x-twice", "2"),
                ("connection", "close, x-private"),
                ("x-private", "secret"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("transfer-encoding", "chunked"),
            ] {
                asked.headers_mut().append(name, value.parse().unwrap());
            }
            asked.headers_mut().append("x-twice", http::HeaderValue::from_bytes(b"\xe9").unwrap());
            let response = pair.fetch(asked).await;
            let head = soon(heads.recv()).await.unwrap();
            assert_eq!(head.uri.to_string(), "/a%2Fb/%ff?x=1&y=%20", "{protocol:?}");
            assert_eq!(head.method, "GET");
            let mut names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["cookie", "host", "x-twice"], "{protocol:?}");
            assert_eq!(head.headers["host"], "site.gateway.example");
            let twice: Vec<_> = head.headers.get_all("x-twice").iter().collect();
            assert_eq!(twice, ["1".as_bytes(), b"2", b"\xe9"], "{protocol:?}");
            assert!(head.extensions.get::<hyper::upgrade::OnUpgrade>().is_none());

            let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["a=1", "b=2"]);
            for gone in ["connection", "keep-alive", "x-once", "transfer-encoding"] {
                assert!(!response.headers().contains_key(gone), "{protocol:?} {gone}");
            }
            assert_eq!(bytes(response).await.unwrap(), "seen");
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn answers_to_head_have_a_length_and_no_body() {
    for protocol in BOTH {
        let pair =
            Pair::new(protocol, handler(async |_| Response::new(transaction::full("12345")))).await;
        for _ in 0..3 {
            let asked = request("HEAD", "/", transaction::empty());
            let response = pair.fetch(asked).await;
            assert_eq!(response.headers()["content-length"], "5", "{protocol:?}");
            assert_eq!(bytes(response).await.unwrap(), "");
        }
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_response_may_come_before_the_request_has_ended() {
    for protocol in BOTH {
        let pair = Pair::new(protocol, echo()).await;
        let (more, pieces) = mpsc::channel::<Bytes>(1);
        let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
            let piece = pieces.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
        });
        let body = transaction::boxed(StreamBody::new(pieces));
        more.send("first".into()).await.unwrap();
        let mut response = pair.fetch(request("POST", "/echo", body)).await;
        let frame = soon(response.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "first", "{protocol:?}");
        more.send("second".into()).await.unwrap();
        drop(more);
        assert_eq!(bytes(response).await.unwrap(), "second");
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_refusal_of_a_large_upload_arrives_although_nobody_reads_the_rest() {
    for protocol in BOTH {
        let pair = Pair::new(
            protocol,
            handler(async |_| {
                let mut response = Response::new(transaction::full("too large"));
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                response
            }),
        )
        .await;
        let response = pair.fetch(request("POST", "/", stream(5_000_000))).await;
        assert_eq!(response.status(), 413, "{protocol:?}");
        assert_eq!(bytes(response).await.unwrap(), "too large");
        // HTTP/1.1 may have to end the link for that; HTTP/2 must not.
        if protocol == Protocol::Http2 {
            pair.ping().await;
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_hundred_visitors_at_once_are_all_answered() {
    for protocol in BOTH {
        let pair = Arc::new(Pair::new(protocol, echo()).await);
        let mut visitors = JoinSet::new();
        for visitor in 0..100 {
            let pair = Arc::clone(&pair);
            visitors.spawn(async move {
                let body = format!("visitor {visitor}").repeat(100);
                let response =
                    pair.fetch(request("POST", "/", transaction::full(body.clone()))).await;
                assert_eq!(bytes(response).await.unwrap(), body);
            });
        }
        while let Some(visitor) = visitors.join_next().await {
            visitor.unwrap();
        }
        Arc::into_inner(pair).unwrap().finish().await;
    }
}

/// An error as another HTTP/2 connection gives it when its stream is reset without one.
#[tokio::test]
async fn heads_up_to_the_limit_pass_and_larger_ones_harm_nobody() {
    for protocol in BOTH {
        let pair = Pair::new(
            protocol,
            handler(async |request: Request<Body>| {
                let mut response = Response::new(transaction::full("ok"));
                let length = request.uri().query().map_or(0, |query| query.parse().unwrap());
                if let Some(cookie) = request.headers().get("cookie") {
                    response.headers_mut().insert("x-cookie", cookie.len().into());
                }
                if length > 0 {
                    let long = "v".repeat(length).parse().unwrap();
                    response.headers_mut().insert("set-cookie", long);
                }
                response
            }),
        )
        .await;
        let with_cookie = |length: usize| {
            let mut asked = get("/");
            asked.headers_mut().insert("cookie", "c".repeat(length).parse().unwrap());
            asked
        };
        let response = pair.fetch(with_cookie(60 * 1024)).await;
        assert_eq!(response.headers()["x-cookie"], "61440", "{protocol:?}");
        assert_eq!(bytes(response).await.unwrap(), "ok");

        let place = pair.link.reserve().await.unwrap();
        let unsent = soon(place.send(with_cookie(70 * 1024))).await.unwrap_err();
        assert!(matches!(unsent.error, SendError::TooLarge));
        assert!(unsent.request.is_some());
        pair.ping().await;

        let response = pair.fetch(get(&format!("/?{}", 60 * 1024))).await;
        assert_eq!(response.headers()["set-cookie"].len(), 60 * 1024, "{protocol:?}");
        assert_eq!(bytes(response).await.unwrap(), "ok");
        let response = pair.fetch(get(&format!("/?{}", 70 * 1024))).await;
        assert_eq!(response.status(), 500, "{protocol:?}");
        assert!(bytes(response).await.unwrap().starts_with(b"The head"));
        pair.ping().await;

        let mut many = get("/");
        for _ in 0..limits::MAX_HEADERS {
            many.headers_mut().append("x", "y".parse().unwrap());
        }
        let response = pair.fetch(many).await;
        assert_eq!(bytes(response).await.unwrap(), "ok", "{protocol:?}");
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_full_link_says_so_and_control_passes_all_the_same() {
    let pair = Pair::new(Protocol::Http2, handler(async |_| std::future::pending().await)).await;
    let mut waiting = JoinSet::new();
    let room = pair.link.room();
    assert!(room < limits::MAX_TRANSACTIONS_PER_LINK as usize && room >= 200, "{room}");
    for _ in 0..room {
        let place = pair.link.try_reserve().unwrap();
        waiting.spawn(async move { place.send(get("/")).await.map(|_| ()) });
    }
    assert_eq!(pair.link.room(), 0);
    assert!(matches!(pair.link.send(get("/ping")).await, Err(SendError::Busy)));
    let receipts = Request::post(format!("http://{}/ping", control::AUTHORITY));
    let receipts = receipts.body(transaction::empty()).unwrap();
    let response = soon(pair.link.send(receipts)).await.unwrap();
    assert_eq!(bytes(response).await.unwrap(), "pong");
    waiting.abort_all();
    while waiting.join_next().await.is_some() {}
    assert_eq!(pair.link.room(), room);
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn a_place_is_taken_until_the_response_has_ended_or_is_dropped() {
    let pair =
        Pair::new(Protocol::Http2, handler(async |_| Response::new(endless(vec!["x".into()]))))
            .await;
    let room = pair.link.room();
    let response = pair.fetch(get("/")).await;
    assert_eq!(pair.link.room(), room - 1);
    let ping = pair.fetch(get("/ping")).await;
    assert_eq!(bytes(ping).await.unwrap(), "pong");
    assert_eq!(pair.link.room(), room - 1);
    drop(response);
    assert_eq!(pair.link.room(), room);
    pair.finish().await;
}

#[tokio::test]
async fn http1_takes_one_at_a_time_and_the_next_one_waits() {
    let go_on = Arc::new(Notify::new());
    let goes_on = Arc::clone(&go_on);
    let pair = Pair::new(
        Protocol::Http1,
        handler(move |_| {
            let go_on = Arc::clone(&goes_on);
            async move {
                go_on.notified().await;
                Response::new(transaction::full("late"))
            }
        }),
    )
    .await;
    assert_eq!(pair.link.room(), 1);
    let place = pair.link.try_reserve().unwrap();
    let mut first = JoinSet::new();
    first.spawn(async move { bytes(place.send(get("/")).await.unwrap()).await });
    assert!(matches!(pair.link.try_reserve(), Err(SendError::Busy)));
    go_on.notify_one();
    assert_eq!(soon(first.join_next()).await.unwrap().unwrap().unwrap(), "late");
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn every_token_makes_a_link() {
    for token in [Token::Ptth, Token::Ptth10, Token::Ptth09] {
        for protocol in BOTH {
            let pair = Pair::with(protocol, idle(), token, Timing::default()).await;
            pair.ping().await;
            pair.ping().await;
            pair.finish().await;
        }
    }
}

//! Who leaves, who stops, and what must not look like an end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use crosstalk::{
    transaction::{self, Body},
    transactions::{AbortCode, Config, Message, Numbers, TransactionId},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::{
    Pair, Wire,
    common::{
        Alarm, broken, bytes, endless, get, handler, idle, pattern, reader, request, soon, stream,
    },
};
use crate::{LinkEnd, SendError, messages};

/// Waits for what has to happen within a second. The clock stands still while anybody has something to do, so
/// that a busy machine takes none of it.
async fn at_once<F: Future>(what: F) -> F::Output {
    timeout(Duration::from_secs(1), what).await.expect("too late")
}

/// A handler that tells when its future or its response's body is dropped.
fn alarmed(streams: bool) -> (transaction::Handler, mpsc::Receiver<oneshot::Receiver<()>>) {
    let (tell, alarms) = mpsc::channel(1);
    let handler = handler(move |_| {
        let tell = tell.clone();
        async move {
            let (alarm, dropped) = oneshot::channel();
            let alarm = Alarm(Some(alarm));
            tell.send(dropped).await.unwrap();
            if !streams {
                std::future::pending::<()>().await;
            }
            let pieces = futures_util::stream::unfold(alarm, |alarm| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from("tick"))), alarm))
            });
            Response::new(transaction::boxed(StreamBody::new(pieces)))
        }
    });
    (handler, alarms)
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_within_a_second_that_its_visitor_left() {
    for streams in [false, true] {
        let (handler, mut alarms) = alarmed(streams);
        let pair = Pair::new(handler);
        let room = pair.link.room();
        let place = pair.link.reserve().await.unwrap();
        let visit = place.send(get("/wait"));
        let dropped = if streams {
            let (response, dropped) = tokio::join!(soon(visit), soon(alarms.recv()));
            let mut response = response.unwrap();
            soon(response.body_mut().frame()).await.unwrap().unwrap();
            dropped.unwrap()
        } else {
            tokio::select! {
                dropped = soon(alarms.recv()) => dropped.unwrap(),
                _ = visit => panic!("nobody answers"),
            }
        };
        assert_eq!(pair.link.room(), room);
        at_once(dropped).await.unwrap();
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_learns_that_its_link_ended() {
    for streams in [false, true] {
        let (handler, mut alarms) = alarmed(streams);
        let mut pair = Pair::new(handler);
        let place = pair.link.reserve().await.unwrap();
        let mut visits = JoinSet::new();
        visits.spawn(async move { place.send(get("/wait")).await.map(|_| ()) });
        let dropped = soon(alarms.recv()).await.unwrap();
        pair.link.close();
        at_once(dropped).await.unwrap();
        pair.peer_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_leaves_takes_the_request_back_although_its_body_goes_on() {
    let (handler, mut told) = reader(|| Some(Response::new(endless(vec!["some".into()]))));
    let pair = Pair::new(handler);
    let mut response = pair.fetch(request("POST", "/", endless(vec!["some".into()]))).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(!soon(told.recv()).await.unwrap());
    drop(response);
    let cut = at_once(told.recv()).await.unwrap();
    assert!(cut);
    pair.finish().await;
}

#[tokio::test]
async fn a_response_that_breaks_off_is_never_complete() {
    for length in [None, Some("100000"), Some("30000"), Some("10")] {
        let pair = Pair::new(handler(move |_| async move {
            let mut response = Response::new(broken(vec![pattern(0, 30_000)]));
            if let Some(length) = length {
                response.headers_mut().insert("content-length", length.parse().unwrap());
            }
            response
        }));
        let place = pair.link.reserve().await.unwrap();
        if let Ok(response) = soon(place.send(get("/"))).await {
            assert!(bytes(response).await.is_err(), "{length:?}");
        }
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_response_of_another_length_than_it_says_is_never_complete() {
    for (says, has) in [("100", 99), ("100", 101), ("100000", 99_999), ("100000", 100_001)] {
        let pair = Pair::new(handler(move |_| async move {
            let mut response = Response::new(stream(has));
            response.headers_mut().insert("content-length", says.parse().unwrap());
            response
        }));
        let place = pair.link.reserve().await.unwrap();
        if let Ok(response) = soon(place.send(get("/"))).await {
            assert!(bytes(response).await.is_err(), "{says} {has}");
        }
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_own_visitor_only() {
    for late in [false, true] {
        let pair = Pair::new(handler(move |request: Request<Body>| async move {
            if late {
                tokio::task::yield_now().await;
            }
            assert!(request.uri().path() != "/panic", "a defect");
            Response::new(transaction::empty())
        }));
        let place = pair.link.reserve().await.unwrap();
        let unsent = soon(place.send(get("/panic"))).await.unwrap_err();
        assert!(matches!(unsent.error, SendError::Lost(_)));
        assert!(unsent.request.is_none());
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_link_that_ends_cuts_what_is_under_way() {
    for by_gateway in [true, false] {
        let mut pair = Pair::new(handler(async |_| Response::new(endless(vec![pattern(0, 1000)]))));
        let response = pair.fetch(get("/")).await;
        let waiting = pair.link.reserve().await.unwrap();
        if by_gateway {
            pair.link.close();
        } else {
            pair.peer.abort_all();
        }
        assert!(bytes(response).await.is_err(), "{by_gateway}");
        let end = soon(pair.link.ended()).await;
        assert_eq!(end, if by_gateway { LinkEnd::Closed } else { LinkEnd::Lost });
        assert!(!pair.link.is_open());
        assert!(matches!(pair.link.try_reserve(), Err(SendError::Closed)));
        let unsent = soon(waiting.send(get("/ping"))).await.unwrap_err();
        assert!(matches!(unsent.error, SendError::Closed), "{:?}", unsent.error);
        assert_eq!(unsent.request.unwrap().uri().path(), "/ping");
    }
}

#[tokio::test]
async fn what_has_not_left_comes_back_whole_when_the_link_ends() {
    let pair = Pair::new(idle());
    // Nothing passes, so that the request waits where it is.
    pair.silent.store(true, std::sync::atomic::Ordering::SeqCst);
    let place = pair.link.reserve().await.unwrap();
    let mut visits = JoinSet::new();
    let mut upload = request("POST", "/upload", stream(500_000));
    upload.extensions_mut().insert("a note");
    visits.spawn(async move { place.send(upload).await.map(|_| ()) });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    pair.link.close();
    let unsent = soon(visits.join_next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(unsent.error, SendError::Closed), "{:?}", unsent.error);
    let back = *unsent.request.unwrap();
    assert_eq!(back.uri(), "/upload");
    assert_eq!(back.extensions().get(), Some(&"a note"));
    assert_eq!(back.headers()["host"], "site.gateway.example");
    let body = back.into_body().collect().await.unwrap().to_bytes();
    assert!(body == pattern(0, 500_000));
}

#[tokio::test]
async fn a_peer_that_dies_is_noticed_at_once() {
    let (handler, mut alarms) = alarmed(false);
    let mut pair = Pair::new(handler);
    let link = pair.link.clone();
    let mut visits = JoinSet::new();
    visits.spawn(async move { link.send(get("/")).await.map(|_| ()) });
    soon(alarms.recv()).await.unwrap();
    pair.peer.abort_all();
    let answer = soon(visits.join_next()).await.unwrap().unwrap();
    assert!(matches!(answer, Err(SendError::Lost(_))), "{answer:?}");
    assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_complete() {
    for leaves in [true, false] {
        let (handler, mut told) = reader(|| None);
        let pair = Pair::new(handler);
        let place = pair.link.reserve().await.unwrap();
        let body =
            if leaves { endless(vec![pattern(0, 1000)]) } else { broken(vec![pattern(0, 1000)]) };
        let mut upload = Box::pin(place.send(request("POST", "/", body)));
        tokio::select! {
            answer = &mut upload => assert!(!leaves && answer.is_err()),
            _ = soon(told.recv()) => {}
        }
        drop(upload);
        if leaves {
            assert!(soon(told.recv()).await.unwrap(), "the upload looked complete");
        } else {
            // The peer may never have heard of it; if it did, then of the cut too.
            while let Ok(word) = timeout(Duration::from_millis(300), told.recv()).await {
                if word.unwrap() {
                    break;
                }
            }
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn an_upload_that_the_peer_has_no_time_for_is_never_complete() {
    for aborts in [true, false] {
        let (handler, mut told) = reader(|| None);
        let mut pair = Pair::new(handler);
        let place = pair.link.reserve().await.unwrap();
        let mut upload = JoinSet::new();
        let body = endless(vec![pattern(0, 1000)]);
        upload.spawn(async move { place.send(request("POST", "/", body)).await.map(|_| ()) });
        assert!(!soon(told.recv()).await.unwrap());
        if aborts {
            pair.peer.abort_all();
        } else {
            pair.stop.cancel();
        }
        assert!(soon(told.recv()).await.unwrap(), "aborts={aborts}");
        assert!(soon(upload.join_next()).await.unwrap().unwrap().is_err());
        if !aborts {
            assert_eq!(pair.peer_end().await, LinkEnd::Closed);
        }
    }
}

#[tokio::test]
async fn a_draining_link_finishes_what_is_under_way() {
    let go_on = Arc::new(Notify::new());
    let goes_on = Arc::clone(&go_on);
    let mut pair = Pair::new(handler(move |_| {
        let go_on = Arc::clone(&goes_on);
        async move {
            go_on.notified().await;
            Response::new(stream(1_000_000))
        }
    }));
    let place = pair.link.reserve().await.unwrap();
    let mut under_way = JoinSet::new();
    under_way.spawn(async move { bytes(place.send(get("/")).await.unwrap()).await });
    tokio::task::yield_now().await;
    pair.link.drain();
    assert!(!pair.link.is_open());
    assert!(matches!(pair.link.reserve().await, Err(SendError::Closed)));
    go_on.notify_one();
    let body = soon(under_way.join_next()).await.unwrap().unwrap();
    assert_eq!(body.unwrap().len(), 1_000_000);
    assert_eq!(soon(pair.link.ended()).await, LinkEnd::Closed);
    assert_eq!(pair.peer_end().await, LinkEnd::Closed);
}

#[tokio::test]
async fn a_peer_that_stops_finishes_what_is_under_way() {
    let (begun, mut begins) = mpsc::channel(1);
    let go_on = Arc::new(Notify::new());
    let goes_on = Arc::clone(&go_on);
    let mut pair = Pair::new(handler(move |_| {
        let (go_on, begun) = (Arc::clone(&goes_on), begun.clone());
        async move {
            begun.send(()).await.unwrap();
            go_on.notified().await;
            Response::new(stream(1_000_000))
        }
    }));
    let place = pair.link.reserve().await.unwrap();
    let mut under_way = JoinSet::new();
    under_way.spawn(async move { bytes(place.send(get("/")).await.unwrap()).await });
    soon(begins.recv()).await.unwrap();
    pair.stop.cancel();
    soon(async {
        while pair.link.is_open() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    go_on.notify_one();
    let body = soon(under_way.join_next()).await.unwrap().unwrap();
    assert_eq!(body.unwrap().len(), 1_000_000);
    assert_eq!(pair.peer_end().await, LinkEnd::Closed);
    assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_peer_that_stops_does_not_wait_for_ever() {
    let mut pair = Pair::new(handler(async |_| Response::new(endless(vec!["x".into()]))));
    let response = pair.fetch(get("/")).await;
    pair.stop.cancel();
    assert_eq!(pair.peer_end().await, LinkEnd::Closed);
    assert!(bytes(response).await.is_err());
}

#[tokio::test]
async fn a_link_that_nobody_holds_ends() {
    let mut pair = Pair::new(idle());
    pair.ping().await;
    drop(pair.link);
    assert_eq!(soon(pair.peer.join_next()).await.unwrap().unwrap(), LinkEnd::Closed);
    pair.tasks.close();
    soon(pair.tasks.wait()).await;
}

/// A link whose other end is written by hand.
fn by_hand(tasks: &TaskTracker) -> (crate::Link, Wire) {
    let (near, far) = Wire::pair(&Arc::default());
    let setup = near.setup(Config::new(Numbers::Even));
    (messages::link(near, setup, None, tasks), far)
}

#[tokio::test]
async fn each_abort_has_its_own_meaning() {
    let tasks = TaskTracker::new();
    let (link, mut far) = by_hand(&tasks);
    for code in AbortCode::ALL {
        let place = link.reserve().await.unwrap();
        let (answer, ()) = tokio::join!(soon(place.send(get("/"))), async {
            let Some(Ok(Message::Open { id, .. })) = soon(far.next()).await else { panic!() };
            far.send(Message::Abort { id, code }).await.unwrap();
        });
        let error = answer.unwrap_err().error;
        let fits = match code {
            AbortCode::Refused => matches!(error, SendError::Closed),
            AbortCode::TooLarge => matches!(error, SendError::TooLarge),
            AbortCode::Unsupported => matches!(error, SendError::Unsupported),
            AbortCode::Cancelled | AbortCode::TimedOut | AbortCode::Failed => {
                matches!(error, SendError::Lost(_))
            }
        };
        assert!(fits, "{code} {error:?}");
    }
    assert!(link.is_open());
}

#[tokio::test]
async fn an_answer_that_is_none_fails_its_visitor_only() {
    let tasks = TaskTracker::new();
    let (link, mut far) = by_hand(&tasks);
    for status in [100, 101, 103, 199] {
        let place = link.reserve().await.unwrap();
        let (answer, ()) = tokio::join!(soon(place.send(get("/"))), async {
            let Some(Ok(Message::Open { id, .. })) = soon(far.next()).await else { panic!() };
            let head =
                Box::new(Response::builder().status(status).body(()).unwrap().into_parts().0);
            far.send(Message::Head { id, head, body: Bytes::new(), end: false }).await.unwrap();
            let word = soon(far.next()).await.unwrap().unwrap();
            assert!(matches!(word, Message::Abort { code: AbortCode::Failed, .. }), "{word:?}");
        });
        assert!(matches!(answer.unwrap_err().error, SendError::Lost(_)));
    }
    assert!(link.is_open());
}

#[tokio::test]
async fn whoever_breaks_the_rules_loses_the_link() {
    let tasks = TaskTracker::new();
    let (link, mut far) = by_hand(&tasks);
    let unknown = Message::Credit { id: TransactionId(40), bytes: 1 };
    far.send(unknown).await.unwrap();
    assert_eq!(soon(link.ended()).await, LinkEnd::Lost);
    assert!(soon(far.next()).await.is_none());
}

#[tokio::test]
async fn who_answers_without_taking_requests_gets_no_more_of_them() {
    let (near, mut far) = Wire::pair(&Arc::default());
    let tasks = TaskTracker::new();
    let config = Config {
        max_opened: 4,
        window: 16 * 1024 * 1024,
        send_buffer: 16 * 1024 * 1024,
        ..Config::new(Numbers::Even)
    };
    let setup = near.setup(config);
    let link = messages::link(near, setup, None, &tasks);
    // More than the wire holds, so that nothing of it is over.
    for _ in 0..4 {
        let place = soon(link.reserve()).await.unwrap();
        let (answer, ()) = tokio::join!(
            soon(place.send(request("POST", "/", stream(12_000_000)))),
            soon(async {
                let id = loop {
                    if let Some(Ok(Message::Open { id, .. })) = far.next().await {
                        break id;
                    }
                };
                let head = Box::new(Response::new(()).into_parts().0);
                far.send(Message::Head { id, head, body: Bytes::new(), end: true }).await.unwrap();
            })
        );
        assert_eq!(bytes(answer.unwrap()).await.unwrap(), "");
    }
    let place = soon(link.reserve()).await.unwrap();
    let unsent = soon(place.send(get("/"))).await.unwrap_err();
    // Whoever gets it back would try the same link again, for ever.
    assert!(matches!(unsent.error, SendError::Busy), "{:?}", unsent.error);
    assert!(unsent.request.is_none());
    link.close();
}

#[tokio::test]
async fn either_end_may_ask() {
    let (near, far) = Wire::pair(&Arc::default());
    let tasks = TaskTracker::new();
    let says = |word: &'static str| {
        handler(move |_| async move { Response::new(transaction::full(word)) })
    };
    let setup = near.setup(Config::new(Numbers::Even));
    let gateway = messages::link(near, setup, Some(says("gateway")), &tasks);
    let setup = far.setup(Config::new(Numbers::Odd));
    let peer = messages::link(far, setup, Some(says("peer")), &tasks);
    for _ in 0..3 {
        let (one, other) = tokio::join!(gateway.send(get("/")), peer.send(get("/")));
        assert_eq!(bytes(one.unwrap()).await.unwrap(), "peer");
        assert_eq!(bytes(other.unwrap()).await.unwrap(), "gateway");
    }
    gateway.drain();
    assert_eq!(soon(gateway.ended()).await, LinkEnd::Closed);
    assert_eq!(soon(peer.ended()).await, LinkEnd::Lost);
}

#[tokio::test]
async fn whoever_takes_no_questions_refuses_them() {
    let (near, far) = Wire::pair(&Arc::default());
    let tasks = TaskTracker::new();
    let setup = near.setup(Config::new(Numbers::Even));
    let gateway = messages::link(near, setup, None, &tasks);
    let setup = far.setup(Config::new(Numbers::Odd));
    let peer = messages::link(far, setup, None, &tasks);
    assert!(matches!(soon(peer.send(get("/"))).await, Err(SendError::Closed)));
    assert!(gateway.is_open());
}

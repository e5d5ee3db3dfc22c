//! Who leaves, who stops, and what must not look like an end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use carriers::{LinkEnd, SendError, ptth::Protocol};
use crosstalk::transaction::{self};
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    common::{
        Alarm, SOON, broken, bytes, endless, get, handler, idle, pattern, reader, request, soon,
        stream,
    },
    world::{BOTH, Pair},
};

#[tokio::test]
async fn a_handler_learns_at_once_that_its_visitor_left() {
    for protocol in BOTH {
        for streams in [false, true] {
            let (tell, mut alarms) = mpsc::channel(1);
            let pair = Pair::new(
                protocol,
                handler(move |_| {
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
                }),
            )
            .await;
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
            soon(dropped).await.unwrap();
            if protocol == Protocol::Http2 {
                pair.ping().await;
            } else {
                assert_eq!(soon(pair.link.ended()).await, LinkEnd::Closed);
            }
            pair.finish().await;
        }
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_takes_the_request_back_although_its_body_goes_on() {
    for protocol in BOTH {
        let (handler, mut told) = reader(|| Some(Response::new(endless(vec!["some".into()]))));
        let pair = Pair::new(protocol, handler).await;
        let body = endless(vec!["some".into()]);
        let mut response = pair.fetch(request("POST", "/", body)).await;
        soon(response.body_mut().frame()).await.unwrap().unwrap();
        assert!(!soon(told.recv()).await.unwrap());
        drop(response);
        let cut = soon(told.recv()).await.unwrap();
        assert!(cut, "{protocol:?}");
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_never_complete() {
    for protocol in BOTH {
        for length in [None, Some("100000")] {
            let pair = Pair::new(
                protocol,
                handler(move |_| async move {
                    let mut response = Response::new(broken(vec![pattern(0, 30_000)]));
                    if let Some(length) = length {
                        response.headers_mut().insert("content-length", length.parse().unwrap());
                    }
                    response
                }),
            )
            .await;
            let response = pair.fetch(get("/")).await;
            assert!(bytes(response).await.is_err(), "{protocol:?} {length:?}");
            pair.finish().await;
        }
    }
}

#[tokio::test]
async fn a_cut_stays_a_cut_although_its_cause_says_no_error() {
    let go_on = Arc::new(Notify::new());
    let goes_on = Arc::clone(&go_on);
    let pair = Pair::new(
        Protocol::Http2,
        handler(move |_| {
            let go_on = Arc::clone(&goes_on);
            let piece = futures_util::stream::once(async { Ok(Frame::data(pattern(0, 1000))) });
            let error = futures_util::stream::once(async move {
                go_on.notified().await;
                Err(h2::Error::from(h2::Reason::NO_ERROR))
            });
            let pieces = futures_util::StreamExt::chain(piece, error);
            async { Response::new(transaction::boxed(StreamBody::new(pieces))) }
        }),
    )
    .await;
    let upload = request("POST", "/", endless(vec!["x".into()]));
    let mut response = pair.fetch(upload).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    go_on.notify_one();
    assert!(bytes(response).await.is_err());
    pair.finish().await;
}

#[tokio::test]
async fn a_link_that_ends_cuts_what_is_under_way() {
    for protocol in BOTH {
        for by_gateway in [true, false] {
            let mut pair = Pair::new(
                protocol,
                handler(async |_| Response::new(endless(vec![pattern(0, 1000)]))),
            )
            .await;
            let response = pair.fetch(get("/")).await;
            let waiting = if protocol == Protocol::Http2 {
                Some(pair.link.reserve().await.unwrap())
            } else {
                None
            };
            if by_gateway {
                pair.link.close();
            } else {
                pair.peer.abort_all();
            }
            assert!(bytes(response).await.is_err(), "{protocol:?} {by_gateway}");
            let end = soon(pair.link.ended()).await;
            assert_eq!(end, if by_gateway { LinkEnd::Closed } else { LinkEnd::Lost });
            assert!(!pair.link.is_open());
            assert!(matches!(pair.link.try_reserve(), Err(SendError::Closed)));
            if let Some(place) = waiting {
                let unsent = soon(place.send(get("/ping"))).await.unwrap_err();
                assert!(matches!(unsent.error, SendError::Closed), "{:?}", unsent.error);
                assert_eq!(unsent.request.unwrap().uri().path(), "/ping");
            }
        }
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_complete() {
    for protocol in BOTH {
        for leaves in [true, false] {
            let (handler, mut told) = reader(|| None);
            let pair = Pair::new(protocol, handler).await;
            let place = pair.link.reserve().await.unwrap();
            let body = if leaves {
                endless(vec![pattern(0, 1000)])
            } else {
                broken(vec![pattern(0, 1000)])
            };
            let mut upload = Box::pin(place.send(request("POST", "/", body)));
            tokio::select! {
                answer = &mut upload => assert!(!leaves && answer.is_err()),
                _ = soon(told.recv()) => {}
            }
            drop(upload);
            let mut cut = false;
            while !cut {
                // The first word may still be on its way.
                cut = soon(told.recv()).await.expect("the upload looked complete");
            }
            pair.finish().await;
        }
    }
}

#[tokio::test]
async fn an_upload_that_the_peer_has_no_time_for_is_never_complete() {
    for protocol in BOTH {
        for aborts in [true, false] {
            let (handler, mut told) = reader(|| None);
            let mut pair = Pair::new(protocol, handler).await;
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
            assert!(soon(told.recv()).await.unwrap(), "{protocol:?} aborts={aborts}");
            assert!(soon(upload.join_next()).await.unwrap().unwrap().is_err());
            if !aborts {
                assert_eq!(pair.peer_end().await, LinkEnd::Closed);
            }
        }
    }
}

#[tokio::test]
async fn http1_reads_a_small_rest_and_lives_on() {
    let pair = Pair::new(
        Protocol::Http1,
        handler(async |_| Response::new(transaction::full(pattern(0, 60_000)))),
    )
    .await;
    for _ in 0..5 {
        let response = pair.fetch(get("/")).await;
        drop(response);
        pair.ping().await;
    }
    pair.finish().await;
}

#[tokio::test]
async fn a_draining_link_finishes_what_is_under_way() {
    for protocol in BOTH {
        let go_on = Arc::new(Notify::new());
        let goes_on = Arc::clone(&go_on);
        let mut pair = Pair::new(
            protocol,
            handler(move |_| {
                let go_on = Arc::clone(&goes_on);
                async move {
                    go_on.notified().await;
                    Response::new(stream(1_000_000))
                }
            }),
        )
        .await;
        let place = pair.link.reserve().await.unwrap();
        let mut under_way = JoinSet::new();
        under_way.spawn(async move { bytes(place.send(get("/")).await.unwrap()).await });
        tokio::task::yield_now().await;
        pair.link.drain();
        assert!(!pair.link.is_open());
        assert!(matches!(pair.link.reserve().await, Err(SendError::Closed)));
        go_on.notify_one();
        let body = soon(under_way.join_next()).await.unwrap().unwrap();
        assert_eq!(body.unwrap().len(), 1_000_000, "{protocol:?}");
        assert_eq!(soon(pair.link.ended()).await, LinkEnd::Closed);
        assert_eq!(pair.peer_end().await, LinkEnd::Closed);
    }
}

#[tokio::test]
async fn a_peer_that_stops_finishes_what_is_under_way() {
    for protocol in BOTH {
        let (begun, mut begins) = mpsc::channel(1);
        let go_on = Arc::new(Notify::new());
        let goes_on = Arc::clone(&go_on);
        let mut pair = Pair::new(
            protocol,
            handler(move |_| {
                let (go_on, begun) = (Arc::clone(&goes_on), begun.clone());
                async move {
                    begun.send(()).await.unwrap();
                    go_on.notified().await;
                    Response::new(stream(1_000_000))
                }
            }),
        )
        .await;
        let place = pair.link.reserve().await.unwrap();
        let mut under_way = JoinSet::new();
        under_way.spawn(async move { bytes(place.send(get("/")).await.unwrap()).await });
        soon(begins.recv()).await.unwrap();
        pair.stop.cancel();
        go_on.notify_one();
        let body = soon(under_way.join_next()).await.unwrap().unwrap();
        assert_eq!(body.unwrap().len(), 1_000_000, "{protocol:?}");
        assert_eq!(pair.peer_end().await, LinkEnd::Closed);
        assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
    }
}

#[tokio::test]
async fn a_peer_that_stops_does_not_wait_for_ever() {
    for protocol in BOTH {
        let mut pair =
            Pair::new(protocol, handler(async |_| Response::new(endless(vec!["x".into()])))).await;
        let response = pair.fetch(get("/")).await;
        pair.stop.cancel();
        assert_eq!(pair.peer_end().await, LinkEnd::Closed, "{protocol:?}");
        assert!(bytes(response).await.is_err(), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_link_that_nobody_holds_ends() {
    for protocol in BOTH {
        let mut pair = Pair::new(protocol, idle()).await;
        pair.ping().await;
        drop(pair.link);
        assert_eq!(
            timeout(SOON, pair.peer.join_next()).await.unwrap().unwrap().unwrap(),
            LinkEnd::Closed
        );
    }
}

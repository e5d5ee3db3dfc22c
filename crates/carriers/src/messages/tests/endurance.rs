//! What slow, hasty and vanished people do to a link.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    transaction::{self, Body},
    transactions::{Config, Numbers},
};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Pair,
    common::{bytes, endless, get, handler, idle, request, soon, stream},
};
use crate::{LinkEnd, SendError};

/// How long a small request may take beside stalled ones. It takes about a millisecond, and longer on a busy
/// machine; but when a stalled visitor holds it up, it takes for ever.
const PROMPT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_downloads_hold_up_nobody_else() {
    let pair = Pair::new(handler(async |_| Response::new(stream(50_000_000))));
    let mut stalled = Vec::new();
    for upto in [3, 30, 150, 230] {
        while stalled.len() < upto {
            let mut response = pair.fetch(get("/film")).await;
            // The first bytes come, and then this visitor reads no more.
            soon(response.body_mut().frame()).await.unwrap().unwrap();
            stalled.push(response);
        }
        for _ in 0..5 {
            let took = pair.ping().await;
            assert!(took < PROMPT, "{took:?} beside {upto} stalled downloads");
        }
        // Another film is as fast as ever.
        let mut film = pair.fetch(get("/film")).await;
        let mut seen = 0;
        while seen < 5_000_000 {
            seen +=
                soon(film.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap().len();
        }
    }
    drop(stalled);
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_uploads_hold_up_nobody_else() {
    let pair = Arc::new(Pair::new(handler(async |request: Request<Body>| {
        if request.uri().path() == "/read" {
            let length = request.into_body().collect().await.unwrap().to_bytes().len();
            return Response::new(transaction::full(length.to_string()));
        }
        // Holds the body and never reads it.
        let body = request.into_body();
        std::future::pending::<()>().await;
        Response::new(body)
    })));
    let mut stalled = JoinSet::new();
    for _ in 0..30 {
        let pair = Arc::clone(&pair);
        stalled.spawn(async move {
            let place = pair.link.reserve().await.unwrap();
            place.send(request("POST", "/drop", stream(5_000_000))).await.map(|_| ())
        });
    }
    soon(async {
        while pair.link.room() > 210 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..5 {
        assert!(pair.ping().await < PROMPT);
        let response = pair.fetch(request("POST", "/read", stream(3_000_000))).await;
        assert_eq!(bytes(response).await.unwrap(), "3000000");
    }
    stalled.abort_all();
    while stalled.join_next().await.is_some() {}
    Arc::into_inner(pair).unwrap().finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_who_click_away_at_once_do_not_end_the_link() {
    let pair = Pair::new(handler(async |request: Request<Body>| {
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        Response::new(endless(vec![Bytes::from(vec![0; 100_000])]))
    }));
    for (count, path) in [(200, "/never"), (230, "/film"), (3000, "/never"), (3000, "/film")] {
        // All at once: none of the requests is awaited before it is dropped.
        let mut left = count;
        while left > 0 {
            let room = pair.link.room().min(left);
            let places: Vec<_> = (0..room).map_while(|_| pair.link.try_reserve().ok()).collect();
            left -= places.len();
            let mut visits = JoinSet::new();
            let reads = path == "/film";
            for place in places {
                visits.spawn(async move {
                    let visit = place.send(get(path));
                    if reads {
                        let mut response = visit.await.unwrap();
                        let _ = response.body_mut().frame().await;
                    } else {
                        let _ = tokio::time::timeout(Duration::ZERO, visit).await;
                    }
                });
            }
            soon(visits.join_all()).await;
        }
        assert!(pair.link.is_open(), "{count} {path}");
        assert!(pair.ping().await < PROMPT, "{count} {path}");
    }
    pair.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_death_is_noticed_on_both_sides() {
    for busy in [false, true] {
        let mut pair = Pair::new(handler(async |_| Response::new(stream(500_000_000))));
        let mut films = Vec::new();
        if busy {
            for _ in 0..20 {
                films.push(pair.fetch(get("/film")).await);
            }
        }
        pair.ping().await;
        // It lives on as long as both answer.
        tokio::time::sleep(Duration::from_secs(600)).await;
        pair.ping().await;

        pair.silent.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        let waiting = pair.link.clone();
        let mut visits = JoinSet::new();
        visits.spawn(async move { waiting.send(get("/ping")).await.map(|_| ()) });
        assert_eq!(pair.link.ended().await, LinkEnd::Silent);
        assert_eq!(pair.peer.join_next().await.unwrap().unwrap(), LinkEnd::Silent, "busy={busy}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(35), "{took:?}");
        // It never left, so it is safe to send it elsewhere.
        let unsent = visits.join_next().await.unwrap().unwrap();
        assert!(matches!(unsent, Err(SendError::Closed)), "{unsent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_whole_message_yet_are_signs_of_life() {
    let pair = Pair::new(idle());
    pair.ping().await;
    pair.silent.store(true, Ordering::SeqCst);
    let line = pair.link.line();
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        line.hear();
        assert!(pair.link.is_open());
    }
    assert_eq!(pair.link.ended().await, LinkEnd::Silent);
}

#[tokio::test]
async fn few_places_are_shared_out_too() {
    let config = |numbers| Config { max_opened: 8, max_accepted: 8, ..Config::new(numbers) };
    let pair = Pair::with(
        handler(async |_| Response::new(endless(vec!["x".into()]))),
        config(Numbers::Even),
        config(Numbers::Odd),
    );
    assert_eq!(pair.link.room(), 6);
    let held = [pair.fetch(get("/")).await, pair.fetch(get("/")).await];
    assert_eq!(pair.link.room(), 4);
    drop(held);
    for _ in 0..100 {
        pair.ping().await;
    }
    pair.finish().await;
}

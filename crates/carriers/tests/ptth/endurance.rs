//! What slow, hasty and vanished people do to a link.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use carriers::{
    LinkEnd, Timing,
    ptth::{Protocol, Token, dial},
};
use crosstalk::transaction::{self, Body};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    common::{bytes, endless, get, handler, idle, request, soon, stream},
    world::{GRACE, Pair, TestGateway},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_downloads_hold_up_nobody_else() {
    let pair =
        Pair::new(Protocol::Http2, handler(async |_| Response::new(stream(50_000_000)))).await;
    let mut stalled = Vec::new();
    for upto in [3, 30, 150, 230] {
        while stalled.len() < upto {
            let mut response = pair.fetch(get("/film")).await;
            // The first bytes come, and then this visitor reads no more.
            soon(response.body_mut().frame()).await.unwrap().unwrap();
            stalled.push(response);
        }
        for _ in 0..5 {
            pair.ping().await;
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
    let pair = Arc::new(
        Pair::new(
            Protocol::Http2,
            handler(async |request: Request<Body>| {
                if request.uri().path() == "/read" {
                    let length = request.into_body().collect().await.unwrap().to_bytes().len();
                    return Response::new(transaction::full(length.to_string()));
                }
                // Holds the body and never reads it.
                let body = request.into_body();
                std::future::pending::<()>().await;
                Response::new(body)
            }),
        )
        .await,
    );
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
        pair.ping().await;
        let response = pair.fetch(request("POST", "/read", stream(3_000_000))).await;
        assert_eq!(bytes(response).await.unwrap(), "3000000");
    }
    stalled.abort_all();
    while stalled.join_next().await.is_some() {}
    Arc::into_inner(pair).unwrap().finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_who_click_away_at_once_do_not_end_the_link() {
    let pair = Arc::new(
        Pair::new(
            Protocol::Http2,
            handler(async |request: Request<Body>| {
                if request.uri().path() == "/never" {
                    std::future::pending::<()>().await;
                }
                Response::new(endless(vec![Bytes::from(vec![0; 100_000])]))
            }),
        )
        .await,
    );
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
        pair.ping().await;
    }
    Arc::into_inner(pair).unwrap().finish().await;
}

/// Quicker than the usual times, and long enough for an answer behind films on a busy machine.
const QUICK: Timing =
    Timing { ping_every: Duration::from_secs(1), ping_timeout: Duration::from_secs(8) };

/// Longer than a link lives that is not answered.
const MUCH_LONGER: Duration = Duration::from_secs(12);

/// Passes bytes between a peer and a gateway until it is told to stop, and then keeps both
/// connections open in silence, as a laptop does whose lid was closed.
struct Wall {
    address: std::net::SocketAddr,
    silence: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Wall {
    async fn before(gateway: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silence = CancellationToken::new();
        let silent = silence.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (peer, _) = listener.accept().await.unwrap();
            let gateway = TcpStream::connect(gateway).await.unwrap();
            let ((mut from_peer, mut to_peer), (mut from_gateway, mut to_gateway)) =
                (peer.into_split(), gateway.into_split());
            let there = async {
                let mut buffer = [0; 16_384];
                loop {
                    tokio::select! {
                        length = from_peer.read(&mut buffer) => {
                            let Ok(length @ 1..) = length else { return };
                            if to_gateway.write_all(&buffer[..length]).await.is_err() { return }
                        }
                        () = silent.cancelled() => std::future::pending().await,
                    }
                }
            };
            let back = async {
                let mut buffer = [0; 16_384];
                loop {
                    tokio::select! {
                        length = from_gateway.read(&mut buffer) => {
                            let Ok(length @ 1..) = length else { return };
                            if to_peer.write_all(&buffer[..length]).await.is_err() { return }
                        }
                        () = silent.cancelled() => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = there => {}
                () = back => {}
            }
        });
        Self { address, silence, _tasks: tasks }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_death_is_noticed_on_both_sides() {
    for busy in [false, true] {
        let mut gateway = TestGateway::start(QUICK).await;
        let wall = Wall::before(gateway.socket_address).await;
        let mut options = gateway.options();
        options.gateway = format!("http://{}", wall.address).parse().unwrap();
        let served = dial::dial_with(&options, Token::Ptth, &[Protocol::Http2], QUICK);
        let served = soon(served).await.unwrap();
        let mut peer = JoinSet::new();
        let handler = handler(async |_| Response::new(stream(500_000_000)));
        peer.spawn(served.run(handler, CancellationToken::new(), GRACE));
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        // A film that nobody reads fills the way to the gateway, so that not even a ping leaves.
        let mut films = JoinSet::new();
        if busy {
            for _ in 0..20 {
                let mut response = soon(link.send(get("/film"))).await.unwrap();
                films.spawn(
                    async move { while let Some(Ok(_)) = response.body_mut().frame().await {} },
                );
            }
        }
        let response = soon(link.send(get("/ping"))).await.unwrap();
        assert_eq!(bytes(response).await.unwrap(), "pong");
        // It lives on as long as both answer.
        tokio::time::sleep(MUCH_LONGER).await;
        assert!(link.is_open());

        wall.silence.cancel();
        let begun = Instant::now();
        let waiting = link.clone();
        let mut visits = JoinSet::new();
        visits.spawn(async move { waiting.send(get("/ping")).await.map(|_| ()) });
        assert_eq!(soon(link.ended()).await, LinkEnd::Silent);
        assert_eq!(soon(peer.join_next()).await.unwrap().unwrap(), LinkEnd::Silent, "busy={busy}");
        // Where the machine is busy it takes longer than those nine seconds; with the usual times, thirty.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(27), "{took:?}");
        assert!(soon(visits.join_next()).await.unwrap().unwrap().is_err());
    }
}

#[tokio::test]
async fn a_link_that_rests_stays() {
    let pair = Pair::with(Protocol::Http2, idle(), Token::Ptth, QUICK).await;
    tokio::time::sleep(MUCH_LONGER).await;
    pair.ping().await;
    pair.finish().await;
    let pair = Pair::with(Protocol::Http1, idle(), Token::Ptth, QUICK).await;
    tokio::time::sleep(MUCH_LONGER).await;
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn a_peer_that_dies_is_noticed_at_once() {
    for protocol in crate::world::BOTH {
        let (begun, mut begins) = mpsc::channel(1);
        let mut pair = Pair::new(
            protocol,
            handler(move |_| {
                let begun = begun.clone();
                async move {
                    begun.send(()).await.unwrap();
                    std::future::pending().await
                }
            }),
        )
        .await;
        let link = pair.link.clone();
        let mut visits = JoinSet::new();
        visits.spawn(async move { link.send(get("/")).await.map(|_| ()) });
        soon(begins.recv()).await.unwrap();
        pair.peer.abort_all();
        let answer = soon(visits.join_next()).await.unwrap().unwrap();
        assert!(matches!(answer, Err(carriers::SendError::Lost(_))), "{protocol:?} {answer:?}");
        assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
    }
}

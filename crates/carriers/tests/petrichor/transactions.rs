//! Requests and answers. What every carrier must do is in the conformance suite; here is what is
//! Petrichor's own.

use std::time::Duration;

use carriers::{LinkEnd, Timing};
use crosstalk::transaction;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    common::{bytes, endless, get, handler, idle, pattern, request, soon, stream},
    world::{BOTH, Pair, TestGateway, Way},
};

#[tokio::test]
async fn bodies_of_all_sizes_pass_in_both_directions() {
    for way in BOTH {
        let pair =
            Pair::new(way, handler(async |request| Response::new(request.into_body()))).await;
        pair.ping().await;
        for size in [0, 1, 8 * 1024, 65_535, 65_536, 65_537, 3_000_000] {
            let answer = pair.fetch(request("POST", "/", stream(size))).await;
            assert!(bytes(answer).await.unwrap() == pattern(0, size), "{size}");
        }
        pair.finish().await;
    }
}

#[tokio::test]
async fn heads_pass_as_they_are() {
    let pair = Pair::new(
        Way::Port,
        handler(async |request| {
            let mut response = Response::new(transaction::empty());
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            let target = request.uri().to_string();
            assert_eq!(request.headers()["host"], "site.gateway.example");
            response.headers_mut().insert("x-target", target.parse().unwrap());
            for value in request.headers().get_all("x-many") {
                response.headers_mut().append("set-cookie", value.clone());
            }
            response
        }),
    )
    .await;
    let mut asked = get("/a%20b?c=d&e");
    for value in [&b"one"[..], b"two", b"", b"caf\xe9, \"four\""] {
        let value = http::HeaderValue::from_bytes(value).unwrap();
        asked.headers_mut().append("x-many", value);
    }
    let sent: Vec<_> = asked.headers().get_all("x-many").iter().cloned().collect();
    let answer = pair.fetch(asked).await;
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.headers()["x-target"], "/a%20b?c=d&e");
    let came: Vec<_> = answer.headers().get_all("set-cookie").iter().cloned().collect();
    assert_eq!(came, sent);
    pair.finish().await;
}

#[tokio::test]
async fn stalled_visitors_hold_up_nobody() {
    for way in BOTH {
        let pair = Pair::new(way, handler(async |_| Response::new(stream(50_000_000)))).await;
        let mut stalled = Vec::new();
        for _ in 0..30 {
            let mut answer = pair.fetch(get("/film")).await;
            soon(answer.body_mut().frame()).await.unwrap().unwrap();
            stalled.push(answer);
        }
        for _ in 0..20 {
            pair.ping().await;
        }
        drop(stalled);
        pair.ping().await;
        pair.finish().await;
    }
}

#[tokio::test]
async fn a_stopped_peer_finishes_what_it_began() {
    let mut pair = Pair::new(Way::Port, handler(async |_| Response::new(stream(2_000_000)))).await;
    let answer = pair.fetch(get("/")).await;
    pair.stop.cancel();
    assert_eq!(bytes(answer).await.unwrap().len(), 2_000_000);
    assert_eq!(pair.peer_end().await, LinkEnd::Closed);
    soon(pair.link.ended()).await;
}

#[tokio::test]
async fn a_silent_partner_is_noticed_at_both_ends() {
    let timing =
        Timing { ping_every: Duration::from_millis(200), ping_timeout: Duration::from_secs(3) };
    let wishes = carriers::petrichor::dial::Wishes { compress: false, dedupe: false };
    // The gateway's partner says hello and then nothing, and does not close either.
    let mut gateway = TestGateway::start(Way::Port, timing, std::sync::Arc::new(|_| None)).await;
    let mut silent = TcpStream::connect(gateway.socket_address).await.unwrap();
    silent.write_all(b"14:7:version,1:1,}0:,").await.unwrap();
    let link = soon(gateway.links.recv()).await.unwrap().unwrap();
    assert_eq!(soon(link.ended()).await, LinkEnd::Silent);
    // Two that speak keep their link for longer than that.
    let pair = Pair::with(Way::Port, idle(), timing, wishes).await;
    tokio::time::sleep(timing.ping_timeout * 2).await;
    pair.ping().await;
    pair.finish().await;
}

#[tokio::test]
async fn damaged_messages_end_the_link_and_cut_what_is_under_way() {
    for damage in [
        &b"nonsense"[..],
        b"14:4:type,4:ping,]0:,",
        b"0:}0:,",
        b"14:4:type,4:pung,}0:,",
        b"23:4:type,4:data,2:id,1:8#}1:x,",
        b"999999999:",
        b"23:4:type,4:data,2:id,1:2#}1048577:",
    ] {
        let mut gateway = TestGateway::open(Way::Port).await;
        let mut peer = TcpStream::connect(gateway.socket_address).await.unwrap();
        peer.write_all(b"14:7:version,1:1,}0:,").await.unwrap();
        let link = soon(gateway.links.recv()).await.unwrap().unwrap();
        let (answer, ()) = tokio::join!(soon(link.send(get("/"))), async {
            let head = b"42:4:type,8:response,2:id,1:2#6:status,3:200#}4:half,";
            peer.write_all(head).await.unwrap();
        });
        let mut answer = answer.unwrap();
        let first = soon(answer.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "half");
        // The gateway may close before the last byte was taken.
        let _ = peer.write_all(damage).await;
        assert!(bytes(answer).await.is_err(), "a cut body is not complete");
        assert_eq!(soon(link.ended()).await, LinkEnd::Lost, "{}", damage.escape_ascii());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_cuts_what_is_under_way() {
    let mut pair =
        Pair::new(Way::Upgrade, handler(async |_| Response::new(endless(vec!["some".into()]))))
            .await;
    let mut answer = pair.fetch(get("/")).await;
    soon(answer.body_mut().frame()).await.unwrap().unwrap();
    pair.peer.abort_all();
    assert!(bytes(answer).await.is_err());
    assert_eq!(soon(pair.link.ended()).await, LinkEnd::Lost);
}

//! How a gateway stops.

use crosstalk::control::ReceiptState;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{World, read_head, soon};

#[tokio::test]
async fn a_download_under_way_is_finished_and_its_receipt_still_sent() {
    const SIZE: usize = 16 * 1024 * 1024;
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let path = format!("/size/{SIZE}");
    let mut visitor = world.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: photos.localhost\r\n\r\n");
    visitor.write_all(request.as_bytes()).await.unwrap();
    let (_, mut body) = read_head(&mut visitor).await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_head(&mut idle).await;
    world.stop.cancel();
    let refused = async {
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
    assert!(!world.running.is_finished());
    soon(idle.read_to_end(&mut Vec::new())).await.unwrap();
    soon(visitor.read_to_end(&mut body)).await.unwrap();
    assert_eq!(body.len(), SIZE);
    soon(world.running).await.unwrap();
    let last = peer.site.last_receipt(&path).await;
    assert_eq!((last.delivered, last.state), (SIZE as u64, ReceiptState::Complete));
    soon(peer.running).await.unwrap();
}

#[tokio::test]
async fn a_visitor_who_stalls_does_not_keep_the_gateway_from_stopping() {
    let world = World::start().await;
    let peer = world.publish("photos").await;
    let mut visitor = world.connect().await;
    visitor.write_all(b"GET /never HTTP/1.1\r\nhost: photos.localhost\r\n\r\n").await.unwrap();
    peer.site.has_seen("/never").await;
    world.stop.cancel();
    tokio::time::pause();
    tokio::task::yield_now().await;
    for _ in 0..gateway::limits::STOP_GRACE.as_secs() + 1 {
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::resume();
    soon(world.running).await.unwrap();
    assert_eq!(soon(visitor.read(&mut [0])).await.unwrap_or(0), 0);
}

//! How links begin on the gateway's ordinary port.

use carriers::{
    Carrier, DialError,
    accept::{Offer, Refusal, read},
};
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    common::soon,
    world::{TestGateway, Way},
};

const UPGRADE: (&str, &str) = ("connection", "keep-alive, Upgrade");
const TOKEN: (&str, &str) = ("upgrade", "petrichor/1");

fn parts(method: &str, headers: &[(&str, &str)]) -> http::request::Parts {
    let mut request = Request::builder().method(method).uri("/ptth");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn what_is_granted() {
    for headers in [&[UPGRADE, TOKEN][..], &[UPGRADE, ("upgrade", "ptth, Petrichor/1")]] {
        let offer = read(&parts("GET", headers)).unwrap().unwrap();
        assert!(matches!(offer, Offer::Petrichor(_)));
        assert_eq!(offer.carrier(), Carrier::Petrichor);
        let response = offer.response();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["connection"].as_bytes(), b"Upgrade");
        assert!(headers[1].1.ends_with(response.headers()["upgrade"].to_str().unwrap()));
        assert_eq!(response.headers().len(), 2);
    }
}

#[test]
fn what_is_refused() {
    for (method, headers, refusal) in [
        ("GET", &[TOKEN][..], Refusal::Connection),
        ("POST", &[UPGRADE, TOKEN], Refusal::Method),
        ("GET", &[UPGRADE, TOKEN, ("content-length", "1")], Refusal::Body),
        ("GET", &[UPGRADE, TOKEN, ("transfer-encoding", "chunked")], Refusal::Body),
    ] {
        assert_eq!(read(&parts(method, headers)).unwrap_err(), refusal);
    }
    let mut old = parts("GET", &[UPGRADE, TOKEN]);
    old.version = http::Version::HTTP_10;
    assert_eq!(read(&old).unwrap_err(), Refusal::Version);
    for token in ["petrichor", "petrichor/2", "petrichor/1.0"] {
        assert!(read(&parts("GET", &[UPGRADE, ("upgrade", token)])).unwrap().is_none());
    }
}

/// Reads until the bytes end with these, and returns all.
async fn heard(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        all.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_peer_by_hand() {
    let mut gateway = TestGateway::open(Way::Upgrade).await;
    let mut peer = TcpStream::connect(gateway.socket_address).await.unwrap();
    let ask =
        b"GET /ptth HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: petrichor/1\r\n\r\n";
    peer.write_all(ask).await.unwrap();
    assert!(heard(&mut peer, "\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    // The gateway says what it offers without being asked.
    let welcome = heard(&mut peer, "}0:,").await;
    assert!(welcome.contains("7:allowed,4:true!7:version,1:1,"), "{welcome}");
    peer.write_all(b"14:7:version,1:1,}0:,").await.unwrap();
    let link = soon(gateway.links.recv()).await.unwrap().unwrap();
    let asked = crate::common::get("/hello");
    let (answer, ()) = tokio::join!(soon(link.send(asked)), async {
        let request = heard(&mut peer, "}0:,").await;
        assert!(request.contains("4:type,7:request,2:id,1:2#3:end,4:true!"), "{request}");
        assert!(request.contains("6:method,3:GET,6:target,6:/hello,"), "{request}");
        let head = b"55:4:type,8:response,2:id,1:2#3:end,4:true!6:status,3:200#}2:hi,";
        peer.write_all(head).await.unwrap();
    });
    assert_eq!(crate::common::bytes(answer.unwrap()).await.unwrap(), "hi");
}

#[tokio::test]
async fn an_answer_of_something_else_is_no_gateway() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: petrichor/1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "0:}0:,",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            let _ = socket.read_to_end(&mut asked).await;
        });
        let mut options = TestGateway::open(Way::Upgrade).await.options();
        options.gateway = format!("http://{address}").parse().unwrap();
        let error = soon(carriers::petrichor::dial::dial(&options)).await.err().unwrap();
        assert!(matches!(error, DialError::NotAGateway), "{answer:?}: {error:?}");
    }
}

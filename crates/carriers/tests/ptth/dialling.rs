//! The peer's side of the handshake, against gateways that are written by hand.

use std::{sync::Arc, time::Duration};

use carriers::{
    Carrier, DialError, DialOptions, Timing,
    ptth::{Protocol, Token, dial},
    tls::{self, Roots},
};
use crosstalk::{address::GatewayAddress, label::Label, registry::Reason};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    common::{idle, soon},
    world::{GRACE, Pair},
};

/// Answers each request on one connection with the next of these, and returns the requests.
async fn gateway(answers: &[&str]) -> (DialOptions, JoinSet<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        converse(&mut socket, &answers).await
    });
    (options(&address), tasks)
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    answers: &[String],
) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in answers {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return requests,
            }
        }
        requests.push(String::from_utf8(head).unwrap());
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
    // Until the other side has seen enough.
    let _ = socket.read_u8().await;
    requests
}

fn options(address: &str) -> DialOptions {
    DialOptions {
        gateway: GatewayAddress::parse(address).unwrap(),
        proof: "a.b.c".to_owned(),
        label: None,
        roots: Roots::System,
        account: None,
        invite: None,
    }
}

const BOTH: &[Protocol] = &[Protocol::Http2, Protocol::Http1];
const YES_H1: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ptth\r\nALPN: http%2F1.1\r\n\r\n";
const YES_H2: &str = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n\r\n";

#[tokio::test]
async fn what_a_peer_says() {
    let (options, mut tasks) = gateway(&[YES_H1]).await;
    let served = soon(dial::dial(&options, BOTH)).await.unwrap();
    assert_eq!(served.carrier(), Carrier::PtthHttp1);
    drop(served);
    let request = soon(tasks.join_next()).await.unwrap().unwrap().remove(0).to_lowercase();
    assert!(request.starts_with("get /ptth http/1.1\r\n"), "{request}");
    let authority = options.gateway.authority();
    for line in [
        &format!("host: {authority}"),
        "connection: upgrade",
        "upgrade: ptth",
        "alpn: h2, http%2f1.1",
        "authorization: bearer a.b.c",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
    }

    let yes = "HTTP/1.1 101 \r\nUpgrade: PTTH/1.0\r\nContent-Length: 0\r\nContent-type: text/plain\r\n\r\n";
    let (mut options, mut tasks) = gateway(&[yes]).await;
    options.label = Some(Label::parse("photos").unwrap());
    options.proof.clear();
    let token = Token::Ptth09;
    let served = dial::dial_with(&options, token, &[Protocol::Http1], Timing::default());
    assert_eq!(soon(served).await.unwrap().carrier(), Carrier::PtthHttp1);
    let request = soon(tasks.join_next()).await.unwrap().unwrap().remove(0);
    assert!(request.starts_with("POST /ptth/photos HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Upgrade: PTTH/0.9\r\n"), "{request}");
    assert!(request.contains("Content-Length: 0\r\n"), "{request}");
    let request = request.to_lowercase();
    assert!(!request.contains("alpn") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn bytes_in_the_same_segment_as_the_101_are_not_lost() {
    let with_request =
        format!("{YES_H1}GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options(&format!("http://{}", listener.local_addr().unwrap()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(with_request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    });
    let served = soon(dial::dial(&options, BOTH)).await.unwrap();
    soon(served.run(idle(), CancellationToken::new(), GRACE)).await;
    let answer = soon(tasks.join_next()).await.unwrap().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\npong"),
        "{answer}"
    );
}

#[tokio::test]
async fn answers_that_are_no_link() {
    let ours = "{\"reason\":\"not-admitted\",\"sentence\":\"By invitation only.\"}";
    let json = |status: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (answer, expected, retry) in [
        (
            json("403 Forbidden", ours),
            Some((403, Reason::NotAdmitted, "By invitation only.")),
            false,
        ),
        (json("403 Forbidden", "<h1>no</h1>"), Some((403, Reason::Unknown, "admit")), false),
        (json("401 Unauthorized", ""), Some((401, Reason::Unknown, "who")), false),
        (json("404 Not Found", "?"), Some((404, Reason::NotFound, "nothing takes links")), false),
        (json("409 Conflict", "?"), Some((409, Reason::Unknown, "somebody else")), false),
        (json("426 Upgrade Required", "?"), Some((426, Reason::UpgradeRequired, "blocks")), false),
        (json("429 Too Many Requests", "?"), Some((429, Reason::Unknown, "too often")), true),
        (json("503 Service Unavailable", "?"), Some((503, Reason::Unknown, "room")), true),
        (json("502 Bad Gateway", "?"), Some((502, Reason::Unknown, "work")), true),
        (json("503 Later", &"x".repeat(100_000)), Some((503, Reason::Unknown, "room")), true),
        (json("418 Teapot", ours), Some((418, Reason::NotAdmitted, "By invitation only.")), false),
        (
            json("403 No", "{\"reason\":\"from-the-future\",\"sentence\":\"A\\u001b[31m\\nB\"}"),
            Some((403, Reason::Unknown, "A [31m B")),
            false,
        ),
        (json("200 OK", ours), None, true),
        (json("302 Found", ours), None, true),
        (json("418 Teapot", "?"), None, true),
        ("220 mail.example ESMTP\r\n\r\n".to_owned(), None, true),
        (YES_H1.replace("ptth", "websocket"), None, true),
        (YES_H1.replace("http%2F1.1", "h3"), None, true),
        (YES_H1.replace("Upgrade: ptth\r\n", ""), None, true),
        (YES_H1.replace("Upgrade: ptth\r\n", "Upgrade: PTTH/1.0\r\n"), None, true),
    ] {
        let (options, _tasks) = gateway(&[&answer]).await;
        let error = soon(dial::dial(&options, BOTH)).await.err().unwrap();
        assert_eq!(error.is_worth_retrying(), retry, "{answer}");
        match (&error, expected) {
            (DialError::Refused { status, refused, .. }, Some((code, reason, part))) => {
                assert_eq!((status.as_u16(), refused.reason), (code, reason), "{answer}");
                assert!(refused.sentence.contains(part), "{}", refused.sentence);
            }
            (DialError::NotAGateway, None) => {}
            _ => panic!("{answer}: {error:?}"),
        }
    }
    // What was not offered cannot be chosen.
    let (options, _tasks) = gateway(&[YES_H2]).await;
    let error = soon(dial::dial(&options, &[Protocol::Http1])).await.err().unwrap();
    assert!(matches!(error, DialError::NotAGateway));
}

#[tokio::test]
async fn when_to_come_back() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    for (header, least, most) in [
        ("Retry-After: 17", 17, 17),
        (&format!("Retry-After: {date}"), 90, 100),
        ("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        ("Retry-After: 99999999", 3600, 3600),
    ] {
        let answer = format!("HTTP/1.1 503 Later\r\n{header}\r\nContent-Length: 0\r\n\r\n");
        let (options, _tasks) = gateway(&[&answer]).await;
        let error = soon(dial::dial(&options, BOTH)).await.err().unwrap();
        let DialError::Refused { retry_after: Some(wait), .. } = error else { panic!("{error:?}") };
        assert!((least..=most).contains(&wait.as_secs()), "{header}: {wait:?}");
    }
    let (options, _tasks) =
        gateway(&["HTTP/1.1 503 X\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"]).await;
    let error = soon(dial::dial(&options, BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::Refused { retry_after: None, .. }));
}

#[tokio::test]
async fn another_gateway_is_named() {
    for (status, location, moved) in [
        (307, "https://two.gateway.example/ptth/x", Some("https://two.gateway.example")),
        (308, "http://127.0.0.1:9/", Some("http://127.0.0.1:9")),
        (307, "http://two.gateway.example/", None),
        (307, "/elsewhere", None),
        (307, "ftp://two.gateway.example/", None),
        (301, "https://two.gateway.example/", None),
    ] {
        let answer =
            format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let (options, _tasks) = gateway(&[&answer]).await;
        match (soon(dial::dial(&options, BOTH)).await.err().unwrap(), moved) {
            (DialError::Moved(there), Some(moved)) => assert_eq!(there.origin(), moved),
            (DialError::NotAGateway, None) => {}
            (error, _) => panic!("{status} {location}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_relay_that_has_nobody_yet_is_asked_again_on_the_same_connection() {
    const NOBODY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    let (options, mut tasks) = gateway(&[NOBODY, NOBODY, NOBODY, YES_H1]).await;
    let served = soon(dial::dial(&options, BOTH)).await.unwrap();
    drop(served);
    let requests = soon(tasks.join_next()).await.unwrap().unwrap();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| *request == requests[0]));

    let (options, mut tasks) = gateway(&[NOBODY; 100]).await;
    let error = soon(dial::dial(&options, BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::TimedOut) && error.is_worth_retrying());
    assert_eq!(soon(tasks.join_next()).await.unwrap().unwrap().len(), 16);
}

#[tokio::test]
async fn nobody_there_and_somebody_who_hangs_up() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = soon(dial::dial(&options(&format!("http://{closed}")), BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::Unreachable(_)), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1000]).await;
    });
    let error = soon(dial::dial(&options(&address), BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_gateway_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let error = soon(dial::dial(&options(&address), BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::TimedOut), "{error:?}");
}

#[test]
fn a_proof_is_not_printed() {
    assert!(!format!("{:?}", options("https://gateway.example")).contains("a.b.c"));
}

/// A gateway with a certificate for `localhost`.
async fn tls_gateway(
    protocols: &[&str],
) -> (u16, rustls::pki_types::CertificateDer<'static>, JoinSet<()>) {
    let names = vec!["localhost".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(socket).await {
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                converse(&mut stream, &[YES_H1.to_owned()]).await;
            }
        }
    });
    (port, certificate, tasks)
}

#[tokio::test]
async fn only_a_believed_certificate_sees_the_proof() {
    // The gateway would like HTTP/2 better, but an upgrade begins on HTTP/1.1.
    let (port, certificate, _tasks) = tls_gateway(&["h2", "http/1.1"]).await;
    let mut believed = options(&format!("https://localhost:{port}"));
    believed.roots = Roots::Only(vec![certificate.clone()]);
    let served = soon(dial::dial(&believed, BOTH)).await.unwrap();
    assert_eq!(served.carrier(), Carrier::PtthHttp1);
    drop(served);

    let stranger = options(&format!("https://localhost:{port}"));
    let error = soon(dial::dial(&stranger, BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::Certificate(_)), "{error:?}");

    let mut other_name = options(&format!("https://127.0.0.1:{port}"));
    other_name.roots = Roots::Only(vec![certificate]);
    let error = soon(tls::connect(&other_name.gateway, &other_name.roots)).await.err().unwrap();
    assert!(matches!(error, DialError::Certificate(_)), "{error:?}");
}

#[tokio::test]
async fn a_port_without_tls_is_not_a_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1000]).await;
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let options = options(&format!("https://localhost:{port}"));
    let error = soon(dial::dial(&options, BOTH)).await.err().unwrap();
    assert!(matches!(error, DialError::NotAGateway), "{error:?}");
}

#[tokio::test]
async fn names_below_localhost_are_dialled() {
    let pair = Pair::new(Protocol::Http2, idle()).await;
    let port = pair.gateway.socket_address.port();
    let options = options(&format!("http://gateway.localhost:{port}"));
    let served = soon(dial::dial(&options, BOTH)).await.unwrap();
    assert_eq!(served.carrier(), Carrier::PtthHttp2);
    drop(served);
    pair.finish().await;
}

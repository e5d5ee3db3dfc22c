//! How links begin on a port of Petrichor's own: hello, allowed, denied.

use std::{sync::Arc, time::Duration};

use carriers::{
    DialError, Timing,
    accept::LinkError,
    certificate::{Certificate, CertificateError},
    petrichor::{
        accept::{Greeted, MAX_QUESTIONS},
        dial::{self, Wishes},
    },
    tls::Roots,
};
use crosstalk::{
    petrichor::Denial,
    registry::{Reason, Refused},
    transaction,
};
use http::{Response, StatusCode};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    common::{bytes, get, handler, idle, soon},
    world::{GRACE, TestGateway, Way},
};

fn no(reason: Reason, sentence: &str) -> Denial {
    Denial {
        status: StatusCode::FORBIDDEN,
        refused: Refused { reason, sentence: sentence.to_owned() },
        retry_after: Some(Duration::from_secs(7)),
    }
}

#[tokio::test]
async fn the_dialer_says_who_it_is() {
    let mut gateway = TestGateway::open(Way::Port).await;
    let mut options = gateway.options();
    options.label = Some("photos".parse().unwrap());
    let wishes = Wishes { compress: true, dedupe: true };
    let served = soon(dial::dial_wishing(&options, Timing::default(), wishes)).await.unwrap();
    let hello = soon(gateway.hellos.recv()).await.unwrap();
    assert_eq!(hello.token.unwrap().as_str(), "proof");
    assert_eq!(hello.label, options.label);
    assert!(hello.compress && hello.dedupe == Some(0) && !hello.asks);
    drop(served);
    // On this computer nothing is gained by packing.
    let _served = gateway.dial().await.unwrap();
    let hello = soon(gateway.hellos.recv()).await.unwrap();
    assert!(!hello.compress && hello.dedupe.is_none());
}

#[tokio::test]
async fn a_denial_comes_with_its_sentence() {
    let judge = Arc::new(|_: &_| Some(no(Reason::NotAdmitted, "not\ttoday")));
    let gateway = TestGateway::start(Way::Port, Timing::default(), judge).await;
    let error = gateway.dial().await.err().unwrap();
    let DialError::Refused { status, refused, retry_after } = error else { panic!("{error:?}") };
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(refused.reason, Reason::NotAdmitted);
    assert_eq!(refused.sentence, "not today");
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_denial_reaches_a_dialer_that_goes_on_talking() {
    let judge = Arc::new(|_: &_| Some(no(Reason::Busy, "no room")));
    let gateway = TestGateway::start(Way::Port, Timing::default(), judge).await;
    let mut peer = TcpStream::connect(gateway.socket_address).await.unwrap();
    peer.write_all(b"14:7:version,1:1,}0:,").await.unwrap();
    peer.write_all(&[b'x'; 100_000]).await.unwrap();
    let mut said = Vec::new();
    soon(peer.read_to_end(&mut said)).await.unwrap();
    assert!(said.ends_with(b"7:no room,"), "{}", said.escape_ascii());
}

/// A server that answers every hello with these bytes.
async fn answering(bytes: &'static [u8]) -> (JoinSet<()>, crosstalk::address::GatewayAddress) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("petrichor+tcp://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut hello = [0; 16];
        socket.read_exact(&mut hello).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    (server, address.parse().unwrap())
}

#[tokio::test]
async fn only_an_explicit_yes_makes_a_link() {
    for (answer, refused) in [
        // What counts as a yes among the six primitives is none here.
        (&b"0:}7:WELCOME,"[..], true),
        (b"18:7:allowed,5:false!}7:go away,", true),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"33:7:allowed,4:true!7:version,3:0.1,}0:,", false),
        (b"2:hi,0:,", false),
    ] {
        let (_server, gateway) = answering(answer).await;
        let mut options = TestGateway::open(Way::Port).await.options();
        options.gateway = gateway;
        match soon(dial::dial(&options)).await.err().unwrap() {
            DialError::Refused { refused: why, .. } => {
                assert!(refused && !why.sentence.is_empty(), "{}", answer.escape_ascii());
            }
            DialError::NotAGateway => assert!(!refused, "{}", answer.escape_ascii()),
            other @ (DialError::Account(_)
            | DialError::Certificate(_)
            | DialError::Moved(_)
            | DialError::NoAccount
            | DialError::TimedOut
            | DialError::Unreachable(_)) => panic!("{}: {other:?}", answer.escape_ascii()),
        }
    }
}

#[tokio::test]
async fn a_hello_that_is_none_gets_no_link() {
    for hello in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"0:}0:,",
        b"0:~0:,",
        b"16:7:version,3:0.1,}0:,",
        b"14:7:version,1:1,}5:hello,",
        b"30:7:version,1:1,5:label,4:a--b,}0:,",
        b"999999:",
    ] {
        let mut gateway = TestGateway::open(Way::Port).await;
        let mut peer = TcpStream::connect(gateway.socket_address).await.unwrap();
        peer.write_all(hello).await.unwrap();
        let error = soon(gateway.links.recv()).await.unwrap().err().unwrap();
        assert!(matches!(error, LinkError::Broken(_)), "{}: {error:?}", hello.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hello_has_its_time_however_slowly_it_comes() {
    let (mut peer, stream) = duplex(1024);
    let begun = tokio::time::Instant::now();
    let dribble = async {
        for byte in std::iter::once(b'8').chain(std::iter::repeat_n(b'0', 3)).chain([b':']) {
            peer.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            if peer.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let (greeted, ()) = tokio::join!(Greeted::hear(stream), dribble);
    assert!(matches!(greeted.err().unwrap(), LinkError::TimedOut | LinkError::Broken(_)));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_dialer_asks_the_gateway_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("petrichor+tcp://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let greeted = Greeted::hear(socket).await.unwrap();
        assert!(greeted.hello().asks && greeted.hello().token.is_none());
        let answers = handler(async |request| {
            Response::new(transaction::full(format!("you asked for {}", request.uri())))
        });
        greeted.answer(answers, CancellationToken::new(), GRACE).await.unwrap()
    });
    let gateway = gateway.parse().unwrap();
    let link = soon(dial::ask(&gateway, &Roots::System)).await.unwrap();
    for path in ["/one", "/two"] {
        let answer = bytes(soon(link.send(get(path))).await.unwrap()).await.unwrap();
        assert_eq!(answer, format!("you asked for {path}"));
    }
    drop(link);
    soon(server.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_asks_does_not_ask_everything_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("petrichor+tcp://{}", listener.local_addr().unwrap());
    let (tell, mut asked) = mpsc::channel(2 * MAX_QUESTIONS);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let greeted = Greeted::hear(socket).await.unwrap();
        let answers = handler(move |_| {
            let tell = tell.clone();
            async move {
                tell.send(()).await.unwrap();
                std::future::pending().await
            }
        });
        greeted.answer(answers, CancellationToken::new(), GRACE).await.unwrap();
    });
    let gateway = gateway.parse().unwrap();
    let link = Arc::new(soon(dial::ask(&gateway, &Roots::System)).await.unwrap());
    for _ in 0..MAX_QUESTIONS {
        let link = Arc::clone(&link);
        tasks.spawn(async move {
            let _ = link.send(get("/")).await;
        });
        soon(asked.recv()).await.unwrap();
    }
    assert!(soon(link.send(get("/"))).await.is_err());
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn tls_with_a_certificate_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["gateway.localhost".to_owned()]).unwrap();
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let certificate = Certificate::read(&chain, &key).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = TaskTracker::new();
    let owner = tasks.clone();
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(stream) = certificate.accept(socket).await else { continue };
            let Ok(greeted) = Greeted::hear(stream).await else { continue };
            return greeted.link(String::new(), &owner).await.unwrap();
        }
    });
    let mut options = TestGateway::open(Way::Port).await.options();
    options.gateway = format!("petrichor+tls://gateway.localhost:{port}").parse().unwrap();
    let error = soon(dial::dial(&options)).await.err().unwrap();
    assert!(matches!(error, DialError::Certificate(_)), "{error:?}");
    options.roots = Roots::Only(vec![cert.der().clone()]);
    let served = soon(dial::dial(&options)).await.unwrap();
    let mut peer = JoinSet::new();
    let stop = CancellationToken::new();
    peer.spawn(async move { served.run(idle(), stop, GRACE).await });
    let link = soon(server.join_next()).await.unwrap().unwrap();
    assert_eq!(bytes(soon(link.send(get("/ping"))).await.unwrap()).await.unwrap(), "pong");
}

#[test]
fn a_certificate_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let (chain, key) = (folder.path().join(name), folder.path().join(format!("{name}.key")));
        std::fs::write(&chain, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        (chain, key)
    };
    let ((chain, key), (_, other_key)) = (of("one"), of("two"));
    let missing = folder.path().join("missing");
    assert!(Certificate::read(&chain, &key).is_ok());
    assert!(matches!(Certificate::read(&missing, &key), Err(CertificateError::Unreadable(..))));
    assert!(matches!(Certificate::read(&chain, &missing), Err(CertificateError::Unreadable(..))));
    assert!(matches!(Certificate::read(&chain, &chain), Err(CertificateError::Unreadable(..))));
    assert!(matches!(Certificate::read(&key, &key), Err(CertificateError::Empty(_))));
    assert!(matches!(Certificate::read(&chain, &other_key), Err(CertificateError::Unfit(_))));
}

#[tokio::test]
async fn nobody_takes_the_port_for_another_protocol_of_tls() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = signing_key.serialize_der().try_into().unwrap();
    let certificate = Certificate::new(vec![cert.der().clone()], key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    for (offered, accepted) in [
        (&["petrichor/1"][..], true),
        (&["h2", "petrichor/1"], true),
        // Small clients know nothing of such names.
        (&[], true),
        (&["http/1.1"], false),
        (&["h2", "http/1.1"], false),
    ] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (at_port, _) = listener.accept().await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let (here, there) = soon(async {
            tokio::join!(
                certificate.accept(at_port),
                connector.connect("localhost".try_into().unwrap(), socket)
            )
        })
        .await;
        assert_eq!((here.is_ok(), there.is_ok()), (accepted, accepted), "{offered:?}");
        if let Ok(stream) = there {
            let agreed = (!offered.is_empty()).then_some(&b"petrichor/1"[..]);
            assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        }
    }
}

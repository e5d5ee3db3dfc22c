//! The port for Petrichor.

use std::{net::SocketAddr, path::PathBuf, time::SystemTime};

use carriers::{
    Carrier, DialError, DialOptions, LinkEnd, certificate::Certificate, dial, petrichor::dial::ask,
    tls::Roots,
};
use crosstalk::{
    address::GatewayAddress,
    proof::PrivateKey,
    registry::{GatewayInfo, Reason},
    transaction,
};
use gateway::{Config, Gateway, PetrichorPort, PortError};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::world::{World, soon};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A gateway with a port for Petrichor.
struct Beside {
    world: World,
    address: SocketAddr,
    petrichor: GatewayAddress,
}

async fn start(certificate: Option<Certificate>) -> Beside {
    let config = Config {
        listen: LOCAL,
        domain: "localhost".to_owned(),
        behind_proxy: false,
        data: None::<PathBuf>,
    };
    let gateway = Gateway::bind(config).await.unwrap();
    let port = PetrichorPort { listen: LOCAL, certificate, address: None };
    let gateway = gateway.with_petrichor(port).await.unwrap();
    let (address, petrichor) = gateway.petrichor().unwrap();
    let petrichor = petrichor.clone();
    Beside { world: World::run(gateway), address, petrichor }
}

impl Beside {
    fn options(&self, key: &PrivateKey, label: Option<&str>) -> DialOptions {
        DialOptions {
            gateway: self.petrichor.clone(),
            proof: key.prove(&self.petrichor.origin(), SystemTime::now()),
            label: label.map(|label| label.parse().unwrap()),
            roots: Roots::System,
            account: None,
            invite: None,
        }
    }
}

fn site(word: &'static str) -> crosstalk::transaction::Handler {
    tower::util::BoxCloneSyncService::new(tower::service_fn(move |_| async move {
        Ok(Response::new(transaction::full(word)))
    }))
}

async fn publish(options: &DialOptions) -> (JoinSet<LinkEnd>, CancellationToken) {
    let served = soon(dial(options, Carrier::Petrichor)).await.unwrap();
    let (mut peer, stop) = (JoinSet::new(), CancellationToken::new());
    let stopped = stop.clone();
    peer.spawn(async move {
        served.run(site("hello"), stopped, std::time::Duration::from_secs(1)).await
    });
    (peer, stop)
}

#[tokio::test]
async fn a_site_is_published_with_nothing_but_that_port() {
    let gateway = start(None).await;
    assert_eq!(
        gateway.petrichor.origin(),
        format!("petrichor+tcp://localhost:{}", gateway.address.port())
    );
    let key = PrivateKey::generate();
    let link = soon(ask(&gateway.petrichor, &Roots::System)).await.unwrap();
    let send = async |request: Request<transaction::Body>| {
        let response = soon(link.send(request)).await.unwrap();
        let status = response.status();
        (status, soon(response.into_body().collect()).await.unwrap().to_bytes())
    };
    let own = gateway.petrichor.authority();
    let request = Request::get("/veranda/gateway").header("host", &own).body(transaction::empty());
    let (status, body) = send(request.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let info: GatewayInfo = serde_json::from_slice(&body).unwrap();
    assert_eq!(info.origin, gateway.world.origin);

    let claim = |label: &str, key: &PrivateKey| {
        let proof = key.prove(&gateway.petrichor.origin(), SystemTime::now());
        Request::put(format!("/veranda/names/{label}"))
            .header("host", &own)
            .header("authorization", format!("Bearer {proof}"))
            .body(transaction::empty())
            .unwrap()
    };
    assert_eq!(send(claim("photos", &key)).await.0, StatusCode::OK);
    assert_eq!(send(claim("photos", &PrivateKey::generate())).await.0, StatusCode::CONFLICT);
    drop(link);

    let (mut peer, stop) = publish(&gateway.options(&key, None)).await;
    let host = format!("photos.localhost:{}", gateway.world.address.port());
    assert_eq!(gateway.world.get(&host, "/").await.body, "hello");
    stop.cancel();
    assert_eq!(soon(peer.join_next()).await.unwrap().unwrap(), LinkEnd::Closed);
    gateway.world.end().await;
}

#[tokio::test]
async fn one_name_can_be_claimed_with_the_link() {
    let gateway = start(None).await;
    let key = PrivateKey::generate();
    let (_peer, _stop) = publish(&gateway.options(&key, Some("photos"))).await;
    let host = format!("photos.localhost:{}", gateway.world.address.port());
    assert_eq!(gateway.world.get(&host, "/").await.body, "hello");
    let other = gateway.options(&PrivateKey::generate(), Some("photos"));
    let error = soon(dial(&other, Carrier::Petrichor)).await.err().unwrap();
    let DialError::Refused { status, refused, .. } = error else { panic!("{error:?}") };
    assert_eq!((status, refused.reason), (StatusCode::CONFLICT, Reason::Taken));
    assert!(refused.sentence.len() > 10, "{}", refused.sentence);
    gateway.world.end().await;
}

#[tokio::test]
async fn a_proof_is_needed_and_counts_once_and_for_this_gateway() {
    let gateway = start(None).await;
    let key = PrivateKey::generate();
    let good = gateway.options(&key, None);
    let (_peer, _stop) = publish(&good).await;
    let nobody = DialOptions { proof: String::new(), ..good.clone() };
    let elsewhere = key.prove("petrichor+tls://elsewhere.example:1", SystemTime::now());
    let elsewhere = DialOptions { proof: elsewhere, ..good.clone() };
    for (options, status, reason) in [
        (good, StatusCode::FORBIDDEN, Reason::ProofRefused),
        (nobody, StatusCode::UNAUTHORIZED, Reason::ProofMissing),
        (elsewhere, StatusCode::FORBIDDEN, Reason::ProofRefused),
    ] {
        let error = soon(dial(&options, Carrier::Petrichor)).await.err().unwrap();
        let DialError::Refused { status: was, refused, .. } = error else { panic!("{error:?}") };
        assert_eq!((was, refused.reason), (status, reason));
    }
    // The gateway's other origin is as good.
    let by_web = key.prove(&gateway.world.origin, SystemTime::now());
    let (_peer, _stop) =
        publish(&DialOptions { proof: by_web, ..gateway.options(&key, None) }).await;
    gateway.world.end().await;
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_tls() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let certificate = Certificate::read(&chain, &key).unwrap();
    let gateway = start(Some(certificate)).await;
    assert!(gateway.petrichor.origin().starts_with("petrichor+tls://localhost:"));
    let key = PrivateKey::generate();
    let mut options = gateway.options(&key, Some("photos"));
    let error = soon(dial(&options, Carrier::Petrichor)).await.err().unwrap();
    assert!(matches!(error, DialError::Certificate(_)), "{error:?}");
    options.roots = Roots::Only(vec![cert.der().clone()]);
    let (_peer, _stop) = publish(&options).await;
    let host = format!("photos.localhost:{}", gateway.world.address.port());
    assert_eq!(gateway.world.get(&host, "/").await.body, "hello");
    // Who does not speak TLS gets nowhere.
    let mut plain = TcpStream::connect(gateway.address).await.unwrap();
    plain.write_all(b"14:7:version,1:1,}0:,").await.unwrap();
    let _ = soon(plain.read_to_end(&mut Vec::new())).await;
    gateway.world.end().await;
}

#[tokio::test]
async fn nonsense_on_the_port_harms_nobody() {
    let gateway = start(None).await;
    let key = PrivateKey::generate();
    let (_peer, _stop) = publish(&gateway.options(&key, Some("photos"))).await;
    let mut silent = TcpStream::connect(gateway.address).await.unwrap();
    silent.write_all(b"100:7:version,").await.unwrap();
    for nonsense in ["GET / HTTP/1.1\r\n\r\n", "0:~0:,", "99999999999:", "0:}0:,"] {
        let mut peer = TcpStream::connect(gateway.address).await.unwrap();
        peer.write_all(nonsense.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let _ = soon(peer.read_to_end(&mut heard)).await;
        assert!(heard.is_empty(), "{nonsense:?}");
    }
    let host = format!("photos.localhost:{}", gateway.world.address.port());
    assert_eq!(gateway.world.get(&host, "/").await.body, "hello");
    // It stops at once although somebody has not said hello yet.
    gateway.world.end().await;
}

#[tokio::test]
async fn without_a_certificate_the_port_is_for_this_computer() {
    let config =
        Config { listen: LOCAL, domain: "localhost".to_owned(), behind_proxy: false, data: None };
    let gateway = Gateway::bind(config).await.unwrap();
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let port = PetrichorPort { listen, certificate: None, address: None };
    let error = gateway.with_petrichor(port).await.err().unwrap();
    assert!(matches!(error, PortError::Readable(_)));
    assert!(error.to_string().contains("certificate"), "{error}");
}

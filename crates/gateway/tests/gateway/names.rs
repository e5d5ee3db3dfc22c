//! Names and proofs over HTTP.

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use carriers::{DialError, ptth::Protocol};
use crosstalk::{proof::PrivateKey, registry::Reason};
use tokio::io::AsyncWriteExt as _;

use crate::world::{World, read_head};

#[tokio::test]
async fn a_name_belongs_to_whom_claims_it_first() {
    let world = World::start().await;
    let (anna, ben) = (PrivateKey::generate(), PrivateKey::generate());
    let claimed = world.claim(&anna, "photos").await;
    assert_eq!(claimed.status, 200);
    let port = world.address.port();
    assert_eq!(claimed.json()["origin"], format!("http://photos.localhost:{port}"));
    assert_eq!(world.claim(&anna, "photos").await.status, 200);
    let taken = world.claim(&ben, "photos").await;
    assert_eq!((taken.status, taken.reason().as_str()), (409, "taken"));
    let not_his = world.names("DELETE", "photos", &world.proof(&ben)).await;
    assert_eq!(not_his.status, 409);
    assert_eq!(world.names("DELETE", "photos", &world.proof(&anna)).await.status, 204);
    let resting = world.claim(&ben, "photos").await;
    assert_eq!((resting.status, resting.reason().as_str()), (409, "taken"));
    assert_eq!(world.claim(&anna, "photos").await.status, 200);
    for bad in ["www", "ab", "UPPER", "a.b", ""] {
        assert_eq!(world.claim(&anna, bad).await.status, 404, "{bad}");
    }
    assert_eq!(world.names("POST", "photos", &world.proof(&anna)).await.status, 405);
    world.end().await;
}

#[tokio::test]
async fn a_proof_counts_once_here_and_now_only() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    let proof = world.proof(&key);
    assert_eq!(world.names("PUT", "photos", &proof).await.status, 200);
    let again = world.names("PUT", "photos", &proof).await;
    assert_eq!((again.status, again.reason().as_str()), (403, "proof-refused"));
    let elsewhere = key.prove("https://other.example", SystemTime::now());
    let refused = world.names("PUT", "photos", &elsewhere).await;
    assert_eq!((refused.status, refused.reason().as_str()), (403, "proof-refused"));
    assert_eq!(world.names("PUT", "photos", "nonsense").await.status, 403);
    // People paste these, and mean the same.
    for host in ["127.0.0.1", "[::1]"] {
        let origin = format!("http://{host}:{}", world.address.port());
        let proof = key.prove(&origin, SystemTime::now());
        assert_eq!(world.names("PUT", "photos", &proof).await.status, 200, "{host}");
    }
    let other_port = key.prove("http://localhost:1", SystemTime::now());
    assert_eq!(world.names("PUT", "photos", &other_port).await.status, 403);
    world.end().await;
}

#[tokio::test]
async fn a_proof_is_asked_for_and_may_come_as_a_password() {
    let world = World::start().await;
    let put = "PUT /veranda/names/photos HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let missing = world.raw(&format!("{put}\r\n")).await;
    assert_eq!((missing.status, missing.reason().as_str()), (401, "proof-missing"));
    assert!(missing.header("www-authenticate").unwrap().starts_with("Bearer"));
    let proof = world.proof(&PrivateKey::generate());
    let basic = BASE64_STANDARD.encode(format!("anybody:{proof}"));
    assert_eq!(world.raw(&format!("{put}authorization: Basic {basic}\r\n\r\n")).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_page_of_somebody_else_gets_no_name_and_no_link_however_good_its_proof() {
    let world = World::start().await;
    let own = format!("http://{}", world.own_host());
    let post = "content-length: 0\r\nconnection: close";
    let websocket = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: taxi";
    let ptth = "connection: Upgrade\r\nupgrade: ptth\r\nalpn: h2";
    let asked = [
        ("PUT /veranda/names/photos", post, 200),
        ("POST /veranda/taxi", post, 400),
        // What a form sends, and what WebSockets and programs begin with.
        ("POST /ptth", post, 204),
        ("GET /ptth", websocket, 101),
        ("GET /taxi", websocket, 101),
        ("GET /", ptth, 101),
        ("DELETE /veranda/names/photos", post, 204),
    ];
    let key = PrivateKey::generate();
    let ask = async |origin: &str, line: &str, headers: &str| {
        let basic = BASE64_STANDARD.encode(format!("anybody:{}", world.proof(&key)));
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\nauthorization: Basic {basic}\r\n\
             prefer: ptth-json=2, wait=0\r\n{headers}\r\n\r\n",
            world.own_host(),
        );
        let mut stream = world.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_head(&mut stream).await.0
    };
    let site = own.replace("//", "//music.");
    for origin in ["https://evil.example", &site, "http://localhost", "null"] {
        for (line, headers, _) in asked {
            let refused = ask(origin, line, headers).await;
            assert_eq!(refused.status, 403, "{line} from {origin}: {refused:?}");
        }
    }
    assert_eq!(world.get("photos.localhost", "/").await.status, 404);
    // The page for browser tabs is the gateway's own.
    for (line, headers, status) in asked {
        let answer = ask(&own, line, headers).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn names_and_used_proofs_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(folder.path().to_owned());
    let (anna, ben) = (PrivateKey::generate(), PrivateKey::generate());
    let origin = "https://gateway.example";
    let proof = anna.prove(origin, SystemTime::now());
    for status in [200, 403] {
        let world = World::start_as("gateway.example", true, data.clone()).await;
        assert_eq!(world.origin, origin);
        assert_eq!(world.names("PUT", "photos", &proof).await.status, status);
        assert_eq!(world.claim(&ben, "photos").await.status, 409);
        world.end().await;
    }
}

#[tokio::test]
async fn a_link_for_one_name_claims_it() {
    let world = World::start().await;
    let (anna, ben) = (PrivateKey::generate(), PrivateKey::generate());
    let _peer = world.link(&anna, Some("photos"), Protocol::Http1).await.unwrap();
    assert_eq!(world.get("photos.localhost", "/size/5").await.body, ".....");
    let refused = world.link(&ben, Some("photos"), Protocol::Http1).await;
    match refused {
        Err(DialError::Refused { status, refused, .. }) => {
            assert_eq!((status.as_u16(), refused.reason), (409, Reason::Taken));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the name was given twice"),
    }
    world.claim(&anna, "videos").await;
    assert_eq!(world.get("videos.localhost", "/size/5").await.status, 503);
    world.end().await;
}

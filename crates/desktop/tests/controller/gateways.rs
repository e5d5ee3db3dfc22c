//! Another gateway than the one inside the app.

use std::net::{Ipv4Addr, SocketAddr};

use desktop::{Connection, Gateway as Shown, Phase, ProblemCode, Request, View};
use gateway::{Config, Gateway};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{Home, free_port},
    visitor::visit,
};

/// Another gateway, which can be stopped and started again at the same address.
struct Other {
    port: u16,
    data: TempDir,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Other {
    async fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut other =
            Self { port: 0, data, stop: CancellationToken::new(), running: JoinSet::new() };
        other.run().await;
        other
    }

    async fn run(&mut self) {
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: Some(self.data.path().to_owned()),
        };
        let gateway = Gateway::bind(config).await.expect("a gateway");
        self.port = gateway.local_addr().port();
        self.stop = CancellationToken::new();
        self.running.spawn(gateway.run(self.stop.clone()));
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.running.join_next().await;
    }

    fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

fn connected(view: &View) -> bool {
    matches!(view.connection, Connection::Connected { .. })
}

fn use_gateway(address: &str) -> Request {
    Request::UseGateway { address: Some(address.to_owned()), account: None }
}

#[tokio::test]
async fn another_gateway_is_used_kept_and_left_again() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let folder = home.folder("Photos", &[("a.txt", "hello")]);
    let site = app.publish(&folder).await;
    let mut other = Other::start().await;

    app.do_it(use_gateway(&format!("localhost:{}", other.port))).await;
    let port = format!(":{}/", other.port);
    let moved = |view: &View| view.sites[0].url.as_ref().is_some_and(|url| url.contains(&port));
    let view = app.until_view("another link", moved).await;
    assert_eq!(view.gateway, Shown::Remote { address: other.address() });
    assert_eq!(visit(view.sites[0].url.as_ref().unwrap(), "/a.txt").await.status, 200);
    app.quit().await;

    let app = home.ready().await;
    let view = app.until_view("the same link", moved).await;
    assert_eq!(view.gateway, Shown::Remote { address: other.address() });

    app.do_it(Request::UseGateway { address: None, account: None }).await;
    let back = |view: &View| view.sites[0].url == site.url && connected(view);
    let view = app.until_view("the first link", back).await;
    assert!(matches!(view.gateway, Shown::Embedded { address: Some(_) }), "{:?}", view.gateway);
    assert_eq!(view.problem, None);
    assert_eq!(visit(site.url.as_ref().unwrap(), "/a.txt").await.status, 200);
    app.quit().await;
    other.stop().await;
}

#[tokio::test]
async fn a_wrong_address_changes_nothing() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let before = app.until_view("a connection", connected).await;

    for text in ["", "not an address", "http://gateway.example", "https://gateway.example/path"] {
        app.refused(use_gateway(text), ProblemCode::BadGateway).await;
    }
    let nobody = format!("localhost:{}", free_port());
    app.refused(use_gateway(&nobody), ProblemCode::BadGateway).await;

    let web = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("localhost:{}", web.local_addr().unwrap().port());
    let mut servers = JoinSet::new();
    servers.spawn(async move {
        let pages = [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "SSH-2.0-OpenSSH\r\n",
            concat!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
                r#"{"software":"x","origin":"https://other.example","sites":"https://*.other.example"}"#
            ),
        ];
        for page in pages {
            let (mut stream, _) = web.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(page.as_bytes()).await.unwrap();
        }
    });
    for expected in ["not a gateway", "not a gateway", "not a gateway", "https://other.example"] {
        let sentence = app.refused(use_gateway(&address), ProblemCode::BadGateway).await;
        assert!(sentence.contains(expected), "{sentence}");
    }

    let after = app.notes.borrow().view.clone().unwrap();
    assert_eq!((after.gateway, after.connection), (before.gateway, before.connection));
    app.quit().await;
}

#[tokio::test]
async fn a_lost_connection_is_told_and_so_is_its_return() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let mut other = Other::start().await;
    app.do_it(use_gateway(&other.address())).await;
    let remote = |view: &View| matches!(view.gateway, Shown::Remote { .. }) && connected(view);
    app.until_view("the other gateway", remote).await;

    other.stop().await;
    let lost = |view: &View| matches!(view.connection, Connection::Lost { .. });
    app.until_view("the loss", lost).await;
    app.until("its notification", |notes| notes.titles() == ["Your links do not work now"]).await;

    other.run().await;
    app.do_it(Request::Retry).await;
    app.until("both", |notes| {
        notes.titles() == ["Your links do not work now", "Your links work again"]
    })
    .await;
    app.quit().await;
    other.stop().await;
}

#[tokio::test]
async fn a_gateway_that_is_away_at_the_start_is_waited_for() {
    let home = Home::new();
    let address = format!("http://localhost:{}", free_port());
    home.write("settings.json", &format!(r#"{{"gateway": "{address}"}}"#));
    let app = home.start();
    let lost = |view: &View| {
        view.phase == Phase::Ready && matches!(view.connection, Connection::Lost { .. })
    };
    let view = app.until_view("no connection", lost).await;
    assert_eq!(view.gateway, Shown::Remote { address });
    app.quit().await;
}

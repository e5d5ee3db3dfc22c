//! Sessions against a server that does what a script says, over TCP on this computer.

mod logging_in;
mod routing;

use std::{net::SocketAddr, time::Duration};

use crosstalk::xmpp::BareJid;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{
    Login, LoginError, Password, Session,
    connect::{Network, Times},
};
use crate::tls::Roots;

/// Longer than anything takes here, even on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

const HEADER: &str = "<?xml version='1.0'?><stream:stream from='xmpp.example' id='1' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

const BIND_FEATURES: &str =
    "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";

/// The server's side of one connection.
struct Line {
    socket: TcpStream,
    heard: String,
}

/// A server that listens, and how to get there.
struct Server {
    listener: TcpListener,
    login: Login,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let login = Login {
            jid: BareJid::new("me@xmpp.example").unwrap(),
            password: Password::from("secret".to_owned()),
            server: Some((address.ip().to_string(), address.port())),
            roots: Roots::System,
        };
        Self { listener, login }
    }

    async fn accept(&self) -> Line {
        let (socket, _) = self.listener.accept().await.unwrap();
        Line { socket, heard: String::new() }
    }

    /// Lets somebody in as far as the features of login, with these mechanisms.
    async fn accept_with(&self, mechanisms: &[&str]) -> Line {
        let mut line = self.accept().await;
        line.until("<stream:stream", ">").await;
        let mechanisms: String =
            mechanisms.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
        let namespace = "urn:ietf:params:xml:ns:xmpp-sasl";
        line.say(&format!(
            "{HEADER}<stream:features><mechanisms xmlns='{namespace}'>{mechanisms}</mechanisms>\
             </stream:features>"
        ))
        .await;
        line
    }

    /// Lets somebody in, up to the request for a resource.
    async fn accept_to_bind(&self) -> Line {
        let mut line = self.accept_with(&["PLAIN"]).await;
        line.until("<auth", "</auth>").await;
        line.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await;
        line.until("<stream:stream", ">").await;
        line.say(&format!("{HEADER}{BIND_FEATURES}")).await;
        line.until("<iq", "</iq>").await;
        line
    }

    async fn let_in(&self) -> Line {
        let mut line = self.accept_to_bind().await;
        line.say(
            "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <jid>me@xmpp.example/here</jid></bind></iq>",
        )
        .await;
        line
    }

    async fn try_to_log_in(&self) -> Result<Session, LoginError> {
        Session::log_in_over(&self.login, &network()).await
    }

    /// A session, and its server's side.
    async fn session(&self) -> (Session, Line) {
        let (session, line) = tokio::join!(self.try_to_log_in(), self.let_in());
        (session.unwrap(), line)
    }
}

impl Line {
    async fn say(&mut self, text: &str) {
        // Whoever has hung up shows it by what it says itself.
        let _ = self.socket.write_all(text.as_bytes()).await;
    }

    /// Waits for something that begins and ends like this, and returns it without what came before.
    async fn until(&mut self, begin: &str, end: &str) -> String {
        loop {
            if let Some(start) = self.heard.find(begin)
                && let Some(length) = self.heard[start..].find(end)
            {
                let found = self.heard[start..start + length + end.len()].to_owned();
                self.heard.drain(..start + length + end.len());
                return found;
            }
            let mut buffer = vec![0; 65_536];
            let read = timeout(PATIENCE, self.socket.read(&mut buffer)).await;
            let length = read.unwrap_or_else(|_| panic!("no {begin} in {:?}", self.heard)).unwrap();
            assert!(length > 0, "hung up before {begin}; said {:?}", self.heard);
            self.heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    }

    /// Waits until the other end has hung up, and returns what it still said.
    async fn rest(mut self) -> String {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await.unwrap().unwrap();
        self.heard + std::str::from_utf8(&rest).unwrap()
    }
}

fn network() -> Network {
    let mut network = Network::system();
    network.times = Times { login: PATIENCE, ..network.times };
    network
}

//! An XMPP client that writes what a test likes, also what no client should.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use carriers::{tls::Roots, xmpp::Login};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{prosody::Prosody, waiting::PATIENCE};

/// A setting of [`crate::prosody::Setup::with_settings`] without which no [`RawXmpp`] can log in.
pub const PLAIN_ALLOWED: &str = "allow_unencrypted_plain_auth = true";

/// A connection, with TLS or without.
trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// A session of an account.
pub struct RawXmpp {
    stream: Box<dyn Line>,
    heard: String,
    jid: String,
}

impl RawXmpp {
    /// Logs in without TLS, by PLAIN, and binds this resource.
    ///
    /// # Errors
    /// When the server does not let it.
    pub async fn log_in(login: &Login, resource: &str) -> anyhow::Result<Self> {
        let (host, port) = login.server.as_ref().context("nobody says where the server is")?;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        Self::log_in_on(Box::new(stream), login, resource).await
    }

    /// Logs in where the server wants TLS from the first byte, by PLAIN, and binds this resource.
    ///
    /// # Errors
    /// When the server does not let it.
    pub async fn log_in_in_tls(
        prosody: &Prosody,
        login: &Login,
        resource: &str,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let Roots::Only(own) = prosody.roots() else { bail!("this server has no certificate") };
        for certificate in own {
            roots.add(certificate.clone())?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", prosody.direct_tls_port())).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(prosody.host().to_owned())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Self::log_in_on(Box::new(stream), login, resource).await
    }

    async fn log_in_on(
        stream: Box<dyn Line>,
        login: &Login,
        resource: &str,
    ) -> anyhow::Result<Self> {
        let jid = format!("{}/{resource}", login.jid);
        let mut session = Self { stream, heard: String::new(), jid };
        let name = login.jid.node().context("an account has a name")?;
        let begin = format!(
            "<stream:stream xmlns='jabber:client' version='1.0' to='{}' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
            login.jid.domain()
        );
        session.say(&begin).await?;
        session.until("</stream:features>").await?;
        let secret = BASE64_STANDARD.encode(format!("\0{name}\0{}", login.password.expose()));
        session
            .say(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
            ))
            .await?;
        let answer = session.until(">").await?;
        ensure!(answer.contains("<success"), "the login was refused: {answer}");
        session.say(&begin).await?;
        session.until("</stream:features>").await?;
        let bind = format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        );
        session.say(&bind).await?;
        let bound = session.until("</iq>").await?;
        ensure!(bound.contains(&session.jid), "another address than asked for: {bound}");
        Ok(session)
    }

    /// Returns the full address of this session.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Writes this, whatever it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(timeout(PATIENCE, async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        })
        .await??)
    }

    /// Reads up to and with this text.
    ///
    /// # Errors
    /// When the server does not write it, or not in time.
    pub async fn until(&mut self, end: &str) -> anyhow::Result<String> {
        self.until_within(PATIENCE, end).await
    }

    /// The same with a patience of one's own.
    ///
    /// # Errors
    /// When the server does not write it, or not in time.
    pub async fn until_within(&mut self, limit: Duration, end: &str) -> anyhow::Result<String> {
        let read = timeout(limit, async {
            loop {
                if let Some(at) = self.heard.find(end) {
                    let rest = self.heard.split_off(at + end.len());
                    return Ok(std::mem::replace(&mut self.heard, rest));
                }
                let mut bytes = Vec::with_capacity(4096);
                let read = self.stream.read_buf(&mut bytes).await?;
                ensure!(read > 0, "the server hung up");
                self.heard += &String::from_utf8_lossy(&bytes);
            }
        });
        let read = read.await;
        read.unwrap_or_else(|late| Err(late.into()))
            .with_context(|| format!("waited for {end:?}, heard {:?}", self.heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrong_password_is_refused() -> anyhow::Result<()> {
        let prosody = Prosody::tuned().with_settings(PLAIN_ALLOWED).start().await?;
        let mut login = prosody.login("ann")?;
        login.password = "wrong".to_owned().into();
        assert!(RawXmpp::log_in(&login, "one").await.is_err());
        RawXmpp::log_in(&prosody.login("ann")?, "one").await?;
        // Now the password is a hash.
        RawXmpp::log_in(&prosody.login("ann")?, "two").await?;
        Ok(())
    }

    /// Sends an IQ from an account on one server to one on another, and an answer back.
    async fn talk(one: &Prosody, other: &Prosody) -> anyhow::Result<()> {
        one.federate(other)?;
        let mut ann = RawXmpp::log_in(&one.login("ann")?, "here").await?;
        let mut bob = RawXmpp::log_in(&other.login("bob")?, "there").await?;
        let question = format!(
            "<iq type='get' id='q1' to='{}'><query xmlns='urn:veranda:test'/></iq>",
            bob.jid()
        );
        ann.say(&question).await?;
        let heard = bob.until("</iq>").await?;
        assert!(heard.contains("q1") && heard.contains(ann.jid()), "{heard}");
        bob.say(&format!("<iq type='result' id='q1' to='{}'/>", ann.jid())).await?;
        let heard = ann.until("/>").await?;
        assert!(heard.contains("q1") && heard.contains("result"), "{heard}");
        Ok(())
    }

    #[tokio::test]
    async fn servers_find_each_other_without_dns() -> anyhow::Result<()> {
        let setup = |name| Prosody::tuned().with_host(name).with_settings(PLAIN_ALLOWED);
        let (one, other) = (setup("a.test").start().await?, setup("b.test").start().await?);
        talk(&one, &other).await
    }

    #[tokio::test]
    async fn servers_encrypt_what_they_tell_each_other() -> anyhow::Result<()> {
        let settings = "c2s_require_encryption = false\nallow_unencrypted_plain_auth = true";
        let setup = |name| Prosody::stock().with_tls().with_host(name).with_settings(settings);
        let (one, other) = (setup("a.test").start().await?, setup("b.test").start().await?);
        talk(&one, &other).await?;
        let log = one.log();
        assert!(log.contains("Stream encrypted") || log.contains("TLSv1."), "{log}");
        Ok(())
    }

    #[tokio::test]
    async fn unknown_servers_are_unknown_at_once() -> anyhow::Result<()> {
        let prosody = Prosody::tuned().with_settings(PLAIN_ALLOWED).start().await?;
        let mut ann = RawXmpp::log_in(&prosody.login("ann")?, "here").await?;
        ann.say("<iq type='get' id='q' to='x@c.test'><ping xmlns='urn:xmpp:ping'/></iq>").await?;
        let heard = ann.until("</iq>").await?;
        assert!(heard.contains("remote-server-not-found"), "{heard}");
        Ok(())
    }
}

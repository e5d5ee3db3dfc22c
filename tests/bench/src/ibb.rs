//! The yardstick of CrossTalk over XMPP: in-band bytestreams (XEP-0047) between the same accounts on
//! the same server, which is how programs for chat send files when nothing else goes.

use std::{
    borrow::Cow,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::{
    io::BufStream,
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_xmpp::{
    Stanza,
    xmlstream::{
        ReadError, StreamHeader, Timeouts, XmppStream, XmppStreamElement, initiate_stream,
    },
};
use xmpp_parsers::{
    bind::{BindQuery, BindResponse},
    ibb::{Close, Data, Open, Stanza as Kind, StreamId},
    iq::Iq,
    jid::{FullJid, Jid},
    ns,
    presence::{Presence, Priority},
    sasl::{Auth, Mechanism, Nonza},
    stream_features::StreamFeatures,
};

/// How long a transfer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How bytes are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// How many bytes are in one stanza, before base64.
    pub(crate) block: u16,
    /// How many stanzas may wait for their result.
    pub(crate) ahead: usize,
}

/// What is measured: as the specification recommends it (4096 bytes, each waited for: §2.2 and §4),
/// and as fast as it goes, with blocks of that size and of the largest.
pub(crate) const WAYS: [Way; 3] = [
    Way { name: "IBB, 4 KiB, one at a time", block: 4096, ahead: 1 },
    Way { name: "IBB, 4 KiB, 64 at a time", block: 4096, ahead: 64 },
    Way { name: "IBB, 64 KiB, 8 at a time", block: 65_535, ahead: 8 },
];

/// An account on a server of this computer that needs no TLS.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) server: SocketAddr,
    pub(crate) domain: String,
    pub(crate) name: String,
    pub(crate) password: String,
}

/// An account that is logged in.
struct Session {
    stream: XmppStream<BufStream<TcpStream>>,
    jid: FullJid,
}

/// Sends so many bytes from one account to the other, and returns how long that took until the last of
/// them was acknowledged.
pub(crate) fn transfer(from: &Account, to: &Account, way: Way, bytes: u64) -> Result<Duration> {
    // Each end has a thread, as gateway and peer have.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        timeout(PATIENCE, both_ends(from.clone(), to.clone(), way, bytes))
            .await
            .context("in-band bytestreams take too long")?
    })
}

async fn both_ends(from: Account, to: Account, way: Way, bytes: u64) -> Result<Duration> {
    let mut tasks = JoinSet::new();
    let (tell, told) = oneshot::channel();
    tasks.spawn(async move {
        let mut session = Session::begin(&to).await?;
        if tell.send(session.jid.clone()).is_err() {
            bail!("nobody sends");
        }
        let received = session.receive().await?;
        if received != bytes {
            bail!("{received} of {bytes} bytes arrived");
        }
        Ok(None)
    });
    tasks.spawn(async move {
        let mut session = Session::begin(&from).await?;
        let to = told.await.context("nobody receives")?;
        session.send(&to.into(), way, bytes).await.map(Some)
    });
    let mut took = None;
    while let Some(ended) = tasks.join_next().await {
        took = took.or(ended??);
    }
    took.context("nothing was measured")
}

impl Session {
    async fn begin(account: &Account) -> Result<Self> {
        let socket = TcpStream::connect(account.server).await?;
        socket.set_nodelay(true)?;
        let header = || StreamHeader {
            from: None,
            to: Some(Cow::Borrowed(account.domain.as_str())),
            id: None,
        };
        let socket = BufStream::new(socket);
        let begun = initiate_stream(socket, ns::JABBER_CLIENT, header(), Timeouts::default());
        let (_, mut stream): (StreamFeatures, XmppStream<_>) = begun.await?.recv_features().await?;
        let data = format!("\0{}\0{}", account.name, account.password).into_bytes();
        let auth = Nonza::Auth(Auth { mechanism: Mechanism::Plain, data });
        stream.send(&XmppStreamElement::Sasl(auth)).await?;
        let answer = next(&mut stream).await?;
        if !matches!(answer, XmppStreamElement::Sasl(Nonza::Success(_))) {
            bail!("the server lets {} not in: {answer:?}", account.name);
        }
        let begun = stream.initiate_reset().send_header(header()).await?;
        let (_, mut stream): (StreamFeatures, XmppStream<_>) = begun.recv_features().await?;
        let payload = BindQuery::new(None).into();
        put(&mut stream, Iq::Set { from: None, to: None, id: "bind".to_owned(), payload }).await?;
        flush(&mut stream).await?;
        let jid = loop {
            if let XmppStreamElement::Stanza(Stanza::Iq(Iq::Result { payload, .. })) =
                next(&mut stream).await?
            {
                let bound = payload.context("the server binds nothing")?;
                break BindResponse::try_from(bound).map_err(anyhow::Error::msg)?.jid;
            }
        };
        let mut presence = Presence::available();
        presence.priority = Priority(-1);
        stream.send(&XmppStreamElement::Stanza(Stanza::Presence(presence))).await?;
        Ok(Self { stream, jid })
    }

    async fn send(&mut self, to: &Jid, way: Way, bytes: u64) -> Result<Duration> {
        let sid = StreamId("bench".to_owned());
        let set = |id: String, payload| Iq::Set { from: None, to: Some(to.clone()), id, payload };
        let begun = Instant::now();
        let open = Open { block_size: way.block, sid: sid.clone(), stanza: Kind::Iq };
        put(&mut self.stream, set("open".to_owned(), open.into())).await?;
        self.result().await?;
        let block: Vec<u8> =
            (0..way.block).map(|at| (at.wrapping_mul(40_503) >> 8) as u8).collect();
        let (mut sent, mut seq, mut waiting) = (0, 0_u16, 0);
        while sent < bytes || waiting > 0 {
            while sent < bytes && waiting < way.ahead {
                let count = (bytes - sent).min(way.block.into());
                let data = block[..usize::try_from(count)?].to_vec();
                let data = Data { seq, sid: sid.clone(), data };
                put(&mut self.stream, set(format!("d{seq}"), data.into())).await?;
                sent += count;
                seq = seq.wrapping_add(1);
                waiting += 1;
            }
            self.result().await?;
            waiting -= 1;
            // What else is here already makes room for as many at once.
            while let Some(element) = self.stream.next().now_or_never() {
                let element = element.context("the server ended the stream")?;
                waiting -= usize::from(is_result(element?.into_read_error()?)?);
            }
        }
        let took = begun.elapsed();
        put(&mut self.stream, set("close".to_owned(), Close { sid }.into())).await?;
        self.result().await?;
        Ok(took)
    }

    /// Sends what waits, and waits for a result.
    async fn result(&mut self) -> Result<()> {
        flush(&mut self.stream).await?;
        while !is_result(next(&mut self.stream).await?)? {}
        Ok(())
    }

    async fn receive(&mut self) -> Result<u64> {
        let mut received = 0;
        let mut expected = 0_u16;
        loop {
            let element = match self.stream.next().now_or_never() {
                Some(element) => {
                    element.context("the server ended the stream")??.into_read_error()?
                }
                // Nothing more is here: now the results leave, together.
                None => {
                    flush(&mut self.stream).await?;
                    next(&mut self.stream).await?
                }
            };
            let XmppStreamElement::Stanza(Stanza::Iq(Iq::Set { from, id, payload, .. })) = element
            else {
                continue;
            };
            let closes = payload.is("close", ns::IBB);
            if payload.is("data", ns::IBB) {
                let data = Data::try_from(payload).map_err(anyhow::Error::msg)?;
                if data.seq != expected {
                    bail!("block {} came where {expected} was due", data.seq);
                }
                expected = expected.wrapping_add(1);
                received += data.data.len() as u64;
            }
            let result = Iq::Result { from: None, to: from, id, payload: None };
            put(&mut self.stream, result).await?;
            if closes {
                flush(&mut self.stream).await?;
                return Ok(received);
            }
        }
    }
}

/// Returns whether this is the result of something that was sent.
fn is_result(element: XmppStreamElement) -> Result<bool> {
    match element {
        XmppStreamElement::Stanza(Stanza::Iq(Iq::Result { .. })) => Ok(true),
        XmppStreamElement::Stanza(Stanza::Iq(Iq::Error { error, .. })) => {
            bail!("refused: {error:?}")
        }
        XmppStreamElement::StreamError(error) => bail!("the server says {error:?}"),
        XmppStreamElement::Stanza(_)
        | XmppStreamElement::Sasl(_)
        | XmppStreamElement::Starttls(_)
        | XmppStreamElement::ComponentHandshake(_)
        | XmppStreamElement::SM(_) => Ok(false),
    }
}

async fn put(stream: &mut XmppStream<BufStream<TcpStream>>, iq: Iq) -> Result<()> {
    stream.feed(&XmppStreamElement::Stanza(Stanza::Iq(iq))).await.context("cannot send")
}

async fn flush(stream: &mut XmppStream<BufStream<TcpStream>>) -> Result<()> {
    // Of what, does not matter; it has to be said.
    SinkExt::<&XmppStreamElement>::flush(stream).await.context("cannot send")
}

async fn next(stream: &mut XmppStream<BufStream<TcpStream>>) -> Result<XmppStreamElement> {
    loop {
        match stream.next().await.context("the server ended the stream")? {
            Ok(element) => return Ok(element.into_read_error()?),
            Err(ReadError::SoftTimeout) => sleep(Duration::ZERO).await,
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Chat;

    #[test]
    fn sends_every_byte_on_the_server_of_operators() {
        let place = tempfile::tempdir().unwrap();
        let chat = Chat::start(&place.path().join("chat")).unwrap();
        for way in WAYS {
            // Not a multiple of a block, and more blocks than may wait.
            transfer(&chat.publisher(), &chat.gateway(), way, 700_001).unwrap();
        }
    }
}

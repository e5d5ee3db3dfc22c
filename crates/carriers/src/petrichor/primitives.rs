//! Petrichor as it was published in 2012: a conversation of pairs, each a header and a body, both
//! TNetstrings.
//!
//! What it has is `connect`, `accept`, `send`, `recv`, `request` and a yes or no at the beginning
//! (`peer_allowed`, `peer_denied`, `connect_allowed`). Here they are the functions of a
//! [`Conversation`], byte for byte the same on the wire, but with limits and deadlines, which the
//! original leaves to whoever uses it.
//!
//! Whoever dials speaks first, with a header that says who it is. The other end answers with a
//! header that has `allowed`, and with a sentence as its body. After a no nothing closes by itself.
//! A header that is missing, null, or no dictionary ends the conversation. Anything that is no
//! TNetstring ends it too: there is no way to find the next beginning.

use std::{io, time::Duration};

use bytes::BytesMut;
use crosstalk::tnetstring::{Dictionary, Element, Kind, Measure, TnetstringError, Value, measure};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// The longest header, in bytes: as long as the longest head of a request
/// ([`MAX_HEAD_BYTES`](crosstalk::limits::MAX_HEAD_BYTES)).
pub const MAX_HEADER: usize = 64 * 1024;

/// The longest body, in bytes. A pair is in memory as a whole, so what is longer goes as several.
pub const MAX_BODY: usize = 1024 * 1024;

/// How long the first pair of the other end may take; what the original gives its `connect`.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(20);

/// How much room is made in the buffer when something is read: most pairs fit.
const READ_SIZE: usize = 8 * 1024;

/// The name in a header that says yes or no.
const ALLOWED: &str = "allowed";

/// What one end says at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What it is about; may be empty.
    pub header: Dictionary,
    /// Any value, mostly a string. Null if the other end closed before it came: on the wire nobody
    /// can tell the two apart.
    pub body: Value,
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum PetrichorError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// What came, or what was to be sent, is no header or no body.
    #[error("{0}")]
    Tnetstring(#[from] TnetstringError),
    /// The other end did not introduce itself, or did not answer, within [`GREETING_TIMEOUT`].
    #[error("the other end said nothing in time")]
    TimedOut,
    /// The other end ended the conversation before it said anything.
    #[error("the other end closed without a word")]
    Silent,
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Conversation<S> {
    stream: S,
    /// What arrived and is not a pair yet; at most one of the largest and [`READ_SIZE`].
    arrived: BytesMut,
    /// The other end ended it, or said something that cannot be read.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Begins a conversation on a connection that this end dialled: says who it is, and returns
    /// what the other end answers. Whether that is a yes, [`connect_allowed`] knows.
    ///
    /// # Errors
    /// See [`PetrichorError`].
    pub async fn connect(
        stream: S,
        header: &Dictionary,
        body: &Value,
    ) -> Result<(Self, Pair), PetrichorError> {
        let mut conversation = Self::over(stream);
        let greeting = conversation.request(header, body);
        let answer = timeout(GREETING_TIMEOUT, greeting).await;
        let answer =
            answer.map_err(|_| PetrichorError::TimedOut)??.ok_or(PetrichorError::Silent)?;
        Ok((conversation, answer))
    }

    /// Begins a conversation on a connection that the other end dialled, and returns who it says it
    /// is. It waits for [`Self::peer_allowed`] or [`Self::peer_denied`].
    ///
    /// # Errors
    /// See [`PetrichorError`].
    pub async fn accept(stream: S) -> Result<(Self, Pair), PetrichorError> {
        let mut conversation = Self::over(stream);
        let greeting = greeted(GREETING_TIMEOUT, conversation.recv()).await?;
        Ok((conversation, greeting))
    }

    /// Says yes: the header with `allowed`, and what there is to say.
    ///
    /// # Errors
    /// See [`PetrichorError`].
    pub async fn peer_allowed(
        &mut self,
        mut header: Dictionary,
        body: &Value,
    ) -> Result<(), PetrichorError> {
        header.insert(ALLOWED, true);
        self.send(&header, body).await
    }

    /// Says no: the header with `allowed`, and why. The conversation could go on; to close is the
    /// caller's to do, with [`Self::close`].
    ///
    /// # Errors
    /// See [`PetrichorError`].
    pub async fn peer_denied(
        &mut self,
        mut header: Dictionary,
        body: &Value,
    ) -> Result<(), PetrichorError> {
        header.insert(ALLOWED, false);
        self.send(&header, body).await
    }

    /// Sends a pair. How long the other end may take for it is the caller's to limit.
    ///
    /// # Errors
    /// See [`PetrichorError`]. What is too long is refused before anything is sent.
    pub async fn send(&mut self, header: &Dictionary, body: &Value) -> Result<(), PetrichorError> {
        let mut pair = BytesMut::new();
        Value::Dictionary(header.clone()).write(&mut pair, MAX_HEADER)?;
        body.write(&mut pair, MAX_BODY)?;
        self.stream.write_all(&pair).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Waits for a pair; `None` when the conversation is over. How long to wait is the caller's to
    /// limit: giving up loses nothing of what arrived.
    ///
    /// # Errors
    /// See [`PetrichorError`]. After an error the conversation is over.
    pub async fn recv(&mut self) -> Result<Option<Pair>, PetrichorError> {
        if self.is_over {
            return Ok(None);
        }
        let pair = self.next_pair().await;
        self.is_over = !matches!(pair, Ok(Some(_)));
        pair
    }

    /// Sends a pair and waits for the next one of the other end, one question at a time.
    ///
    /// # Errors
    /// See [`PetrichorError`].
    pub async fn request(
        &mut self,
        header: &Dictionary,
        body: &Value,
    ) -> Result<Option<Pair>, PetrichorError> {
        self.send(header, body).await?;
        self.recv().await
    }

    /// Ends the conversation in order.
    ///
    /// # Errors
    /// When the connection broke before.
    pub async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Returns the connection and what arrived on it beyond the pairs, for what follows a greeting.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.arrived)
    }

    fn over(stream: S) -> Self {
        Self { stream, arrived: BytesMut::new(), is_over: false }
    }

    async fn next_pair(&mut self) -> Result<Option<Pair>, PetrichorError> {
        let Some(header) = self.fill(0, MAX_HEADER).await? else { return Ok(None) };
        let element = Element::whole(&self.arrived[..header])?;
        element.check()?;
        if element.kind() != Kind::Dictionary {
            return Ok(None);
        }
        // Both are taken at once, so that nothing is lost when the caller stops waiting.
        let body = self.fill(header, MAX_BODY).await?;
        let header = Value::parse(&self.arrived.split_to(header).freeze())?;
        let Value::Dictionary(header) = header else { return Ok(None) };
        let body = match body {
            Some(body) => Value::parse(&self.arrived.split_to(body).freeze())?,
            None => Value::Null,
        };
        Ok(Some(Pair { header, body }))
    }

    /// Reads until a value is there from `start` on, and returns how long it is; `None` when the
    /// other end closed before it began.
    async fn fill(&mut self, start: usize, max: usize) -> Result<Option<usize>, PetrichorError> {
        loop {
            match measure(&self.arrived[start..], max)? {
                Measure::Whole(length) => return Ok(Some(length)),
                // Room only for what arrives, whatever a size promises.
                Measure::Missing(_) => self.arrived.reserve(READ_SIZE),
            }
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                let began = self.arrived.len() > start;
                return if began { Err(TnetstringError::Cut.into()) } else { Ok(None) };
            }
        }
    }
}

/// Waits for the first pair of the other end.
async fn greeted(
    patience: Duration,
    pair: impl Future<Output = Result<Option<Pair>, PetrichorError>>,
) -> Result<Pair, PetrichorError> {
    let pair = timeout(patience, pair).await.map_err(|_| PetrichorError::TimedOut)??;
    pair.ok_or(PetrichorError::Silent)
}

/// Returns whether the header of an answer to [`Conversation::connect`] says yes.
///
/// As in the original, it is a no only if `allowed` is there and is false, or one of the values that
/// are false in Python: null, zero, and what is empty.
#[must_use]
pub fn connect_allowed(header: &Dictionary) -> bool {
    match header.value(ALLOWED.as_bytes()) {
        None => true,
        Some(Value::Null) => false,
        Some(Value::Boolean(allowed)) => *allowed,
        Some(Value::Integer(number)) => *number != 0,
        Some(Value::Float(number)) => number.value() != 0.0,
        Some(Value::String(bytes)) => !bytes.is_empty(),
        Some(Value::List(values)) => !values.is_empty(),
        Some(Value::Dictionary(values)) => !values.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// More than any pair of the tests.
    const ROOM: usize = 4 * 1024 * 1024;

    /// Hands `bytes` to one end, closes behind them, and returns what it hears and how it ends.
    async fn heard(bytes: impl AsRef<[u8]>) -> (Vec<Pair>, Result<(), PetrichorError>) {
        let (mut wire, stream) = duplex(ROOM);
        wire.write_all(bytes.as_ref()).await.unwrap();
        wire.shutdown().await.unwrap();
        let mut conversation = Conversation::over(stream);
        let mut pairs = Vec::new();
        loop {
            match conversation.recv().await {
                Ok(Some(pair)) => pairs.push(pair),
                Ok(None) => return (pairs, Ok(())),
                Err(error) => {
                    assert!(matches!(conversation.recv().await, Ok(None)), "it is over");
                    return (pairs, Err(error));
                }
            }
        }
    }

    async fn refused(bytes: impl AsRef<[u8]>, wanted: TnetstringError) {
        let shown = bytes.as_ref().get(..40).unwrap_or(bytes.as_ref()).escape_ascii().to_string();
        match heard(bytes).await {
            (pairs, Err(PetrichorError::Tnetstring(error))) => {
                assert_eq!((pairs, error), (Vec::new(), wanted), "{shown}");
            }
            other => panic!("{shown}: {other:?}"),
        }
    }

    fn pair(header: Dictionary, body: impl Into<Value>) -> Pair {
        Pair { header, body: body.into() }
    }

    async fn next_bytes(wire: &mut DuplexStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        wire.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn the_bytes_are_those_of_the_original() {
        let (mut wire, stream) = duplex(ROOM);
        let hello = b"44:7:version,3:0.1,5:ident,4:0123,4:user,3:joe,}0:,";
        let yes = b"48:7:allowed,4:true!7:version,3:0.1,5:ident,4:abcd,}7:WELCOME,";
        let no = b"18:7:allowed,5:false!}7:go away,";

        wire.write_all(yes).await.unwrap();
        let header = Dictionary::from([("version", "0.1"), ("ident", "0123"), ("user", "joe")]);
        let (mut client, answer) =
            Conversation::connect(stream, &header, &"".into()).await.unwrap();
        assert_eq!(next_bytes(&mut wire, hello.len()).await, hello);
        assert!(connect_allowed(&answer.header));
        assert_eq!(answer.body, "WELCOME".into());
        wire.write_all(b"0:}2:hi,").await.unwrap();
        let echo = client.request(&Dictionary::new(), &"hi".into()).await.unwrap();
        assert_eq!(echo, Some(pair(Dictionary::new(), "hi")));
        assert_eq!(next_bytes(&mut wire, 8).await, b"0:}2:hi,");

        let (mut wire, stream) = duplex(ROOM);
        wire.write_all(hello).await.unwrap();
        let (mut server, who) = Conversation::accept(stream).await.unwrap();
        assert_eq!(who, pair(header, ""));
        let ours = Dictionary::from([("version", "0.1"), ("ident", "abcd")]);
        server.peer_allowed(ours, &"WELCOME".into()).await.unwrap();
        // The order of a dictionary means nothing; ours has `allowed` last.
        let ours = b"48:7:version,3:0.1,5:ident,4:abcd,7:allowed,4:true!}7:WELCOME,";
        assert_eq!(next_bytes(&mut wire, ours.len()).await, ours);
        server.peer_denied(Dictionary::new(), &"go away".into()).await.unwrap();
        assert_eq!(next_bytes(&mut wire, no.len()).await, no);
    }

    #[tokio::test]
    async fn a_header_that_is_none_ends_the_conversation() {
        let echo = pair(Dictionary::new(), "hi");
        for end in ["", "2:hi,", "0:~2:hi,", "0:]2:hi,", "1:5#2:hi,", "2:hi,0:}2:hi,"] {
            let (pairs, end) = heard(format!("0:}}2:hi,{end}")).await;
            assert_eq!(pairs, std::slice::from_ref(&echo));
            assert!(end.is_ok(), "{end:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_missing_is_null() {
        for bytes in ["0:}", "0:}0:~"] {
            let (pairs, end) = heard(bytes).await;
            assert_eq!(pairs, [pair(Dictionary::new(), Value::Null)]);
            assert!(end.is_ok());
        }
    }

    #[tokio::test]
    async fn a_body_is_any_value() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (pairs, _) =
            heard([b"0:}256:", &bytes[..], b",0:}8:1:a,1:5#}0:}3:1.5^"].concat()).await;
        assert_eq!(pairs[0].body, Bytes::from(bytes).into());
        assert_eq!(pairs[1].body, Dictionary::from([("a", 5)]).into());
        assert_eq!(pairs.len(), 3);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error() {
        refused("x", TnetstringError::Size).await;
        refused("05:hello,", TnetstringError::Size).await;
        refused("3:yes!", TnetstringError::Boolean).await;
        refused("16:1:a,1:1#1:a,1:2#}0:,", TnetstringError::Duplicate).await;
        refused("4:1:", TnetstringError::Cut).await;
        refused("0:}5:hel", TnetstringError::Cut).await;
        refused("0:}5:hello;", TnetstringError::Type).await;
        refused("0:}1:x~", TnetstringError::Null).await;
        refused(format!("{}:", MAX_HEADER + 1), TnetstringError::TooLarge).await;
        refused(format!("0:}}{}:", MAX_BODY + 1), TnetstringError::TooLarge).await;
        refused(format!("{MAX_HEADER}:"), TnetstringError::Cut).await;
        refused("0:}999999999:a", TnetstringError::TooLarge).await;
    }

    #[tokio::test]
    async fn the_largest_pair_passes_and_one_byte_more_is_not_sent() {
        let (stream, other) = duplex(ROOM);
        let (mut here, mut there) = (Conversation::over(stream), Conversation::over(other));
        let room = MAX_HEADER - "1:k,65536:,".len();
        let header = |length: usize| Dictionary::from([("k", "v".repeat(length))]);
        let body = |length: usize| Value::from("b".repeat(length));
        for (header, body) in [(header(room + 1), body(1)), (header(room), body(MAX_BODY + 1))] {
            let error = here.send(&header, &body).await.unwrap_err();
            assert!(matches!(error, PetrichorError::Tnetstring(TnetstringError::TooLarge)));
        }
        here.send(&header(room), &body(MAX_BODY)).await.unwrap();
        let heard = there.recv().await.unwrap();
        assert_eq!(heard, Some(pair(header(room), body(MAX_BODY))));
    }

    #[tokio::test]
    async fn a_promised_size_takes_no_memory() {
        let (mut wire, stream) = duplex(ROOM);
        wire.write_all(format!("0:}}{MAX_BODY}:a").as_bytes()).await.unwrap();
        let mut conversation = Conversation::over(stream);
        let waited = timeout(Duration::from_millis(1), conversation.recv()).await;
        assert!(waited.is_err());
        assert!(conversation.arrived.capacity() <= 2 * READ_SIZE);
        // And waiting again loses nothing.
        wire.write_all(&vec![b'b'; MAX_BODY - 1]).await.unwrap();
        wire.write_all(b",").await.unwrap();
        let heard = conversation.recv().await.unwrap().unwrap();
        let Value::String(body) = heard.body else { panic!("no string") };
        assert_eq!((body.len(), body[0], body[1]), (MAX_BODY, b'a', b'b'));
    }

    #[tokio::test]
    async fn a_greeting_has_its_time() {
        let (_wire, stream) = duplex(ROOM);
        let mut conversation = Conversation::over(stream);
        let error = greeted(Duration::from_millis(1), conversation.recv()).await.unwrap_err();
        assert!(matches!(error, PetrichorError::TimedOut), "{error}");

        let (wire, stream) = duplex(ROOM);
        drop(wire);
        let error = Conversation::accept(stream).await.unwrap_err();
        assert!(matches!(error, PetrichorError::Silent), "{error}");
    }

    #[tokio::test]
    async fn what_follows_a_greeting_is_handed_over() {
        let (mut wire, stream) = duplex(ROOM);
        wire.write_all(b"0:}0:,and more").await.unwrap();
        let (conversation, _) = Conversation::accept(stream).await.unwrap();
        assert_eq!(conversation.into_parts().1, "and more");
    }

    #[test]
    fn only_a_no_is_a_no() {
        let said = |value: Value| connect_allowed(&Dictionary::from([("allowed", value)]));
        assert!(connect_allowed(&Dictionary::new()));
        for yes in [true.into(), 1.into(), "no".into(), vec![Value::Null].into()] {
            assert!(said(yes));
        }
        for no in [Value::Null, false.into(), 0.into(), "".into(), vec![].into()] {
            assert!(!said(no));
        }
    }
}

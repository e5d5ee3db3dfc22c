//! A WebSocket as the messages of a link.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    taxi::wire::{MAX_MESSAGE, Wire},
    transactions::{Message, Numbers},
};
use futures_util::{Sink, Stream};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::line::Line;

/// How long the other end may take to answer a close. Until then what it still sends is read and
/// thrown away: closed over unread bytes, a connection is reset, and the close would be lost.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How much is read at once.
const READ_BUFFER: usize = 64 * 1024;

/// How much is gathered before it is written, unless there is nothing more to say: two of the
/// longest messages with data.
const WRITE_BUFFER: usize = 128 * 1024;

/// The most that is gathered. No message is taken while more than [`WRITE_BUFFER`] waits.
const MAX_WRITE_BUFFER: usize = WRITE_BUFFER + 2 * MAX_MESSAGE;

/// The messages of one end of a link.
pub(super) struct Transport<T> {
    socket: WebSocketStream<TokioIo<Line<T>>>,
    wire: Wire,
    state: State,
}

enum State {
    Open,
    Closing(Closing),
    Closed,
}

/// The time after a close that this end began.
struct Closing {
    /// Why, if the other end broke the rules.
    why: Option<io::Error>,
    deadline: Pin<Box<Sleep>>,
    /// Whether what comes is still a WebSocket.
    readable: bool,
}

impl<T> Transport<T>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    /// Begins right behind the handshake, at the end that opens with these numbers.
    pub(super) async fn new(line: Line<T>, ours: Numbers) -> Self {
        let role = match ours {
            Numbers::Even => Role::Server,
            Numbers::Odd => Role::Client,
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(line), role, Some(config)).await;
        Self { socket, wire: Wire::new(ours), state: State::Open }
    }

    /// Says goodbye. `why` is what comes out of the stream in the end.
    fn close(&mut self, code: CloseCode, why: Option<io::Error>, readable: bool) {
        let frame = CloseFrame { code, reason: "".into() };
        // Whether it can be sent shows when it is flushed.
        let _ = Pin::new(&mut self.socket).start_send(tungstenite::Message::Close(Some(frame)));
        let deadline = Box::pin(sleep_until(Instant::now() + CLOSE_WITHIN));
        self.state = State::Closing(Closing { why, deadline, readable });
    }

    /// Waits until the other end knows, within [`CLOSE_WITHIN`].
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Closing(closing) = &mut self.state else { return Poll::Ready(()) };
        if closing.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let socket = &mut self.socket;
        if ready!(Pin::new(&mut *socket).poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        while closing.readable {
            match ready!(Pin::new(&mut *socket).poll_next(cx)) {
                Some(Ok(tungstenite::Message::Close(_))) | None => return Poll::Ready(()),
                Some(Ok(_)) => {}
                Some(Err(_)) => closing.readable = false,
            }
        }
        let mut thrown_away = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(socket.get_mut()).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Takes what the WebSocket gives. `None` is nothing for the link.
    fn take(
        &mut self,
        item: Option<Result<tungstenite::Message, tungstenite::Error>>,
    ) -> Option<Option<io::Result<Message>>> {
        let message: Bytes = match item {
            Some(Ok(tungstenite::Message::Binary(bytes))) => bytes,
            // A header is text, and so may be what is behind it.
            Some(Ok(tungstenite::Message::Text(text))) => text.into(),
            // The library answers pings.
            Some(Ok(
                tungstenite::Message::Ping(_)
                | tungstenite::Message::Pong(_)
                | tungstenite::Message::Frame(_),
            )) => return None,
            Some(Ok(tungstenite::Message::Close(frame))) => {
                // The library's answer goes out with the next look at the stream.
                let why = frame.filter(|frame| !is_in_order(frame.code)).map(refused_by);
                let deadline = Box::pin(sleep_until(Instant::now() + CLOSE_WITHIN));
                self.state = State::Closing(Closing { why, deadline, readable: true });
                return None;
            }
            Some(Err(error)) => {
                match close_code(&error) {
                    Some(code) => self.close(code, Some(invalid(error)), false),
                    None => {
                        self.state = State::Closed;
                        return Some(Some(Err(lost(error))));
                    }
                }
                return None;
            }
            None => {
                self.state = State::Closed;
                return Some(None);
            }
        };
        match self.wire.read(&message) {
            Ok(message) => Some(Some(Ok(message))),
            Err(error) => {
                tracing::debug!(%error, "A message on a TAXI link is not in order");
                self.close(CloseCode::Invalid, Some(invalid(error)), true);
                None
            }
        }
    }
}

impl<T> Stream for Transport<T>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    type Item = io::Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.state {
                State::Open => {
                    let item = ready!(Pin::new(&mut this.socket).poll_next(cx));
                    if let Some(item) = this.take(item) {
                        return Poll::Ready(item);
                    }
                }
                State::Closing(_) => {
                    ready!(this.poll_closed(cx));
                    let state = std::mem::replace(&mut this.state, State::Closed);
                    if let State::Closing(Closing { why: Some(why), .. }) = state {
                        return Poll::Ready(Some(Err(why)));
                    }
                }
                State::Closed => return Poll::Ready(None),
            }
        }
    }
}

impl<T> Sink<Message> for Transport<T>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.state {
            State::Open => Pin::new(&mut self.get_mut().socket).poll_ready(cx).map_err(lost),
            State::Closing(_) | State::Closed => Poll::Ready(Ok(())),
        }
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        let this = self.get_mut();
        match this.state {
            State::Open => {
                // No head is larger than the limits here: what came from a visitor or a site was
                // measured before.
                let bytes = this.wire.write(message);
                let bytes = bytes.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
                let message = tungstenite::Message::Binary(bytes);
                Pin::new(&mut this.socket).start_send(message).map_err(lost)
            }
            // Why nobody hears it comes out of the stream.
            State::Closing(_) | State::Closed => Ok(()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.state {
            State::Open => Pin::new(&mut self.get_mut().socket).poll_flush(cx).map_err(lost),
            State::Closing(_) | State::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.state, State::Open) {
            this.close(CloseCode::Normal, None, true);
        }
        ready!(this.poll_closed(cx));
        this.state = State::Closed;
        Poll::Ready(Ok(()))
    }
}

/// Returns whether somebody who closes with this code just leaves.
fn is_in_order(code: CloseCode) -> bool {
    matches!(code, CloseCode::Normal | CloseCode::Away | CloseCode::Status)
}

fn refused_by(frame: CloseFrame) -> io::Error {
    let why = format!("the other end closed the WebSocket with code {}", u16::from(frame.code));
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

/// Returns the code with which a WebSocket is closed on which this came, if it is the other end's
/// error.
fn close_code(error: &tungstenite::Error) -> Option<CloseCode> {
    match error {
        tungstenite::Error::Capacity(_) => Some(CloseCode::Size),
        tungstenite::Error::Utf8(_) => Some(CloseCode::Invalid),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) | tungstenite::Error::AttackAttempt => {
            Some(CloseCode::Protocol)
        }
        tungstenite::Error::AlreadyClosed
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::Http(_)
        | tungstenite::Error::HttpFormat(_)
        | tungstenite::Error::Io(_)
        | tungstenite::Error::Tls(_)
        | tungstenite::Error::Url(_)
        | tungstenite::Error::WriteBufferFull(_) => None,
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn lost(error: tungstenite::Error) -> io::Error {
    if let tungstenite::Error::Io(error) = error {
        return error;
    }
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}

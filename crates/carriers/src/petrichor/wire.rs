//! A connection as messages.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use crosstalk::{
    petrichor::{self, Frame, MAX_BODY, MAX_HEADER},
    tnetstring::{Measure, Whole, measure},
    transactions::Message,
};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::{
    outbox::Outbox,
    pack::{Agreed, Incoming, Outgoing},
};

/// How much may wait to be written before the next message has to: a batch large enough for one
/// write, small enough that what is urgent does not wait behind it for long.
const MAX_WAITING: usize = 256 * 1024;

/// How much room there is for reading on a link that rests.
const LEAST_READ: usize = 4 * 1024;

/// How much room there is for reading on a link that is busy: several of the largest messages we
/// write.
const MOST_READ: usize = 256 * 1024;

/// Bodies from this size on are parts of the buffer in which they were read, of which they keep the
/// whole in memory as long as they live; smaller ones are copied. So a visitor who does not read
/// holds at most [`MOST_READ`] / this times the window.
const OWN_SLICE: usize = 32 * 1024;

/// Messages over a connection.
pub(super) struct Wire<T> {
    connection: T,
    arrived: BytesMut,
    /// How many bytes the first header in `arrived` has, once that is known.
    header: Option<usize>,
    read_size: usize,
    ended: bool,
    outbox: Outbox,
    outgoing: Outgoing,
    incoming: Incoming,
}

impl<T> Wire<T> {
    /// Begins after the hello, behind which `arrived` came already.
    pub(super) fn new(connection: T, arrived: BytesMut, agreed: Agreed) -> Self {
        let outgoing = Outgoing::new(&agreed);
        Self {
            connection,
            arrived,
            header: None,
            read_size: LEAST_READ,
            ended: false,
            outbox: Outbox::default(),
            outgoing,
            incoming: Incoming::new(agreed.compress, agreed.keeps),
        }
    }

    /// Takes a message off what has arrived, or says how many bytes it lacks at least.
    fn next_message(&mut self) -> io::Result<Result<Message, usize>> {
        let header = match self.header {
            Some(header) => header,
            None => match measure(&self.arrived, MAX_HEADER).map_err(invalid)? {
                Measure::Whole(length) => *self.header.insert(length),
                Measure::Missing(missing) => return Ok(Err(missing)),
            },
        };
        let body = match measure(&self.arrived[header..], MAX_BODY).map_err(invalid)? {
            Measure::Whole(length) => length,
            Measure::Missing(missing) => return Ok(Err(missing)),
        };
        self.header = None;
        let Frame { message, packing } = if body >= OWN_SLICE {
            let mut pair = self.arrived.split_to(header + body).freeze();
            let head = pair.split_to(header);
            let body = Whole::split(&mut pair).and_then(Whole::into_string).map_err(invalid)?;
            petrichor::read(&head, body)?
        } else {
            let mut copy = Bytes::copy_from_slice(&self.arrived[header..header + body]);
            let bytes = Whole::split(&mut copy).and_then(Whole::into_string).map_err(invalid)?;
            let frame = petrichor::read(&self.arrived[..header], bytes)?;
            self.arrived.advance(header + body);
            frame
        };
        if let Message::Abort { id, .. } = &message {
            self.outgoing.forget(*id);
        }
        self.incoming.unpack(Frame { message, packing }).map(Ok)
    }

    /// Reads nothing more.
    fn end(&mut self) {
        self.ended = true;
        self.header = None;
        self.arrived = BytesMut::new();
    }

    /// Makes room for what is missing. A size that somebody only claims gets no more than twice what
    /// came of it.
    fn make_room(&mut self, missing: usize) {
        // The capacity alone does not count what is in front of what was taken off the buffer.
        if self.arrived.is_empty() && self.arrived.try_reclaim(2 * self.read_size + 1) {
            self.arrived = BytesMut::new();
        }
        let wanted = missing.min(self.arrived.len()).max(self.read_size);
        let room = self.arrived.capacity() - self.arrived.len();
        if room < wanted / 4 || room < missing.min(wanted) {
            self.arrived.reserve(wanted);
        }
    }

    /// Remembers how much came at once.
    fn note_read(&mut self, room: usize, read: usize) {
        if read == room {
            self.read_size = (self.read_size * 2).min(MOST_READ);
        } else if read < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(LEAST_READ);
        }
    }
}

fn invalid(error: crosstalk::tnetstring::TnetstringError) -> io::Error {
    petrichor::WireError::from(error).into()
}

impl<T: AsyncRead + Unpin> Stream for Wire<T> {
    type Item = io::Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Message>>> {
        let this = self.get_mut();
        loop {
            let missing = match this.next_message() {
                Ok(Ok(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(Err(missing)) => missing,
                Err(error) => {
                    // Where the next message begins is lost.
                    this.end();
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if this.ended {
                if this.arrived.is_empty() {
                    return Poll::Ready(None);
                }
                this.end();
                return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            this.make_room(missing);
            let room = this.arrived.capacity() - this.arrived.len();
            let read =
                ready!(poll_read_buf(Pin::new(&mut this.connection), cx, &mut this.arrived))?;
            this.ended = read == 0;
            this.note_read(room, read);
        }
    }
}

impl<T: AsyncWrite + Unpin> Wire<T> {
    fn poll_write(&mut self, cx: &mut Context<'_>, down_to: usize) -> Poll<io::Result<()>> {
        while self.outbox.waiting() > down_to {
            let connection = Pin::new(&mut self.connection);
            if ready!(poll_write_buf(connection, cx, &mut self.outbox))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Sink<Message> for Wire<T> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_write(cx, MAX_WAITING)
    }

    fn start_send(self: Pin<&mut Self>, mut message: Message) -> io::Result<()> {
        let this = self.get_mut();
        let packing = this.outgoing.pack(&mut message);
        this.outbox.append(|out| petrichor::write_header(out, &message, packing))?;
        let body = match message {
            Message::Open { body, .. } | Message::Head { body, .. } => body,
            Message::Data { bytes, .. } => bytes,
            Message::Bye(bye) => bye.sentence.into(),
            Message::Abort { .. } | Message::Credit { .. } | Message::Ping | Message::Pong => {
                Bytes::new()
            }
        };
        this.outbox.string(body);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write(cx, 0))?;
        this.outbox.rest();
        Pin::new(&mut this.connection).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.get_mut().connection).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use crosstalk::{
        tnetstring,
        transactions::{AbortCode, Bye, MAX_DATA, TransactionId},
    };
    use futures_util::{SinkExt as _, StreamExt as _};
    use http::{Request, Response};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn wire(connection: DuplexStream) -> Wire<DuplexStream> {
        Wire::new(connection, BytesMut::new(), Agreed::default())
    }

    fn data(id: u64, bytes: Vec<u8>) -> Message {
        Message::Data { id: TransactionId(id), bytes: bytes.into(), end: false }
    }

    fn messages() -> Vec<Message> {
        let request = Request::post("/a?b").header("host", "a.example").body(()).unwrap();
        let response = Response::builder().header("x", "y").body(()).unwrap();
        let (request, response) = (request.into_parts().0, response.into_parts().0);
        let id = TransactionId(2);
        vec![
            Message::Open {
                id,
                head: Box::new(request),
                body: Bytes::from_static(b"first"),
                end: false,
            },
            data(2, vec![1; MAX_DATA]),
            Message::Head { id, head: Box::new(response), body: Bytes::new(), end: false },
            data(2, (0..=255).cycle().take(OWN_SLICE).collect()),
            data(2, vec![2; OWN_SLICE - 1]),
            Message::Credit { id, bytes: 1 },
            data(2, vec![3; MAX_BODY]),
            Message::Ping,
            Message::Data { id, bytes: Bytes::new(), end: true },
            Message::Abort { id, code: AbortCode::Cancelled },
            Message::Pong,
            Message::Bye(Bye { retry_after: None, sentence: "gone".to_owned() }),
        ]
    }

    fn shown(message: &Message) -> String {
        let body = petrichor::body(message).map(|body| (body.len(), blake3::hash(body)));
        match message {
            Message::Open { id, head, end, .. } => {
                format!("{id} {} {} {:?} {end} {body:?}", head.method, head.uri, head.headers)
            }
            Message::Head { id, head, end, .. } => {
                format!("{id} {} {:?} {end} {body:?}", head.status, head.headers)
            }
            Message::Data { id, end, .. } => format!("{id} {end} {body:?}"),
            Message::Abort { .. }
            | Message::Credit { .. }
            | Message::Ping
            | Message::Pong
            | Message::Bye(_) => format!("{message:?}"),
        }
    }

    #[tokio::test]
    async fn messages_come_through_however_little_the_connection_takes() {
        for room in [1021, 64 * 1024, 8 * 1024 * 1024] {
            let (here, there) = duplex(room);
            let (mut here, mut there) = (wire(here), wire(there));
            let send = async {
                for message in messages() {
                    here.feed(message).await.unwrap();
                    assert!(here.outbox.waiting() <= MAX_WAITING + MAX_BODY + 64);
                }
                here.close().await.unwrap();
            };
            let receive = async {
                for message in messages() {
                    let came = there.next().await.unwrap().unwrap();
                    assert_eq!(shown(&came), shown(&message));
                }
                assert!(there.next().await.is_none(), "it was closed in order");
            };
            tokio::join!(send, receive);
            assert_eq!(here.outbox.waiting(), 0);
        }
    }

    #[tokio::test]
    async fn many_messages_are_one_write() {
        let (here, mut there) = duplex(1024 * 1024);
        let mut here = wire(here);
        for id in 1..=50 {
            here.feed(data(2 * id, vec![7; 1000])).await.unwrap();
        }
        let waiting = here.outbox.waiting();
        assert!(waiting > 50_000);
        here.flush().await.unwrap();
        let mut came = vec![0; 2 * waiting];
        assert_eq!(there.read(&mut came).await.unwrap(), waiting);
    }

    #[tokio::test]
    async fn a_full_outbox_holds_up_the_next_message() {
        let (here, _there) = duplex(1024);
        let mut here = wire(here);
        let mut taken = 0;
        while futures_util::FutureExt::now_or_never(here.feed(data(2, vec![7; MAX_DATA]))).is_some()
        {
            taken += 1;
            assert!(taken < 10);
        }
        assert!((3..=5).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn what_is_cut_or_damaged_is_an_error_and_then_the_end() {
        for (bytes, kind) in [
            ("14:4:type,4:pi", io::ErrorKind::UnexpectedEof),
            ("14:4:type,4:ping,}", io::ErrorKind::UnexpectedEof),
            ("014:", io::ErrorKind::InvalidData),
            ("14:4:type,4:ping,]0:,", io::ErrorKind::InvalidData),
            ("14:4:type,4:ping,}1:x,", io::ErrorKind::InvalidData),
            ("14:4:type,4:ping,}0:~", io::ErrorKind::InvalidData),
            ("999999:", io::ErrorKind::InvalidData),
            ("14:4:type,4:ping,}1048577:", io::ErrorKind::InvalidData),
        ] {
            let (mut there, here) = duplex(1024);
            there.write_all(b"14:4:type,4:pong,}0:,").await.unwrap();
            there.write_all(bytes.as_bytes()).await.unwrap();
            there.shutdown().await.unwrap();
            let mut here = wire(here);
            assert!(matches!(here.next().await, Some(Ok(Message::Pong))));
            let error = here.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), kind, "{bytes}");
            assert!(here.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_promised_size_takes_no_memory() {
        let (mut there, here) = duplex(1024);
        let mut here = wire(here);
        let promise = format!("23:4:type,4:data,2:id,1:2#}}{MAX_BODY}:abc");
        there.write_all(promise.as_bytes()).await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(here.next()).is_none());
        assert!(here.arrived.capacity() <= 2 * LEAST_READ, "{}", here.arrived.capacity());
    }

    #[tokio::test]
    async fn a_link_that_rests_holds_little() {
        let (here, there) = duplex(1024 * 1024);
        let (mut here, mut there) = (wire(here), wire(there));
        for _ in 0..100 {
            here.send(data(2, vec![7; MAX_DATA])).await.unwrap();
            there.next().await.unwrap().unwrap();
        }
        for _ in 0..8 {
            here.send(Message::Ping).await.unwrap();
            there.next().await.unwrap().unwrap();
        }
        assert!(futures_util::FutureExt::now_or_never(there.next()).is_none());
        assert!(there.arrived.capacity() <= 2 * LEAST_READ, "{}", there.arrived.capacity());
        assert!(here.outbox.remaining() == 0);
    }

    #[tokio::test]
    async fn a_large_body_that_came_slowly_leaves_no_large_buffer_behind() {
        for length in (40_000..MAX_DATA).step_by(997) {
            let (mut there, here) = duplex(1024 * 1024);
            let mut here = wire(here);
            let mut pair = BytesMut::from(&b"23:4:type,4:data,2:id,1:2#}"[..]);
            tnetstring::string(&mut pair, &vec![1; length]);
            for packet in pair.chunks(1400) {
                assert!(futures_util::FutureExt::now_or_never(here.next()).is_none());
                there.write_all(packet).await.unwrap();
            }
            drop(here.next().await.unwrap().unwrap());
            // What is left shows by the next sign of life at the latest.
            there.write_all(b"14:4:type,4:ping,}0:,").await.unwrap();
            here.next().await.unwrap().unwrap();
            assert!(futures_util::FutureExt::now_or_never(here.next()).is_none());
            assert!(!here.arrived.try_reclaim(2 * LEAST_READ + 1), "{length}");
        }
    }

    #[tokio::test]
    async fn large_bodies_are_parts_of_what_was_read_and_small_ones_are_not() {
        for (length, shared) in [(OWN_SLICE, true), (OWN_SLICE - 8, false)] {
            let (mut there, here) = duplex(1024 * 1024);
            let head = format!("23:4:type,4:data,2:id,1:2#}}{length}:");
            let mut pair = BytesMut::from(head.as_bytes());
            pair.put_bytes(1, length);
            pair.put_slice(b",14:4:type,4:ping,}0:,");
            there.write_all(&pair).await.unwrap();
            let mut here = wire(here);
            here.read_size = MOST_READ;
            let Message::Data { bytes, .. } = here.next().await.unwrap().unwrap() else {
                panic!("that was no body")
            };
            // Bytes that are a part of something cannot be had for oneself.
            assert_eq!(bytes.try_into_mut().is_err(), shared, "{length}");
        }
    }
}

//! A request whose head comes while the answer before it waits for room.
//!
//! hyper reads the end of an upload and the head after it, while the answer to the upload is written but
//! not yet taken. Then there is room, and nothing makes it look whether somebody waits to be answered.
//! Nothing here takes time: the connection is looked at when it was woken, and never otherwise.

use std::task::{Wake, Waker};

use http_body_util::Full;
use hyper_util::rt::TokioTimer;

use super::*;

/// An upload but for its last byte, and what comes together with that one.
const UPLOAD: &[u8] = b"POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n";
const THEN: &[u8] = b"!GET /second HTTP/1.1\r\nhost: a\r\n\r\n";

/// The gateway's end of a visitor's connection, which says what it is told to.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    /// What the visitor has sent and nobody has read.
    incoming: Vec<u8>,
    reader: Option<Waker>,
    is_full: bool,
    writer: Option<Waker>,
    /// What the visitor has got.
    got: Vec<u8>,
}

impl Line {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap()
    }

    fn send(&self, bytes: &[u8]) {
        let mut ends = self.ends();
        ends.incoming.extend_from_slice(bytes);
        ends.reader.take().expect("somebody reads").wake();
    }

    fn make_room(&self) {
        let mut ends = self.ends();
        ends.is_full = false;
        ends.writer.take().expect("somebody writes").wake();
    }

    fn got(&self) -> String {
        String::from_utf8(self.ends().got.clone()).unwrap()
    }
}

impl Socket for Line {
    fn become_link(&mut self) {}
    fn reset_at_end(&mut self) {}
    fn duplicate(&self) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Read for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ends = self.ends();
        if ends.incoming.is_empty() {
            ends.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = ends.incoming.len().min(buffer.remaining());
        let bytes: Vec<u8> = ends.incoming.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut ends = self.ends();
        if ends.is_full {
            ends.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = ends.got.len();
        for slice in slices {
            ends.got.extend_from_slice(slice);
        }
        Poll::Ready(Ok(ends.got.len() - before))
    }

    // As sockets do: otherwise hyper puts all in one buffer, and answers whenever it can.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection that is looked at only when it was woken.
struct Driven<C> {
    connection: Pin<Box<C>>,
    woken: Arc<Woken>,
}

impl<C: Future> Driven<C> {
    /// How often in a row a connection may wake itself.
    const TURNS: usize = 100;

    fn new(connection: C) -> Self {
        let woken = Woken(AtomicBool::new(true));
        Self { connection: Box::pin(connection), woken: Arc::new(woken) }
    }

    fn go_on(&mut self) {
        let waker = Waker::from(self.woken.clone());
        for _ in 0..Self::TURNS {
            if !self.woken.0.swap(false, Ordering::SeqCst) {
                return;
            }
            let looked = self.connection.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(looked.is_pending(), "the connection ended");
        }
        panic!("the connection wakes itself for ever");
    }
}

/// Plays it over a line, with the gateway's end in the form of `io`. Returns the connection as it is when
/// nothing wakes it any more.
fn play(line: &Line, io: impl Read + Write + Unpin + 'static) -> Driven<impl Future> {
    // The site has not read the upload yet.
    let unread: Mutex<Vec<Incoming>> = Mutex::default();
    let service = service_fn(move |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        unread.lock().unwrap().push(body);
        let answer = format!("the {}", parts.uri.path());
        async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer)))) }
    });
    let mut http = http1::Builder::new();
    // As the gateway has it.
    http.timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIMEOUT);
    let mut driven = Driven::new(http.serve_connection(io, service));
    driven.go_on();
    line.ends().is_full = true;
    line.send(UPLOAD);
    driven.go_on();
    line.send(THEN);
    driven.go_on();
    assert_eq!(line.got(), "");
    line.make_room();
    driven.go_on();
    assert!(line.got().contains("\r\n\r\nthe /first"), "{}", line.got());
    driven
}

#[tokio::test(start_paused = true)]
async fn is_answered_when_there_is_room() {
    let line = Line::default();
    let _driven = play(&line, MeteredIo::new(line.clone(), Arc::default()));
    assert!(line.got().ends_with("\r\n\r\nthe /second"), "{}", line.got());
}

/// When this fails, hyper has learned it, and `MeteredIo` need not wake it any more.
#[tokio::test(start_paused = true)]
async fn is_forgotten_by_hyper_itself() {
    let line = Line::default();
    let mut driven = play(&line, line.clone());
    assert!(line.got().ends_with("\r\n\r\nthe /first"), "{}", line.got());
    // It only does not look.
    driven.woken.0.store(true, Ordering::SeqCst);
    driven.go_on();
    assert!(line.got().ends_with("\r\n\r\nthe /second"), "{}", line.got());
}

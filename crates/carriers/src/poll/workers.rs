//! The peer's end of a session as the connection of a link: one worker polls, a few others answer.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    poll::{self, Dialect, Object},
    transactions::Message,
};
use futures_util::{Sink, Stream, task::AtomicWaker};
use http::{HeaderValue, StatusCode};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    LONGEST_WAIT,
    caller::{Answer, Caller, Place},
    desk::{Batch, Desk},
};
use crate::{DialError, line::LineHandle};

/// How many POSTs with answers are under way at the same time: with the poll, as many connections
/// as a browser makes to one host.
const ANSWERERS: usize = 5;

/// How much longer than the wait that it asked for a poll may take.
const POLL_SLACK: Duration = Duration::from_secs(15);

/// How long one POST with answers may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The first pause after a POST that failed; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. The link finds out by itself that it is dead.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The shortest wait that is asked for. A proxy that gives less time than this lets nothing pass.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The peer's end of a session.
pub(super) struct Workers {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    desk: Mutex<Desk>,
    /// Told when there is something to send, or the link took what came.
    changed: Notify,
    link: AtomicWaker,
    line: LineHandle,
    failed: AtomicBool,
}

/// What to do after a POST.
enum Next {
    /// It was answered, with this.
    Go(Vec<Object>),
    /// It makes sense to make it again.
    Again,
    /// The session is over.
    Over,
}

impl Workers {
    /// Starts to poll. `first` is what came with the beginning of the session.
    pub(super) fn start(
        caller: Caller,
        place: &Arc<Place>,
        line: LineHandle,
        first: Vec<Object>,
    ) -> Self {
        let mut desk = Desk::default();
        desk.receive(first);
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            changed: Notify::new(),
            link: AtomicWaker::new(),
            line,
            failed: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(poll(Arc::clone(&shared), caller));
        for _ in 0..ANSWERERS {
            tasks.spawn(answer(Arc::clone(&shared), Caller::new(Arc::clone(place))));
        }
        Self { shared, _tasks: tasks }
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        self.link.wake();
    }

    /// Waits until something holds.
    async fn until<T>(&self, look: impl Fn(&mut Desk) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.desk()) {
                return found;
            }
            changed.await;
        }
    }

    fn judge(&self, answer: Result<Answer, DialError>) -> Next {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "A POST of the long poll failed");
                return Next::Again;
            }
        };
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => {
                match poll::read(&answer.body, Dialect::Second) {
                    Ok(objects) => {
                        self.line.hear();
                        Next::Go(objects)
                    }
                    Err(error) => {
                        // A page of somebody in between, perhaps: the gateway never saw the POST.
                        tracing::debug!(%error, "The answer to a POST cannot be read");
                        Next::Again
                    }
                }
            }
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::GONE
            | StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE => Next::Over,
            // A proxy that is impatient, or a gateway that is busy: it may be better in a moment.
            _ => Next::Again,
        }
    }
}

/// Polls until the session is over.
async fn poll(shared: Arc<Shared>, mut caller: Caller) {
    let (mut wait, mut pause) = (LONGEST_WAIT, FIRST_PAUSE);
    loop {
        // The gateway sends what flow control allows; all of it has to be here before more comes.
        shared.until(|desk| desk.is_read().then_some(())).await;
        let (document, acks) = shared.desk().poll();
        let prefer = HeaderValue::from_str(&format!("ptth-json=2, wait={}", wait.as_secs())).ok();
        let begun = Instant::now();
        let answer = caller.call(document.into(), prefer, wait + POLL_SLACK, false).await;
        match shared.judge(answer) {
            Next::Go(objects) => {
                pause = FIRST_PAUSE;
                let mut desk = shared.desk();
                desk.acknowledged(acks);
                desk.receive(objects);
                drop(desk);
                shared.link.wake();
            }
            Next::Again => {
                let lasted = begun.elapsed();
                if lasted >= SHORTEST_WAIT && lasted <= wait + Duration::from_secs(1) {
                    // Somebody in between has less patience than we.
                    wait = (lasted / 2).min(wait / 2).max(SHORTEST_WAIT);
                    tracing::debug!(?wait, "Polls are cut on the way; asking for shorter ones");
                } else {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            Next::Over => return shared.fail(),
        }
    }
}

/// Sends answers until the session is over.
async fn answer(shared: Arc<Shared>, mut caller: Caller) {
    let prefer = HeaderValue::from_static("ptth-json=2");
    loop {
        let batch = shared.until(Desk::batch).await;
        let document = Bytes::copy_from_slice(&batch.document);
        let mut pause = FIRST_PAUSE;
        loop {
            let answer =
                caller.call(document.clone(), Some(prefer.clone()), ANSWER_WITHIN, false).await;
            match shared.judge(answer) {
                Next::Go(objects) => {
                    shared.sent(&batch, objects);
                    break;
                }
                Next::Again => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Next::Over => return shared.fail(),
            }
        }
    }
}

impl Shared {
    fn sent(&self, batch: &Batch, objects: Vec<Object>) {
        let mut desk = self.desk();
        for object in objects {
            if let Object::Report(report) = object {
                desk.report(&report);
            }
        }
        desk.sent(batch);
        drop(desk);
        self.changed.notify_waiters();
        self.link.wake();
    }
}

impl Stream for Workers {
    type Item = io::Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.link.register(cx.waker());
        let mut desk = self.shared.desk();
        let next = desk.next();
        let is_read = desk.is_read();
        drop(desk);
        if is_read {
            self.shared.changed.notify_waiters();
        }
        match next {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None if self.shared.failed.load(Ordering::SeqCst) => {
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
            None => Poll::Pending,
        }
    }
}

impl Sink<Message> for Workers {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Flow control bounds what waits here.
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> io::Result<()> {
        self.shared.desk().send(message);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Waits until everything has arrived.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.link.register(cx.waker());
        if self.shared.desk().is_sent() || self.shared.failed.load(Ordering::SeqCst) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

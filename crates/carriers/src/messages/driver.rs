//! What drives a link: reads what comes, hands it out, and sends what there is.

use std::{
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use crosstalk::transactions::{Event, Message};
use tokio::time::{Sleep, sleep_until, timeout};

use super::{
    Transport,
    answers::{Answers, Opened},
    shared::{Over, Shared, State, Told},
};
use crate::link::Status;

/// How many messages are read before what they bring is handed out and sent: enough to share the
/// cost of both, few enough that other tasks of the thread get their turn.
const BATCH: usize = 64;

/// How long the last bytes and the other end's farewell may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How much longer than agreed the other end may be silent, as a part of [`Driver::patience`]: after
/// a pause of this whole computer, bytes wait that nobody had the time to read.
const MERCY: u32 = 10;

/// The shortest time between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// After a bye and the last transaction, or by the other end with nothing under way.
    InOrder,
    /// The connection broke, or the other end broke the rules.
    Broken,
    /// The other end was silent for too long.
    Silent,
}

/// The one task of a link. Everything ends when it is dropped.
pub(super) struct Driver<T> {
    transport: T,
    shared: Arc<Shared>,
    pub(super) answers: Option<Answers>,
    news: News,
    /// What came and was not handed out yet; kept, so that not every batch allocates it.
    came: Vec<Message>,
    /// Whether something was sent and not flushed.
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    /// How long the answer to a ping may take.
    patience: Duration,
    /// Up to when the line's signs of life are known here.
    heard: Duration,
    /// Whether the other end was found silent and is given a last moment.
    mercy: bool,
}

/// What happened, and who has to hear of it once the lock is free.
#[derive(Default)]
struct News {
    opened: Vec<Opened>,
    told: Told,
    drained: bool,
    /// At the end that sends requests.
    status: Option<Arc<Status>>,
}

/// Why reading or writing stopped.
enum Trouble {
    Closed,
    Broken(io::Error),
}

impl<T: Transport> Driver<T> {
    pub(super) fn new(
        transport: T,
        shared: Arc<Shared>,
        patience: Duration,
        status: Option<Arc<Status>>,
        answers: Option<Answers>,
    ) -> Self {
        let due = shared.lock().transactions.next_deadline();
        let timer = Box::pin(sleep_until(shared.line.moment(due)));
        Self {
            transport,
            shared,
            answers,
            news: News { status, ..News::default() },
            came: Vec::with_capacity(BATCH),
            unflushed: false,
            timer,
            patience,
            heard: Duration::ZERO,
            mercy: false,
        }
    }

    /// Drives the link until it ends. Whoever drops this may call it again.
    pub(super) async fn run(&mut self) -> Ended {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        if ended == Ended::InOrder {
            let farewell = poll_fn(|cx| Pin::new(&mut self.transport).poll_close(cx));
            // Who does not take it has everything that matters.
            let _ = timeout(CLOSE_WITHIN, farewell).await;
        }
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        // Whoever has something to send from here on is noticed without waking anybody.
        self.shared.lock().driver = None;
        let read = self.read(cx);
        if let Err(ended) = self.hand_out() {
            return Poll::Ready(ended);
        }
        if let Poll::Ready(Err(trouble)) = &read {
            return Poll::Ready(self.ended_by(trouble));
        }
        if self.is_silent(cx) {
            return Poll::Ready(Ended::Silent);
        }
        let written = self.write(cx);
        if let Poll::Ready(Err(trouble)) = &written {
            return Poll::Ready(self.ended_by(trouble));
        }
        if self.news.drained && !self.unflushed && written.is_ready() {
            return Poll::Ready(Ended::InOrder);
        }
        if read.is_ready() {
            // There is more to read, but others have to get their turn.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads what is there, or as much as belongs to one batch: then it is `Ready`.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while self.came.len() < BATCH {
            match ready!(Pin::new(&mut self.transport).poll_next(cx)) {
                Some(Ok(message)) => self.came.push(message),
                Some(Err(error)) => return Poll::Ready(Err(Trouble::Broken(error))),
                None => return Poll::Ready(Err(Trouble::Closed)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives what came to those who wait for it.
    fn hand_out(&mut self) -> Result<(), Ended> {
        if self.came.is_empty() {
            return Ok(());
        }
        let now = self.shared.line.now();
        let mut state = self.shared.lock();
        for message in self.came.drain(..) {
            if let Err(violation) = state.transactions.receive(message, now) {
                tracing::debug!(%violation, "The other end broke the rules");
                return Err(Ended::Broken);
            }
            self.news.note(&mut state);
        }
        // Who opens and aborts in one breath is not worth a handler.
        self.news.opened.retain(|opened| opened.is_wanted(&mut state));
        drop(state);
        self.news.told.tell_all();
        if let Some(answers) = &mut self.answers {
            for opened in self.news.opened.drain(..) {
                answers.begin(&self.shared, opened);
            }
            answers.tidy();
        }
        Ok(())
    }

    /// Sends what there is. `Ready` when that is everything.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        let filled = self.fill(cx)?;
        self.news.told.tell_all();
        if mem::take(&mut self.unflushed) {
            match Pin::new(&mut self.transport).poll_flush(cx) {
                Poll::Ready(flushed) => flushed.map_err(Trouble::Broken)?,
                Poll::Pending => self.unflushed = true,
            }
        }
        // When the transport is full, it says when it has room, and nobody else has to.
        ready!(filled);
        let mut state = self.shared.lock();
        // Nobody was woken for what happened while this was busy.
        self.news.note(&mut state);
        let is_everything = !state.transactions.wants_to_send();
        if is_everything {
            state.driver = Some(cx.waker().clone());
        }
        drop(state);
        self.news.told.tell_all();
        if is_everything {
            return Poll::Ready(Ok(()));
        }
        // More than its share, or something new.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Puts messages into the transport until it is full (`Pending`), or there are none, or others
    /// have to get their turn.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Trouble> {
        for _ in 0..BATCH * 4 {
            match Pin::new(&mut self.transport).poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(Trouble::Broken)?,
                Poll::Pending => return Ok(Poll::Pending),
            }
            let mut state = self.shared.lock();
            let message = state.transactions.poll_message();
            self.news.note(&mut state);
            drop(state);
            let Some(message) = message else { break };
            Pin::new(&mut self.transport).start_send(message).map_err(Trouble::Broken)?;
            self.unflushed = true;
        }
        Ok(Poll::Ready(()))
    }

    /// Looks whether the other end was silent for too long, and asks it for a sign of life.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(cx).is_ready() {
            let line = &self.shared.line;
            let now = line.now();
            let mut state = self.shared.lock();
            let heard = line.heard();
            if heard > self.heard {
                self.heard = heard;
                state.transactions.heard(heard);
            }
            let is_alive = state.transactions.tick(now);
            let due = state.transactions.next_deadline().max(now + LOOK_EVERY);
            drop(state);
            let next = match (is_alive, self.mercy) {
                (true, _) => due,
                (false, false) => now + self.patience / MERCY,
                (false, true) => return true,
            };
            self.mercy = !is_alive;
            self.timer.as_mut().reset(line.moment(next));
        }
        false
    }

    fn ended_by(&self, trouble: &Trouble) -> Ended {
        let nothing_is_lost = self.news.drained || self.shared.lock().under_way() == 0;
        match trouble {
            Trouble::Closed if nothing_is_lost => Ended::InOrder,
            Trouble::Closed => Ended::Broken,
            Trouble::Broken(_) if self.news.drained => Ended::InOrder,
            Trouble::Broken(error) => {
                tracing::debug!(%error, "The link broke");
                Ended::Broken
            }
        }
    }
}

impl News {
    /// Notes what happened.
    fn note(&mut self, state: &mut State) {
        while let Some(event) = state.transactions.poll_event() {
            match event {
                Event::Opened { id, head } => self.opened.push(Opened::new(state, id, head)),
                Event::Answered { id, head } => {
                    if let Some(exchange) = state.exchange(id) {
                        exchange.head = Some(head);
                        self.told.wake(exchange.reader.take());
                    }
                }
                Event::Readable(id) => {
                    if let Some(exchange) = state.exchange(id) {
                        self.told.wake(exchange.reader.take());
                    }
                }
                Event::Writable(id) => {
                    if let Some(exchange) = state.exchange(id) {
                        self.told.wake(exchange.writer.take());
                    }
                }
                Event::Unwanted(id) => {
                    if let Some(exchange) = state.exchange(id) {
                        exchange.unwanted = true;
                        self.told.writer(exchange);
                    }
                }
                Event::Aborted { id, code } => {
                    if let Some(exchange) = state.exchange(id) {
                        exchange.over.get_or_insert(Over::There(code));
                        self.told.all(exchange);
                    }
                }
                Event::Bye(bye) => {
                    tracing::debug!(sentence = ?bye.sentence, "The other end says bye");
                    state.take_leave();
                    if let Some(status) = &self.status {
                        status.take_no_more();
                    }
                }
                Event::Drained => self.drained = true,
            }
        }
    }
}

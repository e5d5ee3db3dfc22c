//! What the driver of a link and those who use the link share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
};

use crosstalk::transactions::{AbortCode, Bye, Config, MAX_DATA, TransactionId, Transactions};
use http::response;
use tokio::task::AbortHandle;

use crate::line::LineHandle;

/// One end of a link. Everybody locks it for moments only, and never across a wait.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Whether transactions can begin; the same as in the state, for those who only look.
    open: AtomicBool,
    pub(super) line: LineHandle,
    /// The most bytes of a body that go along with its head.
    pub(super) largest_first: usize,
}

pub(super) struct State {
    pub(super) transactions: Transactions,
    exchanges: HashMap<TransactionId, Exchange>,
    /// The driver, while it sleeps and wants to know of everything that has to go out.
    pub(super) driver: Option<Waker>,
    /// Whether an end said bye: the driver then wants to know when the last transaction is over.
    leaving: bool,
    ended: bool,
}

/// A transaction, as far as it concerns those who wait for it. It lives as long as they do.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) head: Option<Box<response::Parts>>,
    pub(super) over: Option<Over>,
    /// Whether the other end wants no more of what this end still has to say.
    pub(super) unwanted: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// What works for this transaction only, and ends when the other end aborts it.
    pub(super) task: Option<AbortHandle>,
    handles: usize,
}

/// Who aborted a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    /// This end: nothing that came of it counts any more.
    Here,
    /// The other end: what came before still counts.
    There(AbortCode),
}

/// A transaction in somebody's hands.
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) id: TransactionId,
}

/// Those who have to be told of something once the lock is free.
#[derive(Default)]
pub(super) struct Told {
    wakers: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

impl Shared {
    pub(super) fn new(config: Config, line: LineHandle) -> Arc<Self> {
        let largest_first = MAX_DATA.min(config.window as usize);
        let state = State {
            transactions: Transactions::new(config, line.now()),
            exchanges: HashMap::new(),
            driver: None,
            leaving: false,
            ended: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            open: AtomicBool::new(true),
            line,
            largest_first,
        })
    }

    /// Locks the state for the driver itself, which sends what has to go out anyway.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state, and wakes the driver if it has something to do now.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state);
        let due = state.leaving || state.transactions.wants_to_send();
        let driver = if due { state.driver.take() } else { None };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Lets no transaction begin any more.
    pub(super) fn take_no_more(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Says bye; what is under way goes on.
    pub(super) fn close(&self) {
        self.take_no_more();
        self.with(|state| {
            state.leaving = true;
            if !state.ended {
                state.transactions.close(Bye::default());
            }
        });
    }

    /// Gives up everything that is under way, and tells the other end.
    pub(super) fn abort_all(&self, code: AbortCode) {
        let told = self.with(|state| {
            let mut told = Told::default();
            for (id, exchange) in &mut state.exchanges {
                state.transactions.abort(*id, code);
                exchange.over.get_or_insert(Over::Here);
                told.all(exchange);
            }
            told
        });
        told.tell();
    }

    /// Ends everything: the connection is gone.
    pub(super) fn end(&self) {
        self.take_no_more();
        let mut told = Told::default();
        let mut state = self.lock();
        state.ended = true;
        for exchange in state.exchanges.values_mut() {
            told.all(exchange);
        }
        drop(state);
        told.tell();
    }
}

impl State {
    /// Makes a place for those who will wait for a transaction.
    pub(super) fn begin(&mut self, id: TransactionId, handles: usize) {
        self.exchanges.insert(id, Exchange { handles, ..Exchange::default() });
    }

    pub(super) fn exchange(&mut self, id: TransactionId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(&id)
    }

    pub(super) fn under_way(&self) -> usize {
        self.transactions.opened() + self.transactions.accepted()
    }

    /// Notes that the other end said bye.
    pub(super) fn take_leave(&mut self) {
        self.leaving = true;
    }

    /// Forgets a transaction that nobody has in hands.
    pub(super) fn forget(&mut self, id: TransactionId) {
        self.exchanges.remove(&id);
    }

    /// Says whether nothing more of the other end will come of a transaction than what is here.
    pub(super) fn is_over(&self, id: TransactionId) -> bool {
        self.ended || self.exchanges.get(&id).is_none_or(|exchange| exchange.over.is_some())
    }

    /// Says whether the connection is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Ends this task when the transaction is aborted.
    pub(super) fn work_for(&mut self, id: TransactionId, task: AbortHandle) {
        match self.exchanges.get_mut(&id) {
            Some(exchange) if !self.ended && exchange.over.is_none() => exchange.task = Some(task),
            Some(_) | None => task.abort(),
        }
    }

    /// Says whether this end gave a transaction up.
    pub(super) fn was_aborted_here(&self, id: TransactionId) -> bool {
        let over = self.exchanges.get(&id).and_then(|exchange| exchange.over);
        matches!(over, Some(Over::Here))
    }

    /// Gives a transaction up.
    pub(super) fn abort(&mut self, id: TransactionId, code: AbortCode) -> Told {
        let mut told = Told::default();
        if !self.ended {
            self.transactions.abort(id, code);
        }
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && exchange.over.is_none()
        {
            exchange.over = Some(Over::Here);
            told.all(exchange);
        }
        told
    }

    fn release(&mut self, id: TransactionId) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.handles -= 1;
            if exchange.handles == 0 {
                self.exchanges.remove(&id);
            }
        }
    }
}

impl Exchange {
    pub(super) fn wake_reader_with(&mut self, cx: &Context<'_>) {
        keep(&mut self.reader, cx);
    }

    pub(super) fn wake_writer_with(&mut self, cx: &Context<'_>) {
        keep(&mut self.writer, cx);
    }
}

fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

impl Handle {
    /// Takes over one of the handles with which a transaction began.
    pub(super) fn begun(shared: &Arc<Shared>, id: TransactionId) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    /// Returns a second handle.
    pub(super) fn share(&self) -> Self {
        if let Some(exchange) = self.shared.lock().exchanges.get_mut(&self.id) {
            exchange.handles += 1;
        }
        Self { shared: Arc::clone(&self.shared), id: self.id }
    }

    /// Returns whether nobody else has the transaction in hands: what the others had of it is over.
    pub(super) fn is_the_only_one(&self) -> bool {
        self.shared.lock().exchanges.get(&self.id).is_none_or(|exchange| exchange.handles == 1)
    }

    /// Gives a transaction up for everybody who has a hand in it.
    pub(super) fn abort(&self, code: AbortCode) {
        self.shared.with(|state| state.abort(self.id, code)).tell();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state| state.release(self.id));
    }
}

impl Told {
    /// Everybody who waits for this transaction.
    pub(super) fn all(&mut self, exchange: &mut Exchange) {
        self.wake(exchange.reader.take());
        self.wake(exchange.writer.take());
        self.tasks.extend(exchange.task.take());
    }

    /// Whoever sends the body of this transaction.
    pub(super) fn writer(&mut self, exchange: &mut Exchange) {
        self.wake(exchange.writer.take());
        self.tasks.extend(exchange.task.take());
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    /// Tells them, and is empty for the next time.
    pub(super) fn tell_all(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    pub(super) fn tell(mut self) {
        self.tell_all();
    }
}

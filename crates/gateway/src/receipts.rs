//! Receipts: telling a peer how much of its responses visitors took.
//!
//! While responses that asked for receipts are under way on a link, one task looks at their
//! figures every [`limits::RECEIPT_EVERY`] and posts what changed as one batch; the next batch
//! waits for the answer to the one before. On an idle link there is no task.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use carriers::{Link, SendError};
use crosstalk::{
    control::{self, Receipt, ReceiptState, Receipts},
    transaction::{self, Body},
};
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use tokio_util::task::TaskTracker;

use crate::{limits, meter::Report};

/// Collects the receipts of one link. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    tasks: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Vec<Arc<Progress>>,
    finals: VecDeque<Receipt>,
    missed: u64,
    /// Whether the task that sends them runs.
    has_task: bool,
}

struct Progress {
    transaction: u64,
    delivered: AtomicU64,
    reported: AtomicU64,
    /// See [`Receipt::read`].
    read: OnceLock<bool>,
}

/// The right to report on one transaction. When it is dropped unfinished, the transaction is
/// reported as cut.
pub(crate) struct Ticket {
    reporter: Reporter,
    progress: Arc<Progress>,
    finished: bool,
}

impl Reporter {
    pub(crate) fn new(link: Link, tasks: TaskTracker) -> Self {
        Self { shared: Arc::new(Shared { link, tasks, state: Mutex::default() }) }
    }

    /// Begins to report on a transaction.
    pub(crate) fn begin(&self, transaction: u64) -> Ticket {
        let (delivered, reported) = (AtomicU64::new(0), AtomicU64::new(0));
        let read = OnceLock::new();
        let progress = Arc::new(Progress { transaction, delivered, reported, read });
        let mut state = self.shared.state();
        state.running.push(progress.clone());
        self.wake(&mut state);
        Ticket { reporter: self.clone(), progress, finished: false }
    }

    fn wake(&self, state: &mut State) {
        if !state.has_task {
            state.has_task = true;
            self.shared.tasks.spawn(report(self.shared.clone()));
        }
    }
}

impl Report for Ticket {
    fn delivered(&self, bytes: u64) {
        self.progress.delivered.store(bytes, Ordering::Relaxed);
    }

    fn finish(mut self: Box<Self>, delivered: u64, state: ReceiptState) {
        self.end(delivered, state);
    }
}

impl Ticket {
    /// Tells also that nothing was delivered yet, so that the peer knows of more to come, however long
    /// the first byte takes that counts.
    pub(crate) fn tell_from_nothing(&self) {
        self.progress.reported.store(u64::MAX, Ordering::Relaxed);
    }

    /// Tells also whether what is delivered is what the visitor's program read. Once.
    pub(crate) fn tell_whether_read(&self, read: bool) {
        let _ = self.progress.read.set(read);
    }

    fn end(&mut self, delivered: u64, outcome: ReceiptState) {
        self.finished = true;
        let (transaction, read) = (self.progress.transaction, self.progress.read.get().copied());
        let mut state = self.reporter.shared.state();
        state.running.retain(|running| !Arc::ptr_eq(running, &self.progress));
        state.push_final(Receipt { transaction, delivered, state: outcome, read });
        self.reporter.wake(&mut state);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.finished {
            let delivered = self.progress.delivered.load(Ordering::Relaxed);
            self.end(delivered, ReceiptState::Cut);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push_final(&mut self, receipt: Receipt) {
        if self.finals.len() < limits::MAX_FINAL_RECEIPTS {
            self.finals.push_back(receipt);
        } else {
            self.missed += 1;
        }
    }

    /// Takes what there is to tell: finals first, then what has moved.
    fn take(&mut self) -> Receipts {
        let ends = self.finals.len().min(limits::RECEIPTS_PER_BATCH);
        let mut receipts: Vec<Receipt> = self.finals.drain(..ends).collect();
        for progress in &self.running {
            if receipts.len() >= limits::RECEIPTS_PER_BATCH {
                break;
            }
            let delivered = progress.delivered.load(Ordering::Relaxed);
            if progress.reported.swap(delivered, Ordering::Relaxed) != delivered {
                let (transaction, state) = (progress.transaction, ReceiptState::Running);
                let read = progress.read.get().copied();
                receipts.push(Receipt { transaction, delivered, state, read });
            }
        }
        Receipts { receipts, missed: std::mem::take(&mut self.missed) }
    }

    /// Puts back what could not be sent. What was running is stale by now and told anew.
    fn put_back(&mut self, batch: Receipts) {
        self.missed += batch.missed;
        let finals = batch.receipts.into_iter().filter(|r| r.state != ReceiptState::Running);
        for receipt in finals.rev() {
            if self.finals.len() < limits::MAX_FINAL_RECEIPTS {
                self.finals.push_front(receipt);
            } else {
                self.missed += 1;
            }
        }
    }
}

async fn report(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(limits::RECEIPT_EVERY).await;
        let batch = {
            let mut state = shared.state();
            let batch = state.take();
            let is_idle = batch.receipts.is_empty() && batch.missed == 0;
            if is_idle && state.running.is_empty() {
                state.has_task = false;
                return;
            }
            if is_idle {
                continue;
            }
            batch
        };
        match tokio::time::timeout(limits::RECEIPT_TIMEOUT, post(&shared.link, &batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // Without the link nobody is left to tell; `has_task` stays, so no task begins.
                if !shared.link.is_open() && matches!(error, SendError::Closed | SendError::Lost(_))
                {
                    tracing::debug!(%error, "Receipts have nowhere to go");
                    return;
                }
                shared.state().put_back(batch);
            }
            Err(_) => shared.state().put_back(batch),
        }
    }
}

async fn post(link: &Link, batch: &Receipts) -> Result<(), SendError> {
    let response = link.send(request(batch)).await?;
    if !response.status().is_success() {
        tracing::debug!(status = %response.status(), "The peer does not take receipts");
    }
    // Read to its end, because a link by HTTP/1.1 cannot be used again otherwise.
    let (mut body, mut left) = (response.into_body(), limits::RECEIPT_ANSWER);
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
        left = rest;
    }
    Ok(())
}

fn request(batch: &Receipts) -> Request<Body> {
    // Numbers and names of states always have a JSON form.
    let json = serde_json::to_vec(batch).unwrap_or_default();
    let length = HeaderValue::from(json.len());
    let mut request = Request::new(transaction::full(json));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(control::RECEIPTS_PATH);
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static(control::AUTHORITY));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, length);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(transaction: u64) -> Receipt {
        Receipt { transaction, delivered: 1, state: ReceiptState::Complete, read: None }
    }

    fn running(transaction: u64, delivered: u64) -> Arc<Progress> {
        let (delivered, reported) = (AtomicU64::new(delivered), AtomicU64::new(0));
        Arc::new(Progress { transaction, delivered, reported, read: OnceLock::new() })
    }

    #[test]
    fn only_what_moved_is_told_and_ends_come_first() {
        let running = vec![running(1, 10), running(2, 0)];
        let mut state = State { running, ..State::default() };
        state.push_final(last(3));
        let batch = state.take();
        let told: Vec<_> = batch.receipts.iter().map(|r| (r.transaction, r.state)).collect();
        assert_eq!(told, [(3, ReceiptState::Complete), (1, ReceiptState::Running)]);
        assert!(state.take().receipts.is_empty());
        state.running[1].delivered.store(5, Ordering::Relaxed);
        assert_eq!(state.take().receipts.len(), 1);
    }

    #[test]
    fn ends_that_could_not_be_sent_come_again_in_order() {
        let mut state = State { running: vec![running(9, 10)], ..State::default() };
        for number in 0..3 {
            state.push_final(last(number));
        }
        let batch = state.take();
        state.push_final(last(3));
        state.put_back(batch);
        let again: Vec<_> = state.take().receipts.iter().map(|r| r.transaction).collect();
        assert_eq!(again, [0, 1, 2, 3]);
    }

    #[test]
    fn a_link_that_is_too_slow_misses_a_counted_number_of_ends() {
        let mut state = State::default();
        for number in 0..limits::MAX_FINAL_RECEIPTS as u64 + 7 {
            state.push_final(last(number));
        }
        let batch = state.take();
        assert_eq!((batch.receipts.len(), batch.missed), (limits::RECEIPTS_PER_BATCH, 7));
        for number in 0..limits::RECEIPTS_PER_BATCH as u64 {
            state.push_final(last(number));
        }
        state.put_back(batch);
        assert_eq!(state.finals.len(), limits::MAX_FINAL_RECEIPTS);
        assert_eq!(state.missed, 7 + limits::RECEIPTS_PER_BATCH as u64);
    }
}

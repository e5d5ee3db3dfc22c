//! Watches files on their way: wraps the bodies of responses, asks the gateway for receipts, and
//! takes them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use crosstalk::{
    control::{RECEIPT_HEADER, RECEIPTS_PATH, Receipts, TRANSACTION_HEADER},
    forwarded,
    transaction::{self, Body, BodyError},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use sites::Delivery;
use tokio::{sync::Notify, time::timeout};

use crate::{
    agent,
    ledger::{BodyEnd, Flow, Ledger, Now, Start},
    model::SiteId,
    pages,
};

/// The longest batch of receipts: two for each of 4096 transfers, about 80 bytes each.
const MAX_RECEIPTS_BYTES: usize = 1024 * 1024;

/// How long a batch of receipts may take to arrive; it is sent in one piece.
const RECEIPTS_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body ends when the owner stops a transfer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the owner stopped the transfer")]
struct Stopped;

/// The book of transfers, shared by everybody who writes in it. It is held for moments only.
#[derive(Debug)]
pub(crate) struct Meter {
    ledger: Mutex<Ledger>,
    news: Notify,
}

/// What a request tells about itself, read before the site consumes it.
#[derive(Debug)]
pub(crate) struct Caller {
    get: bool,
    transaction: Option<u64>,
    visitor: Option<std::net::IpAddr>,
    agent: Option<HeaderValue>,
}

impl Caller {
    /// Reads a request's method and headers, and removes what is between gateway and peer.
    pub(crate) fn take(method: &Method, headers: &mut HeaderMap) -> Self {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let transaction = headers.remove(TRANSACTION_HEADER);
        Self {
            get: method == Method::GET,
            transaction: transaction.as_ref().and_then(text).and_then(|text| text.parse().ok()),
            visitor: headers
                .get(forwarded::HEADER)
                .and_then(text)
                .and_then(|value| forwarded::visitor(&value)),
            agent: headers.get(header::USER_AGENT).cloned(),
        }
    }

    /// Returns the visitor's address, as the gateway tells it.
    pub(crate) fn visitor(&self) -> Option<std::net::IpAddr> {
        self.visitor
    }

    /// Returns the visitor's program, shortened and printable.
    pub(crate) fn agent(&self) -> String {
        agent::short(self.agent.as_ref().map(HeaderValue::as_bytes))
    }

    /// Returns what begins with this delivery.
    pub(crate) fn start(
        &self,
        link: u64,
        site: SiteId,
        site_name: Arc<str>,
        delivery: Delivery,
    ) -> Start {
        Start {
            link,
            transaction: self.transaction,
            site,
            site_name,
            file: delivery.name,
            visitor: self.visitor,
            agent: self.agent(),
            size: delivery.length,
        }
    }
}

impl Meter {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger: Mutex::new(ledger), news: Notify::new() }
    }

    /// Opens the book.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Each entry is written whole before the next; a panic elsewhere leaves a readable book.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something happened that is worth a look at once.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Notes a visit, and follows the response when it delivers (a part of) a file.
    pub(crate) fn watch(
        self: &Arc<Self>,
        link: u64,
        site: &SiteId,
        site_name: &Arc<str>,
        caller: Caller,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            let is_news = self.ledger().visit(site, caller.visitor);
            if is_news {
                self.news.notify_one();
            }
        }
        let delivery = response.extensions_mut().remove::<Delivery>();
        let Some(delivery) = delivery.filter(|delivery| delivery.length > 0) else {
            return response;
        };
        if !caller.get || response.body().is_end_stream() {
            return response;
        }
        let start = caller.start(link, site.clone(), Arc::clone(site_name), delivery);
        let Some(flow) = self.ledger().begin(start, Now::read()) else { return response };
        self.wrap(&caller, flow, "1", response)
    }

    /// Follows the body of a response that begins, and asks for receipts that count this.
    pub(crate) fn wrap(
        self: &Arc<Self>,
        caller: &Caller,
        flow: Arc<Flow>,
        counts: &'static str,
        mut response: Response<Body>,
    ) -> Response<Body> {
        self.news.notify_one();
        if caller.transaction.is_some() {
            response.headers_mut().insert(RECEIPT_HEADER, HeaderValue::from_static(counts));
        }
        let meter = Arc::clone(self);
        let expected = flow.size;
        response.map(|body| transaction::boxed(Metered { meter, flow, expected, body: Some(body) }))
    }

    /// Reads what the gateway tells of transfers; the error is its answer.
    pub(crate) async fn receipts(request: Request<Body>) -> Result<Receipts, Response<Body>> {
        if request.uri().path() != RECEIPTS_PATH {
            return Err(pages::bare(StatusCode::NOT_FOUND));
        }
        if request.method() != Method::POST {
            return Err(pages::bare(StatusCode::METHOD_NOT_ALLOWED));
        }
        let body = read(request.into_body(), MAX_RECEIPTS_BYTES);
        let Ok(Some(body)) = timeout(RECEIPTS_TIMEOUT, body).await else {
            return Err(pages::bare(StatusCode::BAD_REQUEST));
        };
        let Ok(receipts) = serde_json::from_slice::<Receipts>(&body) else {
            tracing::debug!("The gateway sent receipts that cannot be read");
            return Err(pages::bare(StatusCode::BAD_REQUEST));
        };
        if receipts.missed > 0 {
            tracing::debug!(receipts.missed, "The gateway left out receipts");
        }
        Ok(receipts)
    }

    /// Takes what the gateway told over this link.
    pub(crate) fn take(&self, link: u64, receipts: &Receipts) {
        self.ledger().receipts(link, receipts, Now::read());
        if !receipts.receipts.is_empty() {
            self.news.notify_one();
        }
    }

    /// Ends what was under way over a link that is gone.
    pub(crate) fn link_ended(&self, link: u64) {
        self.ledger().link_ended(link, Now::read());
        self.news.notify_one();
    }

    fn body_ended(&self, flow: &Flow, end: BodyEnd) {
        self.ledger().body_ended(flow.id, end, Now::read());
        self.news.notify_one();
    }
}

/// Reads a whole body, unless it is longer than this or ends early.
pub(crate) async fn read(mut body: Body, longest: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if whole.len() + data.len() > longest {
            return None;
        }
        whole.extend_from_slice(&data);
    }
    Some(whole)
}

/// The body of a file on its way.
struct Metered {
    meter: Arc<Meter>,
    flow: Arc<Flow>,
    expected: u64,
    /// `None` once it has ended, so that the file is closed at once.
    body: Option<Body>,
}

impl Metered {
    fn end(&mut self, end: BodyEnd) {
        if self.body.take().is_some() {
            self.meter.body_ended(&self.flow, end);
        }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.flow.is_stopped(cx.waker()) {
            this.end(BodyEnd::Dropped);
            return Poll::Ready(Some(Err(Box::new(Stopped))));
        }
        match Pin::new(body).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.flow.add(data.remaining());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.end(BodyEnd::Failed);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) if this.flow.sent() < this.expected => {
                this.end(BodyEnd::Failed);
                Poll::Ready(Some(Err("the file became shorter".into())))
            }
            Poll::Ready(None) => {
                this.end(BodyEnd::Whole);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        // The last frame may be taken without asking whether another follows.
        let whole = self.flow.sent() >= self.expected;
        self.end(if whole { BodyEnd::Whole } else { BodyEnd::Dropped });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::IpAddr};

    use crosstalk::control::{Receipt, ReceiptState};
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        ledger::Happening,
        model::{Ended, TransferEnd, TransferState},
    };

    type Frames = mpsc::Sender<Result<Frame<Bytes>, BodyError>>;

    fn meter() -> Arc<Meter> {
        let mut ledger = Ledger::new(0);
        ledger.add_site(SiteId("site".to_owned()), HashSet::new());
        Arc::new(Meter::new(ledger))
    }

    /// A response of ten bytes whose frames the test sends.
    fn response(length: u64) -> (Frames, Response<Body>) {
        let (frames, mut received) = mpsc::channel(8);
        let body = stream::poll_fn(move |cx| received.poll_recv(cx));
        let mut response = Response::new(transaction::boxed(StreamBody::new(body)));
        let name = "a/b.txt".to_owned();
        response.extensions_mut().insert(Delivery { name, size: 100, offset: 90, length });
        (frames, response)
    }

    fn caller(method: &Method, transaction: Option<u64>) -> Caller {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", "curl/8".parse().unwrap());
        headers.insert("forwarded", "for=192.0.2.7;host=\"a\";proto=http".parse().unwrap());
        if let Some(transaction) = transaction {
            headers.insert(TRANSACTION_HEADER, transaction.into());
        }
        let caller = Caller::take(method, &mut headers);
        assert!(!headers.contains_key(TRANSACTION_HEADER));
        caller
    }

    fn watch(meter: &Arc<Meter>, caller: Caller, response: Response<Body>) -> Response<Body> {
        meter.watch(1, &SiteId("site".to_owned()), &"Photos".into(), caller, response)
    }

    fn under_way(meter: &Meter) -> Vec<TransferState> {
        meter.ledger().states(Now::read())
    }

    fn ends(meter: &Meter) -> Vec<TransferEnd> {
        let (happenings, _) = meter.ledger().take_happenings();
        let end = |happening| match happening {
            Happening::Ended(record) => Some(record.end),
            Happening::Started(_) | Happening::Visitor { .. } => None,
        };
        happenings.into_iter().filter_map(end).collect()
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn receive(meter: &Meter, receipts: Vec<Receipt>) -> StatusCode {
        let json = serde_json::to_vec(&Receipts { receipts, missed: 0 }).unwrap();
        control(meter, Method::POST, RECEIPTS_PATH, json).await
    }

    async fn take(meter: &Meter, request: Request<Body>) -> StatusCode {
        match Meter::receipts(request).await {
            Ok(receipts) => {
                meter.take(1, &receipts);
                StatusCode::NO_CONTENT
            }
            Err(refusal) => refusal.status(),
        }
    }

    async fn control(meter: &Meter, method: Method, path: &str, body: Vec<u8>) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(transaction::full(body));
        take(meter, request.unwrap()).await
    }

    #[tokio::test]
    async fn a_file_is_followed_from_first_to_last_byte() {
        let meter = meter();
        let (frames, response) = response(10);
        let response = watch(&meter, caller(&Method::GET, Some(5)), response);
        assert_eq!(response.headers()[RECEIPT_HEADER], "1");
        frames.send(data("01234")).await.unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        let [state] = &under_way(&meter)[..] else { panic!() };
        assert_eq!((state.sent, state.delivered, state.size), (5, 0, 10));
        assert_eq!((&*state.file, &*state.agent), ("a/b.txt", "curl"));
        assert_eq!(state.visitor, Some(IpAddr::from([192, 0, 2, 7])));
        frames.send(data("56789")).await.unwrap();
        drop(frames);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "56789");
        assert_eq!(under_way(&meter)[0].sent, 10);
        let receipt =
            Receipt { transaction: 5, delivered: 10, state: ReceiptState::Complete, read: None };
        assert_eq!(receive(&meter, vec![receipt]).await, StatusCode::NO_CONTENT);
        assert_eq!(ends(&meter), [TransferEnd::Complete]);
    }

    #[tokio::test]
    async fn a_stalled_body_ends_when_the_owner_stops_it() {
        let meter = meter();
        let (frames, response) = response(10);
        let mut body = watch(&meter, caller(&Method::GET, Some(5)), response).into_body();
        let mut waiting = Box::pin(body.frame());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let id = under_way(&meter)[0].id;
        meter.ledger().stop(id, Now::read());
        let end = timeout(Duration::from_secs(20), waiting).await.unwrap();
        assert_eq!(end.unwrap().unwrap_err().to_string(), Stopped.to_string());
        assert!(frames.is_closed(), "the file is closed at once");
        assert!(body.frame().await.is_none());
        let receipt =
            Receipt { transaction: 5, delivered: 3, state: ReceiptState::Cut, read: None };
        receive(&meter, vec![receipt]).await;
        assert_eq!(ends(&meter), [TransferEnd::Cut(Ended::Owner)]);
    }

    #[tokio::test]
    async fn a_body_that_fails_or_ends_early_is_cut_by_the_file() {
        for last in [Some(Err("the disk is gone".into())), None] {
            let meter = meter();
            let (frames, response) = response(10);
            let response = watch(&meter, caller(&Method::GET, None), response);
            frames.send(data("01234")).await.unwrap();
            if let Some(last) = last {
                frames.send(last).await.unwrap();
            }
            drop(frames);
            assert!(response.into_body().collect().await.is_err());
            assert_eq!(ends(&meter), [TransferEnd::Cut(Ended::File)]);
        }
    }

    #[tokio::test]
    async fn who_does_not_want_the_rest_leaves() {
        let meter = meter();
        let (_frames, unread) = response(10);
        drop(watch(&meter, caller(&Method::GET, None), unread));
        assert_eq!(ends(&meter), [TransferEnd::Cut(Ended::Visitor)]);
        // Unless everything was taken: then it is the gateway's to say.
        let (frames, response) = response(10);
        let mut body = watch(&meter, caller(&Method::GET, None), response).into_body();
        frames.send(data("0123456789")).await.unwrap();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(ends(&meter), [TransferEnd::Cut(Ended::Unconfirmed)]);
    }

    #[tokio::test]
    async fn only_files_on_their_way_are_transfers() {
        let meter = meter();
        let (_frames, head) = response(10);
        let head = watch(&meter, caller(&Method::HEAD, Some(1)), head);
        assert!(!head.headers().contains_key(RECEIPT_HEADER));
        let (_frames, nothing) = response(0);
        watch(&meter, caller(&Method::GET, Some(2)), nothing);
        let (_frames, mut listing) = response(10);
        listing.extensions_mut().remove::<Delivery>();
        watch(&meter, caller(&Method::GET, Some(3)), listing);
        let (_frames, mut unchanged) = response(10);
        *unchanged.body_mut() = transaction::empty();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        watch(&meter, caller(&Method::GET, Some(4)), unchanged);
        assert_eq!(under_way(&meter), []);
        assert_eq!(meter.ledger().visitors(&SiteId("site".to_owned())), 1);
    }

    #[tokio::test]
    async fn refusals_are_no_visits() {
        let meter = meter();
        for status in [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
            let mut response = Response::new(transaction::empty());
            *response.status_mut() = status;
            watch(&meter, caller(&Method::GET, None), response);
        }
        assert_eq!(meter.ledger().visitors(&SiteId("site".to_owned())), 0);
    }

    #[tokio::test]
    async fn nonsense_from_the_gateway_does_nothing() {
        let meter = meter();
        for (method, path, body, status) in [
            (Method::GET, RECEIPTS_PATH, vec![], StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/other", vec![], StatusCode::NOT_FOUND),
            (Method::POST, RECEIPTS_PATH, b"{".to_vec(), StatusCode::BAD_REQUEST),
            (Method::POST, RECEIPTS_PATH, vec![b' '; 2_000_000], StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(control(&meter, method, path, body).await, status);
        }
        let receipt =
            Receipt { transaction: 99, delivered: 3, state: ReceiptState::Complete, read: None };
        assert_eq!(receive(&meter, vec![receipt]).await, StatusCode::NO_CONTENT);
        assert_eq!(ends(&meter), []);
    }

    #[tokio::test(start_paused = true)]
    async fn receipts_that_never_arrive_hold_nobody_up() {
        let meter = meter();
        let body = transaction::boxed(StreamBody::new(stream::pending().map(|()| data(""))));
        let request = Request::post(RECEIPTS_PATH).body(body).unwrap();
        assert_eq!(take(&meter, request).await, StatusCode::BAD_REQUEST);
    }
}

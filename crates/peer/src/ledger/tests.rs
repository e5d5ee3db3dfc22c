use super::*;

/// A book whose clock moves when told.
struct Book {
    ledger: Ledger,
    now: Now,
}

const SIZE: u64 = 1000;

impl Book {
    fn new() -> Self {
        let mut ledger = Ledger::new(40);
        ledger.add_site(SiteId("site".to_owned()), HashSet::new());
        Self { ledger, now: Now::read() }
    }

    fn wait(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
        self.ledger.handle_timeout(self.now);
    }

    fn begin(&mut self, link: u64, transaction: Option<u64>) -> Arc<Flow> {
        let start = Start {
            link,
            transaction,
            site: SiteId("site".to_owned()),
            site_name: "Photos".into(),
            file: "a.jpg".to_owned(),
            visitor: None,
            agent: "curl".to_owned(),
            size: SIZE,
        };
        self.ledger.begin(start, self.now).unwrap()
    }

    fn body(&mut self, flow: &Flow, end: BodyEnd) {
        self.ledger.body_ended(flow.id, end, self.now);
    }

    fn receipt(&mut self, link: u64, transaction: u64, delivered: u64, state: ReceiptState) {
        let receipts = vec![Receipt { transaction, delivered, state, read: None }];
        self.ledger.receipts(link, &Receipts { receipts, missed: 0 }, self.now);
    }

    /// Returns how transfers ended since the last call, and what of each was delivered.
    fn ends(&mut self) -> Vec<(TransferEnd, u64)> {
        let (happenings, _) = self.ledger.take_happenings();
        let ended = |happening| match happening {
            Happening::Ended(record) => Some((record.end, record.delivered)),
            Happening::Started(_) | Happening::Visitor { .. } => None,
        };
        happenings.into_iter().filter_map(ended).collect()
    }

    fn delivered(&self) -> u64 {
        self.ledger.states(self.now)[0].delivered
    }

    fn rate(&self) -> u64 {
        self.ledger.states(self.now)[0].rate
    }
}

const COMPLETE: TransferEnd = TransferEnd::Complete;

fn cut(by: Ended) -> TransferEnd {
    TransferEnd::Cut(by)
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn complete_is_what_the_last_receipt_confirms() {
    let mut book = Book::new();
    let flow = book.begin(1, Some(7));
    flow.add(1000);
    book.body(&flow, BodyEnd::Whole);
    book.receipt(1, 7, 400, ReceiptState::Running);
    assert_eq!((book.delivered(), book.ends()), (400, vec![]));
    book.receipt(1, 7, SIZE, ReceiptState::Running);
    assert_eq!(book.ends(), []);
    book.receipt(1, 7, SIZE, ReceiptState::Complete);
    assert_eq!(book.ends(), [(COMPLETE, SIZE)]);
    assert!(book.ledger.is_idle());
    // Nothing after the end changes it.
    book.receipt(1, 7, 0, ReceiptState::Cut);
    book.body(&flow, BodyEnd::Dropped);
    book.wait(MINUTE);
    assert_eq!(book.ends(), []);
}

#[test]
fn the_last_receipt_may_come_before_the_body_is_dropped() {
    let mut book = Book::new();
    book.begin(1, Some(7));
    book.receipt(1, 7, SIZE, ReceiptState::Complete);
    assert_eq!(book.ends(), [(COMPLETE, SIZE)]);
}

#[test]
fn who_left_is_the_visitor() {
    let mut book = Book::new();
    let flow = book.begin(1, Some(7));
    book.body(&flow, BodyEnd::Dropped);
    book.wait(Duration::from_secs(1));
    assert_eq!(book.ends(), []);
    book.receipt(1, 7, 123, ReceiptState::Cut);
    assert_eq!(book.ends(), [(cut(Ended::Visitor), 123)]);
    // Also when everything was handed over, and when the last receipt is lost.
    let flow = book.begin(1, Some(8));
    book.body(&flow, BodyEnd::Whole);
    book.receipt(1, 8, 5, ReceiptState::Cut);
    let flow = book.begin(1, Some(9));
    book.body(&flow, BodyEnd::Dropped);
    book.wait(CUT_SETTLES);
    assert_eq!(book.ends(), [(cut(Ended::Visitor), 5), (cut(Ended::Visitor), 0)]);
}

#[test]
fn a_response_that_is_too_short_is_never_complete() {
    let mut book = Book::new();
    book.begin(1, Some(7));
    book.receipt(1, 7, SIZE - 1, ReceiptState::Complete);
    assert_eq!(book.ends(), [(cut(Ended::Visitor), SIZE - 1)]);
    let flow = book.begin(1, Some(8));
    book.body(&flow, BodyEnd::Failed);
    book.receipt(1, 8, 10, ReceiptState::Cut);
    let flow = book.begin(1, Some(9));
    book.body(&flow, BodyEnd::Failed);
    book.wait(CUT_SETTLES);
    assert_eq!(book.ends(), [(cut(Ended::File), 10), (cut(Ended::File), 0)]);
}

#[test]
fn the_owner_stops_within_a_second_whatever_the_body_does() {
    let mut book = Book::new();
    let one = book.begin(1, Some(1));
    let other = book.begin(1, Some(2));
    assert!(!one.is_stopped(Waker::noop()));
    book.ledger.stop(one.id, book.now);
    assert!(one.is_stopped(Waker::noop()));
    assert!(!other.is_stopped(Waker::noop()));
    book.receipt(1, 1, 300, ReceiptState::Running);
    book.wait(Duration::from_secs(1));
    assert_eq!(book.ends(), [(cut(Ended::Owner), 300)]);
    // The body's error comes back as a cut.
    book.ledger.stop_all(Some(&SiteId("site".to_owned())), book.now);
    book.body(&other, BodyEnd::Failed);
    book.receipt(1, 2, 20, ReceiptState::Cut);
    assert_eq!(book.ends(), [(cut(Ended::Owner), 20)]);
    // What had arrived already is not cut.
    let late = book.begin(1, Some(3));
    book.body(&late, BodyEnd::Whole);
    book.ledger.stop(late.id, book.now);
    book.receipt(1, 3, SIZE, ReceiptState::Complete);
    assert_eq!(book.ends(), [(COMPLETE, SIZE)]);
}

#[test]
fn stopping_one_site_leaves_the_others_alone() {
    let mut book = Book::new();
    let flow = book.begin(1, Some(1));
    book.ledger.stop_all(Some(&SiteId("another".to_owned())), book.now);
    assert!(!flow.is_stopped(Waker::noop()));
    book.ledger.quit(book.now);
    assert!(flow.is_stopped(Waker::noop()));
    assert_eq!(book.ends(), [(cut(Ended::Owner), 0)]);
}

#[test]
fn a_lost_link_cuts_what_was_under_way_over_it() {
    let mut book = Book::new();
    let (dropped, _open) = (book.begin(1, Some(1)), book.begin(1, Some(2)));
    let all_there = book.begin(1, Some(3));
    book.begin(2, Some(1));
    book.body(&dropped, BodyEnd::Dropped);
    book.body(&all_there, BodyEnd::Whole);
    book.receipt(1, 3, SIZE, ReceiptState::Running);
    book.receipt(1, 2, 10, ReceiptState::Running);
    book.ledger.link_ended(1, book.now);
    let lost = cut(Ended::Connection);
    assert_eq!(book.ends(), [(lost, 0), (lost, 10), (COMPLETE, SIZE)]);
    assert!(!book.ledger.is_idle());
    book.receipt(2, 1, SIZE, ReceiptState::Complete);
    assert_eq!(book.ends(), [(COMPLETE, SIZE)]);
}

#[test]
fn what_nobody_confirms_is_unconfirmed() {
    let mut book = Book::new();
    // A gateway without receipts.
    let flow = book.begin(1, None);
    book.body(&flow, BodyEnd::Whole);
    let flow = book.begin(1, None);
    book.body(&flow, BodyEnd::Dropped);
    assert_eq!(book.ends(), [(cut(Ended::Unconfirmed), 0), (cut(Ended::Visitor), 0)]);
    // Receipts that never come, and some that stop coming.
    let none = book.begin(1, Some(1));
    let some = book.begin(1, Some(2));
    book.body(&none, BodyEnd::Whole);
    book.body(&some, BodyEnd::Whole);
    book.receipt(1, 2, 500, ReceiptState::Running);
    book.wait(FIRST_RECEIPT);
    assert_eq!(book.ends(), [(cut(Ended::Unconfirmed), 0)]);
    book.wait(NEXT_RECEIPT - FIRST_RECEIPT);
    assert_eq!(book.ends(), [(cut(Ended::Unconfirmed), 500)]);
}

#[test]
fn a_slow_visitor_may_take_hours() {
    let mut book = Book::new();
    book.begin(1, Some(1));
    for _ in 0..100 {
        book.wait(MINUTE);
    }
    assert_eq!(book.ends(), []);
}

#[test]
fn delivered_never_goes_back_and_never_beyond_the_end() {
    let mut book = Book::new();
    book.begin(1, Some(1));
    for (receipt, delivered) in [(10, 10), (5, 10), (u64::MAX, SIZE), (0, SIZE)] {
        book.receipt(1, 1, receipt, ReceiptState::Running);
        assert_eq!(book.delivered(), delivered);
    }
}

#[test]
fn the_rate_is_of_the_last_seconds() {
    let mut book = Book::new();
    book.begin(1, Some(1));
    assert_eq!(book.rate(), 0);
    for second in 1..=4 {
        book.wait(Duration::from_secs(1));
        book.receipt(1, 1, second * 100, ReceiptState::Running);
    }
    assert_eq!(book.rate(), 100);
    // Ten times as fast is seen after the window.
    for quarter in 1..=24 {
        book.wait(Duration::from_millis(250));
        book.receipt(1, 1, 400 + quarter * 10, ReceiptState::Running);
    }
    assert_eq!(book.rate(), 40);
    // Who stalls has none in the end.
    book.wait(Duration::from_secs(6));
    assert_eq!(book.rate(), 0);
}

#[test]
fn numbers_count_within_their_link() {
    let mut book = Book::new();
    book.begin(1, Some(1));
    book.begin(2, Some(2));
    for (link, transaction) in [(2, 1), (1, 2), (3, 1), (1, 99)] {
        book.receipt(link, transaction, SIZE, ReceiptState::Complete);
    }
    assert_eq!(book.ends(), []);
    book.receipt(2, 2, SIZE, ReceiptState::Complete);
    assert_eq!(book.ends(), [(COMPLETE, SIZE)]);
}

#[test]
fn the_book_does_not_grow_without_end() {
    let mut book = Book::new();
    for number in 0..MAX_UNDER_WAY as u64 {
        book.begin(1, Some(number));
    }
    let start = book.ledger.under_way.values().next().unwrap().start.clone();
    assert!(book.ledger.begin(start, book.now).is_none());
    let (happenings, missed) = book.ledger.take_happenings();
    assert_eq!((happenings.len(), missed), (MAX_UNDER_WAY, 1));
    for _ in 0..2 * MAX_HAPPENINGS {
        let happening = happenings[0].clone();
        book.ledger.happened(happening);
    }
    let (happenings, missed) = book.ledger.take_happenings();
    assert_eq!((happenings.len(), missed), (MAX_HAPPENINGS, MAX_HAPPENINGS as u64));
}

#[test]
fn the_first_visitor_is_news_once() {
    let mut book = Book::new();
    let site = SiteId("site".to_owned());
    let address = |text: &str| Some(text.parse().unwrap());
    assert!(book.ledger.visit(&site, address("192.0.2.7")));
    assert!(!book.ledger.visit(&site, address("192.0.2.7")));
    assert!(book.ledger.visit(&site, address("192.0.2.8")));
    assert!(book.ledger.visit(&site, None));
    assert!(!book.ledger.visit(&SiteId("removed".to_owned()), None));
    assert_eq!(book.ledger.visitors(&site), 3);
    let (happenings, _) = book.ledger.take_happenings();
    let firsts: Vec<bool> = happenings
        .iter()
        .map(|happening| matches!(happening, Happening::Visitor { first: true, .. }))
        .collect();
    assert_eq!(firsts, [true, false, false]);
    for number in 0..2 * u32::try_from(MAX_VISITORS).unwrap() {
        book.ledger.visit(&site, Some(IpAddr::V4(number.into())));
    }
    assert_eq!(book.ledger.visitors(&site), u32::try_from(MAX_VISITORS).unwrap());
}

#[test]
fn numbers_go_on_after_a_restart() {
    let mut book = Book::new();
    assert_eq!(book.begin(1, None).id, TransferId(41));
    assert_eq!(book.begin(1, None).id, TransferId(42));
    assert_eq!(book.ledger.states(book.now)[0].id, TransferId(42), "newest first");
}

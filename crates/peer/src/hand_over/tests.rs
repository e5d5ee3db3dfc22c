use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{book::Way, tickets::MAX_TICKETS, *};
use crate::{
    ledger::{Ledger, Now, Start},
    model::{Ended, HandOverId, Knock, KnockId, SiteId, Stage, Terms, TransferEnd, TransferRecord},
    session::Token,
};

mod uploads;

const SIZE: u64 = 1000;
const ID: HandOverId = HandOverId(1);

fn moment() -> Now {
    Now {
        monotonic: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
}

fn after(now: Now, time: Duration) -> Now {
    Now { monotonic: now.monotonic + time, wall: now.wall + time }
}

fn visitor(last: u8) -> Visitor {
    Visitor { address: Some(IpAddr::from([192, 0, 2, last])), agent: "curl".to_owned() }
}

fn kept(goods: Goods, nod: bool) -> KeptHandOver {
    KeptHandOver {
        id: ID,
        token: Token::generate(),
        goods,
        terms: Terms { note: String::new(), nod },
        stage: Stage::Waiting,
        since: moment().wall,
        tickets: Vec::new(),
        refused: Vec::new(),
        uploads: Vec::new(),
        received: Vec::new(),
    }
}

fn sent() -> Goods {
    Goods::Send {
        files: vec!["/a.bin".into()],
        name: "a.bin".to_owned(),
        size: SIZE,
        count: 1,
        state: "x".to_owned(),
    }
}

fn wanted(files_left: u32) -> Goods {
    Goods::Ask { folder: "/folder".into(), largest: SIZE, files_left }
}

/// A book with one hand-over, and the ledger that follows what is fetched.
struct Desk {
    book: Book,
    ledger: Ledger,
    now: Now,
}

impl Desk {
    fn new(goods: Goods, nod: bool) -> Self {
        let book = Book::new(vec![kept(goods, nod)]);
        Self { book, ledger: Ledger::new(0), now: moment() }
    }

    fn take(&mut self, last: u8) -> Taken {
        self.book.take(ID, visitor(last), self.now).unwrap()
    }

    fn ticket(&mut self, last: u8) -> Token {
        match self.take(last) {
            Taken::Ticket(ticket) | Taken::Knock(ticket, _) => ticket,
            refused @ (Taken::NotYours | Taken::Refused | Taken::TooMany) => panic!("{refused:?}"),
        }
    }

    fn wish(ticket: &Token, last: u8, offset: u64, length: u64) -> Wish {
        Wish { ticket: ticket.clone(), visitor: visitor(last).address, offset, length }
    }

    /// Fetches a part, of which this much is handed to the link; returns how it would end.
    fn fetch(&mut self, wish: Wish, sent: u64) -> TransferRecord {
        let (offset, length) = (wish.offset, wish.length);
        let start = Start {
            link: 1,
            transaction: None,
            site: SiteId(String::new()),
            site_name: "".into(),
            file: "a.bin".to_owned(),
            visitor: wish.visitor,
            agent: String::new(),
            size: length,
        };
        let flow = self.ledger.begin(start, self.now).unwrap();
        self.book.begin(ID, wish, Arc::clone(&flow), self.now);
        flow.add(usize::try_from(sent).unwrap());
        assert!(offset + length <= SIZE);
        TransferRecord {
            id: flow.id,
            site: SiteId(String::new()),
            site_name: String::new(),
            file: "a.bin".to_owned(),
            visitor: None,
            agent: String::new(),
            size: length,
            delivered: sent,
            since: self.now.wall,
            until: self.now.wall,
            end: TransferEnd::Complete,
        }
    }

    fn stage(&self) -> &Stage {
        &self.book.entry(ID).unwrap().stage
    }

    /// The book as it is after the program was killed and started again.
    fn killed(&mut self) {
        let passing = self.ledger.states(self.now);
        self.book.change(ID);
        let (kept, _) = self.book.take_changed(&passing, self.now);
        self.book = Book::new(kept);
    }
}

fn arrived(stage: &Stage) -> Option<(u64, Ended)> {
    match stage {
        Stage::Cut { arrived, by, .. } => Some((*arrived, *by)),
        Stage::Waiting | Stage::Done { .. } => None,
    }
}

#[test]
fn what_was_delivered_decides_how_far_it_is() {
    // Parts in order: begin, length, what was handed over, whether it ended well; and the outcome.
    let whole = (0, SIZE, SIZE, true);
    let half = (0, SIZE, 500, false);
    for (parts, expected) in [
        (vec![whole], "done"),
        (vec![half], "cut at 500"),
        (vec![half, (500, 500, 500, true)], "done"),
        (vec![half, (400, 600, 600, true)], "done"),
        (vec![half, (500, 500, 100, false)], "cut at 600"),
        // A program that looks at the end first has not got what is before it.
        (vec![(990, 10, 10, true)], "waiting"),
        (vec![half, (600, 400, 400, true)], "cut at 500"),
        (vec![(990, 10, 10, true), (0, 990, 990, true)], "cut at 990"),
        // From the beginning again.
        (vec![half, (0, SIZE, 20, false)], "cut at 20"),
        (vec![half, (0, 10, 10, true)], "cut at 10"),
    ] {
        let mut desk = Desk::new(sent(), false);
        let ticket = desk.ticket(7);
        for &(offset, length, handed, well) in &parts {
            let mut record = desk.fetch(Desk::wish(&ticket, 7, offset, length), handed);
            if !well {
                record.end = TransferEnd::Cut(Ended::Visitor);
            }
            desk.book.ended(&record);
        }
        let outcome = match desk.stage() {
            Stage::Waiting => "waiting".to_owned(),
            Stage::Done { .. } => "done".to_owned(),
            Stage::Cut { arrived, .. } => format!("cut at {arrived}"),
        };
        assert_eq!(outcome, expected, "{parts:?}");
    }
}

#[test]
fn no_more_is_told_than_was_delivered_and_done_means_all_of_it() {
    // Every short sequence of parts, delivered to some extent: a small machine for a proof by trying.
    let offsets = [0, 300, 700];
    let mut sequences = vec![Vec::new()];
    for _ in 0..3 {
        for sequence in sequences.clone() {
            for offset in offsets {
                for delivered in [0, 300, SIZE - offset] {
                    if delivered <= SIZE - offset {
                        let mut longer = sequence.clone();
                        longer.push((offset, delivered));
                        sequences.push(longer);
                    }
                }
            }
        }
    }
    for sequence in sequences {
        let mut desk = Desk::new(sent(), false);
        let ticket = desk.ticket(7);
        // What a visitor has who keeps everything that she gets.
        let mut has = vec![false; usize::try_from(SIZE).unwrap()];
        for &(offset, delivered) in &sequence {
            if matches!(desk.stage(), Stage::Done { .. }) {
                break;
            }
            let mut record = desk.fetch(Desk::wish(&ticket, 7, offset, SIZE - offset), delivered);
            if delivered < SIZE - offset {
                record.end = TransferEnd::Cut(Ended::Visitor);
            }
            let range =
                usize::try_from(offset).unwrap()..usize::try_from(offset + delivered).unwrap();
            has[range].fill(true);
            desk.book.ended(&record);
            let before = has.iter().take_while(|there| **there).count() as u64;
            if let Some((arrived, _)) = arrived(desk.stage()) {
                assert!(arrived <= before, "{sequence:?}: {arrived} of {before}");
            }
            if matches!(desk.stage(), Stage::Done { .. }) {
                assert_eq!(before, SIZE, "{sequence:?}");
            }
        }
    }
}

#[test]
fn one_fetches_at_a_time_and_the_same_one_takes_over() {
    let mut desk = Desk::new(sent(), false);
    let (hers, his) = (desk.ticket(7), desk.ticket(8));
    let first = desk.fetch(Desk::wish(&hers, 7, 0, SIZE), 600);
    assert_eq!(desk.book.way(ID, &Desk::wish(&his, 8, 0, SIZE)), Way::Taken);
    let again = Desk::wish(&hers, 7, 500, 500);
    assert_eq!(desk.book.way(ID, &again), Way::After(first.id));
    let elsewhere = Desk::wish(&hers, 8, 500, 500);
    assert_eq!(desk.book.way(ID, &elsewhere), Way::After(first.id), "her phone left the house");
    let second = desk.fetch(again, 500);
    // How the first ended is nobody's business any more.
    desk.book.ended(&TransferRecord { end: TransferEnd::Cut(Ended::Owner), ..first });
    assert_eq!(desk.stage(), &Stage::Waiting);
    desk.book.ended(&second);
    assert!(matches!(desk.stage(), Stage::Done { .. }));
}

#[test]
fn a_ticket_that_was_in_use_when_the_program_died_still_goes_on() {
    let mut desk = Desk::new(sent(), false);
    let (hers, his) = (desk.ticket(7), desk.ticket(8));
    desk.fetch(Desk::wish(&hers, 7, 0, SIZE), 600);
    desk.killed();
    assert_eq!(arrived(desk.stage()), Some((0, Ended::Connection)), "no receipt came");
    // Where she goes on is more than anybody knew; his ticket was never used.
    let probe = desk.fetch(Desk::wish(&his, 8, 900, 100), 100);
    desk.book.ended(&probe);
    assert!(!matches!(desk.stage(), Stage::Done { .. }));
    let rest = desk.fetch(Desk::wish(&hers, 7, 580, 420), 420);
    desk.book.ended(&rest);
    assert!(matches!(desk.stage(), Stage::Done { .. }));
}

#[test]
fn tickets_without_a_nod_are_for_everybody_and_few() {
    let mut desk = Desk::new(sent(), false);
    let first = desk.ticket(1);
    let record = desk.fetch(Desk::wish(&first, 1, 0, SIZE), 10);
    desk.book.ended(&TransferRecord { end: TransferEnd::Cut(Ended::Visitor), ..record });
    let others: Vec<Token> = (0..20).map(|last| desk.ticket(last)).collect();
    let entry = desk.book.entry(ID).unwrap();
    assert_eq!(entry.tickets.all().len(), MAX_TICKETS);
    let worth = |ticket: &Token| entry.tickets.judge(ticket.secret(), None);
    assert_eq!(worth(&first), Some(Worth::Allowed), "one that was used goes last");
    assert_eq!(worth(&others[0]), None);
    assert_eq!(worth(&others[19]), Some(Worth::Allowed));
    assert_eq!(entry.tickets.judge("AAAAAAAAAAAAAAAAAAAAAA", None), None);
    assert_eq!(entry.tickets.judge("", None), None);
}

#[test]
fn with_a_nod_the_owner_decides_and_one_is_the_only_one() {
    let mut desk = Desk::new(sent(), true);
    let Taken::Knock(hers, Knock { id: knock, .. }) = desk.take(7) else { panic!() };
    assert_eq!(desk.take(7), Taken::Ticket(hers.clone()), "she asks once");
    let Taken::Knock(his, Knock { id: other, .. }) = desk.take(8) else { panic!() };
    assert_ne!(knock, other);
    let worth = |desk: &Desk, ticket: &Token, last: u8| {
        let entry = desk.book.entry(ID).unwrap();
        entry.tickets.judge(ticket.secret(), visitor(last).address).unwrap()
    };
    assert_eq!(worth(&desk, &hers, 7), Worth::Asking);
    assert_eq!(worth(&desk, &hers, 8), Worth::NotYours);
    assert!(desk.book.answer(other, false));
    assert!(!desk.book.answer(other, true), "it was answered");
    assert_eq!(worth(&desk, &his, 8), Worth::Refused);
    assert_eq!(desk.take(8), Taken::Refused);
    let Taken::Knock(third, _) = desk.take(9) else { panic!() };
    assert!(desk.book.answer(knock, true));
    assert_eq!(worth(&desk, &hers, 7), Worth::Allowed);
    assert_eq!(worth(&desk, &hers, 9), Worth::NotYours);
    assert_eq!(worth(&desk, &third, 9), Worth::NotYours);
    assert_eq!(desk.take(9), Taken::NotYours);
    assert_eq!(desk.take(7), Taken::Ticket(hers.clone()));
    let entry = desk.book.entry(ID).unwrap();
    assert_eq!(entry.tickets.knocks().count(), 0);
    assert!(entry.tickets.is_for_another(visitor(9).address));
    assert!(!entry.tickets.is_for_another(visitor(7).address));
    // All of that holds after a restart.
    desk.killed();
    assert_eq!(worth(&desk, &hers, 7), Worth::Allowed);
    assert_eq!(worth(&desk, &his, 8), Worth::NotYours);
    assert_eq!(desk.take(8), Taken::NotYours);
}

#[test]
fn eight_may_ask_and_nobody_waits_for_ever() {
    let mut desk = Desk::new(sent(), true);
    let first = desk.ticket(1);
    for last in 2..=8 {
        assert!(matches!(desk.take(last), Taken::Knock(..)), "{last}");
    }
    assert_eq!(desk.take(9), Taken::TooMany);
    let minute = Duration::from_secs(60);
    desk.book.expire(after(desk.now, minute));
    assert_eq!(desk.book.entry(ID).unwrap().tickets.knocks().count(), 8);
    desk.now = after(desk.now, 5 * minute);
    desk.book.expire(desk.now);
    let entry = desk.book.entry(ID).unwrap();
    assert_eq!(entry.tickets.knocks().count(), 0);
    let worth = entry.tickets.judge(first.secret(), visitor(1).address);
    assert_eq!(worth, Some(Worth::Unanswered));
    // She may ask again, and so may others now.
    assert!(matches!(desk.take(1), Taken::Knock(..)));
    assert!(matches!(desk.take(9), Taken::Knock(..)));
    assert!(!desk.book.answer(KnockId(1), true));
}

#[test]
fn who_asked_when_the_program_ended_may_ask_again() {
    let mut desk = Desk::new(sent(), true);
    let ticket = desk.ticket(7);
    desk.killed();
    // The store does not keep questions; without it they would wait for nobody.
    let mut again = desk.book.entry(ID).unwrap().tickets.all().to_vec();
    again[0].standing = Standing::Unanswered;
    desk.book = Book::new(vec![KeptHandOver { tickets: again, ..kept(sent(), true) }]);
    let entry = desk.book.entry(ID).unwrap();
    let worth = entry.tickets.judge(ticket.secret(), visitor(7).address);
    assert_eq!(worth, Some(Worth::Unanswered));
    assert!(matches!(desk.take(7), Taken::Knock(..)));
}

#[test]
fn what_another_ticket_brought_counts_too() {
    // She pressed the button again and goes on with the file that the first try left behind.
    let mut desk = Desk::new(sent(), false);
    let first = desk.ticket(7);
    let begin = desk.fetch(Desk::wish(&first, 7, 0, SIZE), 600);
    desk.book.ended(&TransferRecord { end: TransferEnd::Cut(Ended::Visitor), ..begin });
    let again = desk.ticket(8);
    let beyond = desk.fetch(Desk::wish(&again, 8, 700, 300), 300);
    desk.book.ended(&beyond);
    assert_eq!(arrived(desk.stage()), Some((600, Ended::Visitor)), "nobody had what is between");
    let rest = desk.fetch(Desk::wish(&again, 8, 600, 400), 400);
    desk.book.ended(&rest);
    assert!(matches!(desk.stage(), Stage::Done { .. }));

    // The same after the program was killed in the middle of the first try.
    let mut desk = Desk::new(sent(), false);
    let first = desk.ticket(7);
    desk.fetch(Desk::wish(&first, 7, 0, SIZE), 600);
    desk.killed();
    let again = desk.ticket(7);
    let rest = desk.fetch(Desk::wish(&again, 7, 650, 350), 350);
    desk.book.ended(&rest);
    assert!(matches!(desk.stage(), Stage::Done { .. }));
}

#[test]
fn nobody_pushes_out_the_ticket_that_is_in_use() {
    let mut desk = Desk::new(sent(), false);
    let hers = desk.ticket(7);
    let passing = desk.fetch(Desk::wish(&hers, 7, 0, SIZE), 600);
    for last in 20..40 {
        desk.ticket(last);
    }
    desk.book.ended(&TransferRecord { end: TransferEnd::Cut(Ended::Visitor), ..passing });
    assert!(desk.book.entry(ID).unwrap().tickets.find(hers.secret()).is_some());
    assert_eq!(arrived(desk.stage()), Some((600, Ended::Visitor)));
}

#[test]
fn visitors_of_whom_no_address_is_known_are_not_one_and_the_same() {
    let unknown = || Visitor { address: None, agent: "curl".to_owned() };
    let mut desk = Desk::new(sent(), true);
    let now = desk.now;
    let Some(Taken::Knock(hers, knock)) = desk.book.take(ID, unknown(), now) else { panic!() };
    let Some(Taken::Knock(his, other)) = desk.book.take(ID, unknown(), now) else { panic!() };
    assert!(desk.book.answer(other.id, false));
    let Some(Taken::Knock(third, _)) = desk.book.take(ID, unknown(), now) else {
        panic!("somebody else was refused")
    };
    assert!(desk.book.answer(knock.id, true));
    assert_eq!(desk.book.take(ID, unknown(), now), Some(Taken::NotYours));
    let tickets = &desk.book.entry(ID).unwrap().tickets;
    assert_eq!(tickets.judge(hers.secret(), None), Some(Worth::Allowed));
    assert_eq!(tickets.judge(his.secret(), None), Some(Worth::NotYours));
    assert_eq!(tickets.judge(third.secret(), None), Some(Worth::NotYours));
    assert!(tickets.is_for_another(None));
}

#[test]
fn the_owner_is_not_asked_without_end() {
    // Somebody with many addresses, each of which the owner refuses at once.
    let mut desk = Desk::new(sent(), true);
    let mut questions = 0;
    for last in 0..100 {
        if let Taken::Knock(_, knock) = desk.take(last) {
            questions += 1;
            assert!(desk.book.answer(knock.id, false));
        }
    }
    assert_eq!(questions, 8);
    assert_eq!(desk.take(100), Taken::TooMany);
    assert_eq!(desk.take(0), Taken::Refused);
    desk.now = after(desk.now, Duration::from_secs(5 * 60));
    assert!(matches!(desk.take(100), Taken::Knock(..)));
}

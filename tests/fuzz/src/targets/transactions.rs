//! The multiplexer of messages, with another end that says what it likes and users who do.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use crosstalk::transactions::{
    AbortCode, Bye, Config, Event, MAX_DATA, Message, Numbers, Read, TransactionId, Transactions,
};
use http::{Request, Response};

/// Bytes are calls, one letter each with its arguments (see `step`): capital letters are messages
/// of the other end, small ones are the users'. Whatever they are, nothing panics, what goes out
/// obeys the rules, and what is read is what came.
pub fn target(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut game = Game::new(&mut input);
    while let Some(letter) = input.letter() {
        if !game.step(letter, &mut input) {
            break;
        }
    }
    game.finish();
}

/// What is left of the input. It ends in zeros.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn letter(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A digit is itself, so that seeds can be read.
    fn number(&mut self) -> u8 {
        let byte = self.letter().unwrap_or_default();
        if byte.is_ascii_digit() { byte - b'0' } else { byte }
    }

    fn id(&mut self) -> TransactionId {
        match self.number() {
            u8::MAX => TransactionId(u64::MAX),
            number => TransactionId(u64::from(number)),
        }
    }

    fn length(&mut self) -> usize {
        match self.number() {
            u8::MAX => MAX_DATA + 1,
            number => usize::from(number),
        }
    }

    fn end(&mut self) -> bool {
        self.letter() == Some(b'!')
    }

    fn code(&mut self) -> AbortCode {
        AbortCode::ALL[usize::from(self.number()) % AbortCode::ALL.len()]
    }
}

/// What both sides did with a transaction.
#[derive(Default)]
struct Played {
    /// What the other end said, and whether it said that this is all.
    came: usize,
    came_all: bool,
    read: usize,
    /// The credit that we gave and that we got.
    gave: usize,
    got: usize,
    /// Whether the other end opened it, and whether it has its answer.
    came_here: bool,
    answered: bool,
    began: bool,
    written: usize,
    sent: usize,
    sent_all: bool,
    aborted: bool,
    announced: bool,
}

struct Game {
    machine: Transactions,
    config: Config,
    now: Duration,
    played: BTreeMap<TransactionId, Played>,
    last_opened: u64,
    said_bye: bool,
    drained: bool,
}

/// The byte at a place of a body.
fn byte(id: TransactionId, place: usize) -> u8 {
    let place = u64::try_from(place).unwrap_or_default();
    u8::try_from((id.0 % 251 + place) % 251).unwrap_or_default()
}

fn body(id: TransactionId, from: usize, length: usize) -> Bytes {
    (from..from + length).map(|place| byte(id, place)).collect()
}

impl Game {
    fn new(input: &mut Input<'_>) -> Self {
        let config = Config {
            numbers: if input.number().is_multiple_of(2) { Numbers::Even } else { Numbers::Odd },
            max_opened: usize::from(input.number() % 8),
            max_accepted: usize::from(input.number() % 8),
            window: u32::from(input.number()) + 1,
            send_buffer: usize::from(input.number()) + 1,
            ping_every: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
        };
        Self {
            machine: Transactions::new(config.clone(), Duration::ZERO),
            config,
            now: Duration::ZERO,
            played: BTreeMap::new(),
            last_opened: 0,
            said_bye: false,
            drained: false,
        }
    }

    /// Does what a letter says. Returns `false` when the link ends.
    fn step(&mut self, letter: u8, input: &mut Input<'_>) -> bool {
        let goes_on = match letter {
            b'O' | b'H' | b'D' => {
                let (id, length, end) = (input.id(), input.length(), input.end());
                self.receive_body(letter, id, length, end)
            }
            b'A' => self.receive(Message::Abort { id: input.id(), code: input.code() }),
            b'C' => {
                let (id, number) = (input.id(), input.number());
                let bytes = if number == u8::MAX { u32::MAX } else { u32::from(number) };
                let played = self.played.entry(id).or_default();
                played.got = played.got.saturating_add(bytes as usize);
                self.receive(Message::Credit { id, bytes })
            }
            b'P' => self.receive(Message::Ping),
            b'Q' => self.receive(Message::Pong),
            b'B' => self.receive(Message::Bye(Bye::default())),
            b'o' => {
                self.open(input.length(), input.end());
                true
            }
            b'r' | b'w' => {
                let (id, length, end) = (input.id(), input.length(), input.end());
                self.write(letter == b'r', id, length, end);
                true
            }
            b't' => {
                self.now += Duration::from_secs(u64::from(input.number()));
                let due = self.now >= self.machine.next_deadline();
                let alive = self.machine.tick(self.now);
                assert!(alive || due, "dead before its time");
                alive
            }
            _ => {
                self.call(letter, input);
                true
            }
        };
        assert!(self.machine.opened() <= self.config.max_opened);
        assert!(self.machine.accepted() <= 2 * self.config.max_accepted);
        goes_on
    }

    /// Calls of the users that take a number at most.
    fn call(&mut self, letter: u8, input: &mut Input<'_>) {
        match letter {
            b'd' => {
                self.read(input.id());
            }
            b'g' => {
                let id = input.id();
                let mut all = 0;
                while let Some(length) = self.read(id) {
                    all += length;
                }
                assert!(all <= self.config.window as usize, "{all} bytes waited");
            }
            b's' => self.machine.stop_reading(input.id()),
            b'a' => {
                let (id, code) = (input.id(), input.code());
                self.machine.abort(id, code);
                assert_eq!(self.machine.room(id), 0);
            }
            b'c' => self.machine.close(Bye::default()),
            b'm' => {
                self.send();
            }
            b'M' => while self.send() {},
            b'e' => self.tell(),
            _ => {}
        }
    }

    fn receive(&mut self, message: Message) -> bool {
        self.machine.receive(message, self.now).is_ok()
    }

    fn receive_body(&mut self, letter: u8, id: TransactionId, length: usize, end: bool) -> bool {
        let played = self.played.entry(id).or_default();
        let bytes = body(id, played.came, length);
        played.came += length;
        played.came_all |= end;
        played.came_here |= letter == b'O';
        self.receive(match letter {
            b'O' => {
                let head = Box::new(Request::new(()).into_parts().0);
                Message::Open { id, head, body: bytes, end }
            }
            b'H' => {
                let head = Box::new(Response::new(()).into_parts().0);
                Message::Head { id, head, body: bytes, end }
            }
            _ => Message::Data { id, bytes, end },
        })
    }

    fn open(&mut self, length: usize, end: bool) {
        let before = self.machine.opened();
        let head = Box::new(Request::new(()).into_parts().0);
        // All of ours say the same, since only the machine knows the number before.
        let bytes = body(TransactionId(0), 0, length);
        if let Ok(id) = self.machine.open(head, bytes, end) {
            assert!(id.0 > 0 && self.is_own(id));
            assert_eq!(self.machine.opened(), before + 1);
            self.played.entry(id).or_default().written = length;
        } else {
            assert_eq!(self.machine.opened(), before);
        }
    }

    fn write(&mut self, respond: bool, id: TransactionId, length: usize, end: bool) {
        let room = self.machine.room(id);
        let played = self.played.entry(id).or_default();
        let mut bytes = body(TransactionId(0), played.written, length);
        if respond {
            if played.came_here && !std::mem::replace(&mut played.answered, true) {
                played.written = length;
            }
            let head = Box::new(Response::new(()).into_parts().0);
            self.machine.respond(id, head, bytes, end);
        } else {
            self.machine.write(id, &mut bytes, end);
            let taken = length - bytes.len();
            assert!(bytes.is_empty() || taken == room, "{taken} bytes taken with room for {room}");
            if room > 0 {
                played.written += taken;
            }
        }
    }

    /// Reads once. Returns how much there was.
    fn read(&mut self, id: TransactionId) -> Option<usize> {
        let read = self.machine.read(id);
        let played = self.played.entry(id).or_default();
        match read {
            Read::Data(bytes) => {
                assert!(!bytes.is_empty());
                let same = (played.read..).zip(&bytes).all(|(place, is)| byte(id, place) == *is);
                assert!(same, "other bytes than those that came");
                played.read += bytes.len();
                Some(bytes.len())
            }
            Read::End => {
                assert!(played.came_all && played.read == played.came, "silently short");
                None
            }
            Read::Blocked | Read::Aborted(_) => None,
        }
    }

    /// Takes a message, and checks that it is one that may go out.
    fn send(&mut self) -> bool {
        let wants = self.machine.wants_to_send();
        let message = self.machine.poll_message();
        assert_eq!(message.is_some(), wants);
        let Some(message) = message else { return false };
        match message {
            Message::Open { id, body, end, .. } => {
                assert!(self.is_own(id) && id.0 > self.last_opened && !self.said_bye);
                self.last_opened = id.0;
                self.check_sent(id, true, &body, end);
            }
            Message::Head { id, body, end, .. } => {
                assert!(!self.is_own(id));
                self.check_sent(id, true, &body, end);
            }
            Message::Data { id, bytes, end } => {
                assert!(end || !bytes.is_empty());
                self.check_sent(id, false, &bytes, end);
            }
            Message::Abort { id, .. } => {
                let played = self.played.entry(id).or_default();
                assert!(!std::mem::replace(&mut played.aborted, true), "aborted twice");
            }
            Message::Credit { id, bytes } => {
                let played = self.played.entry(id).or_default();
                played.gave += bytes as usize;
                assert!(bytes > 0 && !played.aborted && played.gave <= played.read);
            }
            Message::Ping | Message::Pong => {}
            Message::Bye(_) => assert!(!std::mem::replace(&mut self.said_bye, true)),
        }
        true
    }

    fn check_sent(&mut self, id: TransactionId, begins: bool, bytes: &Bytes, end: bool) {
        let window = self.config.window as usize;
        let played = self.played.entry(id).or_default();
        assert!(!played.aborted && !played.sent_all);
        assert_ne!(std::mem::replace(&mut played.began, true), begins, "one head, and first");
        assert!(bytes.len() <= MAX_DATA);
        assert!(
            bytes.iter().zip(played.sent..).all(|(is, place)| *is == byte(TransactionId(0), place))
        );
        played.sent += bytes.len();
        played.sent_all = end;
        assert!(played.sent <= played.got.saturating_add(window), "more than the credit");
    }

    fn tell(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Opened { id, .. } | Event::Answered { id, .. } => {
                    let played = self.played.entry(id).or_default();
                    assert!(!std::mem::replace(&mut played.announced, true), "told twice");
                }
                Event::Aborted { .. }
                | Event::Readable(_)
                | Event::Writable(_)
                | Event::Unwanted(_)
                | Event::Bye(_) => {}
                Event::Drained => assert!(!std::mem::replace(&mut self.drained, true)),
            }
        }
        if self.drained {
            assert_eq!((self.machine.opened(), self.machine.accepted()), (0, 0));
        }
    }

    fn is_own(&self, id: TransactionId) -> bool {
        id.0.is_multiple_of(2) == (self.config.numbers == Numbers::Even)
    }

    /// Nothing is left when the users have left.
    fn finish(mut self) {
        self.tell();
        for id in self.played.keys() {
            self.machine.abort(*id, AbortCode::Failed);
        }
        self.machine.close(Bye::default());
        while self.send() {}
        self.tell();
        assert!(self.drained && self.said_bye && !self.machine.wants_to_send());
    }
}

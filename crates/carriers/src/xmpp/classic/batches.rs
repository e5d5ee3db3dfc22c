//! The gateway's batches with one counterpart, without input and output: between the multiplexer, which
//! has numbers and credit, and chat messages, which have neither.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::Duration,
};

use bytes::Bytes;
use crosstalk::{
    forwarded, hop,
    object::Surroundings,
    transactions::{AbortCode, MAX_DATA, Message, TransactionId},
    xmpp::classic::{self, Batch, ClassicError, Direction, Ending, Texts},
};
use http::{HeaderMap, Method, header, request, response, uri::Authority};

use super::{MAX_REQUEST, MAX_SILENCE, MAX_WAITING, MAX_WAITING_TOGETHER, pages};

/// What the gateway says it is. The programs of 2008 pass it on to applications.
const SOFTWARE: &str = concat!("Veranda/", env!("CARGO_PKG_VERSION"));

/// All batches of one counterpart.
pub(super) struct Batches {
    all: HashMap<TransactionId, Exchange>,
    names: HashMap<Batch, TransactionId>,
    /// The credit with which every response begins.
    window: u32,
    /// How much of all responses waits for the visitors.
    waiting: usize,
    /// What the multiplexer has not been told yet: a few messages for each batch, and bodies within
    /// their credit.
    inbox: VecDeque<Message>,
    /// What is not sent yet: requests, which are short ([`MAX_REQUEST`]).
    outbox: VecDeque<(Batch, String)>,
}

/// One batch.
enum Exchange {
    /// The request's body is still coming.
    Collecting(Box<Collecting>),
    /// The request is on its way.
    Asked(Asked),
}

struct Collecting {
    head: request::Parts,
    texts: Texts,
    text: String,
}

struct Asked {
    name: Batch,
    /// Whether the head of the response was here.
    answered: bool,
    /// How much of the response the multiplexer takes now.
    credit: u64,
    waiting: VecDeque<Bytes>,
    /// How much waits.
    length: usize,
    /// Whether nothing more comes.
    complete: bool,
    /// When something came last.
    heard: Duration,
}

impl Batches {
    pub(super) fn new(window: u32) -> Self {
        Self {
            all: HashMap::new(),
            names: HashMap::new(),
            window,
            waiting: 0,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Takes the next message for the multiplexer.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        self.inbox.pop_front()
    }

    /// Takes the next chat message for the counterpart: its thread and its body.
    pub(super) fn next_chat(&mut self) -> Option<(Batch, String)> {
        self.outbox.pop_front()
    }

    /// Returns whether there is a message for the multiplexer.
    pub(super) fn has_message(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Returns whether there is a chat message for the counterpart.
    pub(super) fn has_chat(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes a message of the multiplexer.
    pub(super) fn tell(&mut self, message: Message, now: Duration) {
        match message {
            Message::Open { id, head, body, end } => {
                if !matches!(head.method, Method::GET | Method::HEAD | Method::POST) {
                    return self.answer(id, pages::METHOD);
                }
                let collecting =
                    Collecting { head: *head, texts: Texts::default(), text: String::new() };
                self.all.insert(id, Exchange::Collecting(Box::new(collecting)));
                self.collect(id, &body, end, now);
            }
            Message::Data { id, bytes, end } => {
                if let Ok(credit) = u32::try_from(bytes.len())
                    && !end
                {
                    self.inbox.push_back(Message::Credit { id, bytes: credit });
                }
                self.collect(id, &bytes, end, now);
            }
            Message::Abort { id, .. } => self.forget(id),
            Message::Credit { id, bytes } => {
                if let Some(Exchange::Asked(asked)) = self.all.get_mut(&id) {
                    asked.credit += u64::from(bytes);
                }
                self.pump(id);
            }
            // Whether the counterpart is there says its presence; the wire has no sign of life.
            Message::Ping => self.inbox.push_back(Message::Pong),
            // This end opens nothing here, and its goodbye needs no answer.
            Message::Head { .. } | Message::Pong | Message::Bye(_) => {}
        }
    }

    /// Takes a chat message of the counterpart. One for no batch that is open, or for a name that
    /// somebody guesses, does nothing.
    pub(super) fn hear(&mut self, thread: Option<&str>, body: &str, now: Duration) {
        let message = classic::Message::read(body);
        let thread = thread.and_then(Batch::read);
        let named = message.as_ref().ok().and_then(classic::Message::batch);
        // The programs of 2008 go by the thread; those of 2010 have none.
        let Some(id) = thread.as_ref().or(named).and_then(|name| self.names.get(name)).copied()
        else {
            tracing::debug!("A chat message belongs to no request");
            return;
        };
        let heard = message.map_err(Unread::Message);
        let heard = heard.and_then(|message| self.take(id, message, now));
        if let Err(error) = heard {
            tracing::debug!(%error, "A response was cut");
            self.abort(id, AbortCode::Failed);
        } else {
            self.pump(id);
        }
    }

    /// Cuts what nothing came of for too long, unless it is the visitor who takes nothing.
    pub(super) fn look(&mut self, now: Duration) {
        let silent = |exchange: &Exchange| match exchange {
            Exchange::Collecting(_) => false,
            Exchange::Asked(asked) => {
                asked.answered
                    && asked.waiting.is_empty()
                    && now.saturating_sub(asked.heard) >= MAX_SILENCE
            }
        };
        let silent = self.all.iter().filter(|(_, exchange)| silent(exchange)).map(|(id, _)| *id);
        for id in silent.collect::<Vec<_>>() {
            self.abort(id, AbortCode::TimedOut);
        }
    }

    fn collect(&mut self, id: TransactionId, bytes: &[u8], end: bool, now: Duration) {
        let Some(Exchange::Collecting(collecting)) = self.all.get_mut(&id) else { return };
        match collecting.texts.push(bytes) {
            Ok(text) => collecting.text.push_str(&text),
            Err(classic::NotText) => return self.answer(id, pages::BINARY_REQUEST),
        }
        if collecting.text.len() > MAX_REQUEST {
            return self.abort(id, AbortCode::TooLarge);
        }
        if end && let Some(Exchange::Collecting(collecting)) = self.all.remove(&id) {
            self.ask(id, *collecting, now);
        }
    }

    fn ask(&mut self, id: TransactionId, collected: Collecting, now: Duration) {
        let Collecting { mut head, texts, text } = collected;
        if texts.finish().is_err() {
            return self.answer(id, pages::BINARY_REQUEST);
        }
        let around = surroundings(&head.headers);
        fit(&mut head.headers);
        if !text.is_empty() {
            head.headers.insert(header::CONTENT_LENGTH, text.len().into());
        }
        let name = Batch::random();
        let first = match classic::request(&head, around, &name) {
            Ok(first) => first,
            Err(error) => return self.answer(id, page_for(error)),
        };
        let mut chats = vec![first];
        for piece in classic::pieces(&text, Direction::Request) {
            match classic::more(piece, Direction::Request, &name) {
                Ok(chat) => chats.push(chat),
                Err(error) => return self.answer(id, page_for(error)),
            }
        }
        chats.push(classic::end(&name));
        self.outbox.extend(chats.into_iter().map(|chat| (name.clone(), chat)));
        self.names.insert(name.clone(), id);
        let asked = Asked {
            name,
            answered: false,
            credit: u64::from(self.window),
            waiting: VecDeque::new(),
            length: 0,
            complete: false,
            heard: now,
        };
        self.all.insert(id, Exchange::Asked(asked));
    }

    /// Takes what a message says of a batch.
    fn take(
        &mut self,
        id: TransactionId,
        mut message: classic::Message,
        now: Duration,
    ) -> Result<(), Unread> {
        let Some(Exchange::Asked(asked)) = self.all.get_mut(&id) else { return Ok(()) };
        asked.heard = now;
        if asked.complete {
            return Ok(());
        }
        if let Some(head) = message.response().map_err(Unread::Message)? {
            if mem::replace(&mut asked.answered, true) {
                return Err(Unread::Order);
            }
            let mut head = head.into_parts();
            if head.status.is_informational() {
                return Err(Unread::Order);
            }
            hop::strip(&mut head.headers);
            let head = Box::new(head);
            self.inbox.push_back(Message::Head { id, head, body: Bytes::new(), end: false });
        }
        let text = message.take_text(Direction::Response).map_err(Unread::Message)?;
        if !text.is_empty() {
            if !asked.answered {
                return Err(Unread::Order);
            }
            asked.length += text.len();
            self.waiting += text.len();
            let (length, together) = (asked.length, self.waiting);
            asked.waiting.push_back(Bytes::from(text));
            if length > MAX_WAITING || together > MAX_WAITING_TOGETHER {
                return Err(Unread::Slow);
            }
        }
        match message.ending() {
            None => Ok(()),
            Some(Ending::Finished) if asked.answered => {
                asked.complete = true;
                Ok(())
            }
            Some(Ending::Finished | Ending::Broken) => Err(Unread::Broken),
        }
    }

    /// Passes on what waits, as far as the credit goes.
    fn pump(&mut self, id: TransactionId) {
        let Some(Exchange::Asked(asked)) = self.all.get_mut(&id) else { return };
        while asked.credit > 0
            && let Some(mut next) = asked.waiting.pop_front()
        {
            let most = usize::try_from(asked.credit).unwrap_or(usize::MAX).min(MAX_DATA);
            if next.len() > most {
                asked.waiting.push_front(next.split_off(most));
            }
            asked.credit -= next.len() as u64;
            asked.length -= next.len();
            self.waiting -= next.len();
            let end = asked.complete && asked.waiting.is_empty();
            self.inbox.push_back(Message::Data { id, bytes: next, end });
            if end {
                return self.forget(id);
            }
        }
        if asked.complete && asked.waiting.is_empty() {
            self.inbox.push_back(Message::Data { id, bytes: Bytes::new(), end: true });
            self.forget(id);
        }
    }

    /// Answers in the counterpart's place; nothing was sent to it.
    fn answer(&mut self, id: TransactionId, page: pages::Sentence) {
        self.forget(id);
        let (head, _) = pages::page(page).into_parts();
        let head: Box<response::Parts> = Box::new(head);
        let body = Bytes::from_static(page.1.as_bytes());
        self.inbox.push_back(Message::Head { id, head, body, end: true });
    }

    fn abort(&mut self, id: TransactionId, code: AbortCode) {
        self.forget(id);
        self.inbox.push_back(Message::Abort { id, code });
    }

    fn forget(&mut self, id: TransactionId) {
        match self.all.remove(&id) {
            Some(Exchange::Asked(asked)) => {
                self.waiting -= asked.length;
                self.names.remove(&asked.name);
                // What was not sent yet nobody has to read.
                self.outbox.retain(|(name, _)| *name != asked.name);
            }
            Some(Exchange::Collecting(_)) | None => {}
        }
    }
}

/// Why a response was cut.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{0}")]
    Message(ClassicError),
    #[error("its messages are out of order")]
    Order,
    #[error("it broke off")]
    Broken,
    #[error("it comes faster than the visitor takes it")]
    Slow,
}

fn page_for(error: ClassicError) -> pages::Sentence {
    match error {
        ClassicError::NotAscii => pages::FOREIGN_HEAD,
        ClassicError::TooLarge | ClassicError::Object(crosstalk::object::ObjectError::Head(_)) => {
            pages::LARGE_HEAD
        }
        ClassicError::TooLong
        | ClassicError::Base64
        | ClassicError::Zlib
        | ClassicError::Bomb
        | ClassicError::TooDeep
        | ClassicError::TooMany
        | ClassicError::NotAnObject
        | ClassicError::Text
        | ClassicError::Batch
        | ClassicError::Object(_) => pages::BAD_REQUEST,
    }
}

/// Removes what this wire has no use for: parts of a text may begin in the middle of a character, and
/// packed text is none.
fn fit(headers: &mut HeaderMap) {
    hop::remove(headers, |name| {
        name.as_str().starts_with("veranda-")
            || [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE].contains(name)
    });
}

fn surroundings(headers: &HeaderMap) -> Surroundings {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let visitor = headers.get(forwarded::HEADER).and_then(|value| value.to_str().ok());
    Surroundings {
        script_name: String::new(),
        server_name: host.as_ref().map(|host| host.host().to_owned()).unwrap_or_default(),
        server_port: host.as_ref().and_then(Authority::port_u16),
        server_software: SOFTWARE.to_owned(),
        scheme: None,
        remote_addr: visitor.and_then(forwarded::visitor),
        remote_port: None,
    }
}

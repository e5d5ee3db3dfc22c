//! Who may: the tickets of one hand-over, and the visitors who ask. It does no IO and is told the time.
//!
//! Without a nod everybody who has the link gets a ticket, which any program may use from anywhere.
//! With a nod a ticket is good from the address that it was asked from, once the owner allowed it, and
//! then no other is.

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    ledger::Now,
    model::{Knock, KnockId},
    session::Token,
    store::VisitorKey,
};

/// How many tickets one hand-over has. Who presses the button again gets a new one; that which was not
/// used for longest makes room.
pub(crate) const MAX_TICKETS: usize = 8;

/// How long a visitor waits for the owner's answer: as long as it takes to come back with a coffee.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How many questions the owner gets in [`ANSWER_TIMEOUT`]: as many as may wait for an answer. Whoever has
/// many addresses could otherwise go on asking as fast as the owner refuses.
const MAX_QUESTIONS: usize = MAX_TICKETS;

/// How many refused addresses are remembered; the oldest of more are forgotten.
pub(crate) const MAX_REFUSED: usize = 64;

/// A visitor, as far as anybody knows.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) address: Option<IpAddr>,
    /// Her program, shortened and printable.
    pub(crate) agent: String,
}

/// The right to fetch, or the question for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticket {
    pub(crate) secret: Token,
    pub(crate) key: VisitorKey,
    pub(crate) standing: Standing,
    /// Up to where the content was handed to the link for this ticket.
    pub(crate) reached: u64,
    /// Whether it may have been more: it was under way when the program ended.
    pub(crate) perhaps_more: bool,
    pub(crate) used: SystemTime,
}

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The owner allowed it, or does not want to be asked.
    Allowed,
    /// The owner is asked.
    Asking(KnockId),
    /// The owner said no.
    Refused,
    /// The owner said nothing in time.
    Unanswered,
}

/// What came of pressing the button.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Taken {
    /// Go on with this ticket.
    Ticket(Token),
    /// The same, and the owner has to be asked.
    Knock(Token, Knock),
    /// It is somebody else's.
    NotYours,
    /// The owner said no before.
    Refused,
    /// Too many are asking.
    TooMany,
}

/// What a ticket is worth in this visitor's hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    Allowed,
    Asking,
    NotYours,
    Refused,
    Unanswered,
}

/// The tickets of one hand-over.
#[derive(Debug)]
pub(crate) struct Tickets {
    nod: bool,
    /// Oldest first.
    all: Vec<Ticket>,
    /// Oldest first.
    refused: VecDeque<VisitorKey>,
    /// Who asks, in the order in which they came, and since when.
    knocks: Vec<(Knock, Instant)>,
    /// When the owner was asked lately, oldest first.
    asked: VecDeque<Instant>,
}

impl Tickets {
    pub(crate) fn new(nod: bool, all: Vec<Ticket>, refused: Vec<VisitorKey>) -> Self {
        Self { nod, all, refused: refused.into(), knocks: Vec::new(), asked: VecDeque::new() }
    }

    /// The visitor pressed the button. Somebody fetches with the ticket that is in use.
    pub(crate) fn take(
        &mut self,
        visitor: Visitor,
        new: KnockId,
        in_use: Option<&Token>,
        now: Now,
    ) -> Taken {
        let key = VisitorKey::new(visitor.address);
        if !self.nod {
            return match self.add(key, Standing::Allowed, in_use, now) {
                Some(secret) => Taken::Ticket(secret),
                None => Taken::TooMany,
            };
        }
        if let Some(allowed) = self.allowed() {
            return if allowed.key == key && key.is_known() {
                Taken::Ticket(allowed.secret.clone())
            } else {
                Taken::NotYours
            };
        }
        if self.refused.contains(&key) {
            return Taken::Refused;
        }
        let own = self
            .all
            .iter()
            .find(|ticket| ticket.key == key && matches!(ticket.standing, Standing::Asking(_)));
        if let Some(own) = own.filter(|_| key.is_known()) {
            return Taken::Ticket(own.secret.clone());
        }
        self.asked.retain(|then| now.monotonic.duration_since(*then) < ANSWER_TIMEOUT);
        if self.asked.len() >= MAX_QUESTIONS {
            return Taken::TooMany;
        }
        let Some(secret) = self.add(key, Standing::Asking(new), in_use, now) else {
            return Taken::TooMany;
        };
        self.asked.push_back(now.monotonic);
        let Visitor { address, agent } = visitor;
        let knock = Knock { id: new, visitor: address, agent, at: now.wall };
        self.knocks.push((knock.clone(), now.monotonic));
        Taken::Knock(secret, knock)
    }

    /// Adds a ticket, in the place of the one that was not used for longest. Who waits for the owner's
    /// answer keeps hers, and so does who fetches.
    fn add(
        &mut self,
        key: VisitorKey,
        standing: Standing,
        in_use: Option<&Token>,
        now: Now,
    ) -> Option<Token> {
        if self.all.len() >= MAX_TICKETS {
            let gives_way = (0..self.all.len())
                .filter(|place| !matches!(self.all[*place].standing, Standing::Asking(_)))
                .filter(|place| in_use != Some(&self.all[*place].secret))
                // One that nobody fetched with goes first.
                .min_by_key(|place| (self.all[*place].has_begun(), self.all[*place].used))?;
            self.all.remove(gives_way);
        }
        let secret = Token::generate();
        self.all.push(Ticket {
            secret: secret.clone(),
            key,
            standing,
            reached: 0,
            perhaps_more: false,
            used: now.wall,
        });
        Some(secret)
    }

    /// Returns what this ticket is worth, if there is one.
    pub(crate) fn judge(&self, offered: &str, address: Option<IpAddr>) -> Option<Worth> {
        let ticket = self.find(offered)?;
        if self.nod && ticket.key != VisitorKey::new(address) {
            return Some(Worth::NotYours);
        }
        let is_late = self.nod && self.allowed().is_some();
        Some(match ticket.standing {
            Standing::Allowed => Worth::Allowed,
            Standing::Asking(_) | Standing::Refused | Standing::Unanswered if is_late => {
                Worth::NotYours
            }
            Standing::Asking(_) => Worth::Asking,
            Standing::Refused => Worth::Refused,
            Standing::Unanswered => Worth::Unanswered,
        })
    }

    /// Returns whether the owner let another visitor have it.
    pub(crate) fn is_for_another(&self, address: Option<IpAddr>) -> bool {
        let key = VisitorKey::new(address);
        let is_hers = |ticket: &Ticket| ticket.key == key && key.is_known();
        self.nod && self.allowed().is_some_and(|ticket| !is_hers(ticket))
    }

    /// Returns whether everything before this place was handed over, as far as anybody knows, to the one who
    /// goes on there with this ticket. It may have been for another ticket: who presses the button again gets
    /// a new one, and goes on with the file that she has.
    pub(crate) fn vouch(&self, ticket: &Token, visitor: VisitorKey, offset: u64) -> bool {
        self.all.iter().any(|one| {
            let is_hers = one.secret == *ticket || one.key == visitor && visitor.is_known();
            offset <= one.reached || is_hers && one.perhaps_more
        })
    }

    /// The owner answers. Returns whether anybody asked.
    pub(crate) fn answer(&mut self, knock: KnockId, allow: bool) -> bool {
        let is_asked =
            |ticket: &&mut Ticket| matches!(ticket.standing, Standing::Asking(id) if id == knock);
        let Some(ticket) = self.all.iter_mut().find(is_asked) else { return false };
        let key = ticket.key;
        if allow {
            ticket.standing = Standing::Allowed;
            // Nobody else may any more, so nobody else waits.
            self.knocks.clear();
            for other in &mut self.all {
                if matches!(other.standing, Standing::Asking(_)) {
                    other.standing = Standing::Unanswered;
                }
            }
        } else {
            ticket.standing = Standing::Refused;
            self.knocks.retain(|(waiting, _)| waiting.id != knock);
            if self.refused.len() >= MAX_REFUSED {
                self.refused.pop_front();
            }
            if key.is_known() {
                self.refused.push_back(key);
            }
        }
        true
    }

    /// Gives up waiting for answers. Returns whether anybody waited too long.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let late = |since: &Instant| now.duration_since(*since) >= ANSWER_TIMEOUT;
        if !self.knocks.iter().any(|(_, since)| late(since)) {
            return false;
        }
        for (knock, _) in self.knocks.extract_if(.., |(_, since)| late(since)) {
            let asks = |ticket: &&mut Ticket| matches!(ticket.standing, Standing::Asking(id) if id == knock.id);
            if let Some(ticket) = self.all.iter_mut().find(asks) {
                ticket.standing = Standing::Unanswered;
            }
        }
        true
    }

    /// Nobody has to wait any more: it is over.
    pub(crate) fn dismiss(&mut self) {
        self.knocks.clear();
        for ticket in &mut self.all {
            if matches!(ticket.standing, Standing::Asking(_)) {
                ticket.standing = Standing::Unanswered;
            }
        }
    }

    /// Returns who asks, in the order in which they came.
    pub(crate) fn knocks(&self) -> impl Iterator<Item = &Knock> {
        self.knocks.iter().map(|(knock, _)| knock)
    }

    /// Returns the tickets, oldest first.
    pub(crate) fn all(&self) -> &[Ticket] {
        &self.all
    }

    /// Returns whose addresses the owner refused, oldest first.
    pub(crate) fn refused(&self) -> impl Iterator<Item = VisitorKey> {
        self.refused.iter().copied()
    }

    fn allowed(&self) -> Option<&Ticket> {
        self.all.iter().find(|ticket| ticket.standing == Standing::Allowed)
    }

    /// Looks at every ticket, so that the time tells nothing.
    pub(crate) fn find(&self, offered: &str) -> Option<&Ticket> {
        let offered = offered.as_bytes();
        self.all
            .iter()
            .fold(None, |found, one| if one.secret.is(offered) { Some(one) } else { found })
    }

    pub(crate) fn find_mut(&mut self, secret: &Token) -> Option<&mut Ticket> {
        self.all.iter_mut().find(|ticket| ticket.secret == *secret)
    }
}

impl Ticket {
    fn has_begun(&self) -> bool {
        self.reached > 0 || self.perhaps_more
    }
}

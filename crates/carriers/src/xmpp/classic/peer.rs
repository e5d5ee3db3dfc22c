//! The peer's end.

use std::{collections::HashMap, time::Duration};

use crosstalk::{
    object::RequestObject,
    transaction::Handler,
    xmpp::{
        BareJid,
        classic::{self, Batch, Direction, Ending},
    },
};
use http::HeaderValue;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Chat, LOOK_EVERY, MAX_BATCHES, MAX_REQUEST, MAX_SILENCE,
    front::{self, Asked, Outlet},
    pages,
    wire::{Event, Wire},
};
use crate::{
    LinkEnd,
    xmpp::{Login, LoginError},
};

/// Logs in, and answers what one gateway of 2008 asks, and nobody else, until the session ends or
/// `stop` is cancelled and `grace` is over.
///
/// `host` becomes the `Host` of every request: such a gateway knows accounts, not hosts.
///
/// # Errors
/// See [`LoginError`].
pub async fn serve(
    login: &Login,
    gateway: &BareJid,
    host: HeaderValue,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> Result<LinkEnd, LoginError> {
    let tasks = TaskTracker::new();
    let opened = Wire::open(login, std::slice::from_ref(gateway), &tasks);
    // A server may take its time, and who is told to stop does not wait for it.
    let Some(wire) = stop.run_until_cancelled(opened).await else { return Ok(LinkEnd::Closed) };
    let wire = wire?;
    Ok(serve_over(wire, gateway, host, handler, stop, grace).await)
}

pub(super) async fn serve_over(
    wire: Wire,
    gateway: &BareJid,
    host: HeaderValue,
    handler: Handler,
    stop: CancellationToken,
    grace: Duration,
) -> LinkEnd {
    let Wire { mut events, sent } = wire;
    let outlet = Outlet { sent, with: gateway.clone() };
    let mut counter = Counter { requests: Requests::default(), answers: JoinSet::new() };
    let begun = Instant::now();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                let done = async { while counter.answers.join_next().await.is_some() {} };
                // Who is not done by now was told the time.
                let _ = timeout(grace, done).await;
                return LinkEnd::Closed;
            }
            event = events.next() => match event {
                Some(Event::Chat(chat)) if chat.with == *gateway => {
                    let heard = counter.requests.hear(&chat, begun.elapsed());
                    counter.act(heard, &handler, &host, &outlet);
                }
                Some(Event::Gone(who)) if who == *gateway => {
                    // Nobody reads the answers.
                    counter.requests = Requests::default();
                    counter.answers.abort_all();
                }
                Some(Event::Chat(_) | Event::Here(_) | Event::Gone(_)) => {}
                None => return LinkEnd::Lost,
            },
            Some(done) = counter.answers.join_next() => if done.is_err_and(|error| error.is_panic()) {
                tracing::warn!("A handler panicked");
            },
            _ = look.tick() => counter.requests.look(begun.elapsed()),
        }
    }
}

/// What is asked and answered.
struct Counter {
    requests: Requests,
    answers: JoinSet<()>,
}

impl Counter {
    fn act(&mut self, heard: Heard, handler: &Handler, host: &HeaderValue, outlet: &Outlet) {
        let (handler, host, outlet) = (handler.clone(), host.clone(), outlet.clone());
        match heard {
            Heard::Nothing => {}
            Heard::Whole(asked) if self.answers.len() < MAX_BATCHES => {
                self.answers.spawn(front::answer(*asked, handler, host, outlet));
            }
            Heard::Whole(asked) => self.refuse(asked.name, pages::BUSY, outlet),
            Heard::Refused(name, page) => self.refuse(name, page, outlet),
        }
    }

    /// Says no. When there are too many even of those, silence has to do.
    fn refuse(&mut self, name: Batch, page: pages::Sentence, outlet: Outlet) {
        if self.answers.len() < 2 * MAX_BATCHES {
            self.answers.spawn(async move { outlet.refuse(&name, page).await });
        }
    }
}

/// What a message made of a request.
enum Heard {
    Nothing,
    /// It is all there.
    Whole(Box<Asked>),
    /// It is nothing for us.
    Refused(Batch, pages::Sentence),
}

/// Requests that are not whole yet.
#[derive(Default)]
struct Requests(HashMap<Batch, Collecting>);

struct Collecting {
    object: RequestObject,
    text: String,
    heard: Duration,
}

impl Requests {
    /// Takes a message of the gateway.
    fn hear(&mut self, chat: &Chat, now: Duration) -> Heard {
        let message = classic::Message::read(&chat.body);
        let thread = chat.thread.as_deref().and_then(Batch::read);
        let named = message.as_ref().ok().and_then(|message| message.batch().cloned());
        // The peers of 2008 answer with what the object says; what cannot be read has a thread.
        let Some(name) = named.or(thread) else {
            tracing::debug!("A chat message of a classic gateway belongs to no request");
            return Heard::Nothing;
        };
        match message.and_then(|message| self.take(&name, message, now)) {
            Ok(heard) => heard,
            Err(error) => {
                tracing::debug!(%error, "A request of a classic gateway cannot be read");
                self.0.remove(&name);
                Heard::Refused(name, pages::BAD_REQUEST)
            }
        }
    }

    fn take(
        &mut self,
        name: &Batch,
        mut message: classic::Message,
        now: Duration,
    ) -> Result<Heard, classic::ClassicError> {
        if let Some(object) = message.request()? {
            // Their numbers begin anew with their program: a second head is a new request.
            self.0.remove(name);
            if self.0.len() >= MAX_BATCHES {
                return Ok(Heard::Refused(name.clone(), pages::BUSY));
            }
            let collecting = Collecting { object, text: String::new(), heard: now };
            self.0.insert(name.clone(), collecting);
        }
        let Some(collecting) = self.0.get_mut(name) else { return Ok(Heard::Nothing) };
        collecting.heard = now;
        collecting.text += &message.take_text(Direction::Request)?;
        if collecting.text.len() > MAX_REQUEST {
            self.0.remove(name);
            return Ok(Heard::Refused(name.clone(), pages::LARGE_REQUEST));
        }
        match message.ending() {
            None => Ok(Heard::Nothing),
            Some(Ending::Finished) => Ok(self.0.remove(name).map_or(
                Heard::Nothing,
                |Collecting { object, text, .. }| {
                    Heard::Whole(Box::new(Asked { name: name.clone(), object, text }))
                },
            )),
            Some(Ending::Broken) => {
                self.0.remove(name);
                Ok(Heard::Nothing)
            }
        }
    }

    /// Forgets what nothing came of for too long.
    fn look(&mut self, now: Duration) {
        self.0.retain(|_, collecting| now.saturating_sub(collecting.heard) < MAX_SILENCE);
    }
}

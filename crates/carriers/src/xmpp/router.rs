//! What comes in, and who gets it. The reader waits for nobody.

use std::sync::Arc;

use crosstalk::xmpp::{FullJid, Jid};
use tokio::{
    io::AsyncRead,
    sync::{mpsc, watch},
    time::Instant,
};
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{
    CROSSTALK,
    arrivals::{Arrival, PresenceKind, Request},
    conversation::{ConversationEnd, Incoming},
    presence::{self, Seen, Software},
    session::{RequestError, SessionEnd, Shared, Waiting},
    stanza,
    stream::{Token, XmlStream},
};

/// The largest text of a chat message that is passed on, in bytes.
const MAX_CHAT: usize = 256 * 1024;

/// Reads until the line or the session ends, and says why.
pub(super) async fn read<Io: AsyncRead + Unpin>(
    stream: &mut XmlStream<Io>,
    shared: &Arc<Shared>,
    heard: watch::Sender<Instant>,
) -> SessionEnd {
    loop {
        let heard = || {
            heard.send_replace(Instant::now());
        };
        let (element, bytes) = match stream.next(heard).await {
            Ok(Token::Element(element, bytes)) => (element, bytes),
            Ok(Token::Skipped(head)) => {
                skipped(shared, &head);
                continue;
            }
            Ok(Token::Opened) => continue,
            Ok(Token::Closed) => return SessionEnd::Lost,
            Err(error) => {
                tracing::debug!(%error, "The line from an XMPP server broke");
                return SessionEnd::Lost;
            }
        };
        if element.is("error", ns::STREAM) {
            return end(&element);
        }
        if !element.has_ns(ns::JABBER_CLIENT) {
            continue;
        }
        // The server vouches for it, or says it itself (RFC 6120 §8.1.2.1).
        let from = match element.attr("from").map(Jid::new) {
            Some(Ok(from)) => Some(from),
            Some(Err(_)) => continue,
            None => None,
        };
        match element.name() {
            "iq" => iq(shared, from, element, bytes),
            "presence" => presence(shared, from, &element),
            "message" => message(shared, from, &element),
            _ => {}
        }
    }
}

/// What a stream's error means (RFC 6120 §4.9.3).
fn end(error: &Element) -> SessionEnd {
    let mut text = String::new();
    let mut condition = String::new();
    for child in error.children().filter(|child| child.has_ns(ns::XMPP_STREAMS)) {
        if child.name() == "text" {
            text = stanza::sentence(&child.text());
        } else {
            condition = stanza::sentence(child.name());
        }
    }
    match condition.as_str() {
        "conflict" => SessionEnd::Conflict,
        "policy-violation" => SessionEnd::PolicyViolation(text),
        "system-shutdown" | "reset" => SessionEnd::Shutdown,
        _ => SessionEnd::Other(condition),
    }
}

/// A request that is beyond what is read is refused; everything else that large is dropped.
fn skipped(shared: &Shared, head: &Element) {
    tracing::debug!("A stanza beyond all limits was skipped");
    if head.is("iq", ns::JABBER_CLIENT)
        && matches!(head.attr("type"), Some("get" | "set"))
        && let Some(id) = stanza::id(head)
    {
        let condition = DefinedCondition::PolicyViolation;
        let from = head.attr("from").filter(|from| Jid::new(from).is_ok());
        shared.outbox.push_answer(stanza::refusal(from, id, condition, None, None));
    }
}

fn iq(shared: &Arc<Shared>, from: Option<Jid>, mut iq: Element, bytes: usize) {
    let Some(id) = stanza::id(&iq).map(str::to_owned) else { return };
    match iq.attr("type") {
        Some("get") => {
            let to = from.as_ref().map(Jid::as_str);
            let answer = match iq.children().next() {
                Some(payload) if payload.is("ping", ns::PING) => stanza::result(to, &id, None),
                Some(payload) if payload.is("query", ns::DISCO_INFO) => {
                    match presence::disco_info(payload) {
                        Some(info) => stanza::result(to, &id, Some(&info)),
                        None => {
                            let condition = DefinedCondition::ItemNotFound;
                            stanza::refusal(to, &id, condition, None, None)
                        }
                    }
                }
                Some(_) | None => {
                    let condition = DefinedCondition::ServiceUnavailable;
                    stanza::refusal(to, &id, condition, None, None)
                }
            };
            shared.outbox.push_answer(answer);
        }
        Some("set") => {
            let payload = iq.unshift_child();
            set(shared, from, id, payload, bytes);
        }
        Some("result") => {
            let payload = iq.unshift_child();
            answered(shared, from.as_ref(), id, bytes, Ok(payload));
        }
        Some("error") => {
            let refusal = stanza::refused(&iq);
            answered(shared, from.as_ref(), id, bytes, Err(refusal));
        }
        Some(_) | None => {}
    }
}

fn set(
    shared: &Arc<Shared>,
    from: Option<Jid>,
    id: String,
    payload: Option<Element>,
    bytes: usize,
) {
    let refuse = |to: Option<&Jid>, condition| {
        let to = to.map(Jid::as_str);
        shared.outbox.push_answer(stanza::refusal(to, &id, condition, None, None));
    };
    let (Some(from), Some(payload)) = (from.clone(), payload.filter(|it| it.has_ns(CROSSTALK)))
    else {
        return refuse(from.as_ref(), DefinedCondition::ServiceUnavailable);
    };
    if let Some(batch) = payload.attr("batch") {
        let token = batch.split('.').next().unwrap_or_default();
        let pipe = {
            let routes = shared.routes();
            let tokens = from.try_as_full().ok().and_then(|from| routes.conversations.get(from));
            tokens.and_then(|tokens| tokens.get(token)).cloned()
        };
        match pipe {
            Some(pipe) => pipe.push_in(Incoming::Set { id, payload }, bytes),
            None => refuse(Some(&from), DefinedCondition::ItemNotFound),
        }
        return;
    }
    let arrivals = shared.routes().arrivals.clone();
    let Some(arrivals) = arrivals else {
        return refuse(Some(&from), DefinedCondition::ServiceUnavailable);
    };
    let request =
        Request { shared: Arc::clone(shared), from: from.clone(), id: id.clone(), payload };
    match arrivals.try_send(Arrival::Set(request)) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            refuse(Some(&from), DefinedCondition::ResourceConstraint);
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            refuse(Some(&from), DefinedCondition::ServiceUnavailable);
        }
    }
}

fn answered(
    shared: &Shared,
    from: Option<&Jid>,
    id: String,
    bytes: usize,
    answer: Result<Option<Element>, stanza::Refusal>,
) {
    if let Some((token, _)) = id.split_once('.') {
        let pipe = {
            let routes = shared.routes();
            let from = from.and_then(|from| from.try_as_full().ok());
            let tokens = from.and_then(|from| routes.conversations.get(from));
            tokens.and_then(|tokens| tokens.get(token)).cloned()
        };
        if let Some(pipe) = pipe {
            let stanza = match answer {
                Ok(_) => Incoming::Result { id },
                Err(refusal) => Incoming::Refused { id, condition: refusal.condition },
            };
            // An error repeats what it refuses, which is not kept.
            pipe.push_in(stanza, bytes.min(super::conversation::STANZA_COST));
        }
        return;
    }
    let waiting = {
        let mut routes = shared.routes();
        match routes.requests.get(&id) {
            Some(waiting) if may_answer(shared, waiting, from) => routes.requests.remove(&id),
            Some(_) => {
                tracing::debug!("Somebody answered what somebody else was asked");
                None
            }
            None => None,
        }
    };
    if let Some(waiting) = waiting {
        let answer = answer.map_err(|refusal| {
            let stanza::Refusal { condition, text, extra } = refusal;
            RequestError::Refused { condition, text, extra }
        });
        // Nobody waits any more: then it came too late.
        let _ = waiting.answer.send(answer);
    }
}

/// Whoever was asked may answer; our own server may do so under several names (RFC 6120 §8.1.2.1).
fn may_answer(shared: &Shared, waiting: &Waiting, from: Option<&Jid>) -> bool {
    match (&waiting.to, from) {
        (Some(to), Some(from)) => to == from,
        (Some(_), None) => false,
        (None, None) => true,
        (None, Some(from)) => {
            let own = &shared.jid;
            let is_account = from.node() == own.node()
                && (from.resource().is_none() || from.resource() == Some(own.resource()));
            let is_server = from.node().is_none() && from.resource().is_none();
            from.domain() == own.domain() && (is_account || is_server)
        }
    }
}

fn presence(shared: &Arc<Shared>, from: Option<Jid>, presence: &Element) {
    let Some(from) = from else { return };
    let own = Jid::from(shared.jid.clone());
    if from == own {
        return;
    }
    let kind = match presence.attr("type") {
        None => PresenceKind::Available,
        Some("unavailable") => PresenceKind::Unavailable,
        Some("subscribe") => PresenceKind::Subscribe,
        Some("subscribed") => PresenceKind::Subscribed,
        Some("unsubscribe") => PresenceKind::Unsubscribe,
        Some("unsubscribed") => PresenceKind::Unsubscribed,
        Some("error") => {
            let stanza::Refusal { condition, text, extra: _ } = stanza::refused(presence);
            tell(shared, &from, || Seen::Error(condition.clone(), text.clone()));
            return;
        }
        Some(_) => return,
    };
    match kind {
        PresenceKind::Available => {
            if let Ok(full) = from.clone().try_into_full() {
                let software = Software::of(presence);
                tell(shared, &from, || Seen::Available(full.clone(), software.clone()));
                // A gateway never greets first, so two of them do not go on for ever.
                let is_gateway = software.as_ref().is_some_and(Software::is_gateway);
                if shared.routes().is_gateway && !is_gateway {
                    shared.outbox.push_answer(shared.greeting(&from));
                }
            }
        }
        PresenceKind::Unavailable => leave(shared, &from),
        PresenceKind::Subscribe
        | PresenceKind::Subscribed
        | PresenceKind::Unsubscribe
        | PresenceKind::Unsubscribed => {}
    }
    let arrival = Arrival::Presence { from: from.clone(), kind };
    let is_taken = pass_on(shared, &from, arrival);
    if !is_taken && kind == PresenceKind::Subscribe {
        let no = PresenceKind::Unsubscribed.name();
        shared.outbox.push_answer(stanza::presence(Some(&from), no, []));
    }
}

/// Ends all conversations with a session that is gone, or with all sessions of an account.
fn leave(shared: &Shared, from: &Jid) {
    let bare = from.to_bare();
    let is_gone = |partner: &FullJid| match from.try_as_full() {
        Ok(full) => partner == full,
        Err(_) => partner.to_bare() == bare,
    };
    let mut gone = Vec::new();
    shared.routes().conversations.retain(|partner, tokens| {
        let is_gone = is_gone(partner);
        if is_gone {
            gone.extend(tokens.drain().map(|(_, pipe)| pipe));
        }
        !is_gone
    });
    for pipe in gone {
        pipe.finish(ConversationEnd::PartnerLeft);
    }
}

/// Tells who meets this account.
fn tell(shared: &Shared, from: &Jid, seen: impl Fn() -> Seen) {
    let bare = from.to_bare();
    for (account, tell) in &shared.routes().meetings {
        if *account == bare && tell.try_send(seen()).is_err() {
            tracing::debug!("A presence came too late, or is one of too many");
        }
    }
}

fn message(shared: &Shared, from: Option<Jid>, message: &Element) {
    let Some(from) = from else { return };
    if !matches!(message.attr("type"), None | Some("chat" | "normal")) {
        return;
    }
    let mut body = String::new();
    for part in message.children().filter(|child| child.is("body", ns::JABBER_CLIENT)) {
        body.push_str(&part.text());
    }
    if body.is_empty() || body.len() > MAX_CHAT {
        return;
    }
    let thread = message.get_child("thread", ns::JABBER_CLIENT).map(Element::text);
    let arrival = Arrival::Chat { from: from.clone(), thread, body };
    pass_on(shared, &from, arrival);
}

/// Whether somebody gets it.
fn pass_on(shared: &Shared, from: &Jid, arrival: Arrival) -> bool {
    let mut routes = shared.routes();
    let is_counterpart = routes.counterparts.as_ref().map(|all| all.contains(&from.to_bare()));
    let Some(arrivals) = &routes.arrivals else { return false };
    if is_counterpart == Some(false) {
        return false;
    }
    let is_taken = arrivals.try_send(arrival).is_ok();
    if !is_taken {
        tracing::debug!("Something that came in was dropped: nobody takes it, or too slowly");
        if is_counterpart.is_some() {
            // Whoever takes it learns by its end that something is missing.
            routes.arrivals = None;
        }
    }
    is_taken
}

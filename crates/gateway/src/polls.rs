//! The sessions of peers that poll: who has which, and how they begin and end.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{extract::Request, response::Response};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use carriers::{
    Link,
    poll::{
        Preferences, SESSION,
        accept::{self, Farewell, Session},
    },
};
use crosstalk::{label::Label, poll::Dialect, proof::PublicKey, registry::Reason};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use sha2::{Digest as _, Sha256};

use crate::{
    links::{Berth, Links},
    refusal::Refusal,
    shared::Connection,
};

/// All sessions of a gateway. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Polls(Arc<Shared>);

#[derive(Default)]
struct Shared {
    sessions: Mutex<HashMap<Digest, Entry>>,
    stopping: AtomicBool,
}

/// What a session is found by: the SHA-256 of its token. A search that takes longer or shorter says
/// something of the digest at most, which leads to no token.
type Digest = [u8; 32];

#[derive(Clone)]
struct Entry {
    session: Session,
    token: HeaderValue,
    key: PublicKey,
    /// The one name that its link carries; `None` carries all names of the identity.
    label: Option<Label>,
}

/// Returns whether a request is one of a peer that polls.
pub(crate) fn is_poll(request: &Request) -> bool {
    request.method() == Method::POST && !request.headers().contains_key(header::UPGRADE)
}

/// Answers a POST of a peer that polls.
pub(crate) async fn answer(
    connection: &Connection,
    label: Option<Result<Label, Refusal>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let polls = &connection.shared.polls;
    let (entry, is_known) = match token(&parts)? {
        Some(digest) => {
            let Some(entry) = polls.find(&digest) else {
                return Ok(accept::over().map(axum::body::Body::new));
            };
            if label.transpose()? != entry.label {
                let sentence = "this session belongs to another address";
                return Err(Refusal::new(StatusCode::FORBIDDEN, Reason::BadRequest, sentence));
            }
            (entry, true)
        }
        None => (begin(connection, &parts, label).await?, false),
    };
    let mut response = entry.session.answer(&parts, body).await;
    if !is_known {
        response.headers_mut().insert(SESSION, entry.token);
    }
    Ok(response.map(axum::body::Body::new))
}

/// Reads the token of a session.
fn token(parts: &Parts) -> Result<Option<Digest>, Refusal> {
    let mut tokens = parts.headers.get_all(SESSION).iter();
    match (tokens.next(), tokens.next()) {
        (None, _) => Ok(None),
        (Some(token), None) => Ok(Some(digest(token))),
        (Some(_), Some(_)) => {
            let sentence = "a request belongs to one session";
            Err(Refusal::new(StatusCode::BAD_REQUEST, Reason::BadRequest, sentence))
        }
    }
}

fn digest(token: &HeaderValue) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

/// Finds the session of a peer that shows a proof, or begins one.
async fn begin(
    connection: &Connection,
    parts: &Parts,
    label: Option<Result<Label, Refusal>>,
) -> Result<Entry, Refusal> {
    let shared = &connection.shared;
    let key = connection.identify(&parts.headers).await?;
    let label = label.transpose()?;
    let dialect =
        if Preferences::read(&parts.headers).second { Dialect::Second } else { Dialect::Classic };
    if dialect == Dialect::Classic
        && let Some(entry) = shared.polls.classic(&key, label.as_ref())
    {
        return Ok(entry);
    }
    let turn = connection.turn(&shared.links_of_addresses, connection.visitor(&parts.headers));
    let turn = turn.ok_or_else(|| Refusal::busy("too many links come from this network"))?;
    let berth = shared.let_in(key, turn, label.as_ref()).await?;
    let (session, link) = Session::begin(dialect, &shared.tasks);
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let mut token =
        HeaderValue::from_str(&token).map_err(|_| Refusal::busy("no session can begin now"))?;
    token.set_sensitive(true);
    let entry = Entry { session, token, key, label };
    if let Some(other) = shared.polls.add(entry.clone())? {
        return Ok(other);
    }
    let (polls, links) = (shared.polls.clone(), shared.links.clone());
    shared.tasks.spawn(hold(polls, links, entry.clone(), berth, link));
    Ok(entry)
}

/// Keeps a session until its link ends.
async fn hold(polls: Polls, links: Links, entry: Entry, berth: Berth, link: Link) {
    let (key, carrier) = (berth.key(), link.carrier());
    tracing::info!(%key, %carrier, "A link is up");
    let forgotten = ForgetOnDrop(polls, digest(&entry.token));
    let end = links.hold(berth, entry.label, link).await;
    drop(forgotten);
    tracing::info!(%key, %carrier, ?end, "A link has ended");
}

struct ForgetOnDrop(Polls, Digest);

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        self.0.sessions().remove(&self.1);
    }
}

impl Polls {
    fn sessions(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, digest: &Digest) -> Option<Entry> {
        self.sessions().get(digest).cloned()
    }

    /// Returns the session that a classic peer has already: it may know nothing of its token.
    fn classic(&self, key: &PublicKey, label: Option<&Label>) -> Option<Entry> {
        classic(&self.sessions(), key, label)
    }

    /// Adds a session. Those of the same peer that nobody polls any more give way: a page that was
    /// loaded again begins anew, and visitors shall not wait for the old one.
    ///
    /// Two first POSTs of a classic peer may come at once. The second gets the session of the first,
    /// which is returned: visitors would wait in vain on one that no later POST finds.
    fn add(&self, entry: Entry) -> Result<Option<Entry>, Refusal> {
        if self.0.stopping.load(Ordering::SeqCst) {
            return Err(Refusal::busy("the gateway stops"));
        }
        let mut sessions = self.sessions();
        if entry.session.dialect() == Dialect::Classic
            && let Some(other) = classic(&sessions, &entry.key, entry.label.as_ref())
        {
            return Ok(Some(other));
        }
        for other in sessions.values() {
            if other.is_of(&entry.key, entry.label.as_ref()) && other.session.is_abandoned() {
                other.session.end(None);
            }
        }
        sessions.insert(digest(&entry.token), entry);
        drop(sessions);
        if self.0.stopping.load(Ordering::SeqCst) {
            self.stop();
        }
        Ok(None)
    }

    /// Notes that a name was released; the links that carry only this one end.
    pub(crate) fn release(&self, key: &PublicKey, label: &Label) {
        for entry in self.sessions().values() {
            if entry.is_of(key, Some(label)) {
                entry.session.say(Farewell::Released);
            }
        }
    }

    /// Ends all sessions: without new requests they can deliver nothing any more.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        for entry in self.sessions().values() {
            entry.session.end(Some(Farewell::Stopping));
        }
    }
}

impl Entry {
    fn is_of(&self, key: &PublicKey, label: Option<&Label>) -> bool {
        self.key == *key && self.label.as_ref() == label
    }
}

fn classic(
    sessions: &HashMap<Digest, Entry>,
    key: &PublicKey,
    label: Option<&Label>,
) -> Option<Entry> {
    let mut fitting = sessions.values().filter(|entry| {
        entry.is_of(key, label)
            && entry.session.dialect() == Dialect::Classic
            && !entry.session.is_over()
    });
    fitting.next().cloned()
}

#[cfg(test)]
mod tests {
    use crosstalk::proof::PrivateKey;
    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn two_first_posts_of_a_classic_peer_at_once_begin_one_session() {
        let (polls, tasks) = (Polls::default(), TaskTracker::new());
        let key = PrivateKey::generate().public();
        let entry = |dialect, token| {
            let (session, link) = Session::begin(dialect, &tasks);
            (Entry { session, token: HeaderValue::from_static(token), key, label: None }, link)
        };
        let (first, _link) = entry(Dialect::Classic, "first");
        let (second, _other) = entry(Dialect::Classic, "second");
        assert!(polls.add(first).unwrap_or_else(|_| panic!("refused")).is_none());
        let found = polls.add(second).unwrap_or_else(|_| panic!("refused"));
        assert_eq!(found.map(|entry| entry.token), Some(HeaderValue::from_static("first")));
        assert_eq!(polls.sessions().len(), 1);
        // Who keeps its token may have several.
        let (third, _third) = entry(Dialect::Second, "third");
        assert!(polls.add(third).unwrap_or_else(|_| panic!("refused")).is_none());
    }
}

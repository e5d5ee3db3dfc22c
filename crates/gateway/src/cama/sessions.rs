//! All relay sessions of a gateway: found by their id, counted, and swept away when their time is over.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use crosstalk::proof::PublicKey;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    crowd::{Held, who_gives_way},
    session::{Permission, Refused, Session, Side, Ticket},
    transfer::Parcel,
};
use crate::{addresses::Turn, limits};

/// 128 random bits: the id of a session, or its token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Secret([u8; 16]);

impl Secret {
    fn new() -> Self {
        Self(rand::random())
    }

    /// Reads what [`Self::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Not so long that decoding it costs anything.
        let bytes =
            (text.len() == 22).then(|| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns it as 22 characters that need no escaping anywhere.
    pub(super) fn text(self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// All sessions of a gateway. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    state: Arc<Mutex<State>>,
    under_way: Arc<AtomicU32>,
}

#[derive(Default)]
struct State {
    all: HashMap<Secret, Arc<Entry>>,
    owners: HashMap<PublicKey, usize>,
    /// Whoever has as many as this needs not ask again before then.
    hopeless: Option<(usize, Instant)>,
    stopping: bool,
}

/// One session.
pub(super) struct Entry {
    pub(super) id: Secret,
    token: Secret,
    state: Mutex<Session<oneshot::Sender<Box<Parcel>>, Box<Parcel>>>,
    /// Cancelled when those who wait shall not wait any more.
    pub(super) over: CancellationToken,
    /// Cancelled when what is being relayed shall end, too; `over` follows it.
    pub(super) cut: CancellationToken,
    owner: Option<PublicKey>,
    turn: Turn,
}

/// Somebody's place in a session, which is free again when this is dropped.
pub(super) struct Seat {
    entry: Arc<Entry>,
    ticket: Ticket,
    /// What is under way counts for the address that it comes from.
    _turn: Turn,
}

/// A body on its way, which counts as one until this is dropped.
pub(super) struct UnderWay(Arc<AtomicU32>);

impl UnderWay {
    /// Returns how long to wait between two looks at its receiver's socket.
    pub(super) fn pause(&self) -> Duration {
        limits::RELAY_LOOK * (self.0.load(Ordering::Relaxed) / limits::RELAY_LOOKED_AT + 1)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why there is no new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSession {
    #[error("the gateway has as many sessions as it can")]
    Full,
    #[error("you have as many sessions as you may; delete some")]
    TooMany,
    #[error("the gateway stops")]
    Stopping,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. Where there is no room, idle ones of networks that have more give way.
    pub(super) fn allocate(
        &self,
        owner: Option<PublicKey>,
        turn: Turn,
        lifetime: Duration,
        permission: Permission,
    ) -> Result<Arc<Entry>, NoSession> {
        let now = Instant::now();
        let session = Session::new(now, lifetime, permission);
        let mut state = self.state();
        if state.stopping {
            return Err(NoSession::Stopping);
        }
        let owned = owner.and_then(|owner| state.owners.get(&owner)).copied();
        if owned.is_some_and(|count| count >= limits::SESSIONS_PER_OWNER) {
            return Err(NoSession::TooMany);
        }
        let given = match state.all.len() >= limits::MAX_SESSIONS {
            true => state.make_room(turn.count().saturating_sub(1), now)?,
            false => Vec::new(),
        };
        if let Some(owner) = owner {
            *state.owners.entry(owner).or_default() += 1;
        }
        let cut = CancellationToken::new();
        let entry = Arc::new(Entry {
            id: Secret::new(),
            token: Secret::new(),
            state: Mutex::new(session),
            over: cut.child_token(),
            cut,
            owner,
            turn,
        });
        state.all.insert(entry.id, entry.clone());
        drop(state);
        for entry in given {
            entry.cut.cancel();
        }
        Ok(entry)
    }

    /// Finds a session whose time is not over.
    pub(super) fn find(&self, id: &Secret) -> Option<Arc<Entry>> {
        let entry = self.state().all.get(id).cloned()?;
        if entry.state().is_over(Instant::now()) {
            self.delete(&entry);
            return None;
        }
        Some(entry)
    }

    /// Ends a session and everything that is under way in it.
    pub(super) fn delete(&self, entry: &Entry) {
        self.state().remove(&entry.id);
        entry.cut.cancel();
    }

    /// Ends the sessions whose time is over, again and again.
    pub(crate) async fn sweep(&self, stop: CancellationToken) {
        let pause = || tokio::time::sleep(limits::SESSION_SWEEP);
        while stop.run_until_cancelled(pause()).await.is_some() {
            self.sweep_once(Instant::now());
        }
    }

    fn sweep_once(&self, now: Instant) {
        let mut state = self.state();
        let is_over = |entry: &&Arc<Entry>| entry.state().is_over(now);
        let over: Vec<_> = state.all.values().filter(is_over).cloned().collect();
        for entry in &over {
            state.remove(&entry.id);
        }
        drop(state);
        for entry in over {
            entry.cut.cancel();
        }
    }

    /// Counts one more body on its way, in a session or handed over by a peer.
    pub(super) fn under_way(&self) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.under_way.clone())
    }

    /// Ends everybody's wait and begins no more sessions; what is being relayed goes on.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopping = true;
        let all = std::mem::take(&mut state.all);
        state.owners.clear();
        drop(state);
        for entry in all.into_values() {
            entry.over.cancel();
        }
    }

    /// Returns how many sessions there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.state().all.len()
    }
}

impl State {
    /// Takes out sessions of those who have more than who asks, which has `own` of them.
    fn make_room(&mut self, own: usize, now: Instant) -> Result<Vec<Arc<Entry>>, NoSession> {
        if self.hopeless.is_some_and(|(least, until)| own >= least && now < until) {
            return Err(NoSession::Full);
        }
        let all = self.all.values().map(|entry| Held {
            id: entry.id,
            network: entry.turn.network(),
            idle_since: entry.state().idle_since(),
        });
        let chosen = who_gives_way(all, own);
        if chosen.is_empty() {
            self.hopeless = Some((own, now + limits::SESSIONS_LOOK));
            return Err(NoSession::Full);
        }
        Ok(chosen.iter().filter_map(|id| self.remove(id)).collect())
    }

    fn remove(&mut self, id: &Secret) -> Option<Arc<Entry>> {
        let entry = self.all.remove(id)?;
        if let Some(owner) = entry.owner
            && let Some(count) = self.owners.get_mut(&owner)
        {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(&owner);
            }
        }
        Some(entry)
    }
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, Session<oneshot::Sender<Box<Parcel>>, Box<Parcel>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether somebody has the token.
    pub(super) fn is_token(&self, token: &Secret) -> bool {
        bool::from(self.token.0.ct_eq(&token.0))
    }

    /// Returns the token, for the one answer that tells it and those that renew its cookie.
    pub(super) fn token(&self) -> Secret {
        self.token
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.state().lifetime()
    }

    pub(super) fn permission(&self) -> Permission {
        self.state().permission()
    }

    pub(super) fn permit(&self, address: IpAddr) -> Result<(), Refused> {
        self.state().permit(address)
    }

    pub(super) fn check(&self, side: Side, address: IpAddr) -> Result<(), Refused> {
        self.state().check(side, address)
    }

    /// Takes the place to receive: what a sender offers is there already, or comes.
    pub(super) fn receive(
        self: &Arc<Self>,
        side: Side,
        turn: Turn,
    ) -> Result<(Seat, oneshot::Receiver<Box<Parcel>>), Refused> {
        let (sender, receiver) = oneshot::channel();
        let (ticket, parcel) = self.state().receive(side, sender)?;
        let seat = Seat { entry: self.clone(), ticket, _turn: turn };
        let Some(parcel) = parcel else { return Ok((seat, receiver)) };
        let (sender, receiver) = oneshot::channel();
        // It waits in the channel whose other end is here.
        drop(sender.send(parcel));
        Ok((seat, receiver))
    }

    /// Takes the place to send.
    pub(super) fn send(self: &Arc<Self>, side: Side, turn: Turn) -> Result<Seat, Refused> {
        let ticket = self.state().send(side)?;
        Ok(Seat { entry: self.clone(), ticket, _turn: turn })
    }

    /// Offers what a sender has to whoever receives.
    pub(super) fn offer(&self, mut parcel: Box<Parcel>) {
        loop {
            let sender = parcel.sender;
            let Some((receiver, taken)) = self.state().offer(sender, parcel) else { return };
            // A receiver that is just leaving does not take it.
            match receiver.send(taken) {
                Ok(()) => return,
                Err(back) => parcel = back,
            }
        }
    }
}

impl Seat {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Takes back what was offered; returns whether it was still there.
    pub(super) fn withdraw(&self) -> bool {
        self.entry.state().withdraw(self.ticket).is_some()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.entry.state().leave(self.ticket, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use crosstalk::proof::PrivateKey;

    use super::*;
    use crate::addresses::Addresses;

    const HOUR: Duration = Duration::from_secs(3600);

    fn allocate(sessions: &Sessions, owner: Option<PublicKey>) -> Result<Arc<Entry>, NoSession> {
        let turn = Addresses::new(1).uncounted();
        sessions.allocate(owner, turn, HOUR, Permission::Anybody)
    }

    #[test]
    fn an_owner_has_as_many_as_one_may_and_gets_them_back() {
        let sessions = Sessions::default();
        let owner = Some(PrivateKey::generate().public());
        let mut entries = Vec::new();
        for _ in 0..limits::SESSIONS_PER_OWNER {
            entries.push(allocate(&sessions, owner).unwrap_or_else(|why| panic!("{why}")));
        }
        assert_eq!(allocate(&sessions, owner).err(), Some(NoSession::TooMany));
        let other = Some(PrivateKey::generate().public());
        assert!(allocate(&sessions, other).is_ok());
        // Twice for one session gives one place.
        sessions.delete(&entries[0]);
        sessions.delete(&entries[0]);
        assert!(allocate(&sessions, owner).is_ok());
        assert_eq!(allocate(&sessions, owner).err(), Some(NoSession::TooMany));
        sessions.sweep_once(Instant::now() + HOUR);
        assert_eq!(sessions.len(), 0);
        assert!(sessions.state().owners.is_empty());
        assert!(entries[1].over.is_cancelled());
    }

    #[test]
    fn a_few_networks_that_have_everything_keep_nobody_out() {
        let sessions = Sessions::default();
        let networks = Addresses::new(limits::SESSIONS_PER_ADDRESS);
        let allocate = |network: u8| {
            let turn = networks.enter([192, 0, 2, network].into()).ok_or(NoSession::TooMany)?;
            sessions.allocate(None, turn, HOUR, Permission::Anybody)
        };
        let mut all = Vec::new();
        for number in 0..limits::MAX_SESSIONS {
            all.push(allocate((number % 40) as u8).unwrap_or_else(|why| panic!("{why}")));
        }
        // One of them does not get more, and nobody else is kept out by its asking.
        assert_eq!(allocate(7).err(), Some(NoSession::Full));
        assert_eq!(allocate(7).err(), Some(NoSession::Full));
        let late: Vec<_> = (0..2).map(|_| allocate(99).unwrap_or_else(|w| panic!("{w}"))).collect();
        let gone = all.iter().filter(|entry| entry.over.is_cancelled()).count();
        assert_eq!(gone, limits::SESSIONS_GIVING_WAY);
        assert_eq!(sessions.len(), limits::MAX_SESSIONS - gone + late.len());
        assert!(late.iter().all(|entry| !entry.over.is_cancelled()));
    }

    #[test]
    fn looks_at_sockets_cost_no_more_the_more_there_are() {
        let sessions = Sessions::default();
        let one = sessions.under_way();
        assert_eq!(one.pause(), limits::RELAY_LOOK);
        let many: Vec<_> = (0..10_000).map(|_| sessions.under_way()).collect();
        let looks_each_second = 10_001.0 / one.pause().as_secs_f64();
        assert!(looks_each_second < 2_000.0, "{looks_each_second}");
        drop(many);
        assert_eq!(one.pause(), limits::RELAY_LOOK);
    }

    #[test]
    fn secrets_are_128_bits_in_22_characters() {
        let secret = Secret::new();
        assert_eq!(secret.text().len(), 22);
        assert!(Secret::parse(&secret.text()) == Some(secret));
        for bad in ["", "a", &"a".repeat(23), "aaaaaaaaaaaaaaaaaaaaa=", "aaaaaaaaaaaaaaaaaaaaa/"] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
        assert_ne!(Secret::new().text(), secret.text());
    }

    #[tokio::test]
    async fn a_gateway_that_stops_ends_waits_and_not_what_is_relayed() {
        let sessions = Sessions::default();
        let entry = allocate(&sessions, None).unwrap_or_else(|why| panic!("{why}"));
        sessions.stop();
        assert!(entry.over.is_cancelled() && !entry.cut.is_cancelled());
        assert!(sessions.find(&entry.id).is_none());
        assert_eq!(allocate(&sessions, None).err(), Some(NoSession::Stopping));
    }
}

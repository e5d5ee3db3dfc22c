//! Fairness between accounts and between servers: how many of something each has, and how often it
//! comes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crosstalk::xmpp::BareJid;
use tokio::time::Instant;

use crate::{addresses::Share, limits, members::pace::Pace};

/// Counts links, rounds of questions, proofs in them and hellos, of each account and of all accounts of each server.
#[derive(Clone)]
pub(super) struct Counts {
    links: [Places; 2],
    questions: [Places; 2],
    proofs: [Places; 2],
    hellos: [Paces; 2],
}

type Places = Arc<Mutex<HashMap<String, usize>>>;
type Paces = Arc<Mutex<HashMap<String, Pace>>>;

const ACCOUNTS: usize = 0;
const SERVERS: usize = 1;

/// A link of an account, a round of questions or a proof; it counts until this is dropped.
pub(super) struct Turn {
    taken: Vec<(Places, String)>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            links: Default::default(),
            questions: Default::default(),
            proofs: Default::default(),
            hellos: Default::default(),
        }
    }

    /// Returns whether an account may say hello now.
    pub(super) fn hears(&self, jid: &BareJid, now: Instant) -> bool {
        let (account, server) = keys(jid);
        // Who is too quick alone takes nothing from the others of the server, and no server fills the
        // list of accounts with ever new ones.
        !is_too_quick(&self.hellos[ACCOUNTS], &account, now)
            && allows(
                &self.hellos[SERVERS],
                server,
                (limits::SERVER_HELLO_BURST, limits::SERVER_HELLO_PACE),
                now,
            )
            && allows(
                &self.hellos[ACCOUNTS],
                account,
                (limits::HELLO_BURST, limits::HELLO_PACE),
                now,
            )
    }

    /// Counts one more link, or returns `None` when there are as many as there may be.
    pub(super) fn enter(&self, jid: &BareJid) -> Option<Turn> {
        let most = [limits::LINKS_PER_ACCOUNT, limits::LINKS_PER_SERVER];
        take(&self.links, jid, most)
    }

    /// The same for one more round of questions.
    pub(super) fn ask(&self, jid: &BareJid) -> Option<Turn> {
        let most = [limits::QUESTIONS_PER_ACCOUNT, limits::QUESTIONS_PER_SERVER];
        take(&self.questions, jid, most)
    }

    /// Returns how many proofs an account may show with its questions.
    pub(super) fn proofs(&self, jid: &BareJid) -> Share {
        let (proofs, jid) = (self.proofs.clone(), jid.clone());
        let most = [limits::PROOFS_PER_ACCOUNT, limits::PROOFS_PER_SERVER];
        Share::new(move || take(&proofs, &jid, most))
    }
}

fn take(all: &[Places; 2], jid: &BareJid, most: [usize; 2]) -> Option<Turn> {
    let (account, server) = keys(jid);
    let mut turn = Turn { taken: Vec::with_capacity(2) };
    for ((places, key), limit) in all.iter().zip([account, server]).zip(most) {
        let mut counts = places.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        turn.taken.push((places.clone(), key));
    }
    Some(turn)
}

impl Drop for Turn {
    fn drop(&mut self) {
        for (places, key) in &self.taken {
            let mut counts = places.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }
}

fn keys(jid: &BareJid) -> (String, String) {
    (jid.to_string(), jid.domain().to_string())
}

/// Returns whether somebody is remembered who has to wait. Nobody is remembered for that.
fn is_too_quick(paces: &Paces, key: &str, now: Instant) -> bool {
    let mut paces = paces.lock().unwrap_or_else(PoisonError::into_inner);
    paces.get_mut(key).is_some_and(|pace| pace.is_empty(now))
}

fn allows(paces: &Paces, key: String, (burst, every): (u32, Duration), now: Instant) -> bool {
    let mut paces = paces.lock().unwrap_or_else(PoisonError::into_inner);
    if paces.len() >= limits::MAX_PACED && !paces.contains_key(&key) {
        // Who has been quiet long enough is as good as unknown.
        paces.retain(|_, pace| !pace.is_full(now));
        if paces.len() >= limits::MAX_PACED {
            return false;
        }
    }
    paces.entry(key).or_insert_with(|| Pace::new(burst, every, now)).allows(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_and_a_server_have_their_limits_and_get_their_turns_back() {
        let counts = Counts::new();
        let anna = jid("anna@a.example");
        let turns: Vec<_> = (0..limits::LINKS_PER_ACCOUNT).map(|_| counts.enter(&anna)).collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(counts.enter(&anna).is_none());
        let of = |number: usize| jid(&format!("user-{number}@a.example"));
        let left = limits::LINKS_PER_SERVER - limits::LINKS_PER_ACCOUNT;
        let others: Vec<_> = (0..left).map(|number| counts.enter(&of(number))).collect();
        assert!(others.iter().all(Option::is_some));
        assert!(counts.enter(&of(left)).is_none(), "the server has its share");
        assert!(counts.enter(&jid("ben@b.example")).is_some());
        drop((turns, others));
        assert!(counts.links.iter().all(|places| places.lock().unwrap().is_empty()));
    }

    #[test]
    fn who_says_hello_again_and_again_is_not_heard_and_takes_nothing_from_others() {
        let (counts, now) = (Counts::new(), Instant::now());
        let (anna, ben) = (jid("anna@a.example"), jid("ben@a.example"));
        let heard = (0..1000).filter(|_| counts.hears(&anna, now)).count();
        assert_eq!(heard, limits::HELLO_BURST as usize);
        assert!(counts.hears(&ben, now));
        assert!(counts.hears(&anna, now + limits::HELLO_PACE));
    }

    #[test]
    fn a_server_with_ever_new_accounts_keeps_nobody_of_another_server_out() {
        let (counts, now) = (Counts::new(), Instant::now());
        let heard = (0..limits::MAX_PACED + 1)
            .filter(|number| counts.hears(&jid(&format!("user-{number}@a.example")), now))
            .count();
        assert_eq!(heard, limits::SERVER_HELLO_BURST as usize);
        assert!(counts.hears(&jid("ben@b.example"), now));
    }

    #[test]
    fn who_asks_and_asks_leaves_room_for_others() {
        let counts = Counts::new();
        let anna = jid("anna@a.example");
        let asked: Vec<_> = (0..limits::MAX_KNOCKS).filter_map(|_| counts.ask(&anna)).collect();
        assert_eq!(asked.len(), limits::QUESTIONS_PER_ACCOUNT);
        let of = |number: usize| jid(&format!("user-{number}@a.example"));
        let others = (0..limits::MAX_KNOCKS).filter_map(|number| counts.ask(&of(number)));
        let others: Vec<_> = others.collect();
        assert!(asked.len() + others.len() <= limits::MAX_KNOCKS / 2);
        assert!(counts.ask(&jid("ben@b.example")).is_some());
        assert!(counts.enter(&anna).is_some(), "links are counted apart");
        drop((asked, others));
        assert!(counts.questions.iter().all(|places| places.lock().unwrap().is_empty()));
    }

    #[test]
    fn accounts_of_one_server_that_show_all_its_proofs_leave_room_for_others() {
        let counts = Counts::new();
        let accounts = limits::PROOFS_PER_SERVER / limits::PROOFS_PER_ACCOUNT;
        let shown = (0..=accounts).flat_map(|number| {
            let theirs = counts.proofs(&jid(&format!("user-{number}@a.example")));
            std::iter::from_fn(move || theirs.take())
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown.len(), limits::PROOFS_PER_SERVER);
        assert!(counts.proofs(&jid("ben@b.example")).take().is_some());
        drop(shown);
        assert!(counts.proofs.iter().all(|places| places.lock().unwrap().is_empty()));
    }

    #[test]
    fn a_flood_of_accounts_is_not_remembered_for_ever() {
        let (paces, now) = (Paces::default(), Instant::now());
        let pace = (1, Duration::from_secs(1));
        for number in 0..limits::MAX_PACED {
            assert!(allows(&paces, number.to_string(), pace, now));
        }
        assert!(!allows(&paces, "one more".to_owned(), pace, now));
        assert!(allows(&paces, "one more".to_owned(), pace, now + Duration::from_secs(2)));
        assert_eq!(paces.lock().unwrap().len(), 1);
    }
}

//! Who is there, and what it can do: directed presence with caps (XEP-0115), and disco#info (XEP-0030).

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crosstalk::xmpp::{BareJid, FullJid, Jid};
use sha1::{Digest as _, Sha1};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use xmpp_parsers::{minidom::Element, ns, stanza_error::DefinedCondition};

use super::{
    CROSSTALK,
    session::{Ask, RequestError, Session},
    stanza,
};

/// The node of a gateway's caps (XEP-0115 §4), by which other gateways know that it only answers.
const GATEWAY_NODE: &str = "urn:veranda:gateway";

/// The node of a peer's caps.
const PEER_NODE: &str = "urn:veranda:peer";

/// What a session of ours can do, in the order of XEP-0115 §5.1.
const FEATURES: [&str; 4] = [ns::CAPS, ns::DISCO_INFO, CROSSTALK, ns::PING];

/// The category and type of our identity (XEP-0030 §3.1): a program that acts on its own.
const IDENTITY: (&str, &str) = ("client", "bot");

/// The name of our identity.
const NAME: &str = "Veranda";

/// How many presences of one account wait for [`Session::meet`]; a person has a handful of devices.
pub(super) const SEEN: usize = 16;

/// How many presences of an account are looked at until it is given up: more is a flood.
const MOST_SEEN: usize = 4 * SEEN;

/// How long a session may take to say what it can do, when its caps do not.
const QUESTION: Duration = Duration::from_secs(5);

/// How long until a greeting is repeated: no server keeps one for somebody who logs in just then.
const AGAIN: Duration = Duration::from_secs(2);

/// After something answered that is no gateway: how long a gateway beside it is still waited for.
const BESIDE: Duration = Duration::from_secs(2);

/// What another end says it is (XEP-0115 §4). Only a claim, and of a hash of which many are guessable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Software {
    /// The address of the program's kind.
    pub(crate) node: String,
    /// The hash of what it can do, in base64.
    pub(crate) ver: String,
}

/// Why an account's gateway cannot be talked to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MeetError {
    /// Nobody answered: it is not logged in, or not reachable just now.
    #[error("the gateway is not online")]
    Offline,
    /// Somebody is there who does not speak CrossTalk.
    #[error("what answers at this address is not a gateway")]
    NotAGateway,
    /// The servers do not reach each other, or forbid it; in a server's words if it has any.
    #[error("the servers do not let this through: {0}")]
    Unreachable(String),
    /// Our own session has ended meanwhile.
    #[error("the own connection to the server is gone")]
    Ended,
}

/// What somebody who meets an account is told of it.
#[derive(Debug)]
pub(super) enum Seen {
    /// A session of it is there.
    Available(FullJid, Option<Software>),
    /// A server says that it cannot be.
    Error(DefinedCondition, Option<String>),
}

impl Software {
    /// Reads it out of a presence.
    pub(super) fn of(presence: &Element) -> Option<Self> {
        let caps = presence.get_child("c", ns::CAPS)?;
        let (node, ver) = (caps.attr("node")?.to_owned(), caps.attr("ver")?.to_owned());
        Some(Self { node, ver })
    }

    /// Returns whether this says that it is a gateway of ours, which greets nobody first.
    pub(super) fn is_gateway(&self) -> bool {
        self.node == GATEWAY_NODE
    }

    /// Returns whether it can do exactly what we can.
    fn is_ours(&self) -> bool {
        self.ver == ver()
    }
}

/// The hash of what we can do (XEP-0115 §5.1).
fn ver() -> String {
    let (category, kind) = IDENTITY;
    let mut text = format!("{category}/{kind}//{NAME}<");
    for feature in FEATURES {
        text.push_str(feature);
        text.push('<');
    }
    BASE64_STANDARD.encode(Sha1::digest(text))
}

/// What a presence of ours carries.
pub(super) fn caps(is_gateway: bool) -> Element {
    let mut caps = Element::bare("c", ns::CAPS);
    let node = if is_gateway { GATEWAY_NODE } else { PEER_NODE };
    for (name, value) in [("hash", "sha-1"), ("node", node), ("ver", &ver())] {
        stanza::set_attribute(&mut caps, name, value);
    }
    caps
}

/// Answers what we can do; `None` when something is asked for that we do not have.
pub(super) fn disco_info(query: &Element) -> Option<Element> {
    let mut info = Element::bare("query", ns::DISCO_INFO);
    if let Some(node) = query.attr("node") {
        let (kind, hash) = node.rsplit_once('#')?;
        if ![GATEWAY_NODE, PEER_NODE].contains(&kind) || hash != ver() {
            return None;
        }
        stanza::set_attribute(&mut info, "node", node);
    }
    let mut identity = Element::bare("identity", ns::DISCO_INFO);
    let (category, kind) = IDENTITY;
    for (name, value) in [("category", category), ("type", kind), ("name", NAME)] {
        stanza::set_attribute(&mut identity, name, value);
    }
    info.append_child(identity);
    for name in FEATURES {
        let mut feature = Element::bare("feature", ns::DISCO_INFO);
        stanza::set_attribute(&mut feature, "var", name);
        info.append_child(feature);
    }
    Some(info)
}

/// Greets an account and waits for the session of it that is a gateway.
pub(super) async fn meet(
    session: &Session,
    to: &BareJid,
    deadline: Duration,
) -> Result<FullJid, MeetError> {
    let mut deadline = Instant::now() + deadline;
    let (tell, mut seen) = mpsc::channel(SEEN);
    session.watch(to.clone(), tell).map_err(|_| MeetError::Ended)?;
    session.greet(&Jid::from(to.clone()));
    let mut again = Instant::now() + AGAIN;
    let mut met = None;
    let mut others = BTreeSet::new();
    let mut looked_at = 0;
    loop {
        // Whoever answered last is the newest, as far as answers are already here.
        let next = match (&met, seen.try_recv()) {
            (_, Ok(next)) => next,
            (Some(_), Err(_)) => return met.ok_or(MeetError::Offline),
            (None, Err(_)) => match timeout_at(deadline.min(again), seen.recv()).await {
                Ok(Some(next)) => next,
                Ok(None) => return Err(MeetError::Ended),
                Err(_) if Instant::now() < deadline => {
                    session.greet(&Jid::from(to.clone()));
                    again = Instant::now() + AGAIN;
                    continue;
                }
                Err(_) if others.is_empty() => return Err(MeetError::Offline),
                Err(_) => return Err(MeetError::NotAGateway),
            },
        };
        looked_at += 1;
        if looked_at > MOST_SEEN {
            return met.ok_or(MeetError::NotAGateway);
        }
        match next {
            Seen::Available(jid, software) => {
                if speaks_crosstalk(session, &jid, software.as_ref(), deadline).await {
                    met = Some(jid);
                } else if others.insert(jid) {
                    deadline = deadline.min(Instant::now() + BESIDE);
                }
            }
            Seen::Error(condition, text) if met.is_none() => {
                return Err(MeetError::Unreachable(
                    text.filter(|text| !text.is_empty()).unwrap_or_else(|| say(&condition)),
                ));
            }
            Seen::Error(..) => {}
        }
    }
}

/// Asks a session what it can do, unless its caps have said so.
async fn speaks_crosstalk(
    session: &Session,
    jid: &FullJid,
    software: Option<&Software>,
    deadline: Instant,
) -> bool {
    if software.is_some_and(Software::is_ours) {
        return true;
    }
    let mut query = Element::bare("query", ns::DISCO_INFO);
    if let Some(software) = software {
        let node = format!("{}#{}", software.node, software.ver);
        stanza::set_attribute(&mut query, "node", &node);
    }
    let patience = QUESTION.min(deadline.saturating_duration_since(Instant::now()));
    let to = Jid::from(jid.clone());
    match session.request(Some(&to), Ask::Get, &query, patience).await {
        Ok(Some(info)) => info.children().any(|child| {
            child.is("feature", ns::DISCO_INFO) && child.attr("var") == Some(CROSSTALK)
        }),
        Ok(None)
        | Err(RequestError::Refused { .. } | RequestError::TimedOut | RequestError::Ended) => false,
    }
}

/// A condition in words, for when a server leaves out its own.
fn say(condition: &DefinedCondition) -> String {
    Element::from(condition.clone()).name().replace('-', " ")
}

#[cfg(test)]
mod tests {
    use xmpp_parsers::{
        caps::{compute_disco, hash_caps},
        disco::DiscoInfoResult,
        hashes::Algo,
    };

    use super::*;

    #[test]
    fn the_hash_is_that_of_what_is_answered() {
        let info = disco_info(&Element::bare("query", ns::DISCO_INFO)).unwrap();
        let info = DiscoInfoResult::try_from(info).unwrap();
        let hash = hash_caps(&compute_disco(&info), Algo::Sha_1).unwrap();
        assert_eq!(BASE64_STANDARD.encode(hash.hash), ver());
        assert!(info.features.contains("urn:veranda:crosstalk:2"));
    }

    #[test]
    fn what_was_said_in_caps_can_be_asked_and_nothing_else() {
        let mut query = Element::bare("query", ns::DISCO_INFO);
        stanza::set_attribute(&mut query, "node", &format!("{PEER_NODE}#{}", ver()));
        assert!(disco_info(&query).is_some());
        for node in ["x", "urn:veranda:peer#x", &format!("urn:other#{}", ver())] {
            stanza::set_attribute(&mut query, "node", node);
            assert!(disco_info(&query).is_none(), "{node}");
        }
    }
}

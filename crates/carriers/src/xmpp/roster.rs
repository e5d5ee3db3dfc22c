//! The contacts of an account, as its server keeps them (RFC 6121 §2).

use std::time::Duration;

use crosstalk::xmpp::BareJid;
use xmpp_parsers::minidom::Element;

use super::{Session, session::Ask};

/// The namespace of rosters (RFC 6121 §2.1).
const ROSTER: &str = "jabber:iq:roster";

/// How long the server may take to answer: a long list over a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Asks for the contacts of an account. Cheap to clone; it keeps the session.
#[derive(Clone)]
pub struct Roster(Session);

/// The server did not say who the contacts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server does not say who the contacts of the account are")]
pub struct RosterError;

impl Roster {
    pub(super) fn of(session: Session) -> Self {
        Self(session)
    }

    /// Returns the contacts. Strangers who only asked to become one are not among them (RFC 6121
    /// §3.1.3).
    ///
    /// # Errors
    /// When the session has ended, or the server does not answer in time.
    pub async fn contacts(&self) -> Result<Vec<BareJid>, RosterError> {
        let query = Element::bare("query", ROSTER);
        let asked = self.0.request(None, Ask::Get, &query, ANSWER_TIMEOUT).await;
        let answer = asked.map_err(|error| {
            tracing::debug!(%error, "No roster");
            RosterError
        })?;
        // A server may answer that nothing changed since a version (§2.6), which we never name.
        answer.as_ref().map(read).ok_or(RosterError)
    }
}

fn read(answer: &Element) -> Vec<BareJid> {
    let items = answer.children().filter(|child| child.is("item", ROSTER));
    let stays = |item: &&Element| !matches!(item.attr("subscription"), Some("remove"));
    items.filter(stays).filter_map(|item| item.attr("jid")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_who_the_account_itself_has() {
        let answer = "<query xmlns='jabber:iq:roster' ver='7'>
            <item jid='Anna@a.example' subscription='both'><group>Friends</group></item>
            <item jid='ben@b.example' subscription='none' ask='subscribe'/>
            <item jid='eve@e.example' subscription='remove'/>
            <item jid='not a jid'/><item/>
            <item xmlns='urn:other' jid='mallory@m.example'/>
        </query>";
        let contacts = read(&answer.parse().unwrap());
        let names: Vec<_> = contacts.iter().map(|jid| jid.as_str()).collect();
        assert_eq!(names, ["anna@a.example", "ben@b.example"]);
    }
}

//! Who may publish.

use std::collections::HashSet;

use carriers::xmpp::roster::Roster;
use crosstalk::{registry::Reason, xmpp::BareJid};
use http::StatusCode;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    XmppAdmission, XmppAdmit,
    list::{Allowed, Invites, ListError, Watched},
};
use crate::{
    limits,
    names::{NameError, Names},
    refusal::Refusal,
};

/// Decides who may publish.
pub(super) struct Policy {
    admit: XmppAdmit,
    allow: Option<Watched<Allowed>>,
    invites: Option<Watched<Invites>>,
    /// Remembers who came with an invitation.
    names: Names,
    /// What the server said last of the account's contacts, and when; nothing when it said nothing.
    /// Held while it is asked, so that a crowd of strangers is one question.
    contacts: Mutex<Option<(Instant, Option<HashSet<BareJid>>)>>,
}

/// Why somebody may publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// They are known.
    Known,
    /// They bring a code, which has to be [used up](Policy::redeem) first.
    Invited(Code),
}

/// The hash of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code([u8; 32]);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(..)")
    }
}

impl Policy {
    pub(super) fn open(admission: &XmppAdmission, names: Names) -> Result<Self, ListError> {
        let allow = admission.allow.as_deref().map(Watched::open).transpose()?;
        let invites = admission.invites.as_deref().map(Watched::open).transpose()?;
        Ok(Self { admit: admission.admit, allow, invites, names, contacts: Mutex::new(None) })
    }

    /// Decides about an account, from the cheapest question to the dearest. The server vouches for
    /// whose account it is.
    pub(super) async fn admit(
        &self,
        jid: &BareJid,
        invite: Option<&str>,
        roster: &Roster,
    ) -> Result<Admitted, Refusal> {
        let allow = match &self.allow {
            Some(allow) => Some(allow.now().await),
            None => None,
        };
        if allow.as_ref().is_some_and(|allow| allow.forbids(jid)) {
            return Err(not_admitted(NOT_LISTED));
        }
        let is_listed = allow.as_ref().is_some_and(|allow| allow.has(jid));
        if self.admit == XmppAdmit::Open || is_listed {
            return Ok(Admitted::Known);
        }
        if self.admit == XmppAdmit::Invite {
            match self.names.is_guest(jid.as_str()).await {
                Ok(()) => return Ok(Admitted::Known),
                Err(NameError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Before the roster, so that who is invited needs no server that answers.
        let code = self.code(invite).await;
        if let Some(code) = code {
            return Ok(Admitted::Invited(code));
        }
        if self.is_contact(jid, roster).await? {
            return Ok(Admitted::Known);
        }
        Err(not_admitted(match (self.admit, invite) {
            (XmppAdmit::Invite, Some(_)) => UNKNOWN_CODE,
            (XmppAdmit::Invite, None) => NOT_INVITED,
            (XmppAdmit::List | XmppAdmit::Open, _) => NOT_LISTED,
        }))
    }

    /// Uses a code up; the account is known from then on.
    pub(super) async fn redeem(&self, jid: &BareJid, Code(code): Code) -> Result<(), Refusal> {
        match self.names.redeem(jid.to_string(), code).await {
            Ok(()) => {
                tracing::info!("An account came in with an invitation, which is used up now");
                Ok(())
            }
            Err(NameError::Used) => Err(not_admitted(UNKNOWN_CODE)),
            Err(error) => Err(error.into()),
        }
    }

    async fn code(&self, invite: Option<&str>) -> Option<Code> {
        let (XmppAdmit::Invite, Some(invites), Some(invite)) = (self.admit, &self.invites, invite)
        else {
            return None;
        };
        invites.now().await.find(invite).map(Code)
    }

    async fn is_contact(&self, jid: &BareJid, roster: &Roster) -> Result<bool, Refusal> {
        let mut known = self.contacts.lock().await;
        let is_fresh = known.as_ref().is_some_and(|(at, _)| at.elapsed() < limits::ROSTER_FRESH);
        if !is_fresh {
            let contacts = timeout(limits::ROSTER_TIMEOUT, roster.contacts()).await;
            let contacts = contacts.ok().and_then(Result::ok);
            if contacts.is_none() {
                tracing::warn!("The server does not say who the contacts of the account are");
            }
            let contacts = contacts.map(HashSet::from_iter);
            *known = Some((Instant::now(), contacts));
        }
        match known.as_ref().and_then(|(_, contacts)| contacts.as_ref()) {
            Some(contacts) => Ok(contacts.contains(jid)),
            None => Err(Refusal::busy("the gateway cannot look at its contacts at the moment")),
        }
    }
}

const NOT_LISTED: &str =
    "its operator has not put your XMPP account on the list of those who may publish here";
const NOT_INVITED: &str = "your XMPP account needs an invitation to publish here";
const UNKNOWN_CODE: &str =
    "this invitation is not known here, or somebody with another account used it";

fn not_admitted(sentence: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, Reason::NotAdmitted, sentence)
}

//! To whom a message goes.

use bytes::Bytes;
use crosstalk::{
    label::Label,
    members::{MAX_TEXT, VISITOR_PREFIX},
    proof::PublicKey,
    registry::Reason,
    taxi::{Header, MAX_HEADER, Recipients, TaxiError, TaxiMessage},
};
use http::StatusCode;

use super::{
    At, Visit, Who,
    owner::{self, Opinion},
};
use crate::{refusal::Refusal, shared::Shared};

/// The longest message of a member.
pub(crate) const MAX_MESSAGE: usize = MAX_HEADER + MAX_TEXT;

/// Why a message did not arrive, as its sender reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unheard {
    #[error("That is no message that can be read: {0}.")]
    Malformed(#[from] TaxiError),
    #[error("That is too long. Shorten it, or send it in parts.")]
    TooLong,
    #[error("That was a lot at once. Wait a little before you write again.")]
    TooFast,
    #[error("The message does not say whom it is for.")]
    ForNobody,
    #[error("Nobody may write to everybody here.")]
    Everybody,
    #[error("You cannot write to them from here.")]
    NotYours,
    #[error("They are not here any more.")]
    NotHere,
    #[error("The owner’s computer is away. Try again later.")]
    Away,
    #[error("The owner takes no messages here.")]
    Mute,
    #[error("{0}")]
    Refused(String),
}

/// Reads a message of a member, and replaces what nobody can believe: who sent it and which way it
/// came.
pub(super) fn read(shared: &Shared, who: &Who, bytes: &Bytes) -> Result<TaxiMessage, Unheard> {
    let message = TaxiMessage::read(bytes)?;
    if message.body.len() > MAX_TEXT {
        return Err(Unheard::TooLong);
    }
    let header = message.header.augmented_by(who.name(), shared.hosts.address().authority());
    Ok(TaxiMessage { header, body: message.body })
}

/// Sends a message on to everybody it is for; returns how many have it.
pub(super) async fn route(
    shared: &Shared,
    who: &Who,
    message: &TaxiMessage,
) -> Result<usize, Unheard> {
    let header = &message.header;
    if header.names_everybody() {
        // A gateway has no operators who could.
        return Err(Unheard::Everybody);
    }
    let none = Recipients::default();
    let users = &header.users.as_ref().unwrap_or(&none).names;
    let groups = &header.groups.as_ref().unwrap_or(&none).names;
    if users.is_empty() && groups.is_empty() {
        return Err(Unheard::ForNobody);
    }
    let bytes = message.write()?;
    match who {
        Who::Visitor { label, visit, .. } => {
            // A visitor knows one person here.
            if !groups.is_empty() || users.iter().any(|user| user != label.as_str()) {
                return Err(Unheard::NotYours);
            }
            to_owner(shared, label, visit, &bytes).await
        }
        Who::Identity(key) => from_identity(shared, key, users, groups, header, &bytes),
    }
}

/// The peer decides; a program of the owner that is a member hears what the peer took, and
/// everything when there is no peer to decide.
async fn to_owner(
    shared: &Shared,
    label: &Label,
    visit: &Visit,
    bytes: &Bytes,
) -> Result<usize, Unheard> {
    let owner = shared.names.owner(label).ok_or(Unheard::NotHere)?;
    let link = shared.links.control(&owner, label);
    let opinion = owner::ask(shared, link, label, visit, bytes.clone()).await;
    if opinion == Opinion::Taken {
        visit.welcome();
    }
    if let Opinion::Refused(sentence) = opinion {
        return Err(if sentence.is_empty() { Unheard::Mute } else { Unheard::Refused(sentence) });
    }
    // Without the tab, which is the visitor's own here.
    let programs = shared.members.deliver(At::Identity(&owner), None, bytes);
    match opinion {
        Opinion::Taken => Ok(1 + programs),
        Opinion::Away | Opinion::None | Opinion::Refused(_) if programs > 0 => Ok(programs),
        Opinion::Away => Err(Unheard::Away),
        Opinion::None | Opinion::Refused(_) => Err(Unheard::Mute),
    }
}

fn from_identity(
    shared: &Shared,
    key: &PublicKey,
    users: &[String],
    groups: &[String],
    header: &Header,
    bytes: &Bytes,
) -> Result<usize, Unheard> {
    let mut reached = 0;
    for group in groups {
        let label = Label::parse(group).map_err(|_| Unheard::NotYours)?;
        if shared.names.owner(&label) != Some(*key) {
            return Err(Unheard::NotYours);
        }
        reached += shared.members.deliver(At::Site(&label), None, bytes);
    }
    for user in users {
        reached += if user.starts_with(VISITOR_PREFIX) {
            let tab = header.tab.as_deref();
            shared
                .members
                .sites_of(user)
                .iter()
                .filter(|label| shared.names.owner(label) == Some(*key))
                .map(|label| shared.members.deliver(At::Visitor(label, user), tab, bytes))
                .sum()
        } else {
            let label = Label::parse(user).map_err(|_| Unheard::NotYours)?;
            let owner = shared.names.owner(&label).ok_or(Unheard::NotHere)?;
            shared.members.deliver(At::Identity(&owner), None, bytes)
        };
    }
    if reached == 0 { Err(Unheard::NotHere) } else { Ok(reached) }
}

/// Sends one message of an identity that is no member.
pub(crate) async fn tell(
    shared: &Shared,
    key: PublicKey,
    message: &Bytes,
) -> Result<usize, Refusal> {
    let who = Who::Identity(key);
    let sent = async {
        let message = read(shared, &who, message)?;
        route(shared, &who, &message).await
    };
    sent.await.map_err(|why: Unheard| {
        let (status, reason) = match why {
            Unheard::Malformed(_) | Unheard::TooLong | Unheard::ForNobody => {
                (StatusCode::BAD_REQUEST, Reason::BadRequest)
            }
            Unheard::Everybody | Unheard::NotYours => (StatusCode::FORBIDDEN, Reason::NotAdmitted),
            Unheard::NotHere | Unheard::Away | Unheard::Mute | Unheard::Refused(_) => {
                (StatusCode::NOT_FOUND, Reason::NotFound)
            }
            Unheard::TooFast => (StatusCode::TOO_MANY_REQUESTS, Reason::Busy),
        };
        Refusal::new(status, reason, why.to_string())
    })
}

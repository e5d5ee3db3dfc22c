//! Why there is no link, for the owner and for the keeper.

use std::time::Duration;

use carriers::{DialError, LinkEnd};
use crosstalk::{address::GatewayAddress, registry::Reason};

use crate::{model::LinkTrouble, registry};

/// The longest wait that a gateway can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Why there is no link, and when to try again.
pub(super) struct Failure {
    pub(super) trouble: LinkTrouble,
    pub(super) wait: Wait,
}

/// When to dial again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    AtOnce,
    Backoff {
        at_least: Duration,
    },
    /// Trying again is useless until the owner did something.
    ForOwner,
}

impl Failure {
    pub(super) fn lost(end: LinkEnd, good: bool) -> Self {
        let sentence = match end {
            LinkEnd::Closed => "The gateway closed the connection. Veranda connects again.",
            LinkEnd::Lost => "The connection to the gateway was lost. Veranda connects again.",
            LinkEnd::Silent => "The gateway does not answer any more. Veranda connects again.",
        };
        let wait = if good { Wait::AtOnce } else { Wait::Backoff { at_least: Duration::ZERO } };
        Self { trouble: LinkTrouble { sentence: sentence.to_owned(), heals: true }, wait }
    }

    pub(super) fn dial(error: &DialError, gateway: &GatewayAddress) -> Self {
        let heals = error.is_worth_retrying();
        let sentence = sentence(error, gateway);
        let asked = match error {
            DialError::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            DialError::Account(_)
            | DialError::Certificate(_)
            | DialError::Moved(_)
            | DialError::NoAccount
            | DialError::NotAGateway
            | DialError::TimedOut
            | DialError::Unreachable(_) => Duration::ZERO,
        };
        let wait = if heals {
            Wait::Backoff { at_least: asked.min(MAX_RETRY_AFTER) }
        } else {
            Wait::ForOwner
        };
        Self { trouble: LinkTrouble { sentence, heals }, wait }
    }
}

/// Says what is the matter and what the owner can do.
pub(crate) fn sentence(error: &DialError, gateway: &GatewayAddress) -> String {
    match error {
        DialError::Unreachable(_) => format!(
            "The gateway {gateway} cannot be reached. Check the internet connection and the address."
        ),
        DialError::TimedOut => format!(
            "The gateway {gateway} does not answer. Check the internet connection and the address."
        ),
        DialError::Certificate(_) => format!(
            "The certificate of {gateway} is not valid, so somebody else may be answering. \
             Check the address and the clock of this computer."
        ),
        DialError::Moved(address) => {
            format!("The gateway {gateway} moved to {address}. Use that address from now on.")
        }
        DialError::NotAGateway => format!(
            "What answers at {gateway} is not a gateway of Veranda, or something on the way blocks \
             the connection. Check the address."
        ),
        DialError::Account(error) => format!("Your XMPP account cannot be used: {error}."),
        DialError::NoAccount => format!(
            "The gateway {gateway} is reached over XMPP. Give an XMPP account of yours in the settings."
        ),
        DialError::Refused { refused, .. } => {
            let words = registry::printable(&refused.sentence);
            match refused.reason {
                Reason::NotAdmitted => format!(
                    "The gateway {gateway} does not admit you: {words}. Ask its operator, or use \
                     another gateway."
                ),
                Reason::ProofRefused => format!(
                    "The gateway {gateway} does not believe who you are: {words}. Is the clock of \
                     this computer right?"
                ),
                Reason::BadRequest
                | Reason::Busy
                | Reason::NotFound
                | Reason::ProofMissing
                | Reason::Taken
                | Reason::Unknown
                | Reason::UpgradeRequired => format!("The gateway {gateway} refuses: {words}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crosstalk::registry::Refused;
    use http::StatusCode;

    use super::*;

    #[test]
    fn every_failure_has_a_sentence_and_a_next_step() {
        let gateway = GatewayAddress::parse("https://gateway.example").unwrap();
        let io = || std::io::Error::other("x");
        let refused = |reason, status, retry_after| DialError::Refused {
            status,
            refused: Refused { reason, sentence: "not\u{7} today".to_owned() },
            retry_after,
        };
        let soon = Wait::Backoff { at_least: Duration::ZERO };
        for (error, words, wait) in [
            (DialError::Unreachable(io()), "cannot be reached", &soon),
            (DialError::TimedOut, "does not answer", &soon),
            (
                refused(Reason::NotAdmitted, StatusCode::FORBIDDEN, None),
                "not today",
                &Wait::ForOwner,
            ),
            (refused(Reason::Taken, StatusCode::CONFLICT, None), "refuses", &Wait::ForOwner),
            (
                refused(Reason::Busy, StatusCode::SERVICE_UNAVAILABLE, Some(MAX_RETRY_AFTER * 9)),
                "refuses",
                &Wait::Backoff { at_least: MAX_RETRY_AFTER },
            ),
        ] {
            let failure = Failure::dial(&error, &gateway);
            assert!(failure.trouble.sentence.contains(words), "{}", failure.trouble.sentence);
            assert_eq!(failure.wait, *wait, "{error}");
            assert_eq!(failure.trouble.heals, *wait != Wait::ForOwner);
        }
    }

    #[test]
    fn a_good_link_is_replaced_at_once_and_a_short_one_is_not() {
        assert_eq!(Failure::lost(LinkEnd::Lost, true).wait, Wait::AtOnce);
        assert_ne!(Failure::lost(LinkEnd::Closed, false).wait, Wait::AtOnce);
    }
}

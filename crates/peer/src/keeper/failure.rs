//! Why there is no link, for the owner and for the keeper.

use std::time::Duration;

use carriers::{DialError, LinkEnd};
use crosstalk::address::GatewayAddress;

use crate::{fault::LinkFault, model::LinkTrouble};

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
        let wait = if good { Wait::AtOnce } else { Wait::Backoff { at_least: Duration::ZERO } };
        let fault = LinkFault::Ended(end);
        Self { trouble: LinkTrouble { fault, heals: true, of_account: false }, wait }
    }

    pub(super) fn dial(error: &DialError, gateway: &GatewayAddress) -> Self {
        let trouble = trouble(error, gateway);
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
        let wait = if trouble.heals {
            Wait::Backoff { at_least: asked.min(MAX_RETRY_AFTER) }
        } else {
            Wait::ForOwner
        };
        Self { trouble, wait }
    }
}

/// Returns the same for whoever decides on it.
pub(crate) fn trouble(error: &DialError, gateway: &GatewayAddress) -> LinkTrouble {
    LinkTrouble {
        fault: LinkFault::of(error, gateway),
        heals: error.is_worth_retrying(),
        of_account: matches!(error, DialError::Account(_) | DialError::NoAccount),
    }
}

#[cfg(test)]
mod tests {
    use carriers::xmpp::LoginError;
    use crosstalk::registry::{Reason, Refused};
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
            let sentence = failure.trouble.to_string();
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(failure.wait, *wait, "{error}");
            assert_eq!(failure.trouble.heals, *wait != Wait::ForOwner);
        }
    }

    #[test]
    fn over_xmpp_it_is_said_whose_server_or_account_is_meant() {
        let gateway = GatewayAddress::parse("xmpp:gateway@chat.example").unwrap();
        let io = || std::io::Error::other("x");
        let account = DialError::Account;
        for (error, words, heals) in [
            (DialError::Unreachable(io()), "gateway@chat.example is not online", true),
            (DialError::TimedOut, "is not online", true),
            (DialError::NotAGateway, "not that of a gateway", true),
            (DialError::NoAccount, "no XMPP account of yours", false),
            (account(LoginError::NoServer(io())), "behind the @", true),
            (account(LoginError::Unreachable(io())), "firewall", true),
            (account(LoginError::TimedOut), "does not answer", true),
            (account(LoginError::NotXmpp), "no XMPP at the server", true),
            (account(LoginError::NoTls), "no encrypted connection", true),
            (account(LoginError::Certificate(io())), "certificate", true),
            (account(LoginError::Password), "password", false),
            (account(LoginError::Refused("off\u{202e}.".to_owned())), ": off. Ask", false),
            (account(LoginError::Refused(String::new())), "log in. Ask", false),
            (account(LoginError::NoMechanism), "no way to log in", false),
            (account(LoginError::Busy), "busy", true),
        ] {
            let failure = Failure::dial(&error, &gateway);
            let sentence = failure.trouble.to_string();
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(failure.trouble.heals, heals, "{error}");
            let of_account = matches!(error, DialError::Account(_) | DialError::NoAccount);
            assert_eq!(failure.trouble.of_account, of_account, "{error}");
        }
    }

    #[test]
    fn a_good_link_is_replaced_at_once_and_a_short_one_is_not() {
        assert_eq!(Failure::lost(LinkEnd::Lost, true).wait, Wait::AtOnce);
        assert_ne!(Failure::lost(LinkEnd::Closed, false).wait, Wait::AtOnce);
        let server = Failure::lost(LinkEnd::ServerLost, true).trouble.to_string();
        assert!(server.contains("your XMPP server"), "{server}");
    }
}

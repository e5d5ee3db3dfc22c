//! Why there is no link, for the owner and for the keeper.

use std::time::Duration;

use carriers::{DialError, LinkEnd, xmpp::LoginError};
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
            LinkEnd::ServerLost => {
                "The connection to your XMPP server was lost. Veranda connects again."
            }
            LinkEnd::Silent => "The gateway does not answer any more. Veranda connects again.",
        };
        let wait = if good { Wait::AtOnce } else { Wait::Backoff { at_least: Duration::ZERO } };
        let sentence = sentence.to_owned();
        Self { trouble: LinkTrouble { sentence, heals: true, of_account: false }, wait }
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
        sentence: sentence(error, gateway),
        heals: error.is_worth_retrying(),
        of_account: matches!(error, DialError::Account(_) | DialError::NoAccount),
    }
}

/// Says what is the matter and what the owner can do.
fn sentence(error: &DialError, gateway: &GatewayAddress) -> String {
    let over_xmpp = gateway.xmpp().is_some();
    match error {
        DialError::Unreachable(_) | DialError::TimedOut if over_xmpp => format!(
            "The gateway {gateway} is not online, or its server cannot be reached from yours. Check \
             the address, or ask its operator."
        ),
        DialError::NotAGateway if over_xmpp => format!(
            "{gateway} is an account, but not that of a gateway of Veranda. Check the address."
        ),
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
        DialError::Account(error) => login_sentence(error),
        DialError::NoAccount => format!(
            "The gateway {gateway} is reached over XMPP, and Veranda knows no XMPP account of yours. \
             Add one."
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

/// Says why an account cannot be used and what its owner can do.
pub(crate) fn login_sentence(error: &LoginError) -> String {
    let refused;
    let words = match error {
        LoginError::NoServer(_) => {
            "The server of your XMPP account is not found. Check what stands behind the @ and the \
             internet connection."
        }
        LoginError::Unreachable(_) => {
            "The server of your XMPP account cannot be reached. Check the internet connection; a \
             firewall may block XMPP (port 5222)."
        }
        LoginError::TimedOut => {
            "The server of your XMPP account does not answer. Check the internet connection."
        }
        LoginError::NotXmpp => {
            "There is no XMPP at the server of your account. Check what stands behind the @."
        }
        LoginError::NoTls => {
            "The server of your XMPP account offers no encrypted connection, so your password is not \
             sent. Use another server."
        }
        LoginError::Certificate(_) => {
            "The certificate of your XMPP server is not valid, so somebody else may be answering. \
             Check what stands behind the @ and the clock of this computer."
        }
        LoginError::Password => {
            "The name or the password of your XMPP account is wrong. Check both."
        }
        LoginError::Refused(words) => {
            let words = registry::printable(words);
            let words = words.trim_end_matches('.');
            refused = if words.is_empty() {
                "Your XMPP server does not let this account log in. Ask its operator.".to_owned()
            } else {
                format!(
                    "Your XMPP server does not let this account log in: {words}. Ask its operator."
                )
            };
            &refused
        }
        LoginError::NoMechanism => {
            "Your XMPP server offers no way to log in with a password that is safe. Use another \
             server."
        }
        LoginError::Busy => "Your XMPP server is busy. Try again later.",
    };
    words.to_owned()
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
            assert!(failure.trouble.sentence.contains(words), "{}", failure.trouble.sentence);
            assert_eq!(failure.trouble.heals, heals, "{error}");
            let of_account = matches!(error, DialError::Account(_) | DialError::NoAccount);
            assert_eq!(failure.trouble.of_account, of_account, "{error}");
        }
    }

    #[test]
    fn a_good_link_is_replaced_at_once_and_a_short_one_is_not() {
        assert_eq!(Failure::lost(LinkEnd::Lost, true).wait, Wait::AtOnce);
        assert_ne!(Failure::lost(LinkEnd::Closed, false).wait, Wait::AtOnce);
        let server = Failure::lost(LinkEnd::ServerLost, true).trouble.sentence;
        assert!(server.contains("your XMPP server"), "{server}");
    }
}

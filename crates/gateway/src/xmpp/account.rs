//! Keeps the gateway's account logged in.

use std::{sync::Arc, time::Duration};

use carriers::xmpp::{Login, LoginError, accept::Door};
use crosstalk::{
    address::GatewayAddress,
    petrichor::Denial,
    registry::{Reason, Refused},
};
use http::StatusCode;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Reached, XmppAccount, XmppError, XmppState, counts::Counts, greet, policy::Policy};
use crate::{limits, names::Names, shared::Shared};

/// The gateway's account, not logged in yet.
pub(crate) struct OpenAccount {
    login: Login,
    policy: Policy,
    address: GatewayAddress,
    state: watch::Sender<XmppState>,
}

/// What all who knock have in common.
pub(super) struct Hall {
    pub(super) shared: Arc<Shared>,
    pub(super) policy: Policy,
    pub(super) counts: Counts,
    /// Who may be heard at once.
    pub(super) greetings: Arc<Semaphore>,
}

impl OpenAccount {
    pub(crate) fn open(account: XmppAccount, names: Names) -> Result<Self, XmppError> {
        let XmppAccount { login, admission } = account;
        let address = GatewayAddress::account(login.jid.clone())
            .ok_or_else(|| XmppError::Address(login.jid.to_string()))?;
        let policy = Policy::open(&admission, names)?;
        Ok(Self { login, policy, address, state: watch::Sender::new(XmppState::Connecting) })
    }

    /// Returns how it is reached.
    pub(crate) fn reached(&self) -> Reached {
        Reached { address: self.address.clone(), state: self.state.subscribe() }
    }

    /// Hears peers until `stop` is cancelled, then tells those who come that it is too late until
    /// `end` is: links need the session to finish what they carry.
    pub(crate) async fn keep(
        self,
        shared: Arc<Shared>,
        stop: CancellationToken,
        end: CancellationToken,
    ) {
        let Self { login, policy, address, state } = self;
        let hall = Hall {
            shared,
            policy,
            counts: Counts::new(),
            greetings: Arc::new(Semaphore::new(limits::MAX_KNOCKS)),
        };
        let hall = Arc::new(hall);
        let mut waits = Waits::default();
        let open = loop {
            let opened = timeout(limits::XMPP_LOGIN, Door::open(&login));
            let Some(opened) = stop.run_until_cancelled(opened).await else { return };
            let wait = match opened.unwrap_or(Err(LoginError::TimedOut)) {
                Ok(mut door) => {
                    tracing::info!(%address, "Peers can reach the gateway over XMPP");
                    state.send_replace(XmppState::Online);
                    let since = Instant::now();
                    let alive = stop.run_until_cancelled(greet::each(&mut door, &hall)).await;
                    if alive.is_none() {
                        break door;
                    }
                    if since.elapsed() >= limits::XMPP_GOOD_AFTER {
                        waits = Waits::default();
                    }
                    tell(&state, lost(&login), true);
                    waits.next()
                }
                Err(error) => {
                    let heals = error.is_worth_retrying();
                    tell(&state, sentence(&login, &error), heals);
                    if heals { waits.next() } else { limits::XMPP_REFUSED_PAUSE }
                }
            };
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        };
        // The names' owner and the links end without us.
        drop(hall);
        end.run_until_cancelled(turn_away(open)).await;
    }
}

/// Says what is the matter, once.
fn tell(state: &watch::Sender<XmppState>, sentence: String, heals: bool) {
    let now = XmppState::Offline { sentence, heals };
    state.send_if_modified(|state| {
        let is_news = *state != now;
        if let (true, XmppState::Offline { sentence, heals }) = (is_news, &now) {
            if *heals {
                tracing::warn!("{sentence}");
            } else {
                tracing::error!("{sentence}");
            }
        }
        *state = now;
        is_news
    });
}

async fn turn_away(mut door: Door) {
    while let Some(knock) = door.next().await {
        let refused =
            Refused { reason: Reason::Busy, sentence: "the gateway is about to stop".to_owned() };
        let retry_after = Some(Duration::from_secs(limits::RETRY_SECONDS));
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let denial = knock.deny(Denial { status, refused, retry_after });
        // Who does not hear it finds out when the session ends.
        let _ = timeout(limits::XMPP_DENIAL, denial).await;
    }
}

fn lost(login: &Login) -> String {
    format!("The XMPP session of {} has ended. The gateway logs in again.", login.jid)
}

fn sentence(login: &Login, error: &LoginError) -> String {
    let jid = &login.jid;
    let what = match error {
        LoginError::NoServer(_) | LoginError::NotXmpp => {
            "Check what stands behind the @ in --xmpp-jid, or say with --xmpp-server where it is."
        }
        LoginError::Unreachable(_) | LoginError::TimedOut => {
            "Is it running, and does --xmpp-server name it? The gateway tries again."
        }
        LoginError::NoTls => "Switch TLS on at the server; only one on this computer needs none.",
        LoginError::Certificate(_) => {
            "Check its name and its date, or name the one to believe with --xmpp-root-certificate."
        }
        LoginError::Password => {
            "Check --xmpp-jid and the first line of --xmpp-password-file, then start the gateway again."
        }
        LoginError::Refused(_) => "Ask the server's operator.",
        LoginError::NoMechanism => "Allow SCRAM or, within TLS, PLAIN at the server.",
        LoginError::Busy => "The gateway tries again.",
    };
    // What an operator can look up is in the cause: an expired certificate, a refused connection.
    let why = match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    };
    let why = crate::xmpp::greet::printable(&why);
    format!("The gateway is not reached over XMPP as {jid}: {why}. {what}")
}

/// Waits that double from a second to a minute, each shortened by up to half at random, so that not
/// all who lost the same server come back in the same instant.
#[derive(Default)]
struct Waits {
    tries: u32,
}

impl Waits {
    fn next(&mut self) -> Duration {
        let whole = limits::XMPP_FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(self.tries))
            .min(limits::XMPP_LAST_WAIT);
        self.tries = self.tries.saturating_add(1);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut waits = Waits::default();
        for whole in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let wait = waits.next().as_secs_f64();
            assert!((whole / 2.0..=whole).contains(&wait), "{wait} for {whole}");
        }
    }

    #[test]
    fn an_operator_reads_the_cause_and_what_helps() {
        let login = Login {
            jid: "gateway@chat.example".parse().unwrap(),
            password: carriers::xmpp::Password::from("secret".to_owned()),
            server: None,
            roots: carriers::tls::Roots::System,
        };
        let expired = LoginError::Certificate(std::io::Error::other("certificate expired"));
        for (error, words) in [
            (expired, "not valid (certificate expired). Check its name"),
            (LoginError::Password, "is wrong. Check --xmpp-jid"),
            (LoginError::Password, "start the gateway again"),
        ] {
            let sentence = sentence(&login, &error);
            assert!(sentence.contains(words) && !sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn the_same_sentence_is_told_once() {
        let state = watch::Sender::new(XmppState::Connecting);
        let mut seen = state.subscribe();
        tell(&state, "wrong".to_owned(), false);
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        tell(&state, "wrong".to_owned(), false);
        assert!(!seen.has_changed().unwrap());
    }
}

//! What all commands share that run an engine: how it begins, what goes wrong on the way, and its end.

use std::{io, path::PathBuf, time::Duration};

use carriers::{Carrier, tls::Roots, xmpp::Account};
use crosstalk::address::Invitation;
use peer::{Config, LinkState, Peer, Scope};
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{ACCOUNT, Failure, GATEWAY, OTHER, identity, output::Output, say};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Where something is kept over restarts: one file for each, so that several can run at the same time.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The folder that the person named.
    pub(super) data: Option<PathBuf>,
    /// What kind of thing it is.
    pub(super) kind: &'static str,
    /// What tells it from others of its kind.
    pub(super) name: Vec<u8>,
}

impl Place {
    pub(super) fn file(self) -> Result<PathBuf, Failure> {
        let data = match self.data {
            Some(data) => data,
            None => directories::ProjectDirs::from("", "", "Veranda")
                .ok_or_else(|| {
                    Failure::new(OTHER, "This system says no place for data; use --data FOLDER.")
                })?
                .data_local_dir()
                .join("peer"),
        };
        Ok(data.join(format!("{}-{:016x}.sqlite3", self.kind, fingerprint(&self.name))))
    }
}

/// What an engine begins with.
pub(super) struct Start {
    pub(super) gateway: Invitation,
    pub(super) account: Option<Account>,
    /// The key file; `None` for the keychain.
    pub(super) key: Option<PathBuf>,
    pub(super) carrier: Option<Carrier>,
    pub(super) place: Place,
    /// What a person is told that a damaged store was of.
    pub(super) what: &'static str,
}

impl Start {
    /// Starts the engine, lets `work` have it, and ends it with that, or when somebody wants the end.
    pub(super) async fn run<W>(
        self,
        mut ending: Ending,
        work: impl FnOnce(Peer) -> W,
    ) -> Result<(), Failure>
    where
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let Invitation { gateway, invite } = self.gateway;
        if self.account.is_none() && gateway.xmpp().is_some() {
            let sentence = format!(
                "The gateway {gateway} is reached over XMPP: say with --xmpp-jid and \
                 --xmpp-password-file by which account of yours."
            );
            return Err(Failure::new(ACCOUNT, sentence));
        }
        let identity = tokio::select! {
            identity = identity::open(self.key.as_deref()) => identity?,
            () = ending.wait() => return Ok(()),
        };
        let config = Config {
            store: if identity.lasts { Some(self.place.file()?) } else { None },
            key: identity.key,
            gateway,
            roots: Roots::System,
            account: self.account,
            invite,
            carrier: self.carrier,
        };
        // Others may run at the same time, each in a program of its own.
        let peer = Peer::start_with(config, Scope::Site).await;
        let peer = peer.map_err(|error| Failure::new(OTHER, format!("Veranda {error}.")))?;
        if let Some(aside) = peer.kept_aside() {
            say(&format!(
                "What was kept of {} was damaged, so it gets a new link. The damaged file is now {}.",
                self.what,
                aside.display()
            ));
        }
        // In a task of its own, because printing waits for whoever reads, and the end does not.
        let mut working = JoinSet::new();
        working.spawn(work(peer.clone()));
        let done = tokio::select! {
            Some(done) = working.join_next() => done,
            () = ending.wait() => Ok(Ok(())),
        };
        peer.shutdown().await;
        done.unwrap_or_else(|error| Err(Failure::new(OTHER, error.to_string())))
    }
}

/// Returns what ticks whenever progress is to be told.
pub(super) fn progress_ticks() -> Interval {
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Why a command does not go on.
pub(super) enum Trouble {
    Failed(Failure),
    Output(#[expect(dead_code, reason = "whatever it is, nobody reads on")] io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What the person was told last that is the matter, so that it is told once.
#[derive(Debug, Default)]
pub(super) struct Complaint(Option<String>);

impl Complaint {
    /// Tells what is the matter with the link or, while it is up, with what is behind it. A link that is
    /// tried again is a matter only before the first one was told; later it is told as it changes.
    pub(super) fn tell(
        &mut self,
        output: &Output,
        link: &LinkState,
        is_told: bool,
        behind: Option<String>,
    ) -> Result<(), Trouble> {
        match link {
            LinkState::Down { trouble, retry_at: None } => {
                let code = if trouble.of_account { ACCOUNT } else { GATEWAY };
                return Err(Trouble::Failed(Failure::new(code, trouble.to_string())));
            }
            LinkState::Down { trouble, retry_at: Some(_) } if !is_told => {
                self.say(output, Some(format!("{trouble} Trying again.")));
            }
            LinkState::Up { .. } => self.say(output, behind),
            LinkState::Down { .. } | LinkState::Dialling => {}
        }
        Ok(())
    }

    fn say(&mut self, output: &Output, trouble: Option<String>) {
        if let Some(sentence) = &trouble
            && self.0 != trouble
        {
            output.above(|| say(sentence));
        }
        self.0 = trouble;
    }
}

/// Waits for Ctrl-C, and for what service managers send.
pub(super) struct Ending {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Ending {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    pub(super) async fn wait(&mut self) {
        let interrupted = tokio::signal::ctrl_c();
        #[cfg(unix)]
        tokio::select! {
            _ = interrupted => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        {
            // An error means that there is no Ctrl-C here; then the window is closed instead.
            let _ = interrupted.await;
        }
    }
}

/// FNV-1a: short, and the same in every version.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_in_every_version() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }
}

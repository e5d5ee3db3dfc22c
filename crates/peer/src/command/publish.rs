//! Publishes one folder and tells what happens.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use peer::{
    Config, Event, LinkState, Peer, PublishError, Scope, SiteId, SiteState, SiteTrouble, Snapshot,
    TransferEnd,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};

use super::{FOLDER, Failure, GATEWAY, OTHER, Publish, identity, output::Output, say};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Publishes until somebody ends it.
pub(super) async fn run(arguments: Publish) -> Result<(), Failure> {
    let mut ending = Ending::new().map_err(|error| Failure::new(OTHER, error.to_string()))?;
    let asked = &arguments.folder;
    let folder = asked.canonicalize().map_err(|error| {
        let why = if error.kind() == io::ErrorKind::NotFound {
            "it is not there".to_owned()
        } else {
            error.to_string()
        };
        Failure::new(FOLDER, PublishError::Folder(asked.clone(), why).to_string())
    })?;
    let identity = tokio::select! {
        identity = identity::open(arguments.key.file.as_deref()) => identity?,
        () = ending.wait() => return Ok(()),
    };
    let store =
        if identity.lasts { Some(store(arguments.data.as_deref(), &folder)?) } else { None };
    let config = Config {
        store,
        key: identity.key,
        gateway: arguments.gateway.address.clone(),
        roots: carriers::tls::Roots::System,
    };
    // Other folders may be published at the same time, each by a program of its own.
    let peer = Peer::start_with(config, Scope::Site).await;
    let peer = peer.map_err(|error| Failure::new(OTHER, format!("Veranda {error}.")))?;
    if let Some(aside) = peer.kept_aside() {
        say(&format!(
            "What was kept of this folder was damaged, so it gets a new link. The damaged file is \
             now {}.",
            aside.display()
        ));
    }
    let done = tokio::select! {
        done = publish(&peer, &folder, &arguments) => done,
        () = ending.wait() => Ok(()),
    };
    peer.shutdown().await;
    done
}

async fn publish(peer: &Peer, folder: &Path, arguments: &Publish) -> Result<(), Failure> {
    let mut events = peer.events();
    let site = match peer.publish(folder).await {
        Ok(site) | Err(PublishError::Already(site)) => site,
        Err(error) => return Err(failure(&error)),
    };
    let prepared = async {
        peer.rename(&site, arguments.name.as_deref().unwrap_or_default()).await?;
        peer.set_hidden_files(&site, arguments.hidden_files).await
    };
    prepared.await.map_err(|error| failure(&error))?;
    let mut told = Told { site, output: Output::new(arguments.json), url: None, trouble: None };
    let mut snapshots = peer.snapshots();
    let mut progress = interval(PROGRESS_EVERY);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let step = tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(event) => told.event(&event, arguments.once),
                // Many small files at once; the history has them.
                Err(RecvError::Lagged(_)) => Ok(Step::GoOn),
                Err(RecvError::Closed) => Ok(Step::End),
            },
            changed = snapshots.changed() => match changed {
                Ok(()) => {
                    let snapshot = snapshots.borrow_and_update().clone();
                    told.snapshot(&snapshot)
                }
                Err(_) => Ok(Step::End),
            },
            _ = progress.tick() => {
                let snapshot = snapshots.borrow().clone();
                told.progress(&snapshot)
            }
        };
        match step {
            Ok(Step::GoOn) => {}
            // Nobody reads on: as good as being ended.
            Ok(Step::End) | Err(Trouble::Output(_)) => return Ok(()),
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
    }
}

/// Whether to go on.
enum Step {
    End,
    GoOn,
}

/// Why not.
enum Trouble {
    Failed(Failure),
    Output(#[expect(dead_code, reason = "whatever it is, nobody reads on")] io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What was told already.
struct Told {
    site: SiteId,
    output: Output,
    url: Option<String>,
    trouble: Option<String>,
}

impl Told {
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<Step, Trouble> {
        let Some(site) = snapshot.sites.iter().find(|site| site.id == self.site) else {
            return Ok(Step::End);
        };
        let is_up = matches!(snapshot.link, LinkState::Up { .. });
        if is_up && site.trouble.is_none() && site.url.is_some() && site.url != self.url {
            let is_first = self.url.is_none();
            self.url.clone_from(&site.url);
            self.output.published(
                &site.id.0,
                &site.name,
                site.url.as_deref().unwrap_or_default(),
            )?;
            if is_first {
                self.output.link(&snapshot.link)?;
            }
        }
        match &snapshot.link {
            LinkState::Down { trouble, retry_at: None } => {
                return Err(Trouble::Failed(Failure::new(GATEWAY, trouble.sentence.clone())));
            }
            LinkState::Down { trouble, retry_at: Some(_) } if self.url.is_none() => {
                self.say(Some(format!("{} Trying again.", trouble.sentence)));
            }
            LinkState::Up { .. } => self.say(trouble_of(site)),
            LinkState::Down { .. } | LinkState::Dialling => {}
        }
        Ok(Step::GoOn)
    }

    fn event(&mut self, event: &Event, once: bool) -> Result<Step, Trouble> {
        match event {
            Event::FirstVisitor(_) | Event::Published { .. } => {}
            // Before that it is told in sentences.
            Event::Link(state) => {
                if self.url.is_some() {
                    self.output.link(state)?;
                }
            }
            Event::TransferEnded(record) => {
                self.output.ended(record)?;
                if once && record.end == TransferEnd::Complete {
                    return Ok(Step::End);
                }
            }
            Event::TransferStarted(state) => self.output.started(state)?,
        }
        Ok(Step::GoOn)
    }

    fn progress(&mut self, snapshot: &Snapshot) -> Result<Step, Trouble> {
        self.output.progress(&snapshot.transfers)?;
        Ok(Step::GoOn)
    }

    /// Says what is the matter, once.
    fn say(&mut self, trouble: Option<String>) {
        if let Some(sentence) = &trouble
            && self.trouble != trouble
        {
            self.output.above(|| say(sentence));
        }
        self.trouble = trouble;
    }
}

fn trouble_of(site: &SiteState) -> Option<String> {
    let folder = site.path.display();
    Some(match site.trouble.as_ref()? {
        SiteTrouble::FolderGone => {
            format!(
                "The folder {folder} is not there any more. It is served again when it is back."
            )
        }
        SiteTrouble::NameTaken => "The gateway gives the name of this link to somebody else. Use \
             another --data to get a new link."
            .to_owned(),
        SiteTrouble::Refused(why) => format!("The gateway gives this folder no link: {why}"),
    })
}

fn failure(error: &PublishError) -> Failure {
    let code = match error {
        PublishError::Already(_) | PublishError::Folder(..) | PublishError::TooMuch(_) => FOLDER,
        PublishError::Store(_) | PublishError::Unknown => OTHER,
    };
    Failure::new(code, format!("{error}."))
}

/// Returns where links of this folder are kept: one file for each folder, so that several can be
/// published at the same time.
fn store(data: Option<&Path>, folder: &Path) -> Result<PathBuf, Failure> {
    let data = match data {
        Some(data) => data.to_owned(),
        None => directories::ProjectDirs::from("", "", "Veranda")
            .ok_or_else(|| {
                Failure::new(OTHER, "This system says no place for data; use --data FOLDER.")
            })?
            .data_local_dir()
            .join("peer"),
    };
    let bytes = folder.as_os_str().as_encoded_bytes();
    Ok(data.join(format!("folder-{:016x}.sqlite3", fingerprint(bytes))))
}

/// FNV-1a: short, and the same in every version.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Waits for Ctrl-C, and for what service managers send.
struct Ending {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Ending {
    fn new() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
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

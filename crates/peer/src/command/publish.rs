//! Publishes one folder and tells what happens.

use std::{
    io,
    path::{Path, PathBuf},
};

use peer::{
    Event, FolderFault, LinkState, Peer, PublishError, SiteId, SiteState, SiteTrouble, Snapshot,
    TransferEnd,
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    FOLDER, Failure, KEY, OTHER, Publish, classic,
    engine::{Complaint, Ending, Place, Start, Trouble, progress_ticks},
    output::Output,
};

/// How many events wait until the link was told; people who know it from before may be quicker.
const MAX_HELD: usize = 1024;

/// Publishes until somebody ends it.
pub(super) async fn run(arguments: Publish) -> Result<(), Failure> {
    let mut ending = Ending::new().map_err(|error| Failure::new(OTHER, error.to_string()))?;
    let asked = &arguments.folder;
    let folder = asked.canonicalize().map_err(|error| {
        let why = if error.kind() == io::ErrorKind::NotFound {
            FolderFault::NotFound
        } else {
            FolderFault::Other(error.to_string())
        };
        Failure::new(FOLDER, PublishError::Folder(asked.clone(), why).to_string())
    })?;
    if let Some(key) = arguments.key.file.as_deref().filter(|key| is_inside(key, &folder)) {
        let sentence = format!(
            "The key file {} is in the folder that is to be published. Keep it somewhere else.",
            key.display()
        );
        return Err(Failure::new(KEY, sentence));
    }
    let account = arguments.xmpp.account()?;
    let invitation = match (&arguments.gateway, &arguments.classic_gateway, &account) {
        (_, Some(gateway), Some(account)) => {
            let login = account.login().clone();
            return classic::run(&arguments, folder, login, gateway.clone(), ending.wait()).await;
        }
        (Some(invitation), _, _) => invitation.clone(),
        (None, _, _) => {
            let sentence = "Say with --gateway through which gateway, or with --classic-gateway and \
                            --xmpp-jid through which of 2008.";
            return Err(Failure::new(OTHER, sentence));
        }
    };
    let start = Start {
        gateway: invitation,
        account,
        key: arguments.key.file.clone(),
        carrier: arguments.carrier,
        place: place(arguments.data.clone(), &folder),
        what: "this folder",
    };
    start.run(ending, |peer| async move { publish(&peer, &folder, &arguments).await }).await
}

/// Returns whether a file, which need not be there yet, is in this folder or below it.
fn is_inside(file: &Path, folder: &Path) -> bool {
    file.canonicalize().is_ok_and(|file| file.starts_with(folder))
        || std::path::absolute(file).is_ok_and(|file| {
            let there = file.ancestors().skip(1).find_map(|above| above.canonicalize().ok());
            there.is_some_and(|above| above.starts_with(folder))
        })
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
    let mut told = Told::new(site, Output::new(arguments.json), arguments.once);
    let mut snapshots = peer.snapshots();
    let mut progress = progress_ticks();
    loop {
        let step = tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(event) => told.event(event),
                // Many small files at once; the history has them.
                Err(RecvError::Lagged(_)) => {
                    told.output.forget_all_but(&snapshots.borrow().transfers);
                    Ok(Step::GoOn)
                }
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

/// What was told already.
struct Told {
    site: SiteId,
    output: Output,
    once: bool,
    url: Option<String>,
    complaint: Complaint,
    /// The last rate of the link that was told.
    rate: Option<u64>,
    /// Events of transfers before the link was told.
    held: Vec<Event>,
}

impl Told {
    fn new(site: SiteId, output: Output, once: bool) -> Self {
        let complaint = Complaint::default();
        Self { site, output, once, url: None, complaint, rate: None, held: Vec::new() }
    }

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
                self.link(&snapshot.link)?;
                for event in std::mem::take(&mut self.held) {
                    if let Step::End = self.event(event)? {
                        return Ok(Step::End);
                    }
                }
            }
        }
        if let LinkState::Up { rate, .. } = &snapshot.link
            && self.url.is_some()
            && *rate != self.rate
        {
            self.rate = *rate;
            self.output.rate(&snapshot.link)?;
        }
        let is_told = self.url.is_some();
        self.complaint.tell(&self.output, &snapshot.link, is_told, trouble_of(site))?;
        Ok(Step::GoOn)
    }

    fn event(&mut self, event: Event) -> Result<Step, Trouble> {
        match event {
            Event::FirstVisitor(_) | Event::Published { .. } => {}
            // A program that publishes hands nothing over.
            Event::HandOver(_) | Event::Knock { .. } | Event::Received { .. } => {}
            Event::Note(note) => self.output.note(&note)?,
            // Before that it is told in sentences.
            Event::Link(state) => {
                if self.url.is_some() {
                    self.link(&state)?;
                }
            }
            Event::TransferEnded(_) | Event::TransferStarted(_) if self.url.is_none() => {
                if self.held.len() < MAX_HELD {
                    self.held.push(event);
                }
            }
            Event::TransferEnded(record) => {
                self.output.ended(&record)?;
                if self.once && record.end == TransferEnd::Complete {
                    return Ok(Step::End);
                }
            }
            Event::TransferStarted(state) => self.output.started(&state)?,
        }
        Ok(Step::GoOn)
    }

    fn link(&mut self, state: &LinkState) -> io::Result<()> {
        self.rate = match state {
            LinkState::Up { rate, .. } => *rate,
            LinkState::Dialling | LinkState::Down { .. } => None,
        };
        self.output.link(state)
    }

    fn progress(&mut self, snapshot: &Snapshot) -> Result<Step, Trouble> {
        self.output.progress(&snapshot.transfers)?;
        Ok(Step::GoOn)
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
        SiteTrouble::FolderSilent => {
            format!(
                "The drive with {folder} does not answer, or too slowly. It is served again when it \
                 answers."
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

/// Returns where links of this folder are kept.
pub(super) fn place(data: Option<PathBuf>, folder: &Path) -> Place {
    Place { data, kind: "folder", name: folder.as_os_str().as_encoded_bytes().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_told_before_any_transfer() {
        let now = std::time::SystemTime::now();
        let site = SiteId("site".to_owned());
        let started = peer::TransferState {
            id: peer::TransferId(1),
            site: site.clone(),
            file: "a.jpg".to_owned(),
            visitor: None,
            agent: String::new(),
            size: 1,
            sent: 1,
            delivered: 0,
            rate: 0,
            since: now,
        };
        let ended = peer::TransferRecord {
            id: started.id,
            site: site.clone(),
            site_name: "Photos".to_owned(),
            file: started.file.clone(),
            visitor: None,
            agent: String::new(),
            size: 1,
            delivered: 1,
            since: now,
            until: now,
            end: TransferEnd::Complete,
        };
        let up = Snapshot {
            link: LinkState::Up {
                carrier: carriers::Carrier::PtthHttp2,
                since: now,
                missed: Vec::new(),
                rate: None,
            },
            paused: false,
            sites: vec![SiteState {
                id: site.clone(),
                name: "Photos".to_owned(),
                path: PathBuf::from("/photos"),
                on: true,
                hidden_files: false,
                takes_notes: true,
                blocked: 0,
                url: Some("http://photos.localhost:1/s/x".to_owned()),
                trouble: None,
                visitors: 1,
            }],
            transfers: Vec::new(),
            notes: Vec::new(),
            hand_overs: Vec::new(),
            history: Vec::new(),
        };
        let mut told = Told::new(site, Output::new(true), true);
        for event in [Event::TransferStarted(started), Event::TransferEnded(ended)] {
            assert!(matches!(told.event(event), Ok(Step::GoOn)));
        }
        assert_eq!(told.held.len(), 2, "nothing is told yet");
        assert!(matches!(told.snapshot(&up), Ok(Step::End)), "it was the one file of --once");
        assert!(told.held.is_empty());
    }

    #[test]
    fn a_key_file_in_the_folder_is_found_before_it_is_made() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        let folder = place.join("folder");
        std::fs::create_dir(&folder).unwrap();
        for inside in ["folder/key", "folder/new/key", "folder/../folder/key"] {
            assert!(is_inside(&place.join(inside), &folder), "{inside}");
        }
        for outside in ["key", "folder-2/key", "folder"] {
            assert!(!is_inside(&place.join(outside), &folder.join("x")), "{outside}");
        }
        assert!(!is_inside(&place.join("key"), &folder));
    }
}

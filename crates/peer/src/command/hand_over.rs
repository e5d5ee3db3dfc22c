//! Hands files over, or takes some, and tells what happens.

mod arguments;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use peer::{
    Direction, Event, HandOver, HandOverError, HandOverId, HandOverTrouble, KnockId, LinkState,
    Peer, Snapshot, Stage, Terms,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinSet,
};

use self::arguments::Common;
pub(super) use self::arguments::{Ask, Send};
use super::{
    FOLDER, Failure, OTHER,
    engine::{Complaint, Ending, Place, Start, Trouble, progress_ticks},
    output::{Output, hand_over::Passages},
    say,
};

/// How many answers of the owner wait; there are no more visitors who ask.
const MAX_ANSWERS: usize = 8;

/// The longest line of an answer.
const MAX_LINE: u64 = 1024;

/// What is to be handed over.
enum Wanted {
    Ask { into: PathBuf, largest: u64, files: u32 },
    Send(Vec<PathBuf>),
}

impl Wanted {
    /// Names the store of these very files, or of this folder.
    fn name(&self) -> Vec<u8> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let paths: Vec<PathBuf> = match self {
            Self::Ask { into, .. } => vec![absolute(into)],
            Self::Send(files) => files.iter().map(|file| absolute(file)).collect(),
        };
        let kind = match self {
            Self::Ask { .. } => "ask",
            Self::Send(_) => "send",
        };
        let mut name = kind.as_bytes().to_vec();
        for path in paths {
            name.push(0);
            name.extend_from_slice(path.as_os_str().as_encoded_bytes());
        }
        name
    }

    /// Returns whether this one, which is there already, is it.
    fn is(&self, kept: &HandOver, terms: &Terms) -> bool {
        let same = match (self, &kept.direction) {
            (Self::Send(files), Direction::Send { files: count, .. }) => {
                usize::try_from(*count) == Ok(files.len())
            }
            (
                Self::Ask { largest, files, .. },
                Direction::Ask { largest: kept, files_left, .. },
            ) => largest == kept && files_left <= files,
            (Self::Send(_), Direction::Ask { .. }) | (Self::Ask { .. }, Direction::Send { .. }) => {
                false
            }
        };
        let over = matches!(kept.stage, Stage::Done { .. });
        same && !over && kept.nod == terms.nod && kept.note == terms.note.trim()
    }

    async fn begin(&self, peer: &Peer, terms: &Terms) -> Result<HandOverId, Failure> {
        let done = match self {
            Self::Ask { into, largest, files } => {
                peer.ask_for_files(into, *largest, *files, terms.clone()).await
            }
            Self::Send(files) => peer.send_files(files.clone(), terms.clone()).await,
        };
        done.map_err(|error| failure(&error))
    }
}

pub(super) async fn send(arguments: Send) -> Result<(), Failure> {
    run(Wanted::Send(arguments.files), arguments.common).await
}

pub(super) async fn ask(arguments: Ask) -> Result<(), Failure> {
    let Ask { into, largest, files, common } = arguments;
    run(Wanted::Ask { into, largest, files }, common).await
}

async fn run(wanted: Wanted, common: Common) -> Result<(), Failure> {
    let ending = Ending::new().map_err(|error| Failure::new(OTHER, error.to_string()))?;
    let start = Start {
        gateway: common.gateway.invitation.clone(),
        account: common.xmpp.account()?,
        key: common.key.file.clone(),
        carrier: common.carrier,
        place: Place { data: common.data.clone(), kind: "hand-over", name: wanted.name() },
        what: "this",
    };
    start.run(ending, |peer| async move { follow(&peer, &wanted, &common).await }).await
}

async fn follow(peer: &Peer, wanted: &Wanted, common: &Common) -> Result<(), Failure> {
    let terms = Terms { note: common.note.clone(), nod: common.ask_first };
    let mut events = peer.events();
    let kept = peer.snapshots().borrow().hand_overs.clone();
    let mut id = None;
    let mut received = HashSet::new();
    for one in kept {
        if id.is_none() && wanted.is(&one, &terms) {
            id = Some(one.id);
            received.extend(one.received.into_iter().map(|file| (file.file, file.at)));
        } else {
            // Another note, or another way: the old link leads to nothing from now on.
            peer.end_hand_over(one.id).await.map_err(|error| failure(&error))?;
        }
    }
    let is_new = id.is_none();
    let id = match id {
        Some(id) => id,
        None => wanted.begin(peer, &terms).await?,
    };
    let mut told = Told {
        id,
        is_new,
        output: Output::new(common.json),
        passages: Passages::default(),
        hand_over: None,
        link: None,
        complaint: Complaint::default(),
        received,
        is_json: common.json,
        question: None,
    };
    let mut answers = common.ask_first.then(Answers::read);
    let mut snapshots = peer.snapshots();
    let mut progress = progress_ticks();
    loop {
        let next_answer = async {
            match &mut answers {
                Some(answers) => answers.lines.recv().await,
                None => std::future::pending().await,
            }
        };
        let step = tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(event) => told.event(event),
                // What was missed is in the snapshot.
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
            line = next_answer => match line {
                Some(line) => told.answer(peer, &line).await.map(|()| Step::GoOn),
                None => {
                    answers = None;
                    told.output.above(|| say("Nobody can answer visitors here any more: standard input has ended."));
                    Ok(Step::GoOn)
                }
            },
            _ = progress.tick() => told.progress(&snapshots.borrow().clone()),
        };
        match step {
            Ok(Step::GoOn) => {}
            Ok(Step::Anew) => {
                peer.end_hand_over(told.id).await.map_err(|error| failure(&error))?;
                told.id = wanted.begin(peer, &terms).await?;
                told.is_new = true;
            }
            // Nobody reads on: as good as being ended.
            Ok(Step::End) | Err(Trouble::Output(_)) => return Ok(()),
            Err(Trouble::Failed(failure)) => return Err(failure),
        }
    }
}

/// Whether to go on.
enum Step {
    /// What was kept cannot be gone on with.
    Anew,
    End,
    GoOn,
}

/// What was told already.
struct Told {
    id: HandOverId,
    /// Whether it was made in this run.
    is_new: bool,
    output: Output,
    passages: Passages,
    hand_over: Option<HandOver>,
    link: Option<LinkState>,
    complaint: Complaint,
    /// Files that arrived and were told.
    received: HashSet<(String, SystemTime)>,
    is_json: bool,
    /// Whom the owner was asked about last. People answer one question at a time, as they do not say for
    /// whom their answer is.
    question: Option<KnockId>,
}

impl Told {
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<Step, Trouble> {
        let Some(now) = snapshot.hand_overs.iter().find(|one| one.id == self.id) else {
            return Ok(Step::End);
        };
        let is_done = matches!(now.stage, Stage::Done { .. });
        if !self.is_new && self.hand_over.is_none() && now.trouble == Some(HandOverTrouble::Away) {
            return Ok(Step::Anew);
        }
        let is_told = self.hand_over.is_some();
        self.complaint.tell(&self.output, &snapshot.link, is_told, trouble_of(now))?;
        let is_up = matches!(snapshot.link, LinkState::Up { .. });
        if self.hand_over.is_none() && !(is_up && now.url.is_some()) && !is_done {
            return Ok(Step::GoOn);
        }
        self.passages(now)?;
        for file in now.received.iter().rev() {
            if self.received.insert((file.file.clone(), file.at)) {
                self.output.received(now, file)?;
            }
        }
        if self.hand_over.as_ref().is_none_or(|told| is_news(told, now)) {
            let before = self.hand_over.replace(now.clone());
            self.output.hand_over(before.as_ref(), now)?;
            if before.is_none() {
                self.output.link(&snapshot.link)?;
                for knock in now.knocks.iter().filter(|_| self.is_json) {
                    self.output.knock(now, knock)?;
                }
            }
        }
        self.ask(now)?;
        Ok(if is_done { Step::End } else { Step::GoOn })
    }

    fn event(&mut self, event: Event) -> Result<Step, Trouble> {
        match event {
            Event::FirstVisitor(_)
            | Event::HandOver(_)
            | Event::Note(_)
            | Event::Published { .. }
            // They are in the snapshot.
            | Event::Received { .. }
            | Event::TransferEnded(_)
            | Event::TransferStarted(_) => {}
            // Before the link was told, they are told with it; and people are asked about one at a time.
            Event::Knock { hand_over, knock } => {
                if self.hand_over.is_some() && self.is_json {
                    self.output.knock(&hand_over, &knock)?;
                }
            }
            Event::Link(state) => {
                if self.hand_over.is_some() && self.link.as_ref() != Some(&state) {
                    self.output.link(&state)?;
                    self.link = Some(state);
                }
            }
        }
        Ok(Step::GoOn)
    }

    fn progress(&mut self, snapshot: &Snapshot) -> Result<Step, Trouble> {
        if let Some(now) = snapshot.hand_overs.iter().find(|one| one.id == self.id)
            && self.hand_over.is_some()
        {
            self.passages(now)?;
        }
        Ok(Step::GoOn)
    }

    fn passages(&mut self, now: &HandOver) -> io::Result<()> {
        self.passages.show(&mut self.output, now)
    }

    /// The owner answers somebody who asks.
    async fn answer(&mut self, peer: &Peer, line: &str) -> Result<(), Trouble> {
        let is_json = self.is_json;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(());
        }
        let question = self.question;
        let answer = if is_json { numbered(&line) } else { yes_or_no(&line).zip(question) };
        let done = match answer {
            Some((allow, knock)) => peer.answer_knock(knock, allow).await,
            None if is_json => {
                say("Answer with a line like: allow 1");
                return Ok(());
            }
            None if question.is_none() => {
                self.output.above(|| say("Nobody is waiting for an answer."));
                return Ok(());
            }
            None => {
                self.output.above(|| say("Answer with y for yes or n for no."));
                return Ok(());
            }
        };
        match done {
            Ok(()) => {}
            Err(HandOverError::Unknown) => {
                self.output.above(|| say("That visitor does not wait any more."));
            }
            Err(error) => return Err(Trouble::Failed(failure(&error))),
        }
        // Whoever is next is asked for.
        let waiting = peer.snapshots().borrow().clone();
        if let Some(now) = waiting.hand_overs.iter().find(|one| one.id == self.id) {
            self.ask(now)?;
        }
        Ok(())
    }

    /// Asks a person about the next visitor who waits, unless one she was asked about still does.
    fn ask(&mut self, now: &HandOver) -> io::Result<()> {
        let waits = |id| now.knocks.iter().any(|knock| knock.id == id);
        if self.is_json || self.question.is_some_and(waits) {
            return Ok(());
        }
        self.question = now.knocks.first().map(|knock| knock.id);
        match now.knocks.first() {
            Some(knock) => self.output.knock(now, knock),
            None => Ok(()),
        }
    }
}

/// Returns whether anything is different that is told of a hand-over as a whole.
fn is_news(told: &HandOver, now: &HandOver) -> bool {
    told.url != now.url || told.stage != now.stage || told.direction != now.direction
}

fn trouble_of(now: &HandOver) -> Option<String> {
    Some(match (now.trouble.as_ref()?, &now.direction) {
        (HandOverTrouble::Away, Direction::Send { .. }) => {
            "The files are not there any more, or are not what they were. They can be fetched again when \
             they are back."
                .to_owned()
        }
        (HandOverTrouble::Away, Direction::Ask { folder, .. }) => {
            format!("The folder {} cannot be written any more.", folder.display())
        }
        (HandOverTrouble::NameTaken, _) => "The gateway gives the name of your links for files to \
             somebody else. End all of them and make new ones."
            .to_owned(),
        (HandOverTrouble::Refused(why), _) => format!("The gateway gives no link: {why}"),
    })
}

fn numbered(line: &str) -> Option<(bool, KnockId)> {
    let (word, number) = line.split_once(' ')?;
    let allow = match word {
        "allow" => true,
        "refuse" => false,
        _ => return None,
    };
    Some((allow, KnockId(number.trim().parse().ok()?)))
}

fn yes_or_no(line: &str) -> Option<bool> {
    match line {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

fn failure(error: &HandOverError) -> Failure {
    let code = match error {
        HandOverError::Files(_) | HandOverError::Folder(..) => FOLDER,
        HandOverError::Store(_) | HandOverError::TooMany | HandOverError::Unknown => OTHER,
    };
    Failure::new(code, format!("{error}."))
}

/// What the owner types.
struct Answers {
    lines: mpsc::Receiver<String>,
    _reading: JoinSet<()>,
}

impl Answers {
    fn read() -> Self {
        let (tell, lines) = mpsc::channel(MAX_ANSWERS);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            use tokio::io::AsyncReadExt as _;
            let mut input = BufReader::new(tokio::io::stdin());
            loop {
                let mut line = Vec::new();
                let read = (&mut input).take(MAX_LINE).read_until(b'\n', &mut line).await;
                if !matches!(read, Ok(1..)) {
                    return;
                }
                if tell.send(String::from_utf8_lossy(&line).into_owned()).await.is_err() {
                    return;
                }
            }
        });
        Self { lines, _reading: reading }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_word_or_names_its_knock() {
        assert_eq!(numbered("allow 3"), Some((true, KnockId(3))));
        assert_eq!(numbered("refuse 4"), Some((false, KnockId(4))));
        for line in ["allow", "allow x", "y", "allow -1", "no 3"] {
            assert_eq!(numbered(line), None, "{line}");
        }
        assert_eq!(
            (yes_or_no("y"), yes_or_no("no"), yes_or_no("maybe")),
            (Some(true), Some(false), None)
        );
    }
}

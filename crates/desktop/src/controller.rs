//! The one owner of everything the app knows: one loop, one closed enum of what can happen.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use crosstalk::address::Invitation;
use peer::{Event, Snapshot};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    account::{KeptAccount, Safe},
    bring_up::{Embedded, Engine, Unlocked, Up},
    display::{self, Facts},
    draft::{self, Draft, Given},
    keychain::{Found, Keychain, NoKey},
    language::Language,
    notices::{LinkNews, Notices},
    qr::QrCodes,
    request::NotificationKind,
    settings::{self, Kept},
    shell::{Choice, Shell},
    tray::{self, Tray},
    view::{KeyTrouble, Phase, Problem, ProblemCode, View},
    words::{Deed, Words},
};

mod accounts;
mod hand_overs;
mod handle;
mod requests;
mod starting;

pub use self::handle::Handle;
use self::{
    accounts::{Accounts, TEST_STATES, Tried},
    handle::Told,
};

/// How many wishes wait for the loop; a person cannot click faster than it turns.
const QUEUE: usize = 64;

/// How many wishes are worked on at the same time, so that a hanging disk cannot pile them up.
const MAX_JOBS: usize = 32;

/// How many problems are kept until they are read; the oldest of more are the interesting ones.
const MAX_PROBLEMS: usize = 8;

/// How many folders are kept until the app is ready, and how many can be dropped at once.
const MAX_FOLDERS: usize = 20;

/// How far two pictures in the window are apart at least: nobody sees more than ten a second.
const SHOW_INTERVAL: Duration = Duration::from_millis(100);

/// How far two pictures of the tray are apart at least: each of them is a file and several messages
/// on the bus, and a page of small files would make the icon flicker.
const TRAY_INTERVAL: Duration = Duration::from_millis(500);

/// How long the peer has to end links and keep everything when the app quits: a little more than it
/// gives itself.
const QUIT_TIMEOUT: Duration = Duration::from_secs(6);

/// How long the embedded gateway has to end after the peer.
const GATEWAY_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the app is started with.
pub struct Options {
    /// What the app speaks.
    pub language: Language,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The desktop.
    pub shell: Box<dyn Shell>,
    /// Where the key is.
    pub keychain: Arc<dyn Keychain>,
    /// Whether to start without a window.
    pub hidden: bool,
    /// Folders to publish, or files to send, at once.
    pub give: Vec<PathBuf>,
    /// Where files of visitors go, unless the owner chooses another folder.
    pub downloads: PathBuf,
}

/// What a wish comes to.
type Outcome = Result<(), Problem>;

/// Who waits for the answer to a wish.
enum Reply {
    /// Nobody: problems are shown.
    Aloud,
    /// The window.
    Window(oneshot::Sender<Outcome>),
}

/// What a job in the background comes back with.
enum Work {
    /// A wish was worked on.
    Answered(Reply, Result<(), Problem>),
    /// The owner chose something in a dialog, or closed it.
    Chosen(Reply, Choice, Result<Vec<PathBuf>, Problem>),
    /// The embedded gateway is bound, to be used from now on.
    Embedded(Reply, Result<Embedded, Problem>),
    /// The password of the account is gone from where it was kept.
    Forgotten(Reply, Result<(), Problem>),
    /// There is a link for what was about to be handed over, or not.
    HandedOver(Reply, Result<(), Problem>),
    /// The key was found, made, or neither.
    Key(Option<Reply>, Result<Found, NoKey>),
    /// What was given was looked at.
    Looked(Reply, Result<Given, Problem>),
    /// The peer turned to another gateway.
    Moved(Reply, Result<(), Problem>),
    /// Something that nobody waits for.
    Nothing,
    /// A gateway answers at this address, over this account if need be.
    Remote(Reply, Result<(Invitation, Option<Tried>), Problem>),
    /// Whether a tray would show the app without its window.
    Tray(bool),
    /// The account was looked for again.
    Unlocked(KeptAccount, Unlocked),
    /// Everything is started, or not.
    Up(anyhow::Result<Up>),
}

/// Everything that can happen.
enum Tick {
    /// It is time for something that was put off.
    Due,
    /// The peer tells.
    Event(Box<Result<Event, RecvError>>),
    /// The embedded gateway with this number ended.
    GatewayEnded(u64),
    /// A job is done.
    Done(Box<Work>),
    /// The peer shows another picture.
    Snapshot,
    /// A try of an account is a step further.
    Tested(accounts::Told),
    /// Somebody tells, or there is nobody left to.
    Told(Option<Told>),
}

/// How far the app is.
enum Stage {
    Failed(String),
    NeedsKey(KeyTrouble, String),
    Ready(Engine),
    Starting,
}

/// How far a change of the gateway is; there is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    /// Another one is looked at or started; the present one is used meanwhile.
    Looking,
    /// The peer is turning to it.
    Moving,
    /// There is none.
    None,
}

/// The embedded gateway that serves now.
struct Serving {
    number: u64,
    address: String,
    stop: CancellationToken,
}

/// The app without a window. Give [`Controller::run`] to a task.
pub struct Controller {
    words: Words,
    data: PathBuf,
    shell: Box<dyn Shell>,
    keychain: Arc<dyn Keychain>,
    /// Where passwords are, once there is a key.
    safe: Option<Safe>,
    accounts: Accounts,
    test_states: (mpsc::Sender<accounts::Told>, mpsc::Receiver<accounts::Told>),
    hidden: bool,
    told: mpsc::Receiver<Told>,
    jobs: JoinSet<Work>,
    gateways: JoinSet<u64>,
    serving: Option<Serving>,
    next_gateway: u64,
    stage: Stage,
    kept: Kept,
    start_at_login: bool,
    problems: VecDeque<Problem>,
    /// What is answered after the next picture, which the same turn of the loop draws.
    answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    drop_target: bool,
    /// The site whose notes the owner wants to see.
    open_notes: Option<String>,
    /// The hand-over that the owner wants to see.
    open_hand_over: Option<String>,
    /// What the owner is about to hand over.
    draft: Option<Draft>,
    /// A link is being made of it.
    is_drafting: bool,
    downloads: PathBuf,
    /// What was given before the app was ready.
    waiting_paths: Vec<PathBuf>,
    notices: Notices,
    codes: QrCodes,
    switch: Switch,
    quitting: bool,
    shown: Option<View>,
    show_from: Instant,
    drawn: Option<Tray>,
    draw_from: Instant,
    put_off: Option<Instant>,
}

impl Controller {
    /// Prepares the app; nothing happens before [`Controller::run`].
    #[must_use]
    pub fn new(options: Options) -> (Self, Handle) {
        let Options { language, data, shell, keychain, hidden, mut give, downloads } = options;
        let (sender, told) = mpsc::channel(QUEUE);
        give.truncate(draft::MAX_FILES);
        let now = Instant::now();
        let words = Words::of(language);
        let controller = Self {
            words,
            data,
            shell,
            keychain,
            safe: None,
            accounts: Accounts::default(),
            test_states: mpsc::channel(TEST_STATES),
            hidden,
            told,
            jobs: JoinSet::new(),
            gateways: JoinSet::new(),
            serving: None,
            next_gateway: 0,
            stage: Stage::Starting,
            kept: Kept::default(),
            start_at_login: false,
            problems: VecDeque::new(),
            answers: Vec::new(),
            drop_target: false,
            open_notes: None,
            open_hand_over: None,
            draft: None,
            is_drafting: false,
            downloads,
            waiting_paths: give,
            notices: Notices::default(),
            codes: QrCodes::default(),
            switch: Switch::None,
            quitting: false,
            shown: None,
            show_from: now,
            drawn: None,
            draw_from: now,
            put_off: None,
        };
        (controller, Handle { told: sender, words })
    }

    /// Runs the app until it is asked to quit, then keeps everything and ends it.
    pub async fn run(mut self) {
        self.begin();
        self.refresh();
        while !self.quitting {
            match self.tick().await {
                Tick::Told(None) => self.quitting = true,
                Tick::Told(Some(told)) => self.told(told),
                Tick::Done(work) => self.done(*work),
                Tick::Event(event) => self.event(*event),
                Tick::Snapshot => self.snapshot(),
                Tick::Tested(told) => self.tested(told),
                Tick::GatewayEnded(number) => self.gateway_ended(number),
                Tick::Due => {}
            }
            self.refresh();
        }
        self.end().await;
    }

    /// Waits for the next thing to happen.
    async fn tick(&mut self) -> Tick {
        let due = [self.put_off, self.notices.due(Instant::now())].into_iter().flatten().min();
        let engine = match &mut self.stage {
            Stage::Ready(engine) => Some(engine),
            Stage::Failed(_) | Stage::NeedsKey(..) | Stage::Starting => None,
        };
        tokio::select! {
            told = self.told.recv() => Tick::Told(told),
            Some(done) = self.jobs.join_next() => match done {
                Ok(work) => Tick::Done(Box::new(work)),
                // Whoever waited for the job learns it from its dropped reply.
                Err(error) => {
                    tracing::error!(%error, "A job ended by surprise");
                    Tick::Due
                }
            },
            Some(ended) = self.gateways.join_next() => match ended {
                Ok(number) => Tick::GatewayEnded(number),
                Err(error) => {
                    tracing::error!(%error, "The embedded gateway ended by surprise");
                    Tick::GatewayEnded(self.serving.as_ref().map_or(0, |serving| serving.number))
                }
            },
            // The controller holds a sender itself, so there is no end.
            Some(told) = self.test_states.1.recv() => Tick::Tested(told),
            tick = engine_tick(engine) => tick,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Tick::Due,
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Asked(request, reply) => self.request(request, Reply::Window(reply)),
            Told::Clicked(request) => {
                // The system has drawn the check mark the other way round already; only another
                // picture sets it right when the wish cannot be fulfilled.
                self.drawn = None;
                self.request(request, Reply::Aloud);
            }
            Told::DragOver(over) => self.drop_target = over,
            Told::Given(paths) => {
                self.drop_target = false;
                self.given(paths, Reply::Aloud);
            }
            Told::WindowClosed => {
                let tray = self.shell.has_tray();
                self.jobs.spawn(async move { Work::Tray(tray.await) });
            }
        }
    }

    fn done(&mut self, work: Work) {
        // What a job told on its way is older than what it comes back with.
        while let Ok(told) = self.test_states.1.try_recv() {
            self.tested(told);
        }
        match work {
            Work::Answered(reply, result) => self.answer(reply, result),
            Work::Chosen(reply, choice, chosen) => self.chosen(reply, choice, chosen),
            Work::HandedOver(reply, result) => self.handed_over(reply, result),
            Work::Key(reply, found) => self.key(reply, found),
            Work::Looked(reply, given) => self.looked(reply, given),
            Work::Up(Ok(up)) => self.up(up),
            Work::Up(Err(error)) => {
                let problem = self.words.system_refused(Deed::Start, &error);
                tracing::error!(error = format!("{error:#}"), "The app cannot start");
                self.fail(problem);
            }
            Work::Embedded(reply, bound) => {
                self.switch = Switch::None;
                match bound {
                    Ok(embedded) => self.use_embedded(embedded, reply),
                    Err(problem) => {
                        self.leave_account();
                        self.answer(reply, Err(problem));
                    }
                }
            }
            Work::Forgotten(reply, forgotten) => self.forgotten(reply, forgotten),
            Work::Nothing => {}
            Work::Unlocked(account, unlocked) => self.unlocked_again(&account, unlocked),
            Work::Remote(reply, checked) => {
                self.switch = Switch::None;
                match checked {
                    Ok((gateway, tried)) => self.use_remote(gateway, tried, reply),
                    Err(problem) => self.answer(reply, Err(problem)),
                }
            }
            Work::Moved(reply, result) => {
                self.switch = Switch::None;
                self.notices.forget_connection();
                self.snapshot();
                self.answer(reply, result);
            }
            Work::Tray(true) => self.stay_in_tray(),
            Work::Tray(false) => self.quitting = true,
        }
    }

    /// The window goes, the app stays.
    fn stay_in_tray(&mut self) {
        self.shell.hide();
        self.drop_target = false;
        if !self.kept.told_of_tray {
            self.shell.notify(&self.words.stays_in_tray());
            let kept = Kept { told_of_tray: true, ..self.kept.clone() };
            if let Err(problem) = self.keep(kept) {
                tracing::warn!(sentence = problem.sentence, "The notice will come again");
            }
        }
    }

    fn event(&mut self, event: Result<Event, RecvError>) {
        match event {
            Ok(Event::FirstVisitor(site)) => {
                let title = self.site(&site.0).map(|site| site.name);
                self.notices.first_visitor(title.unwrap_or_default());
            }
            Ok(Event::Note(note)) => {
                let title = self.site(&note.site.0).map(|site| site.name);
                self.notices.note(note, title.unwrap_or_default());
            }
            Ok(Event::TransferEnded(record)) => self.notices.transfer(record),
            // Told by the snapshots, which nobody misses.
            Ok(Event::Link(_) | Event::Published { .. } | Event::TransferStarted(_)) => {}
            Ok(Event::HandOver(hand_over)) => self.notices.hand_over(hand_over),
            Ok(Event::Knock { hand_over, knock }) => {
                self.notices.knock(hand_over, knock);
                // The picture may have been ahead of it.
                self.look_at_knocks();
            }
            Ok(Event::Received { hand_over, file }) => self.notices.received(hand_over, file),
            Err(RecvError::Lagged(missed)) => {
                tracing::debug!(missed, "Some events went by untold");
            }
            Err(RecvError::Closed) => self.fail(self.words.engine_ended()),
        }
    }

    /// Looks at the newest picture of the peer.
    fn snapshot(&mut self) {
        let Stage::Ready(engine) = &mut self.stage else { return };
        let link = engine.snapshots.borrow_and_update().link.clone();
        self.look_at_knocks();
        if self.switch == Switch::Moving {
            return;
        }
        match self.notices.link(&link, Instant::now()) {
            Some(LinkNews::Regained)
                if self.kept.notifications.has(NotificationKind::Connection) =>
            {
                self.shell.notify(&self.words.connection_regained());
            }
            Some(LinkNews::Regained) | None => {}
        }
    }

    /// Shows what changed, notifies and answers; puts off what would come too soon.
    fn refresh(&mut self) {
        let now = Instant::now();
        for notification in self.notices.poll(now, &self.kept.notifications, self.words) {
            self.shell.notify(&notification);
        }
        // Who hears that a wish is fulfilled looks at what came of it, and must not see the picture of
        // before: so it is shown first, and at once. Nobody wishes faster than a window can draw.
        let answers = std::mem::take(&mut self.answers);
        self.draw(now, !answers.is_empty());
        for (reply, result) in answers {
            // The window may be gone by now; then nobody wants to know.
            let _ = reply.send(result);
        }
    }

    /// Shows what changed, in the window and in the tray.
    fn draw(&mut self, now: Instant, at_once: bool) {
        self.put_off = None;
        if now < self.show_from && !at_once {
            self.put_off = Some(self.show_from);
            return;
        }
        let view = self.view();
        let tray = tray::tray(&view);
        if self.shown.as_ref() != Some(&view) {
            self.shell.show(&view);
            self.shown = Some(view);
            self.show_from = now + SHOW_INTERVAL;
        }
        if self.drawn.as_ref() != Some(&tray) {
            if now < self.draw_from {
                self.put_off = Some(self.draw_from);
                return;
            }
            self.shell.tray(&tray);
            self.drawn = Some(tray);
            self.draw_from = now + TRAY_INTERVAL;
        }
    }

    fn view(&mut self) -> View {
        let (snapshot, identity) = match &self.stage {
            Stage::Ready(engine) => {
                (Some(engine.snapshots.borrow().clone()), Some((engine.public, engine.kept_in)))
            }
            Stage::Failed(_) | Stage::NeedsKey(..) | Stage::Starting => (None, None),
        };
        let facts = Facts {
            words: self.words,
            phase: match &self.stage {
                Stage::Failed(sentence) => Phase::Failed { sentence: sentence.clone() },
                Stage::NeedsKey(trouble, sentence) => {
                    Phase::NeedsKey { trouble: *trouble, sentence: sentence.clone() }
                }
                Stage::Ready(_) => Phase::Ready,
                Stage::Starting => Phase::Starting,
            },
            snapshot: snapshot.as_ref(),
            embedded: self.serving.as_ref().map(|serving| serving.address.clone()),
            identity,
            kept: &self.kept,
            has_password: self.accounts.usable.is_some(),
            account_test: self.accounts.test.as_ref(),
            start_at_login: self.start_at_login,
            problem: self.problems.front(),
            drop_target: self.drop_target,
            open_notes: self.open_notes.as_deref(),
            open_hand_over: self.open_hand_over.as_deref(),
            draft: self.draft.as_ref(),
            moving: self.switch == Switch::Moving,
        };
        display::view(&facts, &mut self.codes)
    }

    /// Returns a site of the newest picture.
    fn site(&self, id: &str) -> Option<peer::SiteState> {
        let Stage::Ready(engine) = &self.stage else { return None };
        let snapshot: &Snapshot = &engine.snapshots.borrow();
        snapshot.sites.iter().find(|site| site.id.0 == id).cloned()
    }

    fn answer(&mut self, reply: Reply, result: Result<(), Problem>) {
        match (reply, result) {
            (Reply::Window(reply), result) => self.answers.push((reply, result)),
            (Reply::Aloud, Ok(())) => {}
            (Reply::Aloud, Err(problem)) => {
                self.problem(problem);
                self.shell.raise();
            }
        }
    }

    /// Keeps a problem until it is read.
    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push_back(problem);
        }
    }

    /// Writes the settings, and takes them as they are now only if that worked.
    fn keep(&mut self, kept: Kept) -> Result<(), Problem> {
        settings::save(&self.data, &kept).map_err(|error| internal(self.words.not_kept(&error)))?;
        self.kept = kept;
        Ok(())
    }

    /// Keeps everything and ends the app.
    async fn end(mut self) {
        // From now on everybody hears that the app is ending.
        self.told.close();
        while self.told.try_recv().is_ok() {}
        self.shell.hide();
        self.jobs.shutdown().await;
        if let Stage::Ready(engine) = &self.stage
            && timeout(QUIT_TIMEOUT, engine.peer.shutdown()).await.is_err()
        {
            tracing::warn!("The peer did not end in time");
        }
        self.stop_serving();
        let ended = async { while self.gateways.join_next().await.is_some() {} };
        if timeout(GATEWAY_STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("The embedded gateway did not end in time");
        }
        self.shell.quit();
    }
}

/// Waits for the peer, if there is one.
async fn engine_tick(engine: Option<&mut Engine>) -> Tick {
    let Some(engine) = engine else { return std::future::pending().await };
    tokio::select! {
        event = engine.events.recv() => Tick::Event(Box::new(event)),
        changed = engine.snapshots.changed() => match changed {
            Ok(()) => Tick::Snapshot,
            Err(_) => Tick::Event(Box::new(Err(RecvError::Closed))),
        },
    }
}

fn internal(sentence: String) -> Problem {
    Problem { code: ProblemCode::Internal, sentence }
}

//! The app under test, and the notebook that it is shown in.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use carriers::xmpp::Password;
use crosstalk::proof::PrivateKey;
use desktop::{
    Answer, Choice, Connection, Controller, Handle, Keychain, Language, Options, Phase, Problem,
    ProblemCode, Request, Shell, Site, View, notices::Notification, tray::Tray,
};
use peer::keys::KeyError;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// Everything that is waited for here takes milliseconds, except on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// What the app asked its desktop for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) view: Option<View>,
    pub(crate) tray: Option<Tray>,
    pub(crate) trays_drawn: usize,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) withdrawn: Vec<Request>,
    pub(crate) copied: Vec<String>,
    pub(crate) opened: Vec<String>,
    /// What the owner chooses in the next dialogs; closes them when it is empty.
    pub(crate) choices: Vec<PathBuf>,
    pub(crate) dialogs: Vec<(Choice, String)>,
    pub(crate) revealed: Vec<PathBuf>,
    pub(crate) has_no_file_manager: bool,
    pub(crate) raised: usize,
    pub(crate) hidden: usize,
    pub(crate) quits: usize,
    pub(crate) starts_at_login: bool,
    pub(crate) has_tray: bool,
}

impl Notes {
    /// Returns the titles of all notifications.
    pub(crate) fn titles(&self) -> Vec<&str> {
        self.notifications.iter().map(|notification| &*notification.title).collect()
    }
}

/// A desktop that writes down what it is asked for.
struct Notebook(watch::Sender<Notes>);

impl Shell for Notebook {
    fn show(&mut self, view: &View) {
        self.0.send_modify(|notes| notes.view = Some(view.clone()));
    }
    fn tray(&mut self, tray: &Tray) {
        self.0.send_modify(|notes| {
            notes.tray = Some(tray.clone());
            notes.trays_drawn += 1;
        });
    }
    fn notify(&mut self, notification: &Notification) {
        self.0.send_modify(|notes| notes.notifications.push(notification.clone()));
    }
    fn withdraw(&mut self, button: &Request) {
        self.0.send_modify(|notes| notes.withdrawn.push(button.clone()));
    }
    fn copy(&mut self, text: &str) -> anyhow::Result<()> {
        self.0.send_modify(|notes| notes.copied.push(text.to_owned()));
        Ok(())
    }
    fn open(&mut self, link: &str) -> anyhow::Result<()> {
        self.0.send_modify(|notes| notes.opened.push(link.to_owned()));
        Ok(())
    }
    fn choose(
        &mut self,
        choice: Choice,
        title: String,
    ) -> Answer<'static, anyhow::Result<Vec<PathBuf>>> {
        self.0.send_modify(|notes| notes.dialogs.push((choice, title)));
        let choices = self.0.borrow().choices.clone();
        Box::pin(async move { Ok(choices) })
    }
    fn reveal(&mut self, path: &Path) -> Answer<'static, anyhow::Result<()>> {
        self.0.send_modify(|notes| notes.revealed.push(path.to_owned()));
        let has_none = self.0.borrow().has_no_file_manager;
        Box::pin(async move { if has_none { anyhow::bail!("nobody answers") } else { Ok(()) } })
    }
    fn raise(&mut self) {
        self.0.send_modify(|notes| notes.raised += 1);
    }
    fn hide(&mut self) {
        self.0.send_modify(|notes| notes.hidden += 1);
    }
    fn has_tray(&self) -> Answer<'static, bool> {
        let has_tray = self.0.borrow().has_tray;
        Box::pin(async move { has_tray })
    }
    fn starts_at_login(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.borrow().starts_at_login)
    }
    fn set_start_at_login(&mut self, on: bool) -> anyhow::Result<()> {
        self.0.send_modify(|notes| notes.starts_at_login = on);
        Ok(())
    }
    fn quit(&mut self) {
        self.0.send_modify(|notes| notes.quits += 1);
    }
}

/// What a keychain in memory does.
#[derive(Debug, Default)]
pub(crate) enum Memory {
    /// Answers: nothing is in it.
    #[default]
    Empty,
    /// Answers with this key.
    Holds([u8; 32]),
    /// Lets nobody in.
    Locked,
    /// Is not there.
    Missing,
}

/// A keychain in memory, which outlives the app as the real one does.
#[derive(Clone, Default)]
pub(crate) struct MemoryKeychain {
    key: Arc<Mutex<Memory>>,
    kept: Arc<Mutex<BTreeMap<String, String>>>,
    /// Asks its owner before it gives or forgets a password, and there is no answer yet.
    asks: watch::Sender<bool>,
}

impl MemoryKeychain {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { key: Arc::new(Mutex::new(memory)), ..Self::default() }
    }

    /// From now on passwords wait for the owner, or not any more.
    pub(crate) fn asks(&self, asks: bool) {
        self.asks.send_replace(asks);
    }

    /// Waits for the owner.
    async fn answered(&self) {
        self.asks.subscribe().wait_for(|asks| !asks).await.expect("it holds the other end");
    }

    /// The passwords in it, by account.
    pub(crate) fn passwords(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.kept.lock().expect("no test panics in here")
    }

    fn open(&self) -> Result<MutexGuard<'_, BTreeMap<String, String>>, KeyError> {
        match *self.memory() {
            Memory::Empty | Memory::Holds(_) => Ok(self.passwords()),
            Memory::Locked => Err(KeyError::Locked),
            Memory::Missing => Err(KeyError::NoKeychain),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.key.lock().expect("no test panics in here")
    }

    pub(crate) fn becomes(&self, change: impl FnOnce(Memory) -> Memory) {
        let mut memory = self.memory();
        *memory = change(std::mem::take(&mut memory));
    }
}

impl Keychain for MemoryKeychain {
    fn load(&self) -> Answer<'_, Result<Option<PrivateKey>, KeyError>> {
        let loaded = match &*self.memory() {
            Memory::Empty => Ok(None),
            Memory::Holds(key) => Ok(Some(PrivateKey::from_bytes(key))),
            Memory::Locked => Err(KeyError::Locked),
            Memory::Missing => Err(KeyError::NoKeychain),
        };
        Box::pin(async move { loaded })
    }

    fn save<'a>(&'a self, key: &'a PrivateKey) -> Answer<'a, Result<(), KeyError>> {
        let mut memory = self.memory();
        let saved = match *memory {
            Memory::Empty | Memory::Holds(_) => {
                *memory = Memory::Holds(*key.to_bytes());
                Ok(())
            }
            Memory::Locked => Err(KeyError::Locked),
            Memory::Missing => Err(KeyError::NoKeychain),
        };
        Box::pin(async move { saved })
    }

    fn load_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<Option<Password>, KeyError>> {
        Box::pin(async move {
            self.answered().await;
            self.open().map(|open| open.get(jid).cloned().map(Password::from))
        })
    }

    fn save_password<'a>(
        &'a self,
        jid: &'a str,
        password: &'a Password,
    ) -> Answer<'a, Result<(), KeyError>> {
        let saved = self.open().map(|mut open| {
            open.insert(jid.to_owned(), password.expose().to_owned());
        });
        Box::pin(async move { saved })
    }

    fn forget_password<'a>(&'a self, jid: &'a str) -> Answer<'a, Result<(), KeyError>> {
        Box::pin(async move {
            self.answered().await;
            self.open().map(|mut open| {
                open.remove(jid);
            })
        })
    }
}

/// What outlives a run of the app.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) keychain: MemoryKeychain,
    pub(crate) has_tray: bool,
    pub(crate) language: Language,
}

impl Home {
    /// A computer on which the app was never started.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let language = Language::English;
        Self { folder, keychain: MemoryKeychain::default(), has_tray: true, language }
    }

    /// The same, with a port of its own, so that tests do not take each other's.
    pub(crate) fn with_own_port() -> Self {
        let home = Self::new();
        home.write("settings.json", &format!(r#"{{"port": {}}}"#, free_port()));
        home
    }

    pub(crate) fn with_keychain(memory: Memory) -> Self {
        Self { keychain: MemoryKeychain::new(memory), ..Self::with_own_port() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where files of visitors go, unless the owner chooses another folder.
    pub(crate) fn downloads(&self) -> PathBuf {
        let downloads = self.folder.path().join("Downloads");
        fs::create_dir_all(&downloads).expect("a folder");
        downloads
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.data()).expect("a data folder");
        fs::write(self.data().join(name), text).expect("a file");
    }

    /// Makes a folder with files in it.
    pub(crate) fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("a file");
        }
        folder
    }

    pub(crate) fn start(&self) -> App {
        self.start_with(false, Vec::new())
    }

    pub(crate) fn start_with(&self, hidden: bool, give: Vec<PathBuf>) -> App {
        let notes = watch::Sender::new(Notes { has_tray: self.has_tray, ..Notes::default() });
        let (controller, handle) = Controller::new(Options {
            language: self.language,
            data: self.data(),
            shell: Box::new(Notebook(notes.clone())),
            keychain: Arc::new(self.keychain.clone()),
            hidden,
            give,
            downloads: self.downloads(),
        });
        let mut running = JoinSet::new();
        running.spawn(controller.run());
        App { handle, notes, running }
    }

    /// Starts, and waits until folders can be published.
    pub(crate) async fn ready(&self) -> App {
        let app = self.start();
        app.until_view("ready", |view| view.phase == Phase::Ready).await;
        app
    }
}

/// A running app.
pub(crate) struct App {
    pub(crate) handle: Handle,
    pub(crate) notes: watch::Sender<Notes>,
    running: JoinSet<()>,
}

impl App {
    /// Waits until the notebook says so.
    pub(crate) async fn until(&self, what: &str, mut is: impl FnMut(&Notes) -> bool) -> Notes {
        let mut notes = self.notes.subscribe();
        let waited = timeout(DEADLINE, notes.wait_for(|notes| is(notes))).await;
        match waited {
            Ok(notes) => notes.expect("the test holds the other end").clone(),
            Err(_) => panic!("not in time: {what}; {:#?}", self.notes.borrow()),
        }
    }

    /// Waits until the window would show it.
    pub(crate) async fn until_view(&self, what: &str, mut is: impl FnMut(&View) -> bool) -> View {
        let notes = self.until(what, |notes| notes.view.as_ref().is_some_and(&mut is)).await;
        notes.view.expect("there is a view")
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<(), Problem> {
        timeout(DEADLINE, self.handle.ask(request)).await.expect("an answer in time")
    }

    /// Asks for something that has to work.
    pub(crate) async fn do_it(&self, request: Request) {
        let asked = format!("{request:?}");
        let answer = self.ask(request).await;
        assert_eq!(answer, Ok(()), "{asked}");
    }

    /// Asks for something that must not work, and returns the sentence.
    pub(crate) async fn refused(&self, request: Request, code: ProblemCode) -> String {
        let asked = format!("{request:?}");
        let problem = self.ask(request).await.expect_err(&asked);
        assert_eq!(problem.code, code, "{asked}: {}", problem.sentence);
        assert!(problem.sentence.ends_with('.'), "a sentence: {:?}", problem.sentence);
        problem.sentence
    }

    /// Publishes a folder and waits for its link.
    pub(crate) async fn publish(&self, folder: &Path) -> Site {
        let path = folder.to_str().expect("a path in UTF-8").to_owned();
        self.do_it(Request::AddFolder { path: path.clone() }).await;
        self.linked(&path).await
    }

    /// Waits until the site of this folder has a link that works: after a restart the link is known
    /// before the gateway is reached.
    pub(crate) async fn linked(&self, path: &str) -> Site {
        let is_it = |site: &&Site| site.path == path && site.url.is_some();
        let works = |view: &View| {
            matches!(view.connection, Connection::Connected { .. })
                && view.sites.iter().any(|site| is_it(&site))
        };
        let view = self.until_view("a link", works).await;
        view.sites.iter().find(is_it).expect("it was there").clone()
    }

    /// Quits, and waits until everything has ended.
    pub(crate) async fn quit(self) -> Notes {
        // The answer may be lost on the way out.
        let _ = self.ask(Request::Quit).await;
        self.ended().await
    }

    /// Waits until the app has ended by itself.
    pub(crate) async fn ended(mut self) -> Notes {
        let ended = timeout(DEADLINE, self.running.join_next()).await.expect("an end in time");
        ended.expect("one task").expect("no panic");
        let notes = self.notes.borrow().clone();
        assert_eq!(notes.quits, 1);
        notes
    }

    /// Lets go of the only handle, and waits until the app has ended by itself.
    pub(crate) async fn abandon(self) -> Notes {
        let Self { handle, notes, mut running } = self;
        drop(handle);
        let ended = timeout(DEADLINE, running.join_next()).await.expect("an end in time");
        ended.expect("one task").expect("no panic");
        notes.borrow().clone()
    }

    /// Ends the app as a crash does: at once, with nothing said.
    pub(crate) async fn crash(mut self) {
        self.running.shutdown().await;
    }
}

/// Returns a port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

//! The programs of one owner and her gateway, on ports and in a folder of their own.

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use carriers::Carrier;
use crosstalk::proof::PrivateKey;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpSocket,
    process::{Child, ChildStdout, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// How long anything may take on a computer that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(60);

const PASSPHRASE: &str = "correct horse";

/// How long to wait between two looks at what tells nobody.
const LOOK: Duration = Duration::from_millis(2);

/// Looks again and again until there is something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let late = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < late, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns how large a file is; nothing when there is none.
pub(crate) fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// `veranda-gateway`.
pub(crate) struct Gateway {
    child: Child,
    data: PathBuf,
    address: SocketAddr,
    /// Keeps the port from everybody else while nobody listens there.
    _port: TcpSocket,
}

impl Gateway {
    pub(crate) async fn start(data: PathBuf) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = port.local_addr().unwrap();
        let child = listen(&data, address).await;
        Self { child, data, address, _port: port }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again, on its port and with its names, also when nobody had killed it in time.
    pub(crate) async fn start_again(&mut self) {
        // It may be dead already.
        drop(self.child.kill().await);
        self.child = listen(&self.data, self.address).await;
    }
}

async fn listen(data: &Path, address: SocketAddr) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conformance-gateway"))
        .args(["--json", "--listen", &address.to_string(), "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["address"], address.to_string());
    child
}

/// What the owner's program said last of its hand-over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) url: Option<String>,
    pub(crate) state: String,
    /// How much arrived, as long as something was cut or is on its way.
    pub(crate) arrived: Option<u64>,
    /// The sizes of the files that came.
    pub(crate) received: Vec<u64>,
}

/// Where a file is, or will be, of which nobody may claim that more of it is there.
type Watched = Arc<Mutex<Vec<PathBuf>>>;

/// An owner, who runs `veranda-peer` once for each hand-over.
pub(crate) struct Owner {
    place: PathBuf,
    gateway: String,
    pub(crate) carrier: Carrier,
    words: Vec<OsString>,
    program: Option<Program>,
    watched: Watched,
}

struct Program {
    child: Child,
    told: watch::Receiver<Told>,
    reader: JoinSet<()>,
}

impl Owner {
    pub(crate) fn new(place: PathBuf, gateway: String, carrier: Carrier) -> Self {
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("key"), key()).unwrap();
        let watched = Watched::default();
        Self { place, gateway, carrier, words: Vec::new(), program: None, watched }
    }

    /// Begins a hand-over, and returns its link when that works.
    pub(crate) async fn begin(&mut self, words: &[&OsStr]) -> String {
        self.words = words.iter().map(OsString::from).collect();
        self.run();
        let told = self.until("a link", |told| told.url.is_some());
        told.await.url.unwrap()
    }

    /// Starts the program as it was started before.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-peer"));
        command.args(&self.words).args(["--json", "--gateway", &self.gateway]);
        command.args(["--carrier", self.carrier.name(), "--data"]).arg(self.place.join("data"));
        command.arg("--key-file").arg(self.place.join("key")).env("VERANDA_PASSPHRASE", PASSPHRASE);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, told) = watch::channel(Told::default());
        let mut reader = JoinSet::new();
        reader.spawn(read(lines, sender, self.watched.clone()));
        self.program = Some(Program { child, told, reader });
    }

    /// Kills the program. What it said before is read to the end.
    pub(crate) async fn kill(&mut self) {
        let mut program = self.program.take().unwrap();
        program.child.kill().await.unwrap();
        finish(&mut program.reader).await;
    }

    /// Waits until the program says that all is done and ends in order; returns what it said.
    pub(crate) async fn done(&mut self) -> Told {
        let mut program = self.program.take().unwrap();
        let ended = timeout(SOON, program.child.wait()).await;
        let ended =
            ended.unwrap_or_else(|_| panic!("no end: {:?}", *program.told.borrow())).unwrap();
        finish(&mut program.reader).await;
        self.watched.lock().unwrap().clear();
        let told = program.told.borrow().clone();
        assert!(ended.success() && told.state == "done", "{ended}: {told:?}");
        told
    }

    /// Fails from now on, until all is done, when somebody claims that more arrived than there is in one
    /// of these places.
    pub(crate) fn watch(&self, places: Vec<PathBuf>) {
        *self.watched.lock().unwrap() = places;
    }

    /// Waits until the program says this.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
        let program = self.program.as_mut().unwrap();
        let last = program.told.clone();
        match timeout(SOON, program.told.wait_for(fits)).await {
            Ok(Ok(told)) => told.clone(),
            Ok(Err(_)) => panic!("the program ended before {what}: {:?}", *last.borrow()),
            Err(_) => panic!("waited in vain for {what}: {:?}", *last.borrow()),
        }
    }
}

async fn finish(reader: &mut JoinSet<()>) {
    while let Some(read) = reader.join_next().await {
        read.unwrap();
    }
}

async fn read(
    mut lines: Lines<BufReader<ChildStdout>>,
    sender: watch::Sender<Told>,
    watched: Watched,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        let event: Value = serde_json::from_str(&line).unwrap();
        let mut told = sender.borrow().clone();
        match event["event"].as_str().unwrap() {
            "hand-over" => {
                told.url = event["url"].as_str().map(str::to_owned);
                told.state = event["state"].as_str().unwrap().to_owned();
                told.arrived = event["cut"]["arrived"].as_u64();
            }
            "passing" => told.arrived = event["arrived"].as_u64(),
            "received" => told.received.push(event["size"].as_u64().unwrap()),
            _ => {}
        }
        // Read afterwards, and the file only grows: so it is no less than when this was said.
        let has = watched.lock().unwrap().iter().map(|place| size(place)).max();
        if let (Some(arrived), Some(has)) = (told.arrived, has) {
            assert!(arrived <= has, "{event}: there are {has}");
        }
        sender.send_replace(told);
    }
}

/// Returns a key file that opens in no time.
fn key() -> Vec<u8> {
    let key = BASE64_URL_SAFE_NO_PAD.encode(PrivateKey::generate().to_bytes().as_slice());
    let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.to_owned().into());
    recipient.set_work_factor(1);
    age::encrypt(&recipient, format!("veranda-key-1:{key}").as_bytes()).unwrap()
}

/// Returns a curl that says nothing of its own, fails when it is refused, and writes down at once what it
/// reads.
pub(crate) fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--fail"]);
    curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    curl
}

/// Lets a curl end, and returns what it printed if it succeeded.
pub(crate) async fn said(curl: &mut Command) -> Option<String> {
    let output = timeout(SOON, curl.output()).await.unwrap().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

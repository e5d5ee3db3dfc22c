//! The program `veranda-peer`, started as a person or a script starts it.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::SystemTime,
};

use crosstalk::{
    control::{Receipt, ReceiptState},
    proof,
    registry::Reason,
};
use http::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    Home, file,
    gateway::{Gateway, SOON},
};

pub(crate) const PASSPHRASE: &str = "correct horse";

pub(crate) struct Program {
    input: Option<ChildStdin>,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// Starts `veranda-peer` with these words, in an environment of its own.
    pub(crate) fn start(home: &Home, words: &[&str], passphrase: Option<&str>) -> Self {
        Self::start_reading(home, words, passphrase, Stdio::null())
    }

    /// The same, and somebody types.
    pub(crate) fn start_with_input(home: &Home, words: &[&str], passphrase: Option<&str>) -> Self {
        Self::start_reading(home, words, passphrase, Stdio::piped())
    }

    fn start_reading(home: &Home, words: &[&str], passphrase: Option<&str>, input: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veranda-peer"));
        command
            .args(words)
            .env("HOME", home.folder.path().join("home"))
            .env_remove("XDG_DATA_HOME")
            .env_remove("VERANDA_GATEWAY")
            .env_remove("VERANDA_PASSPHRASE")
            // Nothing listens there: a computer without a keychain.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(passphrase) = passphrase {
            command.env("VERANDA_PASSPHRASE", passphrase);
        }
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let input = child.stdin.take();
        Self { input, child, output, errors }
    }

    fn publish(home: &Home, gateway: &str, more: &[&str]) -> Self {
        let folder = home.photos();
        let (data, key) = (home.folder.path().join("data"), home.folder.path().join("key"));
        let mut words = vec!["publish", text(&folder), "--gateway", gateway];
        words.extend(["--data", text(&data), "--key-file", text(&key)]);
        words.extend(more);
        Self::start(home, &words, Some(PASSPHRASE))
    }

    pub(crate) async fn line(&mut self) -> String {
        timeout(SOON, self.output.next_line()).await.unwrap().unwrap().expect("a line")
    }

    pub(crate) async fn object(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no object: {line}"))
    }

    /// Returns the session URL, which comes first.
    async fn url(&mut self) -> String {
        let published = self.object().await;
        assert_eq!(published["event"], "published");
        assert!(published["site"].is_string());
        published["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn error_line(&mut self) -> String {
        timeout(SOON, self.errors.next_line()).await.unwrap().unwrap().expect("a sentence")
    }

    pub(crate) async fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = timeout(SOON, self.child.wait()).await.unwrap().unwrap();
        let mut said = String::new();
        self.errors.into_inner().read_to_string(&mut said).await.unwrap();
        (status, said)
    }

    #[cfg(unix)]
    async fn terminate(self) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success());
        self.end().await.0
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The pipe is full after some hundred lines; visitors and the end do not wait for its reader.
#[cfg(unix)]
#[tokio::test]
async fn a_reader_who_sleeps_holds_up_neither_visitors_nor_the_end() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let mut program = Program::publish(&home, &gateway.address.origin(), &["--json"]);
    let url = program.url().await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    // Each visit is told in a line of some hundred bytes; a pipe holds 64 KiB, and we read nothing.
    for number in 7..1000 {
        let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), number).await;
        assert_eq!(seen.text().await, "hello");
    }
    assert!(program.terminate().await.success());
}

#[cfg(unix)]
#[tokio::test]
async fn scripts_read_one_object_a_line_and_the_link_stays() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let address = gateway.address.origin();
    let mut program = Program::publish(&home, &address, &["--json"]);
    let url = program.url().await;
    let up = program.object().await;
    assert_eq!((&up["event"], &up["state"]), (&"link".into(), &"up".into()));
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 7).await;
    assert_eq!(seen.text().await, "hello");
    let started = program.object().await;
    assert_eq!((&started["event"], &started["state"]), (&"transfer".into(), &"started".into()));
    assert_eq!((&started["file"], &started["size"]), (&"a.txt".into(), &5.into()));
    let receipt =
        Receipt { transaction: 7, delivered: 5, state: ReceiptState::Complete, read: None };
    gateway.receipt(link, receipt).await;
    let ended = program.object().await;
    assert_eq!((&ended["state"], &ended["end"]), (&"ended".into(), &"complete".into()));
    assert_eq!((&ended["visitor"], &ended["by"]), (&"192.0.2.7".into(), &Value::Null));
    link.close();
    assert_eq!(program.object().await["state"], "down");
    assert_eq!(program.object().await["state"], "up");
    assert!(program.terminate().await.success());
    gateway.links(0).await;
    let mut program = Program::publish(&home, &address, &["--json", "--name", "Holiday"]);
    assert_eq!(program.url().await, url);
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn people_read_sentences_and_once_ends_after_one_file() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let mut program = Program::publish(&home, &gateway.address.origin(), &["--once"]);
    assert_eq!(program.line().await, "Photos 2026 is published at");
    let url = program.line().await;
    assert_eq!(program.line().await, "Connected to the gateway by Petrichor.");
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 7).await;
    assert_eq!(seen.text().await, "hello");
    assert_eq!(program.line().await, "192.0.2.7 (curl) fetches a.txt (5 B).");
    let receipt =
        Receipt { transaction: 7, delivered: 5, state: ReceiptState::Complete, read: None };
    gateway.receipt(link, receipt).await;
    let delivered = program.line().await;
    assert!(delivered.starts_with("a.txt: 5 B delivered to 192.0.2.7 (curl) in "), "{delivered}");
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn several_folders_are_published_at_the_same_time() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let other = Home::new();
    let address = gateway.address.origin();
    let mut first = Program::publish(&home, &address, &["--json"]);
    let first_url = first.url().await;
    let (folder, data) = (other.photos(), home.folder.path().join("data"));
    let key = home.folder.path().join("key");
    let words = ["publish", text(&folder), "--gateway", &address, "--json", "--data", text(&data)];
    let words = [&words[..], &["--key-file", text(&key)]].concat();
    let mut second = Program::start(&home, &words, Some(PASSPHRASE));
    let second_url = second.url().await;
    assert_ne!(first_url, second_url);
    let links = gateway.links(2).await;
    gateway.enter(&links[0], &first_url).await;
    gateway.enter(&links[1], &second_url).await;
}

#[tokio::test]
async fn a_gateway_that_is_away_is_said_and_waited_for() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (address, port) = (gateway.address.origin(), gateway.port());
    drop(gateway);
    let mut program = Program::publish(&home, &address, &["--json"]);
    let said = program.error_line().await;
    assert!(said.contains("cannot be reached") && said.contains("Trying again"), "{said}");
    let _gateway = Gateway::start_at(([127, 0, 0, 1], port).into()).await;
    program.url().await;
}

#[tokio::test]
async fn each_failure_has_a_sentence_and_a_code() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let address = gateway.address.origin();
    let missing = home.folder.path().join("missing");
    let file = home.photos().join("a.txt");
    let check = async |program: Program, code: i32, words: &str| {
        let (status, said) = program.end().await;
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let start = |words: &[&str], passphrase| Program::start(&home, words, passphrase);
    let key = home.folder.path().join("key");
    for (folder, words) in [(&missing, "it is not there"), (&file, "it is not a folder")] {
        let words_in = ["publish", text(folder), "--gateway", &address, "--key-file", text(&key)];
        check(start(&words_in, Some(PASSPHRASE)), 3, words).await;
    }
    let insecure = ["publish", text(&missing), "--gateway", "http://gateway.example"];
    check(start(&insecure, None), 2, "needs https://").await;
    let proof = ["proof", "--gateway", &address, "--key-file", text(&key)];
    check(start(&proof, Some("wrong passphrase")), 5, "does not open").await;
    check(start(&proof, None), 5, "VERANDA_PASSPHRASE").await;
    let new = home.folder.path().join("new");
    let short = ["proof", "--gateway", &address, "--key-file", text(&new)];
    check(start(&short, Some("short")), 5, "at least 8").await;
    assert!(!new.exists());
    let nobody = ["proof", "--gateway", "localhost:1", "--key-file", text(&key)];
    check(start(&nobody, Some(PASSPHRASE)), 4, "cannot be reached").await;
    gateway.orders().refuse = Some((StatusCode::FORBIDDEN, Reason::NotAdmitted));
    check(Program::publish(&home, &address, &[]), 4, "no, not today").await;
}

#[tokio::test]
async fn a_proof_is_good_for_its_gateway() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let address = gateway.address.origin();
    let key = home.folder.path().join("key");
    let words = ["proof", "--gateway", &address, "--key-file", text(&key)];
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut program = Program::start(&home, &words, Some(PASSPHRASE));
        let token = program.line().await;
        keys.push(proof::verify(&token, &address, SystemTime::now()).unwrap().key);
    }
    assert_eq!(keys[0], keys[1]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_a_keychain_the_identity_is_for_this_run_only_and_that_is_said() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let folder = home.photos();
    let address = gateway.address.origin();
    let words = ["publish", text(&folder), "--gateway", &address, "--json"];
    let mut program = Program::start(&home, &words, None);
    let said = program.error_line().await;
    assert!(said.contains("this run only") && said.contains("no keychain"), "{said}");
    program.url().await;
}

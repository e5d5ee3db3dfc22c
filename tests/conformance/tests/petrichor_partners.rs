//! Petrichor and TNetstrings against programs that are not ours: an echo client and an echo server
//! in Python, typed from the description of 2012, and the package tnetstring3.

mod partner;

use std::{net::Ipv4Addr, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use carriers::petrichor::{
    echo::{self, Verdict},
    primitives::{Conversation, Pair, PetrichorError, connect_allowed},
};
use conformance::world::DEADLINE;
use crosstalk::tnetstring::{Dictionary, Finite, MAX_SIZE, TnetstringError, Value};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::timeout,
};

use crate::partner::{PYTHON, Partner};

/// Our echo server in one conversation with the client in Python.
struct Serving {
    client: Partner,
    served: JoinSet<Result<(), PetrichorError>>,
}

impl Serving {
    async fn to(name: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port().to_string();
        let environment = [("PORT", port), ("NAME", name.to_owned())];
        let client = Partner::start(PYTHON, "petrichor_echo_client.py", &environment)?;
        let (stream, _) = timeout(DEADLINE, listener.accept()).await??;
        let mut served = JoinSet::new();
        served.spawn(async move {
            let header = Dictionary::from([("ident", "abcd"), ("version", "0.1")]);
            echo::serve(stream, header, |who| match who.value(b"user") {
                Some(user) if *user == "joe".into() => Verdict::Allowed("WELCOME".into()),
                _ => Verdict::Denied("go away, \u{fc}".into()),
            })
            .await
        });
        Ok(Self { client, served })
    }

    async fn check(&mut self, say: &str, answer: &str) -> Result<()> {
        self.client.say(say).await?;
        let line = self.client.line().await?;
        ensure!(line == answer, "{} was answered with {}", brief(say), brief(&line));
        Ok(())
    }

    /// Returns how the conversation ended at our end.
    async fn end(mut self) -> Result<Result<(), PetrichorError>> {
        let ended = timeout(DEADLINE, self.served.join_next()).await.context("it goes on")?;
        Ok(ended.context("nothing was served")??)
    }
}

#[tokio::test]
async fn a_python_client_echoes_with_our_server() -> Result<()> {
    let mut serving = Serving::to("joe").await?;
    let greeting = serving.client.line().await?;
    ensure!(greeting == "CONNECTED WELCOME [b'allowed', b'ident', b'version']", "{greeting}");
    for body in [&b"hi"[..], b"", b"0:}2:hi,", "\u{fc}\u{1f600}".as_bytes(), &binary()] {
        serving.check(&format!("echo {}", hex(body)), &format!("reply {}", hex(body))).await?;
    }
    // Two pairs at once are answered one by one.
    serving.check(&format!("raw {}", hex(b"0:}1:a,1:")), "reply 61").await?;
    serving.client.say("leave").await?;
    match serving.end().await? {
        Err(PetrichorError::Tnetstring(TnetstringError::Cut)) => Ok(()),
        other => anyhow::bail!("half a pair was left behind: {other:?}"),
    }
}

#[tokio::test]
async fn a_python_client_leaves_in_order() -> Result<()> {
    let mut serving = Serving::to("joe").await?;
    serving.client.line().await?;
    serving.check("echo 6869", "reply 6869").await?;
    serving.client.say("leave").await?;
    Ok(serving.end().await??)
}

#[tokio::test]
async fn a_python_client_is_denied_with_a_sentence() -> Result<()> {
    let mut serving = Serving::to("mallory").await?;
    let greeting = serving.client.line().await?;
    let expected = "YOU WERE DENIED go away, \u{fc} [b'allowed', b'ident', b'version']";
    ensure!(greeting == expected, "{greeting}");
    serving.client.say("leave").await?;
    Ok(serving.end().await??)
}

#[tokio::test]
async fn what_a_python_client_must_not_say_ends_the_conversation() -> Result<()> {
    for header in ["2:hi,0:,", "0:~0:,", "0:]0:,"] {
        let mut serving = Serving::to("joe").await?;
        serving.client.line().await?;
        serving.check(&format!("raw {}", hex(header.as_bytes())), "over").await?;
        serving.end().await?.with_context(|| format!("{header} is an end in order"))?;
    }
    for (say, damaged, error) in [
        ("raw", "05:hello,0:,", TnetstringError::Size),
        ("raw", "16:1:a,1:1#1:a,1:2#}0:,", TnetstringError::Duplicate),
        ("raw", "65537:", TnetstringError::TooLarge),
        ("raw", "0:}1048577:", TnetstringError::TooLarge),
        ("cut", "0:}5:he", TnetstringError::Cut),
        ("cut", "44:7:ver", TnetstringError::Cut),
    ] {
        let mut serving = Serving::to("joe").await?;
        serving.client.line().await?;
        serving.check(&format!("{say} {}", hex(damaged.as_bytes())), "over").await?;
        match serving.end().await? {
            Err(PetrichorError::Tnetstring(found)) if found == error => {}
            other => anyhow::bail!("{damaged} ended with {other:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_client_of_the_page_on_petrichor_works() -> Result<()> {
    const PAGE: &str = include_str!("../../../docs/protocols/petrichor.md");
    let program = PAGE.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let program = program.context("the page has no program")?;
    ensure!(program.lines().count() <= 45, "it is no longer short");
    for (name, said) in [("joe", "CONNECTED WELCOME\nhi\nthere\n"), ("mallory", "DENIED go away\n")]
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut client = Command::new(PYTHON)
            .args(["-c", program, "127.0.0.1", &listener.local_addr()?.port().to_string(), name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = client.stdin.take().context("no input")?;
        let (stream, _) = timeout(DEADLINE, listener.accept()).await??;
        let served = echo::serve(stream, Dictionary::new(), |who| match who.value(b"user") {
            Some(user) if *user == "joe".into() => Verdict::Allowed("WELCOME".into()),
            _ => Verdict::Denied("go away".into()),
        });
        let typing = async {
            // Who was denied does not listen.
            let _ = input.write_all(b"hi\nthere\n").await;
            drop(input);
            client.wait_with_output().await
        };
        let (served, output) = timeout(DEADLINE, async { tokio::join!(served, typing) }).await?;
        served?;
        let output = String::from_utf8(output?.stdout)?;
        ensure!(output == said, "{output}");
    }
    Ok(())
}

/// The echo server in Python.
struct Server {
    partner: Partner,
    port: u16,
}

impl Server {
    async fn start() -> Result<Self> {
        let mut partner = Partner::start(PYTHON, "petrichor_echo_server.py", &[])?;
        let line = partner.line().await?;
        let port = line.strip_prefix("listening ").context("no port")?.parse()?;
        Ok(Self { partner, port })
    }

    async fn connect(&mut self, name: &str) -> Result<(Conversation<TcpStream>, Pair)> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let header = Dictionary::from([("user", name.to_owned()), ("version", "0.1".to_owned())]);
        let begun = Conversation::connect(stream, &header, &"".into()).await?;
        ensure!(self.partner.line().await? == format!("hello {name}"));
        Ok(begun)
    }
}

async fn ask(conversation: &mut Conversation<TcpStream>, body: Value) -> Result<Option<Pair>> {
    Ok(timeout(DEADLINE, conversation.request(&Dictionary::new(), &body)).await??)
}

#[tokio::test]
async fn our_client_echoes_with_a_python_server() -> Result<()> {
    let mut server = Server::start().await?;
    let (mut conversation, answer) = server.connect("joe").await?;
    ensure!(connect_allowed(&answer.header) && answer.body == "WELCOME".into(), "{answer:?}");
    ensure!(answer.header.value(b"ident") == Some(&"abcd".into()), "{answer:?}");
    let list = Value::List(vec![Value::Null, true.into(), (-5).into(), "text".into()]);
    let nested = Dictionary::from([("list", list.clone()), ("empty", Dictionary::new().into())]);
    for body in ["hi".into(), "".into(), Bytes::from(binary()).into(), list, nested.into()] {
        let answer = ask(&mut conversation, body.clone()).await?.context("it is over")?;
        ensure!(answer == Pair { header: Dictionary::new(), body }, "came back changed");
    }
    conversation.close().await?;
    ensure!(server.partner.line().await? == "ALL DONE");
    Ok(())
}

#[tokio::test]
async fn after_the_no_of_a_python_server_nothing_closes_by_itself() -> Result<()> {
    let mut server = Server::start().await?;
    let (mut conversation, answer) = server.connect("mallory").await?;
    ensure!(!connect_allowed(&answer.header) && answer.body == "go away".into(), "{answer:?}");
    let answer = ask(&mut conversation, "still here".into()).await?.context("it closed")?;
    ensure!(answer.body == "still here".into());
    Ok(())
}

#[tokio::test]
async fn a_python_server_may_end_or_break_off() -> Result<()> {
    let mut server = Server::start().await?;
    for last in ["bye", "list"] {
        let (mut conversation, _) = server.connect("joe").await?;
        ensure!(ask(&mut conversation, last.into()).await?.is_none(), "{last}");
        ensure!(server.partner.line().await? == "ALL DONE");
    }
    for (last, wanted) in [("cut", TnetstringError::Cut), ("damage", TnetstringError::Size)] {
        let (mut conversation, _) = server.connect("joe").await?;
        let error = ask(&mut conversation, last.into()).await.unwrap_err();
        match error.downcast_ref() {
            Some(PetrichorError::Tnetstring(found)) if *found == wanted => {}
            _ => anyhow::bail!("{last} ended with {error:?}"),
        }
        ensure!(server.partner.line().await? == "ALL DONE");
    }
    // What we must not say, it takes as an end.
    let (conversation, _) = server.connect("joe").await?;
    let (mut stream, rest) = conversation.into_parts();
    ensure!(rest.is_empty());
    stream.write_all(b"2:hi,").await?;
    ensure!(server.partner.line().await? == "ALL DONE");
    let mut heard = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut heard)).await??;
    ensure!(heard.is_empty(), "{}", heard.escape_ascii());
    Ok(())
}

/// With which number random values begin. Another one finds other values; a failure names it.
const SEED: u64 = 2012;

/// How many values go each way.
const VALUES: u64 = 400;

/// How many damaged values are read by both. Most are broken for both; enough are not.
const DAMAGED: u64 = 4000;

/// The package tnetstring3.
struct Oracle(Partner);

impl Oracle {
    fn start() -> Result<Self> {
        Ok(Self(Partner::start(PYTHON, "tnetstring_oracle.py", &[])?))
    }

    async fn answer(&mut self, question: &str) -> Result<String> {
        self.0.say(question).await?;
        self.0.line().await
    }

    /// Returns how it writes what it reads, or `None` when it cannot read it.
    async fn again(&mut self, bytes: &[u8]) -> Result<Option<Bytes>> {
        let answer = self.answer(&format!("again {}", hex(bytes))).await?;
        match answer.split_once(' ') {
            Some(("ok", text)) => unhex(text).map(Some),
            _ => Ok(None),
        }
    }
}

#[tokio::test]
async fn tnetstring3_reads_what_we_write() -> Result<()> {
    let mut oracle = Oracle::start()?;
    for number in 0..VALUES {
        let seed = SEED + number;
        let value = Chance(seed).value(4);
        let bytes = value.to_bytes(MAX_SIZE)?;
        let again = oracle.again(&bytes).await?;
        let again = again.with_context(|| format!("seed {seed}: refused {value:?}"))?;
        // It writes dictionaries backwards.
        let read = Value::parse(&again).with_context(|| format!("seed {seed}: {again:?}"))?;
        ensure!(sorted(read) == sorted(value), "seed {seed}: {bytes:?} became {again:?}");
    }
    Ok(())
}

#[tokio::test]
async fn we_read_what_tnetstring3_writes() -> Result<()> {
    let mut oracle = Oracle::start()?;
    for seed in SEED..SEED + VALUES {
        let bytes = unhex(&oracle.answer(&format!("make {seed}")).await?)?;
        let value = Value::parse(&bytes).with_context(|| format!("seed {seed}: {bytes:?}"))?;
        let ours = value.to_bytes(MAX_SIZE)?;
        let verdict = oracle.answer(&format!("same {} {}", hex(&bytes), hex(&ours))).await?;
        ensure!(verdict == "same", "seed {seed}: {bytes:?} became {ours:?}");
    }
    Ok(())
}

#[tokio::test]
async fn of_damaged_values_we_accept_no_more_than_tnetstring3() -> Result<()> {
    let mut oracle = Oracle::start()?;
    let (mut both, mut stricter, mut neither) = (0, 0, 0);
    for seed in SEED..SEED + DAMAGED {
        let mut chance = Chance(seed);
        let mut bytes = chance.value(1).to_bytes(MAX_SIZE)?.to_vec();
        for _ in 0..=chance.below(2) {
            let place = chance.below(bytes.len());
            bytes[place] = chance.one_of(b"00123456789:,#^!~}]-.e ");
        }
        let bytes = Bytes::from(bytes);
        let theirs = oracle.again(&bytes).await?;
        match (Value::parse(&bytes), theirs) {
            (Ok(ours), Some(theirs)) => {
                let theirs = Value::parse(&theirs).with_context(|| format!("seed {seed}"))?;
                ensure!(sorted(ours) == sorted(theirs), "seed {seed}: {bytes:?}");
                both += 1;
            }
            (Ok(_), None) => anyhow::bail!("seed {seed}: only we accept {bytes:?}"),
            (Err(error), Some(_)) => {
                let on_purpose = matches!(
                    error,
                    TnetstringError::Integer
                        | TnetstringError::Float
                        | TnetstringError::Duplicate
                        | TnetstringError::Key
                );
                ensure!(on_purpose, "seed {seed}: we refuse {bytes:?}: {error}");
                stricter += 1;
            }
            (Err(_), None) => neither += 1,
        }
    }
    ensure!(both > 0 && stricter > 0 && neither > 0, "{both}, {stricter}, {neither}");
    Ok(())
}

#[tokio::test]
async fn where_tnetstring3_forgives_more_is_known() -> Result<()> {
    let mut oracle = Oracle::start()?;
    for (bytes, theirs) in [
        ("05:hello,", None),
        ("3:yes!", None),
        ("4:TRUE!", None),
        ("1:x~", None),
        ("0:#", None),
        ("2:hi;", None),
        ("10000000000:", None),
        ("3:012#", Some("2:12#")),
        ("3:+12#", Some("2:12#")),
        ("2:-0#", Some("1:0#")),
        ("20:99999999999999999999#", Some("20:99999999999999999999#")),
        ("3:nan^", Some("3:nan^")),
        ("3:inf^", Some("3:inf^")),
        ("4:01.5^", Some("3:1.5^")),
        ("8:1:1#1:b,}", Some("8:1:1#1:b,}")),
        ("16:1:a,1:1#1:a,1:2#}", Some("8:1:a,1:2#}")),
    ] {
        let found = oracle.again(bytes.as_bytes()).await?;
        ensure!(found.as_deref() == theirs.map(str::as_bytes), "{bytes}: {found:?}");
        ensure!(Value::parse(&Bytes::from_static(bytes.as_bytes())).is_err(), "{bytes}");
    }
    // The one thing in which both forgive: floats have no only form.
    let float = Value::parse(&Bytes::from_static(b"3:1e5^"))?.to_bytes(MAX_SIZE)?;
    ensure!(float == "8:100000.0^" && oracle.again(b"3:1e5^").await? == Some(float));
    let mut deep = Bytes::new();
    for _ in 0..100 {
        deep = format!("{}:{}]", deep.len(), deep.escape_ascii()).into();
    }
    ensure!(oracle.again(&deep).await?.is_some());
    ensure!(Value::parse(&deep) == Err(TnetstringError::Depth));
    Ok(())
}

/// Returns a value with its dictionaries in the order of their keys.
fn sorted(value: Value) -> Value {
    match value {
        Value::List(values) => Value::List(values.into_iter().map(sorted).collect()),
        Value::Dictionary(values) => {
            let mut entries: Vec<_> = values.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let mut dictionary = Dictionary::new();
            for (key, value) in entries {
                dictionary.insert(key.clone(), sorted(value.clone()));
            }
            dictionary.into()
        }
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::String(_) => value,
    }
}

/// Random numbers that are the same for the same seed everywhere (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Returns a value of at most this depth.
    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 0 { 9 } else { 7 }) {
            0 => Value::Null,
            1 => (self.below(2) == 0).into(),
            2 => {
                let shift = self.below(64);
                (self.next().cast_signed() >> shift).into()
            }
            3 => loop {
                if let Some(float) = Finite::new(f64::from_bits(self.next())) {
                    break float.into();
                }
            },
            4 => {
                Finite::new(self.below(2000) as f64 / 8.0 - 100.0).map_or(Value::Null, Value::from)
            }
            5 | 6 => {
                let length = self.one_of(&[0, 1, 9, 10, 99, 300]);
                self.bytes(length).into()
            }
            7 => (0..self.below(6)).map(|_| self.value(depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let mut dictionary = Dictionary::new();
                for _ in 0..self.below(6) {
                    let length = self.below(5);
                    dictionary.insert(self.bytes(length), self.value(depth - 1));
                }
                dictionary.into()
            }
        }
    }
}

/// Bytes of every value, and more than any buffer holds.
fn binary() -> Vec<u8> {
    (0..=255).cycle().take(100_000).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Bytes> {
    let byte = |two: &[u8]| Ok(u8::from_str_radix(str::from_utf8(two)?, 16)?);
    text.as_bytes().chunks(2).map(byte).collect()
}

fn brief(text: &str) -> String {
    text.chars().take(100).collect()
}

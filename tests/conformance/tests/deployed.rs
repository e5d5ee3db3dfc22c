//! The configuration that operators get in `deploy/xmpp`, on a real Prosody.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use anyhow::ensure;
use testkit::{prosody::Prosody, raw_xmpp::RawXmpp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

/// What one of the limited sends: four seconds at the 100 kB/s that the configuration grants.
const LITTLE: usize = 400_000;

/// What the others send: forty seconds at that rate.
const MUCH: usize = 10 * LITTLE;

/// How long either takes at most, on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is measured at most: a busy computer makes everybody slow for a while, but none makes
/// somebody fast who is limited.
const ATTEMPTS: usize = 5;

/// The bytes of a chunk as it travels.
const CHUNK: usize = 20_000;

async fn log_in(prosody: &Prosody, name: &str) -> anyhow::Result<RawXmpp> {
    RawXmpp::log_in_in_tls(prosody, &prosody.login(name)?, "here").await
}

/// Sends so many bytes from one session to the other, and returns how long it took to arrive.
async fn send(from: &mut RawXmpp, to: &mut RawXmpp, bytes: usize) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let text = "A".repeat(CHUNK);
    let mut stanza = String::new();
    write!(stanza, "<message to='{}'><d xmlns='urn:veranda:test'>{text}</d></message>", to.jid())?;
    let count = bytes / CHUNK;
    let sending = async {
        for _ in 0..count {
            from.say(&stanza).await?;
        }
        anyhow::Ok(())
    };
    let receiving = async {
        for _ in 0..count {
            to.until_within(PATIENCE, "</message>").await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(sending, receiving)?;
    Ok(begun.elapsed())
}

#[tokio::test]
async fn gateway_and_publisher_are_fast_and_a_stranger_is_not() -> anyhow::Result<()> {
    let prosody = Prosody::deployed().start().await?;
    let mut gateway = log_in(&prosody, "gateway").await?;
    let mut publisher = log_in(&prosody, "publisher").await?;
    let mut stranger = log_in(&prosody, "stranger").await?;
    let mut other = log_in(&prosody, "other").await?;
    let rate = |bytes: usize, time: Duration| bytes as f64 / time.as_secs_f64() / 1000.0;
    let mut attempt = 1;
    loop {
        // The stranger's line is full while the others use theirs.
        let (slow, fast) = tokio::try_join!(send(&mut stranger, &mut other, LITTLE), async {
            let up = send(&mut publisher, &mut gateway, MUCH).await?;
            let down = send(&mut gateway, &mut publisher, MUCH).await?;
            Ok(up.max(down))
        })?;
        let (slow, fast) = (rate(LITTLE, slow), rate(MUCH, fast));
        ensure!(slow < 150.0, "a stranger has {slow:.0} kB/s");
        if slow > 40.0 && fast > 5.0 * slow {
            return Ok(());
        }
        ensure!(
            attempt < ATTEMPTS,
            "the gateway has {fast:.0} kB/s, a stranger {slow:.0} kB/s: too little for one of them"
        );
        attempt += 1;
    }
}

#[tokio::test]
async fn prosody_finds_nothing_wrong_with_it() -> anyhow::Result<()> {
    let prosody = Prosody::deployed().start().await?;
    let said = prosody.check_configuration().await?;
    ensure!(said.contains("All checks passed"), "{said}");
    let log = prosody.log();
    ensure!(!log.contains("error") && !log.contains("warn"), "{log}");
    Ok(())
}

#[tokio::test]
async fn nobody_logs_in_without_tls_or_makes_an_account() -> anyhow::Result<()> {
    let prosody = Prosody::deployed().start().await?;
    let mut line = TcpStream::connect(("127.0.0.1", prosody.port())).await?;
    let mut ask = async |text: &str, end: &str| {
        line.write_all(text.as_bytes()).await?;
        let mut heard = String::new();
        while !heard.contains(end) {
            let mut bytes = Vec::with_capacity(4096);
            ensure!(timeout(PATIENCE, line.read_buf(&mut bytes)).await?? > 0, "heard {heard}");
            heard += &String::from_utf8_lossy(&bytes);
        }
        Ok(heard)
    };
    let begin = "<stream:stream xmlns='jabber:client' version='1.0' to='chat.example' \
                 xmlns:stream='http://etherx.jabber.org/streams'>";
    let features = ask(begin, "</stream:features>").await?;
    ensure!(features.contains("<starttls") && features.contains("<required/>"), "{features}");
    ensure!(!features.contains("<mechanism"), "{features}");
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>";
    let answer = ask(auth, "</failure>").await?;
    ensure!(answer.contains("encryption-required"), "{answer}");

    let register = "<iq type='get' id='r' to='chat.example'>\
                    <query xmlns='jabber:iq:register'/></iq>";
    let mut publisher = log_in(&prosody, "publisher").await?;
    publisher.say(register).await?;
    let answer = publisher.until("</iq>").await?;
    ensure!(answer.contains("service-unavailable"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_kept_for_a_gateway_that_is_away() -> anyhow::Result<()> {
    let prosody = Prosody::deployed().start().await?;
    // The account is there, and nobody is logged in.
    prosody.login("gateway")?;
    let mut publisher = log_in(&prosody, "publisher").await?;
    publisher
        .say("<message type='chat' id='m' to='gateway@chat.example'><body>hello</body></message>")
        .await?;
    let answer = publisher.until("</message>").await?;
    ensure!(answer.contains("service-unavailable"), "{answer}");
    let stored = prosody.stored()?;
    let is_account =
        |file: &PathBuf| file.parent().is_some_and(|place| place.ends_with("accounts"));
    let is_kept = |file: &&PathBuf| !is_account(file) && !file.ends_with("prosody.sock");
    ensure!(!stored.iter().any(|file| is_kept(&file)), "{stored:?}");
    Ok(())
}

#[tokio::test]
async fn the_largest_chunk_passes_and_larger_stanzas_end_a_session() -> anyhow::Result<()> {
    let prosody = Prosody::deployed().start().await?;
    let mut gateway = log_in(&prosody, "gateway").await?;
    let mut publisher = log_in(&prosody, "publisher").await?;
    let stanza = |to: &str, bytes: usize| {
        let text = "A".repeat(bytes);
        format!("<iq type='set' id='x' to='{to}'><d xmlns='urn:veranda:test'>{text}</d></iq>")
    };
    let largest = crosstalk::xmpp::ct2::MAX_CHUNK.div_ceil(3) * 4;
    publisher.say(&stanza(gateway.jid(), largest)).await?;
    let arrived = gateway.until("</iq>").await?;
    ensure!(arrived.len() > largest);
    // Prosody looks at the size after each read, of 8 KiB.
    publisher.say(&stanza(gateway.jid(), 256 * 1024 + 2 * 8192)).await?;
    let end = publisher.until("</stream:stream>").await?;
    ensure!(end.contains("policy-violation"), "{end}");
    Ok(())
}

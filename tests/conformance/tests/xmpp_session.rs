//! Sessions of XMPP accounts at a real server: what goes wrong is told apart, what is said arrives, and
//! an end is noticed.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use carriers::{
    tls::Roots,
    xmpp::{
        Conversation, ConversationEnd, Incoming, LoginError, MeetError, Outgoing, Password,
        Session, SessionEnd,
    },
};
use crosstalk::xmpp::{BareJid, Jid};
use futures_util::{SinkExt as _, StreamExt as _, future::poll_immediate};
use testkit::prosody::Prosody;
use tokio::time::timeout;
use xmpp_parsers::minidom::Element;

/// Longer than anything takes here, even on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A chunk of 16 KiB in base64.
const CHUNK: usize = 16 * 1024 / 3 * 4;

/// How many chunks may be unanswered.
const IN_FLIGHT: usize = 300;

fn payload(token: &str, text: &str) -> Element {
    let xml = format!("<d xmlns='urn:veranda:crosstalk:2' batch='{token}.1'>{text}</d>");
    xml.parse().expect("this is XML")
}

/// Sends so many chunks and answers those of the other end, until all have been answered and the other
/// end has had as many of ours.
async fn talk(conversation: Conversation, token: &str, chunks: usize) -> anyhow::Result<()> {
    let (mut out, mut come) = conversation.split();
    let text = "x".repeat(CHUNK);
    let (mut sent, mut answered, mut received) = (0, 0, 0);
    let mut to_answer = Vec::new();
    while answered < chunks || received < chunks || !to_answer.is_empty() {
        // Whatever can be said is said at once; a lost wake-up on either side shows as a standstill.
        while let Some(id) = to_answer.pop() {
            out.feed(Outgoing::Result { id }).await?;
        }
        while sent < chunks && sent - answered < IN_FLIGHT {
            let set =
                Outgoing::Set { id: format!("{token}.{sent}"), payload: payload(token, &text) };
            let mut feed = std::pin::pin!(out.feed(set));
            match poll_immediate(&mut feed).await {
                Some(fed) => fed?,
                None => {
                    // While there is no room, what comes in still has to be taken.
                    tokio::select! {
                        fed = &mut feed => fed?,
                        next = come.next() => {
                            note(next, &mut answered, &mut received, &mut to_answer)?;
                            feed.await?;
                        }
                    }
                }
            }
            sent += 1;
            if !to_answer.is_empty() {
                break;
            }
        }
        if !to_answer.is_empty() {
            continue;
        }
        if answered < chunks || received < chunks {
            // A sink that is split keeps the last stanza back until then.
            out.flush().await?;
            let next = timeout(PATIENCE, come.next()).await.with_context(|| {
                format!("standstill: {sent} sent, {answered} answered, {received} received")
            })?;
            note(next, &mut answered, &mut received, &mut to_answer)?;
        }
    }
    out.flush().await?;
    Ok(())
}

fn note(
    next: Option<Incoming>,
    answered: &mut usize,
    received: &mut usize,
    to_answer: &mut Vec<String>,
) -> anyhow::Result<()> {
    match next.context("the conversation has ended")? {
        Incoming::Set { id, .. } => {
            *received += 1;
            to_answer.push(id);
        }
        Incoming::Result { .. } => *answered += 1,
        Incoming::Refused { condition, .. } => bail!("refused: {condition:?}"),
    }
    Ok(())
}

async fn two_sessions(server: &Prosody) -> anyhow::Result<(Session, Session)> {
    let (gate, peer) = (server.login("gate")?, server.login("peer")?);
    Ok((Session::log_in(&gate).await?, Session::log_in(&peer).await?))
}

/// Lets both greet, so that each hears when the other is gone.
async fn introduce(gate: &Session, peer: &Session) -> anyhow::Result<()> {
    gate.announce();
    let met = peer.meet(&gate.jid().to_bare(), PATIENCE).await?;
    ensure!(met == *gate.jid());
    Ok(())
}

#[tokio::test]
async fn accounts_log_in_by_starttls_and_by_direct_tls() -> anyhow::Result<()> {
    let server = Prosody::tuned().with_tls().start().await?;
    let mut login = server.login("peer")?;
    let session = Session::log_in(&login).await?;
    ensure!(session.jid().to_bare() == login.jid);
    login.server = Some(("127.0.0.1".to_owned(), server.direct_tls_port()));
    let session = Session::log_in(&login).await?;
    ensure!(session.jid().to_bare() == login.jid);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_certificate_are_told_apart() -> anyhow::Result<()> {
    let server = Prosody::tuned().with_tls().start().await?;
    let mut login = server.login("peer")?;
    login.password = Password::from("another".to_owned());
    let refused = Session::log_in(&login).await.err();
    ensure!(matches!(refused, Some(LoginError::Password)), "{refused:?}");
    let mut login = server.login("peer")?;
    let stranger = Prosody::tuned().with_tls().with_host("other.test").start().await?;
    login.roots = stranger.roots().clone();
    let refused = Session::log_in(&login).await.err();
    ensure!(matches!(refused, Some(LoginError::Certificate(_))), "{refused:?}");
    // Believed, but for another domain than the account's.
    let mut login = stranger.login("peer")?;
    login.jid = BareJid::new("peer@xmpp.test")?;
    let refused = Session::log_in(&login).await.err();
    ensure!(
        matches!(refused, Some(LoginError::Certificate(_) | LoginError::NotXmpp)),
        "{refused:?}"
    );
    login.roots = Roots::System;
    ensure!(Session::log_in(&login).await.is_err());
    Ok(())
}

#[tokio::test]
async fn much_goes_both_ways_at_once_without_a_standstill() -> anyhow::Result<()> {
    let server = Prosody::tuned().start().await?;
    let (gate, peer) = two_sessions(&server).await?;
    introduce(&gate, &peer).await?;
    let capacity = 2 * IN_FLIGHT * (CHUNK + 1024);
    let one = gate.converse(peer.jid().clone(), "token", capacity);
    let other = peer.converse(gate.jid().clone(), "token", capacity);
    let chunks = 20_000_000 / (CHUNK / 4 * 3);
    tokio::try_join!(talk(one, "token", chunks), talk(other, "token", chunks))?;
    Ok(())
}

#[tokio::test]
async fn who_logs_out_or_is_killed_is_gone_for_the_other_end() -> anyhow::Result<()> {
    let mut server = Prosody::tuned().start().await?;
    let (gate, peer) = two_sessions(&server).await?;
    introduce(&gate, &peer).await?;
    let mut left = gate.converse(peer.jid().clone(), "token", 100_000);
    peer.close();
    ensure!(timeout(PATIENCE, left.next()).await?.is_none());
    ensure!(left.end() == Some(ConversationEnd::PartnerLeft));
    let peer = Session::log_in(&server.login("peer")?).await?;
    introduce(&gate, &peer).await?;
    let mut left = peer.converse(gate.jid().clone(), "token", 100_000);
    gate.close();
    ensure!(timeout(PATIENCE, left.next()).await?.is_none());
    ensure!(left.end() == Some(ConversationEnd::PartnerLeft));
    server.kill();
    let end = timeout(PATIENCE, peer.ended()).await?;
    ensure!(matches!(end, SessionEnd::Lost | SessionEnd::Shutdown), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn who_is_not_there_is_not_met() -> anyhow::Result<()> {
    let server = Prosody::tuned().start().await?;
    let peer = Session::log_in(&server.login("peer")?).await?;
    server.login("gate")?;
    let gate = BareJid::new("gate@xmpp.test")?;
    let met = peer.meet(&gate, Duration::from_secs(1)).await;
    ensure!(met == Err(MeetError::Offline), "{met:?}");
    let elsewhere = BareJid::new("gate@nowhere.invalid")?;
    let met = peer.meet(&elsewhere, PATIENCE).await;
    ensure!(matches!(met, Err(MeetError::Unreachable(_) | MeetError::Offline)), "{met:?}");
    Ok(())
}

#[tokio::test]
async fn an_end_that_nobody_announced_is_noticed() -> anyhow::Result<()> {
    let server = Prosody::tuned().start().await?;
    let (gate, peer) = two_sessions(&server).await?;
    introduce(&gate, &peer).await?;
    peer.leave(&Jid::from(gate.jid().clone()));
    let mut left = gate.converse(peer.jid().clone(), "token", 100_000);
    // Either the presence came before the conversation, or it ends it; asking shows which.
    let probe = Outgoing::Set { id: "token.1".to_owned(), payload: payload("token", "") };
    if left.send(probe).await.is_ok() {
        let next = timeout(PATIENCE, left.next()).await?;
        ensure!(matches!(next, None | Some(Incoming::Refused { .. })), "{next:?}");
    }
    Ok(())
}

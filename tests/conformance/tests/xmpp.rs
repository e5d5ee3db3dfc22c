//! What only XMPP has: servers that are slow, die and meet others, and accounts of third persons.

use std::{
    fs,
    io::{Write as _, stdout},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use carriers::{
    DialError, DialOptions,
    tls::Roots,
    xmpp::{Account, LoginError, dial::dial},
};
use conformance::{
    cases::CANCEL_WITHIN,
    site::{LONGEST, Noticed, pattern},
    world::{Answer, DEADLINE, World},
};
use crosstalk::transaction::{BodyError, boxed, empty, full};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use testkit::{
    accounts::Accounts,
    prosody::Prosody,
    raw_xmpp::{PLAIN_ALLOWED, RawXmpp},
    recorder::Recorder,
    visitor::Visitor,
    waiting::within,
    whole::Whole,
};
use tokio::{
    io::AsyncWriteExt as _,
    sync::mpsc,
    time::{Instant, timeout},
};

/// How long a link may take to come back after its server did: the gateway and the owner log in again
/// after waits that grow, and the first dial may come before the gateway did.
const HEALS_WITHIN: Duration = Duration::from_secs(60);

/// A large page on a server that lets 10 kB/s pass: several times what is on the way when somebody comes for
/// a small one, which is a burst of 20 kB and one more.
const LARGE_PAGE: usize = 120_000;

/// The largest stanza that Prosody takes from a client; behind a larger one it hangs up.
const MAX_STANZA: usize = 256 * 1024;

#[tokio::test]
async fn binary_passes_both_ways_as_it_is() -> Result<()> {
    let world = World::start_over(Accounts::together(Prosody::tuned().start().await?)).await?;
    let visitor = &world.visitor;
    let every: Bytes = (0..=255).collect();
    let echo = visitor.fetch(visitor.request("POST", "/echo").body(full(every.clone()))?).await?;
    ensure!(echo.complete && echo.body == every, "other bytes came back");

    let whole = pattern(LONGEST);
    let begun = Instant::now();
    let answer = visitor.get(&format!("/bytes/{LONGEST}")).await?;
    ensure!(answer.complete && answer.body == whole, "other bytes came down");
    let down = rate(begun);
    let begun = Instant::now();
    let request = visitor.request("POST", "/echo").body(full(whole.clone()))?;
    let answer = visitor.fetch(request).await?;
    ensure!(answer.complete && answer.body == whole, "other bytes came back");
    let both = rate(begun);
    writeln!(stdout(), "{LONGEST} bytes: {down:.1} MB/s down, {both:.1} MB/s there and back")?;
    Ok(())
}

fn rate(begun: Instant) -> f64 {
    LONGEST as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

#[tokio::test]
async fn a_slow_server_is_only_slow() -> Result<()> {
    let begun = Instant::now();
    let world = World::start_over(Accounts::together(Prosody::stock().start().await?)).await?;
    let linked = begun.elapsed();
    let visitor = &world.visitor;
    let begun = Instant::now();
    let page = visitor.request("GET", &format!("/bytes/{LARGE_PAGE}")).body(empty())?;
    let page = visitor.send(page).await?;
    let small = Instant::now();
    ensure!(visitor.get("/hello").await?.text() == "hello", "another visitor");
    let small = small.elapsed();
    let page = Answer::read(page).await?;
    ensure!(page.complete && page.body == pattern(LARGE_PAGE), "{} bytes", page.body.len());
    let took = begun.elapsed();
    let rate = *world.rate.as_ref().context("no rate")?.borrow();
    writeln!(
        stdout(),
        "linked after {linked:.1?}; a page of {LARGE_PAGE} bytes took {took:.1?}, a small one meanwhile \
         {small:.1?}; measured {rate:?} bytes/s"
    )?;
    // A busy machine delays both.
    ensure!(2 * small < took, "a small page waited {small:?} behind a large one of {took:?}");
    ensure!(rate.is_some_and(|rate| (2_000..15_000).contains(&rate)), "{rate:?} bytes/s");
    logged_in_once(&world)
}

/// Fails when a session had to be begun again.
fn logged_in_once(world: &World) -> Result<()> {
    let accounts = world.accounts.as_ref().context("no accounts")?;
    let logins = accounts.server.log().matches("Authenticated as").count();
    ensure!(logins == 2, "{logins} logins instead of the gateway's and the owner's");
    Ok(())
}

#[tokio::test]
async fn whoever_listens_on_the_line_hears_nothing_in_tls() -> Result<()> {
    let server = Prosody::tuned().with_tls().start().await?;
    let recorder = Recorder::before(server.port()).await?;
    let mut accounts = Accounts::together(server);
    accounts.owner_port = Some(recorder.port());
    let world = World::start_over(accounts).await?;
    let visitor = &world.visitor;
    let whole = pattern(1_000_000);
    let echo = visitor.fetch(visitor.request("POST", "/echo").body(full(whole.clone()))?).await?;
    ensure!(echo.complete && echo.body == whole, "other bytes came back");
    let heard = recorder.sent();
    ensure!(heard.contains("urn:ietf:params:xml:ns:xmpp-tls"), "no STARTTLS");
    for secret in ["<auth", "crosstalk", "<presence"] {
        ensure!(!heard.contains(secret), "{secret} was said in the clear");
    }

    // Who believes other certificates does not log in.
    let mut login = world.accounts.as_ref().context("no accounts")?.owner()?;
    login.roots = Roots::System;
    let refused = dial(&options(&world, Account::new(login))).await.err();
    ensure!(matches!(refused, Some(DialError::Account(LoginError::Certificate(_)))), "{refused:?}");
    Ok(())
}

fn options(world: &World, account: Account) -> DialOptions {
    DialOptions {
        gateway: world.address().clone(),
        proof: world.proof(),
        label: None,
        roots: Roots::System,
        account: Some(account),
        invite: None,
    }
}

#[tokio::test]
async fn a_wrong_password_is_called_that() -> Result<()> {
    let world = World::start_over(Accounts::together(Prosody::tuned().start().await?)).await?;
    let mut login = world.accounts.as_ref().context("no accounts")?.owner()?;
    login.password = "something else".to_owned().into();
    let refused = dial(&options(&world, Account::new(login))).await.err();
    ensure!(matches!(refused, Some(DialError::Account(LoginError::Password))), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_in_a_download_cuts_it_and_is_found_again() -> Result<()> {
    let accounts = Accounts::together(Prosody::tuned().start().await?);
    let mut whole = Whole::start_over(accounts).await?;
    let film = pattern(LONGEST);
    fs::write(whole.folder().join("film.bin"), &film)?;
    fs::write(whole.folder().join("page.html"), "still here")?;
    let (visitor, _) = Visitor::enter(&whole.publish().await?).await?;
    let mut download = visitor.begin("/film.bin", &HeaderMap::new()).await?;
    ensure!(download.take(300_000).await? == film[..300_000]);

    whole.accounts_mut()?.server.kill();
    let rest = download.take_all().await?;
    ensure!(download.left() > 0, "a download that was cut looks complete");
    ensure!(film[300_000..].starts_with(&rest), "other bytes before the cut");
    let away = visitor.get("/page.html").await?.status();
    let honest = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
    ensure!(honest.contains(&away), "{away}");

    whole.accounts_mut()?.server.restart().await?;
    let again = within(HEALS_WITHIN, "the site", async || {
        let answer = visitor.get("/page.html").await?;
        Ok((answer.status() == StatusCode::OK).then_some(answer))
    });
    ensure!(again.await?.body() == "still here", "another page came");
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_in_an_upload_is_told_to_the_visitor() -> Result<()> {
    let mut world = World::start_over(Accounts::together(Prosody::tuned().start().await?)).await?;
    let visitor = world.visitor.clone();
    let (send, receive) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
    let body = boxed(StreamBody::new(stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|frame| (frame, receive))
    })));
    let early = visitor.request("POST", "/early").body(body)?;
    let mut answer = visitor.send(early).await?;
    send.send(Ok(Frame::data(pattern(100_000)))).await?;
    let mut seen = Vec::new();
    while seen.len() < 100_000 {
        let frame = timeout(DEADLINE, answer.frame()).await?.context("ended early")??;
        seen.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    let waits = visitor.request("POST", "/sink").header("content-length", 1000);
    let (first, rest) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
    let body = boxed(StreamBody::new(stream::unfold(rest, |mut rest| async move {
        rest.recv().await.map(|frame| (frame, rest))
    })));
    first.send(Ok(Frame::data(pattern(10)))).await?;
    let accounts = world.accounts.as_mut().context("no accounts")?;
    let (unanswered, ()) = tokio::join!(visitor.fetch(waits.body(body)?), async {
        // The whole way is known to be there, since the other upload took it just now.
        accounts.server.kill();
    });
    let cut = Answer::read(answer).await?;
    ensure!(!cut.complete, "an answer that was cut looks complete");
    let status = unanswered?.status;
    let honest = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
    ensure!(honest.contains(&status), "{status}");
    drop((send, first));

    world.accounts.as_mut().context("no accounts")?.server.restart().await?;
    world.lose_links().await;
    within(HEALS_WITHIN, "a link", async || Ok(Some(world.link().await?))).await?;
    ensure!(visitor.get("/hello").await?.text() == "hello", "the site did not come back");
    Ok(())
}

#[tokio::test]
async fn leaving_is_noticed_while_others_fetch() -> Result<()> {
    let mut world = World::start_over(Accounts::together(Prosody::tuned().start().await?)).await?;
    let visitor = world.visitor.clone();
    let mut others = Vec::new();
    for _ in 0..3 {
        let fetch = visitor.request("GET", &format!("/bytes/{LONGEST}")).body(empty())?;
        let mut answer = visitor.send(fetch).await?;
        timeout(DEADLINE, answer.frame()).await?.context("no body")??;
        others.push(answer);
    }
    let mut socket = visitor.socket().await?;
    let head = format!("GET /hang HTTP/1.1\r\nHost: {}\r\n\r\n", visitor.authority());
    socket.write_all(head.as_bytes()).await?;
    world.until(&Noticed::Arrived("/hang".to_owned()), DEADLINE).await?;
    drop(socket);
    world.until(&Noticed::Cancelled("/hang".to_owned()), CANCEL_WITHIN).await?;
    for mut other in others {
        timeout(DEADLINE, other.frame()).await?.context("a download was cut")??;
    }
    Ok(())
}

#[tokio::test]
async fn what_no_server_takes_is_never_sent() -> Result<()> {
    let server = Prosody::tuned().start().await?;
    let owners = Recorder::before(server.port()).await?;
    let gateways = Recorder::before(server.port()).await?;
    let mut accounts = Accounts::together(server);
    accounts.owner_port = Some(owners.port());
    accounts.gateway_port = Some(gateways.port());
    let world = World::start_over(accounts).await?;
    let visitor = &world.visitor;
    // Each `&` is five letters in XML, each `"` seven with the one before it in JSON: heads that HTTP
    // takes and no stanza.
    for letter in ["&", "\"", "\u{fc}"] {
        let long = letter.repeat(60_000 / letter.len());
        let ask = visitor.request("GET", "/seen").header("x-long", long).body(empty())?;
        let answer =
            visitor.fetch(ask).await.with_context(|| format!("a request with {letter}"))?;
        let fits = letter == "\u{fc}";
        let expected =
            if fits { StatusCode::OK } else { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE };
        ensure!(answer.status == expected && answer.complete, "{letter}: {:?}", answer.status);
    }
    let ask = visitor.request("GET", "/heads").header("x-want", 60_000).header("x-letter", "&");
    let answer = visitor.fetch(ask.body(empty())?).await.context("an answer with &")?;
    ensure!(answer.status == StatusCode::BAD_GATEWAY && answer.complete, "{:?}", answer.status);
    ensure!(visitor.get("/bytes/1000000").await?.body == pattern(1_000_000));
    for recorder in [&owners, &gateways] {
        let sent = recorder.sent();
        let longest = sent.split("<iq").map(str::len).max().unwrap_or(0);
        ensure!(longest > 20_000, "nothing was recorded");
        ensure!(longest < MAX_STANZA, "a stanza of {longest} bytes");
    }
    logged_in_once(&world)
}

/// Returns the last stanza in a record that has all of this in it.
fn stanza<'a>(record: &'a str, wanted: &[&str]) -> Result<&'a str> {
    let starts: Vec<_> = record.match_indices("<iq").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([record.len()]);
    let stanzas = starts.iter().zip(ends).map(|(start, end)| &record[*start..end]);
    stanzas
        .filter(|stanza| wanted.iter().all(|wanted| stanza.contains(wanted)))
        .last()
        .with_context(|| format!("nothing with {wanted:?} was said"))
}

/// Returns the value of an attribute of the first element in a text that has it.
fn attribute<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    for quote in ['\'', '"'] {
        if let Some((_, rest)) = text.split_once(&format!(" {name}={quote}")) {
            return rest.split(quote).next().context("no end");
        }
    }
    bail!("no {name} in {text}")
}

/// Returns the head that a stanza carries.
fn inside(stanza: &str) -> Result<&str> {
    let start = stanza.find("<ct").context("no head")?;
    let end = stanza.rfind("</iq>").context("no end")?;
    Ok(&stanza[start..end])
}

#[tokio::test]
async fn a_third_account_cannot_answer_nor_ask_nor_end_anything() -> Result<()> {
    let server = Prosody::tuned().with_settings(PLAIN_ALLOWED).start().await?;
    let recorder = Recorder::before(server.port()).await?;
    let mut accounts = Accounts::together(server);
    accounts.owner_port = Some(recorder.port());
    let mut world = World::start_over(accounts).await?;
    let visitor = world.visitor.clone();
    let eves = world.accounts.as_ref().context("no accounts")?.server.login("eve")?;
    let mut eve = RawXmpp::log_in(&eves, "here").await?;

    // Eve knows everything that the two said, down to the token, and how an answer looks.
    ensure!(visitor.get("/hello").await?.text() == "hello");
    let said = recorder.sent();
    let answer = stanza(&said, &["response"])?;
    let mut waiting = visitor.socket().await?;
    let head = format!("GET /hang HTTP/1.1\r\nHost: {}\r\n\r\n", visitor.authority());
    waiting.write_all(head.as_bytes()).await?;
    world.until(&Noticed::Arrived("/hang".to_owned()), DEADLINE).await?;
    let heard = recorder.received();
    let request = stanza(&heard, &["/hang", "request"])?;
    let batch = attribute(request, "batch")?;
    let (token, _) = batch.split_once('.').context("no token")?;
    let gateway = attribute(request, "from")?;
    let owner = attribute(request, "to")?;
    ensure!(attribute(answer, "batch")?.starts_with(token), "another link: {answer}");

    let forged = answer.replace(attribute(answer, "batch")?, batch);
    let space = "xmlns='urn:veranda:crosstalk:2'";
    let signal = r#"{"signal":"shutdownMicroprocess","code":1}"#;
    let signal = format!("<ct {space} batch='{batch}' kind='signal'>{signal}</ct>");
    let bye = format!("<bye {space}/>");
    let chunk = format!("<d {space} batch='{batch}' seq='1' last='1'>AAAA</d>");
    let again = request.replace(batch, &format!("{token}.4711"));
    let mut tries = Vec::new();
    for (to, like, forged) in [(gateway, answer, &forged), (owner, request, &again)] {
        let id = attribute(like, "id")?;
        for payload in [inside(forged)?, &chunk, &signal, &bye] {
            tries.push(format!("<iq type='set' id='{id}' to='{to}'>{payload}</iq>"));
        }
    }
    // In the owner's name, which the server corrects.
    tries.push(tries[0].replace("<iq ", &format!("<iq from='{owner}' ")));
    for attempt in tries {
        eve.say(&attempt).await?;
        let answer = eve.until("</iq>").await?;
        ensure!(attribute(&answer, "type")? == "error", "{attempt}\nwas answered by\n{answer}");
    }
    // These have no answer; what comes behind them shows that they were read.
    for (to, record) in [(gateway, recorder.received()), (owner, recorder.sent())] {
        for (at, _) in record.match_indices("<iq") {
            let id = attribute(&record[at..], "id")?;
            for kind in ["result", "error"] {
                eve.say(&format!("<iq type='{kind}' id='{id}' to='{to}'/>")).await?;
            }
        }
    }
    for to in [gateway, owner] {
        eve.say(&format!("<presence type='unavailable' to='{to}'/>")).await?;
        eve.say(&format!("<iq type='get' id='p' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .await?;
        eve.until("id='p'").await?;
    }
    // The visitor still waits, the site noticed nothing, and the link is the one that it was.
    ensure!(visitor.get("/hello").await?.text() == "hello", "the link did not survive");
    let quiet = waiting.try_read(&mut [0; 64]).err().map(|error| error.kind());
    ensure!(quiet == Some(std::io::ErrorKind::WouldBlock), "the visitor was answered: {quiet:?}");
    drop(waiting);
    world.until(&Noticed::Cancelled("/hang".to_owned()), CANCEL_WITHIN).await?;
    ensure!(attribute(stanza(&recorder.sent(), &["response"])?, "batch")?.starts_with(token));
    Ok(())
}

async fn two_servers(tls: bool) -> Result<Accounts> {
    let setup = |name| {
        let setup = Prosody::tuned().with_host(name);
        if tls { setup.with_tls() } else { setup }
    };
    Accounts::apart(setup("b.test").start().await?, setup("a.test").start().await?)
}

#[tokio::test]
async fn bodies_pass_between_servers() -> Result<()> {
    let world = World::start_over(two_servers(true).await?).await?;
    let visitor = &world.visitor;
    let whole = pattern(3_000_000);
    let echo = visitor.fetch(visitor.request("POST", "/echo").body(full(whole.clone()))?).await?;
    ensure!(echo.complete && echo.body == whole, "other bytes came back");
    Ok(())
}

#[tokio::test]
async fn an_account_on_one_server_publishes_through_a_gateway_on_another() -> Result<()> {
    let whole = Whole::start_over(two_servers(false).await?).await?;
    fs::write(whole.folder().join("page.html"), "from far away")?;
    let (visitor, _) = Visitor::enter(&whole.publish().await?).await?;
    let answer = visitor.get("/page.html").await?;
    ensure!(answer.status() == 200 && answer.body() == "from far away", "{answer:?}");
    Ok(())
}

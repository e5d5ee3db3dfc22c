//! The wire of 2008 between our own gateway and our own peer, through a real Prosody.

use std::{convert::Infallible, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use carriers::xmpp::{Login, classic};
use crosstalk::{
    transaction::{self, Body, Handler},
    xmpp::BareJid,
};
use gateway::{Classic, ClassicSite, Config, Gateway};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use peer::ClassicConfig;
use testkit::{
    prosody::Prosody,
    raw_xmpp::{PLAIN_ALLOWED, RawXmpp},
    visitor::Visitor,
    waiting::{PATIENCE, within},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Prosody, and our gateway with an account at it; the tasks end with the test.
struct World {
    prosody: Prosody,
    origin: String,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl World {
    async fn new(prosody: Prosody, names: &[(&str, &str)]) -> anyhow::Result<Self> {
        let login = prosody.login("gateway")?;
        let sites = names.iter().map(|(name, account)| {
            Ok(ClassicSite { name: name.parse()?, account: prosody.login(account)?.jid })
        });
        let sites = sites.collect::<anyhow::Result<_>>()?;
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: None,
        };
        let gateway = Gateway::bind(config).await?.with_classic(Classic { login, sites })?;
        let origin = format!("localhost:{}", gateway.local_addr().port());
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(gateway.run(stop.clone()));
        Ok(Self { prosody, origin, tasks, stop })
    }

    fn gateway(&self) -> anyhow::Result<BareJid> {
        Ok(self.prosody.login("gateway")?.jid)
    }

    fn address(&self, name: &str) -> String {
        format!("http://{name}.{}", self.origin)
    }

    /// Publishes a folder as this account, and returns the link.
    async fn publish(
        &mut self,
        account: &str,
        name: &str,
        folder: &Path,
    ) -> anyhow::Result<String> {
        let config = ClassicConfig {
            store: None,
            folder: folder.to_owned(),
            title: None,
            hidden_files: false,
            login: self.prosody.login(account)?,
            gateway: self.gateway()?,
        };
        let classic = peer::Classic::open(config).await?;
        let link = classic.link(&self.address(name));
        let stop = self.stop.clone();
        self.tasks.spawn(async move { assert!(classic.run(stop, |_| {}).await.is_ok()) });
        Ok(link)
    }

    /// Answers with a handler as this account.
    fn serve(&mut self, account: &str, handler: Handler) -> anyhow::Result<()> {
        let (login, gateway) = (self.prosody.login(account)?, self.gateway()?);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let host = HeaderValue::from_static("echo.invalid");
            let served = classic::serve(&login, &gateway, host, handler, stop, Duration::ZERO);
            assert!(served.await.is_ok());
        });
        Ok(())
    }

    /// Waits until the site answers.
    async fn reach(&self, address: &str) -> anyhow::Result<Visitor> {
        let visitor = Visitor::stranger(address)?;
        within(PATIENCE, "a link to the counterpart", async || {
            let answer = visitor.get("/").await?;
            let is_there = !matches!(
                answer.status(),
                StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            );
            Ok(is_there.then_some(()))
        })
        .await
        .with_context(|| self.prosody.log())?;
        Ok(visitor)
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("nothing panicked");
        }
    }
}

fn echo() -> Handler {
    Handler::new(tower::service_fn(async |request: Request<Body>| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let seen = format!("{} {} {}", head.method, head.uri, body.as_ref().map_or(0, Bytes::len));
        let response = Response::builder().header("x-seen", seen);
        let response = response.body(transaction::full(body.unwrap_or_default()));
        Ok::<_, Infallible>(response.expect("a good response"))
    }))
}

fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

#[tokio::test]
async fn a_folder_of_texts_is_published_and_a_photo_says_why_not() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let long = "Text of 140 KB: \u{20ac} & <b>\n".repeat(5_800);
    ensure!(long.len() > 140_000);
    std::fs::write(folder.path().join("a.txt"), "hello")?;
    std::fs::write(folder.path().join("long.txt"), &long)?;
    std::fs::write(folder.path().join("photo.jpg"), (0..=255).collect::<Vec<u8>>())?;
    let mut world = World::new(Prosody::tuned().start().await?, &[("texts", "anna")]).await?;
    let link = world.publish("anna", "texts", folder.path()).await?;
    world.reach(&link).await?;

    let (visitor, listing) = Visitor::enter(&link).await?;
    ensure!(listing.status() == StatusCode::OK && text(&listing).contains("long.txt"));
    ensure!(text(&visitor.get("/a.txt").await?) == "hello");
    let answer = visitor.get("/long.txt").await?;
    ensure!(answer.body() == long.as_bytes(), "{} of {}", answer.body().len(), long.len());
    let head = Request::builder().method(Method::HEAD).uri("/long.txt").body(Bytes::new())?;
    let head = visitor.ask(head).await?;
    ensure!(head.headers()["content-length"] == long.len().to_string().as_str());
    ensure!(head.body().is_empty());
    let photo = visitor.get("/photo.jpg").await?;
    ensure!(photo.status() == StatusCode::BAD_GATEWAY, "{}", photo.status());
    ensure!(text(&photo).contains("only text"), "{}", text(&photo));
    let nothing = Visitor::stranger(&link)?.get("/a.txt").await?;
    ensure!(nothing.status() == StatusCode::NOT_FOUND, "without the link there is nothing");
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn forms_arrive_and_what_the_wire_cannot_say_is_refused() -> anyhow::Result<()> {
    let mut world = World::new(Prosody::tuned().start().await?, &[("echo", "ben")]).await?;
    world.serve("ben", echo())?;
    let visitor = world.reach(&world.address("echo")).await?;

    let form = "name=\u{fc}&text=<b>&amp;".repeat(8_000);
    let post = Request::post("/form?a=%2F?b").body(Bytes::from(form.clone()))?;
    let answer = visitor.ask(post).await?;
    ensure!(answer.headers()["x-seen"] == format!("POST /form?a=%2F?b {}", form.len()).as_str());
    ensure!(answer.body() == form.as_bytes());
    for (request, status) in [
        (Request::put("/").body(Bytes::from("x"))?, StatusCode::NOT_IMPLEMENTED),
        (Request::post("/").body(Bytes::from(&b"\x89PNG"[..]))?, StatusCode::NOT_IMPLEMENTED),
    ] {
        let answer = visitor.ask(request).await?;
        ensure!(answer.status() == status, "{}", answer.status());
    }
    let mut asking = JoinSet::new();
    for number in 0..50 {
        let visitor = visitor.clone();
        asking.spawn(async move {
            let body = format!("{number} ").repeat(5_000);
            let post = Request::post("/").body(Bytes::from(body.clone()))?;
            anyhow::Ok(visitor.ask(post).await?.body() == body.as_bytes())
        });
    }
    for answered in asking.join_all().await {
        ensure!(answered?, "another body than was sent");
    }
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_third_account_answers_in_vain_and_who_leaves_ends_what_was_asked() -> anyhow::Result<()>
{
    let prosody = Prosody::tuned().with_settings(PLAIN_ALLOWED).start().await?;
    let world = World::new(prosody, &[("site", "carl")]).await?;
    let gateway = world.gateway()?;
    // The counterpart is played by hand, as a program of 2008 does it.
    let log_in = async |login: &Login| RawXmpp::log_in(login, "headstock-client1").await;
    let mut carl = log_in(&world.prosody.login("carl")?).await?;
    let mut mallory = log_in(&world.prosody.login("mallory")?).await?;
    carl.say("<presence/>").await?;
    carl.until("type='subscribe'").await?;
    carl.say(&format!("<presence type='subscribed' to='{gateway}'/>")).await?;
    carl.say(&format!("<presence type='subscribe' to='{gateway}'/>")).await?;

    let address = world.address("site");
    let mut asking = JoinSet::new();
    let visitor = Visitor::stranger(&address)?;
    asking.spawn(ask(visitor.clone(), "/first"));
    let asked = carl.until("</thread>").await?;
    let thread = between(&asked, "<thread>", "</thread>")?;
    let answer = |data: &str| {
        let body = format!(
            r#"{{"statuscode":"200 OK","data":"{data}","batch":"{thread}","signal":"producerFinished"}}"#
        );
        let body = body.replace('"', "&quot;");
        format!(
            "<message type='chat' to='{gateway}'><body>{body}</body><thread>{thread}</thread>\
             <x xmlns='jabber:x:event'/></message>"
        )
    };
    mallory.say(&answer("injected")).await?;
    // It was delivered before what comes now.
    mallory.say("<iq type='get' id='done'><ping xmlns='urn:xmpp:ping'/></iq>").await?;
    mallory.until("id='done'").await?;
    carl.say(&answer("true")).await?;
    let answered = asking.join_next().await.context("an answer")???;
    ensure!(text(&answered) == "true", "{}", text(&answered));

    asking.spawn(ask(visitor, "/second"));
    carl.until("</thread>").await?;
    carl.say("<presence type='unavailable'/>").await?;
    let answered = asking.join_next().await.context("an answer")???;
    ensure!(answered.status() == StatusCode::BAD_GATEWAY, "{}", answered.status());
    world.end().await;
    Ok(())
}

/// Asks again while the gateway has no link to the counterpart yet.
async fn ask(visitor: Visitor, path: &'static str) -> anyhow::Result<Response<Bytes>> {
    let asking = async {
        loop {
            let answer = visitor.get(path).await?;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                return anyhow::Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.context("no answer of the counterpart")?
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> anyhow::Result<&'a str> {
    let text = text.split_once(before).with_context(|| format!("no {before} in {text}"))?.1;
    Ok(text.split_once(after).with_context(|| format!("no {after} in {text}"))?.0)
}

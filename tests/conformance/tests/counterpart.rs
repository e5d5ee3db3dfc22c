//! Against a peer of 2008 that somebody runs elsewhere: one that answers `GET /` over the wire of
//! `carriers::xmpp::classic`. Programs of that time run nowhere by themselves any more, so this runs only when
//! somebody asks for it and says where such a peer is:
//!
//! ```sh
//! VERANDA_CLASSIC_JID=peer@server.example    # the counterpart
//! VERANDA_CLASSIC_ACCOUNT=gateway@server.example VERANDA_CLASSIC_PASSWORD=..   # from where it is asked
//! VERANDA_CLASSIC_SERVER=127.0.0.1:5222      # the server of that account; without it, DNS says
//! cargo test -p conformance --test counterpart -- --ignored
//! ```

use std::{env, time::Duration};

use anyhow::{Context as _, ensure};
use carriers::{
    tls::Roots,
    xmpp::{Login, Password, classic::Desk, given},
};
use crosstalk::transaction;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// How long the counterpart may take to appear, and to answer.
const PATIENCE: Duration = Duration::from_secs(60);

fn said(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set; this file says what it means"))
}

#[tokio::test]
#[ignore = "needs a counterpart of 2008, named in VERANDA_CLASSIC_JID and the other variables"]
async fn a_counterpart_of_2008_answers() -> anyhow::Result<()> {
    let counterpart = given::jid(&said("VERANDA_CLASSIC_JID")?)?;
    let server = env::var("VERANDA_CLASSIC_SERVER").ok();
    let login = Login {
        jid: given::jid(&said("VERANDA_CLASSIC_ACCOUNT")?)?,
        password: Password::from(said("VERANDA_CLASSIC_PASSWORD")?),
        server: server.map(|server| given::server(&server)).transpose()?,
        roots: Roots::System,
    };
    let desk = Desk::open(&login, vec![counterpart.clone()], &TaskTracker::new()).await?;
    let link = timeout(PATIENCE, desk.link(&counterpart)).await.context("it is not there")?;
    let link = link.context("the session ended")?;
    for _ in 0..2 {
        let request = Request::get("/").header("host", "localhost");
        let sent = link.send(request.body(transaction::empty())?);
        let response = timeout(PATIENCE, sent).await.context("it does not answer")??;
        let status = response.status();
        let body = timeout(PATIENCE, response.into_body().collect()).await.context("no end")?;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        ensure!(!status.is_informational() && std::str::from_utf8(&body).is_ok());
    }
    Ok(())
}

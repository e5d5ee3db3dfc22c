//! Hears who knocks at the gateway's account, and lets them in or tells them why not.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use carriers::xmpp::{
    accept::{Door, Hello, Knock},
    roster::Roster,
};
use crosstalk::{
    label::Label,
    registry::PTTH_PATH,
    transaction::{Body, Handler},
    xmpp::BareJid,
};
use http::{Request, StatusCode};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

use super::{account::Hall, counts::Turn, policy::Admitted};
use crate::{
    addresses::Share,
    limits,
    links::Berth,
    own,
    refusal::Refusal,
    shared::{Connection, ConnectionPlace, Shared},
};

/// Whom all who come over XMPP count as where addresses are counted: none of them shows one, and all
/// of them together are one neighbour.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The longest sentence of a server that is shown.
const MAX_SENTENCE: usize = 300;

/// Who may come in, and what counts for them meanwhile.
enum Coming {
    /// For a link, perhaps of one name only.
    ToPublish(Berth, Option<Label>, Turn),
    /// Only with questions.
    ToAsk(Turn),
}

/// Hears everybody who knocks until the session ends.
pub(super) async fn each(door: &mut Door, hall: &Arc<Hall>) {
    let roster = door.roster();
    // What is asked over this session ends with it.
    let ended = CancellationToken::new();
    let _end = ended.clone().drop_guard();
    while let Some(knock) = door.next().await {
        let Ok(permit) = hall.greetings.clone().try_acquire_owned() else {
            tracing::debug!("Too many knock at the gateway's account at once");
            deny(knock, Refusal::busy("too many others ask the gateway at the moment")).await;
            continue;
        };
        let (hall, roster, ended) = (hall.clone(), roster.clone(), ended.clone());
        let tasks = hall.shared.visitors.clone();
        tasks.spawn(async move {
            let cut = hall.shared.cut.clone();
            cut.run_until_cancelled(greet(knock, &hall, &roster, permit, ended)).await;
        });
    }
}

async fn greet(
    knock: Knock,
    hall: &Arc<Hall>,
    roster: &Roster,
    permit: OwnedSemaphorePermit,
    ended: CancellationToken,
) {
    let jid = knock.from().to_bare();
    let shared = &hall.shared;
    let asks = knock.hello().asks;
    let admitted = async {
        let hello = knock.hello();
        known(hall, &jid, hello, roster).await?;
        if asks {
            let turn = hall.counts.ask(&jid);
            let turn =
                turn.ok_or_else(|| Refusal::busy("this XMPP account or server asks too much"));
            return turn.map(Coming::ToAsk);
        }
        admit(hall, &jid, hello).await
    };
    let admitted = match admitted.await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            tracing::debug!(%jid, reason = ?refusal.refused.reason, "An account is not let in");
            deny(knock, refusal).await;
            return;
        }
    };
    let (berth, label, turn) = match admitted {
        Coming::ToPublish(berth, label, turn) => (berth, label, turn),
        Coming::ToAsk(turn) => {
            let connection = connection(shared.clone(), hall.counts.proofs(&jid), permit);
            answer(knock, connection, ended).await;
            drop(turn);
            return;
        }
    };
    let (links, tasks) = (shared.links.clone(), shared.tasks.clone());
    let sentence = format!("Welcome to {}.", shared.hosts.address());
    let owner = tasks.clone();
    // From here on it is a link, and its place among those who knock is for the next one.
    drop(permit);
    owner.spawn(async move {
        let begun = timeout(limits::XMPP_LINK_START, knock.link(sentence, &tasks)).await;
        match begun {
            Ok(Ok(link)) => {
                drop(tasks);
                own::keep(links, berth, label, link).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "A link did not begin"),
            Err(_) => tracing::debug!("A link did not begin in time"),
        }
        drop(turn);
    });
}

/// Decides whether somebody may publish here at all, from what costs least: the proof of identity is
/// looked at afterwards.
async fn known(hall: &Hall, jid: &BareJid, hello: &Hello, roster: &Roster) -> Result<(), Refusal> {
    if !hall.counts.hears(jid, Instant::now()) {
        return Err(Refusal::busy("your XMPP account, or its server, connects too often"));
    }
    match hall.policy.admit(jid, hello.invite.as_deref(), roster).await? {
        Admitted::Known => Ok(()),
        Admitted::Invited(code) => hall.policy.redeem(jid, code).await,
    }
}

/// Decides whether a peer may have a link, as for one that begins with a request.
async fn admit(hall: &Hall, jid: &BareJid, hello: &Hello) -> Result<Coming, Refusal> {
    let shared = &hall.shared;
    let proof = Some(hello.proof.as_str()).filter(|proof| !proof.is_empty());
    // How often its account and server may say hello is counted already.
    let key = shared.auth.identify_by(proof, Share::boundless()).await?;
    let turn = hall.counts.enter(jid);
    let turn =
        turn.ok_or_else(|| Refusal::busy("too many links come from this XMPP account or server"))?;
    let berth =
        shared.let_in(key, shared.links_of_addresses.uncounted(), hello.label.as_ref()).await?;
    Ok(Coming::ToPublish(berth, hello.label.clone(), turn))
}

/// Returns what stands for a connection, for an account that may show so many proofs.
fn connection(shared: Arc<Shared>, proofs: Share, permit: OwnedSemaphorePermit) -> Connection {
    let turn = shared.connections.uncounted();
    let place = Arc::new(ConnectionPlace { _permit: permit, _turn: turn });
    Connection { shared, meter: Arc::default(), partner: NOWHERE, proofs: Some(proofs), place }
}

/// Answers questions to the gateway itself, for a limited time.
async fn answer(knock: Knock, connection: Connection, ended: CancellationToken) {
    let enough = ended.child_token();
    let answered = knock.answer(handler(connection), enough.clone(), limits::ANSWER_GRACE);
    tokio::pin!(answered);
    let ended = tokio::select! {
        ended = &mut answered => ended,
        () = sleep(limits::XMPP_QUESTIONS) => {
            enough.cancel();
            answered.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "Nobody waited for the answers");
    }
}

fn handler(connection: Connection) -> Handler {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let connection = connection.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            // Only a proxy in front may say for whom it speaks, and there is none here.
            parts.headers.remove("x-forwarded-for");
            // A link within a link would count for nobody.
            if parts.uri.path().starts_with(PTTH_PATH) {
                let refusal = Refusal::not_found("links do not begin here");
                let response = axum::response::IntoResponse::into_response(refusal);
                return Ok(response.map(crosstalk::transaction::boxed));
            }
            Ok(own::answer(&connection, parts, body).await)
        }
    }))
}

async fn deny(knock: Knock, refusal: Refusal) {
    debug_assert!(refusal.status != StatusCode::OK);
    if timeout(limits::XMPP_DENIAL, knock.deny(refusal.into())).await.is_err() {
        tracing::debug!("A no could not be said in time");
    }
}

/// Makes a server's sentence fit for a log and a terminal.
pub(super) fn printable(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_control()).take(MAX_SENTENCE).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        time::SystemTime,
    };

    use crosstalk::{proof::PrivateKey, registry::NAMES_PATH, transaction};
    use http::header;
    use tokio::sync::Semaphore;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{Config, Gateway, xmpp::counts::Counts};

    #[tokio::test]
    async fn an_account_that_shows_all_its_proofs_keeps_only_itself_out() {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let domain = "localhost".to_owned();
        let config = Config { listen, domain, behind_proxy: false, data: None };
        let shared = Arc::new(Gateway::bind(config).await.unwrap().shared);
        let (counts, key) = (Counts::new(), PrivateKey::generate());
        let origin = shared.hosts.audiences().swap_remove(0);
        let claim = async |account: &str| {
            let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let proofs = counts.proofs(&account.parse().unwrap());
            let proof = key.prove(&origin, SystemTime::now());
            let request = Request::put(format!("{NAMES_PATH}photos"))
                .header(header::AUTHORIZATION, format!("Bearer {proof}"))
                .body(transaction::empty());
            let handler = handler(connection(shared.clone(), proofs, permit));
            handler.oneshot(request.unwrap()).await.unwrap().status()
        };
        assert_eq!(claim("anna@a.example").await, StatusCode::OK);
        // As if she had asked as often in the same minute, without so many signatures.
        let hers = counts.proofs(&"anna@a.example".parse().unwrap());
        let shown: Vec<_> = std::iter::from_fn(|| hers.take()).collect();
        assert_eq!(shown.len(), limits::PROOFS_PER_ACCOUNT - 1);
        assert_eq!(claim("anna@a.example").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(claim("ben@a.example").await, StatusCode::OK);
        assert_eq!(claim("ben@b.example").await, StatusCode::OK);
        drop(shown);
        assert_eq!(claim("anna@a.example").await, StatusCode::OK);
    }
}

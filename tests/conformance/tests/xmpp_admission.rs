//! Who may publish over XMPP, on a real server: what the operator wrote, whom the roster has, who brings
//! a code, and what everybody else reads.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::Path;

use carriers::{Carrier, xmpp::Account};
use crosstalk::{
    address::{GatewayAddress, Invitation},
    proof::PrivateKey,
};
use gateway::{Gateway, Reached, XmppAccount, XmppAdmission, XmppAdmit, XmppState};
use peer::{AccountStep, LinkState, Peer, Snapshot};
use testkit::{
    prosody::Prosody,
    raw_xmpp::{PLAIN_ALLOWED, RawXmpp},
    visitor::{Visitor, text},
    waiting::{PATIENCE, within},
};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// A gateway with an account.
struct Beside {
    address: GatewayAddress,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Beside {
    async fn start(prosody: &Prosody, folder: &Path, admission: XmppAdmission) -> Self {
        let gateway = Gateway::bind(gateway::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            domain: "localhost".to_owned(),
            behind_proxy: false,
            data: Some(folder.join("gateway")),
        });
        let login = prosody.login("gateway").unwrap();
        let gateway = gateway.await.unwrap().with_xmpp(XmppAccount { login, admission }).unwrap();
        let Reached { address, mut state } = gateway.xmpp().unwrap();
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        running.spawn(gateway.run(stop.clone()));
        let online = timeout(PATIENCE, state.wait_for(|state| *state == XmppState::Online));
        online.await.expect("the gateway logs in in time").unwrap();
        Self { address, stop, running }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        timeout(PATIENCE, self.running.join_next()).await.expect("it stops").unwrap().unwrap();
    }

    /// Asks the gateway as this account. Returns which step failed, and the sentence.
    async fn ask(
        &self,
        prosody: &Prosody,
        name: &str,
        invite: Option<&str>,
    ) -> Result<(), (AccountStep, String)> {
        let account = Account::new(prosody.login(name).unwrap());
        let invite = invite.map(str::to_owned);
        let gateway = Invitation { gateway: self.address.clone(), invite };
        let asked = timeout(PATIENCE, peer::test_account(&account, Some(&gateway))).await;
        match asked.expect("there is an answer in time") {
            Ok(info) => {
                assert_eq!(info.unwrap().origin, self.address.origin());
                Ok(())
            }
            Err(trouble) => Err((trouble.step, trouble.to_string())),
        }
    }
}

async fn server() -> Prosody {
    Prosody::tuned().with_settings(PLAIN_ALLOWED).start().await.unwrap()
}

#[track_caller]
fn assert_refused(asked: Result<(), (AccountStep, String)>, words: &str) {
    let (step, sentence) = asked.unwrap_err();
    assert_eq!(step, AccountStep::NotAdmitted, "{sentence}");
    assert!(sentence.contains(words), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_and_the_roster_say_who_may_publish() {
    let (prosody, folder) = (server().await, tempfile::tempdir().unwrap());
    let allow = folder.path().join("allow");
    std::fs::write(&allow, format!("anna@{}\n", prosody.host())).unwrap();
    let admission =
        XmppAdmission { admit: XmppAdmit::List, allow: Some(allow.clone()), invites: None };
    let gateway = Beside::start(&prosody, folder.path(), admission).await;
    gateway.ask(&prosody, "anna", None).await.unwrap();
    assert_refused(
        gateway.ask(&prosody, "ben", None).await,
        "not put your XMPP account on the list",
    );
    assert_refused(gateway.ask(&prosody, "cleo", Some("any-code-at-all")).await, "the list");

    // The whole server but one, from the next hello on.
    std::fs::write(&allow, format!("{0}\n!cleo@{0}\n", prosody.host())).unwrap();
    gateway.ask(&prosody, "ben", None).await.unwrap();
    assert_refused(gateway.ask(&prosody, "cleo", None).await, "the list");

    // The operator adds a contact with a chat program.
    std::fs::write(&allow, "").unwrap();
    assert_refused(gateway.ask(&prosody, "ben", None).await, "the list");
    let login = prosody.login("gateway").unwrap();
    let mut chat = RawXmpp::log_in(&login, "chat").await.unwrap();
    let item = format!(
        "<iq type='set' id='add'><query xmlns='jabber:iq:roster'><item jid='ben@{}'/></query></iq>",
        prosody.host()
    );
    chat.say(&item).await.unwrap();
    chat.until("add").await.unwrap();
    // What the server said of the roster holds for some seconds.
    let let_in = async || Ok(gateway.ask(&prosody, "ben", None).await.ok());
    within(PATIENCE, "the contact to be let in", let_in).await.unwrap();
    assert_refused(gateway.ask(&prosody, "cleo", None).await, "the list");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lets_one_account_in_and_is_remembered() {
    let (prosody, folder) = (server().await, tempfile::tempdir().unwrap());
    let codes = folder.path().join("codes");
    std::fs::write(&codes, "code-of-anna\n").unwrap();
    let admission =
        XmppAdmission { admit: XmppAdmit::Invite, allow: None, invites: Some(codes.clone()) };
    let gateway = Beside::start(&prosody, folder.path(), admission.clone()).await;
    assert_refused(gateway.ask(&prosody, "anna", None).await, "needs an invitation");
    assert_refused(gateway.ask(&prosody, "anna", Some("code-of-anne")).await, "not known here");
    gateway.ask(&prosody, "anna", Some("code-of-anna")).await.unwrap();
    gateway.ask(&prosody, "anna", None).await.unwrap();
    assert_refused(gateway.ask(&prosody, "ben", Some("code-of-anna")).await, "not known here");
    gateway.stop().await;

    // A new start, without the code in the file.
    std::fs::write(&codes, "code-of-cleo\n").unwrap();
    let gateway = Beside::start(&prosody, folder.path(), admission).await;
    gateway.ask(&prosody, "anna", None).await.unwrap();
    assert_refused(gateway.ask(&prosody, "ben", Some("code-of-anna")).await, "not known here");
    gateway.stop().await;
}

async fn start_peer(prosody: &Prosody, name: &str, gateway: &Beside) -> Peer {
    let config = peer::Config {
        store: None,
        key: PrivateKey::generate(),
        gateway: gateway.address.clone(),
        roots: prosody.roots().clone(),
        account: Some(Account::new(prosody.login(name).unwrap())),
        invite: None,
        carrier: None,
    };
    Peer::start(config).await.unwrap()
}

async fn until<T>(peer: &Peer, find: impl Fn(&Snapshot) -> Option<T>) -> T {
    let mut snapshots = peer.snapshots();
    let found = timeout(PATIENCE, async {
        let found = snapshots.wait_for(|snapshot| find(snapshot).is_some()).await.unwrap();
        find(&found).unwrap()
    });
    match found.await {
        Ok(found) => found,
        Err(_) => panic!("it never happened; now it is {:?}", peer.snapshots().borrow().clone()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_owner_reads_why_and_the_one_who_is_let_in_publishes() {
    let (prosody, folder) = (server().await, tempfile::tempdir().unwrap());
    let allow = folder.path().join("allow");
    std::fs::write(&allow, format!("!ben@{}\n", prosody.host())).unwrap();
    let admission = XmppAdmission { admit: XmppAdmit::Open, allow: Some(allow), invites: None };
    let gateway = Beside::start(&prosody, folder.path(), admission).await;

    let ben = start_peer(&prosody, "ben", &gateway).await;
    let trouble = until(&ben, |snapshot| match &snapshot.link {
        LinkState::Down { trouble, retry_at: None } => Some(trouble.clone()),
        LinkState::Down { .. } | LinkState::Dialling | LinkState::Up { .. } => None,
    });
    let trouble = trouble.await;
    assert!(!trouble.heals);
    assert!(
        trouble.to_string().contains("does not admit you: its operator has not put"),
        "{trouble:?}"
    );
    ben.shutdown().await;

    let anna = start_peer(&prosody, "anna", &gateway).await;
    assert_visited(&anna, folder.path()).await;
    anna.shutdown().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_sentence_and_http_goes_on() {
    let prosody = server().await;
    let mut login = prosody.login("gateway").unwrap();
    login.password = "not this one".to_owned().into();
    let gateway = Gateway::bind(gateway::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        domain: "localhost".to_owned(),
        behind_proxy: false,
        data: None,
    });
    let admission = XmppAdmission::default();
    let gateway = gateway.await.unwrap().with_xmpp(XmppAccount { login, admission }).unwrap();
    let web = Invitation::from(gateway.address());
    let Reached { address, mut state } = gateway.xmpp().unwrap();
    let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
    running.spawn(gateway.run(stop.clone()));
    let offline = state.wait_for(|state| matches!(state, XmppState::Offline { .. }));
    let offline = timeout(PATIENCE, offline).await.expect("it is said in time").unwrap().clone();
    let XmppState::Offline { sentence, heals } = offline else { panic!() };
    assert!(!heals && sentence.contains("--xmpp-password-file"), "{sentence}");
    peer::ask_gateway(&web, prosody.roots(), None).await.unwrap();

    // Nobody is at that account, and the owner's own works.
    let beside = Beside { address, stop, running };
    let (step, sentence) = beside.ask(&prosody, "anna", None).await.unwrap_err();
    assert_eq!(step, AccountStep::GatewayOffline, "{sentence}");
    let mut login = prosody.login("anna").unwrap();
    login.password = "not this one".to_owned().into();
    let trouble = peer::test_account(&Account::new(login), None).await.unwrap_err();
    assert_eq!(trouble.step, AccountStep::Password, "{trouble}");
    beside.stop().await;
}

/// Publishes a folder below this one over XMPP, and fetches a file as a visitor.
async fn assert_visited(peer: &Peer, below: &Path) {
    let photos = tempfile::tempdir_in(below).unwrap();
    let content = photos.path().to_string_lossy().into_owned();
    std::fs::write(photos.path().join("a.txt"), &content).unwrap();
    peer.publish(photos.path()).await.unwrap();
    let url = until(peer, |snapshot| match &snapshot.link {
        LinkState::Up { carrier: Carrier::Xmpp, .. } => snapshot.sites[0].url.clone(),
        LinkState::Up { .. } | LinkState::Dialling | LinkState::Down { .. } => None,
    });
    let (visitor, _) = Visitor::enter(&url.await).await.unwrap();
    assert_eq!(text(&visitor.get("/a.txt").await.unwrap()), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_two_servers_publish_through_each_others_gateways() {
    let server = async |host| {
        let setup = Prosody::tuned().with_settings(PLAIN_ALLOWED).with_host(host);
        setup.start().await.unwrap()
    };
    let (one, other) = (server("a.test").await, server("b.test").await);
    one.federate(&other).unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let list = |folder: &Path, of: &Prosody| {
        let allow = folder.join("allow");
        std::fs::write(&allow, format!("{}\n", of.host())).unwrap();
        XmppAdmission { admit: XmppAdmit::List, allow: Some(allow), invites: None }
    };
    let [near, far] = [folders[0].path(), folders[1].path()];
    let gateways = [
        Beside::start(&one, near, list(near, &other)).await,
        Beside::start(&other, far, list(far, &one)).await,
    ];
    let anna = start_peer(&one, "anna", &gateways[1]).await;
    let ben = start_peer(&other, "ben", &gateways[0]).await;
    tokio::join!(assert_visited(&anna, far), assert_visited(&ben, near));
    anna.shutdown().await;
    ben.shutdown().await;
    for gateway in gateways {
        gateway.stop().await;
    }
}

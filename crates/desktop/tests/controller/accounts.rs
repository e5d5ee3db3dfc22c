//! The owner's XMPP account: what is kept where, and what is told.

use desktop::{
    AccountTrouble, Connection, Gateway as Shown, Passphrase, PasswordsIn, Phase, ProblemCode,
    Request, TestState, TestStep, TypedAccount, View,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::app::{App, Home, Memory, free_port};

const JID: &str = "anna@localhost";
const PASSWORD: &str = "correct horse battery";

fn typed(password: Option<&str>, server: Option<&str>) -> TypedAccount {
    TypedAccount {
        jid: JID.to_owned(),
        password: password.map(|password| Passphrase::from(password.to_owned())),
        server: server.map(str::to_owned),
    }
}

fn test(password: Option<&str>, server: &str) -> Request {
    Request::TestAccount { account: typed(password, Some(server)), gateway: None }
}

fn use_gateway(password: Option<&str>, server: &str) -> Request {
    Request::UseGateway {
        address: Some("gateway@localhost?invite=s3cret".to_owned()),
        account: Some(typed(password, Some(server))),
    }
}

/// An owner who used a gateway over XMPP before.
fn home_with_account(keychain: Memory) -> Home {
    let home = Home::with_keychain(keychain);
    let settings = serde_json::json!({
        "port": free_port(),
        "gateway": "xmpp:gateway@localhost",
        "account": { "jid": JID, "server": format!("127.0.0.1:{}", free_port()) },
    });
    home.write("settings.json", &settings.to_string());
    home
}

fn connected(view: &View) -> bool {
    matches!(view.connection, Connection::Connected { .. })
}

/// A server of a chat that takes nobody: the password is always wrong. On this computer, so without
/// encryption.
struct Strict {
    port: u16,
    _running: JoinSet<()>,
}

impl Strict {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talks.spawn(refuse(stream));
            }
        });
        Self { port, _running: running }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Answers the header of a stream with one that offers PLAIN, and what follows with no.
async fn refuse(mut stream: TcpStream) {
    const OFFER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' version='1.0'>\
        <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
        <mechanism>PLAIN</mechanism></mechanisms></stream:features>";
    const NO: &str = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>\
        </stream:stream>";
    let mut heard = String::new();
    let mut buffer = [0; 1024];
    let mut answers = [("<stream:stream", OFFER), ("<auth", NO)].into_iter().peekable();
    while let Some((question, answer)) = answers.peek() {
        if heard.contains(question) && heard.ends_with('>') {
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            answers.next();
            heard.clear();
            continue;
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => heard.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
}

/// Fails when the password is anywhere where it does not belong.
pub(crate) fn nothing_leaks(home: &Home, app: &App, password: &str) {
    let view = serde_json::to_string(&app.notes.borrow().view).expect("it is there");
    assert!(!view.contains(password), "{view}");
    assert!(!format!("{:?}", app.notes.borrow()).contains(password));
    for entry in std::fs::read_dir(home.data()).expect("it is there") {
        let path = entry.expect("it is there").path();
        if path.is_file() {
            let content =
                String::from_utf8_lossy(&std::fs::read(&path).expect("it is there")).into_owned();
            assert!(!content.contains(password), "{}", path.display());
        }
    }
}

pub(crate) async fn tested(app: &App) -> TestState {
    let over = |view: &View| {
        let test = view.account_test.as_ref();
        test.is_some_and(|test| !matches!(test.state, TestState::Running { .. }))
    };
    let view = app.until_view("the end of the test", over).await;
    view.account_test.expect("it is there").state
}

#[tokio::test]
async fn a_wrong_password_is_told_and_nothing_is_kept() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let server = Strict::start().await;
    app.do_it(test(Some(PASSWORD), &server.address())).await;
    let wrong = |state: &TestState| {
        matches!(
            state,
            TestState::Failed { step: TestStep::Password, trouble: AccountTrouble::Password, .. }
        )
    };
    let state = tested(&app).await;
    assert!(wrong(&state), "{state:?}");
    let request = use_gateway(Some(PASSWORD), &server.address());
    assert!(!format!("{request:?}").contains(PASSWORD));
    app.refused(request, ProblemCode::AccountFailed).await;
    let view = app.notes.borrow().view.clone().unwrap();
    assert!(wrong(&view.account_test.unwrap().state));
    assert_eq!(view.account, None);
    assert!(matches!(view.gateway, Shown::Embedded { .. }));
    assert!(home.keychain.passwords().is_empty());
    nothing_leaks(&home, &app, PASSWORD);
    app.quit().await;
}

#[tokio::test]
async fn a_server_where_nobody_listens_is_told() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let server = format!("127.0.0.1:{}", free_port());
    app.do_it(test(Some(PASSWORD), &server)).await;
    let state = tested(&app).await;
    let unreachable = matches!(
        state,
        TestState::Failed { step: TestStep::Server, trouble: AccountTrouble::Unreachable, .. }
    );
    assert!(unreachable, "{state:?}");
    app.quit().await;
}

#[tokio::test]
async fn what_is_no_account_is_told_at_once() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let without = Request::UseGateway { address: Some("g@localhost".to_owned()), account: None };
    app.refused(without, ProblemCode::BadAccount).await;
    let nobody = TypedAccount { jid: "anna".to_owned(), ..typed(Some(PASSWORD), None) };
    let wrong = [
        (nobody, ProblemCode::BadAccount),
        (typed(Some(PASSWORD), Some("a b")), ProblemCode::BadServer),
        // None is kept.
        (typed(None, None), ProblemCode::BadPassword),
    ];
    for (account, code) in wrong {
        let request = Request::TestAccount { account: account.clone(), gateway: None };
        app.refused(request, code).await;
        let address = Some("gateway@localhost".to_owned());
        let request = Request::UseGateway { address, account: Some(account) };
        app.refused(request, code).await;
    }
    let bad = Request::TestAccount {
        account: typed(Some(PASSWORD), None),
        gateway: Some("@".to_owned()),
    };
    app.refused(bad, ProblemCode::BadGateway).await;
    app.until_view("no test", |view| view.account_test.is_none()).await;
    app.quit().await;
}

#[tokio::test]
async fn forgetting_an_account_empties_the_keychain_and_leaves_its_gateway() {
    let home = home_with_account(Memory::Empty);
    home.keychain.passwords().insert(JID.to_owned(), PASSWORD.to_owned());
    let app = home.ready().await;
    let lost = |view: &View| matches!(view.connection, Connection::Lost { .. });
    let view = app.until_view("no connection", lost).await;
    let account = view.account.expect("an account");
    assert_eq!((account.jid.as_str(), account.has_password), (JID, true));
    assert_eq!(view.passwords_in, PasswordsIn::Keychain);
    nothing_leaks(&home, &app, PASSWORD);

    app.do_it(Request::ForgetAccount).await;
    assert!(home.keychain.passwords().is_empty());
    let view = app.until_view("the gateway inside", connected).await;
    assert_eq!(view.account, None);
    assert!(matches!(view.gateway, Shown::Embedded { .. }));
    app.do_it(Request::ForgetAccount).await;
    app.quit().await;
    let settings = std::fs::read_to_string(home.data().join("settings.json")).unwrap();
    assert!(!settings.contains(JID), "{settings}");
}

#[tokio::test]
async fn a_password_that_is_gone_is_asked_for() {
    let home = home_with_account(Memory::Empty);
    let app = home.start();
    let told = |view: &View| {
        view.problem.as_ref().is_some_and(|problem| problem.code == ProblemCode::BadPassword)
    };
    let view = app.until_view("a word about the password", told).await;
    let sentence = view.problem.unwrap().sentence;
    assert!(sentence.contains(JID) && sentence.contains("again"), "{sentence}");
    assert!(!view.account.unwrap().has_password);

    // Who puts it back, or unlocks the keychain, only has to try again.
    home.keychain.passwords().insert(JID.to_owned(), PASSWORD.to_owned());
    app.do_it(Request::Retry).await;
    let known = |view: &View| view.account.as_ref().is_some_and(|account| account.has_password);
    app.until_view("the password", known).await;
    app.quit().await;
}

#[tokio::test]
async fn a_keychain_that_forgets_nothing_is_told() {
    let home = home_with_account(Memory::Empty);
    home.keychain.passwords().insert(JID.to_owned(), PASSWORD.to_owned());
    let app = home.ready().await;
    app.until_view("ready", |view| view.phase == Phase::Ready).await;
    let mut held = None;
    home.keychain.becomes(|memory| {
        held = Some(memory);
        Memory::Locked
    });
    let sentence = app.refused(Request::ForgetAccount, ProblemCode::Internal).await;
    assert!(sentence.contains("keychain"), "{sentence}");
    assert!(app.notes.borrow().view.as_ref().unwrap().account.is_some(), "forgotten nevertheless");
    home.keychain.becomes(|_| held.unwrap());
    app.do_it(Request::ForgetAccount).await;
    app.quit().await;
}

#[tokio::test]
async fn nothing_is_switched_while_the_keychain_asks_whether_to_forget() {
    let home = home_with_account(Memory::Empty);
    home.keychain.passwords().insert(JID.to_owned(), PASSWORD.to_owned());
    let app = home.ready().await;
    home.keychain.asks(true);
    let forgetting = app.do_it(Request::ForgetAccount);
    let switching = async {
        let request = Request::UseGateway { address: None, account: None };
        app.refused(request, ProblemCode::Internal).await;
        home.keychain.asks(false);
    };
    tokio::join!(forgetting, switching);
    let view = app.until_view("the gateway inside", connected).await;
    assert_eq!(view.account, None);
    app.do_it(Request::UseGateway { address: None, account: None }).await;
    app.quit().await;
}

#[tokio::test]
async fn a_forgotten_account_is_left_even_where_no_other_gateway_starts() {
    let home = home_with_account(Memory::Empty);
    home.keychain.passwords().insert(JID.to_owned(), PASSWORD.to_owned());
    // Where its folder should be, there is a file.
    home.write("gateway", "");
    let app = home.ready().await;
    app.refused(Request::ForgetAccount, ProblemCode::Internal).await;
    let left = |view: &View| matches!(&view.connection, Connection::Lost { sentence, .. } if sentence.contains("account of yours"));
    let view = app.until_view("the need of an account", left).await;
    assert_eq!(view.account, None);
    app.quit().await;
}

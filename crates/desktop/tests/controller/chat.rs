//! A gateway that is reached over an XMPP account, by a real server.

use desktop::{
    Connection, Gateway as Shown, KeyTrouble, Passphrase, Phase, ProblemCode, Request, TestState,
    TypedAccount, View,
};
use testkit::{chat::Chat, prosody::Prosody};

use crate::{
    accounts::{nothing_leaks, tested},
    app::{App, Home, Memory, free_port},
    visitor::visit,
};

const PASSPHRASE: &str = "open the file";

/// Returns what anna types.
fn anna(chat: &Chat, password: Option<String>) -> TypedAccount {
    TypedAccount {
        jid: "anna@xmpp.test".to_owned(),
        password: password.map(Passphrase::from),
        server: Some(format!("127.0.0.1:{}", chat.server.port())),
    }
}

fn passphrase() -> Passphrase {
    Passphrase::from(PASSPHRASE.to_owned())
}

fn password(chat: &Chat) -> String {
    chat.server.login("anna").expect("an account").password.expose().to_owned()
}

fn over_xmpp(view: &View, chat: &Chat) -> bool {
    let port = format!(":{}/", chat.port());
    matches!(view.connection, Connection::Connected { .. })
        && view
            .sites
            .first()
            .and_then(|site| site.url.as_ref())
            .is_some_and(|url| url.contains(&port))
}

/// Uses the gateway, and waits until the only site has a link there that works.
async fn use_chat(app: &App, chat: &Chat) -> String {
    let request = Request::UseGateway {
        address: Some(chat.invitation()),
        account: Some(anna(chat, Some(password(chat)))),
    };
    app.do_it(request).await;
    linked(app, chat).await
}

async fn linked(app: &App, chat: &Chat) -> String {
    let view = app.until_view("a link over XMPP", |view| over_xmpp(view, chat)).await;
    let url = view.sites[0].url.clone().expect("it was there");
    assert_eq!(visit(&url, "/a.txt").await.status, 200);
    url
}

#[tokio::test]
async fn a_gateway_over_an_account_is_used_kept_and_left_again() {
    let chat = Chat::start(Prosody::tuned()).await.unwrap();
    let home = Home::with_own_port();
    let app = home.ready().await;
    app.publish(&home.folder("Photos", &[("a.txt", "hello")])).await;

    // The account alone, before anybody was asked for a gateway.
    let alone = anna(&chat, Some(password(&chat)));
    app.do_it(Request::TestAccount { account: alone, gateway: None }).await;
    assert_eq!(tested(&app).await, TestState::Works);
    assert!(home.keychain.passwords().is_empty(), "a test keeps nothing");

    // Nobody is there, and nobody without an invitation is let in.
    let nobody = Some("xmpp:nobody@xmpp.test".to_owned());
    let account = Some(anna(&chat, Some(password(&chat))));
    let request = Request::UseGateway { address: nobody, account: account.clone() };
    let sentence = app.refused(request, ProblemCode::AccountFailed).await;
    assert!(sentence.contains("nobody@xmpp.test"), "{sentence}");
    let request = Request::UseGateway { address: Some(chat.address().to_string()), account };
    app.refused(request, ProblemCode::AccountFailed).await;

    let url = use_chat(&app, &chat).await;
    assert_eq!(home.keychain.passwords().get("anna@xmpp.test"), Some(&password(&chat)));
    nothing_leaks(&home, &app, &password(&chat));
    app.quit().await;

    let app = home.ready().await;
    assert_eq!(linked(&app, &chat).await, url, "another link");
    // The password that is kept is enough.
    let kept = Request::TestAccount {
        account: anna(&chat, None),
        gateway: Some(chat.address().to_string()),
    };
    app.do_it(kept).await;
    assert_eq!(tested(&app).await, TestState::Works);

    app.do_it(Request::ForgetAccount).await;
    let inside = |view: &View| matches!(view.gateway, Shown::Embedded { .. });
    app.until_view("the gateway inside", inside).await;
    assert!(home.keychain.passwords().is_empty());
    app.quit().await;
    chat.stop().await;
}

#[tokio::test]
async fn without_a_keychain_the_passphrase_of_the_key_is_enough() {
    let chat = Chat::start(Prosody::tuned()).await.unwrap();
    let home = Home::with_keychain(Memory::Missing);
    let app = home.start();
    let needs = |wanted: KeyTrouble| move |view: &View| matches!(view.phase, Phase::NeedsKey { trouble, .. } if trouble == wanted);
    app.until_view("the need of a key", needs(KeyTrouble::NoKeychain)).await;
    app.do_it(Request::CreateKeyFile { passphrase: passphrase() }).await;
    app.until_view("ready", |view| view.phase == Phase::Ready).await;
    app.publish(&home.folder("Photos", &[("a.txt", "hello")])).await;
    let url = use_chat(&app, &chat).await;
    nothing_leaks(&home, &app, &password(&chat));
    app.quit().await;

    let app = home.start();
    app.until_view("the need of the passphrase", needs(KeyTrouble::FileLocked)).await;
    app.do_it(Request::UnlockKeyFile { passphrase: passphrase() }).await;
    assert_eq!(linked(&app, &chat).await, url, "another link");
    app.quit().await;
    chat.stop().await;
}

#[tokio::test]
async fn what_the_keychain_says_of_an_account_before_is_not_about_this_one() {
    let chat = Chat::start(Prosody::tuned()).await.unwrap();
    let home = Home::with_own_port();
    let settings = serde_json::json!({
        "port": free_port(),
        "gateway": chat.address().to_string(),
        "account": { "jid": "otto@xmpp.test", "server": format!("127.0.0.1:{}", free_port()) },
    });
    home.write("settings.json", &settings.to_string());
    let app = home.ready().await;
    let told = |view: &View| view.problem.is_some();
    app.until_view("a word about the password", told).await;
    app.do_it(Request::DismissProblem).await;

    // The keychain asks its owner, who types another account meanwhile.
    home.keychain.asks(true);
    app.do_it(Request::Retry).await;
    let request = Request::UseGateway {
        address: Some(chat.invitation()),
        account: Some(anna(&chat, Some(password(&chat)))),
    };
    app.do_it(request).await;
    home.keychain.asks(false);
    // Goes the same way as the answer, and later.
    app.do_it(Request::TestAccount { account: anna(&chat, None), gateway: None }).await;
    assert_eq!(tested(&app).await, TestState::Works);
    let view = app.notes.borrow().view.clone().expect("a view");
    let account = view.account.expect("an account");
    assert_eq!((account.jid.as_str(), account.has_password), ("anna@xmpp.test", true));
    assert_eq!(view.problem, None);
    app.quit().await;
    chat.stop().await;
}

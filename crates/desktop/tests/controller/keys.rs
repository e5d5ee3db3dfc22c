//! Where the key comes from, and what happens when it does not.

use desktop::{KeyTrouble, Passphrase, Phase, ProblemCode, Request, View};

use crate::app::{App, Home, Memory};

async fn until_needs(app: &App, wanted: KeyTrouble) -> String {
    let needs =
        |view: &View| matches!(&view.phase, Phase::NeedsKey { trouble, .. } if *trouble == wanted);
    let view = app.until_view("the need of a key", needs).await;
    let Phase::NeedsKey { sentence, .. } = view.phase else { unreachable!("it was just there") };
    assert!(sentence.ends_with('.'), "{sentence:?}");
    sentence
}

fn create(passphrase: &str) -> Request {
    Request::CreateKeyFile { passphrase: Passphrase::from(passphrase.to_owned()) }
}

fn unlock(passphrase: &str) -> Request {
    Request::UnlockKeyFile { passphrase: Passphrase::from(passphrase.to_owned()) }
}

async fn fingerprint(app: &App) -> String {
    let view = app.until_view("ready", |view| view.phase == Phase::Ready).await;
    view.identity.expect("ready means that there is one").fingerprint
}

#[tokio::test]
async fn without_a_keychain_a_key_file_is_offered() {
    let home = Home::with_keychain(Memory::Missing);
    let app = home.start();
    let sentence = until_needs(&app, KeyTrouble::NoKeychain).await;
    assert!(sentence.contains("no keychain"), "{sentence}");
    let add = Request::AddFolder { path: home.folder("Photos", &[]).to_str().unwrap().to_owned() };
    app.refused(add, ProblemCode::NotReady).await;
    app.refused(create("1234567"), ProblemCode::Passphrase).await;
    app.refused(unlock("12345678"), ProblemCode::NotReady).await;
    app.do_it(create("correct horse")).await;
    let before = fingerprint(&app).await;
    let kept_in = app.notes.borrow().view.clone().unwrap().identity.unwrap().kept_in;
    assert!(kept_in.contains("file"), "{kept_in}");
    app.refused(create("correct horse"), ProblemCode::NotReady).await;
    app.quit().await;

    let app = home.start();
    until_needs(&app, KeyTrouble::FileLocked).await;
    app.refused(create("correct horse"), ProblemCode::NotReady).await;
    app.refused(unlock("wrong horse"), ProblemCode::Passphrase).await;
    until_needs(&app, KeyTrouble::FileLocked).await;
    app.do_it(unlock("correct horse")).await;
    assert_eq!(fingerprint(&app).await, before);
    app.quit().await;
}

#[tokio::test]
async fn a_keychain_that_is_unlocked_later_is_tried_again() {
    let home = Home::with_keychain(Memory::Locked);
    let app = home.start_with(true, Vec::new());
    until_needs(&app, KeyTrouble::KeychainLocked).await;
    let notes = app.until("a notification", |notes| !notes.notifications.is_empty()).await;
    assert_eq!((notes.titles(), notes.raised), (vec!["Veranda needs you"], 0));
    home.keychain.becomes(|_| Memory::Empty);
    app.do_it(Request::Retry).await;
    fingerprint(&app).await;
    app.quit().await;
}

#[tokio::test]
async fn a_key_that_is_gone_is_not_replaced_in_silence() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let before = fingerprint(&app).await;
    app.quit().await;

    let mut taken = None;
    home.keychain.becomes(|memory| {
        taken = Some(memory);
        Memory::Empty
    });
    let app = home.start();
    let sentence = until_needs(&app, KeyTrouble::KeychainLocked).await;
    assert!(sentence.contains("does not have your key"), "{sentence}");
    home.keychain.becomes(|_| taken.unwrap());
    app.do_it(Request::Retry).await;
    assert_eq!(fingerprint(&app).await, before);
    app.quit().await;
}

#[tokio::test]
async fn lost_settings_do_not_lose_the_key() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let before = fingerprint(&app).await;
    app.quit().await;
    std::fs::remove_file(home.data().join("settings.json")).unwrap();
    let app = home.ready().await;
    assert_eq!(fingerprint(&app).await, before);
    app.quit().await;
}

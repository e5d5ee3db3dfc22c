//! The app speaks one language, whoever asks.

use desktop::{Language, ProblemCode, Request};

use crate::app::Home;

#[tokio::test]
async fn window_tray_dialogs_and_notifications_speak_one_language() {
    let home = Home { language: Language::German, ..Home::with_own_port() };
    let app = home.ready().await;
    let drawn = |status: &'static str| {
        move |notes: &crate::app::Notes| {
            notes.tray.as_ref().is_some_and(|tray| tray.status == status)
        }
    };
    let notes = app.until("the tray", drawn("Nichts ist veröffentlicht")).await;
    assert_eq!(notes.view.unwrap().language, Language::German);

    app.do_it(Request::ChooseFolder).await;
    let dialogs = app.notes.borrow().dialogs.clone();
    assert_eq!(dialogs[0].1, "Ordner zum Veröffentlichen wählen");
    let missing = home.folder.path().join("nothing").to_str().unwrap().to_owned();
    let add = Request::AddFolder { path: missing.clone() };
    let sentence = app.refused(add, ProblemCode::FolderUnusable).await;
    let expected = format!("{missing} lässt sich nicht veröffentlichen: Der Ordner ist nicht da.");
    assert_eq!(sentence, expected);
    let elsewhere =
        Request::UseGateway { address: Some("http://gateway.example".to_owned()), account: None };
    let sentence = app.refused(elsewhere, ProblemCode::BadGateway).await;
    assert_eq!(sentence, "Ein Gateway auf einem anderen Computer braucht https://.");

    app.handle.window_closed();
    app.until("the notice", |notes| notes.titles() == ["Veranda läuft weiter"]).await;
    app.quit().await;
}

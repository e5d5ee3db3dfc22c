//! Window, tray, settings, and what was damaged.

use std::{net::TcpListener, path::Path};

use desktop::{NotificationKind, Phase, ProblemCode, Request, settings};

use crate::app::{Home, Notes, free_port};

#[tokio::test]
async fn a_closed_window_leaves_the_tray_and_says_so_once() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    app.handle.window_closed();
    let notes = app.until("the window to go", |notes| notes.hidden == 1).await;
    assert_eq!(notes.quits, 0);
    app.until("the notice", |notes| notes.titles() == ["Veranda keeps running"]).await;
    app.do_it(Request::ShowWindow).await;
    app.handle.window_closed();
    app.until("the window to go", |notes| notes.hidden == 2).await;
    app.quit().await;

    let app = home.ready().await;
    app.handle.window_closed();
    app.until("the window to go", |notes| notes.hidden == 1).await;
    let notes = app.quit().await;
    assert_eq!(notes.titles(), [""; 0]);
}

#[tokio::test]
async fn without_a_tray_closing_the_window_quits() {
    let home = Home { has_tray: false, ..Home::with_own_port() };
    let app = home.ready().await;
    app.handle.window_closed();
    assert_eq!(app.ended().await.titles(), [""; 0]);
}

#[tokio::test]
async fn when_nobody_is_left_to_ask_the_app_ends() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    assert_eq!(app.abandon().await.quits, 1);
}

#[tokio::test]
async fn switches_stay_switched() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let kind = NotificationKind::TransferFinished;
    app.do_it(Request::SetNotification { kind, on: false }).await;
    app.do_it(Request::SetStartAtLogin { on: true }).await;
    let view = app.until_view("the switch", |view| view.settings.start_at_login).await;
    assert!(!view.settings.notify_transfer_finished);
    assert!(app.notes.borrow().starts_at_login);
    app.quit().await;

    let app = home.ready().await;
    let view = app.until_view("ready", |view| view.phase == Phase::Ready).await;
    assert!(!view.settings.notify_transfer_finished);
    app.quit().await;
}

#[tokio::test]
async fn an_answer_follows_the_picture_of_what_came_of_it() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    // Faster than pictures follow each other while nobody wishes for anything.
    for on in [true, false].into_iter().cycle().take(20) {
        app.do_it(Request::SetStartAtLogin { on }).await;
        let view = app.notes.borrow().view.clone().expect("a view");
        assert_eq!(view.settings.start_at_login, on);
    }
    app.quit().await;
}

#[tokio::test]
async fn a_taken_port_is_said_and_the_new_one_stays() {
    let home = Home::new();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    home.write("settings.json", &format!(r#"{{"port": {port}}}"#));
    let app = home.ready().await;
    let view = app.until_view("the problem", |view| view.problem.is_some()).await;
    let problem = view.problem.unwrap();
    assert_eq!(problem.code, ProblemCode::PortChanged);
    assert!(problem.sentence.contains(&port.to_string()), "{}", problem.sentence);
    let kept = settings::load(&home.data()).unwrap().kept.port;
    assert_ne!(kept, Some(port));
    app.do_it(Request::DismissProblem).await;
    app.until_view("no problem", |view| view.problem.is_none()).await;
    app.quit().await;
}

#[tokio::test]
async fn a_port_that_is_free_again_in_a_moment_stays() {
    let home = Home::new();
    let port = free_port();
    home.write("settings.json", &format!(r#"{{"port": {port}}}"#));
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let app = home.start();
    app.until_view("the start", |view| view.phase == Phase::Starting).await;
    drop(taken);
    let view = app.until_view("ready", |view| view.phase == Phase::Ready).await;
    assert_eq!(view.problem, None);
    assert_eq!(settings::load(&home.data()).unwrap().kept.port, Some(port));
    app.quit().await;
}

#[tokio::test]
async fn damaged_settings_are_kept_aside_and_said() {
    let home = Home::new();
    home.write("settings.json", "{\"port\": 28260, ");
    let app = home.ready().await;
    let problem =
        app.until_view("the problem", |view| view.problem.is_some()).await.problem.unwrap();
    assert_eq!(problem.code, ProblemCode::DamagedFile);
    assert_eq!(aside(&home.data(), "settings").len(), 1);
    app.quit().await;
}

#[tokio::test]
async fn a_damaged_account_is_said_and_costs_nothing_else() {
    let home = Home::new();
    let port = free_port();
    home.write("settings.json", &format!(r#"{{"port": {port}, "account": {{"jid": "anna"}}}}"#));
    let app = home.ready().await;
    let view = app.until_view("the problem", |view| view.problem.is_some()).await;
    let problem = view.problem.unwrap();
    assert_eq!(problem.code, ProblemCode::DamagedFile);
    assert!(problem.sentence.contains("XMPP account"), "{}", problem.sentence);
    assert_eq!((view.account, aside(&home.data(), "settings").len()), (None, 1));
    assert_eq!(settings::load(&home.data()).unwrap().kept.port, Some(port));
    app.quit().await;
}

#[tokio::test]
async fn a_damaged_store_is_kept_aside_and_said() {
    let home = Home::with_own_port();
    home.write("veranda.sqlite", &"this is no database, ".repeat(500));
    let app = home.ready().await;
    let problem =
        app.until_view("the problem", |view| view.problem.is_some()).await.problem.unwrap();
    assert_eq!(problem.code, ProblemCode::DamagedFile, "{}", problem.sentence);
    app.quit().await;
}

#[tokio::test]
async fn what_cannot_start_says_why_and_can_be_tried_again() {
    let home = Home::with_own_port();
    // A folder where the store's file should be cannot be moved aside as a damaged file can.
    home.write("gateway", "a file where the gateway wants its folder");
    let app = home.start();
    let failed = |phase: &Phase| matches!(phase, Phase::Failed { .. });
    let view = app.until_view("the failure", |view| failed(&view.phase)).await;
    let Phase::Failed { sentence } = view.phase else { unreachable!("it was just there") };
    assert!(sentence.ends_with('.'), "{sentence}");
    std::fs::remove_file(home.data().join("gateway")).unwrap();
    app.do_it(Request::Retry).await;
    app.until_view("ready", |view| view.phase == Phase::Ready).await;
    app.quit().await;
}

#[tokio::test]
async fn what_goes_wrong_in_the_menu_is_shown_in_the_window() {
    let home = Home::with_own_port();
    let app = home.ready().await;
    let raised = app.notes.borrow().raised;
    let drawn = app.until("a tray", |notes: &Notes| notes.trays_drawn > 0).await.trays_drawn;
    app.handle.click(Request::CopyLink { site: "gone".to_owned() });
    let view = app.until_view("the problem", |view| view.problem.is_some()).await;
    assert_eq!(view.problem.unwrap().code, ProblemCode::Unknown);
    app.until("the window", |notes| notes.raised == raised + 1).await;
    app.until("a menu that is right again", |notes| notes.trays_drawn > drawn).await;
    app.quit().await;
}

fn aside(folder: &Path, name: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter(|file| file.contains(name) && file.contains("damaged")).collect()
}

//! The notification server of a Linux desktop, over the session bus.
//!
//! By hand, because a click and an answer come to the connection that showed the notification, and
//! because the field for answers is an extension that few libraries know.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream::select_all};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use zbus::zvariant::Value;

use super::Wish;
use crate::{
    notices::Notification,
    printable::MAX_NOTE,
    request::Request,
    words::{self, Words},
};

/// How long the server may take to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before the bus is asked again after it was lost.
const RETRY: Duration = Duration::from_secs(10);

/// How long a notification stays behind which somebody waits: as long as a visitor waits for an
/// answer, in milliseconds.
const WAITS: i32 = 5 * 60 * 1000;

/// How long all others stay: as the server likes.
const USUAL: i32 = -1;

/// How many notifications are remembered, so that a click on them means something.
const REMEMBERED: usize = 32;

/// The action of a click on the notification itself.
const DEFAULT: &str = "default";

/// The actions of buttons, by their place.
const BUTTONS: [&str; 3] = ["button-1", "button-2", "button-3"];

/// The action of our own button.
const ANSWER: &str = "answer";

/// The action that servers with a field for answers show as that field, and their word for it.
const INLINE: &str = "inline-reply";

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Server {
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

    #[expect(clippy::too_many_arguments, reason = "the server's own")]
    fn notify(
        &self,
        app: &str,
        replaces: u32,
        icon: &str,
        title: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expires: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action: String) -> zbus::Result<()>;

    #[zbus(signal)]
    fn notification_replied(&self, id: u32, text: String) -> zbus::Result<()>;
}

/// What the owner did with a notification.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Clicked(u32),
    Pressed(u32, usize),
    Answered(u32, String),
}

/// Shows what arrives until nobody is left who tells. When the bus is not there, what arrives
/// meanwhile is not shown.
pub(super) async fn run(mut waiting: mpsc::Receiver<Wish>, words: Words, asked: impl Fn(Request)) {
    let mut complained = false;
    loop {
        let error = match serve(&mut waiting, words, &asked).await {
            Ok(()) => return,
            Err(error) => error,
        };
        if !complained {
            complained = true;
            tracing::warn!(%error, "This system shows no notifications");
        }
        let forget = async { while waiting.recv().await.is_some() {} };
        tokio::select! {
            () = forget => return,
            () = sleep(RETRY) => {}
        }
    }
}

async fn serve(
    waiting: &mut mpsc::Receiver<Wish>,
    words: Words,
    asked: &impl Fn(Request),
) -> zbus::Result<()> {
    let bus = timeout(SERVER_TIMEOUT, zbus::Connection::session()).await.map_err(|_| late())??;
    let server = ServerProxy::new(&bus).await?;
    let mut done = done(&server).await?;
    let mut shown = VecDeque::new();
    loop {
        let notification = tokio::select! {
            next = waiting.recv() => match next {
                Some(Wish::Show(notification)) => notification,
                Some(Wish::Withdraw(button)) => {
                    if let Some(id) = with_button(&shown, &button) {
                        // It may have gone by itself, which a server may call an error.
                        let closed = timeout(SERVER_TIMEOUT, server.close_notification(id)).await;
                        tracing::trace!(?closed, "A notification was withdrawn");
                    }
                    continue;
                }
                None => return Ok(()),
            },
            done = done.next() => match done {
                Some(done) => {
                    if let Some(request) = request(&shown, done) {
                        asked(request);
                    }
                    continue;
                }
                None => return Err(zbus::Error::InputOutput(std::sync::Arc::new(
                    std::io::ErrorKind::ConnectionAborted.into(),
                ))),
            },
        };
        let showing = show(&server, &notification, words);
        let id = timeout(SERVER_TIMEOUT, showing).await.map_err(|_| late())??;
        shown.push_back((id, notification));
        if shown.len() > REMEMBERED {
            shown.pop_front();
        }
    }
}

/// Returns what the owner does with notifications, of whatever program.
async fn done(server: &ServerProxy<'_>) -> zbus::Result<impl Stream<Item = Done> + use<>> {
    let clicked = server.receive_action_invoked().await?.filter_map(|signal| async move {
        let ActionInvokedArgs { id, action, .. } = signal.args().ok()?;
        let button = BUTTONS.iter().position(|button| *button == action);
        match (&*action, button) {
            (_, Some(place)) => Some(Done::Pressed(id, place)),
            (DEFAULT | ANSWER, None) => Some(Done::Clicked(id)),
            (_, None) => None,
        }
    });
    let answered = server.receive_notification_replied().await?.filter_map(|signal| async move {
        let NotificationRepliedArgs { id, text, .. } = signal.args().ok()?;
        Some(Done::Answered(id, text))
    });
    Ok(select_all([clicked.boxed(), answered.boxed()]))
}

async fn show(
    server: &ServerProxy<'_>,
    notification: &Notification,
    words: Words,
) -> zbus::Result<u32> {
    // A server that does not say what it can is taken at the worst: it reads markup.
    let abilities = server.get_capabilities().await;
    let has = |ability: &str| match &abilities {
        Ok(abilities) => abilities.iter().any(|one| one == ability),
        Err(_) => ability == "body-markup",
    };
    let body =
        if has("body-markup") { escape(&notification.body) } else { notification.body.clone() };
    let (actions, hints) = (actions(notification, words, has), hints(notification, words));
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    let icon = words::APP.to_lowercase();
    let title = &notification.title;
    let stays = if notification.waits { WAITS } else { USUAL };
    server.notify(words::APP, 0, &icon, title, &body, &actions, hints, stays).await
}

/// Returns what the server offers beside the text: keys and words in turn.
fn actions(notification: &Notification, words: Words, has: impl Fn(&str) -> bool) -> Vec<String> {
    let mut actions = Vec::new();
    if notification.click.is_some() && has("actions") {
        actions.extend([DEFAULT.to_owned(), words.open()]);
        for (key, button) in BUTTONS.iter().zip(&notification.buttons) {
            actions.extend([(*key).to_owned(), button.word.clone()]);
        }
        if notification.answers.is_some() {
            let key = if has(INLINE) { INLINE } else { ANSWER };
            actions.extend([key.to_owned(), words.answer()]);
        }
    }
    actions
}

fn hints(notification: &Notification, words: Words) -> HashMap<&'static str, Value<'static>> {
    let mut hints = HashMap::from([("desktop-entry", Value::from("veranda"))]);
    if notification.answers.is_some() {
        hints.insert("x-kde-reply-placeholder-text", Value::from(words.answer_here()));
    }
    hints
}

/// Returns what the owner wants; `None` when it was another program's notification.
fn request(shown: &VecDeque<(u32, Notification)>, done: Done) -> Option<Request> {
    let find = |id| shown.iter().rev().find(|(other, _)| *other == id).map(|(_, shown)| shown);
    match done {
        Done::Clicked(id) => find(id)?.click.clone(),
        Done::Pressed(id, place) => find(id)?.buttons.get(place).map(|button| button.click.clone()),
        Done::Answered(id, text) => {
            let shown = find(id)?;
            let text: String = text.trim().chars().take(MAX_NOTE).collect();
            match &shown.answers {
                Some(note) if !text.is_empty() => {
                    Some(Request::AnswerNote { note: note.clone(), text })
                }
                Some(_) | None => shown.click.clone(),
            }
        }
    }
}

/// Returns the notification with this button.
fn with_button(shown: &VecDeque<(u32, Notification)>, button: &Request) -> Option<u32> {
    let has =
        |notification: &Notification| notification.buttons.iter().any(|one| one.click == *button);
    shown.iter().rev().find(|(_, notification)| has(notification)).map(|(id, _)| *id)
}

fn late() -> zbus::Error {
    zbus::Error::InputOutput(std::sync::Arc::new(std::io::ErrorKind::TimedOut.into()))
}

/// Servers read a part of HTML in the body, so that a note or a file name could bring links and images.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    const ENGLISH: Words = Words::of(Language::English);

    fn note() -> Notification {
        Notification {
            click: Some(Request::OpenNotes { site: "7".to_owned() }),
            answers: Some("4".to_owned()),
            ..Notification::new("A note", "Hello")
        }
    }

    #[test]
    fn text_of_strangers_is_no_markup() {
        let name = r#"<a href="http://x.example">&.jpg</a>"#;
        let safe = r#"&lt;a href="http://x.example"&gt;&amp;.jpg&lt;/a&gt;"#;
        assert_eq!(escape(name), safe);
    }

    #[test]
    fn a_note_offers_what_the_server_can() {
        let can = |abilities: &'static [&str]| move |one: &str| abilities.contains(&one);
        let check = |notification: &Notification, abilities, expected: &[&str]| {
            assert_eq!(actions(notification, ENGLISH, can(abilities)), expected);
        };
        check(&note(), &["body"], &[]);
        check(&note(), &["actions"], &["default", "Open", "answer", "Answer"]);
        check(
            &note(),
            &["actions", "inline-reply"],
            &["default", "Open", "inline-reply", "Answer"],
        );
        check(&Notification::new("A", "B"), &["actions", "inline-reply"], &[]);
    }

    #[test]
    fn a_button_asks_for_what_it_says() {
        let button = |word: &str, allow| crate::notices::Button {
            word: word.to_owned(),
            click: Request::AnswerKnock { knock: "8".to_owned(), allow },
        };
        let knock = Notification {
            click: Some(Request::OpenHandOver { hand_over: "3".to_owned() }),
            buttons: vec![button("Allow", true), button("Refuse", false)],
            ..Notification::new("A", "B")
        };
        let shown = actions(&knock, ENGLISH, |ability| ability == "actions");
        assert_eq!(shown, ["default", "Open", "button-1", "Allow", "button-2", "Refuse"]);
        let shown = VecDeque::from([(1, knock), (2, note())]);
        let refused = Request::AnswerKnock { knock: "8".to_owned(), allow: false };
        assert_eq!(request(&shown, Done::Pressed(1, 1)), Some(refused.clone()));
        assert_eq!(with_button(&shown, &refused), Some(1));
        assert_eq!(with_button(&shown, &Request::Quit), None);
        assert_eq!(request(&shown, Done::Pressed(1, 2)), None);
        assert_eq!(request(&shown, Done::Pressed(2, 0)), None);
        assert_eq!(request(&shown, Done::Pressed(3, 0)), None);
    }

    #[test]
    fn a_click_and_an_answer_are_those_of_the_owner() {
        let shown = VecDeque::from([(1, Notification::new("A", "B")), (2, note())]);
        let open = Some(Request::OpenNotes { site: "7".to_owned() });
        assert_eq!(request(&shown, Done::Clicked(2)), open);
        assert_eq!(request(&shown, Done::Clicked(1)), None);
        assert_eq!(request(&shown, Done::Clicked(3)), None);
        let answer = |text: &str| request(&shown, Done::Answered(2, text.to_owned()));
        let answered = Request::AnswerNote { note: "4".to_owned(), text: "Hi".to_owned() };
        assert_eq!(answer(" Hi\n"), Some(answered));
        assert_eq!(answer("  "), open);
        assert_eq!(request(&shown, Done::Answered(3, "Hi".to_owned())), None);
    }
}

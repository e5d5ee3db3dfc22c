//! What a session does with what comes in: the right one gets it, and nobody else's word counts.

use crosstalk::xmpp::{FullJid, Jid};
use futures_util::{SinkExt as _, StreamExt as _};
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

use super::{
    super::arrivals::{Arrival, PresenceKind},
    *,
};
use crate::xmpp::{
    Ask, Conversation, ConversationEnd, Incoming, MeetError, Outgoing, RequestError, SessionEnd,
};

const PARTNER: &str = "gate@far.example/1";

fn converse(session: &Session, token: &str, capacity: usize) -> Conversation {
    session.converse(FullJid::new(PARTNER).unwrap(), token, capacity)
}

fn chunk(from: &str, id: &str, batch: &str, text: &str) -> String {
    format!(
        "<iq type='set' from='{from}' id='{id}'>\
         <d xmlns='urn:veranda:crosstalk:2' batch='{batch}'>{text}</d></iq>"
    )
}

async fn next(conversation: &mut Conversation) -> Option<Incoming> {
    timeout(PATIENCE, conversation.next()).await.unwrap()
}

#[tokio::test]
async fn stanzas_go_to_the_conversation_of_their_token_and_sender() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut one = converse(&session, "one", 100_000);
    let mut two = converse(&session, "two", 100_000);
    line.say(&chunk(PARTNER, "two.1", "two.7", "b")).await;
    line.say(&chunk(PARTNER, "one.1", "one.7", "a")).await;
    let Some(Incoming::Set { id, payload }) = next(&mut one).await else { panic!() };
    assert_eq!((id.as_str(), payload.text().as_str()), ("one.1", "a"));
    let Some(Incoming::Set { id, .. }) = next(&mut two).await else { panic!() };
    // Answers go back, and answers to ours come in.
    two.send(Outgoing::Result { id }).await.unwrap();
    assert!(line.until("<iq", "/>").await.contains("type='result' id='two.1'"));
    let payload = Element::bare("d", "urn:veranda:crosstalk:2");
    two.send(Outgoing::Set { id: "two.out".to_owned(), payload }).await.unwrap();
    assert!(line.until("<iq", "</iq>").await.contains(PARTNER));
    line.say(&format!("<iq type='result' from='{PARTNER}' id='two.out'/>")).await;
    assert!(matches!(next(&mut two).await, Some(Incoming::Result { id }) if id == "two.out"));
    line.say(&format!(
        "<iq type='error' from='{PARTNER}' id='one.x'><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ))
    .await;
    let Some(Incoming::Refused { condition, .. }) = next(&mut one).await else { panic!() };
    assert_eq!(condition, DefinedCondition::ServiceUnavailable);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_not_found() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut conversation = converse(&session, "one", 100_000);
    for (from, batch) in [("evil@far.example/1", "one.1"), (PARTNER, "none.1"), (PARTNER, "")] {
        line.say(&chunk(from, "a.b", batch, "x")).await;
        let answer = line.until("<iq", "</iq>").await;
        assert!(answer.contains("item-not-found") && answer.contains(from), "{answer}");
    }
    line.say("<iq type='result' from='evil@far.example/1' id='one.1'/>").await;
    line.say(&chunk(PARTNER, "one.2", "one.1", "right")).await;
    assert!(matches!(next(&mut conversation).await, Some(Incoming::Set { .. })));
    drop(conversation);
    line.say(&chunk(PARTNER, "one.3", "one.1", "late")).await;
    assert!(line.until("<iq", "</iq>").await.contains("item-not-found"));
}

#[tokio::test]
async fn only_who_was_asked_answers() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let to = Jid::new(PARTNER).unwrap();
    let question = Element::bare("hello", "urn:veranda:crosstalk:2");
    let script = async {
        let asked = line.until("<iq", "</iq>").await;
        let id = asked.split("id='").nth(1).unwrap().split('\'').next().unwrap();
        for from in ["from='evil@far.example/1'", "", "from='gate@far.example'"] {
            line.say(&format!("<iq type='result' {from} id='{id}'><wrong xmlns='urn:x'/></iq>"))
                .await;
        }
        line.say(&format!(
            "<iq type='result' from='{PARTNER}' id='{id}'><right xmlns='urn:x'/></iq>"
        ))
        .await;
    };
    let (answer, ()) =
        tokio::join!(session.request(Some(&to), Ask::Set, &question, PATIENCE), script);
    assert_eq!(answer.unwrap().unwrap().name(), "right");
    let silent = session.request(None, Ask::Get, &question, Duration::from_millis(1)).await;
    assert!(matches!(silent, Err(RequestError::TimedOut)));
}

#[tokio::test]
async fn too_much_for_the_credit_ends_the_conversation_and_nothing_else() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut greedy = converse(&session, "one", 10_000);
    let mut modest = converse(&session, "two", 10_000);
    for number in 0..3 {
        line.say(&chunk(PARTNER, &format!("one.{number}"), "one.1", &"x".repeat(4_000))).await;
    }
    line.say(&chunk(PARTNER, "two.1", "two.1", "x")).await;
    assert!(matches!(next(&mut modest).await, Some(Incoming::Set { .. })));
    assert!(next(&mut greedy).await.is_none());
    assert_eq!(greedy.end(), Some(ConversationEnd::Overflowed));
    assert_eq!(modest.end(), None);
}

#[tokio::test]
async fn who_is_gone_has_no_conversations() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut gone = converse(&session, "one", 10_000);
    let other = session.converse(FullJid::new("gate@far.example/2").unwrap(), "two", 10_000);
    line.say(&chunk(PARTNER, "one.1", "one.1", "last words")).await;
    line.say(&format!("<presence type='unavailable' from='{PARTNER}'/>")).await;
    assert!(matches!(next(&mut gone).await, Some(Incoming::Set { .. })));
    assert!(next(&mut gone).await.is_none());
    assert_eq!(gone.end(), Some(ConversationEnd::PartnerLeft));
    let late = gone.send(Outgoing::Result { id: "one.1".to_owned() }).await;
    assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    assert_eq!(other.end(), None);
    drop(line);
    assert_eq!(session.ended().await, SessionEnd::Lost);
    assert_eq!(other.end(), Some(ConversationEnd::SessionEnded));
}

#[tokio::test]
async fn a_stanza_beyond_all_limits_is_refused_and_the_session_goes_on() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut conversation = converse(&session, "one", 10_000);
    let bombs = [
        "x".repeat(600 * 1024),
        format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000)),
        "<a/>".repeat(50_000),
    ];
    for bomb in bombs {
        line.say(&format!("<iq type='set' from='evil@far.example/1' id='big'>{bomb}</iq>")).await;
        let answer = line.until("<iq", "</iq>").await;
        assert!(answer.contains("policy-violation") && answer.contains("id='big'"), "{answer}");
    }
    // What is repeated could be more than the server takes.
    let id = "x".repeat(100_000);
    line.say(&format!("<iq type='get' from='evil@far.example/1' id='{id}'><a/></iq>")).await;
    line.say(&chunk(PARTNER, "one.1", "one.1", "still here")).await;
    assert!(matches!(next(&mut conversation).await, Some(Incoming::Set { .. })));
    assert!(!line.heard.contains("xxxxx"));
}

#[tokio::test]
async fn nothing_is_sent_that_the_server_does_not_take() {
    let server = Server::start().await;
    let (session, _line) = server.session().await;
    let mut conversation = converse(&session, "one", 10_000);
    let large = "x".repeat(session.max_stanza());
    let payload = Element::builder("d", "urn:veranda:crosstalk:2").append(large).build();
    let sent = conversation.send(Outgoing::Set { id: "one.1".to_owned(), payload }).await;
    assert_eq!(sent.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert!(conversation.send(Outgoing::Result { id: "one.1".to_owned() }).await.is_ok());
}

#[tokio::test]
async fn questions_are_answered_whoever_asks() {
    let server = Server::start().await;
    let (_session, mut line) = server.session().await;
    let cases = [
        ("<ping xmlns='urn:xmpp:ping'/>", "type='result'"),
        ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "urn:veranda:crosstalk:2"),
        ("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", "item-not-found"),
        ("<query xmlns='jabber:iq:version'/>", "service-unavailable"),
    ];
    for (question, answer) in cases {
        line.say(&format!("<iq type='get' from='a@b/c' id='q'>{question}</iq>")).await;
        line.say("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>").await;
        let said = line.until("<iq", "id='end'/>").await;
        assert!(said.contains(answer) && said.contains("to='a@b/c'"), "{said}");
    }
}

#[tokio::test]
async fn a_gateway_greets_back_and_another_gateway_not() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut arrivals = session.arrivals();
    session.announce();
    let announced = line.until("<presence", "</presence>").await;
    assert!(announced.contains(">-1<") && !announced.contains("to="), "{announced}");
    let caps = |node| format!("<c xmlns='http://jabber.org/protocol/caps' node='{node}' ver='x'/>");
    let gateway = caps("urn:veranda:gateway");
    line.say(&format!("<presence from='other@far.example/g'>{gateway}</presence>")).await;
    line.say(&format!("<presence from='{PARTNER}'>{}</presence>", caps("urn:x"))).await;
    let greeting = line.until("<presence", "</presence>").await;
    assert!(greeting.contains(PARTNER) && greeting.contains("urn:veranda:gateway"), "{greeting}");
    line.say("<presence type='subscribe' from='fan@far.example'/>").await;
    for expected in [PresenceKind::Available, PresenceKind::Available, PresenceKind::Subscribe] {
        let arrival = timeout(PATIENCE, arrivals.next()).await.unwrap().unwrap();
        assert!(matches!(arrival, Arrival::Presence { kind, .. } if kind == expected));
    }
}

#[tokio::test]
async fn hellos_and_chats_arrive_and_too_many_are_refused() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let hello = "<iq type='set' from='a@b/c' id='h'><hello xmlns='urn:veranda:crosstalk:2'/></iq>";
    line.say(hello).await;
    assert!(line.until("<iq", "</iq>").await.contains("service-unavailable"));
    let mut arrivals = session.arrivals();
    line.say("<message type='chat' from='a@b/c'><body>x</body><body>y</body><thread>7</thread></message>")
        .await;
    let arrival = timeout(PATIENCE, arrivals.next()).await.unwrap().unwrap();
    let Arrival::Chat { body, thread, .. } = arrival else { panic!("{arrival:?}") };
    assert_eq!((body.as_str(), thread.as_deref()), ("xy", Some("7")));
    line.say(hello).await;
    let arrival = timeout(PATIENCE, arrivals.next()).await.unwrap().unwrap();
    let Arrival::Set(request) = arrival else { panic!("{arrival:?}") };
    request.refuse(DefinedCondition::Forbidden, "Not you.", None);
    assert!(line.until("<iq", "</iq>").await.contains("Not you."));
    for _ in 0..super::super::arrivals::ARRIVALS + 1 {
        line.say(hello).await;
    }
    assert!(line.until("<iq", "</iq>").await.contains("resource-constraint"));
}

#[tokio::test]
async fn meeting_finds_the_gateway_among_other_things() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let gate = BareJid::new("gate@far.example").unwrap();
    let found = async {
        let greeting = line.until("<presence", "</presence>").await;
        assert!(greeting.contains("to='gate@far.example'") || greeting.contains("to=\"gate"));
        // A phone, which says what it can do when it is asked, and then the gateway.
        line.say("<presence from='gate@far.example/phone'/>").await;
        let asked = line.until("<iq", "</iq>").await;
        let id = asked.split("id='").nth(1).unwrap().split('\'').next().unwrap();
        line.say(&format!(
            "<iq type='result' from='gate@far.example/phone' id='{id}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ))
        .await;
        let caps = greeting.split_once('>').unwrap().1.split("</presence>").next().unwrap();
        line.say(&format!("<presence from='{PARTNER}'>{caps}</presence>")).await;
    };
    let (met, ()) = tokio::join!(session.meet(&gate, PATIENCE), found);
    assert_eq!(met.unwrap().as_str(), PARTNER);
    let nobody = session.meet(&gate, Duration::from_millis(50)).await;
    assert_eq!(nobody, Err(MeetError::Offline));
    let refused = async {
        line.until("<presence", "</presence>").await;
        line.until("<presence", "</presence>").await;
        line.say(
            "<presence type='error' from='gate@far.example'><error type='cancel'>\
             <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        )
        .await;
    };
    let (unreachable, ()) = tokio::join!(session.meet(&gate, PATIENCE), refused);
    assert_eq!(unreachable, Err(MeetError::Unreachable("remote server not found".to_owned())));
}

#[tokio::test]
async fn the_reason_of_an_end_is_told() {
    let server = Server::start().await;
    let cases = [
        ("<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", SessionEnd::Conflict),
        ("<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", SessionEnd::Shutdown),
        (
            "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Too big.</text>",
            SessionEnd::PolicyViolation("Too big.".to_owned()),
        ),
    ];
    for (error, end) in cases {
        let (session, mut line) = server.session().await;
        line.say(&format!("<stream:error>{error}</stream:error></stream:stream>")).await;
        assert_eq!(timeout(PATIENCE, session.ended()).await.unwrap(), end);
    }
    let (session, mut line) = server.session().await;
    line.say("</stream:stream>").await;
    assert_eq!(timeout(PATIENCE, session.ended()).await.unwrap(), SessionEnd::Lost);
}

#[tokio::test]
async fn a_silent_line_is_asked_and_then_given_up() {
    let server = Server::start().await;
    let mut hasty = network();
    hasty.times.ping_after = Duration::from_millis(50);
    // Long enough to be answered once, on a busy machine too.
    hasty.times.answer = Duration::from_secs(5);
    let (session, mut line) =
        tokio::join!(Session::log_in_over(&server.login, &hasty), server.let_in());
    let session = session.unwrap();
    assert!(line.until("<iq", "</iq>").await.contains("urn:xmpp:ping"));
    line.say("<iq type='result' id='ping'/>").await;
    assert!(line.until("<iq", "</iq>").await.contains("urn:xmpp:ping"));
    assert_eq!(timeout(PATIENCE, session.ended()).await.unwrap(), SessionEnd::Lost);
}

#[tokio::test]
async fn conversations_take_turns() {
    let server = Server::start().await;
    let (session, mut line) = server.session().await;
    let mut much = converse(&session, "much", 10_000);
    let mut little = converse(&session, "little", 10_000);
    // More than all buffers on the way take, so that it waits.
    let payload = || {
        let text = "x".repeat(60_000);
        Element::builder("d", "urn:veranda:crosstalk:2").append(text).build()
    };
    let mut sent = 0;
    while let Ok(fed) = timeout(
        Duration::from_millis(300),
        much.feed(Outgoing::Set { id: format!("much.{sent}"), payload: payload() }),
    )
    .await
    {
        fed.unwrap();
        sent += 1;
    }
    assert!(sent > 5);
    little.feed(Outgoing::Result { id: "little.1".to_owned() }).await.unwrap();
    let script = async {
        line.until("little.1", "/>").await;
    };
    // Behind it at most what was taken before, not all that `much` still has to say.
    let more = async {
        for number in 0..100 {
            let set = Outgoing::Set { id: format!("more.{number}"), payload: payload() };
            much.feed(set).await.unwrap();
        }
    };
    tokio::select! {
        () = script => {}
        () = more => panic!("a hundred stanzas overtook one"),
    }
}

//! Everything that can go wrong before a session is there, and what a person is told.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::task::JoinSet;

use super::{super::dns, *};
use crate::xmpp::Account;

fn decode(element: &str) -> String {
    let text = &element[element.find('>').unwrap() + 1..element.rfind("</").unwrap()];
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_has_an_address_and_ends_with_its_last_handle() {
    let server = Server::start().await;
    let (session, line) = server.session().await;
    assert_eq!(session.jid().as_str(), "me@xmpp.example/here");
    let other = session.clone();
    drop(session);
    other.close();
    assert_eq!(other.ended().await, crate::xmpp::SessionEnd::Closed);
    assert!(line.rest().await.ends_with("<presence type='unavailable'/></stream:stream>"));
    let (session, line) = server.session().await;
    drop(session);
    assert!(line.rest().await.ends_with("</stream:stream>"));
}

#[test]
fn a_session_whose_task_is_gone_is_over() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (session, _line) = first.block_on(async { Server::start().await.session().await });
    drop(first);
    let end = runtime().block_on(async { timeout(PATIENCE, session.ended()).await });
    assert_eq!(end.unwrap(), crate::xmpp::SessionEnd::Lost);
}

#[tokio::test]
async fn plain_is_what_the_rfc_says() {
    let server = Server::start().await;
    let script = async {
        let mut line = server.accept_with(&["PLAIN", "X-OTHER"]).await;
        let auth = line.until("<auth", "</auth>").await;
        assert!(auth.contains("PLAIN"));
        assert_eq!(decode(&auth), "\0me\0secret");
    };
    let (login, ()) = tokio::join!(server.try_to_log_in(), script);
    assert!(login.is_err());
}

#[tokio::test]
async fn what_a_refusal_says_becomes_the_reason() {
    type Is = fn(&LoginError) -> bool;
    let cases: [(&str, Is); 7] = [
        ("<not-authorized/>", |error| matches!(error, LoginError::Password)),
        (
            "<account-disabled/><text>Pay first.\n</text>",
            |error| matches!(error, LoginError::Refused(why) if why == "Pay first."),
        ),
        (
            "<credentials-expired/>",
            |error| matches!(error, LoginError::Refused(why) if why == "credentials-expired"),
        ),
        ("<temporary-auth-failure/>", |error| matches!(error, LoginError::Busy)),
        ("<encryption-required/>", |error| matches!(error, LoginError::NoTls)),
        ("<mechanism-too-weak/>", |error| matches!(error, LoginError::NoMechanism)),
        ("", |error| matches!(error, LoginError::Refused(_))),
    ];
    let server = Server::start().await;
    for (reason, is_right) in cases {
        let script = async {
            let mut line = server.accept_with(&["PLAIN"]).await;
            line.until("<auth", "</auth>").await;
            let namespace = "urn:ietf:params:xml:ns:xmpp-sasl";
            line.say(&format!("<failure xmlns='{namespace}'>{reason}</failure>")).await;
            line
        };
        let (login, _line) = tokio::join!(server.try_to_log_in(), script);
        let error = login.err().unwrap();
        assert!(is_right(&error), "{reason}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_an_impostor() {
    let server = Server::start().await;
    // The nonce is not ours, too many rounds, no rounds, rounds twice, something that must be
    // understood, and a signature that is made up.
    for (nonce, rounds, gets_answer) in [
        ("x", "4096", false),
        ("", "4000000000", false),
        ("", "0", false),
        ("", "4096,i=2000000", false),
        ("", "4096,m=x", false),
        ("", "4096", true),
    ] {
        let script = async {
            let mut line = server.accept_with(&["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]).await;
            let auth = line.until("<auth", "</auth>").await;
            assert!(auth.contains("SCRAM-SHA-256"));
            let first = decode(&auth);
            let (rest, ours) = first.rsplit_once("r=").unwrap();
            assert_eq!(rest, "n,,n=me,");
            let challenge = format!("r={nonce}{ours}theirs,s=c2FsdA==,i={rounds}");
            let challenge = BASE64_STANDARD.encode(challenge);
            let namespace = "urn:ietf:params:xml:ns:xmpp-sasl";
            line.say(&format!("<challenge xmlns='{namespace}'>{challenge}</challenge>")).await;
            if gets_answer {
                line.until("<response", "</response>").await;
                let proof = BASE64_STANDARD.encode("v=AAAA");
                line.say(&format!("<success xmlns='{namespace}'>{proof}</success>")).await;
            }
            line
        };
        let (login, _line) = tokio::join!(server.try_to_log_in(), script);
        let error = login.err().unwrap();
        let is_right = if gets_answer {
            matches!(error, LoginError::Refused(_))
        } else {
            matches!(error, LoginError::NoMechanism)
        };
        assert!(is_right, "{nonce} {rounds}: {error:?}");
    }
}

#[tokio::test]
async fn nobody_logs_in_by_unknown_ways() {
    let server = Server::start().await;
    let script = server.accept_with(&["SCRAM-SHA-256-PLUS", "DIGEST-MD5"]);
    let (login, _line) = tokio::join!(server.try_to_log_in(), script);
    assert!(matches!(login, Err(LoginError::NoMechanism)));
}

#[tokio::test]
async fn elsewhere_nobody_logs_in_without_tls() {
    let server = Server::start().await;
    let far = Network { is_here: |_| false, ..network() };
    let script = async {
        let line = server.accept_with(&["PLAIN"]).await;
        line.rest().await
    };
    let (login, said) = tokio::join!(Session::log_in_over(&server.login, &far), script);
    assert!(matches!(login, Err(LoginError::NoTls)));
    assert!(!said.contains("auth"), "{said}");
}

#[tokio::test]
async fn bytes_before_tls_are_not_taken_for_bytes_inside() {
    let server = Server::start().await;
    let script = async {
        let mut line = server.accept().await;
        line.until("<stream:stream", ">").await;
        let tls = "urn:ietf:params:xml:ns:xmpp-tls";
        line.say(&format!("{HEADER}<stream:features><starttls xmlns='{tls}'/></stream:features>"))
            .await;
        line.until("<starttls", "/>").await;
        line.say(&format!("<proceed xmlns='{tls}'/><stream:features/>")).await;
        // The second try begins with TLS, which this server does not speak.
        let second = server.accept().await;
        drop(second);
        line
    };
    let (login, _line) = tokio::join!(server.try_to_log_in(), script);
    assert!(matches!(login, Err(LoginError::NotXmpp)), "{:?}", login.err());
}

#[tokio::test]
async fn what_speaks_something_else_is_not_xmpp() {
    let server = Server::start().await;
    let script = async {
        for _ in 0..2 {
            let mut line = server.accept().await;
            line.say("SSH-2.0-OpenSSH_9.2\r\n").await;
        }
    };
    let (login, ()) = tokio::join!(server.try_to_log_in(), script);
    assert!(matches!(login, Err(LoginError::NotXmpp)), "{:?}", login.err());
}

#[tokio::test]
async fn where_nobody_listens_the_server_is_unreachable() {
    let server = Server::start().await;
    let Server { listener, login } = server;
    drop(listener);
    let result = Session::log_in_over(&login, &network()).await;
    assert!(matches!(result, Err(LoginError::Unreachable(_))), "{:?}", result.err());
}

#[tokio::test]
async fn errors_of_the_stream_are_told_apart() {
    type Is = fn(&LoginError) -> bool;
    let cases: [(&str, Is); 3] = [
        ("<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", |error| {
            matches!(error, LoginError::NotXmpp)
        }),
        ("<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", |error| {
            matches!(error, LoginError::Busy)
        }),
        ("<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", |error| {
            matches!(error, LoginError::Busy)
        }),
    ];
    for (condition, is_right) in cases {
        let server = Server::start().await;
        let script = async {
            let mut line = server.accept().await;
            line.until("<stream:stream", ">").await;
            line.say(&format!("{HEADER}<stream:error>{condition}</stream:error>")).await;
            // What is not understood is tried once more, with TLS.
            if condition.contains("host-unknown") {
                server.accept().await;
            }
            line
        };
        let (login, _line) = tokio::join!(server.try_to_log_in(), script);
        let error = login.err().unwrap();
        assert!(is_right(&error), "{condition}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_gives_no_resource_is_busy_or_says_why() {
    let server = Server::start().await;
    for (condition, is_busy) in [("resource-constraint", true), ("forbidden", false)] {
        let script = async {
            let mut line = server.accept_to_bind().await;
            line.say(&format!(
                "<iq type='error' id='bind'><error type='wait'>\
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            ))
            .await;
            line
        };
        let (login, _line) = tokio::join!(server.try_to_log_in(), script);
        let error = login.err().unwrap();
        let is_right = if is_busy {
            matches!(error, LoginError::Busy)
        } else {
            matches!(error, LoginError::Refused(_))
        };
        assert!(is_right, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start().await;
    let mut hasty = network();
    hasty.times.login = Duration::from_millis(300);
    let (login, _line) = tokio::join!(Session::log_in_over(&server.login, &hasty), server.accept());
    assert!(matches!(login, Err(LoginError::TimedOut)));
}

#[tokio::test]
async fn a_server_is_found_by_its_record_and_the_next_is_tried() {
    let server = Server::start().await;
    let mut login = server.login.clone();
    let (_, port) = login.server.take().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    let name = "_xmpp-client._tcp.xmpp.example.";
    let zone = vec![(name, (1, 0, closed, "localhost.")), (name, (2, 0, port, "localhost."))];
    let resolver = dns::tests::resolver(zone, &mut tasks).await;
    let network = Network { resolver, ..network() };
    let (session, _line) = tokio::join!(Session::log_in_over(&login, &network), server.let_in());
    assert_eq!(session.unwrap().jid().as_str(), "me@xmpp.example/here");
}

#[tokio::test]
async fn all_who_wait_for_a_login_hear_of_its_failure_and_none_tries_again() {
    let server = Server::start().await;
    let account = Account::new(server.login.clone());
    let script = async {
        let mut line = server.accept_with(&["PLAIN"]).await;
        line.until("<auth", "</auth>").await;
        let namespace = "urn:ietf:params:xml:ns:xmpp-sasl";
        line.say(&format!("<failure xmlns='{namespace}'><not-authorized/></failure>")).await;
        line
    };
    let both = async { tokio::join!(account.session(), account.session(), script) };
    let (one, other, _line) = timeout(PATIENCE, both).await.unwrap();
    assert!(matches!(one, Err(LoginError::Password)));
    assert!(matches!(other, Err(LoginError::Password)));
    // Who asks later may have a reason to.
    let (later, _line) = tokio::join!(account.session(), server.let_in());
    assert!(later.is_ok());
}

#[tokio::test]
async fn all_who_ask_an_account_share_one_login_and_a_new_one_follows_its_end() {
    let server = Server::start().await;
    let account = Account::new(server.login.clone());
    let (one, other, line) = tokio::join!(account.session(), account.session(), server.let_in());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.jid(), other.jid());
    drop(line);
    assert_eq!(one.ended().await, crate::xmpp::SessionEnd::Lost);
    other.ended().await;
    let (again, _line) = tokio::join!(account.session(), server.let_in());
    assert!(again.is_ok());
}

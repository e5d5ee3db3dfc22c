//! Logging in at a real server: every way that it offers, and what a person is told when it fails.

use anyhow::{Result, ensure};
use carriers::{
    tls::Roots,
    xmpp::{LoginError, Session},
};
use testkit::{prosody::Prosody, raw_xmpp::PLAIN_ALLOWED};

/// Logs in and returns what went wrong.
async fn refusal(login: &carriers::xmpp::Login) -> Option<LoginError> {
    Session::log_in(login).await.err()
}

#[tokio::test]
async fn a_server_on_this_computer_needs_no_tls() -> Result<()> {
    let server = Prosody::tuned().start().await?;
    let session = Session::log_in(&server.login("ann")?).await?;
    ensure!(session.jid().to_string().starts_with("ann@xmpp.test/"), "{}", session.jid());
    Ok(())
}

#[tokio::test]
async fn tls_begins_in_the_stream_or_before_it() -> Result<()> {
    let server = Prosody::stock().with_tls().start().await?;
    let mut login = server.login("ann")?;
    Session::log_in(&login).await?;
    login.server = Some(("127.0.0.1".to_owned(), server.direct_tls_port()));
    Session::log_in(&login).await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() -> Result<()> {
    let server = Prosody::tuned().with_tls().start().await?;
    let other = Prosody::tuned().with_tls().with_host("other.test").start().await?;
    let mut login = server.login("ann")?;
    for roots in [Roots::System, other.roots().clone()] {
        login.roots = roots;
        let refused = refusal(&login).await;
        ensure!(matches!(refused, Some(LoginError::Certificate(_))), "{refused:?}");
    }
    // A certificate that is good, but of another host.
    let mut elsewhere = server.login("ann")?;
    elsewhere.server = Some(("127.0.0.1".to_owned(), other.port()));
    elsewhere.roots = other.roots().clone();
    let refused = refusal(&elsewhere).await;
    ensure!(refused.is_some(), "another server was believed to be this one");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_named() -> Result<()> {
    let mut server = Prosody::tuned().start().await?;
    let mut wrong = server.login("ann")?;
    wrong.password = "guessed".to_owned().into();
    let refused = refusal(&wrong).await;
    ensure!(matches!(refused, Some(LoginError::Password)), "{refused:?}");
    let mut nobody = server.login("ann")?;
    nobody.jid = "nobody@xmpp.test".parse()?;
    let refused = refusal(&nobody).await;
    ensure!(matches!(refused, Some(LoginError::Password)), "{refused:?}");
    let login = server.login("ann")?;
    server.kill();
    let refused = refusal(&login).await;
    ensure!(matches!(refused, Some(LoginError::Unreachable(_))), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_password_goes_out_as_it_is_only_where_nobody_listens() -> Result<()> {
    let only_plain =
        "disable_sasl_mechanisms = { \"SCRAM-SHA-1\", \"SCRAM-SHA-1-PLUS\", \"DIGEST-MD5\" }";
    let settings = format!("{only_plain}\n{PLAIN_ALLOWED}");
    let server = Prosody::tuned().with_settings(&settings).start().await?;
    Session::log_in(&server.login("ann")?).await?;
    let server = Prosody::tuned().with_tls().with_settings(only_plain).start().await?;
    Session::log_in(&server.login("ann")?).await?;
    Ok(())
}

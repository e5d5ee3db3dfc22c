//! The peer's side of the handshake.

use std::{
    io,
    time::{Duration, Instant},
};

use crosstalk::{
    address::GatewayAddress,
    petrichor::Denial,
    registry::{Reason, Refused},
    transaction::Handler,
    transactions::Numbers,
    xmpp::{
        BareJid, FullJid, Jid,
        ct2::{self, Condition},
    },
};
use http::StatusCode;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xmpp_parsers::{minidom::Element, stanza_error::DefinedCondition};

use super::{
    Account, MeetError, Session,
    accept::Hello,
    conversation::Conversation,
    greeting::{self, GREETING_TIMEOUT, Welcome},
    session::{Ask, RequestError},
    transport::{Agreed, CAPACITY, Transport, chunk, setup, timing},
};
use crate::{
    DialError, DialOptions, LinkEnd, Questions, Served, dialled::Kind, line::LineHandle, messages,
};

/// How long it may take until the gateway says that it is there. It answers at once when it is; a
/// server of another domain may have to be dialled first.
const MEET_WITHIN: Duration = Duration::from_secs(10);

/// A link that is up and not yet served.
pub(crate) struct Dialled {
    session: Session,
    transport: Transport<Conversation>,
    agreed: Agreed,
    line: LineHandle,
    rate: watch::Receiver<Option<u64>>,
}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let setup = setup(&self.agreed, self.line, timing(), true);
        let end = messages::serve(self.transport, setup, handler, stop.clone(), grace).await;
        // Who stops the link may log out with it.
        if self.session.is_over() && !stop.is_cancelled() { LinkEnd::ServerLost } else { end }
    }

    /// See [`Served::rate`].
    pub(crate) fn rate(&self) -> watch::Receiver<Option<u64>> {
        self.rate.clone()
    }
}

/// Dials a gateway at its account, over the owner's.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions) -> Result<Served, DialError> {
    let gateway = options.gateway.xmpp().ok_or(DialError::NotAGateway)?;
    let account = options.account.as_ref().ok_or(DialError::NoAccount)?;
    let hello = Hello {
        proof: options.proof.clone(),
        label: options.label.clone(),
        asks: false,
        invite: options.invite.clone(),
    };
    let (session, conversation, agreed) = greet(gateway, account, &hello).await?;
    let (told, rate) = watch::channel(None);
    let line = LineHandle::alone();
    let mut transport = Transport::new(conversation, agreed.clone(), line.clone(), Some(told));
    transport.speak().map_err(DialError::Unreachable)?;
    Ok(Served(Kind::Xmpp(Box::new(Dialled { session, transport, agreed, line, rate }))))
}

/// Begins to ask a gateway. The invitation is for one that does not know the account yet: who may not
/// publish there may not ask for names either.
///
/// # Errors
/// See [`DialError`].
pub async fn ask(
    gateway: &GatewayAddress,
    account: &Account,
    invite: Option<&str>,
) -> Result<Questions, DialError> {
    let gateway = gateway.xmpp().ok_or(DialError::NotAGateway)?;
    let hello = Hello { asks: true, invite: invite.map(str::to_owned), ..Hello::default() };
    let (_, conversation, agreed) = greet(gateway, account, &hello).await?;
    let line = LineHandle::alone();
    let setup = setup(&agreed, line.clone(), timing(), false);
    let mut transport = Transport::new(conversation, agreed, line, None);
    transport.speak().map_err(DialError::Unreachable)?;
    Ok(Questions::over(transport, setup))
}

/// Finds the gateway, says hello, and hears the answer.
async fn greet(
    gateway: &BareJid,
    account: &Account,
    hello: &Hello,
) -> Result<(Session, Conversation, Agreed), DialError> {
    let session = account.session().await.map_err(DialError::Account)?;
    let begun = Instant::now();
    let to = session.meet(gateway, MEET_WITHIN).await.map_err(not_met)?;
    let ours = chunk(session.max_stanza(), session.jid(), &to).ok_or(DialError::NotAGateway)?;
    let welcome = say_hello(&session, &to, &greeting::hello(hello, ours)).await?;
    tracing::debug!(after = ?begun.elapsed(), sentence = welcome.sentence, "A gateway says welcome");
    let chunk = ct2::agree(ours, welcome.max_chunk).ok_or(DialError::NotAGateway)?;
    let agreed = Agreed::new(&session, &to, welcome.token, Numbers::Odd, chunk);
    let conversation = session.converse(to, &agreed.token.to_string(), CAPACITY);
    Ok((session, conversation, agreed))
}

async fn say_hello(session: &Session, to: &FullJid, hello: &Element) -> Result<Welcome, DialError> {
    let to = Jid::from(to.clone());
    match session.request(Some(&to), Ask::Set, hello, GREETING_TIMEOUT).await {
        Ok(Some(answer)) => greeting::read_welcome(&answer).map_err(|_| DialError::NotAGateway),
        Ok(None) => Err(DialError::NotAGateway),
        Err(RequestError::TimedOut) => Err(DialError::TimedOut),
        Err(RequestError::Ended) => Err(ended()),
        Err(RequestError::Refused { condition, text: _, extra }) => {
            match extra.as_ref().and_then(greeting::read_denied) {
                Some(denial) => Err(refused(denial)),
                None => Err(bounced(&condition)),
            }
        }
    }
}

fn not_met(error: MeetError) -> DialError {
    match error {
        MeetError::Offline | MeetError::Unreachable(_) => {
            DialError::Unreachable(io::Error::new(io::ErrorKind::HostUnreachable, error))
        }
        MeetError::NotAGateway => DialError::NotAGateway,
        MeetError::Ended => ended(),
    }
}

/// What a hello comes back with when no gateway has answered it.
fn bounced(condition: &DefinedCondition) -> DialError {
    // A gateway, or a server on the way, to which too much comes at once (RFC 6120 §8.3.3.18): later it
    // may be better, so nobody is told that this is no gateway.
    if *condition == DefinedCondition::ResourceConstraint {
        let sentence = "too much comes to it just now; try again soon".to_owned();
        let refused = Refused { reason: Reason::Busy, sentence };
        let status = StatusCode::TOO_MANY_REQUESTS;
        return DialError::Refused { status, refused, retry_after: None };
    }
    match super::payload::read_condition(condition) {
        Condition::Unavailable => {
            let error = MeetError::Offline;
            DialError::Unreachable(io::Error::new(io::ErrorKind::HostUnreachable, error))
        }
        Condition::NotFound | Condition::Other => DialError::NotAGateway,
    }
}

fn ended() -> DialError {
    DialError::Unreachable(io::Error::new(io::ErrorKind::NotConnected, MeetError::Ended))
}

fn refused(denial: Denial) -> DialError {
    let Denial { status, mut refused, retry_after } = denial;
    if refused.sentence.is_empty() {
        refused = Refused { sentence: "it does not say why".to_owned(), ..refused };
    }
    DialError::Refused { status, refused, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_gateway_is_not_taken_for_none() {
        let is_busy = |error| matches!(error, DialError::Refused { refused, .. } if refused.reason == Reason::Busy);
        assert!(is_busy(bounced(&DefinedCondition::ResourceConstraint)));
        assert!(matches!(
            bounced(&DefinedCondition::FeatureNotImplemented),
            DialError::NotAGateway
        ));
        let gone = bounced(&DefinedCondition::ServiceUnavailable);
        assert!(matches!(gone, DialError::Unreachable(_)));
    }
}

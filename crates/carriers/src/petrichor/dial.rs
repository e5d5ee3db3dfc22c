//! The peer's side of the handshake.

use std::{io, time::Duration};

use bytes::BytesMut;
use crosstalk::{
    address::GatewayAddress,
    petrichor::{Answer, Denial, Hello, Token, Welcome, WireError},
    registry::Refused,
    transaction::Handler,
    transactions::Numbers,
};
use http::{HeaderMap, HeaderValue, Method, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Connection, UPGRADE_TOKEN,
    accept::setup,
    connection,
    greeting::{GREETING_TIMEOUT, read_pair, write_pair},
    pack::Agreed,
    wire::Wire,
};
use crate::{
    DialError, DialOptions, LinkEnd, Questions, Served, Timing,
    dialled::Kind,
    line::LineHandle,
    messages,
    tls::{self, Roots},
    upgrade::upgrade,
};

/// What the peer says of itself.
const IDENT: &str = concat!("veranda-peer/", env!("CARGO_PKG_VERSION"));

/// What a dialer would like its link to do beyond carrying messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Bodies that get smaller are compressed.
    pub compress: bool,
    /// Bodies that the gateway had are not sent again.
    pub dedupe: bool,
}

impl Wishes {
    /// Returns what is worth it: everything on the way to another computer, and nothing inside this
    /// one, where sending bytes costs less than looking at them.
    #[must_use]
    pub fn towards(gateway: &GatewayAddress) -> Self {
        let far = !gateway.is_this_computer();
        Self { compress: far, dedupe: far }
    }
}

/// A link that is up and not yet served.
pub(crate) struct Dialled {
    wire: Box<Wire<Connection>>,
    line: LineHandle,
    timing: Timing,
}

impl Dialled {
    /// See [`Served::run`].
    pub(crate) async fn run(
        self,
        handler: Handler,
        stop: CancellationToken,
        grace: Duration,
    ) -> LinkEnd {
        let setup = setup(self.line, Numbers::Odd, self.timing, true);
        messages::serve(*self.wire, setup, handler, stop, grace).await
    }
}

/// Dials a gateway: by `Upgrade: petrichor/1` at a web address, and otherwise at once.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(options: &DialOptions) -> Result<Served, DialError> {
    dial_with(options, Timing::default()).await
}

/// The same with times of one's own.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_with(options: &DialOptions, timing: Timing) -> Result<Served, DialError> {
    dial_wishing(options, timing, Wishes::towards(&options.gateway)).await
}

/// The same with wishes of one's own.
///
/// # Errors
/// See [`DialError`].
pub async fn dial_wishing(
    options: &DialOptions,
    timing: Timing,
    wishes: Wishes,
) -> Result<Served, DialError> {
    let mut hello = Hello {
        ident: IDENT.to_owned(),
        compress: wishes.compress,
        // Visitors hardly ever send the same twice, so there is nothing to keep.
        dedupe: wishes.dedupe.then_some(0),
        ..Hello::default()
    };
    let (mut connection, line) = if options.gateway.is_petrichor() {
        if !options.proof.is_empty() {
            hello.token = Some(Token::new(options.proof.clone()));
        }
        hello.label.clone_from(&options.label);
        connection(TokioIo::new(tls::connect(&options.gateway, &options.roots).await?))
    } else {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static(UPGRADE_TOKEN));
        connection(upgrade(options, Method::GET, headers, agreed).await?.1)
    };
    let (welcome, arrived) = greet(&mut connection, &hello).await?;
    let agreed = Agreed {
        compress: wishes.compress && welcome.compress,
        keeps: None,
        kept: if wishes.dedupe { welcome.dedupe } else { 0 },
    };
    let wire = Box::new(Wire::new(connection, arrived, agreed));
    Ok(Served(Kind::Petrichor(Dialled { wire, line, timing })))
}

/// Dials a gateway's own port for Petrichor to ask it something.
///
/// # Errors
/// See [`DialError`].
pub async fn ask(gateway: &GatewayAddress, roots: &Roots) -> Result<Questions, DialError> {
    let hello = Hello { ident: IDENT.to_owned(), asks: true, ..Hello::default() };
    let (mut connection, line) = connection(TokioIo::new(tls::connect(gateway, roots).await?));
    let (_, arrived) = greet(&mut connection, &hello).await?;
    let wire = Wire::new(connection, arrived, Agreed::default());
    let setup = setup(line, Numbers::Odd, Timing::default(), false);
    Ok(Questions::over(wire, setup))
}

/// Reads the headers of a 101.
fn agreed(headers: &HeaderMap) -> Result<(), DialError> {
    let upgrade = headers.get(header::UPGRADE).and_then(|token| token.to_str().ok());
    let fits = upgrade.is_some_and(|token| token.eq_ignore_ascii_case(UPGRADE_TOKEN));
    if fits { Ok(()) } else { Err(DialError::NotAGateway) }
}

/// Says hello and hears the answer, and returns what came behind it.
async fn greet(
    connection: &mut Connection,
    hello: &Hello,
) -> Result<(Welcome, BytesMut), DialError> {
    let mut arrived = BytesMut::new();
    let greeting = async {
        write_pair(connection, &hello.to_pair()).await?;
        let (header, body) = read_pair(connection, &mut arrived).await?;
        Ok(Answer::read(&header, &body)?)
    };
    let answer = timeout(GREETING_TIMEOUT, greeting).await.map_err(|_| DialError::TimedOut)?;
    match answer.map_err(broken)? {
        Answer::Allowed(welcome) => Ok((welcome, arrived)),
        Answer::Denied(denial) => Err(refused(denial)),
    }
}

fn broken(error: io::Error) -> DialError {
    let is_ours = error.get_ref().is_some_and(|inner| inner.is::<WireError>());
    if is_ours { DialError::NotAGateway } else { DialError::Unreachable(error) }
}

fn refused(denial: Denial) -> DialError {
    let Denial { status, mut refused, retry_after } = denial;
    if refused.sentence.is_empty() {
        refused = Refused { sentence: "it does not say why".to_owned(), ..refused };
    }
    DialError::Refused { status, refused, retry_after }
}

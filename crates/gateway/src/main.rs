//! Entry point of `veranda-gateway`.

mod xmpp_options;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use carriers::certificate::Certificate;
use clap::Parser;
use crosstalk::address::GatewayAddress;
use gateway::{
    Classic, ClassicSite, Config, Gateway, PetrichorPort, Reached, RelayOrigin, XmppState,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use self::xmpp_options::XmppOptions;

/// Lets people publish from the computer at home: takes their visitors' requests and passes them
/// on to the computers that hold the files. No file is kept here.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Where to listen, as ADDRESS:PORT. Port 0 takes any that is free; it is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The gateway's own host name. Each site gets a name below it, so DNS must send both
    /// NAME and *.NAME here. `localhost` is for this computer only and needs no DNS.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    domain: String,

    /// The folder for the list of names. It is made when it is missing; make backups of it, since
    /// the list says whose each name is.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// A proxy in front speaks TLS to visitors, sets X-Forwarded-For, and passes Host and Upgrade
    /// through. Addresses then begin with https:// and have no port.
    #[arg(long)]
    behind_proxy: bool,

    /// Listen for Petrichor here, too, as ADDRESS:PORT: links without HTTP, for computers of one's
    /// own. Without a certificate only on this computer, where something in front may speak TLS.
    #[arg(long, value_name = "ADDRESS")]
    petrichor: Option<SocketAddr>,

    /// The certificate for that port, a PEM file with its chain. A new one needs a new start.
    #[arg(long, value_name = "FILE", requires_all = ["petrichor", "petrichor_key"])]
    petrichor_certificate: Option<PathBuf>,

    /// The certificate's private key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "petrichor_certificate")]
    petrichor_key: Option<PathBuf>,

    /// The address of that port for peers, when something in front has another name or port:
    /// petrichor+tls://NAME:PORT.
    #[arg(long, value_name = "ADDRESS", requires = "petrichor",
          value_parser = GatewayAddress::parse)]
    petrichor_address: Option<GatewayAddress>,

    /// Let pages of this origin use relay sessions from a browser: https://NAME. May be given several
    /// times; without it, no page of another origin can.
    #[arg(long, value_name = "ORIGIN", value_parser = RelayOrigin::parse)]
    relay_origin: Vec<RelayOrigin>,

    #[command(flatten)]
    xmpp: XmppOptions,

    /// Lead visitors of NAME to this account, whose peer speaks the wire of 2008 (text only), from the
    /// account of --xmpp-jid. Nobody can claim the name. May be given several times.
    #[arg(long, value_name = "NAME=JID", requires = "xmpp_jid", help_heading = "XMPP")]
    xmpp_classic: Vec<ClassicSite>,

    /// Print one JSON object a line instead of sentences. The first is
    /// {"event":"listening","address":"127.0.0.1:8080","origin":"http://localhost:8080"}.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Try it on this computer:
    veranda-gateway --listen 127.0.0.1:8080 --domain localhost --data ./gateway
  In another terminal, publish a folder through it:
    veranda-peer publish ./photos --gateway http://localhost:8080

  For everybody, behind a web server with a certificate for gateway.example and *.gateway.example:
    veranda-gateway --listen 127.0.0.1:8080 --domain gateway.example \\
        --data /var/lib/veranda --behind-proxy

  Besides, with a port of its own for Petrichor, which needs no web server:
    veranda-gateway ... --petrichor 0.0.0.0:7411 \\
        --petrichor-certificate chain.pem --petrichor-key key.pem
    veranda-peer publish ./photos --gateway petrichor+tls://gateway.example:7411

  Besides, for peers that have nothing but an XMPP account, and with codes for new ones:
    veranda-gateway ... --xmpp-jid gateway@chat.example --xmpp-password-file password \\
        --xmpp-admit invite --xmpp-allow friends --xmpp-invites codes
    veranda-peer publish ./photos --gateway 'xmpp:gateway@chat.example?invite=CODE' \\
        --xmpp-jid anna@chat.example --xmpp-password-file password

It stops at Ctrl-C or SIGTERM when the downloads under way are done, after half a minute at the
latest, and at once when asked a second time. RUST_LOG=debug shows more of what happens.";

/// What the program prints with `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event<'a> {
    Listening { address: SocketAddr, origin: &'a str },
    Petrichor { address: SocketAddr, origin: String },
    SetAside { file: PathBuf },
    Stopping,
    Stopped,
    Xmpp(Xmpp<'a>),
}

/// Whether peers can reach it over XMPP.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Xmpp<'a> {
    Online { origin: String },
    Offline { sentence: &'a str, heals: bool },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "veranda-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads")?.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let petrichor = petrichor_port(&arguments)?;
    let account = arguments.xmpp.account()?;
    let Arguments { listen, domain, data, behind_proxy, json, xmpp_classic, relay_origin, .. } =
        arguments;
    let classic = account.as_ref().filter(|_| !xmpp_classic.is_empty());
    let classic = classic.map(|account| account.login.clone());
    let config = Config { listen, domain, behind_proxy, data: Some(data) };
    let mut gateway = if petrichor.is_none() && account.is_none() {
        Gateway::bind_for_this_computer(config).await?
    } else {
        Gateway::bind(config).await?
    };
    gateway = gateway.with_relay_origins(relay_origin);
    if let Some(port) = petrichor {
        gateway = gateway.with_petrichor(port).await?;
    }
    if let Some(account) = account {
        gateway = gateway.with_xmpp(account)?;
    }
    if let Some(login) = classic {
        let classic = Classic { login, sites: xmpp_classic };
        gateway = gateway.with_classic(classic).context("--xmpp-classic")?;
    }
    let origin = gateway.address().origin();
    if let Some(file) = gateway.set_aside() {
        let sentence = format!(
            "The list of names was damaged and is now {}; a new one was begun.",
            file.display()
        );
        say(json, &Event::SetAside { file: file.to_owned() }, &sentence)?;
    }
    let address = gateway.local_addr();
    let sentence = format!("Listening on {address}. Publish through {origin}");
    say(json, &Event::Listening { address, origin: &origin }, &sentence)?;
    if let Some((address, public)) = gateway.petrichor() {
        let sentence = format!("Listening for Petrichor on {address}. Publish through {public}");
        say(json, &Event::Petrichor { address, origin: public.origin() }, &sentence)?;
    }
    if !behind_proxy && GatewayAddress::parse(&origin).is_err() {
        tracing::warn!(
            "Peers on other computers only use a gateway with https://. Put a web server with a \
             certificate in front and add --behind-proxy"
        );
    }

    let stop = CancellationToken::new();
    let mut signals = Signals::new().context("the system gives no signals")?;
    let told = tell_of_xmpp(gateway.xmpp(), json);
    let running = gateway.run(stop.clone());
    tokio::pin!(running, told);
    tokio::select! {
        () = &mut running => {}
        // It only ends when nobody can be told.
        error = &mut told => return Err(error),
        () = signals.next() => {
            say(json, &Event::Stopping, "Stopping when the downloads under way are done.")?;
            stop.cancel();
            tokio::select! {
                () = &mut running => {}
                () = signals.next() => {}
            }
        }
    }
    say(json, &Event::Stopped, "Stopped.")
}

/// Says when peers can reach the gateway over XMPP, and when not; as far as there is an account.
async fn tell_of_xmpp(reached: Option<Reached>, json: bool) -> anyhow::Error {
    if let Some(Reached { address, mut state }) = reached {
        let origin = address.origin();
        // The task that changes it ends with the program.
        while state.changed().await.is_ok() {
            let now = state.borrow_and_update().clone();
            let said = match &now {
                XmppState::Connecting => Ok(()),
                XmppState::Online => {
                    let sentence = format!("Reached over XMPP. Publish through {origin}");
                    let event = Event::Xmpp(Xmpp::Online { origin: origin.clone() });
                    say(json, &event, &sentence)
                }
                // On standard error it was said as a warning already.
                XmppState::Offline { .. } if !json => Ok(()),
                XmppState::Offline { sentence, heals } => {
                    let event = Event::Xmpp(Xmpp::Offline { sentence, heals: *heals });
                    say(json, &event, sentence)
                }
            };
            if let Err(error) = said {
                return error;
            }
        }
    }
    std::future::pending().await
}

fn petrichor_port(arguments: &Arguments) -> anyhow::Result<Option<PetrichorPort>> {
    let Some(listen) = arguments.petrichor else { return Ok(None) };
    let certificate = match (&arguments.petrichor_certificate, &arguments.petrichor_key) {
        (Some(chain), Some(key)) => Some(Certificate::read(chain, key)?),
        (Some(_), None) | (None, _) => None,
    };
    let address = arguments.petrichor_address.clone();
    if address.as_ref().is_some_and(|address| !address.is_petrichor()) {
        anyhow::bail!("--petrichor-address begins with petrichor+tls://");
    }
    Ok(Some(PetrichorPort { listen, certificate, address }))
}

fn say(json: bool, event: &Event<'_>, sentence: &str) -> anyhow::Result<()> {
    let line = if json { serde_json::to_string(event)? } else { sentence.to_owned() };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot print")
}

/// The system's wish that the program stops.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Asks for as many open files as the system allows: each connection is one, and the usual 1,024
/// are fewer than a gateway has links.
#[cfg(unix)]
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "The system allows no more open files");
    }
}

#[cfg(not(unix))]
fn raise_file_limit() {}

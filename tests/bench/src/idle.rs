//! Links that nobody uses.

use std::{
    convert::Infallible,
    env,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use carriers::{Carrier, DialOptions, Served, tls::Roots};
use crosstalk::{
    address::GatewayAddress,
    label::Label,
    proof::PrivateKey,
    transaction::{self, Body, Handler},
};
use http::{Request, Response};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{service_fn, util::BoxCloneSyncService};

use crate::process::Running;

/// How many are dialled at once: as the peers of a gateway that was just started again.
const AT_ONCE: usize = 64;

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The program that holds the links.
pub(crate) struct Holder {
    _running: Running,
    opened: usize,
}

impl Holder {
    /// Opens links in a process of its own, so that its memory is not the gateway's.
    pub(crate) fn start(gateway: &str, count: usize, carrier: Carrier) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["idle-links", gateway, &count.to_string(), carrier.name()]);
        command.stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let line = running.first_line(PATIENCE).context("the idle links do not open")?;
        let opened = line.parse().with_context(|| format!("{line:?} is not a number of links"))?;
        Ok(Self { _running: running, opened })
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened
    }
}

/// Opens links, prints how many there are, and holds them until the input ends.
pub(crate) fn hold(gateway: &str, count: usize, carrier: Carrier) -> Result<()> {
    raise_file_limit();
    let gateway = GatewayAddress::parse(gateway)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let opened = runtime.block_on(open(&gateway, count, carrier, &tasks, &stop));
    writeln!(io::stdout().lock(), "{opened}")?;
    let (ended, input) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    // The links live in the runtime, and the runtime lives until here.
    let _ = runtime.block_on(input);
    Ok(())
}

async fn open(
    gateway: &GatewayAddress,
    count: usize,
    carrier: Carrier,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> usize {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut dialling = JoinSet::new();
    for number in 0..count {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let gateway = gateway.clone();
        dialling.spawn(async move {
            let _slot = slot;
            link(gateway, number, carrier).await
        });
    }
    let mut opened = 0;
    let mut first_trouble = None;
    while let Some(dialled) = dialling.join_next().await {
        match dialled.map_err(anyhow::Error::from).and_then(|dialled| dialled) {
            Ok(served) => {
                opened += 1;
                tasks.spawn(served.run(handler(), stop.clone(), Duration::ZERO));
            }
            Err(trouble) => {
                first_trouble.get_or_insert(trouble);
            }
        }
    }
    if let Some(trouble) = first_trouble {
        // The number that opened is what counts; this says why it is not the one asked for.
        let _ = writeln!(
            io::stderr().lock(),
            "Some links did not open, the first because: {trouble:#}"
        );
    }
    opened
}

/// Opens a link as a peer with an identity and a name of its own.
async fn link(gateway: GatewayAddress, number: usize, carrier: Carrier) -> Result<Served> {
    let proof = PrivateKey::generate().prove(&gateway.origin(), SystemTime::now());
    let label = Some(Label::parse(&format!("idle-{number}"))?);
    let options =
        DialOptions { gateway, proof, label, roots: Roots::System, account: None, invite: None };
    Ok(carriers::dial(&options, carrier).await?)
}

fn handler() -> Handler {
    BoxCloneSyncService::new(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(transaction::empty()))
    }))
}

fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // When it stays as it is, fewer links open, and that is said.
    let _ = setrlimit(Resource::Nofile, limit);
}

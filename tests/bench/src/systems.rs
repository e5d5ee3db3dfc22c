//! What is measured: nginx with and without a hop, and Veranda.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use carriers::Carrier;
use serde::Deserialize;

use crate::{
    chat::Chat,
    process::{Running, START_TIMEOUT},
    visitor,
};

/// What the system is called that has the yardstick of [`crate::ibb`].
pub(crate) const XMPP: &str = "veranda, XMPP";

/// What the server of the accounts is called.
pub(crate) const PROSODY: &str = "prosody";

/// How long to wait between two looks at whether a program takes requests.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Something that serves the folder.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// `Host`, and what else each request needs.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Its processes, with what each is called in the figures.
    pub(crate) processes: Vec<(&'static str, u32)>,
    /// Whether long bodies are a part of the usual ones: a way that carries a hundredth of the others
    /// would take an hour.
    pub(crate) is_slow: bool,
}

/// nginx as origin, and nginx before it.
pub(crate) struct Nginx {
    origin: Running,
    hop: Running,
    origin_address: SocketAddr,
    hop_address: SocketAddr,
}

impl Nginx {
    pub(crate) fn start(place: &Path, folder: &Path) -> Result<Self> {
        let (origin_address, hop_address) = (free_address()?, free_address()?);
        let origin = nginx(
            &place.join("origin"),
            &format!(
                "server {{ listen {origin_address} backlog=4096; root {}; }}",
                folder.display()
            ),
        )?;
        let hop = nginx(
            &place.join("hop"),
            &format!(
                "upstream origin {{ server {origin_address}; keepalive 512; keepalive_requests 1000000000; }}
                server {{
                    listen {hop_address} backlog=4096;
                    location / {{
                        proxy_pass http://origin;
                        proxy_http_version 1.1;
                        proxy_set_header Connection \"\";
                        # What a visitor has not taken waits at the origin, not in a file.
                        proxy_max_temp_file_size 0;
                    }}
                }}"
            ),
        )?;
        let nginx = Self { origin, hop, origin_address, hop_address };
        wait_for(&nginx.direct())?;
        wait_for(&nginx.hop())?;
        Ok(nginx)
    }

    pub(crate) fn direct(&self) -> System {
        System {
            name: "nginx direct",
            address: self.origin_address,
            headers: vec![("Host", self.origin_address.to_string())],
            processes: vec![("nginx origin", self.origin.id())],
            is_slow: false,
        }
    }

    pub(crate) fn hop(&self) -> System {
        System {
            name: "nginx hop",
            address: self.hop_address,
            headers: vec![("Host", self.hop_address.to_string())],
            processes: vec![("nginx hop", self.hop.id()), ("nginx origin", self.origin.id())],
            is_slow: false,
        }
    }
}

/// nginx that passes uploads on as they come.
pub(crate) struct Passing {
    running: Running,
    pub(crate) address: SocketAddr,
}

impl Passing {
    /// Starts one that passes them on to this address.
    pub(crate) fn start(place: &Path, to: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let running = nginx(
            &place.join("passing"),
            &format!(
                "server {{
                    listen {address};
                    client_max_body_size 0;
                    location / {{
                        proxy_pass http://{to};
                        proxy_http_version 1.1;
                        proxy_request_buffering off;
                        # As much as a gateway reads ahead; nginx's own 16k is for forms.
                        client_body_buffer_size 128k;
                    }}
                }}"
            ),
        )?;
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = TcpStream::connect(address) {
            if Instant::now() > deadline {
                return Err(error).context("nginx does not start");
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(Self { running, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }
}

/// Starts nginx with everything it writes in a folder of its own.
fn nginx(place: &Path, servers: &str) -> Result<Running> {
    fs::create_dir(place)?;
    let configuration = place.join("nginx.conf");
    let shown = place.display();
    // The temporary folders are named because those of the package belong to root.
    fs::write(
        &configuration,
        format!(
            "daemon off;
            worker_processes auto;
            worker_rlimit_nofile 16384;
            pid {shown}/pid;
            error_log {shown}/error.log warn;
            events {{ worker_connections 8192; }}
            http {{
                access_log off;
                sendfile on;
                tcp_nopush on;
                keepalive_requests 1000000000;
                client_body_temp_path {shown}/body;
                proxy_temp_path {shown}/proxy;
                fastcgi_temp_path {shown}/fastcgi;
                uwsgi_temp_path {shown}/uwsgi;
                scgi_temp_path {shown}/scgi;
                {servers}
            }}"
        ),
    )?;
    let program = if Path::new("/usr/sbin/nginx").is_file() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command
        .arg("-c")
        .arg(&configuration)
        .arg("-p")
        .arg(place)
        .arg("-e")
        .arg(place.join("error.log"));
    // Without root there is no other user to become, and with root the workers must read the files.
    if rustix::process::geteuid().is_root() {
        command.args(["-g", "user root;"]);
    }
    Running::start(command.stdout(Stdio::null()))
}

/// A gateway that runs.
pub(crate) struct GatewayProcess {
    running: Running,
    origin: String,
    address: SocketAddr,
}

impl GatewayProcess {
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A folder published through a gateway.
pub(crate) struct Published {
    gateway: GatewayProcess,
    peer: Running,
    host: String,
    cookie: String,
    carrier: Carrier,
    /// The server of both accounts, where there are some.
    chat: Option<u32>,
}

#[derive(Deserialize)]
struct Listening {
    address: SocketAddr,
    origin: String,
}

#[derive(Deserialize)]
struct PublishedLine {
    url: String,
}

impl Published {
    /// Starts a gateway that keeps its names in this folder.
    pub(crate) fn gateway(
        binaries: &Path,
        data: &Path,
        chat: Option<&Chat>,
    ) -> Result<GatewayProcess> {
        let mut command = Command::new(binaries.join("veranda-gateway"));
        command
            .args(["--listen", "127.0.0.1:0", "--domain", "localhost", "--json", "--data"])
            .arg(data);
        if let Some(chat) = chat {
            command.args(chat.arguments(&chat.gateway())).args(["--xmpp-admit", "open"]);
        }
        command.env("RUST_LOG", "warn").stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let line = running.first_line(START_TIMEOUT).context("the gateway does not start")?;
        let Listening { address, origin } =
            serde_json::from_str(&line).with_context(|| format!("the gateway says {line:?}"))?;
        Ok(GatewayProcess { running, origin, address })
    }

    pub(crate) fn start(
        binaries: &Path,
        place: &Path,
        folder: &Path,
        carrier: Carrier,
        chat: Option<&Chat>,
    ) -> Result<Self> {
        let chat = chat.filter(|_| carrier == Carrier::Xmpp);
        let gateway = Self::gateway(binaries, &place.join("gateway"), chat)?;
        let mut command = peer(binaries, &place.join("peer"), folder, carrier)?;
        match chat {
            Some(chat) => {
                command.arg("--gateway").arg(chat.address());
                command.args(chat.arguments(&chat.publisher()));
            }
            None => {
                command.args(["--gateway", gateway.origin()]);
            }
        }
        let mut peer = Running::start(&mut command)?;
        let line = peer.first_line(START_TIMEOUT).context("the peer does not publish")?;
        let PublishedLine { url } =
            serde_json::from_str(&line).with_context(|| format!("the peer says {line:?}"))?;
        let below = url.strip_prefix("http://").context("the session URL is not a local one")?;
        let (host, path) = below.split_once('/').context("the session URL has no path")?;
        let mut visit = System {
            name: "veranda",
            address: gateway.address,
            headers: vec![("Host", host.to_owned())],
            processes: Vec::new(),
            is_slow: false,
        };
        let deadline = Instant::now() + START_TIMEOUT;
        let cookie = loop {
            match visitor::cookie(&visit, path) {
                Ok(cookie) => break cookie,
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        };
        visit.headers.push(("Cookie", cookie.clone()));
        wait_for(&visit)?;
        let host = host.to_owned();
        Ok(Self { gateway, peer, host, cookie, carrier, chat: chat.map(Chat::id) })
    }

    pub(crate) fn system(&self) -> System {
        let mut processes = vec![("gateway", self.gateway.id()), ("peer", self.peer.id())];
        processes.extend(self.chat.map(|id| (PROSODY, id)));
        System {
            name: match self.carrier {
                Carrier::Petrichor => "veranda, Petrichor",
                Carrier::PtthHttp2 => "veranda, PTTH/2",
                Carrier::PtthHttp1 => "veranda, PTTH/1.1",
                Carrier::Taxi => "veranda, TAXI",
                Carrier::Poll => "veranda, poll",
                Carrier::Xmpp => XMPP,
            },
            address: self.gateway.address,
            headers: vec![("Host", self.host.clone()), ("Cookie", self.cookie.clone())],
            processes,
            is_slow: self.carrier == Carrier::Xmpp,
        }
    }
}

fn peer(binaries: &Path, home: &Path, folder: &Path, carrier: Carrier) -> Result<Command> {
    fs::create_dir(home)?;
    let mut command = Command::new(binaries.join("veranda-peer"));
    command.arg("publish").arg(folder).arg("--json");
    command.args(["--carrier", carrier.name()]);
    // An identity of its own: the keychain of whoever measures is none of our business.
    command.arg("--data").arg(home).arg("--key-file").arg(home.join("key"));
    command.env("VERANDA_PASSPHRASE", "only for this run").stdout(Stdio::piped());
    Ok(command)
}

fn wait_for(system: &System) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match visitor::fetch(system, "1k.bin") {
            Ok((200, _)) => return Ok(()),
            Ok((status, _)) if Instant::now() > deadline => {
                bail!("{} answers {status}", system.name)
            }
            Err(error) if Instant::now() > deadline => return Err(error.context(system.name)),
            Ok(_) | Err(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

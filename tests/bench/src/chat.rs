//! The server for XMPP: Prosody, as `deploy/xmpp` has it for the host of a gateway.

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    ibb::Account,
    process::{Running, START_TIMEOUT},
};

/// The configuration that operators get.
const CONFIGURATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/xmpp/prosody.cfg.lua"));

/// Its domain.
const DOMAIN: &str = "chat.example";

/// Its two accounts that are not slowed down.
const GATEWAY: &str = "gateway";
const PUBLISHER: &str = "publisher";

/// Opens the accounts of this run, on this computer, for a few minutes.
const PASSWORD: &str = "only for this run";

/// How long to wait between two looks at whether it takes connections.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A Prosody that runs, with an account for the gateway and one for the peer.
pub(crate) struct Chat {
    running: Running,
    server: SocketAddr,
    password_file: PathBuf,
}

impl Chat {
    /// Starts one that keeps everything in this folder.
    pub(crate) fn start(place: &Path) -> Result<Self> {
        fs::create_dir(place)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let configuration = place.join("prosody.cfg.lua");
        fs::write(&configuration, here(place, port)?)?;
        for name in [GATEWAY, PUBLISHER] {
            let mut command = Command::new("prosodyctl");
            command.arg("--config").arg(&configuration).args(["register", name, DOMAIN, PASSWORD]);
            let output = command.output().context("cannot start prosodyctl")?;
            if !output.status.success() {
                bail!("prosodyctl says {}", String::from_utf8_lossy(&output.stdout));
            }
        }
        let mut command = Command::new("prosody");
        command.arg("--config").arg(&configuration).arg("-F");
        let running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = TcpStream::connect(server) {
            if Instant::now() > deadline {
                return Err(error).context("Prosody does not start");
            }
            thread::sleep(LOOK_AGAIN);
        }
        let password_file = place.join("password");
        fs::write(&password_file, PASSWORD)?;
        // The programs refuse one that everybody can read.
        fs::set_permissions(&password_file, Permissions::from_mode(0o600))?;
        Ok(Self { running, server, password_file })
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Returns the account as which the gateway logs in.
    pub(crate) fn gateway(&self) -> Account {
        self.account(GATEWAY)
    }

    /// Returns the account as which the peer logs in.
    pub(crate) fn publisher(&self) -> Account {
        self.account(PUBLISHER)
    }

    fn account(&self, name: &str) -> Account {
        Account {
            server: self.server,
            domain: DOMAIN.to_owned(),
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// Returns the address by which a peer finds the gateway.
    pub(crate) fn address(&self) -> String {
        format!("xmpp:{GATEWAY}@{DOMAIN}")
    }

    /// Returns what tells `veranda-gateway` and `veranda-peer` to log in with an account.
    pub(crate) fn arguments(&self, account: &Account) -> Vec<String> {
        vec![
            "--xmpp-jid".to_owned(),
            format!("{}@{DOMAIN}", account.name),
            "--xmpp-password-file".to_owned(),
            self.password_file.display().to_string(),
            "--xmpp-server".to_owned(),
            self.server.to_string(),
        ]
    }
}

/// Returns the configuration for this folder and port of this computer. Everything that decides about
/// speed stays as it is, but that there is no TLS, since nobody vouches for a certificate here.
fn here(place: &Path, port: u16) -> Result<String> {
    let quoted = |name: &str| format!("\"{}\"", place.join(name).display());
    let changes = [
        ("interfaces = { \"*\", \"::\" }", "interfaces = { \"127.0.0.1\" }".to_owned()),
        ("c2s_ports = { 5222 }", format!("c2s_ports = {{ {port} }}")),
        ("c2s_direct_tls_ports = { 5223 }", String::new()),
        ("s2s_ports = { 5269 }", String::new()),
        ("\t-- \"s2s\";", "\t\"s2s\";".to_owned()),
        ("\t\"tls\"; ", "\t-- \"tls\"".to_owned()),
        ("c2s_require_encryption = true", "c2s_require_encryption = false".to_owned()),
        ("allow_unencrypted_plain_auth = false", "allow_unencrypted_plain_auth = true".to_owned()),
        ("\"/etc/prosody/certs\"", quoted("certs")),
        ("\"/var/lib/prosody\"", quoted("data")),
        ("\"/run/prosody/prosody.pid\"", quoted("pid")),
        ("\"/var/log/prosody/prosody.log\"", quoted("log")),
        ("\"/var/log/prosody/prosody.err\"", quoted("errors")),
    ];
    let mut text = CONFIGURATION.to_owned();
    for (theirs, ours) in changes {
        if text.matches(theirs).count() != 1 {
            bail!("deploy/xmpp/prosody.cfg.lua does not say `{theirs}` once");
        }
        text = text.replace(theirs, &ours);
    }
    // Root is who runs tests in a container.
    let is_root = rustix::process::geteuid().is_root();
    Ok(if is_root { format!("run_as_root = true\n{text}") } else { text })
}

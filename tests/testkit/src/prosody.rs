//! XMPP servers: a real Prosody as Debian has it, on free ports and in a folder that goes with the test.

mod deployed;

use std::{
    collections::hash_map::RandomState,
    fmt::Write as _,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use carriers::{
    tls::Roots,
    xmpp::{Login, Password},
};
use crosstalk::xmpp::BareJid;
use tempfile::TempDir;

use crate::{
    processes::{self, Running},
    waiting::{PATIENCE, within},
};

/// What a server is called when the test does not care.
const HOST: &str = "xmpp.test";

/// Where ports are looked for: below those that systems give away on their own, so that nobody takes a
/// port while its server is down, and below those of the apps that run beside it.
const PORTS: std::ops::Range<u16> = 12_000..24_000;

/// How many ports are tried before there are none.
const PORT_TRIES: usize = 200;

/// How often other ports are chosen, when somebody else took one between the choice and the start.
const STARTS: usize = 5;

/// How much of its log is shown, in bytes.
const SHOWN_LOG: usize = 6000;

/// What our plugin writes into the log when everything listens.
const READY: &str = "Everything is loaded";

/// What Prosody writes when it does not listen, and goes on all the same.
const NO_PORT: &str = "Failed to open server port";

/// What the tests add to Prosody: it ends when its standard input does, which is when the process of
/// the test is gone, however it went; it says when it is ready; and it finds neighbours without DNS, each
/// by a file that is called as the neighbour is and holds its port.
const PLUGIN: &str = r#"
module:set_global();
local server = require "net.server";
local manual, service = require "net.resolvers.manual", require "net.resolvers.service";

server.watchfd(0, function () os.exit(1); end);

prosody.events.add_handler("server-started", function ()
	module:log("info", "Everything is loaded");
end);

local neighbours = module:get_option_string("neighbours");
local ask_dns = service.new;
service.new = function (hostname, name, kind, extra)
	if name:match("^xmpps?%-server$") then
		local file = io.open(neighbours .. "/" .. hostname);
		local port = file and file:read("n");
		if file then file:close(); end
		local plain = name == "xmpp-server";
		return manual.new(port and plain and { { "tcp4", "127.0.0.1", port, extra } } or {});
	end
	return ask_dns(hostname, name, kind, extra);
end
"#;

/// The name of [`PLUGIN`].
const PLUGIN_NAME: &str = "in_a_test";

/// What Debian's configuration enables, without what needs a terminal or a web server.
const STOCK_MODULES: &str = r#""roster", "saslauth", "dialback", "disco", "blocklist", "bookmarks",
    "carbons", "limits", "pep", "private", "smacks", "vcard4", "vcard_legacy", "csi_simple", "ping",
    "register", "time", "uptime", "version", "posix""#;

/// Debian's limits; everything else is Prosody's own default.
const STOCK_SETTINGS: &str = r#"
limits = { c2s = { rate = "10kb/s" }, s2sin = { rate = "30kb/s" } }
"#;

/// What a gateway needs.
const TUNED_MODULES: &str =
    r#""roster", "saslauth", "dialback", "disco", "ping", "smacks", "posix""#;

/// No limits, and neither waiting after each read nor Nagle's algorithm, which cost a factor of five and
/// of two hundred.
const TUNED_SETTINGS: &str = r#"
modules_disabled = { "offline" }
smacks_hibernation_time = 1
network_settings = { nagle = false, min_wait = 0 }
"#;

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    host: String,
    modules: &'static str,
    settings: String,
    tls: bool,
    /// As in `deploy/xmpp`, whatever the other fields say.
    deployed: bool,
}

/// A server that runs, or was killed. Dropping it ends it and writes the end of its log to standard
/// error, which is seen when the test failed.
pub struct Prosody {
    host: String,
    ports: Ports,
    roots: Roots,
    place: TempDir,
    /// How often it was started; each start has a log of its own.
    starts: usize,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    clients_in_tls: u16,
    servers: u16,
}

impl Prosody {
    /// A server for gateways and peers: nothing is limited, nothing waits.
    #[must_use]
    pub fn tuned() -> Setup {
        Setup::new(TUNED_MODULES, TUNED_SETTINGS)
    }

    /// A server as Debian installs it: 10 kB/s for each client, 30 kB/s from each server, Nagle's
    /// algorithm on.
    #[must_use]
    pub fn stock() -> Setup {
        Setup::new(STOCK_MODULES, STOCK_SETTINGS)
    }

    /// A server as `deploy/xmpp` tells operators to have it, for `chat.example`, with TLS. Accounts
    /// other than `gateway` and `publisher` are slowed down.
    #[must_use]
    pub fn deployed() -> Setup {
        Setup { deployed: true, ..Setup::new("", "").with_host(deployed::HOST).with_tls() }
    }

    /// Returns the name of its host, the part of addresses behind `@`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port for clients: plain, with STARTTLS if there is TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// Returns the port for clients that begin with TLS, if there is TLS.
    #[must_use]
    pub fn direct_tls_port(&self) -> u16 {
        self.ports.clients_in_tls
    }

    /// Returns what vouches for its certificate.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Returns how to log in to this account, which is made unless it is there. The name is of letters,
    /// digits and `-`.
    ///
    /// # Errors
    /// When the account cannot be written, or no account can have this name.
    pub fn login(&self, name: &str) -> anyhow::Result<Login> {
        let password = format!("the password of {name}");
        let folder = self.place.path().join("data").join(escaped(&self.host)).join("accounts");
        let file = folder.join(escaped(name) + ".dat");
        if !file.exists() {
            fs::create_dir_all(&folder)?;
            // Prosody replaces the password by its hash at the first login. It reads the file only then,
            // so that a whole file has to appear at once.
            let whole = folder.join(format!("{}.new", escaped(name)));
            fs::write(&whole, format!("return {{ [\"password\"] = {password:?} }};\n"))?;
            fs::rename(whole, file)?;
        }
        Ok(Login {
            jid: BareJid::new(&format!("{name}@{}", self.host))?,
            password: Password::from(password),
            server: Some(("127.0.0.1".to_owned(), self.ports.clients)),
            roots: self.roots.clone(),
        })
    }

    /// Lets these two servers find each other; they prove to be who they are by dialback.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn federate(&self, other: &Self) -> anyhow::Result<()> {
        for (one, other) in [(self, other), (other, self)] {
            let file = one.place.path().join("neighbours").join(&other.host);
            fs::write(file, other.ports.servers.to_string())?;
        }
        Ok(())
    }

    /// Ends it without a word to anybody, as a power cut does.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again, on the ports and with the accounts that it had.
    ///
    /// # Errors
    /// When it does not start in time.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        within(PATIENCE, "the ports of the server", async || Ok(self.start().await?.then_some(())))
            .await
    }

    /// Returns what `prosodyctl check config` says of its configuration.
    ///
    /// # Errors
    /// When it finds something wrong.
    pub async fn check_configuration(&self) -> anyhow::Result<String> {
        let mut command = Command::new("prosodyctl");
        command.arg("--config").arg(self.place.path().join("prosody.cfg.lua"));
        command.args(["check", "config"]);
        let said = processes::output(command).await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Returns the files that it keeps, from its folder: accounts, contacts, messages for later.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn stored(&self) -> anyhow::Result<Vec<PathBuf>> {
        let data = self.place.path().join("data");
        let mut folders = vec![data.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&data)?.to_owned());
                }
            }
        }
        Ok(files)
    }

    /// Returns what it wrote since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.place.path().join(format!("log-{}", self.starts))
    }

    /// Starts it; `false` when a port is taken.
    async fn start(&mut self) -> anyhow::Result<bool> {
        self.starts += 1;
        let log = self.log_file();
        let mut command = Command::new("prosody");
        command.arg("--config").arg(self.place.path().join("prosody.cfg.lua")).arg("-F");
        let mut running = Running::start_leashed("prosody", &mut command, &log)?;
        let listens = within(PATIENCE, "a server that listens", async || {
            running.check()?;
            let said = fs::read_to_string(&log)?;
            if said.contains(NO_PORT) {
                return Ok(Some(false));
            }
            Ok(said.contains(READY).then_some(true))
        });
        let listens = listens.await.with_context(|| self.log())?;
        self.running = listens.then_some(running);
        Ok(listens)
    }
}

impl Drop for Prosody {
    #[expect(clippy::print_stderr, reason = "only this is hidden unless the test fails")]
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        let shown = log.len().saturating_sub(SHOWN_LOG);
        let end = log.get(log.ceil_char_boundary(shown)..).unwrap_or_default();
        eprintln!("The server {} wrote:\n{end}", self.host);
    }
}

impl Setup {
    fn new(modules: &'static str, settings: &str) -> Self {
        Self {
            host: HOST.to_owned(),
            modules,
            settings: settings.to_owned(),
            tls: false,
            deployed: false,
        }
    }

    /// Calls the host so, instead of `xmpp.test`.
    #[must_use]
    pub fn with_host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host);
        self
    }

    /// Gives it a certificate; then it wants TLS from everybody, by STARTTLS or on a port of its own.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Adds these lines to its configuration, before the host.
    #[must_use]
    pub fn with_settings(mut self, lines: &str) -> Self {
        self.settings += lines;
        self.settings.push('\n');
        self
    }

    /// Starts the server, and returns once it listens.
    ///
    /// # Errors
    /// When Prosody is not there or does not start in time.
    pub async fn start(self) -> anyhow::Result<Prosody> {
        for _ in 0..STARTS {
            let place = TempDir::with_prefix("prosody-")?;
            let ports = Ports {
                clients: free_port()?,
                clients_in_tls: free_port()?,
                servers: free_port()?,
            };
            let roots = self.write(place.path(), ports)?;
            let host = self.host.clone();
            let mut prosody = Prosody { host, ports, roots, place, starts: 0, running: None };
            if prosody.start().await? {
                return Ok(prosody);
            }
        }
        bail!("somebody else takes every port that prosody is to have")
    }

    fn write(&self, place: &Path, ports: Ports) -> anyhow::Result<Roots> {
        for folder in ["data", "plugins", "neighbours", "certificates"] {
            fs::create_dir(place.join(folder))?;
        }
        fs::write(place.join("plugins").join(format!("mod_{PLUGIN_NAME}.lua")), PLUGIN)?;
        if self.deployed {
            let text = deployed::text(place, ports, &self.settings)?;
            fs::write(place.join("prosody.cfg.lua"), text)?;
            return self.certify(&place.join("certificates").join(&self.host));
        }
        let Ports { clients, clients_in_tls, servers } = ports;
        let shown = place.display();
        let (modules, host, encrypted) = (self.modules, &self.host, self.tls);
        let mut text = format!(
            r#"
            run_as_root = true
            pidfile = "{shown}/pid"
            data_path = "{shown}/data"
            plugin_paths = {{ "{shown}/plugins" }}
            neighbours = "{shown}/neighbours"
            certificates = "{shown}/certificates"
            interfaces = {{ "127.0.0.1" }}
            local_interfaces = {{ "127.0.0.1" }}
            c2s_ports = {{ {clients} }}
            s2s_ports = {{ {servers} }}
            modules_enabled = {{ "{PLUGIN_NAME}", {modules}, {more} }}
            c2s_require_encryption = {encrypted}
            s2s_require_encryption = {encrypted}
            s2s_secure_auth = false
            authentication = "internal_hashed"
            storage = "internal"
            log = {{ {{ to = "console", levels = {{ min = "info" }} }} }}
            "#,
            more = if self.tls { r#""tls""# } else { "" },
        );
        let mut roots = Roots::default();
        if self.tls {
            roots = self.certify(&place.join("certificates/of"))?;
            let files = format!(
                r#"{{ certificate = "{shown}/certificates/of.crt", key = "{shown}/certificates/of.key" }}"#
            );
            writeln!(text, "ssl = {files}\nc2s_direct_tls_ssl = {files}")?;
            writeln!(text, "c2s_direct_tls_ports = {{ {clients_in_tls} }}")?;
        }
        writeln!(text, "{}\nVirtualHost \"{host}\"", self.settings)?;
        fs::write(place.join("prosody.cfg.lua"), text)?;
        Ok(roots)
    }
}

impl Setup {
    /// Makes a certificate of its own and writes it and its key to this path with `.crt` and `.key`.
    fn certify(&self, path: &Path) -> anyhow::Result<Roots> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([self.host.clone()])?;
        let file = |ending| PathBuf::from(format!("{}.{ending}", path.display()));
        fs::write(file("crt"), cert.pem())?;
        fs::write(file("key"), signing_key.serialize_pem())?;
        Ok(Roots::Only(vec![cert.der().clone()]))
    }
}

/// Writes a name as Prosody calls files.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02x}");
        }
        text
    })
}

fn free_port() -> anyhow::Result<u16> {
    for _ in 0..PORT_TRIES {
        // The standard library has no random numbers, but seeds its hashes with them.
        let random = RandomState::new().build_hasher().finish();
        let span = u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random % span)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    /// Begins a stream and returns the features that the server offers.
    async fn features(prosody: &Prosody) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", prosody.port())).await?;
        let header = format!(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
             to='{}' version='1.0'>",
            prosody.host()
        );
        stream.write_all(header.as_bytes()).await?;
        let mut said = Vec::new();
        timeout(PATIENCE, async {
            while !String::from_utf8_lossy(&said).contains("</stream:features>") {
                anyhow::ensure!(stream.read_buf(&mut said).await? > 0, "the server hung up");
            }
            Ok(String::from_utf8_lossy(&said).into_owned())
        })
        .await?
    }

    #[tokio::test]
    async fn offers_logins_comes_back_and_leaves_nothing_behind() -> anyhow::Result<()> {
        let mut prosody = Prosody::tuned().start().await?;
        let process = Path::new("/proc").join(prosody.running.as_ref().unwrap().id().to_string());
        assert!(features(&prosody).await?.contains("SCRAM-SHA-1"));
        let port = prosody.port();
        prosody.kill();
        assert!(!process.exists() && features(&prosody).await.is_err());
        prosody.restart().await?;
        assert_eq!(prosody.port(), port);
        assert!(features(&prosody).await?.contains("SCRAM-SHA-1"));
        let place = prosody.place.path().to_owned();
        drop(prosody);
        assert!(!place.exists());
        Ok(())
    }

    #[tokio::test]
    async fn wants_tls_when_it_has_a_certificate() -> anyhow::Result<()> {
        let prosody = Prosody::stock().with_tls().with_host("a.test").start().await?;
        let features = features(&prosody).await?;
        assert!(features.contains("<required/>") && !features.contains("SCRAM"), "{features}");
        assert!(matches!(prosody.roots(), Roots::Only(roots) if roots.len() == 1));
        Ok(())
    }

    #[tokio::test]
    async fn ends_with_the_process_that_started_it() -> anyhow::Result<()> {
        let mut prosody = Prosody::tuned().start().await?;
        let running = prosody.running.as_mut().unwrap();
        // What the system does with the other end of the leash when the process is gone.
        running.let_go();
        within(PATIENCE, "its end", async || Ok(running.check().err())).await?;
        Ok(())
    }
}

//! Proxies as they stand between peers and gateways: a real nginx with what its owners write into its
//! configuration, and what they leave out.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{ports::KeptPort, processes::Running, waiting::eventually};

/// How long a request may take through [`Passes::ShortRequests`].
pub const SHORT: Duration = Duration::from_secs(3);

/// What a proxy lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Every upgrade, by the lines that manuals give for WebSockets.
    Upgrades,
    /// WebSockets, but no other upgrade.
    WebSockets,
    /// No upgrade: plain `proxy_pass`, where requests may take as long as nginx lets them.
    Requests,
    /// Requests that are answered within [`SHORT`], each on a connection of its own, its body and
    /// its answer read to the end before they are passed on.
    ShortRequests,
}

/// A proxy that runs.
pub struct Proxy {
    port: KeptPort,
    _nginx: Running,
    _place: TempDir,
}

impl Proxy {
    /// Starts a proxy before a gateway.
    ///
    /// # Errors
    /// When nginx is not there or does not start.
    pub async fn start(gateway: SocketAddr, passes: Passes) -> anyhow::Result<Self> {
        let place = TempDir::with_prefix("proxy-")?;
        let port = KeptPort::take()?;
        let configuration = place.path().join("nginx.conf");
        fs::write(&configuration, configure(place.path(), port.address(), gateway, passes))?;
        let program =
            if Path::new("/usr/sbin/nginx").is_file() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command.arg("-c").arg(&configuration).arg("-p").arg(place.path());
        command.arg("-e").arg(place.path().join("error.log"));
        let mut nginx = Running::start("nginx", &mut command, &place.path().join("output.log"))?;
        eventually("nginx to listen", async || {
            nginx.check()?;
            Ok(Some(TcpStream::connect(port.address()).await?))
        })
        .await
        .with_context(|| format!("nginx said:\n{}", nginx.log()))?;
        Ok(Self { port, _nginx: nginx, _place: place })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

fn configure(place: &Path, here: SocketAddr, gateway: SocketAddr, passes: Passes) -> String {
    let shown = place.display();
    let rules = match passes {
        Passes::Upgrades => "proxy_http_version 1.1;
             proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection $connection_upgrade;"
            .to_owned(),
        Passes::WebSockets => "proxy_http_version 1.1;
             proxy_set_header Upgrade $only_websocket;
             proxy_set_header Connection $connection_websocket;"
            .to_owned(),
        Passes::Requests => String::new(),
        Passes::ShortRequests => {
            format!("proxy_read_timeout {}s; keepalive_timeout 0;", SHORT.as_secs())
        }
    };
    // The temporary folders are named because those of the package belong to root.
    format!(
        "daemon off;
        pid {shown}/pid;
        error_log {shown}/error.log warn;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_max_body_size 0;
            client_body_temp_path {shown}/body;
            proxy_temp_path {shown}/proxy;
            fastcgi_temp_path {shown}/fastcgi;
            uwsgi_temp_path {shown}/uwsgi;
            scgi_temp_path {shown}/scgi;
            map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
            map $http_upgrade $only_websocket {{ default ''; websocket websocket; }}
            map $http_upgrade $connection_websocket {{ default close; websocket upgrade; }}
            server {{
                listen {here};
                location / {{
                    proxy_pass http://{gateway};
                    proxy_set_header Host localhost:{};
                    {rules}
                }}
            }}
        }}",
        gateway.port()
    )
}

//! A gateway that is a program of its own, and requests to its relay.

use std::{net::SocketAddr, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::common::{Reply, Session, raw, soon};

/// A gateway that runs until this is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    program: Child,
    _data: TempDir,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_veranda-gateway"))
            .args(["--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(program.stdout.take().unwrap());
        soon(output.read_line(&mut line)).await.unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = event["address"].as_str().unwrap().parse().unwrap();
        Self { address, program, _data: data }
    }

    /// Kills it, as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.program.kill().await.unwrap();
    }

    /// Asks without a body.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Reply {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        raw(self.address, &format!("{head}connection: close\r\n\r\n")).await
    }

    pub(crate) async fn allocate(&self) -> Session {
        Session::told(&self.ask("PUT", "/cama/session").await)
    }

    pub(crate) fn url(&self, session: &Session) -> String {
        format!("http://{}{}", self.address, session.path)
    }

    /// Returns its memory in bytes: now, and the most that it ever had. Zero where that is not told.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let id = self.program.id().unwrap();
        if cfg!(not(target_os = "linux")) {
            return (0, 0);
        }
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
        };
        (kib("VmRSS:") * 1024, kib("VmHWM:") * 1024)
    }
}

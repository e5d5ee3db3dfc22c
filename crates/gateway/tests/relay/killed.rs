//! A gateway that is killed in the middle of a body.

use std::{net::SocketAddr, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    truth::{SIZE, grows_to, size},
    world::{Answer, Session, session_of, soon},
};

async fn start(data: &Path) -> (Child, SocketAddr) {
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_veranda-gateway"))
        .args(["--json", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(gateway.stdout.take().unwrap());
    soon(output.read_line(&mut line)).await.unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    (gateway, event["address"].as_str().unwrap().parse().unwrap())
}

async fn allocate(address: SocketAddr) -> Session {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PUT /cama/session HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    session_of(&Answer::read(&mut stream).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_what_came_from_a_killed_gateway_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    std::fs::File::create(&whole).unwrap().set_len(SIZE).unwrap();
    for round in 0..6 {
        let (mut gateway, address) = start(&folder.path().join("data")).await;
        let session = allocate(address).await;
        let url = format!("http://{address}{}", session.path);
        let file = folder.path().join(round.to_string());
        let mut receiver = Command::new("curl");
        receiver.args(["--silent", "--no-buffer", "--output"]).arg(&file).arg(&url);
        let mut receiver = receiver.kill_on_drop(true).spawn().unwrap();
        let mut sender = Command::new("curl");
        sender.args(["--silent", "--fail", "--request", "POST", "--limit-rate", "10M"]);
        sender.args(["--cookie", &format!("token={}", session.token)]);
        if round % 2 == 1 {
            sender.args(["--header", "Transfer-Encoding: chunked"]);
        }
        sender.arg("--upload-file").arg(&whole).arg(&url).stdout(Stdio::null());
        let mut sender = sender.kill_on_drop(true).spawn().unwrap();
        assert!(grows_to(&file, SIZE / 16 * (round % 3 + 1), &mut receiver).await);
        gateway.kill().await.unwrap();
        let (sent, received) = (soon(sender.wait()).await.unwrap(), soon(receiver.wait()).await);
        assert!(size(&file) < SIZE, "the gateway was killed too late");
        assert!(!received.unwrap().success(), "round {round}: the receiver saw no cut");
        assert!(!sent.success(), "round {round}: the sender was told that it arrived");
    }
}

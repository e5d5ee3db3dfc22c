//! The programs of `docs/protocols/cama.md`, letter for letter but for where the gateway is.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{common::soon, world::Gateway};

fn programs() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/cama.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

fn run(program: &str, gateway: &Gateway, session: Option<&str>, folder: &Path) -> Child {
    let program = program
        .replace("https://gateway.example", &format!("http://localhost:{}", gateway.address.port()))
        .replace("<proof>", "none is asked for here")
        .replace("<session>", session.unwrap_or("<session>"));
    Command::new("sh")
        .args(["-euc", &program])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Reads the line in which a program says where its session is.
async fn line(program: &mut Child) -> (String, BufReader<tokio::process::ChildStdout>) {
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut line = String::new();
    soon(output.read_line(&mut line)).await.unwrap();
    assert!(line.contains("/cama/session/"), "{line:?}");
    (line.trim_end().to_owned(), output)
}

#[tokio::test]
async fn the_two_who_hand_a_file_over_do() {
    let programs = programs();
    let gateway = Gateway::start().await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let photo: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(here.path().join("photo.jpg"), &photo).unwrap();
    let mut sender = run(&programs[0], &gateway, None, here.path());
    let (session, mut output) = line(&mut sender).await;
    let mut receiver = run(&programs[1], &gateway, Some(&session), there.path());
    assert!(soon(receiver.wait()).await.unwrap().success());
    assert!(soon(sender.wait()).await.unwrap().success());
    let mut said = String::new();
    output.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "3000000 bytes delivered\n");
    assert!(std::fs::read(there.path().join("photo.jpg")).unwrap() == photo);
    // The session was deleted.
    let path = &session[session.find("/cama").unwrap()..];
    let gone = gateway.ask("GET", path).await;
    assert_eq!((gone.status, gone.body.as_str()), (404, "there is no such session\n"));
}

#[tokio::test]
async fn the_peer_that_answers_requests_does() {
    let programs = programs();
    let gateway = Gateway::start().await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut peer = run(&programs[2], &gateway, None, here.path());
    let (session, _output) = line(&mut peer).await;
    for _ in 0..3 {
        let asks = run(&programs[3], &gateway, Some(&session), there.path());
        let answer = soon(asks.wait_with_output()).await.unwrap();
        assert!(answer.status.success(), "{answer:?}");
        assert_eq!(String::from_utf8(answer.stdout).unwrap(), "you asked for the time\n");
    }
    peer.kill().await.unwrap();
}

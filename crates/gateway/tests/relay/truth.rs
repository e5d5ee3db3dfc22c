//! What a sender is told against what the receiver has on its disk, when programs are killed.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    process::{Child, Command},
};

use crate::world::{Answer, Session, World, soon};

/// How much is sent each time: more than all buffers on the way.
pub(crate) const SIZE: u64 = 64 * 1024 * 1024;

/// What a program may have read and not written.
const END: u64 = 1024 * 1024;

/// How long each of the two tests goes on killing, and how often at least and at most.
const PATIENCE: Duration = Duration::from_secs(10);
const LEAST: usize = 5;
const MOST: usize = 100;

/// A receiver that is a program of its own, and writes what it gets to a file.
fn receiver(world: &World, session: &Session, file: &Path, rate: Option<&str>) -> Child {
    let mut command = Command::new("curl");
    // Without a buffer of its own, what it has read is what it has written.
    command.args(["--silent", "--no-buffer", "--output"]).arg(file);
    if let Some(rate) = rate {
        command.args(["--limit-rate", rate]);
    }
    command.args(["--cookie", &format!("token={}", session.token)]).arg(world.url(session));
    command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

pub(crate) fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Waits until a file has some size; returns whether it came to that before the program ended.
pub(crate) async fn grows_to(file: &Path, least: u64, program: &mut Child) -> bool {
    let late = Instant::now() + crate::world::SOON;
    while size(file) < least {
        if program.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < late, "{} of {least} bytes came", size(file));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_receiver_has_at_least_what_its_sender_is_told() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (began, mut rounds, mut told_of, mut had) = (Instant::now(), 0, 0, 0);
    while rounds < LEAST || (began.elapsed() < PATIENCE && rounds < MOST) {
        let session = world.allocate().await;
        let file = folder.path().join(rounds.to_string());
        let in_chunks = rounds % 2 == 1;
        let rate = (rounds % 3 == 2).then_some("100M");
        let mut program = receiver(&world, &session, &file, rate);
        let mut sender = TcpStream::connect(world.address).await.unwrap();
        let framing = if in_chunks {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {SIZE}")
        };
        let head =
            format!("POST {} HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n", session.path);
        sender.write_all(head.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = sender.into_split();
        let sending = world.tasks.spawn(async move {
            let piece = vec![b'.'; 64 * 1024];
            for _ in 0..SIZE / piece.len() as u64 {
                // The gateway may have answered and closed.
                if in_chunks && writing.write_all(b"10000\r\n").await.is_err() {
                    return;
                }
                if writing.write_all(&piece).await.is_err() {
                    return;
                }
                if in_chunks && writing.write_all(b"\r\n").await.is_err() {
                    return;
                }
            }
            if in_chunks {
                let _ = writing.write_all(b"0\r\n\r\n").await;
            }
            // Until the answer is here, a closed sending side would mean that the sender left.
            std::future::pending::<()>().await;
        });
        // One in nine is not killed. None is killed with the end of it in hand, which looks from
        // outside as if it had written that.
        let point = rand::rng().random_range(1..SIZE + SIZE / 8);
        if point < SIZE - END && grows_to(&file, point, &mut program).await {
            program.kill().await.unwrap();
        }
        let answer = read_answer(&mut reading).await;
        let ended = soon(program.wait()).await.unwrap();
        sending.abort();
        let has = size(&file);
        let told = answer.delivered();
        assert!(told <= has, "round {rounds}: told {told}, has {has}: {answer:?}");
        match answer.status {
            200 => assert_eq!((told, has), (SIZE, SIZE), "round {rounds}"),
            502 => assert!(!ended.success(), "round {rounds}: {ended:?}"),
            _ => panic!("round {rounds}: {answer:?}"),
        }
        if answer.status == 502 {
            (told_of, had) = (told_of + told, had + has);
        }
        rounds += 1;
    }
    println!(
        "{rounds} receivers: those who were killed had {} KiB each, and their senders were told of {} %",
        had / 1024 / rounds as u64,
        told_of * 100 / had.max(1)
    );
    world.end().await;
}

async fn read_answer(reading: &mut tokio::net::tcp::OwnedReadHalf) -> Answer {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(soon(reading.read_u8()).await.unwrap());
    }
    Answer::parse(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receiver_of_a_killed_sender_knows_that_it_has_not_everything() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    std::fs::File::create(&whole).unwrap().set_len(SIZE).unwrap();
    let (began, mut rounds) = (Instant::now(), 0);
    while rounds < LEAST || (began.elapsed() < PATIENCE && rounds < MOST) {
        let session = world.allocate().await;
        let file = folder.path().join(rounds.to_string());
        let heads = folder.path().join("heads");
        let in_chunks = rounds % 2 == 1;
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--output"]).arg(&file);
        // With chunks, the trailer comes to the same file as the head.
        command.arg("--dump-header").arg(&heads);
        command.args(["--cookie", &format!("token={}", session.token)]).arg(world.url(&session));
        let mut program = command.kill_on_drop(true).spawn().unwrap();
        let mut command = Command::new("curl");
        command.args(["--silent", "--request", "POST", "--upload-file"]).arg(&whole);
        if in_chunks {
            command.args(["--header", "Transfer-Encoding: chunked"]);
        }
        command.arg(world.url(&session)).stdout(Stdio::null());
        let mut sender = command.kill_on_drop(true).spawn().unwrap();
        let point = rand::rng().random_range(1..SIZE);
        if grows_to(&file, point, &mut program).await {
            // It may just be done.
            let _ = sender.kill().await;
        }
        let ended = soon(program.wait()).await.unwrap();
        let trailed = std::fs::read_to_string(&heads).unwrap().to_ascii_lowercase();
        let is_complete = ended.success() && !trailed.contains("x-complete: no");
        assert_eq!(is_complete, size(&file) == SIZE, "round {rounds}: {ended:?}, {trailed}");
        rounds += 1;
    }
    println!("{rounds} senders were killed");
    world.end().await;
}

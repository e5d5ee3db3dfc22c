//! The owner asks for a file, and the visitor sends it with curl by tus: `HEAD` tells from where she goes
//! on, `PATCH` goes on. However late the owner's program is killed, the file is there once.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{process::Command, time::timeout};

use crate::{
    programs::{SOON, Told, curl, said, size, until},
    rounds::{Lane, Plan, Seen, Victim, run},
};

fn tus(method: &str) -> Command {
    let mut visitor = curl();
    visitor.args(["--request", method, "--header", "Tus-Resumable: 1.0.0"]);
    visitor
}

/// Announces a file, and returns where it goes.
async fn announce(landing: &str, name: &str, size: usize) -> String {
    let mut visitor = tus("POST");
    visitor.args(["--header", &format!("Upload-Length: {size}")]);
    let name = BASE64_STANDARD.encode(name);
    visitor.args(["--header", &format!("Upload-Metadata: filename {name}")]);
    visitor.args(["--write-out", "%header{location}"]);
    visitor.arg(format!("{landing}/files"));
    let place = said(&mut visitor).await.unwrap();
    let origin = &landing[..landing.find("/h/").unwrap()];
    format!("{origin}{place}")
}

/// Returns how much of it the owner has, as the visitor is told.
async fn offset(place: &str) -> Option<u64> {
    let mut visitor = tus("HEAD");
    visitor.args(["--head", "--output", "/dev/null", "--write-out", "%header{upload-offset}"]);
    said(visitor.arg(place)).await?.parse().ok()
}

/// Sends what is in a file, as what follows after so much.
fn send(place: &str, rest: &Path, offset: u64) -> Command {
    let mut visitor = tus("PATCH");
    visitor.args(["--header", "Content-Type: application/offset+octet-stream"]);
    visitor.args(["--header", &format!("Upload-Offset: {offset}"), "--upload-file"]);
    visitor.arg(rest).arg(place);
    visitor
}

/// Returns the files in a folder, hidden ones too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn round(lane: &mut Lane, plan: Plan) -> Option<Seen> {
    let content = plan.content();
    let (name, number) = ("film.bin", plan.number);
    let original = lane.folder.path().join(format!("film-{number}.bin"));
    let folder = lane.folder.path().join(format!("received-{number}"));
    let received = folder.join(name);
    fs::write(&original, &content).unwrap();
    fs::create_dir(&folder).unwrap();
    let landing = lane.owner.begin(&["ask".as_ref(), "--into".as_ref(), folder.as_ref()]).await;
    let place = announce(&landing, name, content.len()).await;
    let draft = match &files(&folder)[..] {
        [draft] => draft.clone(),
        all => panic!("{plan:?}: {all:?}"),
    };
    lane.owner.watch(vec![draft.clone(), received.clone()]);

    let mut visitor = send(&place, &original, 0);
    visitor.args(plan.rate.iter().flat_map(|rate| ["--limit-rate", rate]));
    let mut visitor = visitor.spawn().unwrap();
    lane.kill_in_time(plan, || size(&draft), &mut visitor).await;
    let ended = timeout(SOON, visitor.wait()).await.unwrap().unwrap();
    if plan.victim != Victim::Peer {
        // A peer by long poll notices a new gateway sooner than that there is none.
        lane.revive(plan.victim).await;
        let is_over = |told: &Told| told.state != "waiting";
        lane.owner.until("the cut", is_over).await;
    }
    if draft.exists() {
        assert!(!ended.success(), "{plan:?}: the visitor thinks that all of it is there");
    } else {
        assert!(fs::read(&received).unwrap() == content, "{plan:?}: another file");
        return lane.give_up().await;
    }
    if plan.victim == Victim::Peer {
        lane.revive(plan.victim).await;
    }
    // Nobody writes to it now, and it is a draft as long as nobody asks.
    let had = size(&draft);
    let told = if had == plan.size as u64 {
        // The owner's program was killed after the last byte and before the name, which the file gets when
        // the visitor asks. With that the program is done, and whether she still hears of it is no matter.
        until("the name", async || {
            let told = offset(&place).await;
            assert!(told.is_none_or(|told| told == had), "{plan:?}: the visitor is told {told:?}");
            received.exists().then_some(())
        })
        .await;
        had
    } else {
        let told = until("the offset", async || offset(&place).await).await;
        assert_eq!(told, had, "{plan:?}: the visitor is told of something else");
        let rest = lane.folder.path().join("rest");
        until("the rest", async || {
            let told = offset(&place).await?;
            fs::write(&rest, &content[usize::try_from(told).unwrap()..]).unwrap();
            said(&mut send(&place, &rest, told)).await
        })
        .await;
        told
    };
    assert_eq!(lane.owner.done().await.received, [plan.size as u64], "{plan:?}");
    assert_eq!(files(&folder), [&*received], "{plan:?}");
    assert!(fs::read(received).unwrap() == content, "{plan:?}: another file");
    fs::remove_dir_all(folder).unwrap();
    fs::remove_file(original).unwrap();
    Some(Seen { victim: plan.victim, had, told })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_asked_for_arrives_whoever_is_killed() {
    run("received", round).await;
}

/// A round in which the owner's program is killed when all of the file is there: before it has its name, or
/// just when it has it.
async fn last_moment(lane: &mut Lane, plan: Plan) -> Option<Seen> {
    // Small, so that many rounds fit: the moments before and after the name are as long.
    let plan = Plan { size: 64 << 10, ..plan };
    let content = &plan.content()[..];
    let (name, number) = ("film.bin", plan.number);
    let original = lane.folder.path().join(format!("film-{number}.bin"));
    let folder = lane.folder.path().join(format!("received-{number}"));
    let received = folder.join(name);
    fs::write(&original, content).unwrap();
    fs::create_dir(&folder).unwrap();
    // Of two, so that the program goes on when one is there.
    let mut words = ["ask", "--files", "2", "--into"].map(OsStr::new).to_vec();
    words.push(folder.as_ref());
    let landing = lane.owner.begin(&words).await;
    let place = announce(&landing, name, content.len()).await;
    let [draft] = &files(&folder)[..] else { panic!("{plan:?}") };
    lane.owner.watch(vec![draft.clone(), received.clone()]);

    let mut visitor = send(&place, &original, 0).spawn().unwrap();
    let waits_for_name = plan.point.is_multiple_of(2);
    until("the end of the file", async || {
        let is_there = received.exists();
        (is_there || (!waits_for_name && size(draft) == content.len() as u64)).then_some(())
    })
    .await;
    lane.owner.kill().await;
    timeout(SOON, visitor.wait()).await.unwrap().unwrap();
    let had = content.len() as u64;
    lane.revive(Victim::Peer).await;
    let told = until("the offset", async || offset(&place).await).await;
    assert_eq!(told, had, "{plan:?}: the visitor is told of something else");
    assert_eq!(files(&folder), [&*received], "{plan:?}");
    assert!(fs::read(&received).unwrap() == content, "{plan:?}: another file");
    // The second one ends it, and nothing more than these two was ever counted. Whether its visitor still
    // hears of it when the program ends is no matter here.
    fs::write(&original, "").unwrap();
    let mut visitor = curl();
    visitor.arg("--upload-file").arg(&original).arg(format!("{landing}/{name}"));
    drop(said(&mut visitor).await);
    lane.owner.done().await;
    let mut all = files(&folder);
    all.sort();
    assert_eq!(all, [folder.join("film (2).bin"), received], "{plan:?}");
    fs::remove_dir_all(folder).unwrap();
    fs::remove_file(original).unwrap();
    Some(Seen { victim: Victim::Peer, had, told })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_there_once_however_late_the_owner_s_program_is_killed() {
    run("named", last_moment).await;
}

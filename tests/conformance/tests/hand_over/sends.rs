//! The owner sends a file, and the visitor continues with `curl -C -`.

use std::{fs, path::Path};

use tokio::{process::Command, time::timeout};

use crate::{
    programs::{SOON, Told, curl, said, size, until},
    rounds::{Lane, Plan, Seen, Victim, run},
};

/// What a visitor's program may have read that it has not written yet. What it has in hand when it is killed
/// is lost; and when that is the end of everything, it looks from outside as if it had written it.
const IN_HAND: u64 = 256 * 1024;

/// Presses the landing page's button, and returns where the file is.
async fn press(landing: &str) -> String {
    let mut button = curl();
    button.args(["--request", "POST", "--write-out", "%{redirect_url}", "--output", "/dev/null"]);
    button.arg(format!("{landing}/take"));
    let place = said(&mut button).await.unwrap();
    assert!(place.starts_with(landing), "the button leads to {place}");
    place
}

/// Fetches what is missing in the file.
fn fetch(place: &str, file: &Path) -> Command {
    let mut visitor = curl();
    visitor.args(["--continue-at", "-", "--output"]).arg(file).arg(place);
    visitor
}

async fn round(lane: &mut Lane, plan: Plan) -> Option<Seen> {
    let content = plan.content();
    let original = lane.folder.path().join(format!("film-{}.bin", plan.number));
    let file = lane.folder.path().join(format!("copy-{}.bin", plan.number));
    fs::write(&original, &content).unwrap();
    let landing = lane.owner.begin(&["send".as_ref(), original.as_ref()]).await;
    let place = press(&landing).await;
    lane.owner.watch(vec![file.clone()]);

    let mut visitor = fetch(&place, &file);
    visitor.args(plan.rate.iter().flat_map(|rate| ["--limit-rate", rate]));
    let mut visitor = visitor.spawn().unwrap();
    lane.kill_in_time(plan, || size(&file), &mut visitor).await;
    timeout(SOON, visitor.wait()).await.unwrap().unwrap();
    let had = size(&file);
    if had == content.len() as u64 {
        assert!(fs::read(&file).unwrap() == content, "{plan:?}: another file");
        return lane.give_up().await;
    }
    lane.revive(plan.victim).await;
    let is_over = |told: &Told| ["cut", "done"].contains(&&*told.state);
    let told = lane.owner.until("the cut", is_over).await;
    if told.state == "done" && plan.victim == Victim::Visitor && had + IN_HAND >= plan.size as u64 {
        // She died with the end of everything in hand.
        return lane.give_up().await;
    }
    assert_eq!(told.state, "cut", "{plan:?}: she has {had}");
    let told = told.arrived.unwrap();
    assert!(told <= had, "{plan:?}: told {told}, has {had}");
    until("the rest", async || said(&mut fetch(&place, &file)).await).await;
    assert!(fs::read(&file).unwrap() == content, "{plan:?}: another file");
    lane.owner.done().await;
    for file in [original, file] {
        fs::remove_file(file).unwrap();
    }
    Some(Seen { victim: plan.victim, had, told })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_sent_arrives_whoever_is_killed() {
    run("sent", round).await;
}

//! The limits that `docs/protocols/hand-over.md` names.

use sites::hand_over::MAX_FILES;

use super::{STILL_AFTER, TURN_TIMEOUT, book::MAX_HAND_OVERS, tickets, uploads};
use crate::engine::goods::KEEP_FREE;

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/hand-over.md"));

#[test]
fn the_page_names_the_limits_as_they_are() {
    let minutes = tickets::ANSWER_TIMEOUT.as_secs() / 60;
    let days = uploads::FORGOTTEN_AFTER.as_secs() / (24 * 60 * 60);
    let limits = [
        ("hand-overs", format!("{MAX_HAND_OVERS}")),
        ("tickets of one", format!("{}", tickets::MAX_TICKETS)),
        ("files in an archive", format!("{MAX_FILES}")),
        ("the owner's answer", format!("{minutes} minutes")),
        ("uploads of one hand-over at once", format!("{}", uploads::MAX_AT_ONCE)),
        ("uploads that were begun", format!("{}", uploads::MAX_DRAFTS)),
        ("an upload that was cut", format!("{days} days")),
        ("kept free on the drive", format!("{} GiB", KEEP_FREE >> 30)),
    ];
    let (_, table) = PAGE.split_once("## Limits").expect("the page has a table of limits");
    assert_eq!(table.matches("\n| ").count(), limits.len() + 2, "a limit is not looked at");
    for (what, limit) in limits {
        assert!(table.contains(&format!("\n| {what} | {limit} | ")), "{what}: {limit}");
    }
    assert_eq!(uploads::MAY_GIVE_WAY.as_secs(), 60 * 60, "an hour, as the page says");
    let slowest = format!("less than {} KiB a second gives up its place", uploads::SLOWEST / 1024);
    assert!(PAGE.contains(&slowest), "{slowest}");
    let still = format!("nothing of it has moved for {} seconds", STILL_AFTER.as_secs());
    assert!(PAGE.contains(&still), "{still}");
    let moves = format!("still moves after {} seconds", TURN_TIMEOUT.as_secs());
    assert!(PAGE.contains(&moves), "{moves}");
    assert!(PAGE.contains("four uploads come at once") && uploads::MAX_AT_ONCE == 4);
}

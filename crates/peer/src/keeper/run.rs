//! One link while it runs, and how its end is noticed.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, SystemTime},
};

use carriers::{LinkEnd, Served};
use crosstalk::transaction::Handler;
use futures_util::FutureExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::HANDOVER;

/// How often to look whether the computer slept.
const SLEEP_CHECK: Duration = Duration::from_secs(5);

/// By how much the clocks may differ from it before we believe so.
const SLEEP_MINIMUM: Duration = Duration::from_secs(20);

/// Waits for the end of a link. One that panics is lost: were it not noticed, nothing would ever
/// be dialled in its place.
pub(super) async fn ended(link: impl Future<Output = LinkEnd>) -> LinkEnd {
    AssertUnwindSafe(link).catch_unwind().await.unwrap_or(LinkEnd::Lost)
}

/// Runs a link with the grace that is meant when it is stopped.
pub(super) async fn run(
    served: Served,
    handler: Handler,
    stop: CancellationToken,
    mut grace: watch::Receiver<Duration>,
) -> LinkEnd {
    // The longest is given to the link; a shorter one cuts it from outside.
    let served = served.run(handler, stop.clone(), HANDOVER);
    let short = async {
        stop.cancelled().await;
        let wanted = *grace.borrow_and_update();
        sleep(wanted).await;
    };
    tokio::select! {
        biased;
        end = served => end,
        () = short => LinkEnd::Closed,
    }
}

/// Returns when the computer has slept.
pub(super) async fn slept() {
    loop {
        let (monotonic, wall) = (Instant::now(), SystemTime::now());
        sleep(SLEEP_CHECK).await;
        let wall = SystemTime::now().duration_since(wall).unwrap_or_default();
        if is_sleep(monotonic.elapsed(), wall) {
            return;
        }
    }
}

/// Some systems stop the monotonic clock during sleep and others do not; either way one of the two
/// clocks ran on much longer than the check takes.
fn is_sleep(monotonic: Duration, wall: Duration) -> bool {
    monotonic.max(wall) >= SLEEP_CHECK + SLEEP_MINIMUM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_that_panics_is_lost() {
        assert_eq!(ended(async { panic!("a defect") }).await, LinkEnd::Lost);
        assert_eq!(ended(async { LinkEnd::Closed }).await, LinkEnd::Closed);
    }

    #[test]
    fn sleep_is_seen_by_whichever_clock_ran_on() {
        let (short, hour) = (Duration::from_secs(6), Duration::from_secs(3600));
        assert!(!is_sleep(short, short));
        assert!(is_sleep(short, hour));
        assert!(is_sleep(hour, hour));
        // A clock that was set back says nothing.
        assert!(!is_sleep(short, Duration::ZERO));
    }
}

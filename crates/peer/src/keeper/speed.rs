//! How fast the way to the gateway is, as often as anybody wants to know.

use std::time::Duration;

use carriers::Served;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How often a new figure is told at most: quicker ones only flicker.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// Tells the measured rate again when it is another one.
pub(super) struct Speed {
    measured: Option<watch::Receiver<Option<u64>>>,
    told: Option<u64>,
    /// When the next figure may be told.
    next: Instant,
}

impl Speed {
    pub(super) fn of(served: &Served) -> Self {
        Self::new(served.rate())
    }

    fn new(measured: Option<watch::Receiver<Option<u64>>>) -> Self {
        Self { measured, told: None, next: Instant::now() }
    }

    /// Returns the last figure that was told, or one to begin with.
    pub(super) fn now(&mut self) -> Option<u64> {
        if self.told.is_none() {
            self.told = self.measured.as_mut().and_then(|measured| *measured.borrow_and_update());
        }
        self.told
    }

    /// Waits for a figure that differs by more than a quarter from the last. For ever when nothing is
    /// measured (any more).
    pub(super) async fn changed(&mut self) -> u64 {
        let Some(measured) = &mut self.measured else { return std::future::pending().await };
        loop {
            let rate = *measured.borrow_and_update();
            if let Some(rate) = rate.filter(|rate| is_another(self.told, *rate)) {
                if Instant::now() >= self.next {
                    self.told = Some(rate);
                    self.next = Instant::now() + TELL_EVERY;
                    return rate;
                }
                // By then it may be as before.
                sleep_until(self.next).await;
            } else if measured.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn is_another(told: Option<u64>, rate: u64) -> bool {
    told.is_none_or(|told| told.abs_diff(rate) > told / 4)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_figure_is_told_when_it_is_another_and_not_too_often() {
        let (measure, measured) = watch::channel(None);
        let mut speed = Speed::new(Some(measured));
        assert_eq!(speed.now(), None);
        assert!(timeout(TELL_EVERY, speed.changed()).await.is_err(), "nothing is measured yet");
        measure.send_replace(Some(8_000));
        assert_eq!(speed.changed().await, 8_000);
        let told = Instant::now();
        measure.send_replace(Some(9_000));
        assert!(timeout(2 * TELL_EVERY, speed.changed()).await.is_err(), "that is the same");
        assert_eq!(speed.now(), Some(8_000));
        measure.send_replace(Some(20_000));
        assert_eq!(speed.changed().await, 20_000);
        assert!(told.elapsed() >= TELL_EVERY);
        measure.send_replace(Some(1_000));
        let told = Instant::now();
        assert_eq!(speed.changed().await, 1_000);
        assert!(told.elapsed() >= TELL_EVERY, "it waits its turn");
        drop(measure);
        assert!(timeout(TELL_EVERY, speed.changed()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_measured_nothing_is_told() {
        let mut speed = Speed::new(None);
        assert_eq!(speed.now(), None);
        assert!(timeout(TELL_EVERY, speed.changed()).await.is_err());
    }
}

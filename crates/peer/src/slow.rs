//! What a slow way to the gateway means for visitors.

/// From this many bytes a second on nobody waits so long that it has to be said: a photo takes four
/// seconds.
const FAST: u64 = 250_000;

/// What people imagine when they are told how long it takes: a photo, as phones send it.
const PHOTO: u64 = 1_000_000;

/// Says how slow the way to the gateway is, and what that means, when it is slow:
/// "This way carries about 7.6 KB a second: a photo of 1 MB takes about 2 minutes."
///
/// The rate is in bytes a second, as in [`LinkState::Up`](crate::LinkState::Up).
#[must_use]
pub fn slow_way(rate: u64) -> Option<String> {
    if rate >= FAST {
        return None;
    }
    let time = about(PHOTO / rate.max(1));
    Some(format!("This way carries about {} a second: a photo of 1 MB takes {time}.", size(rate)))
}

/// Two digits are all that a measurement is good for.
fn size(rate: u64) -> String {
    match rate {
        0..1_000 => format!("{rate} bytes"),
        1_000..9_950 => {
            let tenths = (rate + 50) / 100;
            format!("{}.{} KB", tenths / 10, tenths % 10)
        }
        _ => format!("{} KB", (rate + 500) / 1_000),
    }
}

fn about(seconds: u64) -> String {
    match seconds {
        0..90 => format!("about {seconds} seconds"),
        90..5_400 => format!("about {} minutes", (seconds + 30) / 60),
        5_400..172_800 => format!("about {} hours", (seconds + 1_800) / 3_600),
        _ => "days".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slow_way_is_told_and_in_words_for_people() {
        for (rate, words) in [
            (7_600, Some("about 7.6 KB a second: a photo of 1 MB takes about 2 minutes.")),
            (2_250, Some("about 2.3 KB a second: a photo of 1 MB takes about 7 minutes.")),
            (9_960, Some("about 10 KB a second: a photo of 1 MB takes about 2 minutes.")),
            (100_000, Some("about 100 KB a second: a photo of 1 MB takes about 10 seconds.")),
            (100, Some("about 100 bytes a second: a photo of 1 MB takes about 3 hours.")),
            (0, Some("about 0 bytes a second: a photo of 1 MB takes days.")),
            (FAST, None),
            (u64::MAX, None),
        ] {
            let said = slow_way(rate);
            let expected = words.map(|words| format!("This way carries {words}"));
            assert_eq!(said, expected, "{rate}");
        }
    }
}

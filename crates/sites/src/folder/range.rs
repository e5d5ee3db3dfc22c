//! Which part of a file a visitor wants (RFC 9110, section 14).

use http::{HeaderMap, header};

/// What part of a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// A part that is there.
    Range {
        /// Its first byte.
        offset: u64,
        /// How many bytes; never 0.
        length: u64,
    },
    /// 416: nothing of what was asked for is there.
    Nothing,
}

/// How many ranges are looked at; who asks for more gets everything.
const MAX_RANGES: usize = 16;

/// Reads `Range` for a file of this size.
///
/// A header that is damaged or in another unit counts as not given. Who asks for several parts
/// that are there gets everything, as section 14.2 allows: what is delivered stays one piece that
/// the owner can watch, and overlapping parts cannot make a file larger than it is.
pub(super) fn part(headers: &HeaderMap, size: u64) -> Part {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Part::Whole };
    let Some(wanted) = value.to_str().ok().and_then(parse) else { return Part::Whole };
    let mut there = wanted.iter().filter_map(|range| range.within(size));
    match (there.next(), there.next()) {
        (None, _) => Part::Nothing,
        // The last bytes of an empty file: all of it, which no `Content-Range` can express.
        (Some((_, 0)), _) => Part::Whole,
        (Some((offset, length)), None) => Part::Range { offset, length },
        (Some(_), Some(_)) => Part::Whole,
    }
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Wanted {
    /// Returns offset and length of what is there of it.
    fn within(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::From(first) if first < size => Some((first, size - first)),
            Self::Between(first, last) if first < size => {
                Some((first, last.min(size - 1) - first + 1))
            }
            Self::Last(count) if count > 0 => Some((size - count.min(size), count.min(size))),
            Self::From(_) | Self::Between(..) | Self::Last(_) => None,
        }
    }
}

/// Returns the ranges, or `None` when the header is not a list of byte ranges.
fn parse(value: &str) -> Option<Vec<Wanted>> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])) {
        if spec.is_empty() {
            continue;
        }
        if ranges.len() == MAX_RANGES {
            return None;
        }
        let (first, last) = spec.split_once('-')?;
        ranges.push(match (first, last) {
            ("", last) => Wanted::Last(number(last)?),
            (first, "") => Wanted::From(number(first)?),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return None;
                }
                Wanted::Between(first, last)
            }
        });
    }
    if ranges.is_empty() { None } else { Some(ranges) }
}

/// Reads digits; what is larger than any file is as large as a number can be.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, size: u64, expected: Part) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value.parse().unwrap());
        assert_eq!(part(&headers, size), expected, "{value:?} of {size}");
    }

    #[test]
    fn reads_single_ranges() {
        let range = |offset, length| Part::Range { offset, length };
        check("bytes=0-0", 10, range(0, 1));
        check("bytes=0-9", 10, range(0, 10));
        check("bytes=0-99", 10, range(0, 10));
        check("bytes=3-5", 10, range(3, 3));
        check("bytes=3-", 10, range(3, 7));
        check("bytes=9-", 10, range(9, 1));
        check("bytes=-1", 10, range(9, 1));
        check("bytes=-10", 10, range(0, 10));
        check("bytes=-99", 10, range(0, 10));
        check("BYTES=3-5", 10, range(3, 3));
        check("bytes= 3-5 ", 10, range(3, 3));
        check("bytes=,3-5,", 10, range(3, 3));
        check("bytes=0-99999999999999999999999999", 10, range(0, 10));
        check("bytes=-99999999999999999999999999", 10, range(0, 10));
        check("bytes=5-", u64::MAX, range(5, u64::MAX - 5));
    }

    #[test]
    fn says_when_nothing_of_it_is_there() {
        check("bytes=10-", 10, Part::Nothing);
        check("bytes=10-20", 10, Part::Nothing);
        check("bytes=-0", 10, Part::Nothing);
        check("bytes=99999999999999999999999999-", 10, Part::Nothing);
        check("bytes=20-30,40-", 10, Part::Nothing);
        check("bytes=0-", 0, Part::Nothing);
        check("bytes=0-0", 0, Part::Nothing);
        check("bytes=-0", 0, Part::Nothing);
    }

    #[test]
    fn sends_everything_when_ranges_are_many_or_damaged() {
        for value in [
            "bytes=0-1,3-4",
            "bytes=0-,0-,0-",
            "bytes=5-3",
            "bytes=5-3,0-1",
            "bytes=",
            "bytes=-",
            "bytes=,",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes 0-1",
            "items=0-1",
            "0-1",
            "",
            "bytes=1 - 2",
        ] {
            check(value, 10, Part::Whole);
        }
        check("bytes=-5", 0, Part::Whole);
        let many = format!("bytes={}", ["20-"; MAX_RANGES + 1].join(","));
        check(&many, 10, Part::Whole);
    }

    #[test]
    fn takes_the_one_of_several_that_is_there() {
        check("bytes=2-3,100-", 10, Part::Range { offset: 2, length: 2 });
    }

    #[test]
    fn ignores_a_header_given_twice() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-1".parse().unwrap());
        headers.append(header::RANGE, "bytes=2-3".parse().unwrap());
        assert_eq!(part(&headers, 10), Part::Whole);
    }
}

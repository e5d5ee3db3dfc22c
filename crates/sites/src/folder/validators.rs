//! Whether what a visitor has is still what is there (RFC 9110, section 13).

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};

/// How long after its last change a file may change again without its time showing it: FAT
/// counts in steps of two seconds, and some network drives as well.
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// The last second that a date in a header can name.
const LAST_DATE: u64 = 253_402_300_799;

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    opaque: String,
    weak: bool,
    modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the visitor has it.
    NotModified,
    /// 412: it is no longer what the visitor wants to ask about.
    Failed,
}

impl Validators {
    /// Makes the validators of a file of this size, changed at this time, with this number on
    /// its disk (0 where there is none).
    pub(crate) fn new(
        size: u64,
        modified: Option<SystemTime>,
        number: u64,
        now: SystemTime,
    ) -> Self {
        let since_1970 = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let stamp = since_1970.map_or(0, |since| since.as_nanos());
        let settled = since_1970.is_some()
            && modified
                .is_some_and(|at| now.duration_since(at).is_ok_and(|age| age > COARSEST_CLOCK));
        Self {
            opaque: format!("{size:x}-{stamp:x}-{number:x}"),
            weak: !settled,
            // A date in the future must not be sent (RFC 9110, section 8.8.2.1).
            modified: since_1970
                .filter(|since| since.as_secs() <= LAST_DATE)
                .map(|since| SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
                .map(|at| at.min(now)),
        }
    }

    /// Makes the validators of something that is made of files with these names and validators, in this
    /// order: they change when any of that does, or when `making` does, which names the way it is made.
    pub(crate) fn of_all<'a>(making: &str, parts: impl Iterator<Item = (&'a str, Self)>) -> Self {
        let mut digest = Sha256::new_with_prefix(making);
        let mut weak = false;
        for (name, part) in parts {
            weak |= part.weak;
            for text in [name, &part.opaque] {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text);
            }
        }
        let opaque = URL_SAFE_NO_PAD.encode(&digest.finalize()[..16]);
        Self { opaque, weak, modified: None }
    }

    /// Returns what names this state, whether it can be relied on yet or not.
    pub(crate) fn opaque(&self) -> &str {
        &self.opaque
    }

    /// Writes `ETag` and `Last-Modified`.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let weak = if self.weak { "W/" } else { "" };
        if let Ok(tag) = HeaderValue::try_from(format!("{weak}\"{}\"", self.opaque)) {
            headers.insert(header::ETAG, tag);
        }
        if let Some(modified) = self.modified
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }

    /// Weighs the conditions of a GET or HEAD, in the order of RFC 9110, section 13.2.2.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(header::IF_MATCH) {
            if !any_tag(headers, header::IF_MATCH, |tag| self.is_strongly(tag)) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(headers, header::IF_UNMODIFIED_SINCE)
            && self.modified.is_some_and(|at| seconds(at) > seconds(since))
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if any_tag(headers, header::IF_NONE_MATCH, |tag| self.is_weakly(tag)) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = date(headers, header::IF_MODIFIED_SINCE)
            && self.modified.is_some_and(|at| seconds(at) <= seconds(since))
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Returns whether a range may be cut out: there is no `If-Range`, or it names this state.
    pub(super) fn allow_range(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::IF_RANGE).iter();
        let Some(value) = values.next() else { return true };
        if values.next().is_some() {
            return false;
        }
        let value = value.as_bytes();
        if value.ends_with(b"\"") {
            return self.is_strongly(value);
        }
        let named =
            std::str::from_utf8(value).ok().and_then(|text| httpdate::parse_http_date(text).ok());
        // A weak tag says that the time does not tell, and then the date does not either.
        !self.weak && named.is_some() && named.map(seconds) == self.modified.map(seconds)
    }

    fn is_strongly(&self, tag: &[u8]) -> bool {
        !self.weak && unquoted(tag) == Some(self.opaque.as_bytes())
    }

    fn is_weakly(&self, tag: &[u8]) -> bool {
        unquoted(tag.strip_prefix(b"W/").unwrap_or(tag)) == Some(self.opaque.as_bytes())
    }
}

fn unquoted(tag: &[u8]) -> Option<&[u8]> {
    tag.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns whether a header is `*` or lists a tag that fits. A tag may have commas in it.
fn any_tag(headers: &HeaderMap, name: header::HeaderName, fits: impl Fn(&[u8]) -> bool) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut rest = value.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        loop {
            while let [b',' | b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            let quote = if rest.starts_with(b"W/") { 2 } else { 0 };
            if rest.get(quote) != Some(&b'"') {
                return false;
            }
            let Some(length) = rest[quote + 1..].iter().position(|&byte| byte == b'"') else {
                return false;
            };
            let (tag, after) = rest.split_at(quote + length + 2);
            if fits(tag) {
                return true;
            }
            rest = after;
        }
    })
}

/// Returns the date in a header; one that is damaged or given twice counts as not given.
fn date(headers: &HeaderMap, name: header::HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: &str = "Sat, 21 Nov 2026 08:00:00 GMT";
    const BEFORE: &str = "Sat, 21 Nov 2026 07:59:59 GMT";
    const AFTER: &str = "Sat, 21 Nov 2026 08:00:01 GMT";

    fn validators(age: Duration) -> (Validators, String) {
        let at = httpdate::parse_http_date(CHANGED).unwrap() + Duration::from_millis(500);
        let validators = Validators::new(10, Some(at), 7, at + age);
        let mut headers = HeaderMap::new();
        validators.write(&mut headers);
        assert_eq!(headers[header::LAST_MODIFIED], CHANGED);
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();
        (validators, tag)
    }

    fn headers(lines: &[(&'static str, &str)], tag: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.replace("TAG", tag).parse().unwrap());
        }
        headers
    }

    #[test]
    fn weighs_conditions_in_their_order() {
        use Verdict::{Failed, NotModified, Proceed};
        let (validators, tag) = validators(Duration::from_secs(60));
        for (lines, expected) in [
            (&[][..], Proceed),
            (&[("if-none-match", "TAG")], NotModified),
            (&[("if-none-match", "W/TAG")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a,b\" , W/\"c\",TAG")], NotModified),
            (&[("if-none-match", "\"a\""), ("if-none-match", "TAG")], NotModified),
            (&[("if-none-match", "\"a\", \"b\"")], Proceed),
            (&[("if-none-match", "nonsense")], Proceed),
            (&[("if-none-match", "\"unfinished")], Proceed),
            (&[("if-none-match", "")], Proceed),
            (&[("if-modified-since", CHANGED)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", "Saturday, 21-Nov-26 08:00:00 GMT")], NotModified),
            (&[("if-modified-since", "Sat Nov 21 08:00:00 2026")], NotModified),
            (&[("if-modified-since", "yesterday")], Proceed),
            (&[("if-modified-since", CHANGED), ("if-modified-since", CHANGED)], Proceed),
            // The tag decides, whatever the date says.
            (&[("if-none-match", "\"a\""), ("if-modified-since", AFTER)], Proceed),
            (&[("if-none-match", "TAG"), ("if-modified-since", BEFORE)], NotModified),
            (&[("if-match", "TAG")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"a\", TAG")], Proceed),
            (&[("if-match", "W/TAG")], Failed),
            (&[("if-match", "\"a\"")], Failed),
            (&[("if-unmodified-since", CHANGED)], Proceed),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", "never")], Proceed),
            (&[("if-match", "TAG"), ("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-match", "\"a\""), ("if-none-match", "TAG")], Failed),
            (&[("if-match", "TAG"), ("if-none-match", "TAG")], NotModified),
            (&[("if-unmodified-since", CHANGED), ("if-modified-since", CHANGED)], NotModified),
        ] {
            assert_eq!(validators.judge(&headers(lines, &tag)), expected, "{lines:?}");
        }
    }

    #[test]
    fn cuts_ranges_only_out_of_the_same_file() {
        let (validators, tag) = validators(Duration::from_secs(60));
        for (lines, expected) in [
            (&[][..], true),
            (&[("if-range", "TAG")], true),
            (&[("if-range", "W/TAG")], false),
            (&[("if-range", "\"a\"")], false),
            (&[("if-range", CHANGED)], true),
            (&[("if-range", BEFORE)], false),
            (&[("if-range", AFTER)], false),
            (&[("if-range", "nonsense")], false),
            (&[("if-range", "TAG"), ("if-range", "TAG")], false),
        ] {
            assert_eq!(validators.allow_range(&headers(lines, &tag)), expected, "{lines:?}");
        }
    }

    #[test]
    fn is_weak_while_the_file_may_still_change_unseen() {
        let (young, tag) = validators(Duration::from_millis(100));
        assert!(tag.starts_with("W/"), "{tag}");
        let plain = tag.trim_start_matches("W/");
        assert!(!young.allow_range(&headers(&[("if-range", "TAG")], plain)));
        assert!(!young.allow_range(&headers(&[("if-range", CHANGED)], plain)));
        assert_eq!(young.judge(&headers(&[("if-none-match", "TAG")], plain)), Verdict::NotModified);
        assert_eq!(young.judge(&headers(&[("if-match", "TAG")], plain)), Verdict::Failed);
    }

    #[test]
    fn differs_when_anything_differs() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let one = Validators::new(10, Some(at), 7, now);
        for other in [
            Validators::new(11, Some(at), 7, now),
            Validators::new(10, Some(at + Duration::from_nanos(1)), 7, now),
            Validators::new(10, Some(at), 8, now),
            Validators::new(10, None, 7, now),
        ] {
            assert_ne!(one.opaque, other.opaque);
        }
    }

    #[test]
    fn survives_impossible_times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for modified in [
            SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(5)),
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(LAST_DATE + 10)),
            None,
        ] {
            let mut headers = HeaderMap::new();
            Validators::new(1, modified, 1, now).write(&mut headers);
            assert!(headers[header::ETAG].to_str().unwrap().starts_with("W/"));
            assert_eq!(headers.get(header::LAST_MODIFIED), None);
        }
        let mut headers = HeaderMap::new();
        Validators::new(1, Some(now + Duration::from_secs(60)), 1, now).write(&mut headers);
        assert_eq!(headers[header::LAST_MODIFIED], httpdate::fmt_http_date(now).as_str());
    }
}

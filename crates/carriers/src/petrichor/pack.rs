//! What is done with bodies on their way: compressed, or left out when the other end has them.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use crosstalk::{
    petrichor::{self, Frame, Hash, Mirror, Packing, WireError},
    transactions::{Message, TransactionId},
};
use http::{HeaderMap, StatusCode, header};
use zstd::bulk::{Compressor, Decompressor};

/// How thoroughly is compressed. Over the pages of a large site (24 MB of HTML and scripts) it came
/// to 0.27 of the size at 550 MB/s; level 3 to 0.26 at 430 MB/s, level 6 to 0.24 at 140 MB/s.
const LEVEL: i32 = 1;

/// Shorter bodies are not worth the keys in the header.
const MIN_COMPRESSED: usize = 512;

/// Shorter pieces are sent again: their name in the header has 43 bytes.
const MIN_KEPT: usize = 1024;

/// A body takes at most this part of what the other end keeps, so that one film does not drive out
/// the pages that everybody fetches.
const LARGEST_PART: usize = 4;

/// The most bodies that are under way and treated in any way; more than a link carries.
const MAX_BODIES: usize = 1024;

/// How much a gateway keeps for one link: the pages, styles and small pictures of a site.
pub(super) const KEEP_PER_LINK: usize = 4 * 1024 * 1024;

/// How much a process keeps for all its links together.
pub(super) const KEEP_IN_ALL: usize = 256 * 1024 * 1024;

/// Of what is left for all links, the part that a new one may have at most: the first ones get
/// [`KEEP_PER_LINK`], and when it gets tight everybody less.
const SHARE: usize = 16;

/// Less than this is not worth the tables.
const MIN_SHARE: usize = 128 * 1024;

/// The most that the other end may keep for this one to make use of it: this end holds names of it,
/// at most 2 MiB of them. Whoever offers more is sent everything.
const MOST_KEPT: usize = 16 * 1024 * 1024;

/// What both ends agreed on.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    /// Both write and read Zstandard.
    pub(super) compress: bool,
    /// What this end keeps of what it receives.
    pub(super) keeps: Option<Share>,
    /// How many bytes the other end keeps of what this one sends.
    pub(super) kept: usize,
}

/// A part of [`KEEP_IN_ALL`]; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Share(usize);

/// How much of [`KEEP_IN_ALL`] is given away.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

impl Share {
    /// Takes as much as a new link may have, if that is worth anything.
    pub(super) fn take() -> Option<Self> {
        let mut size = 0;
        let take = |given: usize| {
            size = ((KEEP_IN_ALL - given) / SHARE).min(KEEP_PER_LINK);
            (size >= MIN_SHARE).then_some(given + size)
        };
        GIVEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Self(size))
    }

    pub(super) fn size(&self) -> usize {
        self.0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        GIVEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// What is done with the bodies that this end sends.
#[derive(Debug)]
pub(super) struct Outgoing {
    compress: bool,
    /// What the other end keeps.
    kept: Option<Mirror<()>>,
    /// The bodies under way with which anything is done.
    bodies: HashMap<TransactionId, Treatment>,
}

/// What is done with a body.
#[derive(Clone, Copy, Debug)]
struct Treatment {
    compress: bool,
    keep: bool,
}

impl Outgoing {
    pub(super) fn new(agreed: &Agreed) -> Self {
        let kept = (1..=MOST_KEPT).contains(&agreed.kept).then(|| Mirror::new(agreed.kept));
        Self { compress: agreed.compress, kept, bodies: HashMap::new() }
    }

    /// Packs the body of a message, which then has what has to be sent.
    pub(super) fn pack(&mut self, message: &mut Message) -> Packing {
        if !self.compress && self.kept.is_none() {
            return Packing::NONE;
        }
        let (id, end, begins) = match message {
            Message::Open { id, head, body, end } => {
                (*id, *end, Some(self.treatment(&head.headers, body, *end)))
            }
            Message::Head { id, head, body, end } => {
                let is_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS;
                let treatment = self.treatment(&head.headers, body, *end);
                (*id, *end, Some(treatment.filter(|_| !is_tunnel)))
            }
            Message::Data { id, end, .. } => (*id, *end, None),
            Message::Abort { id, .. } => {
                self.bodies.remove(id);
                return Packing::NONE;
            }
            Message::Credit { .. } | Message::Ping | Message::Pong | Message::Bye(_) => {
                return Packing::NONE;
            }
        };
        let treatment = match begins {
            Some(treatment) => treatment,
            None => self.bodies.get(&id).copied(),
        };
        let Some(mut treatment) = treatment else { return Packing::NONE };
        let packing = match petrichor::body_mut(message) {
            Some(body) if !body.is_empty() => self.pack_body(body, &mut treatment),
            Some(_) | None => Packing::NONE,
        };
        if end || !(treatment.compress || treatment.keep) {
            self.bodies.remove(&id);
        } else if self.bodies.len() < MAX_BODIES {
            self.bodies.insert(id, treatment);
        }
        packing
    }

    /// Notes that the other end gave up a transaction.
    pub(super) fn forget(&mut self, id: TransactionId) {
        self.bodies.remove(&id);
    }

    fn treatment(&self, headers: &HeaderMap, first: &Bytes, end: bool) -> Option<Treatment> {
        let compress = self.compress && is_compressible(headers);
        let length = match headers.get(header::CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()),
            None => end.then_some(first.len()),
        };
        let keep = match (&self.kept, length) {
            (Some(kept), Some(length)) => length <= kept.capacity() / LARGEST_PART,
            (None, _) | (_, None) => false,
        };
        (compress || keep).then_some(Treatment { compress, keep })
    }

    fn pack_body(&mut self, body: &mut Bytes, treatment: &mut Treatment) -> Packing {
        let mut keep = None;
        if let Some(kept) = &mut self.kept
            && treatment.keep
            && body.len() >= MIN_KEPT
        {
            let hash = Hash(*blake3::hash(body).as_bytes());
            if kept.recall(&hash).is_some() {
                *body = Bytes::new();
                return Packing::Same(hash);
            }
            keep = kept.keep(hash, body.len(), ()).then_some(hash);
        }
        if treatment.compress && body.len() >= MIN_COMPRESSED {
            match compress(body) {
                Some(compressed) => {
                    let size = body.len();
                    *body = compressed;
                    return Packing::Zstd { size, keep };
                }
                // The rest of the body is of the same kind.
                None => treatment.compress = false,
            }
        }
        Packing::Plain { keep }
    }
}

/// What is done with the bodies that this end receives.
#[derive(Debug)]
pub(super) struct Incoming {
    compress: bool,
    keeps: Option<(Mirror<Bytes>, Share)>,
}

impl Incoming {
    pub(super) fn new(compress: bool, keeps: Option<Share>) -> Self {
        Self { compress, keeps: keeps.map(|share| (Mirror::new(share.size()), share)) }
    }

    /// Returns the message with the body as it was before it was packed.
    ///
    /// # Errors
    /// When it cannot be unpacked, or was not to be packed like this.
    pub(super) fn unpack(&mut self, frame: Frame) -> io::Result<Message> {
        let Frame { mut message, packing } = frame;
        let Some(body) = petrichor::body_mut(&mut message) else { return Ok(message) };
        let keep = match packing {
            Packing::Plain { keep } => keep,
            Packing::Zstd { size, keep } => {
                if !self.compress {
                    return Err(WireError::Value("zstd").into());
                }
                *body = decompress(body, size)?;
                keep
            }
            Packing::Same(hash) => {
                let mirror = self.keeps.as_mut().map(|(mirror, _)| mirror);
                let known = mirror.and_then(|mirror| mirror.recall(&hash));
                *body = known.ok_or(WireError::Value("same"))?.clone();
                return Ok(message);
            }
        };
        if let Some(hash) = keep {
            // A copy: the bytes may be a part of something larger, which would be kept with them.
            let bytes = Bytes::copy_from_slice(body);
            let mirror = self.keeps.as_mut().map(|(mirror, _)| mirror);
            if !mirror.is_some_and(|mirror| mirror.keep(hash, bytes.len(), bytes)) {
                return Err(WireError::Value("keep").into());
            }
        }
        Ok(message)
    }
}

thread_local! {
    // One for each thread and not for each link: they are some hundred KiB large, and used for one
    // message at a time, so that nothing of one visitor's shows in the size of another's.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses, if that makes it smaller by enough to be worth the other end's trouble.
fn compress(bytes: &[u8]) -> Option<Bytes> {
    let mut room = vec![0; bytes.len() - bytes.len() / 16];
    let length = COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(LEVEL).ok()?),
        };
        compressor.compress_to_buffer(bytes, &mut room[..]).ok()
    })?;
    Some(Bytes::copy_from_slice(&room[..length]))
}

/// Decompresses what must come to exactly this size, which the reader of the message has checked.
fn decompress(bytes: &[u8], size: usize) -> io::Result<Bytes> {
    let broken = || io::Error::from(WireError::Value("zstd"));
    let mut room = vec![0; size];
    let length = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(bytes, &mut room[..]).map_err(|_| broken())
    })?;
    if length == size { Ok(room.into()) } else { Err(broken()) }
}

/// Returns whether a body may get smaller: text, and not compressed by whoever made it.
fn is_compressible(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.into_iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return false;
    }
    let Some(Ok(content_type)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str())
    else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, name)) = essence.split_once('/') else { return false };
    let is_text = ["json", "xml", "javascript", "ecmascript", "wasm", "x-ndjson", "rtf", "x-tar"]
        .contains(&name)
        || name.ends_with("+json")
        || name.ends_with("+xml");
    match kind {
        "text" => true,
        "application" => is_text,
        "image" => matches!(name, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "font" => matches!(name, "ttf" | "otf" | "collection"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};
    use proptest::prelude::*;

    use super::*;

    fn answer(id: u64, content_type: &str, body: &[u8], end: bool) -> Message {
        let response = Response::builder().header("content-type", content_type);
        let response = if end { response } else { response.header("content-length", 100_000) };
        let head = Box::new(response.body(()).unwrap().into_parts().0);
        Message::Head { id: TransactionId(id), head, body: Bytes::copy_from_slice(body), end }
    }

    fn more(id: u64, body: &[u8], end: bool) -> Message {
        Message::Data { id: TransactionId(id), bytes: Bytes::copy_from_slice(body), end }
    }

    struct Ends(Outgoing, Incoming);

    impl Ends {
        fn new(compress: bool, keeps: usize) -> Self {
            let keeps = (keeps > 0).then(|| {
                // Not of the share of all links, of which other tests take some.
                GIVEN.fetch_add(keeps, Ordering::Relaxed);
                Share(keeps)
            });
            let kept = keeps.as_ref().map_or(0, Share::size);
            let sender = Agreed { compress, keeps: None, kept };
            Self(Outgoing::new(&sender), Incoming::new(compress, keeps))
        }

        /// Sends a body there and returns how it was packed, and how many bytes it took.
        fn send(&mut self, mut message: Message) -> (Packing, usize) {
            let before = petrichor::body(&message).unwrap().clone();
            let packing = self.0.pack(&mut message);
            let sent = petrichor::body(&message).unwrap().len();
            let arrived = self.1.unpack(Frame { message, packing }).unwrap();
            assert_eq!(petrichor::body(&arrived).unwrap(), &before);
            (packing, sent)
        }
    }

    fn noise(seed: u32, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as u8
        };
        (0..length).map(step).collect()
    }

    #[test]
    fn text_is_compressed_and_nothing_else() {
        let mut ends = Ends::new(true, 0);
        let text = "all work and no play ".repeat(200);
        for (content_type, expected) in [
            ("text/html; charset=utf-8", true),
            ("Application/JSON", true),
            ("image/svg+xml", true),
            ("application/ld+json", true),
            ("image/jpeg", false),
            ("application/zip", false),
            ("nonsense", false),
        ] {
            let (packing, sent) = ends.send(answer(2, content_type, text.as_bytes(), true));
            let compressed = matches!(packing, Packing::Zstd { .. });
            assert_eq!(compressed, expected, "{content_type}");
            assert_eq!(sent < text.len() / 10, expected);
        }
        assert!(ends.0.bodies.is_empty());
        let mut encoded = answer(2, "text/html", text.as_bytes(), true);
        if let Message::Head { head, .. } = &mut encoded {
            head.headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        }
        assert_eq!(ends.send(encoded).0, Packing::NONE);
        assert_eq!(ends.send(answer(2, "text/html", b"short", true)).0, Packing::NONE);
    }

    #[test]
    fn a_body_that_does_not_get_smaller_is_tried_once() {
        let mut ends = Ends::new(true, 0);
        ends.send(answer(2, "text/plain", &noise(1, 5000), false));
        assert!(ends.0.bodies.is_empty());
        let text = "all work and no play ".repeat(200);
        assert_eq!(ends.send(more(2, text.as_bytes(), true)).0, Packing::NONE);
    }

    #[test]
    fn the_rest_of_a_body_is_treated_like_its_beginning() {
        let mut ends = Ends::new(true, 0);
        let text = "all work and no play ".repeat(200);
        ends.send(answer(2, "text/plain", b"", false));
        assert!(matches!(ends.send(more(2, text.as_bytes(), false)).0, Packing::Zstd { .. }));
        assert!(matches!(ends.send(more(2, text.as_bytes(), true)).0, Packing::Zstd { .. }));
        assert!(ends.0.bodies.is_empty());
        ends.send(answer(4, "text/plain", b"", false));
        ends.0.forget(TransactionId(4));
        assert!(ends.0.bodies.is_empty());
        ends.send(answer(6, "text/plain", b"", false));
        let mut abort = Message::Abort {
            id: TransactionId(6),
            code: crosstalk::transactions::AbortCode::Cancelled,
        };
        assert_eq!(ends.0.pack(&mut abort), Packing::NONE);
        assert!(ends.0.bodies.is_empty());
    }

    #[test]
    fn what_was_sent_before_is_a_hash() {
        let mut ends = Ends::new(true, 1 << 20);
        let picture = noise(7, 50_000);
        let first = ends.send(answer(2, "image/jpeg", &picture, true));
        assert!(matches!(first.0, Packing::Plain { keep: Some(_) }));
        let second = ends.send(answer(4, "image/jpeg", &picture, true));
        assert!(matches!(second, (Packing::Same(_), 0)));
        let page = "all work and no play ".repeat(200);
        let first = ends.send(answer(6, "text/html", page.as_bytes(), true));
        assert!(matches!(first.0, Packing::Zstd { keep: Some(_), .. }));
        let second = ends.send(answer(8, "text/html", page.as_bytes(), true));
        assert!(matches!(second, (Packing::Same(_), 0)));
    }

    #[test]
    fn large_and_endless_bodies_are_not_kept() {
        let mut ends = Ends::new(false, 200_000);
        let body = noise(3, 60_000);
        assert_eq!(ends.send(answer(2, "video/mp4", &body, true)).0, Packing::NONE);
        let head = Response::new(()).into_parts().0;
        let endless = Message::Head {
            id: TransactionId(4),
            head: Box::new(head),
            body: Bytes::from(noise(4, 2000)),
            end: false,
        };
        assert_eq!(ends.send(endless).0, Packing::NONE);
    }

    #[test]
    fn an_offer_beyond_measure_is_not_used() {
        for (kept, used) in
            [(0, false), (1 << 20, true), (MOST_KEPT + 1, false), (usize::MAX, false)]
        {
            let outgoing = Outgoing::new(&Agreed { compress: false, keeps: None, kept });
            assert_eq!(outgoing.kept.is_some(), used, "{kept}");
        }
    }

    #[test]
    fn who_did_not_agree_does_not_unpack() {
        let data = |packing, bytes: &[u8]| Frame { message: more(2, bytes, false), packing };
        let hash = Hash([1; petrichor::HASH_BYTES]);
        let mut plain = Incoming::new(false, None);
        for packing in [
            Packing::Zstd { size: 5, keep: None },
            Packing::Same(hash),
            Packing::Plain { keep: Some(hash) },
        ] {
            let error = plain.unpack(data(packing, b"hello")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        assert!(plain.unpack(data(Packing::NONE, b"hello")).is_ok());
    }

    #[test]
    fn a_bomb_ends_the_link_and_takes_no_more_than_it_said() {
        let bomb = zstd::bulk::compress(&vec![0; 4 << 20], 3).unwrap();
        let mut incoming = Incoming::new(true, None);
        for size in [1, 100_000, petrichor::MAX_BODY] {
            let frame = Frame {
                message: more(2, &bomb, false),
                packing: Packing::Zstd { size, keep: None },
            };
            assert_eq!(incoming.unpack(frame).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        let short = zstd::bulk::compress(b"short", 3).unwrap();
        for (bytes, size) in [(&short[..], 6), (b"no zstandard", 5), (b"", 1)] {
            assert!(decompress(bytes, size).is_err());
        }
        assert_eq!(decompress(&short, 5).unwrap(), "short");
    }

    #[test]
    fn all_links_together_keep_no_more_than_they_may() {
        let mut shares = Vec::new();
        while let Some(share) = Share::take() {
            shares.push(share);
            assert!(shares.len() < 1000);
        }
        let sum: usize = shares.iter().map(Share::size).sum();
        assert!(sum <= KEEP_IN_ALL);
        assert!(shares.len() >= 48 && shares.iter().all(|share| share.size() >= MIN_SHARE));
        drop(shares);
        assert!(Share::take().is_some());
    }

    proptest! {
        // Each case compresses a megabyte without optimisation.
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Bodies come through whatever was kept and forgotten before them.
        #[test]
        fn bodies_come_through(
            compress in any::<bool>(),
            keeps in prop_oneof![Just(0usize), 4_000usize..300_000],
            bodies in proptest::collection::vec((0u32..30, 1usize..20_000, any::<bool>()), 1..60),
        ) {
            let mut ends = Ends::new(compress, keeps);
            for (number, (seed, length, text)) in bodies.into_iter().enumerate() {
                let body = if text {
                    format!("{seed} bottles of beer ").repeat(1 + seed as usize * 20).into_bytes()
                } else {
                    noise(seed, length)
                };
                let id = 2 * number as u64 + 2;
                let content_type = if text { "text/plain" } else { "image/png" };
                let (first, rest) = body.split_at(body.len() / 2);
                ends.send(answer(id, content_type, first, false));
                ends.send(more(id, rest, true));
                prop_assert!(ends.0.bodies.is_empty());
                if let Some((mirror, _)) = &ends.1.keeps {
                    prop_assert!(mirror.used() <= keeps);
                }
            }
        }
    }
}

//! Every size that both ends know, with its reason.

use std::time::Duration;

/// The longest head (request or response, names and values together) that anybody accepts.
///
/// Cookies of large applications reach 16 KiB, hyper's default, and break there; nobody is known
/// to need four times that.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most header lines in a head.
pub const MAX_HEADERS: usize = 256;

/// How many transactions may be under way on one link that multiplexes.
///
/// Times [`STREAM_WINDOW`] this is the memory that one link can hold for its visitors.
pub const MAX_TRANSACTIONS_PER_LINK: u32 = 256;

/// How much of one transaction's body may be under way without the receiver having taken it.
pub const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all bodies on one link may be under way: every transaction can be stalled at its
/// full window and the next one still moves.
pub const LINK_WINDOW: u32 = STREAM_WINDOW * MAX_TRANSACTIONS_PER_LINK;

/// How often an idle link is asked whether it is alive. Proxies cut idle tunnels after 60 s.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the answer to a ping may take; with [`PING_EVERY`] a dead partner shows within 30 s.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

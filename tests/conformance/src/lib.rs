//! What every carrier must do, as one list of [`cases`], run over real sockets: a visitor, the real
//! gateway, a link over the carrier, and a [`site`] that provokes.
//!
//! A new carrier is a new [`Wire`](world::Wire); it passes all cases, or says cleanly that it
//! cannot, and the [`table`] says so.

pub mod cases;
pub mod site;
pub mod table;
pub mod world;

/// Calls a macro with every case: its name in [`cases`], and what it holds for the reader of
/// `docs/protocols/README.md`.
#[macro_export]
macro_rules! for_every_case {
    ($then:ident) => {
        $then! {
            downloads_are_equal: "downloads of every size, byte for byte",
            uploads_are_equal: "uploads of every size, byte for byte",
            bodies_go_with_every_method: "bodies with every method, also `GET`",
            request_heads_are_equal: "request heads: order, bytes, nothing forged",
            response_heads_are_equal: "response heads: order, doubled names, bytes",
            large_heads_pass_and_larger_ones_are_refused: "heads of 60 KiB pass, larger ones are refused",
            answers_without_a_body_have_none: "204, 304 and HEAD have no body",
            answers_may_come_early: "an answer may begin before the request has ended",
            uploads_nobody_reads_are_answered: "large uploads that the site does not read are answered",
            broken_uploads_are_the_visitors_fault: "an upload that is not in order is a 400",
            expectations_are_answered: "`Expect: 100-continue`",
            cuts_are_seen_as_cuts: "what was cut never looks complete",
            leaving_cancels: "a visitor who leaves is noticed at once",
            losing_the_link_is_honest: "a lost link is a 502 or a cut, and heals",
            a_hundred_at_once: "a hundred at once",
            stalled_visitors_harm_nobody: "thirty stalled visitors slow nobody",
            bursts_of_aborts_harm_nobody: "hundreds who click away end no link",
            websockets_are_carried: "visitors' WebSockets",
        }
    };
}

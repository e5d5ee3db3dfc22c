//! Every case for every carrier: one test each, so that a failure names both.

use conformance::{
    cases,
    world::{Wire, World},
};

macro_rules! every_carrier {
    ($($case:ident),+ $(,)?) => {
        every_carrier!(@wire ptth_http2, Wire::PtthHttp2, $($case),+);
        every_carrier!(@wire ptth_http1, Wire::PtthHttp1, $($case),+);
        every_carrier!(@wire ptth_1_0, Wire::Ptth10, $($case),+);
        every_carrier!(@wire ptth_0_9, Wire::Ptth09, $($case),+);
    };
    (@wire $name:ident, $wire:expr, $($case:ident),+) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() -> anyhow::Result<()> {
                    let mut world = World::start($wire).await?;
                    cases::$case(&mut world).await
                }
            )+
        }
    };
}

every_carrier!(
    a_hundred_at_once,
    answers_may_come_early,
    answers_without_a_body_have_none,
    bursts_of_aborts_harm_nobody,
    cuts_are_seen_as_cuts,
    downloads_are_equal,
    expectations_are_answered,
    large_heads_pass_and_larger_ones_are_refused,
    leaving_cancels,
    losing_the_link_is_honest,
    request_heads_are_equal,
    response_heads_are_equal,
    stalled_visitors_harm_nobody,
    uploads_are_equal,
    websockets_are_carried,
);

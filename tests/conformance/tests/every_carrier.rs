//! Every case for every carrier: one test each, so that a failure names both.

use conformance::{
    cases, for_every_case, table,
    world::{Wire, World},
};

macro_rules! every_carrier {
    ($($case:ident: $meaning:literal,)+) => {
        every_carrier!(@wire petrichor, Wire::Petrichor, $($case),+);
        every_carrier!(@wire ptth_http2, Wire::PtthHttp2, $($case),+);
        every_carrier!(@wire ptth_http1, Wire::PtthHttp1, $($case),+);
        every_carrier!(@wire ptth_1_0, Wire::Ptth10, $($case),+);
        every_carrier!(@wire ptth_0_9, Wire::Ptth09, $($case),+);
        every_carrier!(@wire taxi, Wire::Taxi, $($case),+);
        every_carrier!(@wire poll, Wire::Poll, $($case),+);
        every_carrier!(@wire xmpp, Wire::Xmpp, $($case),+);
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

for_every_case!(every_carrier);

/// The document's table is the one that these tests hold.
#[test]
fn the_table_in_the_document_is_this_one() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/README.md");
    let page = std::fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    let (before, rest) = page.split_once("<!-- cases: begin -->\n").unwrap();
    let (present, after) = rest.split_once("<!-- cases: end -->").unwrap();
    let wanted = format!("\n{}\n", table::markdown());
    if present != wanted {
        let begin = "<!-- cases: begin -->\n";
        let fresh = format!("{before}{begin}{wanted}<!-- cases: end -->{after}");
        std::fs::write(&file, fresh).unwrap();
        panic!("the table in docs/protocols/README.md was not fresh; it is now: commit it");
    }
}

//! What the gateway tells the peer about its transactions.
//!
//! Control messages are transactions themselves, so they work over every carrier. They bear the
//! authority [`AUTHORITY`], which no visitor can reach: the gateway writes the authority of every
//! visitor's request from the site's own name, and `.invalid` is no such name (RFC 2606 §2).

use serde::{Deserialize, Serialize};

/// The authority of control transactions.
pub const AUTHORITY: &str = "veranda.invalid";

/// Where receipts are posted, as JSON of [`Receipts`].
pub const RECEIPTS_PATH: &str = "/receipts";

/// Request header with the gateway's number of the transaction (decimal `u64`, unique within a
/// link). The gateway removes it from what visitors send.
pub const TRANSACTION_HEADER: &str = "veranda-transaction";

/// Response header by which a peer asks for receipts of this transaction (any value; see
/// [`RECEIPT_READ`]). The gateway removes it. A peer of somebody else never sends it and is never sent receipts.
pub const RECEIPT_HEADER: &str = "veranda-receipt";

/// The value of [`RECEIPT_HEADER`] by which a peer asks that not what the visitor's connection took is
/// counted but what the visitor's program read, as for a relay session: for what is handed over once. So
/// a small body counts as 0 until it is complete, and figures only grow. A gateway whose system does not
/// tell, or that has too many of these of one peer, counts what the connection took, and says so
/// ([`Receipt::read`]).
pub const RECEIPT_READ: &str = "read";

/// How far one transaction's response got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The number from [`TRANSACTION_HEADER`].
    pub transaction: u64,
    /// Bytes of the response body that the visitor's connection took, or her program read
    /// ([`RECEIPT_READ`]). Never too high.
    pub delivered: u64,
    /// Whether more follows.
    pub state: ReceiptState,
    /// Of a response with [`RECEIPT_READ`]: whether `delivered` is what the visitor's
    /// program read (behind a proxy, the proxy), or only what the connection took. `None` elsewhere, and
    /// from gateways that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<bool>,
}

/// Whether a transaction goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptState {
    /// The visitor's connection took the whole response.
    Complete,
    /// The response was cut: the visitor left, or the body ended early.
    Cut,
    /// More is under way.
    Running,
}

/// A batch of receipts, in the order in which they were noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The receipts; a transaction may occur once as running and once as ended.
    pub receipts: Vec<Receipt>,
    /// How many final receipts the gateway had to leave out because the link was too slow for
    /// them. Their transactions stay unconfirmed.
    #[serde(default)]
    pub missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_gateways_do_not_say_what_was_counted_and_newer_may_say_more() {
        let read = |json: &str| serde_json::from_str::<Receipt>(json).unwrap();
        let old = read(r#"{"transaction":7,"delivered":5,"state":"complete"}"#);
        let receipt =
            Receipt { transaction: 7, delivered: 5, state: ReceiptState::Complete, read: None };
        assert_eq!(old, receipt);
        let new = r#"{"transaction":7,"delivered":5,"state":"complete","read":false,"more":1}"#;
        assert_eq!(read(new), Receipt { read: Some(false), ..receipt });
        // Peers of before know no other.
        let written = serde_json::to_string(&receipt).unwrap();
        assert_eq!(written, r#"{"transaction":7,"delivered":5,"state":"complete"}"#);
    }
}

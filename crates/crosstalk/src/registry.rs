//! What a peer asks of a gateway, as JSON over HTTP on the gateway's own host.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /veranda/gateway` | [`GatewayInfo`] |
//! | `PUT /veranda/names/<label>` with a proof | 200 [`Claimed`]; 409 when it is another's |
//! | `DELETE /veranda/names/<label>` with a proof | 204; the name rests before anyone can have it |
//! | `POST /veranda/taxi` with a proof and a TAXI message | [`Told`]; 404 when nobody has it |
//!
//! Every refusal is a [`Refused`] with a sentence for the owner.

use serde::{Deserialize, Serialize};

use crate::label::Label;

/// Where [`GatewayInfo`] is.
pub const INFO_PATH: &str = "/veranda/gateway";
/// What stands before the label in a claim or release.
pub const NAMES_PATH: &str = "/veranda/names/";
/// Where links by PTTH are accepted. `/ptth/<label>` claims that one name and links it alone.
pub const PTTH_PATH: &str = "/ptth";

/// What a gateway says of itself to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayInfo {
    /// Program and version, for people: `veranda-gateway/0.1.0`.
    pub software: String,
    /// The origin that proofs must name as their audience.
    pub origin: String,
    /// The origin of a site, with `*` in the place of its label: `https://*.gateway.example`.
    pub sites: String,
}

impl GatewayInfo {
    /// Returns the origin of the site with this label.
    #[must_use]
    pub fn site_origin(&self, label: &Label) -> String {
        self.sites.replacen('*', label.as_str(), 1)
    }
}

/// A name is the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The name.
    pub label: Label,
    /// The origin of its site: `https://<label>.gateway.example`.
    pub origin: String,
}

/// A message of the caller was sent on; the answer at
/// [`members::TELL_PATH`](crate::members::TELL_PATH).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How many connections have it.
    pub reached: usize,
}

/// Why a gateway says no; the body of every answer with a status of 400 or above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What a program decides on.
    pub reason: Reason,
    /// What a person reads.
    pub sentence: String,
}

/// Reasons of a [`Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The request cannot be read.
    BadRequest,
    /// The gateway has no room now; try again later.
    Busy,
    /// The gateway does not admit this identity.
    NotAdmitted,
    /// No such name, or no such page.
    NotFound,
    /// The proof of identity is missing.
    ProofMissing,
    /// The proof of identity does not hold (wrong audience, time, signature, or used twice).
    ProofRefused,
    /// The name belongs to another identity, or rests after its release.
    Taken,
    /// An upgrade is needed here, and none was asked for.
    UpgradeRequired,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::BadRequest,
        Self::Busy,
        Self::NotAdmitted,
        Self::NotFound,
        Self::ProofMissing,
        Self::ProofRefused,
        Self::Taken,
        Self::UpgradeRequired,
        Self::Unknown,
    ];

    /// Returns the name of the reason, the same as in JSON, for wires that are not JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Busy => "busy",
            Self::NotAdmitted => "not-admitted",
            Self::NotFound => "not-found",
            Self::ProofMissing => "proof-missing",
            Self::ProofRefused => "proof-refused",
            Self::Taken => "taken",
            Self::UpgradeRequired => "upgrade-required",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn read(name: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.name() == name).unwrap_or(Self::Unknown)
    }
}

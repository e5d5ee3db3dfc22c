//! Who a peer is, and whether it may use this gateway.

use std::time::SystemTime;

use carriers::accept;
use crosstalk::{
    proof::{self, ProofError, PublicKey},
    registry::Reason,
};
use http::{HeaderMap, StatusCode, header};

use crate::{headers::is_of_the_host, names::Names, refusal::Refusal};

/// Whom a gateway admits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Everybody who can prove to have a key.
    #[default]
    Open,
}

/// Checks proofs of identity.
#[derive(Clone)]
pub(crate) struct Auth {
    audiences: Vec<String>,
    admission: Admission,
    names: Names,
}

impl Auth {
    /// Takes the origins that a proof may name.
    pub(crate) fn new(audiences: Vec<String>, admission: Admission, names: Names) -> Self {
        Self { audiences, admission, names }
    }

    /// Takes more origins that a proof may name.
    pub(crate) fn also(&mut self, audiences: Vec<String>) {
        self.audiences.extend(audiences);
    }

    /// Returns whose request this is; the proof in it is used up.
    ///
    /// Anybody can make a proof, and a browser sends it for a page of somebody else, also to a gateway that
    /// only this computer reaches: as the password in the address of a form, about which nobody is asked
    /// first (CORS). So such pages are refused.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<PublicKey, Refusal> {
        if headers.contains_key(header::ORIGIN) && !is_of_the_host(headers) {
            let sentence = "pages of other sites may not do this";
            return Err(Refusal::new(StatusCode::FORBIDDEN, Reason::NotAdmitted, sentence));
        }
        self.identify_by(accept::credentials(headers).as_deref()).await
    }

    /// The same with the proof itself.
    pub(crate) async fn identify_by(&self, token: Option<&str>) -> Result<PublicKey, Refusal> {
        let token = token.ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                Reason::ProofMissing,
                "this needs a proof of identity",
            )
        })?;
        let proven = self.verify(token).map_err(|error| {
            Refusal::new(StatusCode::FORBIDDEN, Reason::ProofRefused, error.to_string())
        })?;
        let key = proven.key;
        match self.admission {
            Admission::Open => {}
        }
        self.names.use_once(proven).await?;
        Ok(key)
    }

    fn verify(&self, token: &str) -> Result<proof::Proven, ProofError> {
        let now = SystemTime::now();
        let mut result = Err(ProofError::Audience);
        for audience in &self.audiences {
            result = proof::verify(token, audience, now);
            if !matches!(result, Err(ProofError::Audience)) {
                break;
            }
        }
        result
    }
}

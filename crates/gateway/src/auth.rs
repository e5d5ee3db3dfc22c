//! Who a peer is, and whether it may use this gateway.

use std::time::SystemTime;

use carriers::accept;
use crosstalk::{
    proof::{self, ProofError, PublicKey},
    registry::Reason,
};
use http::{HeaderMap, StatusCode, header};

use crate::{addresses::Share, headers::is_of_the_host, names::Names, refusal::Refusal};

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

    /// Returns whose request this is; the proof in it is used up, and is one of `share` until it expires.
    ///
    /// Anybody can make a proof, and a browser sends it for a page of somebody else, also to a gateway that
    /// only this computer reaches: as the password in the address of a form, about which nobody is asked
    /// first (CORS). So such pages are refused.
    pub(crate) async fn identify(
        &self,
        headers: &HeaderMap,
        share: Share,
    ) -> Result<PublicKey, Refusal> {
        if headers.contains_key(header::ORIGIN) && !is_of_the_host(headers) {
            let sentence = "pages of other sites may not do this";
            return Err(Refusal::new(StatusCode::FORBIDDEN, Reason::NotAdmitted, sentence));
        }
        self.identify_by(accept::credentials(headers).as_deref(), share).await
    }

    /// The same with the proof itself.
    pub(crate) async fn identify_by(
        &self,
        token: Option<&str>,
        share: Share,
    ) -> Result<PublicKey, Refusal> {
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
        self.names.use_once(proven, share).await?;
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

#[cfg(test)]
mod tests {
    use crosstalk::proof::PrivateKey;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::addresses::Addresses;

    const ORIGIN: &str = "http://localhost";

    #[tokio::test]
    async fn one_network_does_not_use_up_the_memory_of_proofs() {
        let (names, _) = Names::open(None, false, &TaskTracker::new()).await.unwrap();
        let auth = Auth::new(vec![ORIGIN.to_owned()], Admission::default(), names);
        let addresses = Addresses::new(2);
        let show = async |proof: &str, host: u8| {
            let share = addresses.share([192, 0, 2, host].into());
            auth.identify_by(Some(proof), share).await.map_err(|refusal| refusal.status)
        };
        let fresh = || PrivateKey::generate().prove(ORIGIN, SystemTime::now());
        // What is no proof, or was one, counts for nobody.
        let first = fresh();
        assert!(show(&first, 7).await.is_ok());
        for _ in 0..3 {
            assert_eq!(show("nonsense", 7).await, Err(StatusCode::FORBIDDEN));
            assert_eq!(show(&first, 7).await, Err(StatusCode::FORBIDDEN));
        }
        assert!(show(&fresh(), 7).await.is_ok());
        assert_eq!(show(&fresh(), 7).await, Err(StatusCode::SERVICE_UNAVAILABLE));
        assert!(show(&fresh(), 8).await.is_ok());
        assert!(auth.identify_by(Some(&fresh()), Share::boundless()).await.is_ok());
    }
}

//! How the gateway says no to a peer.

use axum::response::{IntoResponse, Response};
use crosstalk::registry::{Reason, Refused};
use http::{HeaderValue, StatusCode, header};

use crate::{limits, names::NameError};

/// A no, as it is sent to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) refused: Refused,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: Reason, sentence: impl Into<String>) -> Self {
        Self { status, refused: Refused { reason, sentence: sentence.into() } }
    }

    pub(crate) fn busy(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Reason::Busy, sentence)
    }

    pub(crate) fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Reason::NotFound, sentence)
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        let (status, reason) = match error {
            NameError::Taken | NameError::Resting => (StatusCode::CONFLICT, Reason::Taken),
            NameError::TooMany => (StatusCode::FORBIDDEN, Reason::NotAdmitted),
            NameError::Unknown => (StatusCode::NOT_FOUND, Reason::NotFound),
            NameError::Used => (StatusCode::FORBIDDEN, Reason::ProofRefused),
            NameError::TooManyProofs | NameError::Full | NameError::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, Reason::Busy)
            }
        };
        Self::new(status, reason, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(&self.refused)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            for scheme in [r#"Bearer realm="veranda""#, r#"Basic realm="veranda", charset="UTF-8""#]
            {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_SECONDS));
        }
        response
    }
}

//! Asking the owner of a site whether a visitor's message is welcome.

use bytes::Bytes;
use carriers::{Link, SendError};
use crosstalk::{
    control, forwarded,
    label::Label,
    members::{CONTROL_PATH, MEDIA_TYPE},
    transaction::{self, Body},
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::Visit;
use crate::{limits, shared::Shared};

/// What the peer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It took the message.
    Taken,
    /// It does not want it, for this reason.
    Refused(String),
    /// There is no link to ask over.
    Away,
    /// It knows nothing of messages.
    None,
}

/// Asks over a link of the owner, with what the visitor's handshake said.
pub(super) async fn ask(
    shared: &Shared,
    link: Option<Link>,
    label: &Label,
    visit: &Visit,
    message: Bytes,
) -> Opinion {
    let Some(link) = link else { return Opinion::Away };
    let authority = shared.hosts.site_authority(label);
    let forwarded = forwarded::format(visit.visitor, &authority, shared.hosts.is_secure());
    let request = request(visit, &forwarded, message);
    match timeout(limits::MEMBER_ANSWER, exchange(&link, request)).await {
        Ok(Ok((status, _))) if status.is_success() => Opinion::Taken,
        Ok(Ok((
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED,
            _,
        ))) => Opinion::None,
        Ok(Ok((_, sentence))) => Opinion::Refused(sentence),
        Ok(Err(error)) => {
            tracing::debug!(%error, "A message did not reach its owner");
            Opinion::Away
        }
        Err(_) => Opinion::Away,
    }
}

async fn exchange(link: &Link, request: Request<Body>) -> Result<(StatusCode, String), SendError> {
    let response = link.send(request).await?;
    let status = response.status();
    let (mut body, mut sentence) = (response.into_body(), Vec::new());
    // Read to its end, because a link by HTTP/1.1 cannot be used again otherwise.
    while let Some(Ok(frame)) = body.frame().await {
        sentence.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if sentence.len() > limits::MEMBER_SENTENCE {
            break;
        }
    }
    sentence.truncate(limits::MEMBER_SENTENCE);
    let sentence = String::from_utf8_lossy(&sentence);
    Ok((status, sentence.chars().filter(|c| !c.is_control()).collect()))
}

fn request(visit: &Visit, forwarded: &str, message: Bytes) -> Request<Body> {
    let length = HeaderValue::from(message.len());
    let mut request = Request::new(transaction::full(message));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(CONTROL_PATH);
    let headers = request.headers_mut();
    *headers = visit.headers.clone();
    headers.insert(header::HOST, HeaderValue::from_static(control::AUTHORITY));
    headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(header::CONTENT_LENGTH, length);
    // Made of checked host names and addresses, which are always a valid value.
    if let Ok(forwarded) = HeaderValue::from_str(forwarded) {
        headers.insert(forwarded::HEADER, forwarded);
    }
    request
}

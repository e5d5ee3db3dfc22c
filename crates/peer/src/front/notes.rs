//! Where notes of visitors come in: by TAXI through the gateway, or by the form on a page.

use crosstalk::{
    forwarded,
    members::{FETCH, MAX_TEXT, NOTE, RECEIVED},
    taxi::{MAX_HEADER, TaxiMessage},
    transaction::Body,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use sites::note::{self, State};
use tokio::time::timeout;

use super::{Front, Place, Presence, host_of_authority, is_from_here};
use crate::{
    agent,
    ledger::Now,
    meter::read,
    notes::{Incoming, Refused},
    pages,
    session::Verdict,
};

/// How long a note may take to arrive; it is sent in one piece.
const ARRIVES: std::time::Duration = std::time::Duration::from_secs(10);

/// The longest form that is read: every byte of a text can take three characters in it.
const MAX_FORM: usize = 4 * MAX_TEXT;

/// The longest name or tab of a visitor; the gateway's have 24.
const MAX_NAME: usize = 64;

impl Front {
    /// Answers the gateway, which asks whether a visitor's message is welcome.
    pub(super) async fn message(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return pages::bare(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(place) = self.place_of(&parts.headers) else {
            return pages::sentence(StatusCode::FORBIDDEN, "There is no such site here.");
        };
        // The visitor's cookie came along.
        match (place.door.judge(&Uri::from_static("/"), &parts.headers), &place.presence) {
            (Verdict::Refused | Verdict::Enter { .. }, _) => {
                return pages::sentence(
                    StatusCode::FORBIDDEN,
                    "Open the link that you were given once more, then write.",
                );
            }
            (Verdict::Allowed, Presence::Off) => {
                return pages::sentence(StatusCode::FORBIDDEN, "The owner has switched it off.");
            }
            (Verdict::Allowed, Presence::Gone | Presence::On(_)) => {}
        }
        let body = timeout(ARRIVES, read(body, MAX_HEADER + MAX_TEXT)).await;
        let message = match body {
            Ok(Some(body)) => TaxiMessage::read(&body.into()),
            Ok(None) | Err(_) => return pages::bare(StatusCode::BAD_REQUEST),
        };
        let Ok(TaxiMessage { header, body }) = message else {
            return pages::bare(StatusCode::BAD_REQUEST);
        };
        let is_short = |name: &String| name.len() <= MAX_NAME;
        let Some(actor) = header.actor.filter(is_short) else {
            return pages::bare(StatusCode::BAD_REQUEST);
        };
        match header.command.as_deref() {
            Some(NOTE) => {
                let text = String::from_utf8_lossy(&body).into_owned();
                match self.take(&place, &parts.headers, text, Some(actor)) {
                    Ok(()) => pages::bare(StatusCode::NO_CONTENT),
                    Err(refused) => pages::sentence(status(refused), &refused.to_string()),
                }
            }
            Some(RECEIVED) => {
                let number = String::from_utf8_lossy(&body);
                self.letterbox.arrived(&place.id, &actor, number.trim());
                pages::bare(StatusCode::NO_CONTENT)
            }
            Some(FETCH) => {
                self.letterbox.back(&place.id, &actor, header.tab.filter(is_short));
                pages::bare(StatusCode::NO_CONTENT)
            }
            Some(_) | None => {
                pages::sentence(StatusCode::BAD_REQUEST, "The owner takes notes and nothing else.")
            }
        }
    }

    /// Answers a request for the page with the box, which an invited visitor asks for.
    pub(super) async fn note_page(&self, place: &Place, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if !place.takes_notes {
            return note::page(&parts.headers, &State::Closed);
        }
        if matches!(parts.method, Method::GET | Method::HEAD) {
            return note::page(&parts.headers, &State::Blank);
        }
        if parts.method != Method::POST {
            return pages::bare(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !is_from_here(&parts.headers) {
            return pages::bare(StatusCode::FORBIDDEN);
        }
        let failed = |status, why: &str, text: String| {
            note::page(&parts.headers, &State::Failed { status, why: why.to_owned(), text })
        };
        let text = match timeout(ARRIVES, read(body, MAX_FORM)).await {
            Ok(Some(body)) => field(&body),
            Ok(None) | Err(_) => {
                let why = "Your note is too long, or only a part of it arrived.";
                return failed(StatusCode::BAD_REQUEST, why, String::new());
            }
        };
        match self.take(place, &parts.headers, text.clone(), None) {
            Ok(()) => note::page(&parts.headers, &State::Sent),
            Err(refused) => failed(status(refused), &refused.to_string(), text),
        }
    }

    fn take(
        &self,
        place: &Place,
        headers: &HeaderMap,
        text: String,
        actor: Option<String>,
    ) -> Result<(), Refused> {
        if !place.takes_notes {
            return Err(Refused::Closed);
        }
        let agent = agent::short(headers.get(header::USER_AGENT).map(http::HeaderValue::as_bytes));
        let visitor = forwarded_value(headers).and_then(forwarded::visitor);
        let incoming = Incoming { text, visitor, agent, actor };
        self.letterbox.take(&place.id, incoming, Now::read())
    }

    fn place_of(&self, headers: &HeaderMap) -> Option<std::sync::Arc<Place>> {
        let host = forwarded::host(forwarded_value(headers)?)?;
        self.routes.borrow().get(&host_of_authority(host)?).cloned()
    }
}

fn forwarded_value(headers: &HeaderMap) -> Option<&str> {
    headers.get(forwarded::HEADER)?.to_str().ok()
}

fn status(refused: Refused) -> StatusCode {
    match refused {
        Refused::Empty => StatusCode::BAD_REQUEST,
        Refused::Closed => StatusCode::FORBIDDEN,
        Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// Reads the text out of a form (`application/x-www-form-urlencoded`).
fn field(form: &[u8]) -> String {
    let value = form.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"text="));
    let value: Vec<u8> = value
        .unwrap_or_default()
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_encoding::percent_decode(&value).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;

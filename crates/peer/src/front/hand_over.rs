//! Where visitors come to the desk: landing pages, the button, the wait for the owner's answer, the
//! content. Files that visitors send are in `uploads`.

mod uploads;

use std::{net::IpAddr, time::Duration};

use crosstalk::transaction::{self, Body};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sites::{
    Delivery,
    hand_over::{
        Parcel,
        pages::{self as shown, Offer, Wish as WishPage, Word},
    },
};
use tokio::time::{Instant, timeout_at};

use super::{Front, is_foreign};
use crate::{
    hand_over::{Goods, PREFIX, Presence, Taken, Visitor, Wish, Worth},
    ledger::Now,
    meter::Caller,
    model::HandOverId,
    pages,
    session::Token,
};

/// How long a visitor's page waits for the owner's answer before it asks again: far below what gateways
/// give an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// What a waiting page has in the address where it asks again, and waits: the first one is there at once, as
/// a browser shows nothing before that.
const AGAIN: &str = "again";

/// What stands in an address as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The longest path that is read: a name of 255 characters, each of them four bytes of three.
const MAX_PATH: usize = 4096;

/// What an address at the desk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address<'a> {
    token: &'a str,
    ticket: Option<&'a str>,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What<'a> {
    /// One upload.
    File(&'a str),
    /// Where uploads begin.
    Files,
    Landing,
    /// Something with a name: the content, or a file that is sent at once.
    Named(&'a str),
    /// The button.
    Take,
    /// The wait for the owner's answer.
    Wait,
}

impl<'a> Address<'a> {
    fn parse(method: &Method, uri: &'a Uri) -> Option<Self> {
        let path = uri.path();
        if path.len() > MAX_PATH {
            return None;
        }
        let parts: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
        // A file that is sent at once may have any name.
        let is_put = method == Method::PUT;
        let (token, ticket, what) = match parts[..] {
            [token] | [token, ""] => (token, None, What::Landing),
            [token, "take"] if !is_put => (token, None, What::Take),
            [token, "files"] if !is_put => (token, None, What::Files),
            [token, "files", id] => (token, None, What::File(id)),
            [token, name] => (token, None, What::Named(name)),
            [token, ticket, ""] => (token, Some(ticket), What::Landing),
            [token, ticket, "wait"] if !is_put => (token, Some(ticket), What::Wait),
            [token, ticket, "files"] if !is_put => (token, Some(ticket), What::Files),
            [token, ticket, "files", id] => (token, Some(ticket), What::File(id)),
            [token, ticket, name] => (token, Some(ticket), What::Named(name)),
            _ => return None,
        };
        Some(Self { token, ticket, what })
    }
}

/// A request at the desk, without its body.
struct Visit {
    link: u64,
    id: HandOverId,
    method: Method,
    headers: HeaderMap,
    caller: Caller,
    /// The path of the landing page.
    landing: String,
    /// Whether a page that was there before asks again.
    asks_again: bool,
}

impl Visit {
    fn address(&self) -> Option<IpAddr> {
        self.caller.visitor()
    }

    fn word(&self, word: &Word<'_>) -> Response<Body> {
        shown::word(&self.headers, word)
    }

    /// Returns the path of something behind a ticket.
    fn behind(&self, ticket: &str, what: &str) -> String {
        format!("{}/{ticket}/{what}", self.landing)
    }

    fn is_reading(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Front {
    /// Answers a request at the desk's own name.
    pub(super) async fn at_desk(&self, link: u64, request: Request<Body>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let mut response = self.desk_answer(link, request).await;
        guard(response.headers_mut());
        if is_head { response.map(|_| transaction::empty()) } else { response }
    }

    async fn desk_answer(&self, link: u64, mut request: Request<Body>) -> Response<Body> {
        let uri = request.uri().clone();
        let Some(address) = Address::parse(request.method(), &uri) else {
            return pages::no_entry();
        };
        self.desk.settle(Now::read());
        let Some(id) = self.desk.book().find(address.token) else { return pages::no_entry() };
        let method = request.method().clone();
        let caller = Caller::take(&method, request.headers_mut());
        let headers = request.headers().clone();
        let landing = format!("{PREFIX}{}", address.token);
        let asks_again = uri.query() == Some(AGAIN);
        let visit = Visit { link, id, method, headers, caller, landing, asks_again };
        let worth = match address.ticket {
            None => None,
            Some(ticket) => {
                let worth = self.worth(&visit, ticket);
                if worth.is_none() {
                    return pages::no_entry();
                }
                worth
            }
        };
        if let (What::File(upload), &Method::HEAD) = (address.what, &visit.method)
            && let Some(told) = self.has_arrived(&visit, upload)
        {
            // Whoever did not hear it after the last byte hears it now, also when it was the last file.
            return told;
        }
        if let Some(word) = self.closed(id) {
            return visit.word(&word);
        }
        match (address.what, address.ticket, worth) {
            (What::Landing, None, _) if visit.is_reading() => self.landing(&visit),
            (What::Landing, Some(ticket), Some(worth)) if visit.is_reading() => {
                self.landing_behind(&visit, ticket, worth)
            }
            (What::Take, None, _) if visit.method == Method::POST => self.press(&visit).await,
            (What::Wait, Some(ticket), Some(_)) if visit.is_reading() => {
                self.wait(&visit, ticket).await
            }
            (What::Named(name), Some(ticket), Some(worth)) if visit.is_reading() => {
                self.content(&visit, ticket, worth, name, request).await
            }
            (What::Files | What::File(_), ticket, worth) => {
                self.upload(&visit, address.what, ticket.zip(worth), request).await
            }
            (What::Named(name), ticket, worth) if visit.method == Method::PUT => {
                self.put(&visit, name, ticket.zip(worth), request).await
            }
            (What::Landing | What::Take | What::Wait, _, _) => {
                pages::bare(StatusCode::METHOD_NOT_ALLOWED)
            }
            (What::Named(_), _, _) => pages::no_entry(),
        }
    }

    fn worth(&self, visit: &Visit, ticket: &str) -> Option<Worth> {
        self.desk.book().entry(visit.id)?.tickets.judge(ticket, visit.address())
    }

    /// Returns why nobody gets anything.
    fn closed(&self, id: HandOverId) -> Option<Word<'static>> {
        let book = self.desk.book();
        let entry = book.entry(id)?;
        if entry.is_done() {
            return Some(Word::Done);
        }
        if book.is_paused() {
            return Some(Word::Off);
        }
        match entry.presence {
            Presence::Away | Presence::Unknown => Some(Word::Away),
            Presence::Inbox(_) | Presence::Parcel(_) => None,
        }
    }

    /// The page with the button. Chat programs fetch it for their previews as often as they like.
    fn landing(&self, visit: &Visit) -> Response<Body> {
        let book = self.desk.book();
        let Some(entry) = book.entry(visit.id) else { return pages::no_entry() };
        if entry.tickets.is_for_another(visit.address()) {
            return visit.word(&Word::NotYours);
        }
        let take = format!("{}/take", visit.landing);
        match (&entry.goods, &entry.presence) {
            (Goods::Send { .. }, Presence::Parcel(parcel)) => {
                let offer = Offer {
                    name: parcel.name(),
                    size: parcel.size(),
                    files: parcel.files(),
                    note: &entry.terms.note,
                    asks_first: entry.terms.nod,
                    take: &take,
                };
                shown::offer(&visit.headers, &offer)
            }
            (Goods::Ask { largest, files_left, .. }, _) => {
                let page = WishPage {
                    note: &entry.terms.note,
                    largest: *largest,
                    files_left: *files_left,
                    asks_first: entry.terms.nod,
                    take: &take,
                    uploads: &format!("{}/files", visit.landing),
                };
                shown::wish(&visit.headers, &page)
            }
            (Goods::Send { .. }, Presence::Away | Presence::Inbox(_) | Presence::Unknown) => {
                visit.word(&Word::Away)
            }
        }
    }

    /// The page with the picker, for a visitor whom the owner allowed.
    fn landing_behind(&self, visit: &Visit, ticket: &str, worth: Worth) -> Response<Body> {
        if worth != Worth::Allowed {
            return self.word_for(visit, ticket, worth);
        }
        let book = self.desk.book();
        let Some(entry) = book.entry(visit.id) else { return pages::no_entry() };
        let Goods::Ask { largest, files_left, .. } = entry.goods else { return pages::no_entry() };
        let page = WishPage {
            note: &entry.terms.note,
            largest,
            files_left,
            asks_first: false,
            take: &format!("{}/take", visit.landing),
            uploads: &visit.behind(ticket, "files"),
        };
        shown::wish(&visit.headers, &page)
    }

    /// The button was pressed.
    async fn press(&self, visit: &Visit) -> Response<Body> {
        if is_foreign(&visit.headers) {
            return pages::bare(StatusCode::FORBIDDEN);
        }
        let visitor = Visitor { address: visit.address(), agent: visit.caller.agent() };
        let asks_nobody = self
            .desk
            .book()
            .entry(visit.id)
            .is_some_and(|entry| matches!(entry.goods, Goods::Ask { .. }) && !entry.terms.nod);
        if asks_nobody {
            return see_other(&visit.landing);
        }
        let taken = self.desk.change(|book| book.take(visit.id, visitor, Now::read()));
        let ticket = match taken {
            None => return pages::no_entry(),
            Some(Taken::Ticket(ticket) | Taken::Knock(ticket, _)) => ticket,
            Some(Taken::NotYours) => return visit.word(&Word::NotYours),
            Some(Taken::Refused) => return visit.word(&Word::Refused),
            Some(Taken::TooMany) => return visit.word(&Word::TooMany),
        };
        // What she is given holds after a crash.
        self.desk.kept().await;
        match self.worth(visit, ticket.secret()) {
            Some(Worth::Allowed) => see_other(&self.allowed(visit, ticket.secret())),
            Some(Worth::Asking | Worth::NotYours | Worth::Refused | Worth::Unanswered) => {
                see_other(&visit.behind(ticket.secret(), "wait"))
            }
            None => pages::no_entry(),
        }
    }

    /// Returns where an allowed visitor goes on.
    fn allowed(&self, visit: &Visit, ticket: &str) -> String {
        match self.desk.book().entry(visit.id).map(|entry| &entry.goods) {
            Some(Goods::Send { name, .. }) => visit.behind(ticket, &content_part(name)),
            Some(Goods::Ask { .. }) | None => visit.behind(ticket, ""),
        }
    }

    /// Waits for the owner's answer.
    async fn wait(&self, visit: &Visit, ticket: &str) -> Response<Body> {
        let waiting = self.desk.waits.try_acquire();
        let may_wait = waiting.is_ok() && visit.asks_again && visit.method == Method::GET;
        let until = Instant::now() + ANSWER_WAIT;
        let mut changes = self.desk.changes();
        loop {
            changes.borrow_and_update();
            let Some(worth) = self.worth(visit, ticket) else { return pages::no_entry() };
            if let Some(word) = self.closed(visit.id) {
                return visit.word(&word);
            }
            let waits = worth == Worth::Asking && may_wait;
            let in_time = waits && matches!(timeout_at(until, changes.changed()).await, Ok(Ok(())));
            if !in_time {
                return self.word_for(visit, ticket, worth);
            }
        }
    }

    fn word_for(&self, visit: &Visit, ticket: &str, worth: Worth) -> Response<Body> {
        match worth {
            Worth::Allowed => {
                let place = self.allowed(visit, ticket);
                match self.desk.book().entry(visit.id).map(|entry| &entry.goods) {
                    Some(Goods::Send { name, .. }) => {
                        visit.word(&Word::Allowed { content: &place, name })
                    }
                    Some(Goods::Ask { .. }) => see_other(&place),
                    None => pages::no_entry(),
                }
            }
            Worth::Asking => {
                let again = visit.behind(ticket, &format!("wait?{AGAIN}"));
                visit.word(&Word::Asking { again: &again })
            }
            Worth::NotYours => visit.word(&Word::NotYours),
            Worth::Refused => visit.word(&Word::Refused),
            Worth::Unanswered => visit.word(&Word::Unanswered { landing: &visit.landing }),
        }
    }

    /// The content, or a part of it.
    async fn content(
        &self,
        visit: &Visit,
        ticket: &str,
        worth: Worth,
        part: &str,
        request: Request<Body>,
    ) -> Response<Body> {
        let found = self.parcel(visit.id);
        let Some((name, parcel)) = found else { return pages::no_entry() };
        if percent_decode_str(part).ne(percent_decode_str(&content_part(&name))) {
            return pages::no_entry();
        }
        if worth != Worth::Allowed {
            return self.word_for(visit, ticket, worth);
        }
        let Some(ticket) = Token::parse(ticket) else { return pages::no_entry() };
        let is_empty = parcel.size() == 0;
        let mut response = parcel.respond(request).await;
        let delivery = response.extensions_mut().remove::<Delivery>();
        if visit.method != Method::GET || !response.status().is_success() {
            return response;
        }
        let Some(delivery) = delivery.filter(|delivery| delivery.length > 0) else {
            if is_empty {
                // There is nothing that could arrive.
                self.desk.change(|book| book.finish(visit.id, Now::read()));
            }
            return response;
        };
        let wish = Wish {
            ticket,
            visitor: visit.address(),
            offset: delivery.offset,
            length: delivery.length,
        };
        let turn = self.desk.turn(visit.id, &wish).await;
        let followed = turn.and_then(|turn| {
            self.desk.follow(visit.link, turn, wish, &visit.caller, delivery, response)
        });
        // It may be over, or switched off, since this began.
        let Some(response) = followed else {
            return visit.word(&self.closed(visit.id).unwrap_or(Word::Busy));
        };
        // After a crash, nobody is believed to have a part who is not known to have begun.
        self.desk.kept().await;
        response
    }

    fn parcel(&self, id: HandOverId) -> Option<(String, Parcel)> {
        let book = self.desk.book();
        let entry = book.entry(id)?;
        match (&entry.goods, &entry.presence) {
            (Goods::Send { name, .. }, Presence::Parcel(parcel)) => {
                Some((name.clone(), parcel.clone()))
            }
            (Goods::Send { .. } | Goods::Ask { .. }, _) => None,
        }
    }
}

/// Returns the last part of the address of something with this name.
fn content_part(name: &str) -> String {
    let part = utf8_percent_encode(name, PLAIN).to_string();
    match &*part {
        // These are addresses already.
        "wait" | "files" => format!("_{part}"),
        _ => part,
    }
}

fn see_other(place: &str) -> Response<Body> {
    let mut response = pages::bare(StatusCode::SEE_OTHER);
    match HeaderValue::from_str(place) {
        Ok(place) => {
            response.headers_mut().insert(header::LOCATION, place);
            response
        }
        // Made of letters, digits and what is percent-encoded, it always is one.
        Err(_) => pages::no_entry(),
    }
}

/// What holds for everything at the desk.
fn guard(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

#[cfg(test)]
mod tests;

//! What a handler gets from an old gateway, and what of its answer goes back.

use std::time::Duration;

use bytes::Bytes;
use crosstalk::{
    control, forwarded, hop,
    object::RequestObject,
    transaction::{self, Body, Handler},
    xmpp::classic::{self, Batch, Direction, Texts},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt as _;
use tokio::{sync::mpsc, time::timeout};
use tower::Service as _;

use super::{Chat, LOOK_AHEAD, pages, prefix};

/// How long a handler may take for the head of its answer. Nobody says when the visitor has left.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a handler may take for the next part of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Headers by which visitors of an old gateway, which passes on everything, could pretend something.
const NOT_FROM_VISITORS: [&str; 3] = ["forwarded", "x-real-ip", "proxy"];

/// A request that is whole.
pub(super) struct Asked {
    pub(super) name: Batch,
    pub(super) object: RequestObject,
    pub(super) text: String,
}

/// Answers a request, and sends the answer with chats like this one. Ends early when the session has.
pub(super) async fn answer(asked: Asked, handler: Handler, host: HeaderValue, to: Outlet) {
    let is_head = asked.object.clone().into_parts().method == Method::HEAD;
    let name = asked.name.clone();
    let (mut response, prefix) = call(asked, handler, host).await;
    prefix::add(response.headers_mut(), &prefix);
    fit(response.headers_mut());
    if is_head {
        *response.body_mut() = transaction::empty();
    }
    if send(response, &name, &to).await.is_none() {
        tracing::debug!("The session of an old gateway ended before an answer did");
    }
}

/// Where the chats of one batch go.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) sent: mpsc::Sender<Chat>,
    pub(super) with: crosstalk::xmpp::BareJid,
}

impl Outlet {
    async fn say(&self, name: &Batch, body: String) -> Option<()> {
        let thread = Some(name.as_str().to_owned());
        self.sent.send(Chat { with: self.with.clone(), thread, body }).await.ok()
    }

    /// Says no.
    pub(super) async fn refuse(&self, name: &Batch, page: pages::Sentence) {
        // A session that has ended refuses by itself.
        let _ = send_page(page, name, self).await;
    }
}

/// Asks the handler, and returns its answer and the prefix below which the visitor sees it.
async fn call(asked: Asked, mut handler: Handler, host: HeaderValue) -> (Response<Body>, String) {
    let Asked { object, text, .. } = asked;
    let around = object.surroundings().clone();
    let mut head = object.into_parts();
    let prefix = around.script_name;
    if !matches!(head.method, Method::GET | Method::HEAD | Method::POST) {
        return (pages::page(pages::METHOD), prefix);
    }
    if prefix.starts_with("//") {
        return (pages::page(pages::BAD_REQUEST), String::new());
    }
    let Some(target) = prefix::strip(&head.uri, &prefix) else {
        return (to_the_slash(), prefix);
    };
    head.uri = target;
    head.version = Version::HTTP_11;
    hop::strip(&mut head.headers);
    hop::remove(&mut head.headers, |name| {
        let name = name.as_str();
        NOT_FROM_VISITORS.contains(&name)
            || name.starts_with("veranda-")
            || name.starts_with("x-forwarded-")
            || ["accept-encoding", "range", "if-range", "content-length", "expect"].contains(&name)
    });
    if let Some(visitor) = around.remote_addr
        && let Ok(value) =
            HeaderValue::from_str(&forwarded::format(visitor, &around.server_name, false))
    {
        head.headers.insert(forwarded::HEADER, value);
    }
    // Which site is meant says the account. What the visitor's program says could be anything, even
    // the name under which gateways speak themselves.
    debug_assert_ne!(host.as_bytes(), control::AUTHORITY.as_bytes());
    head.headers.insert(header::HOST, host);
    let body = if text.is_empty() {
        transaction::empty()
    } else {
        head.headers.insert(header::CONTENT_LENGTH, text.len().into());
        transaction::full(text)
    };
    let answer = async {
        match std::future::poll_fn(|cx| handler.poll_ready(cx)).await {
            Ok(()) => handler.call(Request::from_parts(head, body)).await,
            Err(never) => match never {},
        }
    };
    match timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(response)) if response.status().is_informational() => {
            (pages::page(pages::BROKEN_RESPONSE), prefix)
        }
        Ok(Ok(response)) => (response, prefix),
        Ok(Err(never)) => match never {},
        Err(_) => (pages::page(pages::BROKEN_RESPONSE), prefix),
    }
}

/// Leads to the site's start, with the slash against which its own links are read.
fn to_the_slash() -> Response<Body> {
    let mut response = Response::new(transaction::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    response
}

fn fit(headers: &mut HeaderMap) {
    hop::strip(headers);
    hop::remove(headers, |name| {
        name.as_str().starts_with("veranda-") || name == header::ACCEPT_RANGES
    });
}

/// What is known of a body before its head is sent.
struct Beginning {
    text: String,
    texts: Texts,
    whole: bool,
}

/// Reads the beginning of a body; the page to show instead when it is nothing that can be sent.
async fn beginning(body: &mut Body) -> Result<Beginning, pages::Sentence> {
    let (mut text, mut texts) = (String::new(), Texts::default());
    while text.len() < LOOK_AHEAD {
        match next(body).await {
            Ok(Some(bytes)) => {
                text += &texts.push(&bytes).map_err(|_| pages::BINARY_RESPONSE)?;
            }
            Ok(None) => {
                std::mem::take(&mut texts).finish().map_err(|_| pages::BINARY_RESPONSE)?;
                return Ok(Beginning { text, texts, whole: true });
            }
            Err(Broken) => return Err(pages::BROKEN_RESPONSE),
        }
    }
    Ok(Beginning { text, texts, whole: false })
}

/// Sends a response; `None` when the session has ended.
async fn send(response: Response<Body>, name: &Batch, to: &Outlet) -> Option<()> {
    let (head, mut body) = response.into_parts();
    let Beginning { text, texts, whole } = match beginning(&mut body).await {
        Ok(beginning) => beginning,
        Err(page) => return send_page(page, name, to).await,
    };
    let first = classic::pieces(&text, Direction::Response).next().unwrap_or_default();
    let mut said = None;
    for beside in [first, ""] {
        if let Ok(message) = classic::response(&head, beside, name) {
            said = Some((message, beside.len()));
            break;
        }
    }
    let Some((message, beside)) = said else {
        return send_page(pages::RESPONSE_HEAD, name, to).await;
    };
    to.say(name, message).await?;
    say_text(&text[beside..], name, to).await?;
    let complete = whole || send_rest(body, texts, name, to).await?;
    if complete || head.headers.contains_key(header::CONTENT_LENGTH) {
        // Whoever counts sees that a part is missing.
        return to.say(name, classic::end(name)).await;
    }
    // Without a length, an end would make a part look like the whole, and there is no word for a
    // cut. So nothing ends.
    tracing::debug!("A response broke off, and an old gateway cannot be told");
    Some(())
}

/// Sends what follows the beginning, and returns whether that was all of it.
async fn send_rest(mut body: Body, mut texts: Texts, name: &Batch, to: &Outlet) -> Option<bool> {
    loop {
        match next(&mut body).await {
            Ok(Some(bytes)) => match texts.push(&bytes) {
                Ok(text) => say_text(&text, name, to).await?,
                Err(classic::NotText) => return Some(false),
            },
            Ok(None) => return Some(texts.finish().is_ok()),
            Err(Broken) => return Some(false),
        }
    }
}

async fn say_text(text: &str, name: &Batch, to: &Outlet) -> Option<()> {
    for piece in classic::pieces(text, Direction::Response) {
        to.say(name, classic::more(piece, Direction::Response, name).ok()?).await?;
    }
    Some(())
}

async fn send_page(page: pages::Sentence, name: &Batch, to: &Outlet) -> Option<()> {
    let (head, _) = pages::page(page).into_parts();
    // Our own pages are plain ASCII and short.
    to.say(name, classic::response(&head, page.1, name).ok()?).await?;
    to.say(name, classic::end(name)).await
}

/// A body that ended early.
struct Broken;

async fn next(body: &mut Body) -> Result<Option<Bytes>, Broken> {
    loop {
        let frame = timeout(BODY_TIMEOUT, body.frame()).await.map_err(|_| Broken)?;
        match frame.transpose().map_err(|_| Broken)?.map(http_body::Frame::into_data) {
            Some(Ok(bytes)) => return Ok(Some(bytes)),
            // Trailers.
            Some(Err(_)) => {}
            None => return Ok(None),
        }
    }
}

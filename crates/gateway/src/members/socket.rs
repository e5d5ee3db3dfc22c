//! A member's WebSocket, from its beginning to its end.

use std::{future::pending, pin::Pin};

use bytes::Bytes;
use crosstalk::{
    members::{ERROR, HELLO, RECEIVED},
    taxi::{Header, Recipients, TaxiMessage},
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Membership, Who,
    pace::Pace,
    route::{self, MAX_MESSAGE, Unheard},
};
use crate::{limits, shared::Shared};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What becomes of a message, while the peer is asked about it.
type Asking<'a> = Pin<Box<dyn Future<Output = TaxiMessage> + Send + 'a>>;

/// How a member's connection ends.
enum End {
    /// The member left, or the connection broke.
    Gone,
    /// It said nothing for too long.
    Idle,
    /// The gateway stops.
    Stopped,
    /// Its seat was given to somebody else.
    GaveWay,
    /// It sent what no member sends.
    Misbehaved(CloseCode),
}

/// Serves a member until it leaves.
pub(super) async fn serve(shared: &Shared, upgrade: OnUpgrade, mut member: Membership) {
    let Ok(Ok(upgraded)) = timeout(limits::LINK_START, upgrade).await else { return };
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MAX_MESSAGE);
    config.max_frame_size = Some(MAX_MESSAGE);
    config.read_buffer_size = MAX_MESSAGE;
    // Messages are small and few: each is written at once.
    config.write_buffer_size = 0;
    config.max_write_buffer_size = 4 * MAX_MESSAGE;
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let end = talk(shared, &mut socket, &mut member).await;
    let code = match end {
        End::Gone => return,
        End::Idle => CloseCode::Normal,
        End::Stopped => CloseCode::Away,
        End::GaveWay => CloseCode::Again,
        End::Misbehaved(code) => code,
    };
    // Whether the member hears it or not, the connection ends.
    let close = socket.close(Some(CloseFrame { code, reason: "".into() }));
    let _ = timeout(limits::MEMBER_WRITE, close).await;
}

async fn talk(shared: &Shared, socket: &mut Socket, member: &mut Membership) -> End {
    let who = member.who.clone();
    let now = Instant::now();
    let mut pace = match &who {
        Who::Visitor { .. } => Pace::new(limits::VISITOR_BURST, limits::VISITOR_PACE, now),
        Who::Identity(_) => Pace::new(limits::IDENTITY_BURST, limits::IDENTITY_PACE, now),
    };
    let mut ping = interval_at(now + limits::MEMBER_PING, limits::MEMBER_PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut idle_at = now + limits::MEMBER_IDLE;
    let (mut heard, mut gave_way) = (true, false);
    let mut asking: Option<Asking<'_>> = None;
    if send(socket, text(&hello(&who))).await.is_err() {
        return End::Gone;
    }
    loop {
        let is_asking = asking.is_some();
        // But what becomes of its last message is still told.
        if gave_way && !is_asking {
            return End::GaveWay;
        }
        let asked = async {
            match &mut asking {
                Some(asking) => asking.await,
                None => pending().await,
            }
        };
        let outgoing = tokio::select! {
            biased;
            () = shared.members.closed().cancelled() => return End::Stopped,
            answer = asked => {
                asking = None;
                text(&answer)
            }
            message = member.queue.recv(), if !gave_way => match message {
                Some(message) => frame(message),
                None => {
                    gave_way = true;
                    continue;
                }
            },
            // One after the other: who writes faster than the owner answers waits.
            incoming = socket.next(), if !is_asking => {
                heard = true;
                let bytes = match incoming {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_))) | None => return End::Gone,
                    Some(Err(error)) => return misbehaved(&error),
                };
                idle_at = Instant::now() + limits::MEMBER_IDLE;
                let allowed = pace.allows(Instant::now());
                match accept(shared, member, allowed, &bytes) {
                    Ok(message) => {
                        asking = Some(Box::pin(answer(shared, &who, message)));
                        continue;
                    }
                    Err(refusal) => refusal,
                }
            }
            _ = ping.tick() => {
                if !heard && !is_asking {
                    return End::Gone;
                }
                heard = is_asking;
                Message::Ping(Bytes::new())
            }
            () = sleep_until(idle_at) => return End::Idle,
        };
        if send(socket, outgoing).await.is_err() {
            return End::Gone;
        }
    }
}

/// Takes a message that may be sent on; the error is the answer to one that may not.
fn accept(
    shared: &Shared,
    member: &Membership,
    allowed: bool,
    bytes: &Bytes,
) -> Result<TaxiMessage, Message> {
    let message = route::read(shared, &member.who, bytes);
    let message = message.map_err(|why| text(&failed(tab_of(bytes), &why)))?;
    let tab = message.header.tab.clone();
    if !allowed {
        return Err(text(&failed(tab, &Unheard::TooFast)));
    }
    if let Some(tab) = tab {
        member.set_tab(&tab);
    }
    Ok(message)
}

/// Returns the tab of a message that is not in order, if it can be read.
fn tab_of(bytes: &Bytes) -> Option<String> {
    TaxiMessage::parse(bytes).ok().and_then(|(message, _)| message.header.tab)
}

async fn answer(shared: &Shared, who: &Who, message: TaxiMessage) -> TaxiMessage {
    match route::route(shared, who, &message).await {
        Ok(_) => {
            let header = Header { tab: message.header.tab, ..Header::command(RECEIVED) };
            TaxiMessage { header, body: Bytes::new() }
        }
        Err(why) => {
            tracing::debug!(?why, "A message did not arrive");
            failed(message.header.tab, &why)
        }
    }
}

fn failed(tab: Option<String>, why: &Unheard) -> TaxiMessage {
    let header = Header { tab, ..Header::command(ERROR) };
    TaxiMessage { header, body: why.to_string().into() }
}

fn hello(who: &Who) -> TaxiMessage {
    let users = Recipients { everybody: false, names: vec![who.name()] };
    let header = Header { users: Some(users), ..Header::command(HELLO) };
    TaxiMessage { header, body: Bytes::new() }
}

fn text(message: &TaxiMessage) -> Message {
    // What the gateway itself says is short; a tab of the longest header could make it too long.
    frame(message.write().unwrap_or_default())
}

/// Sends text as text, so that a page gets a string; anything else is binary.
fn frame(message: Bytes) -> Message {
    match Utf8Bytes::try_from(message.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(message),
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), ()> {
    match timeout(limits::MEMBER_WRITE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other errors are broken connections")]
fn misbehaved(error: &tungstenite::Error) -> End {
    match error {
        tungstenite::Error::Capacity(_) => End::Misbehaved(CloseCode::Size),
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) => {
            End::Misbehaved(CloseCode::Protocol)
        }
        _ => End::Gone,
    }
}

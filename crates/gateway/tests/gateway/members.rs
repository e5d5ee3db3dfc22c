//! Visitors and owners who write to each other.

use bytes::Bytes;
use carriers::ptth::Protocol;
use crosstalk::{
    members,
    proof::PrivateKey,
    taxi::{Header, Recipients, TaxiMessage},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};

use crate::world::{Peer, World, soon};

/// A member, seen from its own end.
struct Member {
    socket: WebSocketStream<TcpStream>,
    name: String,
}

/// What a handshake says besides what it must.
#[derive(Clone, Copy)]
struct Says<'a> {
    origin: Option<&'a str>,
    protocols: &'a str,
    authorization: &'a str,
    /// Where a proxy in front says that it comes from.
    from: &'a str,
}

const TAXI: Says<'_> = Says { origin: None, protocols: "taxi", authorization: "", from: "" };

impl Member {
    async fn try_enter(
        world: &World,
        host: &str,
        path: &str,
        says: Says<'_>,
    ) -> Result<Self, (u16, String)> {
        let mut request = Request::get(format!("ws://{host}{path}"))
            .header("host", host)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", says.protocols)
            .header("cookie", "veranda-1=secret")
            .header("user-agent", "curl/8")
            .header("x-other", "not for the peer");
        if let Some(origin) = says.origin {
            request = request.header("origin", origin);
        }
        if !says.authorization.is_empty() {
            request = request.header("authorization", says.authorization);
        }
        if !says.from.is_empty() {
            request = request.header("x-forwarded-for", says.from);
        }
        let stream = world.connect().await;
        match soon(client_async(request.body(()).unwrap(), stream)).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "taxi");
                let mut member = Self { socket, name: String::new() };
                let hello = member.hear().await;
                assert_eq!(hello.header.command.as_deref(), Some(members::HELLO));
                member.name = hello.header.users.unwrap().names.remove(0);
                Ok(member)
            }
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8(body).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn visitor(world: &World, label: &str) -> Self {
        Self::visitor_with(world, label, "taxi").await
    }

    async fn visitor_with(world: &World, label: &str, protocols: &str) -> Self {
        let host = host(world, label);
        let origin = format!("http://{host}");
        let says = Says { origin: Some(&origin), protocols, ..TAXI };
        Self::try_enter(world, &host, members::SITE_PATH, says).await.unwrap()
    }

    async fn identity(world: &World, key: &PrivateKey) -> Self {
        let authorization = format!("Bearer {}", world.proof(key));
        let says = Says { authorization: &authorization, ..TAXI };
        Self::try_enter(world, &host(world, ""), members::GATEWAY_PATH, says).await.unwrap()
    }

    async fn say(&mut self, message: &str) {
        self.socket.send(Message::text(message)).await.unwrap();
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a member waits for one kind of message")]
    async fn hear(&mut self) -> TaxiMessage {
        loop {
            match soon(self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => return TaxiMessage::read(&Bytes::from(text)).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says something, and returns what becomes of it and why.
    async fn ask(&mut self, message: &str) -> (String, String) {
        self.say(message).await;
        self.hear_result().await
    }

    async fn hear_result(&mut self) -> (String, String) {
        let answer = self.hear().await;
        (answer.header.command.unwrap(), String::from_utf8(answer.body.to_vec()).unwrap())
    }
}

fn host(world: &World, label: &str) -> String {
    let port = world.address.port();
    if label.is_empty() { format!("localhost:{port}") } else { format!("{label}.localhost:{port}") }
}

/// An owner with a link by HTTP/2.
async fn owner(world: &World, label: &str) -> (PrivateKey, Peer) {
    let key = PrivateKey::generate();
    assert_eq!(world.claim(&key, label).await.status, 200);
    let peer = world.link(&key, None, Protocol::Http2).await.unwrap();
    (key, peer)
}

async fn tell(world: &World, key: &PrivateKey, message: &str) -> crate::world::Reply {
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-type: application/x-taxi\r\ncontent-length: {}\r\n\r\n{message}",
        members::TELL_PATH,
        host(world, ""),
        world.proof(key),
        message.len()
    );
    world.raw(&request).await
}

fn is(answer: &(String, String), command: &str, part: &str) {
    assert!(answer.0 == command && answer.1.contains(part), "{answer:?}");
}

#[tokio::test]
async fn a_note_reaches_the_peer_as_the_gateway_knows_it_and_is_answered() {
    let world = World::start().await;
    let (key, peer) = owner(&world, "photos").await;
    let mut visitor = Member::visitor(&world, "photos").await;
    assert!(visitor.name.starts_with("visitor-"), "{}", visitor.name);
    // Who sent it and which way it came are forged.
    visitor
        .say("a=owner,c=note,s={other,localhost},t=tab1,u=photos;The third photo is missing")
        .await;
    let answer = visitor.hear().await;
    assert_eq!(answer.header.command.as_deref(), Some("received"));
    assert_eq!(answer.header.tab.as_deref(), Some("tab1"));
    let (headers, message) = peer.site.messages(1).await.remove(0);
    assert_eq!(message.header.actor.as_deref(), Some(&*visitor.name));
    assert_eq!(message.header.path, [host(&world, "")]);
    assert_eq!(message.body, "The third photo is missing");
    assert_eq!(headers["cookie"], "veranda-1=secret");
    assert_eq!(headers["user-agent"], "curl/8");
    assert_eq!(headers["content-type"], "application/x-taxi");
    assert!(headers["forwarded"].to_str().unwrap().contains("host=\"photos.localhost"));
    assert!(!headers.contains_key("x-other") && !headers.contains_key("origin"));
    // The owner answers this very tab.
    let mut other_tab = Member::visitor(&world, "photos").await;
    let reply = format!("c=reply,t=tab1,u={};Here it is", visitor.name);
    let told = tell(&world, &key, &reply).await;
    assert_eq!((told.status, told.json()["reached"].as_u64()), (200, Some(1)), "{told:?}");
    let heard = visitor.hear().await;
    assert_eq!(heard.body, "Here it is");
    assert_eq!(heard.header.command.as_deref(), Some("reply"));
    // A word to all who are there.
    assert_eq!(tell(&world, &key, "c=reply,g=photos;Tea is ready").await.status, 200);
    assert_eq!(visitor.hear().await.body, "Tea is ready");
    assert_eq!(other_tab.hear().await.body, "Tea is ready");
    drop((visitor, other_tab, peer));
    world.end().await;
}

#[tokio::test]
async fn what_the_peer_says_is_what_the_visitor_hears() {
    let world = World::start().await;
    let (_, peer) = owner(&world, "photos").await;
    let mut visitor = Member::visitor(&world, "photos").await;
    is(&visitor.ask("c=note,u=photos;hello").await, "received", "");
    is(&visitor.ask("c=note,u=photos;refuse me").await, "error", "Not today.");
    is(&visitor.ask("c=note,u=photos;what is this").await, "error", "takes no messages");
    peer.leave().await;
    let (answer, why) = visitor.ask("c=note,u=photos;hello").await;
    assert_eq!(answer, "error");
    assert!(why.contains("away"), "{why}");
    drop(visitor);
    world.end().await;
}

#[tokio::test]
async fn a_visitor_writes_to_the_owner_and_nobody_else() {
    let world = World::start().await;
    let (_, photos) = owner(&world, "photos").await;
    let (_, music) = owner(&world, "music").await;
    let other = Member::visitor(&world, "photos").await;
    let mut visitor = Member::visitor(&world, "photos").await;
    for to in ["u=music", "g=photos", &format!("u={}", other.name), "u={photos,music}", "u=nobody"]
    {
        is(&visitor.ask(&format!("c=note,{to};hello")).await, "error", "cannot write to them");
    }
    for to in ["u=*", "g=*", "u={photos,*}"] {
        // Each of these would reach everybody; a new member has not written too much yet.
        let mut visitor = Member::visitor(&world, "photos").await;
        is(&visitor.ask(&format!("c=note,{to};hello")).await, "error", "everybody");
    }
    let mut visitor = Member::visitor(&world, "photos").await;
    is(&visitor.ask("c=note;hello").await, "error", "whom it is for");
    is(&visitor.ask("c=note,u=;hello").await, "error", "whom it is for");
    is(&visitor.ask("hello").await, "error", "that can be read");
    is(&visitor.ask("c=note,p=3,t=x,u=photos;hello").await, "error", "that can be read");
    is(&visitor.ask("c=note,u=\"*\";hello").await, "error", "");
    is(&visitor.ask("c=note,u=photos;still here").await, "received", "");
    assert_eq!(photos.site.messages(1).await.len(), 1);
    drop((visitor, other, photos, music));
    world.end().await;
}

#[tokio::test]
async fn only_a_page_of_the_site_itself_can_write_in_the_name_of_its_visitor() {
    let world = World::start().await;
    let (_, peer) = owner(&world, "photos").await;
    let site = host(&world, "photos");
    let other = format!("http://{}", host(&world, "music"));
    for origin in [None, Some("https://evil.example"), Some(&*other), Some("null")] {
        let says = Says { origin, ..TAXI };
        let refused = Member::try_enter(&world, &site, members::SITE_PATH, says).await;
        assert!(matches!(refused, Err((403, _))), "{origin:?}");
    }
    let own = format!("http://{site}");
    for protocols in ["chat", "taxis"] {
        let says = Says { origin: Some(&own), protocols, ..TAXI };
        let refused = Member::try_enter(&world, &site, members::SITE_PATH, says).await;
        assert!(matches!(refused, Err((400, _))), "{protocols}");
    }
    let nowhere = host(&world, "nowhere");
    let origin = format!("http://{nowhere}");
    let says = Says { origin: Some(&origin), ..TAXI };
    let refused = Member::try_enter(&world, &nowhere, members::SITE_PATH, says).await;
    assert!(matches!(refused, Err((404, _))));
    // Without an upgrade the path is one of the site, like all others.
    assert_eq!(world.get(&site, members::SITE_PATH).await.status, 404);
    peer.site.has_seen(members::SITE_PATH).await;
    drop(peer);
    world.end().await;
}

#[tokio::test]
async fn a_flood_is_stopped_at_the_gateway_and_a_huge_message_ends_the_connection() {
    let world = World::start().await;
    let (_, peer) = owner(&world, "photos").await;
    let mut visitor = Member::visitor(&world, "photos").await;
    for _ in 0..100 {
        visitor.say("c=note,t=1,u=photos;buy now").await;
    }
    let (mut received, mut refused) = (0, 0);
    for _ in 0..100 {
        let answer = visitor.hear().await;
        match answer.header.command.as_deref() {
            Some("received") => received += 1,
            Some("error") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..20).contains(&received) && refused >= 80, "{received} {refused}");
    assert_eq!(peer.site.messages(received).await.len(), received);
    let mut visitor = Member::visitor(&world, "photos").await;
    let long = format!("c=note,u=photos;{}", "x".repeat(members::MAX_TEXT + 1));
    is(&visitor.ask(&long).await, "error", "too long");
    visitor.say(&format!("c=note,u=photos;{}", "x".repeat(64 * 1024))).await;
    match soon(visitor.socket.next()).await {
        Some(Ok(Message::Close(Some(close)))) => assert_eq!(close.code, CloseCode::Size),
        // The rest of the message may meet a closed connection.
        Some(Err(_)) | None => {}
        other => panic!("{other:?}"),
    }
    drop(peer);
    world.end().await;
}

#[tokio::test]
async fn a_visitor_who_comes_back_has_the_same_name() {
    let world = World::start().await;
    let (key, peer) = owner(&world, "photos").await;
    let ticket = "taxi, ticket.AAECAwQFBgcICQoLDA0ODw";
    let first = Member::visitor_with(&world, "photos", ticket).await;
    let name = first.name.clone();
    drop(first);
    let reply = format!("c=reply,u={name};Are you there?");
    // Only the gateway knows when it has seen the visitor leave.
    soon(async {
        while tell(&world, &key, &reply).await.status == 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut again = Member::visitor_with(&world, "photos", ticket).await;
    assert_eq!(again.name, name);
    assert_ne!(Member::visitor(&world, "photos").await.name, name);
    assert_eq!(tell(&world, &key, &reply).await.status, 200);
    assert_eq!(again.hear().await.body, "Are you there?");
    // Somebody else's words do not reach a visitor of this site.
    let (stranger, other) = owner(&world, "music").await;
    assert_eq!(tell(&world, &stranger, &reply).await.status, 404);
    let to_all = tell(&world, &stranger, "c=reply,g=photos;hello").await;
    assert_eq!((to_all.status, to_all.reason().as_str()), (403, "not-admitted"));
    assert_eq!(tell(&world, &key, "c=reply,u=*;hello").await.status, 403);
    assert_eq!(tell(&world, &key, "hello").await.status, 400);
    drop((again, peer, other));
    world.end().await;
}

#[tokio::test]
async fn a_network_that_fills_a_site_keeps_nobody_else_out() {
    let world = World::start_as("localhost", true, None).await;
    let (_, peer) = owner(&world, "photos").await;
    let site = host(&world, "photos");
    let origin = format!("http://{site}");
    let enter = async |from: &str| {
        let says = Says { origin: Some(&origin), from, ..TAXI };
        Member::try_enter(&world, &site, members::SITE_PATH, says).await
    };
    // One /48 has half of the seats, eight addresses have the others.
    let (most, each) = (gateway::limits::MEMBERS_PER_SITE, gateway::limits::MEMBERS_PER_ADDRESS);
    let mut seats = Vec::new();
    for number in 0..most {
        let household = number / each;
        let from = match household % 2 {
            0 => format!("2001:db8:1:{household}::1"),
            _ => format!("192.0.2.{household}"),
        };
        seats.push(enter(&from).await.unwrap());
    }
    is(&seats[0].ask("c=note,u=photos;hello").await, "received", "");
    seats[1].say("c=note,u=photos;wait").await;
    peer.site.has_seen("wait").await;
    let mut other = enter("203.0.113.7").await.unwrap();
    peer.site.open.send_replace(true);
    is(&(seats[1].hear_result().await), "received", "");
    match soon(seats[1].socket.next()).await {
        Some(Ok(Message::Close(Some(close)))) => assert_eq!(close.code, CloseCode::Again),
        other => panic!("{other:?}"),
    }
    is(&other.ask("c=note,u=photos;hello").await, "received", "");
    is(&seats[0].ask("c=note,u=photos;still here").await, "received", "");
    drop((seats, other, peer));
    world.end().await;
}

#[tokio::test]
async fn a_program_of_the_owner_needs_ten_lines_and_no_peer() {
    let world = World::start().await;
    let key = PrivateKey::generate();
    assert_eq!(world.claim(&key, "photos").await.status, 200);
    let mut visitor = Member::visitor(&world, "photos").await;
    is(&visitor.ask("c=note,t=1,u=photos;hello").await, "error", "away");
    let mut program = Member::identity(&world, &key).await;
    assert_eq!(program.name, key.public().to_string());
    is(&visitor.ask("c=note,t=1,u=photos;hello").await, "received", "");
    let note = program.hear().await;
    assert_eq!((note.header.actor.as_deref(), &*note.body), (Some(&*visitor.name), &b"hello"[..]));
    let reply = TaxiMessage {
        header: Header {
            users: Some(Recipients { everybody: false, names: vec![visitor.name.clone()] }),
            tab: Some("1".to_owned()),
            ..Header::command(members::REPLY)
        },
        body: Bytes::from_static(b"hello yourself"),
    };
    let text = String::from_utf8(reply.write().unwrap().to_vec()).unwrap();
    is(&program.ask(&text).await, "received", "");
    let heard = visitor.hear().await;
    assert_eq!(heard.body, "hello yourself");
    assert_eq!(heard.header.actor, Some(key.public().to_string()));
    // Somebody without a proof is nobody.
    let stranger = Member::try_enter(&world, &host(&world, ""), members::GATEWAY_PATH, TAXI).await;
    assert!(matches!(stranger, Err((401, _))));
    drop((visitor, program));
    world.end().await;
}

#[tokio::test]
async fn a_gateway_that_stops_does_not_wait_for_members() {
    let world = World::start().await;
    let (_, peer) = owner(&world, "photos").await;
    let mut visitor = Member::visitor(&world, "photos").await;
    // Even while the peer thinks about a message.
    visitor.say("c=note,u=photos;wait").await;
    let mut other = Member::visitor(&world, "photos").await;
    world.stop.cancel();
    for member in [&mut visitor, &mut other] {
        match soon(member.socket.next()).await {
            Some(Ok(Message::Close(Some(close)))) => assert_eq!(close.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
    }
    drop((visitor, other, peer));
    world.end().await;
}

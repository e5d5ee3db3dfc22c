use std::sync::Arc;

use bytes::Bytes;
use crosstalk::{control, members::CONTROL_PATH, transaction};
use http_body_util::BodyExt as _;

use super::{
    super::tests::{HOST, TOKEN, World},
    *,
};
use crate::model::Note;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

async fn send(world: &World, request: http::request::Builder, body: &str) -> Answer {
    let request = request.body(transaction::full(body.to_owned())).unwrap();
    let (head, body) = world.front.answer(1, request).await.into_parts();
    let body: Bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: head.status, headers: head.headers, text }
}

/// What the gateway asks when a visitor sent this message.
async fn ask(world: &World, site: &str, cookie: bool, message: &str) -> Answer {
    let visitor = "192.0.2.7".parse().unwrap();
    let mut request = Request::post(CONTROL_PATH)
        .header("host", control::AUTHORITY)
        .header("user-agent", "curl/8.5.0")
        .header("forwarded", forwarded::format(visitor, site, false));
    if cookie {
        request = request.header("cookie", format!("veranda-k3f9={TOKEN}"));
    }
    send(world, request, message).await
}

fn at_the_page(method: Method, headers: &[(&str, &str)]) -> http::request::Builder {
    let request = Request::builder().method(method).uri(note::PATH).header("host", HOST);
    let request = request.header("cookie", format!("veranda-k3f9={TOKEN}"));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn notes(world: &World) -> Vec<Note> {
    world.front.letterbox.book().notes()
}

/// The same site with another place in its routes.
fn changed(mut world: World, change: impl FnOnce(&mut Place)) -> World {
    let routes = world.front.routes.borrow().clone();
    let old = &routes["photos.localhost"];
    let mut place = Place {
        id: old.id.clone(),
        name: Arc::clone(&old.name),
        door: old.door.clone(),
        presence: old.presence.clone(),
        takes_notes: old.takes_notes,
    };
    change(&mut place);
    let routes = crate::front::Routes::from([("photos.localhost".to_owned(), Arc::new(place))]);
    world.front.routes = tokio::sync::watch::channel(Arc::new(routes)).1;
    world
}

#[tokio::test]
async fn a_visitor_with_the_cookie_writes_and_the_text_is_made_safe() {
    let world = World::new(Presence::On);
    let message =
        "a=visitor-1,c=note,s=g,t=tab1,u=photos;Hello\u{202e}\u{0}, <b>the third</b>\r\nis missing";
    let answer = ask(&world, HOST, true, message).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::NO_CONTENT, ""));
    let [note] = &notes(&world)[..] else { panic!() };
    assert_eq!(note.text, "Hello, <b>the third</b>\nis missing");
    assert_eq!(note.visitor, Some("192.0.2.7".parse().unwrap()));
    assert_eq!((&*note.agent, note.answerable, note.seen), ("curl", true, false));
    let book = world.front.letterbox.book();
    let kept = book.find(note.id).unwrap();
    assert_eq!(kept.writer.actor.as_deref(), Some("visitor-1"));
}

#[tokio::test]
async fn nobody_else_writes() {
    let world = World::new(Presence::On);
    let good = "a=visitor-1,c=note,t=1,u=photos;hello";
    for (site, cookie, message, status) in [
        (HOST, false, good, StatusCode::FORBIDDEN),
        ("music.localhost:8080", true, good, StatusCode::FORBIDDEN),
        (HOST, true, "c=note,u=photos;hello", StatusCode::BAD_REQUEST),
        (HOST, true, "a=visitor-1,c=text,u=photos;hello", StatusCode::BAD_REQUEST),
        (HOST, true, "a=visitor-1,u=photos;hello", StatusCode::BAD_REQUEST),
        (HOST, true, "hello", StatusCode::BAD_REQUEST),
        (HOST, true, "a=visitor-1,c=note,u=photos; \n\u{200b}", StatusCode::BAD_REQUEST),
    ] {
        let answer = ask(&world, site, cookie, message).await;
        assert_eq!(answer.status, status, "{message:?}");
    }
    let huge = format!("a=visitor-1,c=note;{}", "x".repeat(MAX_HEADER + MAX_TEXT));
    assert_eq!(ask(&world, HOST, true, &huge).await.status, StatusCode::BAD_REQUEST);
    let get = Request::get(CONTROL_PATH).header("host", control::AUTHORITY);
    assert_eq!(send(&world, get, "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(notes(&world).is_empty());
    let off = World::new(|_| Presence::Off);
    assert_eq!(ask(&off, HOST, true, good).await.status, StatusCode::FORBIDDEN);
    // Somebody whose folder is away wants to hear that it is.
    let gone = World::new(|_| Presence::Gone);
    assert_eq!(ask(&gone, HOST, true, good).await.status, StatusCode::NO_CONTENT);
    let closed = changed(World::new(Presence::On), |place| place.takes_notes = false);
    let answer = ask(&closed, HOST, true, good).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("takes no notes"), "{}", answer.text);
}

#[tokio::test]
async fn a_listing_has_the_box_where_notes_are_taken() {
    let world = World::new(Presence::On);
    let listing = |world: World| async move {
        let request = Request::get("/")
            .header("host", HOST)
            .header("accept", "text/html")
            .header("cookie", format!("veranda-k3f9={TOKEN}"));
        send(&world, request, "").await
    };
    let open = listing(world).await;
    assert!(open.text.contains("Write to the owner"), "{}", open.text);
    let policy = open.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("; script-src 'sha256-"), "{policy}");
    let closed = changed(World::new(Presence::On), |place| place.takes_notes = false);
    let closed = listing(closed).await;
    assert!(!closed.text.contains("Write to the owner") && !closed.text.contains("<script"));
    assert!(!closed.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script"));
}

#[tokio::test]
async fn the_form_works_without_script_and_from_this_site_only() {
    let world = World::new(Presence::On);
    let page = send(&world, at_the_page(Method::GET, &[]), "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("<textarea"), "{}", page.text);
    let form = "text=Hello+there%2C+%3Cb%3E%0D%0Aall";
    for headers in [
        &[("sec-fetch-site", "same-site"), ("origin", "http://photos.localhost:8080")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://music.localhost:8080")],
        &[("origin", "null")],
    ] {
        let answer = send(&world, at_the_page(Method::POST, headers), form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert!(notes(&world).is_empty());
    for headers in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("origin", "http://photos.localhost:8080")],
        &[],
    ] {
        let answer = send(&world, at_the_page(Method::POST, headers), form).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
        assert!(answer.text.contains("has arrived"), "{}", answer.text);
    }
    let all = notes(&world);
    assert_eq!((all.len(), &*all[0].text, all[0].answerable), (3, "Hello there, <b>\nall", false));
    // A flood loses nothing that was written.
    let mut last = None;
    for _ in 0..10 {
        last = Some(send(&world, at_the_page(Method::POST, &[]), form).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.text.contains("Hello there, &lt;b&gt;"), "{}", last.text);
    let long = format!("text={}", "%C3%A4".repeat(MAX_FORM));
    let refused = send(&world, at_the_page(Method::POST, &[]), &long).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let stranger = Request::get(note::PATH).header("host", HOST);
    assert_eq!(send(&world, stranger, "").await.status, StatusCode::NOT_FOUND);
}

//! The front of the peer: where every request comes in and finds its site.

mod hand_over;
mod notes;

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use crosstalk::{
    control, members,
    transaction::{Body, Handler},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use sites::{
    folder::Folder,
    note::{self, NoteBox},
};
use tokio::sync::watch;

use crate::{
    hand_over::Desk,
    ledger::Now,
    meter::{Caller, Meter},
    model::SiteId,
    notes::Letterbox,
    pages,
    session::{Door, Verdict},
};

/// The sites by the host names that their gateway confirmed, in small letters and without a port:
/// whatever port a visitor used, the name says which site.
pub(crate) type Routes = HashMap<String, Arc<Place>>;

/// A site as requests meet it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: SiteId,
    pub(crate) name: Arc<str>,
    pub(crate) door: Door,
    pub(crate) presence: Presence,
    /// Whether visitors may write to the owner.
    pub(crate) takes_notes: bool,
}

/// Whether a site can answer.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// The folder is not there.
    Gone,
    /// The owner switched the site off, or everything.
    Off,
    /// It answers.
    On(Folder),
}

/// What all links hand their requests to.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) routes: watch::Receiver<Arc<Routes>>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) letterbox: Arc<Letterbox>,
    pub(crate) desk: Arc<Desk>,
}

impl Front {
    /// Answers the gateway, which tells how far transfers are.
    async fn control(&self, link: u64, request: Request<Body>) -> Response<Body> {
        match Meter::receipts(request).await {
            Ok(receipts) => {
                // Each looks for its own: a number is given once within a link.
                self.meter.take(link, &receipts);
                self.desk.meter.take(link, &receipts);
                pages::bare(StatusCode::NO_CONTENT)
            }
            Err(refusal) => refusal,
        }
    }

    /// Returns the handler of one link.
    pub(crate) fn handler(&self, link: u64) -> Handler {
        let front = self.clone();
        Handler::new(tower::service_fn(move |request| {
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.answer(link, request).await) }
        }))
    }

    /// Ends what was under way over a link that is gone.
    pub(crate) fn link_ended(&self, link: u64) {
        self.meter.link_ended(link);
        self.desk.meter.link_ended(link);
    }

    async fn answer(&self, link: u64, mut request: Request<Body>) -> Response<Body> {
        let Some(host) = host(request.headers()) else { return pages::no_entry() };
        if host == control::AUTHORITY && request.uri().path() == members::CONTROL_PATH {
            return self.message(request).await;
        }
        if host == control::AUTHORITY {
            return self.control(link, request).await;
        }
        if self.desk.book().is_desk(&host) {
            return self.at_desk(link, request).await;
        }
        let place = self.routes.borrow().get(&host).cloned();
        let Some(place) = place else { return pages::no_entry() };
        let caller = {
            let method = request.method().clone();
            Caller::take(&method, request.headers_mut())
        };
        let verdict = place.door.judge(request.uri(), request.headers());
        let folder = match (verdict, &place.presence) {
            (Verdict::Refused, _) => return pages::no_entry(),
            (Verdict::Allowed | Verdict::Enter { .. }, Presence::Off) => {
                return pages::switched_off();
            }
            (Verdict::Allowed | Verdict::Enter { .. }, Presence::Gone) => {
                return pages::folder_gone();
            }
            (Verdict::Enter { cookie, location }, Presence::On(_)) => {
                return pages::enter(cookie, location);
            }
            (Verdict::Allowed, Presence::On(folder)) => folder,
        };
        place.door.strip(request.headers_mut());
        if request.uri().path() == note::PATH {
            let mut response = self.note_page(&place, request).await;
            pages::invited_only(response.headers_mut());
            return response;
        }
        if place.takes_notes {
            request.extensions_mut().insert(NoteBox);
        }
        let mut response = folder.respond(request).await;
        pages::invited_only(response.headers_mut());
        let response = self.meter.watch(link, &place.id, &place.name, caller, response);
        // The owner's wish changes the routes before it cuts what is under way, so what began in
        // between is seen here.
        let refusal = match self.routes.borrow().get(&host).map(|place| &place.presence) {
            Some(Presence::On(_) | Presence::Gone) => return response,
            Some(Presence::Off) => pages::switched_off(),
            None => pages::no_entry(),
        };
        self.meter.ledger().stop_all(Some(&place.id), Now::read());
        refusal
    }
}

/// Returns the host name of an origin, as [`Routes`] has it.
pub(crate) fn host_of_origin(origin: &str) -> Option<String> {
    let (_, authority) = origin.split_once("://")?;
    host_of_authority(authority)
}

fn host(headers: &HeaderMap) -> Option<String> {
    host_of_authority(headers.get(header::HOST)?.to_str().ok()?)
}

fn host_of_authority(authority: &str) -> Option<String> {
    let authority: http::uri::Authority = authority.parse().ok()?;
    let host = authority.host();
    let host = host.strip_suffix('.').unwrap_or(host);
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Returns whether a form was sent by a page of this very site: the cookie alone does not say so, as
/// other sites of the same gateway are the same "site" to a browser.
fn is_from_here(headers: &HeaderMap) -> bool {
    let one = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(from) = one("sec-fetch-site") {
        return from == "same-origin";
    }
    match one("origin") {
        // Programs, and browsers of long ago.
        None => !headers.contains_key("origin"),
        Some(origin) => {
            let origin = origin.split_once("://").map(|(_, authority)| authority);
            let host = one("host").and_then(host_of_authority);
            host.is_some() && origin.and_then(host_of_authority) == host
        }
    }
}

/// Returns whether a browser says that another site's page sent this. Unlike [`is_from_here`] it lets those
/// through that do not say it: a page that tells nobody where it is (`no-referrer`) sends its forms with
/// `Origin: null`.
fn is_foreign(headers: &HeaderMap) -> bool {
    let is_null = headers.get(header::ORIGIN).is_some_and(|origin| origin == "null");
    let says_nothing = is_null && !headers.contains_key("sec-fetch-site");
    !says_nothing && !is_from_here(headers)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crosstalk::transaction;
    use http_body_util::BodyExt as _;
    use sites::folder::FolderOptions;
    use tempfile::TempDir;

    use super::*;
    use crate::{hand_over, ledger::Ledger, notes::Book, session::Token};

    pub(super) const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";

    pub(super) struct World {
        _folder: TempDir,
        pub(super) front: Front,
    }

    impl World {
        pub(super) fn new(presence: impl FnOnce(Folder) -> Presence) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
            let opened = Folder::open(folder.path(), FolderOptions { hidden: false }).unwrap();
            let id = SiteId("k3f9".to_owned());
            let mut ledger = Ledger::new(0);
            ledger.add_site(id.clone(), HashSet::new());
            let place = Place {
                door: Door::new(vec![Token::parse(TOKEN).unwrap()], &id.0, false),
                id,
                name: "Photos".into(),
                presence: presence(opened),
                takes_notes: true,
            };
            let host = host_of_origin("http://photos.localhost:8080").unwrap();
            let routes = Arc::new(Routes::from([(host, Arc::new(place))]));
            // The last value stays readable when the sender is gone.
            let (_, routes) = watch::channel(routes);
            let meter = Arc::new(Meter::new(ledger));
            let letterbox = Arc::new(Letterbox::new(Book::default()));
            let desk = Arc::new(Desk::new(hand_over::Book::default()));
            Self { _folder: folder, front: Front { routes, meter, letterbox, desk } }
        }

        async fn fetch(&self, host: &str, path: &str, cookie: bool) -> (Response<()>, String) {
            let mut request = Request::get(path);
            if !host.is_empty() {
                request = request.header("host", host);
            }
            if cookie {
                request = request.header("cookie", format!("veranda-k3f9={TOKEN}"));
            }
            let request = request.body(transaction::empty()).unwrap();
            let (head, body) = self.front.answer(1, request).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
        }
    }

    pub(super) const HOST: &str = "photos.localhost:8080";

    #[tokio::test]
    async fn the_whole_link_leads_to_the_file() {
        let world = World::new(Presence::On);
        let (entered, _) = world.fetch(HOST, &format!("/s/{TOKEN}/a.txt"), false).await;
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
        assert_eq!(entered.headers()["location"], "/a.txt");
        assert_eq!(entered.headers()["referrer-policy"], "no-referrer");
        assert_eq!(entered.headers()["cache-control"], "no-store");
        assert!(entered.headers()["set-cookie"].to_str().unwrap().starts_with("veranda-k3f9="));
        let (file, content) = world.fetch(HOST, "/a.txt", true).await;
        assert_eq!((file.status(), &*content), (StatusCode::OK, "hello"));
        assert!(file.headers().contains_key("cache-control"));
        assert_eq!(file.headers()["x-robots-tag"], "noindex");
        assert_eq!(file.headers()["cross-origin-resource-policy"], "same-origin");
        assert_eq!(world.front.meter.ledger().visitors(&SiteId("k3f9".to_owned())), 1);
    }

    #[tokio::test]
    async fn nobody_learns_whether_there_is_a_site() {
        let world = World::new(Presence::On);
        let (nowhere, page) = world.fetch("nowhere.localhost:8080", "/a.txt", true).await;
        assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
        assert!(page.contains("whole link"), "{page}");
        for (host, path) in [
            (HOST, "/"),
            (HOST, "/a.txt"),
            (HOST, "/s/AAAAAAAAAAAAAAAAAAAAAA"),
            ("", "/a.txt"),
            ("a b", "/"),
            ("[::1]:80", "/"),
        ] {
            let (refused, refusal) = world.fetch(host, path, false).await;
            assert_eq!(refused.status(), nowhere.status(), "{host}{path}");
            assert_eq!(refused.headers(), nowhere.headers(), "{host}{path}");
            assert_eq!(refusal, page, "{host}{path}");
        }
    }

    #[tokio::test]
    async fn the_name_finds_its_site_however_it_is_written() {
        let world = World::new(Presence::On);
        for host in ["PHOTOS.localhost:8080", "photos.localhost", "photos.localhost.:1"] {
            assert_eq!(
                world.fetch(host, "/a.txt", true).await.0.status(),
                StatusCode::OK,
                "{host}"
            );
        }
    }

    #[tokio::test]
    async fn a_site_that_is_off_says_so_to_the_invited_only() {
        for (presence, word) in [(Presence::Off, "switched it off"), (Presence::Gone, "unplugged")]
        {
            let world = World::new(|_| presence.clone());
            for (path, cookie) in [("/a.txt".to_owned(), true), (format!("/s/{TOKEN}"), false)] {
                let (off, page) = world.fetch(HOST, &path, cookie).await;
                assert_eq!(off.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert!(page.contains(word), "{page}");
            }
            let (refused, _) = world.fetch(HOST, "/a.txt", false).await;
            assert_eq!(refused.status(), StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn what_is_asked_while_the_owner_switches_off_is_not_served() {
        let mut world = World::new(Presence::On);
        let on = world.front.routes.borrow().clone();
        let (change, routes) = watch::channel(Arc::clone(&on));
        world.front.routes = routes;
        let place = &on["photos.localhost"];
        let off = Place {
            id: place.id.clone(),
            name: Arc::clone(&place.name),
            door: place.door.clone(),
            presence: Presence::Off,
            takes_notes: true,
        };
        let off = Routes::from([("photos.localhost".to_owned(), Arc::new(off))]);
        for (then, expected) in
            [(off, StatusCode::SERVICE_UNAVAILABLE), (Routes::new(), StatusCode::NOT_FOUND)]
        {
            change.send_replace(Arc::clone(&on));
            let answer = loop {
                let request = Request::get("/")
                    .header("host", HOST)
                    .header("cookie", format!("veranda-k3f9={TOKEN}"))
                    .body(transaction::empty())
                    .unwrap();
                let mut answer = Box::pin(world.front.answer(1, request));
                // A listing comes from another thread, which might be faster than this one.
                if futures_util::poll!(&mut answer).is_pending() {
                    break answer;
                }
            };
            change.send_replace(Arc::new(then));
            assert_eq!(answer.await.status(), expected);
        }
    }

    #[tokio::test]
    async fn the_gateways_own_transactions_need_no_site() {
        let world = World::new(Presence::On);
        let (answer, _) = world.fetch(control::AUTHORITY, "/receipts", false).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

//! Publishing through a gateway of 2008: one folder, one account, one gateway.
//!
//! Such a gateway gives no names and no receipts and knows no proofs; its operator wrote down which
//! account is behind which address. So nothing of the keeper is needed, only the guard and the folder.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use carriers::{
    LinkEnd,
    xmpp::{Login, LoginError, classic},
};
use crosstalk::xmpp::BareJid;
use http::HeaderValue;
use sites::folder::{Folder, FolderOptions};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    engine::StartError,
    fault::FolderFault,
    folders,
    front::{Front, Place, Presence, Routes},
    hand_over::{self, Desk},
    ledger::{Ledger, Now},
    meter::Meter,
    model::{PublishError, SiteId},
    naming,
    notes::{Book, Letterbox},
    session::{Door, Token},
    store::{Change, Store, StoredSite},
};

/// The host under which the site is known here. Nobody can ask for it from outside: what the visitor
/// asked is replaced by it.
const HOST: &str = "classic.veranda.invalid";

/// How long opening the folder may take: a disk may have to spin up.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the answers under way may take when it is stopped.
const GRACE: Duration = Duration::from_secs(2);

/// How often the book is tidied, which nobody reads: what such a gateway delivered it does not say.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What to publish, and through whom.
pub struct ClassicConfig {
    /// The store's file, which keeps the link; `None` makes a new link each time.
    pub store: Option<PathBuf>,
    /// The folder.
    pub folder: PathBuf,
    /// Its title; the folder's name if left out.
    pub title: Option<String>,
    /// Whether hidden files are served.
    pub hidden_files: bool,
    /// The owner's account, by which the gateway knows the site.
    pub login: Login,
    /// The gateway's account: nobody else is answered.
    pub gateway: BareJid,
}

/// A folder that can be published through a gateway of 2008.
pub struct Classic {
    front: Front,
    token: Token,
    title: String,
    login: Login,
    gateway: BareJid,
}

/// Why it cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum ClassicStartError {
    /// The store.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The folder.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// How it goes.
#[derive(Clone, Copy, Debug)]
pub enum ClassicNews<'a> {
    /// The account cannot log in.
    Refused(&'a LoginError),
    /// The session has ended; it is begun again.
    Lost,
}

impl Classic {
    /// Opens the folder and the store.
    ///
    /// # Errors
    /// See [`ClassicStartError`].
    pub async fn open(config: ClassicConfig) -> Result<Self, ClassicStartError> {
        let ClassicConfig { store, folder, title, hidden_files, login, gateway } = config;
        let (path, folder) = open_folder(folder, store.clone(), hidden_files).await?;
        let title = title.as_deref().and_then(naming::readable);
        let title = title.unwrap_or_else(|| naming::title(&path));
        let stored = remember(store, &path, &title, hidden_files).await?;
        let token = stored.sessions.first().cloned().unwrap_or_else(Token::generate);
        let mut ledger = Ledger::new(0);
        ledger.add_site(stored.id.clone(), HashSet::new());
        let place = Place {
            door: Door::new(vec![token.clone()], &stored.id.0, false),
            id: stored.id,
            name: title.as_str().into(),
            presence: Presence::On(folder),
            // There are no WebSockets on that wire.
            takes_notes: false,
        };
        let routes = Arc::new(Routes::from([(HOST.to_owned(), Arc::new(place))]));
        // The only value stays readable when the sender is gone.
        let (_, routes) = watch::channel(routes);
        let meter = Arc::new(Meter::new(ledger));
        let letterbox = Arc::new(Letterbox::new(Book::default()));
        // A gateway of 2008 gives one name only, and that is the folder's.
        let desk = Arc::new(Desk::new(hand_over::Book::default()));
        Ok(Self { front: Front { routes, meter, letterbox, desk }, token, title, login, gateway })
    }

    /// Returns the link, below the address that the gateway's operator gave to the account.
    #[must_use]
    pub fn link(&self, address: &str) -> String {
        format!("{}/", self.token.url(address.trim_end_matches('/')))
    }

    /// Returns the title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Answers until `stop` is cancelled; logs in again when the session ends.
    ///
    /// # Errors
    /// When the account cannot log in, and trying again does not help.
    pub async fn run(
        self,
        stop: CancellationToken,
        mut tell: impl FnMut(ClassicNews<'_>),
    ) -> Result<(), LoginError> {
        let meter = Arc::clone(&self.front.meter);
        let tidy = async {
            let mut ticks = interval(TIDY_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let mut ledger = meter.ledger();
                ledger.handle_timeout(Now::read());
                ledger.take_happenings();
            }
        };
        tokio::select! {
            ended = self.serve(stop, &mut tell) => ended,
            () = tidy => Ok(()),
        }
    }

    async fn serve(
        &self,
        stop: CancellationToken,
        tell: &mut impl FnMut(ClassicNews<'_>),
    ) -> Result<(), LoginError> {
        let mut backoff = Backoff::default();
        let mut link = 0;
        loop {
            link += 1;
            let handler = self.front.handler(link);
            let host = HeaderValue::from_static(HOST);
            let (login, gateway) = (&self.login, &self.gateway);
            match classic::serve(login, gateway, host, handler, stop.clone(), GRACE).await {
                Ok(LinkEnd::Closed) => return Ok(()),
                Ok(LinkEnd::Lost | LinkEnd::ServerLost | LinkEnd::Silent) => {
                    backoff.reset();
                    tell(ClassicNews::Lost);
                }
                Err(error) if !error.is_worth_retrying() => return Err(error),
                Err(error) => tell(ClassicNews::Refused(&error)),
            }
            self.front.meter.ledger().link_ended(link, Now::read());
            if stop.run_until_cancelled(sleep(backoff.next())).await.is_none() {
                return Ok(());
            }
        }
    }
}

async fn open_folder(
    asked: PathBuf,
    private: Option<PathBuf>,
    hidden: bool,
) -> Result<(PathBuf, Folder), PublishError> {
    let folder = asked.clone();
    let choose = tokio::task::spawn_blocking(move || {
        let (path, _) = folders::choose(&folder, private.as_deref())?;
        let opened = Folder::open(&path, FolderOptions { hidden });
        let opened = opened.map_err(|e| PublishError::Folder(folder, folders::reason(&e)))?;
        Ok((path, opened))
    });
    match timeout(OPEN_TIMEOUT, choose).await {
        Ok(Ok(chosen)) => chosen,
        Ok(Err(_)) | Err(_) => Err(PublishError::Folder(asked, FolderFault::Silent)),
    }
}

/// Finds the site in the store, or keeps it there, so that its link stays.
async fn remember(
    store: Option<PathBuf>,
    path: &Path,
    title: &str,
    hidden_files: bool,
) -> Result<StoredSite, ClassicStartError> {
    let opened = Store::open(store).await?;
    let known = opened.contents.sites.into_iter().find(|site| site.path == path);
    let site = match known {
        Some(site) => site,
        None => {
            let site = StoredSite {
                id: SiteId(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>())),
                name: title.to_owned(),
                path: path.to_owned(),
                on: true,
                hidden_files,
                takes_notes: true,
                sessions: vec![Token::generate()],
                labels: Vec::new(),
                visitors: HashSet::new(),
            };
            let kept = opened.store.apply(vec![Change::AddSite(Box::new(site.clone()))]).await;
            kept.map_err(PublishError::Store)?;
            site
        }
    };
    opened.store.close().await;
    Ok(site)
}

#[cfg(test)]
mod tests {
    use carriers::{tls::Roots, xmpp::Password};
    use crosstalk::transaction;
    use http::{Request, StatusCode};
    use tower::Service as _;

    use super::*;

    fn config(folder: &Path, store: Option<PathBuf>) -> ClassicConfig {
        ClassicConfig {
            store,
            folder: folder.to_owned(),
            title: None,
            hidden_files: false,
            login: Login {
                jid: BareJid::new("anna@chat.example").unwrap(),
                password: Password::from(String::new()),
                server: None,
                roots: Roots::System,
            },
            gateway: BareJid::new("gateway@chat.example").unwrap(),
        }
    }

    #[tokio::test]
    async fn the_link_stays_and_opens_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("texts");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.txt"), "hello").unwrap();
        let store = Some(place.path().join("store.sqlite3"));
        let first = Classic::open(config(&folder, store.clone())).await.unwrap();
        let link = first.link("http://old.example:8080/anna/");
        assert!(link.starts_with("http://old.example:8080/anna/s/") && link.ends_with('/'));
        let again = Classic::open(config(&folder, store)).await.unwrap();
        assert_eq!(again.link("http://old.example:8080/anna"), link);
        assert_eq!(again.title(), "texts");

        let mut handler = again.front.handler(1);
        let path = again.link("") + "a.txt";
        for (path, status) in [(&*path, StatusCode::SEE_OTHER), ("/a.txt", StatusCode::NOT_FOUND)] {
            let request = Request::get(path).header("host", HOST);
            let request = request.body(transaction::empty()).unwrap();
            assert_eq!(handler.call(request).await.unwrap().status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn it_stops_while_a_server_says_nothing() {
        let place = tempfile::tempdir().unwrap();
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = config(place.path(), None);
        config.login.server = Some(("127.0.0.1".to_owned(), server.local_addr().unwrap().port()));
        let classic = Classic::open(config).await.unwrap();
        let stop = CancellationToken::new();
        let running = classic.run(stop.clone(), |news| panic!("{news:?}"));
        let stopping = async {
            let connection = server.accept().await.unwrap();
            stop.cancel();
            connection
        };
        let both = async { tokio::join!(running, stopping) };
        let (ended, _connection) = timeout(Duration::from_secs(5), both).await.unwrap();
        assert!(ended.is_ok());
    }
}

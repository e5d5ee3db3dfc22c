//! Sites that are reached over the wire of 2008: names of the gateway's own, each of which leads to the
//! account of one counterpart.

use std::{collections::HashSet, str::FromStr, sync::Arc};

use carriers::xmpp::{Login, LoginError, classic::Desk};
use crosstalk::{
    label::Label,
    proof::{PrivateKey, PublicKey},
    xmpp::BareJid,
};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{addresses::Addresses, limits, links::Links, names::Names, own, shared::Shared};

/// The counterparts of 2008 that a gateway leads visitors to.
#[derive(Clone)]
pub struct Classic {
    /// The account from which they are asked.
    pub login: Login,
    /// Whom, and under which names.
    pub sites: Vec<ClassicSite>,
}

/// A name and the account behind it; as text `NAME=JID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicSite {
    /// The name. Nobody can claim it.
    pub name: Label,
    /// The counterpart's account.
    pub account: BareJid,
}

/// Why a gateway cannot lead visitors to counterparts of 2008.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassicError {
    /// The text is not `NAME=JID`.
    #[error("it looks like photos=anna@chat.example")]
    Text,
    /// One name or one account stands there twice.
    #[error("{0} stands there twice")]
    Twice(String),
    /// The gateway cannot be its own counterpart.
    #[error("{0} is the gateway's own account")]
    Own(BareJid),
    /// Somebody has the name already.
    #[error("the name {0} belongs to somebody; take another one")]
    Taken(Label),
}

/// The counterparts, before anybody logged in.
pub(crate) struct OpenClassic {
    login: Login,
    sites: Vec<(ClassicSite, PublicKey)>,
}

impl FromStr for ClassicSite {
    type Err = ClassicError;

    fn from_str(text: &str) -> Result<Self, ClassicError> {
        let (name, account) = text.split_once('=').ok_or(ClassicError::Text)?;
        let name = name.parse().map_err(|_| ClassicError::Text)?;
        let account = carriers::xmpp::given::jid(account).map_err(|_| ClassicError::Text)?;
        Ok(Self { name, account })
    }
}

impl OpenClassic {
    /// Reserves the names.
    pub(crate) fn open(classic: Classic, names: &Names) -> Result<Self, ClassicError> {
        let Classic { login, sites } = classic;
        let mut seen = HashSet::new();
        for site in &sites {
            if site.account == login.jid {
                return Err(ClassicError::Own(site.account.clone()));
            }
            for text in [site.name.to_string(), site.account.to_string()] {
                if !seen.insert(text.clone()) {
                    return Err(ClassicError::Twice(text));
                }
            }
            if names.owner(&site.name).is_some() {
                return Err(ClassicError::Taken(site.name.clone()));
            }
        }
        let reserve = |site: ClassicSite| {
            // Whose name it is says a key; of this one nobody has the private half.
            let key = PrivateKey::generate().public();
            names.reserve(site.name.clone(), key);
            (site, key)
        };
        Ok(Self { login, sites: sites.into_iter().map(reserve).collect() })
    }

    /// Keeps links to all counterparts that are there, until `stop` is cancelled; links that are up
    /// then end with the others of the gateway.
    pub(crate) async fn keep(self, shared: Arc<Shared>, stop: CancellationToken) {
        let Self { login, sites } = self;
        let (links, tasks) = (shared.links.clone(), shared.tasks.clone());
        let places = shared.links_of_addresses.clone();
        drop(shared);
        let accounts: Vec<BareJid> = sites.iter().map(|(site, _)| site.account.clone()).collect();
        let mut wait = limits::CLASSIC_FIRST_WAIT;
        loop {
            let opened =
                timeout(limits::CLASSIC_LOGIN, Desk::open(&login, accounts.clone(), &tasks));
            let Some(opened) = stop.run_until_cancelled(opened).await else { return };
            let mut pause = None;
            match opened.unwrap_or(Err(LoginError::TimedOut)) {
                Ok(desk) => {
                    tracing::info!(account = %login.jid, "Counterparts of 2008 can be asked");
                    wait = limits::CLASSIC_FIRST_WAIT;
                    let kept = TaskTracker::new();
                    for (site, key) in sites.clone() {
                        let (desk, stop) = (desk.clone(), stop.clone());
                        let (links, turn) = (links.clone(), places.clone());
                        let keep = keep_one(desk, site, key, links, turn, stop);
                        tasks.spawn(kept.track_future(keep));
                    }
                    kept.close();
                    if stop.run_until_cancelled(desk.ended()).await.is_none() {
                        return;
                    }
                    kept.wait().await;
                    tracing::warn!(
                        account = %login.jid,
                        "The session for counterparts of 2008 has ended. The gateway logs in again"
                    );
                }
                Err(error) if error.is_worth_retrying() => tracing::warn!(
                    account = %login.jid, %error,
                    "Counterparts of 2008 cannot be asked. The gateway tries again"
                ),
                Err(error) => {
                    tracing::error!(
                        account = %login.jid, %error,
                        "Counterparts of 2008 cannot be asked. The gateway tries again, but seldom"
                    );
                    pause = Some(limits::XMPP_REFUSED_PAUSE);
                }
            }
            let shortened = wait.mul_f64(rand::random_range(0.5..=1.0));
            let pause = pause.unwrap_or(shortened);
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
            wait = wait.saturating_mul(2).min(limits::CLASSIC_LAST_WAIT);
        }
    }
}

/// Keeps a link to one counterpart until its session ends or the gateway stops.
async fn keep_one(
    desk: Desk,
    site: ClassicSite,
    key: PublicKey,
    links: Links,
    places: Addresses,
    stop: CancellationToken,
) {
    loop {
        let Some(Some(link)) = stop.run_until_cancelled(desk.link(&site.account)).await else {
            return;
        };
        let Some(berth) = links.berth(key, places.uncounted()) else {
            link.close();
            tracing::warn!("There is no room for a link to a counterpart of 2008");
            if stop.run_until_cancelled(sleep(limits::CLASSIC_LAST_WAIT)).await.is_none() {
                return;
            }
            continue;
        };
        own::keep(links.clone(), berth, Some(site.name.clone()), link).await;
        // One that ends at once would be begun anew as fast as this computer can.
        if stop.run_until_cancelled(sleep(limits::CLASSIC_FIRST_WAIT)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use carriers::{tls::Roots, xmpp::Password};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::names::NameError;

    fn site(text: &str) -> ClassicSite {
        text.parse().unwrap()
    }

    fn classic(sites: &[&str]) -> Classic {
        let login = Login {
            jid: BareJid::new("gateway@chat.example").unwrap(),
            password: Password::from(String::new()),
            server: None,
            roots: Roots::System,
        };
        Classic { login, sites: sites.iter().map(|text| site(text)).collect() }
    }

    #[test]
    fn reads_what_the_help_says() {
        // Chat programs show the address of a session, too.
        for good in ["photos=anna@chat.example", "photos=anna@chat.example/phone"] {
            let read = site(good);
            assert_eq!(read.name.as_str(), "photos");
            assert_eq!(read.account.as_str(), "anna@chat.example");
        }
        for bad in [
            "",
            "photos",
            "photos=",
            "=anna@chat.example",
            "ph otos=anna@chat.example",
            "photos=chat.example",
        ] {
            assert_eq!(bad.parse::<ClassicSite>(), Err(ClassicError::Text), "{bad}");
        }
    }

    #[tokio::test]
    async fn nobody_else_can_have_the_name() {
        let (names, _) = Names::open(None, false, &TaskTracker::new()).await.unwrap();
        let stranger = PrivateKey::generate().public();
        names.claim("taken".parse().unwrap(), stranger).await.unwrap();
        for (sites, why) in [
            (["aaa=anna@x.example", "aaa=ben@x.example"], "aaa stands there twice"),
            (["aaa=anna@x.example", "bbb=anna@x.example"], "anna@x.example stands there twice"),
            (
                ["aaa=anna@x.example", "bbb=gateway@chat.example"],
                "gateway@chat.example is the gateway's own account",
            ),
            (
                ["taken=anna@x.example", "bbb=ben@x.example"],
                "the name taken belongs to somebody; take another one",
            ),
        ] {
            let error = OpenClassic::open(classic(&sites), &names).err().unwrap();
            assert_eq!(error.to_string(), why);
        }
        let open = OpenClassic::open(classic(&["photos=anna@x.example"]), &names).unwrap();
        let label: Label = "photos".parse().unwrap();
        assert_eq!(names.owner(&label), Some(open.sites[0].1));
        assert_eq!(names.claim(label.clone(), stranger).await, Err(NameError::Taken));
        assert_eq!(names.release(label.clone(), stranger).await, Err(NameError::Taken));
        assert!(names.owner(&label).is_some());
    }
}

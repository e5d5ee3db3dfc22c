//! Publishes one folder through a gateway of 2008.

use std::io::{self, Write as _};

use carriers::xmpp::{Login, LoginError};
use crosstalk::xmpp::BareJid;
use peer::{Classic, ClassicConfig, ClassicNews};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ACCOUNT, FOLDER, Failure, Publish, publish::place, say};

/// What stands in a link before the address is known.
const SOME_ADDRESS: &str = "ADDRESS";

/// Reads what links begin with; such a gateway may well be one without TLS.
pub(super) fn address(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_good = |uri: http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    };
    if !text.contains('#') && text.parse().is_ok_and(is_good) {
        Ok(text.to_owned())
    } else {
        Err("it looks like http://gateway.example:8080/name")
    }
}

/// Publishes until `ending` does.
pub(super) async fn run(
    arguments: &Publish,
    folder: std::path::PathBuf,
    login: Login,
    gateway: BareJid,
    ending: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let config = ClassicConfig {
        store: Some(place(arguments.data.clone(), &folder).file()?),
        folder,
        title: arguments.name.clone(),
        hidden_files: arguments.hidden_files,
        login,
        gateway: gateway.clone(),
    };
    let classic = Classic::open(config).await;
    let classic = classic.map_err(|error| Failure::new(FOLDER, format!("{error}.")))?;
    tell(&classic, arguments, &gateway).map_err(|error| Failure::new(FOLDER, error.to_string()))?;
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let running = classic.run(stop.clone(), |news| match news {
        ClassicNews::Lost => say("The session at the XMPP server has ended. Trying again."),
        ClassicNews::Refused(error) => say(&format!("{} Trying again.", sentence(error))),
    });
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = ending => {
            stop.cancel();
            running.await
        }
    };
    ended.map_err(|error| Failure::new(ACCOUNT, sentence(&error)))
}

/// Tells the link, as far as it is known here: which address the gateway gives to the account says its
/// operator.
fn tell(classic: &Classic, arguments: &Publish, gateway: &BareJid) -> io::Result<()> {
    let title = classic.title();
    let known = arguments.classic_address.as_deref();
    let link = classic.link(known.unwrap_or(SOME_ADDRESS));
    let line = if arguments.json {
        json!({ "event": "published", "site": title, "url": link }).to_string()
    } else {
        format!("{title} is published at\n{link}")
    };
    writeln!(io::stdout(), "{line}")?;
    if known.is_none() {
        say(&format!(
            "In the place of {SOME_ADDRESS} stands what the operator of {gateway} gave to your \
             account, like http://gateway.example:8080/name. Say it with --classic-address."
        ));
    }
    say(
        "This gateway is of 2008: it carries texts, no photos, and nobody is told who fetches what.",
    );
    Ok(())
}

fn sentence(error: &LoginError) -> String {
    format!("Your XMPP account cannot be used: {error}.")
}

//! Every sentence that the app says by itself: menu, notifications, problems. The window's words
//! are the window's own.

use std::path::Path;

use crosstalk::address::{AddressError, GatewayAddress};
use peer::{Note, PublishError, SiteTrouble, TransferRecord, keys::KeyError};

use crate::{
    account::{NoPassword, OwnerJid},
    display,
    keychain::{KeptIn, NoKey},
    notices::Notification,
    printable::{MAX_SENTENCE, MAX_SHOWN, printable},
    request::Request,
    settings,
    tray::{Icon, is_open},
    view::{Connection, Phase, View},
};

mod hand_over;

pub(crate) use self::hand_over::*;
pub use self::hand_over::{ALLOW, ASK_FOR_FILES, PUBLISH_FOLDER, REFUSE, SEND_FILES};

/// The app's name.
pub const APP: &str = "Veranda";
/// A line of the menu.
pub const COPY_LINK: &str = "Copy link";
/// A line of the menu.
pub const PAUSE_ALL: &str = "Pause everything";
/// A line of the menu.
pub const QUIT: &str = "Quit";
/// A line of the menu.
pub const SHOW_WINDOW: &str = "Open Veranda";
/// A line of the menu.
pub const SITE_ON: &str = "On";

/// Says in the menu what the icon shows.
pub(crate) fn status(icon: Icon, view: &View) -> String {
    let published = view.sites.iter().filter(|site| site.on).count();
    let words = match (&view.phase, icon) {
        (Phase::Starting, _) => "Starting…",
        (Phase::NeedsKey { .. }, _) => "Veranda needs you: open it",
        (Phase::Failed { .. }, _) => "Veranda cannot start: open it",
        (Phase::Ready, _) if view.paused => "Everything is paused",
        (Phase::Ready, Icon::Idle) => "Nothing is published",
        (Phase::Ready, Icon::Offline) => match view.connection {
            Connection::Connecting => "Connecting…",
            Connection::Connected { .. } | Connection::Lost { .. } => "No connection",
        },
        (Phase::Ready, Icon::Active) if view.transfers.is_empty() => "Files are on their way",
        (Phase::Ready, Icon::Active) => "Somebody is fetching",
        (Phase::Ready, Icon::Published) if published == 0 => {
            return open_links(view.hand_overs.iter().filter(|one| is_open(one)).count());
        }
        (Phase::Ready, Icon::Published) if published == 1 => "1 folder is published",
        (Phase::Ready, Icon::Published) => return format!("{published} folders are published"),
    };
    words.to_owned()
}

pub(crate) fn more_sites(more: usize) -> String {
    format!("{more} more…")
}

pub(crate) fn connection_lost() -> Notification {
    Notification::new(
        "Your links do not work now",
        "The connection to the gateway is lost. Veranda keeps trying.",
    )
}

pub(crate) fn connection_regained() -> Notification {
    Notification::new("Your links work again", "The connection to the gateway is back.")
}

/// Tells of the first visitors to sites, `last` being the title of one of them.
pub(crate) fn first_visitors(last: &str, count: usize) -> Notification {
    let last = printable(last, MAX_SHOWN);
    let body = match count {
        0 | 1 => format!("Somebody opened “{last}” for the first time."),
        2 => format!("“{last}” and another folder were opened for the first time."),
        _ => format!("“{last}” and {} other folders were opened for the first time.", count - 1),
    };
    Notification::new("The first visitor is here", body)
}

/// Tells of transfers that were finished, `last` being one of them.
pub(crate) fn transfers_finished(last: &TransferRecord, count: usize) -> Notification {
    let file = printable(&last.file, MAX_SHOWN);
    let agent = printable(last.agent.trim(), MAX_SHOWN);
    let place = display::place(last.visitor);
    let who = if agent.is_empty() { place } else { format!("{place} ({agent})") };
    let size = size(last.size);
    match count {
        0 | 1 => {
            Notification::new("A file was delivered", format!("“{file}” ({size}) reached {who}."))
        }
        _ => Notification::new(
            format!("{count} files were delivered"),
            format!("The last was “{file}” ({size}), to {who}."),
        ),
    }
}

/// Tells of notes, `last` being one of them, about the site with this title.
pub(crate) fn notes(last: &Note, title: &str, count: usize) -> Notification {
    let title = printable(title, MAX_SHOWN);
    let words: Vec<&str> = last.text.split_whitespace().collect();
    let text = printable(&words.join(" "), MAX_SENTENCE);
    let who = display::who(last.visitor, &last.agent);
    let (title, body) = match count {
        0 | 1 => (format!("A note about “{title}”"), format!("{text}\n– {who}")),
        _ => (format!("{count} notes of visitors"), format!("The last, about “{title}”: {text}")),
    };
    let click = Some(Request::OpenNotes { site: last.site.0.clone() });
    let answers = (count <= 1 && last.answerable).then(|| last.id.0.to_string());
    Notification { click, answers, ..Notification::new(title, body) }
}

/// What stands on the button of a note's notification, and in its field.
pub const ANSWER: &str = "Answer";
/// See [`ANSWER`].
pub const ANSWER_HERE: &str = "Write an answer…";
/// What a click on a notification does, where the system says it.
pub const OPEN: &str = "Open";

pub(crate) fn stays_in_tray() -> Notification {
    Notification::new(
        "Veranda keeps running",
        "Your links go on working. You find Veranda in the tray, and Quit in its menu.",
    )
}

pub(crate) fn waits_for_key() -> Notification {
    Notification::new(
        "Veranda needs you",
        "Your links do not work before you open Veranda and let it use its key.",
    )
}

/// Says who fetches, when it is somebody at this very computer.
pub(crate) const THIS_COMPUTER: &str = "this computer";
/// Says who fetches, when the gateway did not say.
pub(crate) const SOMEBODY: &str = "somebody";

pub(crate) fn kept_in(kept_in: KeptIn) -> &'static str {
    match kept_in {
        KeptIn::File => "an encrypted file beside the settings",
        KeptIn::Keychain => "the keychain of this computer",
    }
}

pub(crate) fn no_key(why: &NoKey) -> String {
    match why {
        NoKey::FileLocked => "The key is in an encrypted file. Type its passphrase.".to_owned(),
        NoKey::Gone => "The keychain does not have your key any more. If it is only locked, \
                        unlock it and try again. A new key can be kept in an encrypted file; \
                        folders that are published now then need new links."
            .to_owned(),
        NoKey::Refused(KeyError::NoKeychain) => {
            "This computer has no keychain that Veranda could keep its key in. The key can be \
             kept in an encrypted file instead: choose a passphrase for it."
                .to_owned()
        }
        NoKey::Refused(KeyError::Locked) => {
            "The keychain of this computer did not let Veranda in. Unlock it and try again, or \
             keep a new key in an encrypted file."
                .to_owned()
        }
        NoKey::Refused(KeyError::WrongPassphrase) => {
            "That passphrase does not open the key file.".to_owned()
        }
        NoKey::Refused(KeyError::Damaged(why)) => format!(
            "What is kept as your key cannot be read ({}). Put back a good copy and try again.",
            printable(why, MAX_SENTENCE)
        ),
        NoKey::Refused(KeyError::File(path, error)) => {
            format!("The key file {} cannot be used: {error}.", shown(path))
        }
    }
}

pub(crate) fn no_password(jid: &OwnerJid, why: &NoPassword) -> String {
    let jid = printable(&jid.to_string(), MAX_SHOWN);
    match why {
        NoPassword::Gone => format!(
            "The password of {jid} is not kept any more. Type it again in the settings, under \
             “Gateway”."
        ),
        NoPassword::Refused(KeyError::NoKeychain | KeyError::Locked) => format!(
            "The keychain of this computer did not let Veranda read the password of {jid}. Unlock \
             it and try again."
        ),
        NoPassword::Refused(
            KeyError::Damaged(_) | KeyError::WrongPassphrase | KeyError::File(..),
        ) => format!(
            "What is kept as the password of {jid} cannot be read. Type it again in the settings, \
             under “Gateway”."
        ),
    }
}

pub(crate) fn password_not_kept(error: &KeyError) -> String {
    match error {
        KeyError::NoKeychain | KeyError::Locked => {
            "The keychain of this computer did not let Veranda keep the password. Unlock it and \
             try again."
                .to_owned()
        }
        KeyError::Damaged(why) => format!(
            "The password could not be kept ({}). Nothing was changed.",
            printable(why, MAX_SENTENCE)
        ),
        KeyError::File(path, error) => {
            format!("The password could not be kept in {}: {error}.", shown(path))
        }
        KeyError::WrongPassphrase => "The password could not be kept.".to_owned(),
    }
}

pub(crate) fn not_forgotten(error: &KeyError) -> String {
    match error {
        KeyError::File(path, error) => format!(
            "The password could not be forgotten, because {} cannot be deleted: {error}.",
            shown(path)
        ),
        KeyError::NoKeychain
        | KeyError::Locked
        | KeyError::Damaged(_)
        | KeyError::WrongPassphrase => {
            "The password could not be forgotten, because the keychain of this computer did not \
             let Veranda in. Unlock it and try again."
                .to_owned()
        }
    }
}

pub(crate) fn site_trouble(trouble: &SiteTrouble) -> String {
    match trouble {
        SiteTrouble::FolderGone => {
            "The folder is not there any more, or cannot be read.".to_owned()
        }
        SiteTrouble::NameTaken => {
            "The gateway gave this link's name to somebody else. Remove the folder here and add \
             it again to get a new link."
                .to_owned()
        }
        SiteTrouble::Refused(sentence) => {
            format!("The gateway refuses it: {}", printable(sentence, MAX_SENTENCE))
        }
    }
}

pub(crate) fn not_published(error: &PublishError) -> String {
    match error {
        PublishError::Already(_) => "This folder is published already.".to_owned(),
        PublishError::Folder(path, why) => {
            format!("{} cannot be published: {}.", shown(path), printable(why, MAX_SENTENCE))
        }
        PublishError::Store(why) => {
            format!("That could not be kept: {}. Is the disk full?", printable(why, MAX_SENTENCE))
        }
        PublishError::TooMuch(path) => format!(
            "{} holds far more than you want to publish. Choose a folder inside it.",
            shown(path)
        ),
        PublishError::Unknown => "That is not there any more.".to_owned(),
    }
}

pub(crate) fn damaged(what: &str, aside: &Path) -> String {
    format!(
        "The {what} could not be read. Veranda began anew and kept what was there as {}.",
        shown(aside)
    )
}

pub(crate) fn damaged_account(copy: &Path) -> String {
    format!(
        "The XMPP account in the settings could not be read. Type it again in the settings if you use \
         it; a copy of what was there is {}.",
        shown(copy)
    )
}

pub(crate) fn port_changed(from: u16, to: u16) -> String {
    format!(
        "Another program uses port {from}, so Veranda moved to port {to}. Links that you gave \
         away before have the old one: copy them again."
    )
}

pub(crate) fn gateway_ended() -> String {
    "The gateway inside the app stopped by surprise, so links do not work. Press “Try again”."
        .to_owned()
}

pub(crate) fn no_answer(address: &GatewayAddress) -> String {
    format!("No gateway answers at {address}: it took too long.")
}

pub(crate) fn gateway_has_another_address(address: &GatewayAddress, origin: &str) -> String {
    format!(
        "The gateway at {address} says that its address is {}. Use that one.",
        printable(origin, MAX_SHOWN)
    )
}

pub(crate) const NOT_READY: &str = "Veranda is not ready yet: it needs its key first.";
pub(crate) const NEEDS_ACCOUNT: &str =
    "This gateway is reached over a chat account. Type your XMPP address and its password.";
pub(crate) const NO_LINK_YET: &str = "The link is not ready yet: the gateway has not confirmed it.";
pub(crate) const GONE: &str = "That is not there any more.";
pub(crate) const ENDING: &str = "Veranda is ending.";
pub(crate) const ENGINE_ENDED: &str =
    "What publishes your folders stopped by surprise. Press “Try again”.";
pub(crate) const BAD_NAME: &str = "A name has 1 to 60 characters.";
pub(crate) const BAD_ANSWER: &str = "An answer has 1 to 1000 characters.";
pub(crate) const SHORT_PASSPHRASE: &str = "A passphrase has at least 8 characters.";
pub(crate) const KEY_IN_USE: &str = "The key is there already.";
pub(crate) const NO_PATH: &str = "That is not a folder of this computer.";
pub(crate) const TOO_BUSY: &str = "Veranda is still busy with what you asked before.";
pub(crate) const TOO_LATE: &str = "That took too long. Please try again.";
pub(crate) const STRANGE_LINK: &str = "The gateway made a link that is no web address.";
pub(crate) const START_TAKES_LONG: &str = "the data folder took too long to open";

/// Makes a sentence of what is wrong with a pasted address.
pub(crate) fn bad_address(error: &AddressError) -> String {
    sentence_of(&error.to_string())
}

/// Makes a sentence of the words of an error.
fn sentence_of(why: &str) -> String {
    let why = printable(why, MAX_SENTENCE);
    let mut letters = why.chars();
    letters
        .next()
        .map_or(why.clone(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

pub(crate) fn settings_unreadable(error: &std::io::Error) -> String {
    format!("The settings cannot be read: {error}. Nothing was changed.")
}

pub(crate) fn not_kept(error: &std::io::Error) -> String {
    format!("The change could not be kept in {}: {error}.", settings::FILE_NAME)
}

pub(crate) fn system_refused(what: &str, error: &anyhow::Error) -> String {
    format!("{what} did not work: {}.", printable(&format!("{error:#}"), MAX_SENTENCE))
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), MAX_SHOWN)
}

/// Says a size as people do, in powers of 1000 as shops and most systems count.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    // The last unit is open upwards; tenths are enough for anybody.
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    let name = UNITS[unit];
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_do() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (9_999, "9.9 kB"),
            (12_345, "12 kB"),
            (1_000_000, "1.0 MB"),
            (999_999, "999 kB"),
            (1_200_000_000, "1.2 GB"),
            (u64::MAX, "18446 PB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }
}

//! Every sentence that the app says by itself: menu, notifications, problems. The window's words
//! are the window's own.
//!
//! They stand in `locales/`, a file a language; here each has a function, with what it needs.

use std::net::IpAddr;

use peer::{Note, Program, TransferRecord};

use crate::{
    language::Language,
    notices::Notification,
    printable::{MAX_SENTENCE, MAX_SHOWN, printable},
    request::Request,
    shell::Choice,
    tray::{Icon, is_open},
    view::{Connection, Phase, View},
};

mod cause;
mod hand_over;
mod locale;
#[cfg(test)]
mod tests;
mod trouble;

use self::locale::Values;
pub(crate) use self::{hand_over::allows, trouble::Deed};

/// The app's name, which is the same in every language.
pub const APP: &str = "Veranda";

/// What says the app's sentences, in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(Language);

/// Gives each sentence without values a function.
macro_rules! sentences {
    ($($name:ident = $id:literal;)*) => {
        impl Words {
            $(pub(crate) fn $name(self) -> String { self.say($id, &[]) })*
        }
    };
}
use sentences;

sentences! {
    copy_link = "menu-copy-link";
    pause_all = "menu-pause-all";
    quit = "menu-quit";
    show_window = "menu-show-window";
    site_on = "menu-site-on";
    publish_folder = "menu-publish-folder";
    send_files = "menu-send-files";
    ask_for_files = "menu-ask-for-files";
    answer = "notice-answer";
    answer_here = "notice-answer-here";
    open = "notice-open";
    first_name = "first-name";
}

impl Words {
    /// Says them in this language.
    #[must_use]
    pub const fn of(language: Language) -> Self {
        Self(language)
    }

    /// Returns the language.
    pub(crate) const fn language(self) -> Language {
        self.0
    }

    fn say(self, id: &'static str, values: Values<'_>) -> String {
        locale::say(self.0, id, None, values)
    }

    fn notification(self, id: &'static str, values: Values<'_>) -> Notification {
        Notification::new(self.say(id, values), locale::say(self.0, id, Some("body"), values))
    }

    /// Says in the menu what the icon shows.
    pub(crate) fn status(self, icon: Icon, view: &View) -> String {
        let published = view.sites.iter().filter(|site| site.on).count();
        let id = match (&view.phase, icon) {
            (Phase::Starting, _) => "status-starting",
            (Phase::NeedsKey { .. }, _) => "status-needs-key",
            (Phase::Failed { .. }, _) => "status-failed",
            (Phase::Ready, _) if view.paused => "status-paused",
            (Phase::Ready, Icon::Idle) => "status-idle",
            (Phase::Ready, Icon::Offline) => match view.connection {
                Connection::Connecting => "status-connecting",
                Connection::Connected { .. } | Connection::Lost { .. } => "status-offline",
            },
            (Phase::Ready, Icon::Active) if view.transfers.is_empty() => "status-handing-over",
            (Phase::Ready, Icon::Active) => "status-fetching",
            (Phase::Ready, Icon::Published) if published == 0 => {
                let open = view.hand_overs.iter().filter(|one| is_open(one)).count();
                return self.say("status-links", &[("count", open.into())]);
            }
            (Phase::Ready, Icon::Published) => {
                return self.say("status-published", &[("count", published.into())]);
            }
        };
        self.say(id, &[])
    }

    pub(crate) fn more_sites(self, more: usize) -> String {
        self.say("menu-more-sites", &[("count", more.into())])
    }

    /// Says in the menu that somebody waits for an answer.
    pub(crate) fn asking(self, count: usize) -> String {
        self.say("menu-asking", &[("count", count.into())])
    }

    /// The title of a dialog of the system.
    pub(crate) fn dialog(self, choice: Choice) -> String {
        let id = match choice {
            Choice::Files => "dialog-files",
            Choice::Folder => "dialog-folder",
            Choice::Inbox => "dialog-inbox",
        };
        self.say(id, &[])
    }

    pub(crate) fn connection_lost(self) -> Notification {
        self.notification("notice-connection-lost", &[])
    }

    pub(crate) fn connection_regained(self) -> Notification {
        self.notification("notice-connection-regained", &[])
    }

    /// Tells of the first visitors to sites, `last` being the title of one of them.
    pub(crate) fn first_visitors(self, last: &str, count: usize) -> Notification {
        let (title, others) = (printable(last, MAX_SHOWN), count.saturating_sub(1));
        let values = [("title", title.into()), ("others", others.into())];
        self.notification("notice-first-visitors", &values)
    }

    /// Tells of transfers that were finished, `last` being one of them.
    pub(crate) fn transfers_finished(self, last: &TransferRecord, count: usize) -> Notification {
        let (place, agent) = (self.place(last.visitor), self.program(&last.agent));
        let who = if agent.is_empty() { place } else { format!("{place} ({agent})") };
        let file = ("file", printable(&last.file, MAX_SHOWN).into());
        let (size, who) = (("size", self.size(last.size).into()), ("who", who.into()));
        match count {
            0 | 1 => self.notification("notice-file-delivered", &[file, size, who]),
            _ => {
                let count = ("count", count.into());
                self.notification("notice-files-delivered", &[file, size, who, count])
            }
        }
    }

    /// Tells of notes, `last` being one of them, about the site with this title.
    pub(crate) fn notes(self, last: &Note, title: &str, count: usize) -> Notification {
        let title = ("title", printable(title, MAX_SHOWN).into());
        let words: Vec<&str> = last.text.split_whitespace().collect();
        let text = ("text", printable(&words.join(" "), MAX_SENTENCE).into());
        let told = match count {
            0 | 1 => {
                let who = ("who", self.who(last.visitor, &last.agent).into());
                self.notification("notice-note", &[title, text, who])
            }
            _ => self.notification("notice-notes", &[title, text, ("count", count.into())]),
        };
        let click = Some(Request::OpenNotes { site: last.site.0.clone() });
        let answers = (count <= 1 && last.answerable).then(|| last.id.0.to_string());
        Notification { click, answers, ..told }
    }

    pub(crate) fn stays_in_tray(self) -> Notification {
        self.notification("notice-stays-in-tray", &[])
    }

    pub(crate) fn waits_for_key(self) -> Notification {
        self.notification("notice-waits-for-key", &[])
    }

    /// Says who a visitor is: the address, and the program as far as it is known.
    pub(crate) fn who(self, visitor: Option<IpAddr>, agent: &str) -> String {
        let (place, agent) = (self.place(visitor), self.program(agent));
        if agent.is_empty() { place } else { format!("{place} · {agent}") }
    }

    /// Says where a visitor is.
    pub(crate) fn place(self, visitor: Option<IpAddr>) -> String {
        match visitor {
            None => self.say("visitor-somebody", &[]),
            Some(address) if address.to_canonical().is_loopback() => self.say("visitor-here", &[]),
            Some(address) => address.to_canonical().to_string(),
        }
    }

    /// Names a visitor's program; empty when it is not known.
    fn program(self, agent: &str) -> String {
        let agent = printable(agent.trim(), MAX_SHOWN);
        match Program::of(&agent) {
            Program::Browser { name: Some(name), system: Some(system) } => {
                self.say("program-on", &[("name", name.into()), ("system", system.into())])
            }
            Program::Browser { name: Some(name), system: None } => name.to_owned(),
            Program::Browser { name: None, system: Some(system) } => {
                self.say("browser-on", &[("system", system.into())])
            }
            Program::Browser { name: None, system: None } => self.say("browser", &[]),
            Program::Other(name) => name.to_owned(),
        }
    }

    /// Says a size as people do, in powers of 1000 as shops and most systems count.
    fn size(self, bytes: u64) -> String {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if bytes < 1000 {
            return self.say("size-bytes", &[("count", bytes.into())]);
        }
        // The last unit is open upwards; tenths are enough for anybody.
        let (mut tenths, mut unit) = (bytes / 100, 0);
        while tenths >= 10_000 && unit + 1 < UNITS.len() {
            tenths /= 1000;
            unit += 1;
        }
        let (whole, unit) = (("whole", (tenths / 10).into()), ("unit", UNITS[unit].into()));
        if tenths < 100 {
            self.say("size-tenths", &[whole, ("tenth", (tenths % 10).into()), unit])
        } else {
            self.say("size-whole", &[whole, unit])
        }
    }
}

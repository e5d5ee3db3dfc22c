//! The tray icon and its menu, as values computed from the view.
//!
//! Linux does not deliver clicks on the icon itself, so everything is in the menu.

use crate::{
    printable::printable,
    request::Request,
    view::{Connection, HandOver, Phase, Site, Stage, View},
    words::Words,
};

/// How many sites have a line in the menu; more do not fit on a screen.
pub const MAX_MENU_SITES: usize = 20;

/// The longest title in the menu, in characters.
pub const MAX_MENU_LABEL: usize = 40;

/// The icon with its menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tray {
    /// What the icon shows.
    pub icon: Icon,
    /// The same in words: where the system shows them, and as the menu's first line.
    pub status: String,
    /// The menu.
    pub menu: Menu,
}

/// What the icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Somebody is fetching.
    Active,
    /// Nothing is published.
    Idle,
    /// Something should be published, and there is no connection.
    Offline,
    /// Something is published.
    Published,
}

/// A menu, from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu(pub Vec<Entry>);

/// One line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line with a check mark.
    Check {
        /// What it says.
        label: String,
        /// Whether it is checked.
        on: bool,
        /// What a click asks for.
        click: Request,
    },
    /// A line to click on.
    Item {
        /// What it says.
        label: String,
        /// What a click asks for.
        click: Request,
    },
    /// A line that only says something.
    Label(String),
    /// A line between groups.
    Separator,
    /// A menu of its own.
    Submenu {
        /// What it says.
        label: String,
        /// What is in it.
        menu: Menu,
    },
}

/// Computes the tray.
#[must_use]
pub fn tray(view: &View) -> Tray {
    let icon = icon(view);
    Tray { icon, status: Words::of(view.language).status(icon, view), menu: menu(view) }
}

/// Computes the icon.
#[must_use]
pub fn icon(view: &View) -> Icon {
    match view.phase {
        Phase::Failed { .. } | Phase::NeedsKey { .. } => return Icon::Offline,
        Phase::Starting => return Icon::Idle,
        Phase::Ready => {}
    }
    if view.paused
        || !(view.sites.iter().any(|site| site.on) || view.hand_overs.iter().any(is_open))
    {
        return Icon::Idle;
    }
    let passes = |hand_over: &HandOver| !hand_over.passing.is_empty();
    match view.connection {
        Connection::Connecting | Connection::Lost { .. } => Icon::Offline,
        Connection::Connected { .. }
            if view.transfers.is_empty() && !view.hand_overs.iter().any(passes) =>
        {
            Icon::Published
        }
        Connection::Connected { .. } => Icon::Active,
    }
}

/// Returns whether the link of a hand-over leads somewhere.
pub(crate) fn is_open(hand_over: &HandOver) -> bool {
    match hand_over.stage {
        Stage::Cut { .. } | Stage::Waiting => true,
        Stage::Done { .. } => false,
    }
}

/// Computes the menu.
#[must_use]
pub fn menu(view: &View) -> Menu {
    let words = Words::of(view.language);
    let mut entries = vec![Entry::Label(words.status(icon(view), view))];
    entries.extend(asking(view, words));
    entries.push(Entry::Separator);
    entries.extend(view.sites.iter().take(MAX_MENU_SITES).map(|one| site(one, words)));
    if let Some(more) = view.sites.len().checked_sub(MAX_MENU_SITES).filter(|more| *more > 0) {
        entries.push(Entry::Item { label: words.more_sites(more), click: Request::ShowWindow });
    }
    if !view.sites.is_empty() {
        entries.push(Entry::Separator);
    }
    if view.phase == Phase::Ready {
        let item = |label, click| Entry::Item { label, click };
        entries.extend([
            item(words.publish_folder(), Request::ChooseFolder),
            item(words.send_files(), Request::ChooseFiles),
            item(words.ask_for_files(), Request::PrepareAsk),
            Entry::Separator,
        ]);
        entries.push(Entry::Check {
            label: words.pause_all(),
            on: view.paused,
            click: Request::PauseAll { paused: !view.paused },
        });
    }
    entries.extend([
        Entry::Item { label: words.show_window(), click: Request::ShowWindow },
        Entry::Separator,
        Entry::Item { label: words.quit(), click: Request::Quit },
    ]);
    Menu(entries)
}

/// Leads to whoever asks first: also where the system shows no notifications.
fn asking(view: &View, words: Words) -> Option<Entry> {
    let asked = |hand_over: &&HandOver| !hand_over.knocks.is_empty();
    let first = view.hand_overs.iter().find(asked)?;
    let count = view.hand_overs.iter().map(|hand_over| hand_over.knocks.len()).sum();
    Some(Entry::Item {
        label: words.asking(count),
        click: Request::OpenHandOver { hand_over: first.id.clone() },
    })
}

fn site(site: &Site, words: Words) -> Entry {
    let id = || site.id.clone();
    let copy = match site.url {
        Some(_) => {
            Entry::Item { label: words.copy_link(), click: Request::CopyLink { site: id() } }
        }
        None => Entry::Label(words.copy_link()),
    };
    let on = Entry::Check {
        label: words.site_on(),
        on: site.on,
        click: Request::SetSiteOn { site: id(), on: !site.on },
    };
    Entry::Submenu { label: printable(&site.name, MAX_MENU_LABEL), menu: Menu(vec![copy, on]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{
        Knock, Passing,
        tests::{a_hand_over, a_site, a_transfer, a_view},
    };

    fn menu_of(sites: Vec<Entry>, paused: bool, status: &str) -> Menu {
        let mut entries = vec![Entry::Label(status.to_owned()), Entry::Separator];
        let any = !sites.is_empty();
        entries.extend(sites);
        if any {
            entries.push(Entry::Separator);
        }
        let item = |label: &str, click| Entry::Item { label: label.to_owned(), click };
        entries.extend([
            item("Publish a folder…", Request::ChooseFolder),
            item("Send a file…", Request::ChooseFiles),
            item("Ask for a file…", Request::PrepareAsk),
            Entry::Separator,
            Entry::Check {
                label: "Pause everything".to_owned(),
                on: paused,
                click: Request::PauseAll { paused: !paused },
            },
            Entry::Item { label: "Open Veranda".to_owned(), click: Request::ShowWindow },
            Entry::Separator,
            Entry::Item { label: "Quit".to_owned(), click: Request::Quit },
        ]);
        Menu(entries)
    }

    #[test]
    fn without_sites_the_menu_opens_pauses_and_quits() {
        let tray = tray(&a_view(vec![]));
        assert_eq!(tray.icon, Icon::Idle);
        assert_eq!(tray.menu, menu_of(vec![], false, "Nothing is published"));
    }

    #[test]
    fn every_site_has_its_link_and_its_switch() {
        let id = || "7".to_owned();
        let entries = vec![Entry::Submenu {
            label: "Photos".to_owned(),
            menu: Menu(vec![
                Entry::Item {
                    label: "Copy link".to_owned(),
                    click: Request::CopyLink { site: id() },
                },
                Entry::Check {
                    label: "On".to_owned(),
                    on: true,
                    click: Request::SetSiteOn { site: id(), on: false },
                },
            ]),
        }];
        let tray = tray(&a_view(vec![a_site("7", "Photos")]));
        assert_eq!(tray.icon, Icon::Published);
        assert_eq!(tray.menu, menu_of(entries, false, "1 folder is published"));
    }

    #[test]
    fn a_site_without_a_link_offers_none() {
        let mut site = a_site("7", "Photos");
        site.url = None;
        let Menu(entries) = menu(&a_view(vec![site]));
        let Entry::Submenu { menu: Menu(lines), .. } = &entries[2] else { panic!("{entries:?}") };
        assert_eq!(lines[0], Entry::Label("Copy link".to_owned()));
    }

    #[test]
    fn many_sites_end_with_a_way_to_all_of_them() {
        let sites = (0..25).map(|n| a_site(&n.to_string(), "Photos")).collect();
        let Menu(entries) = menu(&a_view(sites));
        let more = Entry::Item { label: "5 more…".to_owned(), click: Request::ShowWindow };
        assert_eq!(entries[2 + MAX_MENU_SITES], more);
    }

    #[test]
    fn a_title_from_a_hostile_folder_stays_on_its_line() {
        let Menu(entries) = menu(&a_view(vec![a_site("7", &"\u{202E}\n".repeat(500))]));
        let Entry::Submenu { label, .. } = &entries[2] else { panic!("{entries:?}") };
        assert_eq!(label.chars().count(), MAX_MENU_LABEL);
        assert!(!label.contains(['\n', '\u{202E}']));
    }

    #[test]
    fn the_icon_follows_the_state() {
        let mut view = a_view(vec![a_site("7", "Photos")]);
        view.transfers = vec![a_transfer("7")];
        assert_eq!(icon(&view), Icon::Active);
        view.connection =
            Connection::Lost { sentence: "No gateway answers.".to_owned(), retry_at: None };
        assert_eq!(icon(&view), Icon::Offline);
        view.paused = true;
        assert_eq!(icon(&view), Icon::Idle);
        view.paused = false;
        view.sites[0].on = false;
        assert_eq!(icon(&view), Icon::Idle);
        view.phase = Phase::Failed { sentence: String::new() };
        assert_eq!(icon(&view), Icon::Offline);
    }

    #[test]
    fn a_file_that_is_handed_over_shows_in_the_icon_and_who_asks_in_the_menu() {
        let mut view = a_view(vec![]);
        view.hand_overs = vec![a_hand_over("3")];
        let shown = tray(&view);
        assert_eq!((shown.icon, &*shown.status), (Icon::Published, "1 link for files is open"));
        view.hand_overs[0].passing.push(Passing {
            file: "film.mkv".to_owned(),
            who: "192.0.2.7".to_owned(),
            size: Some(1000),
            arrived: 10,
            rate: 1,
            seconds_left: None,
            since: 1,
        });
        let shown = tray(&view);
        assert_eq!((shown.icon, &*shown.status), (Icon::Active, "Files are on their way"));
        view.hand_overs[0].knocks =
            vec![Knock { id: "8".to_owned(), who: "192.0.2.7".to_owned(), at: 1 }];
        let Menu(entries) = menu(&view);
        let click = Request::OpenHandOver { hand_over: "3".to_owned() };
        assert_eq!(entries[1], Entry::Item { label: "Somebody asks you…".to_owned(), click });
        view.hand_overs[0].stage = Stage::Done { at: 5, certain: true };
        assert_eq!(icon(&view), Icon::Idle);
    }

    #[test]
    fn figures_of_a_transfer_do_not_draw_the_menu_anew() {
        let mut view = a_view(vec![a_site("7", "Photos")]);
        view.transfers = vec![a_transfer("7")];
        let before = tray(&view);
        view.transfers[0].delivered += 1;
        assert_eq!(tray(&view), before);
    }
}

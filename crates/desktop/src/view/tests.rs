//! Views to compute something from.

use super::*;

/// Returns a view that is ready and connected.
pub(crate) fn a_view(sites: Vec<Site>) -> View {
    View {
        language: Language::English,
        phase: Phase::Ready,
        connection: Connection::Connected {
            how: Wire::Petrichor,
            since: 1,
            missed: vec![],
            pace: None,
        },
        gateway: Gateway::Embedded { address: Some("http://localhost:28260".to_owned()) },
        account: None,
        account_test: None,
        passwords_in: PasswordsIn::Keychain,
        identity: None,
        paused: false,
        sites,
        transfers: vec![],
        more_transfers: 0,
        history: vec![],
        hand_overs: vec![],
        draft: None,
        settings: Settings {
            start_at_login: false,
            notify_connection: true,
            notify_first_visitor: true,
            notify_hand_over: true,
            notify_knock: true,
            notify_note: true,
            notify_transfer_finished: true,
        },
        problem: None,
        drop_target: false,
        open_notes: None,
        open_hand_over: None,
    }
}

/// Returns a file that waits for whoever has the link.
pub(crate) fn a_hand_over(id: &str) -> HandOver {
    HandOver {
        id: id.to_owned(),
        direction: Direction::Send { name: "film.mkv".to_owned(), size: 1000, files: 1 },
        note: String::new(),
        ask_first: false,
        url: Some("http://files.localhost:28260/h/0123456789abcdefghijkl".to_owned()),
        qr: None,
        trouble: None,
        stage: Stage::Waiting,
        passing: vec![],
        knocks: vec![],
        received: vec![],
        more_received: 0,
        since: 1,
    }
}

/// Returns a site that is on and has a link.
pub(crate) fn a_site(id: &str, name: &str) -> Site {
    Site {
        id: id.to_owned(),
        name: name.to_owned(),
        path: "/home/me/Photos".to_owned(),
        on: true,
        hidden_files: false,
        url: Some("http://photos.localhost:28260/s/0123456789abcdefghijkl".to_owned()),
        qr: None,
        trouble: None,
        visitors: 0,
        active: 0,
        takes_notes: true,
        notes: vec![],
        new_notes: 0,
        blocked: 0,
    }
}

/// Returns a transfer that is half done.
pub(crate) fn a_transfer(site: &str) -> Transfer {
    Transfer {
        id: "1".to_owned(),
        site: site.to_owned(),
        file: "a.jpg".to_owned(),
        who: "192.0.2.7".to_owned(),
        size: 1000,
        delivered: 500,
        rate: 100,
        seconds_left: Some(5),
        since: 1,
    }
}

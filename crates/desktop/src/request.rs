//! What the window and the tray can ask for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;
use zeroize::Zeroizing;

/// One wish of the owner. Each is answered by nothing or by a [`Problem`](crate::Problem); what
/// changed arrives as a new [`View`](crate::View).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// Publish the folder at this path; the same folder twice is a problem with a sentence.
    AddFolder {
        /// An absolute path, as the system writes it.
        path: String,
    },
    /// Answer a visitor who asks whether they may.
    AnswerKnock {
        /// Which question.
        knock: String,
        /// They may (`true`), or not.
        allow: bool,
    },
    /// Answer a note of a visitor.
    AnswerNote {
        /// Which note.
        note: String,
        /// 1 to 1000 characters.
        text: String,
    },
    /// Make a link by which visitors put files into the folder of the draft.
    AskForFiles {
        /// The most bytes of one file.
        largest: u64,
        /// What visitors read; at most 1000 characters.
        note: String,
        /// Whether only the first person may whom the owner allows.
        ask_first: bool,
    },
    /// Take no more notes of whoever wrote this one, and forget those that are there.
    BlockWriter {
        /// Which note.
        note: String,
    },
    /// Forget what was about to be handed over.
    CancelDraft,
    /// Let the owner choose files in the system's dialog, to be sent.
    ChooseFiles,
    /// Let the owner choose a folder in the system's dialog, to be published.
    ChooseFolder,
    /// Let the owner choose in the system's dialog where files of visitors go, for the draft.
    ChooseInbox,
    /// Forget the history.
    ClearHistory,
    /// Put the link of a hand-over on the clipboard.
    CopyHandOverLink {
        /// Which hand-over.
        hand_over: String,
    },
    /// Put the link of a site on the clipboard.
    CopyLink {
        /// Which site.
        site: String,
    },
    /// Keep the key in a file, encrypted with this passphrase, because there is no keychain.
    CreateKeyFile {
        /// What opens the file; at least 8 characters.
        passphrase: Passphrase,
    },
    /// The problem was read.
    DismissProblem,
    /// End a hand-over, cutting what is on its way, and forget it with its link. Files that arrived
    /// stay.
    EndHandOver {
        /// Which hand-over.
        hand_over: String,
    },
    /// Forget the XMPP account and its password. A gateway that is reached by it is left for the one
    /// inside the app.
    ForgetAccount,
    /// Forget a note.
    ForgetNote {
        /// Which note.
        note: String,
    },
    /// Show the window with a hand-over, as its notification was clicked.
    OpenHandOver {
        /// Which hand-over.
        hand_over: String,
    },
    /// Open the link of a hand-over in the browser.
    OpenHandOverLink {
        /// Which hand-over.
        hand_over: String,
    },
    /// Open the link of a site in the browser.
    OpenLink {
        /// Which site.
        site: String,
    },
    /// Show the window with the notes of a site, as its notification was clicked.
    OpenNotes {
        /// Which site.
        site: String,
    },
    /// Switch everything off without forgetting which sites were on, or back.
    PauseAll {
        /// Off (`true`) or as before (`false`).
        paused: bool,
    },
    /// Begin to ask for files: a draft with the folder for downloads.
    PrepareAsk,
    /// End the app.
    Quit,
    /// Forget the hand-overs that are done.
    RemoveFinished,
    /// Stop publishing a folder and forget its link. The folder stays as it is.
    RemoveSite {
        /// Which site.
        site: String,
    },
    /// Change the name that stands beside the identity.
    RenameIdentity {
        /// 1 to 60 characters.
        name: String,
    },
    /// Change what stands as the site's title.
    RenameSite {
        /// Which site.
        site: String,
        /// 1 to 60 characters.
        name: String,
    },
    /// Try again at once what failed: the keychain, the gateway.
    Retry,
    /// A hand-over is in front of the owner.
    SeeHandOver {
        /// Which hand-over.
        hand_over: String,
    },
    /// The notes of a site are in front of the owner.
    SeeNotes {
        /// Which site.
        site: String,
    },
    /// Make a link by which one visitor gets the files of the draft.
    SendFiles {
        /// What the visitor reads; at most 1000 characters.
        note: String,
        /// Whether only the first person may whom the owner allows.
        ask_first: bool,
    },
    /// Switch one kind of notification.
    SetNotification {
        /// Which kind.
        kind: NotificationKind,
        /// On or off.
        on: bool,
    },
    /// Whether files whose names begin with a dot are served.
    SetHiddenFiles {
        /// Which site.
        site: String,
        /// Served (`true`) or as if they were not there.
        shown: bool,
    },
    /// Switch one site.
    SetSiteOn {
        /// Which site.
        site: String,
        /// On or off.
        on: bool,
    },
    /// Start with the computer, hidden, or not.
    SetStartAtLogin {
        /// On or off.
        on: bool,
    },
    /// Whether visitors of a site may write to the owner.
    SetTakesNotes {
        /// Which site.
        site: String,
        /// They may (`true`), or find no place to write.
        takes: bool,
    },
    /// Show what arrived in the system's file manager.
    ShowReceived {
        /// By which hand-over.
        hand_over: String,
        /// Which file; `null` shows the folder.
        file: Option<String>,
    },
    /// Show the window.
    ShowWindow,
    /// Stop one transfer.
    StopTransfer {
        /// Which transfer.
        transfer: String,
    },
    /// Try whether an XMPP account works, and whether a gateway can be reached by it. How it goes is in
    /// the view; only what cannot be tried at all is a problem.
    TestAccount {
        /// The account.
        account: TypedAccount,
        /// The gateway's address as pasted, which may hold an invitation.
        gateway: Option<String>,
    },
    /// Let everybody who was blocked at a site write again.
    UnblockWriters {
        /// Which site.
        site: String,
    },
    /// Open the key file with this passphrase.
    UnlockKeyFile {
        /// What opens the file.
        passphrase: Passphrase,
    },
    /// Use another gateway; `null` is the one inside the app.
    UseGateway {
        /// Its address, as pasted, which may hold an invitation.
        address: Option<String>,
        /// The XMPP account by which it is reached, when its address is an XMPP one.
        account: Option<TypedAccount>,
    },
}

/// An XMPP account, as typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TypedAccount {
    /// Its address, `name@server.example`.
    pub jid: String,
    /// Its password; `null` is the one that is kept.
    pub password: Option<Passphrase>,
    /// Where its server is, `host` or `host:port`, when DNS does not say.
    pub server: Option<String>,
}

/// The kinds of notifications, each with a switch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum NotificationKind {
    /// The connection to the gateway was lost, or is back.
    Connection,
    /// The first visitor to a site.
    FirstVisitor,
    /// Files were handed over: delivered, or received.
    HandOver,
    /// A visitor asks whether they may.
    Knock,
    /// A visitor wrote.
    Note,
    /// A transfer is finished.
    TransferFinished,
}

/// What opens a key file or an account: never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq, TS)]
#[ts(type = "string")]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Returns the text, for the key file or the account's server and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'text> Deserialize<'text> for Passphrase {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Passphrase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_what_the_window_writes_and_prints_no_passphrase() {
        let text = r#"{"type":"createKeyFile","passphrase":"correct horse"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        let Request::CreateKeyFile { passphrase } = &request else { panic!("{request:?}") };
        assert_eq!(passphrase.expose(), "correct horse");
        assert!(!format!("{request:?}").contains("horse"));
    }

    #[test]
    fn a_request_with_an_account_prints_no_password() {
        let text = r#"{"type":"useGateway","address":"gateway@chat.example","account":
            {"jid":"anna@chat.example","password":"correct horse","server":null}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        let Request::UseGateway { account: Some(account), .. } = &request else {
            panic!("{request:?}")
        };
        assert_eq!(account.password.as_ref().unwrap().expose(), "correct horse");
        assert!(!format!("{request:?}").contains("horse"));
    }

    #[test]
    fn a_click_survives_its_way_through_the_menu() {
        let click = Request::SetSiteOn { site: "7".to_owned(), on: false };
        let text = serde_json::to_string(&click).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), click);
    }
}

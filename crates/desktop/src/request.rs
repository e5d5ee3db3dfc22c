//! What the window and the tray can ask for.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One wish of the owner. Each is answered by nothing or by a [`Problem`](crate::Problem); what
/// changed arrives as a new [`View`](crate::View).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// Publish the folder at this path; the same folder twice is a problem with a sentence.
    AddFolder {
        /// An absolute path, as the system writes it.
        path: String,
    },
    /// Forget the history.
    ClearHistory,
    /// Put the link of a site on the clipboard.
    CopyLink {
        /// Which site.
        site: String,
    },
    /// Keep the key in a file, encrypted with this passphrase, because there is no keychain.
    CreateKeyFile {
        /// What opens the file; at least 8 characters.
        passphrase: String,
    },
    /// The problem was read.
    DismissProblem,
    /// Open the link of a site in the browser.
    OpenLink {
        /// Which site.
        site: String,
    },
    /// Switch everything off without forgetting which sites were on, or back.
    PauseAll {
        /// Off (`true`) or as before (`false`).
        paused: bool,
    },
    /// End the app.
    Quit,
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
    /// Show the window.
    ShowWindow,
    /// Stop one transfer.
    StopTransfer {
        /// Which transfer.
        transfer: String,
    },
    /// Open the key file with this passphrase.
    UnlockKeyFile {
        /// What opens the file.
        passphrase: String,
    },
    /// Use another gateway; `null` is the one inside the app.
    UseGateway {
        /// Its address, as pasted.
        address: Option<String>,
    },
}

/// The kinds of notifications, each with a switch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum NotificationKind {
    /// The connection to the gateway was lost, or is back.
    Connection,
    /// The first visitor to a site.
    FirstVisitor,
    /// A transfer is finished.
    TransferFinished,
}

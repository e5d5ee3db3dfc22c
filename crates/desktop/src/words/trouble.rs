//! What the app says of what went wrong.

use std::{io, path::Path};

use carriers::LinkEnd;
use crosstalk::address::{AddressError, GatewayAddress};
use peer::{
    FolderFault, GatewayFault, LinkFault, LoginFault, PublishError, SiteTrouble, StartError,
    StoreFault, keys::KeyError,
};

use tokio::time::error::Elapsed;

use super::{Words, sentences};
use crate::{
    account::{AccountError, NoPassword, OwnerJid},
    keychain::{KeptIn, NoKey},
    printable::{MAX_SENTENCE, MAX_SHOWN, printable},
    settings,
};

/// What the system did not let the app do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    ChangeLoginStart,
    CopyLink,
    Look,
    OpenBrowser,
    OpenDialog,
    Start,
    StartGateway,
}

sentences! {
    needs_account = "account-needed";
    not_ready = "not-ready";
    no_link_yet = "no-link-yet";
    gone = "gone";
    ending = "ending";
    engine_ended = "engine-ended";
    gateway_ended = "gateway-ended";
    bad_name = "bad-name";
    bad_answer = "bad-answer";
    short_passphrase = "key-short-passphrase";
    key_in_use = "key-in-use";
    no_path = "site-no-path";
    too_busy = "too-busy";
    too_late = "too-late";
    strange_link = "strange-link";
    start_takes_long = "start-takes-long";
}

impl Words {
    pub(crate) fn kept_in(self, kept_in: KeptIn) -> String {
        let id = match kept_in {
            KeptIn::File => "kept-in-file",
            KeptIn::Keychain => "kept-in-keychain",
        };
        self.say(id, &[])
    }

    pub(crate) fn no_key(self, why: &NoKey) -> String {
        let id = match why {
            NoKey::FileLocked => "key-file-locked",
            NoKey::Gone => "key-gone",
            NoKey::Refused(KeyError::NoKeychain) => "key-no-keychain",
            NoKey::Refused(KeyError::Locked) => "key-keychain-locked",
            NoKey::Refused(KeyError::WrongPassphrase) => "key-wrong-passphrase",
            NoKey::Refused(KeyError::Damaged(_)) => "key-damaged",
            NoKey::Refused(KeyError::File(path, error)) => {
                return self.of_file("key-file", path, error);
            }
        };
        self.say(id, &[])
    }

    pub(crate) fn no_password(self, jid: &OwnerJid, why: &NoPassword) -> String {
        let id = match why {
            NoPassword::Gone => "password-gone",
            NoPassword::Refused(KeyError::NoKeychain | KeyError::Locked) => "password-locked",
            NoPassword::Refused(
                KeyError::Damaged(_) | KeyError::WrongPassphrase | KeyError::File(..),
            ) => "password-damaged",
        };
        self.say(id, &[("jid", printable(&jid.to_string(), MAX_SHOWN).into())])
    }

    pub(crate) fn password_not_kept(self, error: &KeyError) -> String {
        match error {
            KeyError::NoKeychain | KeyError::Locked => self.say("password-not-kept-locked", &[]),
            KeyError::File(path, error) => self.of_file("password-not-kept-in", path, error),
            KeyError::Damaged(_) | KeyError::WrongPassphrase => self.say("password-not-kept", &[]),
        }
    }

    pub(crate) fn not_forgotten(self, error: &KeyError) -> String {
        match error {
            KeyError::File(path, error) => self.of_file("password-not-forgotten-in", path, error),
            KeyError::NoKeychain
            | KeyError::Locked
            | KeyError::Damaged(_)
            | KeyError::WrongPassphrase => self.say("password-not-forgotten-locked", &[]),
        }
    }

    pub(crate) fn bad_account(self, error: AccountError) -> String {
        let id = match error {
            AccountError::Jid => "account-jid",
            AccountError::NoPassword => "account-no-password",
            AccountError::LongPassword => "account-long-password",
            AccountError::Server => "account-server",
        };
        self.say(id, &[])
    }

    /// Says why there is no link, or why a gateway or an account cannot be used.
    pub(crate) fn link_fault(self, fault: &LinkFault) -> String {
        match fault {
            LinkFault::Account(fault) => self.login_fault(fault),
            LinkFault::Ended(end) => {
                let id = match end {
                    LinkEnd::Closed => "link-closed",
                    LinkEnd::Lost => "link-lost",
                    LinkEnd::ServerLost => "link-server-lost",
                    LinkEnd::Silent => "link-silent",
                };
                self.say(id, &[])
            }
            LinkFault::Gateway(gateway, fault) => self.gateway_fault(gateway, fault),
        }
    }

    fn gateway_fault(self, gateway: &GatewayAddress, fault: &GatewayFault) -> String {
        let address = |address: &GatewayAddress| printable(&address.to_string(), MAX_SHOWN).into();
        let gateway = ("gateway", address(gateway));
        let with =
            |id, words: &str| self.say(id, &[gateway.clone(), ("words", quoted(words).into())]);
        let id = match fault {
            GatewayFault::Certificate => "gateway-certificate",
            GatewayFault::Desk(trouble) => return self.hand_over_trouble(trouble),
            GatewayFault::Moved(to) => {
                return self.say("gateway-moved", &[gateway, ("address", address(to))]);
            }
            GatewayFault::Name(trouble) => return self.site_trouble(trouble),
            GatewayFault::NoAccount => "gateway-no-account",
            GatewayFault::NotAdmitted(words) => return with("gateway-not-admitted", words),
            GatewayFault::NotAGateway => "gateway-not-a-gateway",
            GatewayFault::NotItsAccount => "gateway-not-its-account",
            GatewayFault::Offline => "gateway-offline",
            GatewayFault::ProofRefused(words) => return with("gateway-proof-refused", words),
            GatewayFault::Refused(words) => return with("gateway-refused", words),
            GatewayFault::TimedOut => "gateway-timed-out",
            GatewayFault::Unreachable => "gateway-unreachable",
        };
        self.say(id, &[gateway])
    }

    fn login_fault(self, fault: &LoginFault) -> String {
        let id = match fault {
            LoginFault::Busy => "login-busy",
            LoginFault::Certificate => "login-certificate",
            LoginFault::NoMechanism => "login-no-mechanism",
            LoginFault::NoServer => "login-no-server",
            LoginFault::NoTls => "login-no-tls",
            LoginFault::NotXmpp => "login-not-xmpp",
            LoginFault::Password => "login-password",
            LoginFault::Refused(words) if words.is_empty() => "login-refused",
            LoginFault::Refused(words) => {
                return self.say("login-refused-because", &[("words", quoted(words).into())]);
            }
            LoginFault::TimedOut => "login-timed-out",
            LoginFault::Unreachable => "login-unreachable",
        };
        self.say(id, &[])
    }

    pub(crate) fn site_trouble(self, trouble: &SiteTrouble) -> String {
        match trouble {
            SiteTrouble::FolderGone => self.say("site-folder-gone", &[]),
            SiteTrouble::FolderSilent => self.say("site-folder-silent", &[]),
            SiteTrouble::NameTaken => self.say("site-name-taken", &[]),
            SiteTrouble::Refused(words) => {
                self.say("site-refused", &[("words", quoted(words).into())])
            }
        }
    }

    pub(crate) fn not_published(self, error: &PublishError) -> String {
        match error {
            PublishError::Already(_) => self.say("site-already", &[]),
            PublishError::Folder(path, fault) => {
                let why = self.folder_fault(fault);
                let values = [("path", shown(path).into()), ("why", why.into())];
                self.say("folder-cannot-be-published", &values)
            }
            PublishError::Store(why) => self.store(why),
            PublishError::TooMuch(path) => {
                self.say("site-too-much", &[("path", shown(path).into())])
            }
            PublishError::Unknown => self.gone(),
        }
    }

    pub(super) fn folder_fault(self, fault: &FolderFault) -> String {
        let id = match fault {
            FolderFault::Denied => "folder-denied",
            FolderFault::Full => "folder-full",
            FolderFault::NotAFolder => "folder-not-a-folder",
            FolderFault::NotFound => "folder-not-found",
            FolderFault::ReadOnly => "folder-read-only",
            FolderFault::Silent => "folder-silent",
            FolderFault::Other(words) => return self.quoted_cause(words),
        };
        self.say(id, &[])
    }

    /// Says that the store cannot be written.
    pub(super) fn store(self, fault: &StoreFault) -> String {
        let id = match fault {
            // Some systems do not tell a full drive from others.
            StoreFault::Other(_) => "not-kept-perhaps-full",
            StoreFault::Denied
            | StoreFault::Ended
            | StoreFault::Full
            | StoreFault::InUse
            | StoreFault::Newer(_)
            | StoreFault::ReadOnly
            | StoreFault::Silent => "not-kept",
        };
        self.say(id, &[("why", self.store_cause(fault).into())])
    }

    pub(crate) fn damaged_settings(self, aside: &Path) -> String {
        self.say("damaged-settings", &[("path", shown(aside).into())])
    }

    pub(crate) fn damaged_folders(self, aside: &Path) -> String {
        self.say("damaged-folders", &[("path", shown(aside).into())])
    }

    pub(crate) fn damaged_account(self, copy: &Path) -> String {
        self.say("damaged-account", &[("path", shown(copy).into())])
    }

    pub(crate) fn port_changed(self, from: u16, to: u16) -> String {
        self.say("gateway-port-changed", &[("from", from.into()), ("to", to.into())])
    }

    pub(crate) fn no_answer(self, address: &GatewayAddress) -> String {
        let address = printable(&address.to_string(), MAX_SHOWN);
        self.say("gateway-no-answer", &[("gateway", address.into())])
    }

    pub(crate) fn gateway_has_another_address(
        self,
        address: &GatewayAddress,
        origin: &str,
    ) -> String {
        let gateway = printable(&address.to_string(), MAX_SHOWN);
        let values =
            [("gateway", gateway.into()), ("address", printable(origin, MAX_SHOWN).into())];
        self.say("gateway-has-another-address", &values)
    }

    /// Says what is wrong with a pasted address.
    pub(crate) fn bad_address(self, error: AddressError) -> String {
        let id = match error {
            AddressError::Account => "address-account",
            AddressError::Insecure => "address-insecure",
            AddressError::Port => "address-port",
            AddressError::Scheme => "address-scheme",
            AddressError::TooMuch => "address-too-much",
            AddressError::Unreadable => "address-unreadable",
        };
        self.say(id, &[])
    }

    pub(crate) fn settings_unreadable(self, error: &io::Error) -> String {
        self.say("settings-unreadable", &[("why", self.cause(error).into())])
    }

    pub(crate) fn not_kept(self, error: &io::Error) -> String {
        let why = self.cause(error);
        self.say("settings-not-kept", &[("file", settings::FILE_NAME.into()), ("why", why.into())])
    }

    pub(crate) fn system_refused(self, deed: Deed, error: &anyhow::Error) -> String {
        let id = match deed {
            Deed::ChangeLoginStart => "refused-login-start",
            Deed::CopyLink => "refused-copying",
            Deed::Look => "refused-looking",
            Deed::OpenBrowser => "refused-opening",
            Deed::OpenDialog => "refused-dialog",
            Deed::Start => "refused-starting",
            Deed::StartGateway => "refused-gateway",
        };
        let is_alone = error.chain().len() == 1;
        let why = if error.is::<Elapsed>() {
            self.start_takes_long()
        } else if let (true, Some(error)) = (is_alone, error.downcast_ref()) {
            // What was said with it would be lost.
            self.cause(error)
        } else if let Some(StartError::Store(path, fault)) = error.downcast_ref() {
            match fault {
                StoreFault::Other(words) => {
                    self.quoted_cause(&format!("{}: {words}", path.display()))
                }
                StoreFault::Denied
                | StoreFault::Ended
                | StoreFault::Full
                | StoreFault::InUse
                | StoreFault::Newer(_)
                | StoreFault::ReadOnly
                | StoreFault::Silent => self.store_cause(fault),
            }
        } else {
            self.quoted_cause(&format!("{error:#}"))
        };
        self.say(id, &[("why", why.into())])
    }

    fn of_file(self, id: &'static str, path: &Path, error: &io::Error) -> String {
        let why = self.cause(error);
        self.say(id, &[("path", shown(path).into()), ("why", why.into())])
    }
}

/// Makes the words of somebody else fit to be shown: of a gateway, a server or the system, in their
/// own language.
pub(super) fn quoted(words: &str) -> String {
    printable(words, MAX_SENTENCE)
}

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), MAX_SHOWN)
}

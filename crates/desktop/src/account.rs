//! The owner's XMPP account: as typed, as kept, and where its password is.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use carriers::{
    tls::Roots,
    xmpp::{Account, Login, Password, given},
};
use crosstalk::{proof::PrivateKey, xmpp::BareJid};
use peer::keys::{KeyError, passwords};
use serde::{Deserialize, Serialize};

use crate::{
    keychain::{KeptIn, Keychain},
    request::TypedAccount,
};

/// The file in the data folder that holds the password when there is no keychain. The identity's key
/// opens it, so that the owner types one passphrase at the start and not a password as well.
const PASSWORD_FILE: &str = "account.age";

/// The port of a server when only its name was typed (RFC 6120 §14.7).
const SERVER_PORT: u16 = 5222;

/// The longest address of an account (RFC 7622 §3.1: twice 1023 and the sign between).
const MAX_JID: usize = 2047;

/// The longest password that is taken; nobody types more, and some servers take less.
const MAX_PASSWORD: usize = 1024;

/// What is remembered of the account; its password is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptAccount {
    /// The account.
    pub jid: OwnerJid,
    /// Where its server is, when DNS does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// The address of an account, `name@server.example`, without a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnerJid(BareJid);

/// Where a server is: a name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Server {
    host: String,
    port: u16,
}

/// What is wrong with what was typed as an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Not an address of an account.
    #[error("An XMPP address looks like anna@chat.example.")]
    Jid,
    /// No password, and none is kept.
    #[error("Type the password of the account.")]
    NoPassword,
    /// Nobody has such a long password.
    #[error("That is too long for a password.")]
    LongPassword,
    /// Not a name or address of a server.
    #[error("A server looks like xmpp.chat.example or xmpp.chat.example:5222.")]
    Server,
}

impl OwnerJid {
    /// Reads an address, with or without `xmpp:` before it.
    ///
    /// # Errors
    /// [`AccountError::Jid`].
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        if text.len() > MAX_JID {
            return Err(AccountError::Jid);
        }
        given::jid(text).map(Self).map_err(|_| AccountError::Jid)
    }

    /// Returns the address.
    #[must_use]
    pub fn bare(&self) -> &BareJid {
        &self.0
    }
}

impl Server {
    /// Reads `host`, `host:port` or `[address]:port`.
    ///
    /// # Errors
    /// [`AccountError::Server`].
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let text = text.trim();
        let read = given::server(text);
        let read = read.or_else(|_| given::server(&format!("{text}:{SERVER_PORT}")));
        let (host, port) = read.map_err(|_| AccountError::Server)?;
        Ok(Self { host, port })
    }

    /// Returns host and port for dialling: an address of IPv6 without brackets.
    fn place(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }
}

impl KeptAccount {
    /// Returns the account to log in to.
    #[must_use]
    pub fn with(&self, password: Password) -> Account {
        Account::new(Login {
            jid: self.jid.bare().clone(),
            password,
            server: self.server.as_ref().map(Server::place),
            roots: Roots::System,
        })
    }
}

impl TypedAccount {
    /// Reads what was typed. The password is `None` when the one that is kept is meant.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) fn read(&self) -> Result<(KeptAccount, Option<Password>), AccountError> {
        let jid = OwnerJid::parse(&self.jid)?;
        let server = self.server.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let server = server.map(Server::parse).transpose()?;
        let password = self.password.as_ref().map(|password| password.expose());
        let password = password.filter(|password| !password.is_empty());
        if password.is_some_and(|password| password.len() > MAX_PASSWORD) {
            return Err(AccountError::LongPassword);
        }
        let password = password.map(|password| Password::from(password.to_owned()));
        Ok((KeptAccount { jid, server }, password))
    }
}

/// Why the password of the kept account is not known.
#[derive(Debug)]
pub(crate) enum NoPassword {
    /// It is not there any more.
    Gone,
    /// The keychain or the file said no.
    Refused(KeyError),
}

/// Where passwords are kept: where the key of the identity is.
#[derive(Clone)]
pub(crate) enum Safe {
    /// In a file that only the key opens.
    File { path: PathBuf, key: Arc<PrivateKey> },
    /// In the keychain.
    Keychain(Arc<dyn Keychain>),
}

impl Safe {
    /// Names the place that goes with the key's.
    pub(crate) fn beside(
        key: &PrivateKey,
        kept_in: KeptIn,
        keychain: &Arc<dyn Keychain>,
        data: &Path,
    ) -> Self {
        match kept_in {
            KeptIn::File => Self::File {
                path: data.join(PASSWORD_FILE),
                key: Arc::new(PrivateKey::from_bytes(&key.to_bytes())),
            },
            KeptIn::Keychain => Self::Keychain(Arc::clone(keychain)),
        }
    }

    /// Returns the password of an account, or `None` when there is none.
    pub(crate) async fn load(&self, jid: &OwnerJid) -> Result<Option<Password>, KeyError> {
        match self {
            Self::File { path, key } => {
                passwords::load_from_file(path, key, &jid.to_string()).await
            }
            Self::Keychain(keychain) => keychain.load_password(&jid.to_string()).await,
        }
    }

    pub(crate) async fn save(&self, jid: &OwnerJid, password: &Password) -> Result<(), KeyError> {
        match self {
            Self::File { path, key } => {
                passwords::save_to_file(path, key, &jid.to_string(), password).await
            }
            Self::Keychain(keychain) => keychain.save_password(&jid.to_string(), password).await,
        }
    }

    pub(crate) async fn forget(&self, jid: &OwnerJid) -> Result<(), KeyError> {
        match self {
            Self::File { path, .. } => passwords::forget_file(path).await,
            Self::Keychain(keychain) => keychain.forget_password(&jid.to_string()).await,
        }
    }
}

impl fmt::Display for OwnerJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl TryFrom<String> for OwnerJid {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        Self::parse(&text)
    }
}

impl From<OwnerJid> for String {
    fn from(jid: OwnerJid) -> Self {
        jid.to_string()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address of IPv6 has colons of its own.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl TryFrom<String> for Server {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        Self::parse(&text)
    }
}

impl From<Server> for String {
    fn from(server: Server) -> Self {
        server.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Passphrase;

    #[test]
    fn reads_the_addresses_that_people_type() {
        for (text, jid) in [
            ("anna@chat.example", "anna@chat.example"),
            (" xmpp:Anna@Chat.Example ", "anna@chat.example"),
            ("anna@localhost", "anna@localhost"),
            ("anna@chat.example/phone/2", "anna@chat.example"),
        ] {
            assert_eq!(OwnerJid::parse(text).unwrap().to_string(), jid);
        }
        for text in ["", "anna", "chat.example", "@chat.example", "anna@", "anna/x@chat.example"] {
            assert_eq!(OwnerJid::parse(text), Err(AccountError::Jid), "{text:?}");
        }
    }

    #[test]
    fn reads_the_servers_that_people_type() {
        for (text, written, place) in [
            ("xmpp.chat.example", "xmpp.chat.example:5222", "xmpp.chat.example"),
            (" Xmpp.chat.example:443 ", "xmpp.chat.example:443", "xmpp.chat.example"),
            ("[::1]", "[::1]:5222", "::1"),
            ("127.0.0.1:15222", "127.0.0.1:15222", "127.0.0.1"),
            ("[::1]:15222", "[::1]:15222", "::1"),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!(
                (server.to_string(), server.place().0),
                (written.to_owned(), place.to_owned())
            );
            assert_eq!(Server::parse(written), Ok(server));
        }
        for text in ["", ":5222", "a b", "a/b", "me@a", "a:99999", "a?b", "::1"] {
            assert_eq!(Server::parse(text), Err(AccountError::Server), "{text:?}");
        }
    }

    #[test]
    fn an_empty_password_means_the_one_that_is_kept() {
        let typed = |password: &str| TypedAccount {
            jid: "anna@chat.example".to_owned(),
            password: Some(Passphrase::from(password.to_owned())),
            server: Some(" ".to_owned()),
        };
        let (account, password) = typed("").read().unwrap();
        assert_eq!((account.server, password.is_none()), (None, true));
        assert_eq!(typed(" x ").read().unwrap().1.unwrap().expose(), " x ");
        let long = typed(&"x".repeat(MAX_PASSWORD + 1)).read();
        assert!(matches!(long, Err(AccountError::LongPassword)));
    }
}

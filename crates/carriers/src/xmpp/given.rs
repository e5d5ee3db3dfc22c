//! What a person gives a program to log in with: the account, the file with the password, the server.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crosstalk::{
    address::{AddressError, GatewayAddress},
    xmpp::BareJid,
};
use url::Host;
use zeroize::Zeroizing;

use super::Password;

/// The longest file for a password that is read: SASL takes 1023 bytes (RFC 4013 has no limit, servers
/// do), and a line end or a remark may follow.
const MAX_PASSWORD_FILE: u64 = 4096;

/// Why there is no password in a file.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// It is not there, or may not be read.
    #[error("cannot read the password's file {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    /// Everybody on this computer can read it.
    #[error("everybody on this computer can read the password in {0}; close it: chmod o= {0}")]
    Open(PathBuf),
    /// Its first line is empty, no text, or too long.
    #[error("the first line of {0} is no password")]
    NoPassword(PathBuf),
}

/// Why a text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server looks like chat.example:5222, 192.0.2.7:5222 or [::1]:5222")]
pub struct ServerError;

impl Password {
    /// Reads the first line of a file. On Unix it is refused when others than the owner and the group
    /// can read it.
    ///
    /// # Errors
    /// See [`PasswordFileError`].
    pub fn read(file: &Path) -> Result<Self, PasswordFileError> {
        let unreadable = |error| PasswordFileError::Unreadable(file.to_owned(), error);
        let opened = File::open(file).map_err(unreadable)?;
        if is_open_to_all(&opened).map_err(unreadable)? {
            return Err(PasswordFileError::Open(file.to_owned()));
        }
        let none = || PasswordFileError::NoPassword(file.to_owned());
        // At once as large as it can become, so that no copy is left where it grew.
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_PASSWORD_FILE).unwrap_or(0)));
        opened.take(MAX_PASSWORD_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| none())?;
        if text.is_empty() || bytes.len() as u64 == MAX_PASSWORD_FILE {
            return Err(none());
        }
        Ok(Self::from(text.to_owned()))
    }
}

#[cfg(unix)]
fn is_open_to_all(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Reads the address of an account, `name@server.example`, with or without `xmpp:` before it. Where
/// chat programs show the address of a session, with a resource (RFC 7622 §3.4), that is left out.
///
/// # Errors
/// When it is something else.
pub fn jid(text: &str) -> Result<BareJid, AddressError> {
    let session = text.split_once('/').filter(|(account, _)| account.contains('@'));
    let account = session.map_or(text, |(account, _)| account);
    GatewayAddress::parse(account)?.xmpp().cloned().ok_or(AddressError::Account)
}

/// Reads where a server is: a name or an address, and a port.
///
/// # Errors
/// When it is something else.
pub fn server(text: &str) -> Result<(String, u16), ServerError> {
    let (host, port) = text.trim().rsplit_once(':').ok_or(ServerError)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or(ServerError)?;
    match Host::parse(host).map_err(|_| ServerError)? {
        Host::Domain(name) => Ok((name, port)),
        Host::Ipv4(ip) => Ok((ip.to_string(), port)),
        // Without brackets, as resolvers take it.
        Host::Ipv6(ip) => Ok((ip.to_string(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, text).unwrap();
        close(&file);
        (folder, file)
    }

    fn read(text: &str) -> Result<String, PasswordFileError> {
        let (_folder, file) = written(text);
        Password::read(&file).map(|password| password.expose().to_owned())
    }

    #[cfg(unix)]
    fn close(file: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o640)).unwrap();
    }

    #[cfg(not(unix))]
    fn close(_: &Path) {}

    #[test]
    fn the_first_line_is_the_password() {
        for text in ["pass word", "pass word\n", "pass word\r\n", "pass word\na remark\n"] {
            assert_eq!(read(text).unwrap(), "pass word");
        }
        for text in ["", "\n", "\npass", &"x".repeat(5000)] {
            assert!(matches!(read(text), Err(PasswordFileError::NoPassword(_))), "{text:?}");
        }
        let missing = Password::read(Path::new("/nonexistent/password"));
        assert!(matches!(missing, Err(PasswordFileError::Unreadable(..))));
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_everybody_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "secret").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Password::read(&file).unwrap_err();
        assert!(error.to_string().contains("chmod o="), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn servers_and_accounts_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("Chat.Example:5222", "chat.example", 5222),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:5223", "::1", 5223),
        ] {
            assert_eq!(server(text), Ok((host.to_owned(), port)));
        }
        for text in ["", "chat.example", "chat.example:", "chat.example:0", ":5222", "::1:99999"] {
            assert_eq!(server(text), Err(ServerError), "{text:?}");
        }
        assert_eq!(jid("Anna@Chat.Example").unwrap().as_str(), "anna@chat.example");
        assert_eq!(jid("xmpp:anna@chat.example").unwrap().as_str(), "anna@chat.example");
        assert_eq!(jid("anna@chat.example/phone/2@x").unwrap().as_str(), "anna@chat.example");
        for text in ["chat.example", "anna/x@chat.example", "https://anna.example"] {
            assert!(jid(text).is_err(), "{text}");
        }
    }
}

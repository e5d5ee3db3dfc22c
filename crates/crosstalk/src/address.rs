//! Addresses of gateways.

use std::{fmt, str::FromStr};

use jid::BareJid;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where a gateway is, as a person pastes it: an origin, `https://gateway.example` or
/// `http://localhost:8080`. Without a scheme it is `https`, or `http` when the host is this
/// computer.
///
/// A gateway's own port for Petrichor has the form `petrichor+tls://gateway.example:7411`, or
/// `petrichor+tcp://localhost:7411` on this computer; the port has to be there.
///
/// A gateway that is reached over XMPP is its account's address, `xmpp:gateway@chat.example` (RFC 5122);
/// the scheme may be left out.
///
/// Its text is the web origin (RFC 6454 §6.2), or what is like one, which is also the audience of a
/// [proof](crate::proof).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayAddress {
    way: Way,
    host: Host,
    port: u16,
}

/// What is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Way {
    Web { secure: bool },
    Petrichor { secure: bool },
    Xmpp(BareJid),
}

/// The schemes before `://`.
const SCHEMES: [(&str, Way); 4] = [
    ("https", Way::Web { secure: true }),
    ("http", Way::Web { secure: false }),
    ("petrichor+tls", Way::Petrichor { secure: true }),
    ("petrichor+tcp", Way::Petrichor { secure: false }),
];

/// The scheme of an account's address (RFC 5122 §2.2).
const XMPP: &str = "xmpp:";

/// The port of an XMPP server for its users (RFC 6120 §14.7); which one it really is, DNS says.
const XMPP_PORT: u16 = 5222;

/// Why a text is no address of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read as an address at all.
    #[error("this is not an address; one looks like https://gateway.example")]
    Unreadable,
    /// A scheme other than those of [`GatewayAddress`].
    #[error("the address of a gateway begins with https:// (or http:// on this computer)")]
    Scheme,
    /// `petrichor+tls` or `petrichor+tcp` without a port: it has none of its own.
    #[error(
        "an address that begins with petrichor+ needs a port, like petrichor+tls://gateway.example:7411"
    )]
    Port,
    /// Not the address of an XMPP account.
    #[error("an XMPP account looks like name@server.example")]
    Account,
    /// A path, a query, a user name or a password.
    #[error("the address of a gateway ends after its name: nothing after the slash, no password")]
    TooMuch,
    /// `http` to another computer: the proof of identity and all files would be readable on the way.
    #[error("a gateway on another computer needs https://")]
    Insecure,
}

impl GatewayAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// When the text is not an origin that a peer may dial.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Some(account) = account_of(text) {
            return Self::read_account(account);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let known = |scheme: &str| {
            SCHEMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme))
        };
        let scheme = scheme.map(|scheme| known(scheme).ok_or(AddressError::Scheme)).transpose()?;
        // One reader for all schemes, since the rules for names and ports are those of the web.
        let read = |scheme: &str| {
            Url::parse(&format!("{scheme}://{rest}")).map_err(|_| AddressError::Unreadable)
        };
        let (way, url) = match scheme {
            Some((_, way)) => {
                let url = read(if way.is_secure() { "https" } else { "http" })?;
                (way, url)
            }
            None => {
                let url = read("https")?;
                if url.host().as_ref().is_some_and(is_this_computer) {
                    (Way::Web { secure: false }, read("http")?)
                } else {
                    (Way::Web { secure: true }, url)
                }
            }
        };
        if !matches!(url.path(), "" | "/")
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(AddressError::TooMuch);
        }
        let host = url.host().ok_or(AddressError::Unreadable)?.to_owned();
        if matches!(&host, Host::Domain(name) if !is_host_name(name)) {
            return Err(AddressError::Unreadable);
        }
        if !way.is_secure() && !is_this_computer(&host) {
            return Err(AddressError::Insecure);
        }
        let port = url.port_or_known_default().ok_or(AddressError::Unreadable)?;
        // A web scheme hides its own port; of two that have different ones only one can.
        let is_petrichor = matches!(way, Way::Petrichor { .. });
        if is_petrichor && read("https")?.port().is_none() && read("http")?.port().is_none() {
            return Err(AddressError::Port);
        }
        Ok(Self { way, host, port })
    }

    fn read_account(text: &str) -> Result<Self, AddressError> {
        if text.contains(['/', '?', '#']) {
            return Err(AddressError::TooMuch);
        }
        let account: BareJid = text.parse().map_err(|_| AddressError::Account)?;
        if account.node().is_none() {
            return Err(AddressError::Account);
        }
        Self::account(account).ok_or(AddressError::Account)
    }

    /// Names a gateway by its XMPP account; `None` when the account's server is no host name.
    #[must_use]
    pub fn account(account: BareJid) -> Option<Self> {
        let host = Host::parse(account.domain().as_str()).ok()?;
        if matches!(&host, Host::Domain(name) if !is_host_name(name)) {
            return None;
        }
        Some(Self { way: Way::Xmpp(account), host, port: XMPP_PORT })
    }

    /// Names a gateway's own address. Unlike [`GatewayAddress::parse`] it does not refuse `http` on
    /// another computer, since a gateway may say of itself what no peer would dial.
    #[must_use]
    pub fn new(secure: bool, host: Host, port: u16) -> Self {
        Self { way: Way::Web { secure }, host, port }
    }

    /// Names a gateway's own port for Petrichor, with or without TLS. Like [`GatewayAddress::new`] it
    /// refuses nothing.
    #[must_use]
    pub fn petrichor(secure: bool, host: Host, port: u16) -> Self {
        Self { way: Way::Petrichor { secure }, host, port }
    }

    /// Returns whether Petrichor is spoken there, and nothing else.
    #[must_use]
    pub fn is_petrichor(&self) -> bool {
        matches!(self.way, Way::Petrichor { .. })
    }

    /// Returns the gateway's XMPP account, if that is how it is reached.
    #[must_use]
    pub fn xmpp(&self) -> Option<&BareJid> {
        match &self.way {
            Way::Xmpp(account) => Some(account),
            Way::Web { .. } | Way::Petrichor { .. } => None,
        }
    }

    /// Returns whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.way.is_secure()
    }

    /// Returns the host, for dialling and for the certificate.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns whether the host can only be this computer.
    #[must_use]
    pub fn is_this_computer(&self) -> bool {
        is_this_computer(&self.host)
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns host and port as a `Host` header has them: without the scheme's own port.
    #[must_use]
    pub fn authority(&self) -> String {
        match (&self.way, self.port) {
            (Way::Web { secure: true }, 443)
            | (Way::Web { secure: false }, 80)
            | (Way::Xmpp(_), _) => self.host.to_string(),
            (Way::Web { .. } | Way::Petrichor { .. }, port) => format!("{}:{port}", self.host),
        }
    }

    /// Returns the origin, `https://gateway.example`: the audience of proofs.
    #[must_use]
    pub fn origin(&self) -> String {
        if let Way::Xmpp(account) = &self.way {
            return format!("{XMPP}{account}");
        }
        let is_ours = |(_, way): &(&str, Way)| *way == self.way;
        let scheme = SCHEMES.into_iter().find(is_ours).map_or("", |(scheme, _)| scheme);
        format!("{scheme}://{}", self.authority())
    }
}

impl Way {
    fn is_secure(&self) -> bool {
        match self {
            Self::Web { secure } | Self::Petrichor { secure } => *secure,
            // No account's password is sent unencrypted, except to a server on this computer.
            Self::Xmpp(_) => true,
        }
    }
}

/// An address as it is passed on to somebody, with what lets them in:
/// `xmpp:gateway@chat.example?invite=code`, where there may be no invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Where the gateway is.
    pub gateway: GatewayAddress,
    /// What the gateway wants to hear from somebody it does not know. A secret of sorts.
    pub invite: Option<String>,
}

/// The longest invitation that is taken.
pub const MAX_INVITE: usize = 64;

impl fmt::Debug for Invitation {
    /// Without the invitation: who reads it first could use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl From<GatewayAddress> for Invitation {
    fn from(gateway: GatewayAddress) -> Self {
        Self { gateway, invite: None }
    }
}

impl Invitation {
    /// Reads an address with or without an invitation.
    ///
    /// # Errors
    /// When the address cannot be read, or what is behind it is no invitation.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (address, invite) = match text.trim().split_once("?invite=") {
            Some((address, invite)) => (address, Some(invite)),
            None => (text, None),
        };
        let is_good = |invite: &str| {
            (1..=MAX_INVITE).contains(&invite.len())
                && invite.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !invite.is_none_or(is_good) {
            return Err(AddressError::TooMuch);
        }
        let gateway = GatewayAddress::parse(address)?;
        Ok(Self { gateway, invite: invite.map(str::to_owned) })
    }
}

/// Returns what stands behind `xmpp:`, or what can only be an account.
fn account_of(text: &str) -> Option<&str> {
    match text.get(..XMPP.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(XMPP) => text.get(XMPP.len()..),
        _ => (text.contains('@') && !text.contains("://")).then_some(text),
    }
}

/// Returns whether a name can be in DNS and in a `Host` header; URLs allow more than both.
fn is_host_name(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let name = name.strip_suffix('.').unwrap_or(name);
    name.split('.').all(|part| !part.is_empty() && part.bytes().all(allowed))
}

/// Returns whether a host can only be this computer: a loopback address or `localhost` and below
/// (RFC 6761 §6.3).
fn is_this_computer<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref().trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl FromStr for GatewayAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for GatewayAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<GatewayAddress> for String {
    fn from(address: GatewayAddress) -> Self {
        address.origin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_paste() {
        for (text, origin) in [
            ("https://Gateway.Example/", "https://gateway.example"),
            ("gateway.example", "https://gateway.example"),
            (" gateway.example:8443 ", "https://gateway.example:8443"),
            ("localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("https://192.0.2.7", "https://192.0.2.7"),
            ("petrichor+tls://Gateway.Example:7411/", "petrichor+tls://gateway.example:7411"),
            ("Petrichor+TLS://gateway.example:443", "petrichor+tls://gateway.example:443"),
            ("petrichor+tls://gateway.example:80", "petrichor+tls://gateway.example:80"),
            ("petrichor+tcp://127.0.0.1:80", "petrichor+tcp://127.0.0.1:80"),
            ("petrichor+tcp://[::1]:7411", "petrichor+tcp://[::1]:7411"),
            ("xmpp:Gateway@Chat.Example", "xmpp:gateway@chat.example"),
            (" XMPP:gateway@localhost ", "xmpp:gateway@localhost"),
            ("gateway@chat.example", "xmpp:gateway@chat.example"),
        ] {
            let address = GatewayAddress::parse(text).unwrap();
            assert_eq!(address.origin(), origin);
            assert_eq!(GatewayAddress::parse(origin), Ok(address));
        }
    }

    #[test]
    fn refuses_with_a_sentence() {
        for (text, why) in [
            ("", AddressError::Unreadable),
            ("https://", AddressError::Unreadable),
            ("https://gate\"way.example", AddressError::Unreadable),
            ("https://gateway..example", AddressError::Unreadable),
            ("ftp://gateway.example", AddressError::Scheme),
            ("https://gateway.example/path", AddressError::TooMuch),
            ("https://me:pw@gateway.example", AddressError::TooMuch),
            ("http://gateway.example", AddressError::Insecure),
            ("http://localhost.example", AddressError::Insecure),
            ("petrichor+tls://gateway.example", AddressError::Port),
            ("petrichor+tcp://localhost", AddressError::Port),
            ("petrichor+tcp://gateway.example:7411", AddressError::Insecure),
            ("petrichor+tls://gateway.example:7411/path", AddressError::TooMuch),
            ("petrichor://gateway.example:7411", AddressError::Scheme),
            ("xmpp:", AddressError::Account),
            ("xmpp:chat.example", AddressError::Account),
            ("xmpp:@chat.example", AddressError::Account),
            ("xmpp:a b@chat.example", AddressError::Account),
            ("xmpp://gateway@chat.example", AddressError::TooMuch),
            ("xmpp:gateway@chat.example/phone", AddressError::TooMuch),
            ("xmpp:gateway@chat.example?message", AddressError::TooMuch),
        ] {
            assert_eq!(GatewayAddress::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_invitation_is_behind_the_address() {
        let read = Invitation::parse(" xmpp:gateway@chat.example?invite=s-3_cret ").unwrap();
        assert_eq!(read.gateway.origin(), "xmpp:gateway@chat.example");
        assert_eq!(read.gateway.xmpp().unwrap().to_string(), "gateway@chat.example");
        assert_eq!(read.invite.as_deref(), Some("s-3_cret"));
        assert!(!format!("{read:?}").contains("s-3_cret"));
        assert_eq!(Invitation::parse("gateway.example").unwrap().invite, None);
        for text in ["a@b.example?invite=", "a@b.example?invite=a b", "a@b.example?invite=a&x=y"] {
            assert_eq!(Invitation::parse(text), Err(AddressError::TooMuch), "{text}");
        }
    }
}

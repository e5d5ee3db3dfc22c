//! Addresses of gateways.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where a gateway is, as a person pastes it: an origin, `https://gateway.example` or
/// `http://localhost:8080`. Without a scheme it is `https`, or `http` when the host is this
/// computer.
///
/// A gateway's own port for Petrichor has the form `petrichor+tls://gateway.example:7411`, or
/// `petrichor+tcp://localhost:7411` on this computer; the port has to be there.
///
/// Its text is the web origin (RFC 6454 §6.2), or what is like one, which is also the audience of a
/// [proof](crate::proof).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayAddress {
    secure: bool,
    petrichor: bool,
    host: Host,
    port: u16,
}

/// The schemes, with whether they are encrypted and whether they are Petrichor's.
const SCHEMES: [(&str, bool, bool); 4] = [
    ("https", true, false),
    ("http", false, false),
    ("petrichor+tls", true, true),
    ("petrichor+tcp", false, true),
];

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
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let known = |scheme: &str| {
            SCHEMES.into_iter().find(|(known, ..)| known.eq_ignore_ascii_case(scheme))
        };
        let scheme = scheme.map(|scheme| known(scheme).ok_or(AddressError::Scheme)).transpose()?;
        // One reader for all schemes, since the rules for names and ports are those of the web.
        let read = |scheme: &str| {
            Url::parse(&format!("{scheme}://{rest}")).map_err(|_| AddressError::Unreadable)
        };
        let (secure, petrichor, url) = match scheme {
            Some((_, secure, petrichor)) => {
                (secure, petrichor, read(if secure { "https" } else { "http" })?)
            }
            None => {
                let url = read("https")?;
                if url.host().as_ref().is_some_and(is_this_computer) {
                    (false, false, read("http")?)
                } else {
                    (true, false, url)
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
        if !secure && !is_this_computer(&host) {
            return Err(AddressError::Insecure);
        }
        let port = url.port_or_known_default().ok_or(AddressError::Unreadable)?;
        // A web scheme hides its own port; of two that have different ones only one can.
        if petrichor && read("https")?.port().is_none() && read("http")?.port().is_none() {
            return Err(AddressError::Port);
        }
        Ok(Self { secure, petrichor, host, port })
    }

    /// Names a gateway's own address. Unlike [`GatewayAddress::parse`] it does not refuse `http` on
    /// another computer, since a gateway may say of itself what no peer would dial.
    #[must_use]
    pub fn new(secure: bool, host: Host, port: u16) -> Self {
        Self { secure, petrichor: false, host, port }
    }

    /// Names a gateway's own port for Petrichor, with or without TLS. Like [`GatewayAddress::new`] it
    /// refuses nothing.
    #[must_use]
    pub fn petrichor(secure: bool, host: Host, port: u16) -> Self {
        Self { secure, petrichor: true, host, port }
    }

    /// Returns whether Petrichor is spoken there, and nothing else.
    #[must_use]
    pub fn is_petrichor(&self) -> bool {
        self.petrichor
    }

    /// Returns whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
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
        match (self.secure, self.port) {
            (true, 443) | (false, 80) if !self.petrichor => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// Returns the origin, `https://gateway.example`: the audience of proofs.
    #[must_use]
    pub fn origin(&self) -> String {
        let is_ours = |(_, secure, petrichor): &(&str, bool, bool)| {
            (*secure, *petrichor) == (self.secure, self.petrichor)
        };
        let scheme = SCHEMES.into_iter().find(is_ours).map_or("", |(scheme, ..)| scheme);
        format!("{scheme}://{}", self.authority())
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
        ] {
            assert_eq!(GatewayAddress::parse(text), Err(why), "{text:?}");
        }
    }
}

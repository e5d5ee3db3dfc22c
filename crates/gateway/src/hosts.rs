//! Whom a request is for: the gateway itself, a site, or nobody here.

use std::net::{Ipv4Addr, Ipv6Addr};

use crosstalk::{address::GatewayAddress, label::Label, registry::GatewayInfo};
use http::{HeaderMap, Uri, header};
use url::Host;

/// The gateway's own host name and what lies below it.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    domain: String,
    address: GatewayAddress,
    site_port: Option<u16>,
    this_computer: bool,
}

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The gateway itself.
    Own,
    /// The site with this name, if there is one.
    Site(Label),
    /// Below the gateway's name, but no site can have this name.
    NoSuchSite,
    /// A host that is not here at all. Answering would let anybody's DNS name reach this gateway
    /// from inside a browser (DNS rebinding).
    Elsewhere,
}

/// Why a request does not say whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    #[error("the request does not say which host it is for")]
    Missing,
    #[error("the request names more than one host")]
    Several,
    #[error("the host of the request is not a host name")]
    Malformed,
}

impl Hosts {
    /// Reads the gateway's own name; `None` when it is no host name that others can be below.
    pub(crate) fn new(domain: &str, port: u16, behind_proxy: bool) -> Option<Self> {
        let Ok(Host::Domain(domain)) = Host::parse(domain.trim().trim_end_matches('.')) else {
            return None;
        };
        let plausible = domain.len() <= 253 - (crosstalk::label::MAX_LENGTH + 1)
            && domain.split('.').all(|part| {
                (1..=63).contains(&part.len())
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
        if !plausible {
            return None;
        }
        let this_computer = domain == "localhost";
        let (address, port) = if behind_proxy {
            (GatewayAddress::new(true, Host::Domain(domain.clone()), 443), 443)
        } else {
            (GatewayAddress::new(false, Host::Domain(domain.clone()), port), port)
        };
        let scheme_port = if behind_proxy { 443 } else { 80 };
        let site_port = (port != scheme_port).then_some(port);
        Some(Self { domain, address, site_port, this_computer })
    }

    /// Returns the address that peers use.
    pub(crate) fn address(&self) -> &GatewayAddress {
        &self.address
    }

    /// Returns whether sites are reached by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.address.is_secure()
    }

    /// Returns whether only this computer can reach the gateway by its name.
    pub(crate) fn is_this_computer(&self) -> bool {
        self.this_computer
    }

    /// Returns what the gateway tells anybody of itself.
    pub(crate) fn info(&self) -> GatewayInfo {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let port = self.site_port.map(|port| format!(":{port}")).unwrap_or_default();
        GatewayInfo {
            software: concat!("veranda-gateway/", env!("CARGO_PKG_VERSION")).to_owned(),
            origin: self.address.origin(),
            sites: format!("{scheme}://*.{}{port}", self.domain),
        }
    }

    /// Returns the host and port of a site, as a `Host` header has them.
    pub(crate) fn site_authority(&self, label: &Label) -> String {
        match self.site_port {
            Some(port) => format!("{label}.{}:{port}", self.domain),
            None => format!("{label}.{}", self.domain),
        }
    }

    /// Returns the origins that a proof of identity may name: ours, and on this computer also the
    /// two loopback addresses, because people paste those.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let mut audiences = vec![self.address.origin()];
        if self.this_computer {
            let port = self.address.port();
            for host in [Host::Ipv4(Ipv4Addr::LOCALHOST), Host::Ipv6(Ipv6Addr::LOCALHOST)] {
                audiences.push(GatewayAddress::new(self.is_secure(), host, port).origin());
            }
        }
        audiences
    }

    /// Decides whom a request is for.
    ///
    /// RFC 9112 §3.2 lets an absolute-form target win over `Host`; here both must agree, since a
    /// request on which two readers could disagree is refused.
    pub(crate) fn route(&self, uri: &Uri, headers: &HeaderMap) -> Result<Route, HostError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().ok_or(HostError::Missing)?;
        if hosts.next().is_some() {
            return Err(HostError::Several);
        }
        let host = host.to_str().map_err(|_| HostError::Malformed)?;
        let name = host_name(host)?;
        if let Some(target) = uri.authority()
            && host_name(target.as_str())? != name
        {
            return Err(HostError::Several);
        }
        Ok(self.route_of(&name))
    }

    fn route_of(&self, name: &str) -> Route {
        if name == self.domain {
            return Route::Own;
        }
        if let Some(label) = name.strip_suffix(&self.domain).and_then(|rest| rest.strip_suffix('.'))
        {
            if label.contains('.') {
                return Route::Elsewhere;
            }
            return Label::parse(label).map_or(Route::NoSuchSite, Route::Site);
        }
        if self.this_computer && matches!(name, "127.0.0.1" | "[::1]") {
            return Route::Own;
        }
        Route::Elsewhere
    }
}

/// Reads `host[:port]`: the host in small letters without its trailing dot.
fn host_name(authority: &str) -> Result<String, HostError> {
    if authority.is_empty() {
        return Err(HostError::Missing);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (literal, port) = rest.split_once(']').ok_or(HostError::Malformed)?;
            let address: Ipv6Addr = literal.parse().map_err(|_| HostError::Malformed)?;
            (format!("[{address}]"), port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            (host, port)
        }
    };
    let port_is_fine = match port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || is_port(digits),
        None => port.is_empty(),
    };
    let host_is_fine = host.starts_with('[')
        || (!host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')));
    if port_is_fine && host_is_fine { Ok(host) } else { Err(HostError::Malformed) }
}

fn is_port(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, host: &[&str]) -> (Uri, HeaderMap) {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, host.parse().unwrap());
        }
        (uri.parse().unwrap(), headers)
    }

    fn route(hosts: &Hosts, uri: &str, host: &[&str]) -> Result<Route, HostError> {
        let (uri, headers) = request(uri, host);
        hosts.route(&uri, &headers)
    }

    fn site(label: &str) -> Result<Route, HostError> {
        Label::parse(label).map(Route::Site).map_err(|_| HostError::Malformed)
    }

    #[test]
    fn the_host_decides() {
        let hosts = Hosts::new("Gateway.Example.", 8080, false).unwrap();
        for (host, expected) in [
            ("gateway.example", Ok(Route::Own)),
            ("GATEWAY.example:8080", Ok(Route::Own)),
            ("gateway.example.", Ok(Route::Own)),
            ("photos.gateway.example", site("photos")),
            ("PHOTOS.gateway.example.:8080", site("photos")),
            ("photos.gateway.example:1", site("photos")),
            ("photos.gateway.example:", site("photos")),
            ("www.gateway.example", Ok(Route::NoSuchSite)),
            ("a.gateway.example", Ok(Route::NoSuchSite)),
            ("under_score.gateway.example", Ok(Route::NoSuchSite)),
            ("a.photos.gateway.example", Ok(Route::Elsewhere)),
            ("photosgateway.example", Ok(Route::Elsewhere)),
            (".gateway.example", Ok(Route::NoSuchSite)),
            ("gateway.example.evil.example", Ok(Route::Elsewhere)),
            ("127.0.0.1:8080", Ok(Route::Elsewhere)),
            ("[::1]", Ok(Route::Elsewhere)),
            ("localhost", Ok(Route::Elsewhere)),
            ("gateway.example..", Ok(Route::Elsewhere)),
            ("", Err(HostError::Missing)),
            (":80", Err(HostError::Malformed)),
            ("gateway.example:80:80", Err(HostError::Malformed)),
            ("gateway.example:99999", Err(HostError::Malformed)),
            ("gateway.example:+80", Err(HostError::Malformed)),
            ("me@gateway.example", Err(HostError::Malformed)),
            ("gateway.example/path", Err(HostError::Malformed)),
            ("gate way.example", Err(HostError::Malformed)),
            ("[::1", Err(HostError::Malformed)),
            ("[fe80::1%25eth0]", Err(HostError::Malformed)),
        ] {
            assert_eq!(route(&hosts, "/", &[host]), expected, "{host:?}");
        }
    }

    #[test]
    fn none_or_several_hosts_are_refused() {
        let hosts = Hosts::new("gateway.example", 80, false).unwrap();
        let same = "photos.gateway.example";
        assert_eq!(route(&hosts, "/", &[]), Err(HostError::Missing));
        assert_eq!(route(&hosts, "/", &[same, same]), Err(HostError::Several));
        assert_eq!(route(&hosts, &format!("http://{same}/x"), &[same]), site("photos"));
        assert_eq!(
            route(&hosts, &format!("http://{same}/x"), &["gateway.example"]),
            Err(HostError::Several)
        );
        assert_eq!(
            route(&hosts, &format!("http://me@{same}/x"), &[same]),
            Err(HostError::Malformed)
        );
    }

    #[test]
    fn on_this_computer_the_loopback_addresses_are_ours_too() {
        let hosts = Hosts::new("localhost", 4321, false).unwrap();
        for own in ["localhost:4321", "127.0.0.1:4321", "[::1]:4321", "[0:0:0:0:0:0:0:1]:4321"] {
            assert_eq!(route(&hosts, "/", &[own]), Ok(Route::Own), "{own}");
        }
        assert_eq!(route(&hosts, "/", &["photos.localhost:4321"]), site("photos"));
        assert_eq!(route(&hosts, "/", &["127.0.0.2:4321"]), Ok(Route::Elsewhere));
        assert_eq!(route(&hosts, "/", &["rebind.example:4321"]), Ok(Route::Elsewhere));
        assert_eq!(
            hosts.audiences(),
            ["http://localhost:4321", "http://127.0.0.1:4321", "http://[::1]:4321"]
        );
    }

    #[test]
    fn addresses_are_those_that_visitors_type() {
        let label: Label = "photos".parse().unwrap();
        for (domain, port, proxy, origin, site) in [
            ("localhost", 4321, false, "http://localhost:4321", "http://photos.localhost:4321"),
            ("localhost", 80, false, "http://localhost", "http://photos.localhost"),
            ("g.example", 4321, true, "https://g.example", "https://photos.g.example"),
            ("g.example", 4321, false, "http://g.example:4321", "http://photos.g.example:4321"),
        ] {
            let hosts = Hosts::new(domain, port, proxy).unwrap();
            assert_eq!(hosts.info().origin, origin);
            assert_eq!(hosts.info().site_origin(&label), site);
            assert!(site.ends_with(&format!("//{}", hosts.site_authority(&label))));
        }
    }

    #[test]
    fn only_host_names_can_have_sites_below() {
        for bad in ["", "127.0.0.1", "[::1]", "a b", "a/b", "x..example", &"a".repeat(64)] {
            assert!(Hosts::new(bad, 80, false).is_none(), "{bad:?}");
        }
        assert!(Hosts::new("bücher.example", 80, false).is_some());
    }
}

//! Which network this computer is in, as far as it matters for what gets through.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crosstalk::address::GatewayAddress;

/// Addresses that the system would route like any other and that nobody has (RFC 5737, RFC 3849).
/// Nothing is sent there.
const ANYWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];

/// Names the network from which a gateway is reached: the first part of this computer's own address
/// there (`192.168.1.0/24`). Two networks may look alike; what is remembered of the one is then tried
/// first in the other and costs a moment if it is wrong.
pub(super) fn here(gateway: &GatewayAddress) -> String {
    if gateway.is_this_computer() {
        return "this computer".to_owned();
    }
    let own = ANYWHERE.iter().find_map(|anywhere| own_address(*anywhere));
    own.map_or_else(|| "unknown".to_owned(), name)
}

/// Asks the system which of its addresses it would use; connecting a UDP socket sends nothing.
fn own_address(towards: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match towards {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(towards).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified() && !own.is_loopback()).then_some(own)
}

fn name(own: IpAddr) -> String {
    match own {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_the_first_part_of_the_own_address() {
        assert_eq!(name("192.168.1.77".parse().unwrap()), "192.168.1.0/24");
        assert_eq!(name("fd00:1:2:3:4:5:6:7".parse().unwrap()), "fd00:1:2:3::/64");
    }

    #[test]
    fn a_gateway_on_this_computer_is_in_no_network() {
        for address in ["http://localhost:1", "http://a.localhost:1", "http://[::1]:1"] {
            assert_eq!(here(&GatewayAddress::parse(address).unwrap()), "this computer");
        }
        let elsewhere = here(&GatewayAddress::parse("https://gateway.example").unwrap());
        assert_ne!(elsewhere, "this computer");
    }
}

//! What the system knows of a socket: how much the other end has acknowledged, how much room it
//! offered, and on this computer also what its program has not read yet.
//!
//! Linux tells it by `sock_diag(7)` to anybody who knows the two addresses, and at once: the answer is
//! there when the question was sent. Elsewhere nothing is known.

use std::net::SocketAddr;

/// What the system knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// How many bytes the other end acknowledged since the connection began (`tcpi_bytes_acked`, RFC
    /// 4898; the greeting is not counted where the other end began it).
    pub(super) acknowledged: u64,
    /// How many more it had room for then (`tcpi_snd_wnd`); `None` before Linux 5.4.
    pub(super) window: Option<u64>,
    /// How much of what it acknowledged its program had not read a moment later; known when the other
    /// end is a socket of this computer.
    pub(super) unread: Option<u64>,
}

impl Facts {
    /// Returns how many bytes its program has read at least, where that is known.
    pub(super) fn read(&self) -> Option<u64> {
        self.unread.map(|unread| self.acknowledged.saturating_sub(unread))
    }
}

/// Returns what the system knows; `None` when the connection is over, or on another system.
#[cfg(target_os = "linux")]
pub(super) fn look(local: SocketAddr, remote: SocketAddr) -> Option<Facts> {
    let mut answer = [0; ANSWER];
    let mut facts = message::answer(ask(local, remote, &mut answer)?)?;
    // Asked afterwards: what was acknowledged before had arrived by then.
    facts.unread = ask(remote, local, &mut answer).and_then(message::unread);
    Some(facts)
}

/// Returns whether this system tells anything.
#[cfg(target_os = "linux")]
pub(super) fn tells() -> bool {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    // That there is no such connection is an answer, too.
    ask(nobody, nobody, &mut [0; ANSWER]).is_some_and(|answer| !answer.is_empty())
}

/// Returns `false`: nothing asks this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn tells() -> bool {
    false
}

/// The size of an answer; one has about 400 bytes.
#[cfg(target_os = "linux")]
const ANSWER: usize = 2048;

#[cfg(target_os = "linux")]
fn ask(local: SocketAddr, remote: SocketAddr, answer: &mut [u8; ANSWER]) -> Option<&[u8]> {
    use std::io::{Read as _, Write as _};

    use socket2::{Domain, Protocol, Socket, Type};

    // From linux/socket.h and linux/netlink.h.
    const AF_NETLINK: i32 = 16;
    const NETLINK_SOCK_DIAG: i32 = 4;
    let protocol = Some(Protocol::from(NETLINK_SOCK_DIAG));
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, protocol).ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.write_all(&message::question(local, remote)).ok()?;
    let length = socket.read(answer).ok()?;
    answer.get(..length)
}

/// Returns `None`: this system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(_local: SocketAddr, _remote: SocketAddr) -> Option<Facts> {
    None
}

/// The messages of `linux/inet_diag.h`, as far as they are needed.
#[cfg(target_os = "linux")]
mod message {
    use std::net::{IpAddr, SocketAddr};

    use super::Facts;

    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const IPPROTO_TCP: u8 = 6;
    const INET_DIAG_INFO: u16 = 2;
    const TCP_LISTEN: u8 = 10;
    /// `struct nlmsghdr` and `struct inet_diag_msg`, after which the attributes come.
    const HEADER: usize = 16;
    const FIXED: usize = 72;
    /// Offset in `struct inet_diag_msg`.
    const RECEIVE_QUEUE: usize = 56;
    /// Offsets in `struct tcp_info`, which only ever grew.
    const BYTES_ACKED: usize = 120;
    const SEND_WINDOW: usize = 228;

    /// Asks for `struct tcp_info` of one connection (`struct inet_diag_req_v2`).
    pub(super) fn question(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
        let family: u8 = match local {
            SocketAddr::V4(_) => 2,
            SocketAddr::V6(_) => 10,
        };
        let mut message = Vec::with_capacity(HEADER + 56);
        let length: u32 = 72;
        message.extend(length.to_ne_bytes());
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.extend(NLM_F_REQUEST.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
        // All states.
        message.extend(u32::MAX.to_ne_bytes());
        message.extend(local.port().to_be_bytes());
        message.extend(remote.port().to_be_bytes());
        for address in [local.ip(), remote.ip()] {
            match address {
                IpAddr::V4(address) => {
                    message.extend(address.octets());
                    message.extend([0; 12]);
                }
                IpAddr::V6(address) => message.extend(address.octets()),
            }
        }
        // Any interface, any cookie.
        message.extend([0; 4]);
        message.extend([u8::MAX; 8]);
        message
    }

    /// Returns `idiag_rqueue`.
    pub(super) fn unread(message: &[u8]) -> Option<u64> {
        connection(message)?;
        array(message, HEADER + RECEIVE_QUEUE).map(u32::from_ne_bytes).map(u64::from)
    }

    pub(super) fn answer(message: &[u8]) -> Option<Facts> {
        let mut rest = connection(message)?;
        loop {
            let length = usize::from(u16::from_ne_bytes(array(rest, 0)?));
            let kind = u16::from_ne_bytes(array(rest, 2)?);
            let value = rest.get(4..length)?;
            if kind == INET_DIAG_INFO {
                let acknowledged = u64::from_ne_bytes(array(value, BYTES_ACKED)?);
                let window = array(value, SEND_WINDOW).map(u32::from_ne_bytes).map(u64::from);
                return Some(Facts { acknowledged, window, unread: None });
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }

    /// Returns the attributes of an answer that is about a connection.
    fn connection(message: &[u8]) -> Option<&[u8]> {
        let kind = u16::from_ne_bytes(array(message, 4)?);
        if kind != SOCK_DIAG_BY_FAMILY {
            return None;
        }
        // For a connection that is over, the system may speak of the socket that listens there.
        if *message.get(HEADER + 1)? == TCP_LISTEN {
            return None;
        }
        let length = usize::try_from(u32::from_ne_bytes(array(message, 0)?)).ok()?;
        message.get(HEADER + FIXED..length)
    }

    fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
        bytes.get(at..at + N)?.try_into().ok()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn the_system_says_whether_it_tells() {
        assert!(tells());
    }

    #[tokio::test]
    async fn the_system_tells_what_was_acknowledged() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else {
                assert!(address.starts_with('['), "without IPv4 there is no test");
                continue;
            };
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut server, remote) = listener.accept().await.unwrap();
            let local = server.local_addr().unwrap();
            assert_eq!(look(local, remote).unwrap().acknowledged, 0);
            server.write_all(&[7; 5000]).await.unwrap();
            let mut bytes = [0; 5000];
            client.read_exact(&mut bytes[..2000]).await.unwrap();
            assert_eq!(look(local, remote).unwrap().unread, Some(3000));
            client.read_exact(&mut bytes[2000..]).await.unwrap();
            client.write_all(b"!").await.unwrap();
            server.read_exact(&mut bytes[..1]).await.unwrap();
            // With the client's byte came its acknowledgement.
            let facts = look(local, remote).unwrap();
            assert_eq!(facts.acknowledged, 5000);
            assert_eq!(facts.unread, Some(0));
            assert!(facts.window.is_some_and(|window| window > 0), "{facts:?}");
            // Nothing of somebody who is not there, although somebody listens.
            let nobody = if local.is_ipv4() { "192.0.2.1:1" } else { "[2001:db8::1]:1" };
            assert_eq!(look(local, nobody.parse().unwrap()), None);
        }
    }
}

//! Ports for programs that take no "any port" themselves.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this computer that is kept for one program: nobody gets it by chance, neither as "any
/// port" nor for an outgoing connection, while the program starts or after it ended.
pub struct KeptPort {
    number: u16,
    /// It is bound and never listens, which leaves room for whoever asks for this port by its number
    /// (`SO_REUSEADDR`), as servers do, and for nobody else.
    _socket: TcpSocket,
}

impl KeptPort {
    /// Takes a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn take() -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { number: socket.local_addr()?.port(), _socket: socket })
    }

    /// Returns its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns where the program is to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_kept_port_is_for_who_asks_for_it() {
        let port = KeptPort::take().unwrap();
        TcpStream::connect(port.address()).await.unwrap_err();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        TcpStream::connect(port.address()).await.unwrap();
        drop(listener);
        // After it ended, it finds its port again.
        TcpListener::bind(port.address()).await.unwrap();
    }
}

//! What every TCP connection of a link needs.

use std::{io, time::Duration};

use crosstalk::limits;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How often the system repeats an unanswered question whether the partner is alive.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// Makes small messages leave at once, and lets the system notice a partner that is gone within
/// about the time in which a ping would.
///
/// For the gateway's accepted connections as well as for the peer's dialled ones: reversed
/// HTTP/1.1 has no ping of its own.
///
/// # Errors
/// When the system refuses one of the options.
pub fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let options = SockRef::from(socket);
    let keep_alive = TcpKeepalive::new().with_time(limits::PING_EVERY).with_interval(PROBE_EVERY);
    // Two unanswered questions are the time of a ping's answer. Windows counts ten on its own.
    #[cfg(not(windows))]
    let keep_alive = keep_alive.with_retries(2);
    options.set_tcp_keepalive(&keep_alive)?;
    // Keep-alive is only asked of a connection that rests. This is for one that has bytes to send.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    options.set_tcp_user_timeout(Some(limits::PING_EVERY + limits::PING_TIMEOUT))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_prepared_connection_sends_at_once_and_asks_after_its_partner() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&socket).unwrap();
        assert!(socket.nodelay().unwrap());
        assert!(SockRef::from(&socket).keepalive().unwrap());
    }
}

//! What every TCP connection of a link needs.

use std::io;

use tokio::net::TcpStream;

/// Makes small messages leave at once, and lets the system notice a partner that is gone.
///
/// For the gateway's accepted connections as well as for the peer's dialled ones: reversed
/// HTTP/1.1 has no ping of its own.
///
/// # Errors
/// When the system refuses one of the options.
pub fn prepare(socket: &TcpStream) -> io::Result<()> {
    let _ = socket;
    unimplemented!()
}

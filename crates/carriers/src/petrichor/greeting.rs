//! The pairs with which a link begins.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use crosstalk::{
    petrichor::{MAX_HELLO, MAX_SENTENCE, WireError},
    tnetstring::{Measure, TnetstringError, Whole, measure},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How long hello and answer may take. The gateway looks at a signature and at its list of names.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a denied dialer is listened to. Closing at once while it still sends would make its
/// system throw away the sentence with the connection.
pub(super) const AFTER_DENIAL: Duration = Duration::from_secs(2);

/// How much is read at once: most greetings.
const READ_SIZE: usize = 2 * 1024;

/// Reads a pair: its header, whole, and the bytes of its body. What came behind it stays in
/// `arrived`. The deadline is the caller's.
pub(super) async fn read_pair(
    connection: &mut (impl AsyncRead + Unpin),
    arrived: &mut BytesMut,
) -> io::Result<(Bytes, Bytes)> {
    let header = fill(connection, arrived, 0, MAX_HELLO).await?;
    fill(connection, arrived, header, MAX_SENTENCE).await?;
    let header = arrived.split_to(header).freeze();
    // The body is there, so this looks at it once more.
    let length = match measure(arrived, MAX_SENTENCE).map_err(WireError::from)? {
        Measure::Whole(length) => length,
        Measure::Missing(_) => return Err(WireError::from(TnetstringError::Cut).into()),
    };
    let mut body = arrived.split_to(length).freeze();
    let body = Whole::split(&mut body).and_then(Whole::into_string).map_err(WireError::from)?;
    Ok((header, body))
}

async fn fill(
    connection: &mut (impl AsyncRead + Unpin),
    arrived: &mut BytesMut,
    start: usize,
    max: usize,
) -> io::Result<usize> {
    loop {
        match measure(&arrived[start..], max).map_err(WireError::from)? {
            Measure::Whole(length) => return Ok(length),
            Measure::Missing(_) => arrived.reserve(READ_SIZE),
        }
        if connection.read_buf(arrived).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Writes a pair.
pub(super) async fn write_pair(
    connection: &mut (impl AsyncWrite + Unpin),
    pair: &[u8],
) -> io::Result<()> {
    connection.write_all(pair).await?;
    connection.flush().await
}

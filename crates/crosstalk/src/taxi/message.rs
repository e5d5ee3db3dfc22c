//! The message: a header and a body.

use bytes::Bytes;

use super::{Header, TaxiError, parse};

/// A header and the data it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaxiMessage {
    /// Who, what, to whom.
    pub header: Header,
    /// Any bytes; the command says what they are.
    pub body: Bytes,
}

/// What `p` says. The draft's prose means the bytes of the whole message, its examples, which are a
/// day older, those of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadLength {
    /// There is none. On WebSockets nothing is lost by it.
    Absent,
    /// The length of the message, as we write it.
    Total,
    /// The length of the body.
    BodyOnly,
    /// Neither.
    Mismatch,
}

impl TaxiMessage {
    /// Reads a message, and what its `p` is worth. Whoever answers a message that is not in order
    /// reads it like this, to find the sender's `t`.
    ///
    /// # Errors
    /// See [`TaxiError`].
    pub fn parse(message: &Bytes) -> Result<(Self, PayloadLength), TaxiError> {
        let (pairs, end) = parse::header(message)?;
        let (header, length) = Header::read(pairs)?;
        let body = message.slice(end..);
        let is = |bytes: usize| length == u64::try_from(bytes).ok();
        let verdict = if length.is_none() {
            PayloadLength::Absent
        } else if is(message.len()) {
            PayloadLength::Total
        } else if is(body.len()) {
            PayloadLength::BodyOnly
        } else {
            PayloadLength::Mismatch
        };
        Ok((Self { header, body }, verdict))
    }

    /// Reads a message that is in order.
    ///
    /// # Errors
    /// See [`TaxiError`]; also [`TaxiError::Length`].
    pub fn read(message: &Bytes) -> Result<Self, TaxiError> {
        match Self::parse(message)? {
            (_, PayloadLength::Mismatch) => Err(TaxiError::Length),
            (message, PayloadLength::Absent | PayloadLength::Total | PayloadLength::BodyOnly) => {
                Ok(message)
            }
        }
    }

    /// Writes the message: keys in the order of the alphabet, no white space, `p` the length of all
    /// of it.
    ///
    /// # Errors
    /// [`TaxiError::TooLong`] or [`TaxiError::TooManyItems`].
    pub fn write(&self) -> Result<Bytes, TaxiError> {
        let header = self.header.write(self.body.len())?;
        let mut message = Vec::with_capacity(header.len() + self.body.len());
        message.extend_from_slice(header.as_bytes());
        message.extend_from_slice(&self.body);
        Ok(message.into())
    }
}

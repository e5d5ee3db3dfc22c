//! A WebSocket written frame by frame, at either end.

use std::net::SocketAddr;

use bytes::Bytes;
use crosstalk::taxi::{PayloadLength, TaxiMessage};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::common::soon;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// The last frame of a message.
pub(crate) const FIN: u8 = 0x80;
/// What an extension would use, for compression.
pub(crate) const RSV1: u8 = 0x40;

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const REQUEST: &str = "GET /ptth HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Protocol: chat, taxi\r\n\
     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// One end of a WebSocket.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    /// Clients mask what they send.
    masks: bool,
}

impl Raw {
    /// Dials a gateway as a browser would.
    pub(crate) async fn dial(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(REQUEST.as_bytes()).await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self { socket, masks: true }
    }

    /// Goes on behind a handshake as the server.
    pub(crate) fn server(socket: TcpStream) -> Self {
        Self { socket, masks: false }
    }

    /// Writes a frame: its first byte, and its payload.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        let frame = self.head(first, payload.len());
        let mask = [1, 2, 3, 4];
        let payload = payload.iter().zip(mask.iter().cycle());
        let masked = payload.map(|(byte, mask)| if self.masks { byte ^ mask } else { *byte });
        let mut frame: Vec<u8> = frame;
        if self.masks {
            frame.extend(mask);
        }
        frame.extend(masked);
        self.socket.write_all(&frame).await.unwrap();
    }

    /// Returns the beginning of a frame, without the mask.
    pub(crate) fn head(&self, first: u8, length: usize) -> Vec<u8> {
        let masked = if self.masks { 0x80 } else { 0 };
        let mut head = vec![first];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => head.push(masked | length),
            (_, Ok(length)) => {
                head.push(masked | 126);
                head.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                head.push(masked | 127);
                head.extend((length as u64).to_be_bytes());
            }
        }
        head
    }

    /// Says something in a message of text.
    pub(crate) async fn say(&mut self, message: &str) {
        self.frame(FIN | TEXT, message.as_bytes()).await;
    }

    /// Reads a frame: its first byte, and its payload. `None` when the connection is closed.
    pub(crate) async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        soon(async {
            let first = self.socket.read_u8().await.ok()?;
            let second = self.socket.read_u8().await.unwrap();
            assert_eq!(second & 0x80 != 0, !self.masks, "who masks");
            let length = match second & 0x7f {
                126 => usize::from(self.socket.read_u16().await.unwrap()),
                127 => usize::try_from(self.socket.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut mask = [0; 4];
            if !self.masks {
                self.socket.read_exact(&mut mask).await.unwrap();
            }
            let mut payload = vec![0; length];
            self.socket.read_exact(&mut payload).await.unwrap();
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
            Some((first, payload))
        })
        .await
    }

    /// Reads a message of TAXI.
    pub(crate) async fn hear(&mut self) -> TaxiMessage {
        let (first, payload) = self.read().await.unwrap();
        assert_eq!(first, FIN | BINARY, "{}", payload.escape_ascii());
        let (message, length) = TaxiMessage::parse(&Bytes::from(payload)).unwrap();
        assert_eq!(length, PayloadLength::Total);
        message
    }

    /// Reads messages up to one with this command.
    pub(crate) async fn hear_command(&mut self, command: &str) -> TaxiMessage {
        loop {
            let message = self.hear().await;
            if message.header.command.as_deref() == Some(command) {
                return message;
            }
        }
    }

    /// Waits for the close, and returns its code. Then answers it, and waits for the end.
    pub(crate) async fn closed(mut self) -> u16 {
        loop {
            let (first, payload) = self.read().await.unwrap();
            if first == FIN | CLOSE {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                self.frame(FIN | CLOSE, &payload).await;
                assert_eq!(self.read().await, None);
                return code;
            }
        }
    }
}

/// Reads the head of a request or an answer.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    soon(async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(head).unwrap()
}

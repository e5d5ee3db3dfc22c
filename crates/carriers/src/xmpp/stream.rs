//! The XML of a stream (RFC 6120 §4), read piece by piece within limits.
//!
//! Not with `tokio_xmpp::xmlstream`: an attribute above 8 KiB ends its stream, it knows no limit of
//! depth (and dropping a tree of 100 000 levels overflows the stack) and no limit of size. Anybody in
//! the federation can send such a stanza. Here it is skipped and the session goes on.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use xmpp_parsers::{
    minidom::{
        Element,
        rxml::{self, AttrMap, Parse as _, error::EndOrError, parser::WithOptions as _},
    },
    ns,
};

use super::{
    stanza,
    swallow::{Swallow, Swallowed},
};

/// The largest stanza that is read, in bytes; a larger one is skipped. Servers pass on 256 KiB from
/// their clients, and up to 512 KiB from other servers.
pub(super) const MAX_STANZA: usize = 512 * 1024;

/// A stanza that goes on beyond this is no server's.
const MAX_SKIPPED: usize = 2 * 1024 * 1024;

/// How deep elements may be nested in a stanza. Ours need four levels, a form in an error six.
const MAX_DEPTH: usize = 32;

/// How many elements a stanza may have, each of which costs memory far beyond its four bytes.
const MAX_ELEMENTS: usize = 4_096;

/// How much is read at once.
const READ: usize = 32 * 1024;

/// What a stream consists of.
#[derive(Debug)]
pub(super) enum Token {
    /// The stream's header.
    Opened,
    /// A stanza or another child of the stream, and its size in bytes.
    Element(Element, usize),
    /// The head of a stanza that is larger or deeper than what is read.
    Skipped(Element),
    /// The stream's end.
    Closed,
}

/// Reads XML; without input or output of its own.
struct Parser {
    xml: rxml::Parser,
    /// How many elements are open, the stream itself included.
    depth: usize,
    /// The elements of the stanza that are open, the outermost first.
    open: Vec<Element>,
    /// The head of the stanza that is being skipped.
    skipped: Option<Element>,
    elements: usize,
    bytes: usize,
    /// While what is too deep goes past the parser.
    swallow: Option<Swallow>,
}

/// A stream's reading end; where its input can be written as well, both ends.
pub(super) struct XmlStream<Io> {
    io: Io,
    buffer: BytesMut,
    parser: Parser,
}

impl Parser {
    fn new() -> Self {
        let options = rxml::Options {
            // So that no stanza that a server passes on is an error of the stream.
            max_token_length: MAX_STANZA,
            ..rxml::Options::default()
        };
        let xml = rxml::Parser::with_options(options);
        Self {
            xml,
            depth: 0,
            open: Vec::new(),
            skipped: None,
            elements: 0,
            bytes: 0,
            swallow: None,
        }
    }

    /// Takes from the input until something is complete; `None` when more is needed.
    fn feed(&mut self, input: &mut &[u8]) -> io::Result<Option<Token>> {
        loop {
            // Outside of stanzas text is seen at once: it is white space, or no XMPP.
            self.xml.set_text_buffering(self.depth > 1);
            let before = input.len();
            let event = match self.swallow.as_mut().map(|swallow| swallow.feed(input)) {
                None => self.xml.parse(input, false),
                Some(Swallowed::NeedsMore) => Err(EndOrError::NeedMoreData),
                Some(Swallowed::Invalid) => return Err(invalid("not the XML of a stream")),
                Some(Swallowed::Ended) => {
                    self.swallow = None;
                    let mut end: &[u8] = b"</";
                    self.xml.parse(&mut end, false)
                }
            };
            self.bytes += before - input.len();
            if self.bytes > MAX_SKIPPED {
                return Err(invalid("a stanza without an end"));
            }
            if self.bytes > MAX_STANZA {
                self.skip();
            }
            let event = match event {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Some(Token::Closed)),
                Err(EndOrError::NeedMoreData) if input.is_empty() => return Ok(None),
                Err(EndOrError::NeedMoreData) => continue,
                Err(EndOrError::Error(error)) => return Err(invalid(error)),
            };
            let token = match event {
                rxml::Event::XmlDeclaration(..) => None,
                rxml::Event::StartElement(_, (namespace, name), attributes) => {
                    self.start(name.as_str(), namespace.as_str(), attributes)?
                }
                rxml::Event::EndElement(_) => self.end(),
                rxml::Event::Text(_, text) => {
                    self.text(&text)?;
                    None
                }
            };
            if token.is_some() {
                return Ok(token);
            }
        }
    }

    fn start(
        &mut self,
        name: &str,
        namespace: &str,
        attributes: AttrMap,
    ) -> io::Result<Option<Token>> {
        self.depth += 1;
        if self.depth == 1 {
            self.bytes = 0;
            if name != "stream" || namespace != ns::STREAM {
                return Err(invalid("not a stream of XMPP"));
            }
            return Ok(Some(Token::Opened));
        }
        self.elements += 1;
        if self.depth > MAX_DEPTH || self.elements > MAX_ELEMENTS {
            self.skip();
        }
        if self.depth > MAX_DEPTH {
            return self.swallow();
        }
        if self.skipped.is_none() {
            let mut element = Element::bare(name, namespace);
            *element.attrs_mut() = attributes;
            self.open.push(element);
        }
        Ok(None)
    }

    /// Lets the rest of an element that has just begun go past the parser.
    fn swallow(&mut self) -> io::Result<Option<Token>> {
        // An empty element has its end without any more input.
        match self.xml.parse(&mut [].as_slice(), false) {
            Ok(Some(rxml::Event::EndElement(_))) => Ok(self.end()),
            Err(EndOrError::NeedMoreData) => {
                self.swallow = Some(Swallow::new());
                Ok(None)
            }
            Ok(_) => Err(invalid("not the XML of a stream")),
            Err(EndOrError::Error(error)) => Err(invalid(error)),
        }
    }

    fn end(&mut self) -> Option<Token> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            return Some(Token::Closed);
        }
        if self.depth > 1 {
            if self.skipped.is_none()
                && let Some(element) = self.open.pop()
                && let Some(parent) = self.open.last_mut()
            {
                parent.append_child(element);
            }
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.elements = 0;
        match self.skipped.take() {
            Some(head) => Some(Token::Skipped(head)),
            None => self.open.pop().map(|element| Token::Element(element, bytes)),
        }
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        if self.depth > 1 {
            if let Some(element) = self.open.last_mut() {
                element.append_text(text);
            }
            return Ok(());
        }
        // White space keeps the line alive (RFC 6120 §4.6.1) and belongs to no stanza.
        self.bytes = 0;
        if text.chars().all(char::is_whitespace) {
            Ok(())
        } else {
            Err(invalid("text between stanzas"))
        }
    }

    /// Forgets the stanza that is being read, except for what an answer needs.
    fn skip(&mut self) {
        if self.skipped.is_some() {
            return;
        }
        let Some(outermost) = self.open.first() else { return };
        let mut head = Element::bare(outermost.name(), outermost.ns());
        for name in ["from", "id", "type"] {
            if let Some(value) = outermost.attr(name) {
                stanza::set_attribute(&mut head, name, value);
            }
        }
        self.skipped = Some(head);
        self.open.clear();
    }
}

impl<Io> XmlStream<Io> {
    /// Begins to read.
    pub(super) fn new(io: Io) -> Self {
        Self { io, buffer: BytesMut::new(), parser: Parser::new() }
    }

    /// Goes on with another reader of the same bytes.
    pub(super) fn map<Other>(self, change: impl FnOnce(Io) -> Other) -> XmlStream<Other> {
        let Self { io, buffer, parser } = self;
        XmlStream { io: change(io), buffer, parser }
    }

    /// Returns what the stream was read from.
    ///
    /// # Errors
    /// When more has been read than what was given out: before TLS begins, somebody on the way can
    /// have put it there, to be taken for something inside of TLS.
    pub(super) fn into_inner(self) -> io::Result<Io> {
        if self.buffer.is_empty() { Ok(self.io) } else { Err(invalid("bytes before TLS")) }
    }
}

impl<Io: AsyncRead + Unpin> XmlStream<Io> {
    /// Reads the next token, and calls `heard` whenever bytes come. Nothing is lost when it is
    /// dropped before it is ready.
    pub(super) async fn next(&mut self, mut heard: impl FnMut()) -> io::Result<Token> {
        loop {
            let mut input: &[u8] = &self.buffer;
            let token = self.parser.feed(&mut input);
            let rest = input.len();
            let used = self.buffer.len() - rest;
            let _ = self.buffer.split_to(used);
            if let Some(token) = token? {
                return Ok(token);
            }
            self.buffer.reserve(READ);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            heard();
        }
    }

    /// Reads until a whole element is there, as in the negotiation.
    pub(super) async fn element(&mut self) -> io::Result<Element> {
        loop {
            match self.next(|| ()).await? {
                Token::Opened => {}
                Token::Element(element, _) => return Ok(element),
                Token::Skipped(_) => return Err(invalid("a negotiation beyond all limits")),
                Token::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> XmlStream<Io> {
    /// Begins a stream, or begins it again (RFC 6120 §4.3.3), and returns the other end's features.
    pub(super) async fn open(&mut self, domain: &str) -> io::Result<Element> {
        self.parser = Parser::new();
        let mut header = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
            xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='"
            .to_vec();
        stanza::escape_into(domain, true, &mut header)?;
        header.extend_from_slice(b"'>");
        self.send(&header).await?;
        self.element().await
    }

    /// Sends bytes at once.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams'>";

    fn tokens(text: &str, piece: usize) -> io::Result<Vec<Token>> {
        let mut parser = Parser::new();
        let mut tokens = Vec::new();
        let mut rest = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            rest.extend_from_slice(bytes);
            let mut input = rest.as_slice();
            while let Some(token) = parser.feed(&mut input)? {
                tokens.push(token);
            }
            rest = input.to_vec();
        }
        Ok(tokens)
    }

    #[test]
    fn stanzas_come_whole_however_the_bytes_come() {
        let text = format!(
            "{HEADER}<iq id='1'><a xmlns='urn:a' b='&lt;'>x<c/>y</a></iq>  \n<message/></stream:stream>"
        );
        for piece in [1, 7, 4096] {
            let tokens = tokens(&text, piece).unwrap();
            assert_eq!(tokens.len(), 4);
            let Token::Element(iq, _) = &tokens[1] else { panic!("{tokens:?}") };
            let child = iq.get_child("a", "urn:a").unwrap();
            assert_eq!((child.attr("b"), child.text().as_str()), (Some("<"), "xy"));
            assert!(
                matches!(&tokens[2], Token::Element(message, _) if message.name() == "message")
            );
            assert!(matches!(tokens[3], Token::Closed));
        }
    }

    #[test]
    fn too_deep_too_large_and_too_many_are_skipped_and_the_next_is_read() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let large = "x".repeat(MAX_STANZA + 10);
        let many = "<a/>".repeat(MAX_ELEMENTS + 10);
        let attribute = format!("<a b='{}'/>", "x".repeat(200_000));
        for (body, is_skipped) in [(deep, true), (large, true), (many, true), (attribute, false)] {
            let text = format!("{HEADER}<iq id='1' from='a@b' type='set'>{body}</iq><iq id='2'/>");
            let tokens = tokens(&text, 8192).unwrap();
            assert_eq!(tokens.len(), 3);
            match &tokens[1] {
                Token::Skipped(head) => {
                    assert!(is_skipped);
                    assert_eq!((head.attr("id"), head.attr("from")), (Some("1"), Some("a@b")));
                }
                Token::Element(..) => assert!(!is_skipped),
                other @ (Token::Opened | Token::Closed) => panic!("{other:?}"),
            }
            assert!(matches!(&tokens[2], Token::Element(next, _) if next.attr("id") == Some("2")));
        }
    }

    #[test]
    fn a_stanza_without_end_ends_the_stream() {
        let text = format!("{HEADER}<iq>{}", "x".repeat(MAX_SKIPPED + 10));
        assert!(tokens(&text, 8192).is_err());
    }

    #[test]
    fn what_is_not_xmpp_is_an_error() {
        for text in ["<html>", "HTTP/1.1 200 OK\r\n\r\n", "<!DOCTYPE a><a/>"] {
            assert!(tokens(text, 100).is_err(), "{text}");
        }
        let bomb = format!("{HEADER}<!ENTITY a 'aaaa'>");
        assert!(tokens(&bomb, 100).is_err());
    }
}

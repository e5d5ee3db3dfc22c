//! Text: from bytes, in pieces, escaped and back.

use std::borrow::Cow;

use super::{Direction, NotText};

/// How long a piece of text may be as JSON. With the rest of its message packed and encoded, it stays
/// below [`MAX_BODY`](super::MAX_BODY) even when it cannot be made shorter.
const MAX_PIECE: usize = 64 * 1024;

/// Takes bytes as they come, and gives the characters that are whole.
#[derive(Debug, Default)]
pub struct Texts {
    /// The beginning of a character, three bytes at most.
    rest: Vec<u8>,
}

impl Texts {
    /// Takes the next bytes of a body.
    ///
    /// # Errors
    /// When they are not UTF-8, whatever follows.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, NotText> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        match String::from_utf8(all) {
            Ok(text) => Ok(text),
            Err(error) => {
                let utf8 = error.utf8_error();
                // A length says that it is wrong; none that it is not whole.
                if utf8.error_len().is_some() {
                    return Err(NotText);
                }
                let mut all = error.into_bytes();
                self.rest = all.split_off(utf8.valid_up_to());
                String::from_utf8(all).map_err(|_| NotText)
            }
        }
    }

    /// Says that these were all.
    ///
    /// # Errors
    /// When they ended in the middle of a character.
    pub fn finish(self) -> Result<(), NotText> {
        if self.rest.is_empty() { Ok(()) } else { Err(NotText) }
    }
}

/// Splits text between characters, so that each piece fits into a message.
pub fn pieces(text: &str, direction: Direction) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut length = 0;
        let over = rest.char_indices().find(|(_, character)| {
            length += written_length(*character, direction);
            length > MAX_PIECE
        });
        let (piece, after) = rest.split_at(over.map_or(rest.len(), |(place, _)| place));
        rest = after;
        Some(piece)
    })
}

/// Returns how long a character is in JSON of plain ASCII.
fn written_length(character: char, direction: Direction) -> usize {
    match character {
        '&' if direction == Direction::Request => "&amp;".len(),
        '<' | '>' if direction == Direction::Request => "&lt;".len(),
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => r"\u0000".len() * character.len_utf16(),
    }
}

/// Escapes what the text of a request has escaped besides JSON.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// Takes it back. Other entities are text.
pub(super) fn unescape(text: String) -> String {
    if !text.contains('&') {
        return text;
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

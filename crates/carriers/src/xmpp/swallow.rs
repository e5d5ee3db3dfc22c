//! Finds the end of an element without looking at what is in it.
//!
//! The parser's time for an element grows with its depth, since it looks for namespaces all the way
//! up: 100 000 levels in one stanza would keep it busy for a minute. So nothing below a certain
//! depth is shown to it.

/// Where in an element that nobody wants to see we are.
#[derive(Debug)]
pub(super) struct Swallow {
    /// How many elements are open, that element itself included.
    open: usize,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Text,
    /// After `<`.
    Less,
    /// In a tag, and whether it closes an element, and whether the last byte was `/`.
    Tag {
        closes: bool,
        slash: bool,
    },
    /// In an attribute's value, between these.
    Quoted(u8),
    /// After `<!`, which may only be followed by `[CDATA[` here.
    Bang,
    /// In a section of text, after this many of the `]` that end it.
    Section(usize),
}

/// What became of a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Swallowed {
    /// It ended before the element did.
    NeedsMore,
    /// Everything inside of the element is over: what follows is its end tag, without `</`.
    Ended,
    /// This is no XML as it may be in a stream (RFC 6120 §11.1).
    Invalid,
}

impl Swallow {
    /// Begins after an element's start tag.
    pub(super) fn new() -> Self {
        Self { open: 1, state: State::Text }
    }

    /// Takes from the input what is inside of the element.
    pub(super) fn feed(&mut self, input: &mut &[u8]) -> Swallowed {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.state = match (self.state, byte) {
                (State::Text, b'<') => State::Less,
                (State::Text, _) => State::Text,
                (State::Less, b'/') if self.open == 1 => return Swallowed::Ended,
                (State::Less, b'/') => State::Tag { closes: true, slash: false },
                (State::Less, b'!') => State::Bang,
                (State::Less, b'?' | b'<' | b'>') => return Swallowed::Invalid,
                (State::Less, _) => State::Tag { closes: false, slash: false },
                (State::Tag { closes, slash }, b'>') => {
                    match (closes, slash) {
                        (true, _) => self.open -= 1,
                        (false, true) => {}
                        (false, false) => self.open += 1,
                    }
                    State::Text
                }
                (State::Tag { .. }, quote @ (b'"' | b'\'')) => State::Quoted(quote),
                (State::Tag { closes, .. }, byte) => State::Tag { closes, slash: byte == b'/' },
                (State::Quoted(quote), byte) if byte == quote => {
                    State::Tag { closes: false, slash: false }
                }
                (State::Quoted(quote), _) => State::Quoted(quote),
                (State::Bang, b'[') => State::Section(0),
                (State::Bang, _) => return Swallowed::Invalid,
                (State::Section(2..), b'>') => State::Text,
                (State::Section(brackets), b']') => State::Section(brackets + 1),
                (State::Section(_), _) => State::Section(0),
            };
        }
        Swallowed::NeedsMore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_whatever_is_inside_and_however_it_comes() {
        let inside = "text<a b='</x>' c=\"'>\"><b/><c d='/'/>\
            <![CDATA[</x></a> ]] > ]]]>&lt;</a >more<a b='/'></a></x>";
        for piece in [1, 5, 1000] {
            let mut swallow = Swallow::new();
            let mut ended = false;
            let mut left = String::new();
            for bytes in inside.as_bytes().chunks(piece) {
                let mut input = bytes;
                if !ended {
                    match swallow.feed(&mut input) {
                        Swallowed::Ended => ended = true,
                        Swallowed::NeedsMore => assert!(input.is_empty()),
                        Swallowed::Invalid => panic!("{inside}"),
                    }
                }
                left.push_str(std::str::from_utf8(input).unwrap());
            }
            assert_eq!((ended, left.as_str()), (true, "x>"));
        }
    }

    #[test]
    fn what_streams_may_not_have_is_noticed() {
        for inside in ["<!-- a -->", "<?a?>", "<!DOCTYPE a>", "<<"] {
            assert_eq!(Swallow::new().feed(&mut inside.as_bytes()), Swallowed::Invalid, "{inside}");
        }
    }
}

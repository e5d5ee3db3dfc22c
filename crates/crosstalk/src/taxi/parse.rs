//! Reading a header.
//!
//! ```text
//! header = [ pair , { "," , pair } ] , ";" ;
//! pair   = ws , key , ws , "=" , ws , value , ws ;
//! key    = ( "a".."z" ) , { "a".."z" | "A".."Z" | "0".."9" } ;
//! value  = list | bare ;
//! list   = "{" , [ item , { "," , item } ] , "}" ;
//! item   = quoted | raw ;
//! bare   = { char - ( "," | ";" | "{" | "}" | '"' | "=" | white ) } ;
//! raw    = { char - ( "," | "}" ) } ;                      (* its first is not '"' *)
//! quoted = '"' , { '\"' | '\\' | char - '"' } , '"' ;
//! white  = space | tab | CR | LF ;    ws = { white } ;
//! ```

use std::collections::BTreeMap;

use super::{
    MAX_HEADER, MAX_ITEMS, TaxiError,
    value::{Form, Item, Value, is_bare, is_white},
};

/// The pairs of a header.
pub(super) type Pairs = BTreeMap<String, Value>;

/// Reads the header at the beginning of a message, and returns how many bytes it has.
pub(super) fn header(message: &[u8]) -> Result<(Pairs, usize), TaxiError> {
    let (bytes, otherwise) = match message.get(..MAX_HEADER) {
        Some(beginning) if message.len() > MAX_HEADER => (beginning, TaxiError::TooLong),
        Some(_) | None => (message, TaxiError::NoEnd),
    };
    let mut reader = Reader { bytes, at: 0 };
    let pairs = reader.pairs()?;
    match reader.next() {
        Some(b';') => Ok((pairs, reader.at)),
        Some(_) => Err(TaxiError::Syntax(reader.at - 1)),
        None => Err(otherwise),
    }
}

/// Reads pairs without a semicolon, nothing behind them.
pub(super) fn fragment(text: &str) -> Result<Pairs, TaxiError> {
    if text.len() >= MAX_HEADER {
        return Err(TaxiError::TooLong);
    }
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let pairs = reader.pairs()?;
    match reader.next() {
        None => Ok(pairs),
        Some(_) => Err(TaxiError::Syntax(reader.at - 1)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads pairs up to something that no pair has: the semicolon, or the end of all bytes, where
    /// the rest of a pair may be missing.
    fn pairs(&mut self) -> Result<Pairs, TaxiError> {
        let mut pairs = Pairs::new();
        self.skip_white();
        if matches!(self.peek(), None | Some(b';')) {
            return Ok(pairs);
        }
        loop {
            self.skip_white();
            let begin = self.at;
            let key = self.key()?;
            self.skip_white();
            if !self.take(b'=') {
                return self.unexpected();
            }
            self.skip_white();
            let value = if self.take(b'{') { Form::List(self.list()?) } else { self.bare()? };
            if pairs.insert(key, Value(value)).is_some() {
                return Err(TaxiError::Duplicate(begin));
            }
            self.skip_white();
            if !self.take(b',') {
                return Ok(pairs);
            }
        }
    }

    fn key(&mut self) -> Result<String, TaxiError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_lowercase()) {
            return self.unexpected();
        }
        let key = self.take_while(|byte| byte.is_ascii_alphanumeric());
        text(key)
    }

    fn bare(&mut self) -> Result<Form, TaxiError> {
        Ok(Form::Bare(text(self.take_while(is_bare))?))
    }

    /// Reads a list behind its brace.
    fn list(&mut self) -> Result<Vec<Item>, TaxiError> {
        let mut items = Vec::new();
        if self.take(b'}') {
            return Ok(items);
        }
        loop {
            if items.len() == MAX_ITEMS {
                return Err(TaxiError::TooManyItems);
            }
            items.push(if self.take(b'"') {
                Item::Name(self.quoted()?)
            } else {
                match self.take_while(|byte| !matches!(byte, b',' | b'}')) {
                    b"*" => Item::Everybody,
                    raw => Item::Name(text(raw)?),
                }
            });
            if self.take(b'}') {
                return Ok(items);
            }
            if !self.take(b',') {
                return self.unexpected();
            }
        }
    }

    /// Reads a quoted item behind its first quotation mark.
    fn quoted(&mut self) -> Result<String, TaxiError> {
        let mut decoded = Vec::new();
        loop {
            decoded.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\')));
            match (self.next(), self.peek()) {
                (Some(b'"'), _) => return text(&decoded),
                (Some(b'\\'), Some(escaped @ (b'"' | b'\\'))) => {
                    decoded.push(escaped);
                    self.at += 1;
                }
                // A backslash before anything else is one: `DOMAIN\user`.
                (Some(byte), _) => decoded.push(byte),
                (None, _) => return self.unexpected(),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let taken = &rest[..rest.iter().position(|byte| !fits(*byte)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn skip_white(&mut self) {
        self.take_while(is_white);
    }

    /// Says what is wrong here: a byte that does not fit, or that there are no more.
    fn unexpected<T>(&self) -> Result<T, TaxiError> {
        Err(match self.peek() {
            Some(_) => TaxiError::Syntax(self.at),
            None if self.bytes.len() == MAX_HEADER => TaxiError::TooLong,
            None => TaxiError::NoEnd,
        })
    }
}

fn text(bytes: &[u8]) -> Result<String, TaxiError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| TaxiError::NotText)
}

/// Reads a number: digits, and no 0 before others.
pub(super) fn number(text: &str) -> Option<u64> {
    let usual = text == "0" || !text.starts_with('0');
    (usual && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

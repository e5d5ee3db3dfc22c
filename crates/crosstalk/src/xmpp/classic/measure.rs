//! A look at JSON before it is parsed, when it has cost nothing yet.

use super::{ClassicError, MAX_DEPTH, MAX_VALUES};

/// Counts how deep and how many values there are. Whether it is JSON is for the parser to say.
pub(super) fn measure(json: &[u8]) -> Result<(), ClassicError> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                values += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ClassicError::TooDeep);
        }
        if values > MAX_VALUES {
            return Err(ClassicError::TooMany);
        }
    }
    Ok(())
}

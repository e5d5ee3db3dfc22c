//! Text of strangers, made fit to be shown.
//!
//! File names, paths, user agents and words of a gateway come from people we do not know. Shown as
//! they are, they could hide their end (`annual_report\u{202E}fdp.exe`), break a line of the menu
//! or fill the screen.

/// The longest file name, path or name of a visitor that is shown, in characters.
pub const MAX_SHOWN: usize = 160;

/// The longest sentence of a gateway that is shown, in characters.
pub const MAX_SENTENCE: usize = 400;

/// The longest note or answer that is shown, in characters: what the peer takes.
pub const MAX_NOTE: usize = 1000;

/// Returns `text` like [`printable`], with its line breaks.
#[must_use]
pub fn printable_lines(text: &str, most: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| printable(line, most)).collect();
    lines.join("\n")
}

/// Returns `text` on one line, with everything that cannot be seen or that turns the direction of
/// reading replaced by `\u{FFFD}`, and cut to `most` characters.
#[must_use]
pub fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == most {
            // The last character makes room for the sign that there were more.
            shown.pop();
            shown.push('…');
            break;
        }
        shown.push(if is_hidden(character) { char::REPLACEMENT_CHARACTER } else { character });
    }
    shown
}

/// Returns whether a character is a control or format character (Unicode categories Cc, Cf, Zl,
/// Zp). The two joiners stay: Persian, Hindi and emoji need them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}'
                | '\u{0600}'..='\u{0605}'
                | '\u{061C}'
                | '\u{06DD}'
                | '\u{070F}'
                | '\u{0890}'..='\u{0891}'
                | '\u{08E2}'
                | '\u{180E}'
                | '\u{200B}'
                | '\u{200E}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{110BD}'
                | '\u{110CD}'
                | '\u{13430}'..='\u{1343F}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0001}'
                | '\u{E0020}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(printable(text, 12), shown);
        assert_eq!(printable(shown, 12), shown, "printing twice changes nothing");
    }

    #[test]
    fn plain_text_of_any_script_stays() {
        check("Ferien 2026", "Ferien 2026");
        check("写真/夏.jpg", "写真/夏.jpg");
        check("می\u{200C}خواهم", "می\u{200C}خواهم");
    }

    #[test]
    fn what_cannot_be_seen_is_seen() {
        check("a\nb\tc", "a\u{FFFD}b\u{FFFD}c");
        check("a\u{202E}gpj.exe", "a\u{FFFD}gpj.exe");
        check("a\u{2066}b\u{2069}\u{200B}", "a\u{FFFD}b\u{FFFD}\u{FFFD}");
        check("\u{1b}[31mred", "\u{FFFD}[31mred");
    }

    #[test]
    fn long_text_ends_with_a_sign() {
        check("123456789012", "123456789012");
        check("1234567890123", "12345678901…");
        assert_eq!(printable(&"x".repeat(1 << 20), MAX_SHOWN).chars().count(), MAX_SHOWN);
    }
}

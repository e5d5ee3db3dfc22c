//! What the system says when it refuses something: in the owner's language as far as it is a kind that people
//! know, and as a quotation else.

use std::io;

use peer::StoreFault;

use super::{Words, trouble::quoted};

impl Words {
    /// Says why the system refused, as the end of a sentence.
    pub(super) fn cause(self, error: &io::Error) -> String {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind grows; the rest is told as it is"
        )]
        let id = match error.kind() {
            io::ErrorKind::NotFound => "cause-not-found",
            io::ErrorKind::PermissionDenied => "cause-denied",
            io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull => "cause-full",
            io::ErrorKind::ReadOnlyFilesystem => "cause-read-only",
            io::ErrorKind::TimedOut => "cause-silent",
            _ => return self.quoted_cause(&error.to_string()),
        };
        self.say(id, &[])
    }

    /// Says why the store cannot be used, as the end of a sentence.
    pub(super) fn store_cause(self, fault: &StoreFault) -> String {
        let id = match fault {
            StoreFault::Denied => "cause-denied",
            StoreFault::Ended => "cause-ended",
            StoreFault::Full => "cause-full",
            StoreFault::InUse => "cause-in-use",
            StoreFault::Newer(_) => "cause-newer",
            StoreFault::ReadOnly => "cause-read-only",
            StoreFault::Silent => "cause-silent",
            StoreFault::Other(words) => return self.quoted_cause(words),
        };
        self.say(id, &[])
    }

    /// Quotes why something was refused, which stands in the language of whoever refused it.
    pub(super) fn quoted_cause(self, words: &str) -> String {
        self.say("cause-quoted", &[("words", quoted(words).into())])
    }
}

//! One login of an account, and the conversations over it.

use std::sync::Arc;

use crosstalk::xmpp::FullJid;

use super::{Login, LoginError};

/// An account that is logged in. Cheap to clone; all clones are the same. It logs out when the last
/// of them and of its conversations is gone.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    jid: FullJid,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in(_login: &Login) -> Result<Self, LoginError> {
        Err(LoginError::NotXmpp)
    }

    /// Returns the address of this session.
    #[must_use]
    pub fn jid(&self) -> &FullJid {
        &self.0.jid
    }
}

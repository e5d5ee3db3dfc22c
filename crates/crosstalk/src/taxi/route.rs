//! What a router does to a header.

use super::{Header, MAX_PATH};

/// Why a message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// This node passed it on before.
    #[error("the message came back to where it was")]
    Loop,
    /// It would have passed more than [`MAX_PATH`] nodes.
    #[error("the message passed more than {MAX_PATH} nodes")]
    TooFar,
}

impl Header {
    /// Makes the header of a sender that is no node, a browser or a peer, one that can be believed:
    /// the actor is who the connection belongs to, and the path begins here. Whatever the sender
    /// said of both is gone.
    #[must_use]
    pub fn augmented_by(self, actor: impl Into<String>, node: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), path: vec![node.into()], ..self }
    }

    /// Makes the header of another node the one that this node passes on.
    ///
    /// # Errors
    /// When the message must end here.
    pub fn forwarded_by(mut self, node: impl Into<String>) -> Result<Self, Dropped> {
        let node = node.into();
        if self.path.contains(&node) {
            return Err(Dropped::Loop);
        }
        if self.path.len() >= MAX_PATH {
            return Err(Dropped::TooFar);
        }
        self.path.insert(0, node);
        Ok(self)
    }
}

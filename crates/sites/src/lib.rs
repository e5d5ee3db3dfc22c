//! What can be published: a [`folder`], and nothing outside it, ever; and what is handed over once
//! ([`hand_over`]).

pub mod folder;
pub mod hand_over;
pub mod note;

/// What a response of a site delivers, for the owner's eyes; sites put it into the response's
/// extensions, and the peer's meter shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What is sent: a path below the site with `/` between its parts, percent-decoded, made
    /// printable. Text that a visitor may have influenced.
    pub name: String,
    /// How many bytes the whole thing has.
    pub size: u64,
    /// Where this response begins in it (0 unless it is a range).
    pub offset: u64,
    /// How many bytes this response's body has.
    pub length: u64,
}

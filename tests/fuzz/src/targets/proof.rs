//! Proofs of identity: nothing passes that the corpus's own key did not sign.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crosstalk::proof::{CLOCK_SKEW, MAX_LIFETIME, PrivateKey, ProofError, verify};

/// The gateway for which the proofs of the corpus are made.
pub const AUDIENCE: &str = "https://gateway.example";

/// The one key that signs proofs in the corpus. It is no secret and opens nothing.
#[must_use]
pub fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[7; 32])
}

/// When the proofs of the corpus are fresh.
#[must_use]
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A proof that holds is by the only key there is, for this gateway, for this minute, and as it
/// stands: with any bit changed it does not hold.
pub fn target(bytes: &[u8]) {
    let Some(token) = super::text(bytes) else { return };
    let now = now();
    let Ok(proven) = verify(token, AUDIENCE, now) else { return };
    assert_eq!(proven.key, key().public(), "forged");
    assert!((1..=64).contains(&proven.id.len()));
    assert!(proven.expires >= now);
    assert!(proven.expires <= now + MAX_LIFETIME + CLOCK_SKEW + CLOCK_SKEW);
    assert_eq!(verify(token, "https://gateway.example.", now), Err(ProofError::Audience));
    let after = proven.expires + Duration::from_secs(1);
    assert_eq!(verify(token, AUDIENCE, after), Err(ProofError::Time));
    for place in 0..token.len() {
        let mut changed = token.as_bytes().to_vec();
        changed[place] ^= 1;
        let Some(changed) = super::text(&changed) else { continue };
        assert!(verify(changed, AUDIENCE, now).is_err(), "byte {place} means nothing");
    }
}

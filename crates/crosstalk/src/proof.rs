//! The one proof of identity, the same on every carrier.
//!
//! A compact JWS (RFC 7515) of a JWT (RFC 7519), signed with EdDSA (RFC 8037) by the identity's
//! own key. The key stands in the token (`iss`), because a gateway knows no persons: it only
//! remembers which key claimed a name first. Audience is the gateway's origin, so a token is
//! worthless at any other gateway; it lives at most [`MAX_LIFETIME`] and its `jti` counts once.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

/// How long a proof is good for.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60);

/// How far the clocks of gateway and peer may differ.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The longest token that is looked at.
pub const MAX_LENGTH: usize = 1024;

/// The public half of an identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// The private half of an identity: 32 bytes that are wiped when dropped and never printed.
pub struct PrivateKey(ed25519_dalek::SigningKey);

/// What a gateway knows once a proof holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Who it is.
    pub key: PublicKey,
    /// The token's own name; it must be remembered until `expires` and refused the second time.
    pub id: String,
    /// When the token stops being good.
    pub expires: SystemTime,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a compact EdDSA token of ours.
    #[error("the proof of identity is not readable")]
    Malformed,
    /// The signature is not by the key that the token names.
    #[error("the proof of identity is not signed by its key")]
    Signature,
    /// Made for another gateway.
    #[error("the proof of identity is for another gateway")]
    Audience,
    /// Too old, or made by a clock that runs ahead.
    #[error("the proof of identity is not of this minute; is the clock of this computer right?")]
    Time,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
}

impl PublicKey {
    /// Takes the 32 bytes of a public key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the base64url form that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl PrivateKey {
    /// Makes a new key from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(&rand::random())
    }

    /// Takes the 32 secret bytes of a key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(bytes))
    }

    /// Returns the 32 secret bytes, for the keychain and nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a fresh proof for the gateway with this origin.
    #[must_use]
    pub fn prove(&self, audience: &str, now: SystemTime) -> String {
        let now = seconds(now);
        let header = Header { alg: "EdDSA".to_owned(), typ: "JWT".to_owned() };
        let claims = Claims {
            iss: self.public().to_string(),
            aud: audience.to_owned(),
            iat: now,
            exp: now + MAX_LIFETIME.as_secs(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        };
        let mut token = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.0.sign(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        token
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// Checks a proof that was made for the gateway with this origin. The caller still has to refuse
/// an `id` that it saw before.
///
/// # Errors
/// When the token is anything but a fresh EdDSA token for this audience.
pub fn verify(token: &str, audience: &str, now: SystemTime) -> Result<Proven, ProofError> {
    if token.len() > MAX_LENGTH {
        return Err(ProofError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(ProofError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(ProofError::Malformed)?;
    let header: Header = decode(header).ok_or(ProofError::Malformed)?;
    let claims: Claims = decode(claims).ok_or(ProofError::Malformed)?;
    // RFC 8725 §3.1: the algorithm is ours to choose, never the token's.
    if header.alg != "EdDSA" || claims.jti.is_empty() || claims.jti.len() > 64 {
        return Err(ProofError::Malformed);
    }
    let key = PublicKey::parse(&claims.iss).ok_or(ProofError::Malformed)?;
    let verifying = VerifyingKey::from_bytes(&key.0).map_err(|_| ProofError::Malformed)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| ProofError::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| ProofError::Malformed)?;
    verifying.verify_strict(signed.as_bytes(), &signature).map_err(|_| ProofError::Signature)?;
    if claims.aud != audience {
        return Err(ProofError::Audience);
    }
    let (now, skew) = (seconds(now), CLOCK_SKEW.as_secs());
    let lifetime = claims.exp.checked_sub(claims.iat).ok_or(ProofError::Time)?;
    let early = claims.iat > now.saturating_add(skew);
    let late = claims.exp.saturating_add(skew) < now;
    if lifetime > MAX_LIFETIME.as_secs() || early || late {
        return Err(ProofError::Time);
    }
    let expires = UNIX_EPOCH + Duration::from_secs(claims.exp.saturating_add(skew).min(now + 600));
    Ok(Proven { key, id: claims.jti, expires })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn encode<T: Serialize>(part: &T) -> String {
    // Structs of strings and numbers always have a JSON form.
    let json = serde_json::to_vec(part).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

fn decode<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "https://gateway.example";

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_fresh_proof_holds_and_names_its_key() {
        let key = PrivateKey::generate();
        let token = key.prove(GATEWAY, now());
        assert_eq!(verify(&token, GATEWAY, now()).map(|p| p.key), Ok(key.public()));
    }

    #[test]
    fn another_gateway_another_minute_and_another_key_are_refused() {
        let key = PrivateKey::generate();
        let token = key.prove(GATEWAY, now());
        assert_eq!(verify(&token, "https://other.example", now()), Err(ProofError::Audience));
        let later = now() + MAX_LIFETIME + CLOCK_SKEW + Duration::from_secs(1);
        assert_eq!(verify(&token, GATEWAY, later), Err(ProofError::Time));
        let earlier = now() - CLOCK_SKEW - Duration::from_secs(1);
        assert_eq!(verify(&token, GATEWAY, earlier), Err(ProofError::Time));
        let (signed, _) = token.rsplit_once('.').unwrap();
        let other = PrivateKey::generate().0.sign(signed.as_bytes()).to_bytes();
        let forged = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(other));
        assert_eq!(verify(&forged, GATEWAY, now()), Err(ProofError::Signature));
    }

    #[test]
    fn an_algorithm_of_the_tokens_own_choice_is_refused() {
        let key = PrivateKey::generate();
        let token = key.prove(GATEWAY, now());
        let claims = token.split('.').nth(1).unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let none = format!("{header}.{claims}.");
        assert_eq!(verify(&none, GATEWAY, now()), Err(ProofError::Malformed));
    }

    #[test]
    fn a_private_key_prints_nothing() {
        assert_eq!(format!("{:?}", PrivateKey::generate()), "PrivateKey(..)");
    }
}

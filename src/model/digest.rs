//! Digests: of values read (evidence), of plans, and keyed ones of secrets applied.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Returns `bytes` in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Remembers, as keyed digests, which secrets were applied last: Cloudera Manager answers
/// `REDACTED`, so only this tells whether a password still is the declared one.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    /// The key; of no use to anyone without the secrets.
    pub key: String,
    /// Keyed digests by what they were applied to.
    pub applied: BTreeMap<String, String>,
}

impl Ledger {
    /// Returns the keyed digest of `secret` for `place` (HMAC-SHA-256, RFC 2104).
    pub fn digest(&self, place: &str, secret: &str) -> String {
        let mut block = [0u8; 64];
        let key = Sha256::digest(self.key.as_bytes());
        block[..32].copy_from_slice(&key);
        let pad = |byte: u8| block.map(|b| b ^ byte);
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(place.as_bytes())
            .chain_update([0])
            .chain_update(secret.as_bytes())
            .finalize();
        hex(&Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
    }

    /// True when `secret` is what was applied to `place` last.
    pub fn agrees(&self, place: &str, secret: &str) -> bool {
        self.applied.get(place).is_some_and(|known| *known == self.digest(place, secret))
    }

    /// Remembers that `secret` was applied to `place`.
    pub fn remember(&mut self, place: &str, secret: &str) {
        let digest = self.digest(place, secret);
        self.applied.insert(place.to_string(), digest);
    }
}

//! Fingerprints: host ids, role names, seeds, stable identifiers.

use md5::{Digest, Md5};
use sha2::Sha256;

/// MD5 in hexadecimal.
pub(crate) fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// An identifier in UUID form that is always the same for the same text.
pub(crate) fn uuid(text: &str) -> String {
    let digits = md5_hex(text);
    let (first, second, third) = (&digits[..8], &digits[8..12], &digits[12..16]);
    format!("{first}-{second}-{third}-{}-{}", &digits[16..20], &digits[20..])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

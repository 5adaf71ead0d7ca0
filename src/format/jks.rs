//! Java key stores (JKS, and JCEKS without secret keys): the certificates in them are not encrypted,
//! so neither a JVM nor the store's password is needed to read them. The password only signs the
//! store, and so can be checked here, and a store be written.
//!
//! ```text
//! u32 magic, u32 version, u32 count, then per entry
//!   u32 tag (1 key, 2 certificate), alias, i64 milliseconds,
//!   key:          u32 length + encrypted key, u32 certificates, then each of them
//!   certificate:  type (version 2 only), u32 length + DER
//! SHA-1 over the password in UTF-16BE, "Mighty Aphrodite" and all of the above
//! ```
//!
//! Texts are a u16 length and Java's modified UTF-8.

use sha1::{Digest, Sha1};

const JKS: u32 = 0xFEED_FEED;
const JCEKS: u32 = 0xCECE_CECE;
const SALT: &[u8] = b"Mighty Aphrodite";
const DIGEST: usize = 20;

/// A key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    magic: u32,
    version: u32,
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

/// One entry of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, in small letters.
    pub alias: String,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// The private key, encrypted; `None` for a certificate that is trusted.
    pub key: Option<Vec<u8>>,
    /// Certificates in DER, the entry's own first.
    pub chain: Vec<Vec<u8>>,
}

/// True when `bytes` begin as a store does.
pub fn is_store(bytes: &[u8]) -> bool {
    bytes.starts_with(&JKS.to_be_bytes()) || bytes.starts_with(&JCEKS.to_be_bytes())
}

/// True when `password` is the one that signed the store in `bytes`, and nothing was damaged since.
pub fn opens(bytes: &[u8], password: &str) -> bool {
    let Some(end) = bytes.len().checked_sub(DIGEST) else { return false };
    digest(password, &bytes[..end]) == bytes[end..]
}

fn digest(password: &str, body: &[u8]) -> [u8; DIGEST] {
    let mut sha = Sha1::new();
    password.encode_utf16().for_each(|unit| sha.update(unit.to_be_bytes()));
    sha.update(SALT);
    sha.update(body);
    sha.finalize().into()
}

impl Default for Store {
    fn default() -> Store {
        Store { magic: JKS, version: 2, entries: Vec::new() }
    }
}

impl Store {
    /// Reads a store; its password is not needed.
    ///
    /// Errors: what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Store, String> {
        let body = bytes.len().checked_sub(DIGEST).ok_or("the store is cut short")?;
        let mut rest = Rest(&bytes[..body]);
        let magic = rest.number()?;
        if magic != JKS && magic != JCEKS {
            return Err("it is no Java key store".into());
        }
        let version = rest.number()?;
        if !matches!(version, 1 | 2) {
            return Err(format!("version {version} of Java key stores is not known"));
        }
        let count = rest.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(rest.entry(version)?);
        }
        match rest.0.is_empty() {
            true => Ok(Store { magic, version, entries }),
            false => Err("the store holds more than its entries".into()),
        }
    }

    /// Returns the entry called `alias`.
    pub fn entry(&self, alias: &str) -> Option<&Entry> {
        let alias = alias.to_lowercase();
        self.entries.iter().find(|entry| entry.alias.to_lowercase() == alias)
    }

    /// Returns the store as a file, signed with `password`.
    pub fn write(&self, password: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let number = |out: &mut Vec<u8>, number: usize| {
            // Nothing in a store that was read, or made here, comes near 4 GiB.
            out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        };
        out.extend(self.magic.to_be_bytes());
        out.extend(self.version.to_be_bytes());
        number(&mut out, self.entries.len());
        for entry in &self.entries {
            out.extend(if entry.key.is_some() { 1_u32 } else { 2 }.to_be_bytes());
            text(&mut out, &entry.alias);
            out.extend(entry.made.to_be_bytes());
            if let Some(key) = &entry.key {
                number(&mut out, key.len());
                out.extend(key);
                number(&mut out, entry.chain.len());
            }
            for der in &entry.chain {
                if self.version == 2 {
                    text(&mut out, "X.509");
                }
                number(&mut out, der.len());
                out.extend(der);
            }
        }
        out.extend(digest(password, &out));
        out
    }
}

/// Writes a text in Java's modified UTF-8: UTF-16 units, each in UTF-8 of its own.
fn text(out: &mut Vec<u8>, text: &str) {
    let mut bytes = Vec::new();
    for unit in text.encode_utf16() {
        let low = |shift: u16| 0x80 | u8::try_from(unit >> shift & 0x3F).unwrap_or(0);
        let high = |shift: u16| u8::try_from(unit >> shift).unwrap_or(0);
        match unit {
            1..=0x7F => bytes.push(high(0)),
            0 | 0x80..=0x7FF => bytes.extend([0xC0 | high(6), low(0)]),
            _ => bytes.extend([0xE0 | high(12), low(6), low(0)]),
        }
    }
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// Reads Java's modified UTF-8.
fn read_text(bytes: &[u8]) -> Option<String> {
    let mut units = Vec::new();
    let mut bytes = bytes.iter().map(|byte| u16::from(*byte));
    while let Some(first) = bytes.next() {
        let mut more = || bytes.next().filter(|byte| byte & 0xC0 == 0x80).map(|byte| byte & 0x3F);
        units.push(match first {
            0x01..=0x7F => first,
            0xC0..=0xDF => (first & 0x1F) << 6 | more()?,
            0xE0..=0xEF => (first & 0x0F) << 12 | more()? << 6 | more()?,
            _ => return None,
        });
    }
    String::from_utf16(&units).ok()
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("the store is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn sized(&mut self) -> Result<&'a [u8], String> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.take(2)?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        read_text(self.take(length)?).ok_or_else(|| "a name in it is no text".to_string())
    }

    fn entry(&mut self, version: u32) -> Result<Entry, String> {
        let tag = self.number()?;
        let alias = self.text()?;
        let made = self.take(8)?.iter().fold(0, |n: i64, byte| n << 8 | i64::from(*byte));
        let (key, count) = match tag {
            1 => (Some(self.sized()?.to_vec()), self.number()?),
            2 => (None, 1),
            _ => return Err(format!("`{alias}` is neither a private key nor a certificate")),
        };
        let mut chain = Vec::new();
        for _ in 0..count {
            if version == 2 {
                let sort = self.text()?;
                if sort != "X.509" {
                    return Err(format!("`{alias}` holds a certificate of type {sort}"));
                }
            }
            chain.push(self.sized()?.to_vec());
        }
        Ok(Entry { alias, made, key, chain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Store {
        let entry = |alias: &str, key: Option<Vec<u8>>, chain: Vec<Vec<u8>>| Entry {
            alias: alias.into(),
            made: 1_700_000_000_123,
            key,
            chain,
        };
        let key = entry("host", Some(vec![1, 2, 3]), vec![vec![4], vec![5, 6]]);
        let entries = vec![key, entry("prüf\u{0}🔑", None, vec![vec![7; 300]])];
        Store { entries, ..Store::default() }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = sample().write("chängeit");
        assert!(is_store(&bytes));
        assert_eq!(Store::parse(&bytes).unwrap(), sample());
        assert!(opens(&bytes, "chängeit") && !opens(&bytes, "changeit"));
        assert_eq!(sample().entry("HOST").unwrap().chain.len(), 2);
        let mut damaged = bytes;
        damaged[40] ^= 1;
        assert!(!opens(&damaged, "chängeit"));
    }

    #[test]
    fn a_store_cut_anywhere_is_refused() {
        let bytes = sample().write("x");
        for end in 0..bytes.len() {
            assert!(Store::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_java_wrote_is_read() {
        // `keytool -genkeypair -keyalg EC` and `-importcert`, JDK 17.
        let bytes = include_bytes!("../../tests/certificates/java.jks");
        let store = Store::parse(bytes).unwrap();
        let names: Vec<&str> = store.entries.iter().map(|entry| &*entry.alias).collect();
        assert_eq!(names, ["rööt", "host"]);
        assert!(store.entries[0].key.is_none() && store.entries[1].key.is_some());
        assert!(opens(bytes, "chängeit"));
        assert_eq!(store.write("chängeit"), bytes);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut store = JKS.to_be_bytes().to_vec();
            store.extend([0, 0, 0, 2]);
            store.extend(&bytes);
            let _ = Store::parse(&store);
        }
    }
}

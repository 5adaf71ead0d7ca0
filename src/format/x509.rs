//! X.509 certificates, and PEM files that hold them. The only file that names the DER parser.

use std::net::IpAddr;

use base64::Engine as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::model::digest::sha256;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As it is.
    pub der: Vec<u8>,
    /// Whom it is for.
    pub subject: Name,
    /// Who signed it.
    pub issuer: Name,
    /// Valid from, in seconds since 1970.
    pub from: i64,
    /// Valid until.
    pub until: i64,
    /// Other names of the subject: `DNS:…`, `IP:…`, `email:…`, `URI:…`.
    pub names: Vec<String>,
    /// The public key in DER (`SubjectPublicKeyInfo`).
    pub key: Vec<u8>,
    /// May it sign others?
    pub is_authority: bool,
}

/// A distinguished name: types and values, in the order of the certificate (country first).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Name(pub Vec<(String, String)>);

/// Object identifiers by the short names people write.
const TYPES: [(&str, &str); 15] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GN"),
    ("2.5.4.46", "DNQUALIFIER"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

impl Certificate {
    /// Reads a certificate from DER.
    ///
    /// Errors: what is wrong with it.
    pub fn parse(der: &[u8]) -> Result<Certificate, String> {
        let damaged = |_| "a certificate is damaged".to_string();
        let (rest, x509) = X509Certificate::from_der(der).map_err(damaged)?;
        let der = &der[..der.len() - rest.len()];
        let names = x509.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.map(|found| found.value.general_names.iter().filter_map(name).collect());
        Ok(Certificate {
            der: der.to_vec(),
            subject: Name::of(x509.subject()),
            issuer: Name::of(x509.issuer()),
            from: x509.validity().not_before.timestamp(),
            until: x509.validity().not_after.timestamp(),
            names: names.unwrap_or_default(),
            key: x509.public_key().raw.to_vec(),
            is_authority: x509.is_ca(),
        })
    }

    /// Returns the SHA-256 of the certificate, as far as people compare it.
    pub fn fingerprint(&self) -> String {
        sha256(&self.der)[..16].to_string()
    }

    /// True when the name of who signed this one is that of `other`.
    pub fn names_issuer(&self, other: &Certificate) -> bool {
        self.issuer == other.subject
    }

    /// True when `other` signed this one.
    ///
    /// Errors: the kind of signature cannot be checked here.
    pub fn is_signed_by(&self, other: &Certificate) -> Result<bool, String> {
        let read = |der| X509Certificate::from_der(der).map_err(|error| error.to_string());
        let ((_, own), (_, signer)) = (read(&self.der)?, read(&other.der)?);
        match own.verify_signature(Some(signer.public_key())) {
            Ok(()) => Ok(true),
            Err(X509Error::SignatureVerificationError) if !is_small(&signer) => Ok(false),
            Err(_) => {
                let algorithm = own.signature_algorithm.algorithm.to_id_string();
                Err(format!("its signature (algorithm {algorithm}) cannot be checked by drsync"))
            }
        }
    }

    /// True when the certificate is for the host, address or other name `wish`.
    pub fn is_for(&self, wish: &str) -> bool {
        let (sort, wish) = match wish.split_once(':') {
            Some((sort @ ("DNS" | "IP" | "email" | "URI"), name)) => (Some(sort), name),
            _ => (None, wish),
        };
        let address: Option<IpAddr> = wish.trim().parse().ok();
        self.names.iter().filter_map(|name| name.split_once(':')).any(|(of, name)| {
            let is_sort = sort.is_none_or(|sort| sort == of);
            is_sort
                && match of {
                    "IP" => address.is_some() && name.parse().ok() == address,
                    "DNS" => address.is_none() && covers(name, wish),
                    _ => name == wish,
                }
        })
    }
}

/// True for a key so short that the checker of signatures does not even look at it.
fn is_small(signer: &X509Certificate<'_>) -> bool {
    matches!(signer.public_key().parsed(), Ok(PublicKey::RSA(rsa)) if rsa.key_size() < 2048)
}

/// True when the DNS name of a certificate, perhaps with a `*`, covers `host`.
fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    let host = host.trim_end_matches('.');
    name == host
        || name.strip_prefix("*.").is_some_and(|domain| {
            host.split_once('.').is_some_and(|(first, rest)| rest == domain && !first.is_empty())
        })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        GeneralName::URI(name) => Some(format!("URI:{name}")),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| format!("IP:{address}"))
        }
        _ => None,
    }
}

impl Name {
    fn of(name: &X509Name<'_>) -> Name {
        let parts = name.iter_attributes().map(|part| {
            let oid = part.attr_type().to_id_string();
            let known = TYPES.iter().find(|(id, _)| *id == oid).map(|(_, name)| *name);
            let value = part.as_str().map_or_else(
                |_| String::from_utf8_lossy(part.as_slice()).into_owned(),
                String::from,
            );
            (known.map_or(oid, String::from), value)
        });
        Name(parts.collect())
    }

    /// Reads a name as people write it: RFC 4514 (`CN=a,O=b`), openssl's (`O = b, CN = a`) and its
    /// older one (`/O=b/CN=a`). `None` when it is none of them.
    pub fn parse(text: &str) -> Option<Name> {
        let text = text.trim();
        let parts = match text.strip_prefix('/') {
            Some(rest) => split_slashes(rest),
            None => split_commas(text),
        };
        let parts = parts.into_iter().map(|part| {
            let (sort, value) = part.split_once('=')?;
            let sort = sort.trim().to_ascii_uppercase();
            let sort = match &*sort {
                "E" | "EMAIL" => "EMAILADDRESS".to_string(),
                "S" => "ST".to_string(),
                "USERID" => "UID".to_string(),
                _ => sort.strip_prefix("OID.").unwrap_or(&sort).to_string(),
            };
            let is_sound = |c: char| c.is_ascii_alphanumeric() || c == '.';
            let is_sort = !sort.is_empty() && sort.chars().all(is_sound);
            is_sort.then(|| (sort, unescape(value.trim())))
        });
        parts.collect::<Option<Vec<_>>>().map(Name)
    }

    /// Returns the common name, the last one where there are several.
    pub fn common(&self) -> Option<&str> {
        self.0.iter().rev().find(|(sort, _)| sort == "CN").map(|(_, value)| &**value)
    }

    /// True when `wish`, a common name or a whole name in any order, is this one.
    pub fn is(&self, wish: &str) -> bool {
        match Name::parse(wish).filter(|_| wish.contains('=')) {
            Some(wish) => {
                let sorted = |name: &Name| {
                    let mut parts = name.0.clone();
                    parts.sort();
                    parts
                };
                sorted(&wish) == sorted(self)
            }
            None => self.common() == Some(wish),
        }
    }
}

impl std::fmt::Display for Name {
    /// Writes it as RFC 4514 has it: the common name first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (sort, value)) in self.0.iter().rev().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let mut escaped = String::new();
            for c in value.chars() {
                if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
            write!(f, "{comma}{sort}={escaped}")?;
        }
        Ok(())
    }
}

/// Splits `O=b/CN=a` where a slash begins a new type.
fn split_slashes(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split('/') {
        let begins = part.split_once('=').is_some_and(|(sort, _)| {
            !sort.is_empty() && sort.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        });
        match parts.last_mut() {
            Some(last) if !begins => last.push_str(&format!("/{part}")),
            _ => parts.push(part.to_string()),
        }
    }
    parts
}

/// Splits at commas and plus signs that are neither escaped nor quoted.
fn split_commas(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        if !is_escaped && !is_quoted && matches!(c, ',' | '+') {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        is_quoted ^= !is_escaped && c == '"';
        is_escaped = !is_escaped && c == '\\';
        part.push(c);
    }
    parts.push(part);
    parts
}

fn unescape(value: &str) -> String {
    let value = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner,
        None => value,
    };
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        match rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            None => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                bytes.extend(&rest.as_bytes()[..length]);
                rest = &rest[length..];
            }
        }
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One block of a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it says it is: `CERTIFICATE`, `PRIVATE KEY`, …
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Returns the blocks of a PEM file; other text between them does not count.
///
/// Errors: a block that has no end or is not base64.
pub fn pem(text: &[u8]) -> Result<Vec<Block>, String> {
    let text = String::from_utf8_lossy(text);
    let engine = base64::engine::general_purpose::STANDARD;
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        let marked = |word: &str| {
            line.strip_prefix(word).and_then(|rest| rest.strip_suffix("-----")).map(String::from)
        };
        if let Some(label) = marked("-----BEGIN ") {
            if let Some((label, _)) = open {
                return Err(format!("`{label}` has no end"));
            }
            open = Some((label, String::new()));
        } else if let Some(end) = marked("-----END ") {
            let (label, body) = open.take().filter(|(label, _)| *label == end).unwrap_or_default();
            let bytes = engine.decode(body).ok().filter(|_| !label.is_empty());
            let bytes = bytes.ok_or_else(|| format!("a block that ends as `{end}` is damaged"))?;
            blocks.push(Block { label, bytes });
        } else if let Some((_, body)) = &mut open
            // Headers of encrypted keys.
            && !line.contains(':')
        {
            body.push_str(line);
        }
    }
    match open {
        Some((label, _)) => Err(format!("`{label}` has no end")),
        None => Ok(blocks),
    }
}

impl Block {
    /// Returns the certificate, if it is one.
    pub fn certificate(&self) -> Option<Result<Certificate, String>> {
        let is_one =
            matches!(&*self.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE");
        is_one.then(|| Certificate::parse(&self.bytes))
    }

    /// True for a private key.
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(text: &[u8]) -> Certificate {
        pem(text).unwrap()[0].certificate().unwrap().unwrap()
    }

    fn host() -> Certificate {
        load(include_bytes!("../../tests/certificates/host.pem"))
    }

    #[test]
    fn a_certificate_says_whom_it_is_for() {
        let host = host();
        assert_eq!(host.subject.to_string(), "CN=dn-01.example.com,OU=Data,O=Example\\, Inc.");
        let all =
            "DNS:dn-01.example.com DNS:*.lb.example.com IP:10.0.0.1 IP:2001:db8::1 email:a@b.c";
        assert_eq!(host.names.join(" "), all);
        let yes = ["DN-01.example.com", "DNS:a.lb.example.com", "10.0.0.1", "2001:DB8:0::1"];
        assert!(yes.into_iter().all(|name| host.is_for(name)));
        let no = ["dn-02.example.com", "a.b.lb.example.com", "lb.example.com", "10.0.0.2", ""];
        assert!(!no.into_iter().any(|name| host.is_for(name)));
        assert!(!host.is_authority);
    }

    #[test]
    fn names_compare_in_every_spelling() {
        let subject = host().subject;
        for same in [
            "dn-01.example.com",
            "CN=dn-01.example.com,OU=Data,O=Example\\, Inc.",
            "O = \"Example, Inc.\", OU = Data, CN = dn-01.example.com",
            "/O=Example, Inc./OU=Data/CN=dn-01.example.com",
            "cn=dn-01.example.com, ou=Data, o=Example\\2C Inc.",
        ] {
            assert!(subject.is(same), "{same}");
        }
        for other in ["CN=dn-01.example.com", "dn-01", "CN=x,OU=Data,O=Example\\, Inc.", ""] {
            assert!(!subject.is(other), "{other}");
        }
    }

    #[test]
    fn signatures_are_checked() {
        let ca = load(include_bytes!("../../tests/certificates/ca.pem"));
        let sub = load(include_bytes!("../../tests/certificates/sub.pem"));
        assert!(sub.is_authority && ca.is_authority);
        assert_eq!(host().is_signed_by(&sub), Ok(true));
        assert_eq!(sub.is_signed_by(&ca), Ok(true));
        assert_eq!(ca.is_signed_by(&ca), Ok(true));
        assert_eq!(host().is_signed_by(&ca), Ok(false));
    }

    #[test]
    fn blocks_of_a_file_are_told_apart() {
        let text = b"Bag\n-----BEGIN A-----\nAAE=\n-----END A-----\r\n -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAg==\n-----END RSA PRIVATE KEY-----";
        let blocks = pem(text).unwrap();
        assert_eq!((&*blocks[0].label, &*blocks[0].bytes), ("A", &[0, 1][..]));
        assert!(blocks[1].is_private_key());
        assert!(pem(b"-----BEGIN A-----\nAAE=").is_err());
        assert!(pem(b"-----BEGIN A-----\nA*E=\n-----END A-----").is_err());
        assert!(pem(b"-----BEGIN A-----\nAAE=\n-----END B-----").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, text: String) {
            let _ = Certificate::parse(&bytes);
            let _ = pem(text.as_bytes());
            let _ = Name::parse(&text).map(|name| name.to_string());
            let _ = host().subject.is(&text);
        }
    }
}

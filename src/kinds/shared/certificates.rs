//! What a file holds of certificates, whatever its format, and whether they are as wished.

use crate::format::jks::{self, Store};
use crate::format::x509::{Certificate, pem};
use crate::kinds::shared::bytes;
use crate::model::question::Reply;
use crate::model::{Attribute, Live, Value};

/// The format of a file with certificates.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Text with certificates in base64, or one certificate in DER.
    Pem,
    /// A Java key store.
    Jks(Store),
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its format.
    pub form: Form,
    /// Its certificates in the order of the file.
    pub certificates: Vec<Certificate>,
    /// Does it hold a private key?
    pub has_key: bool,
}

impl Held {
    /// Reads a file.
    ///
    /// Errors: why it cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Held, String> {
        if jks::is_store(bytes) {
            let store = Store::parse(bytes)?;
            let all = store.entries.iter().flat_map(|entry| &entry.chain);
            let certificates = all.map(|der| Certificate::parse(der)).collect::<Result<_, _>>()?;
            let has_key = store.entries.iter().any(|entry| entry.key.is_some());
            return Ok(Held { form: Form::Jks(store), certificates, has_key });
        }
        if is_pkcs12(bytes) {
            let said = "it is a PKCS#12 store, which drsync does not read: \
                        `keytool -importkeystore -deststoretype JKS` makes a JKS of it";
            return Err(said.into());
        }
        if bytes.starts_with(&[0x30, 0x82]) {
            let certificates = vec![Certificate::parse(bytes)?];
            return Ok(Held { form: Form::Pem, certificates, has_key: false });
        }
        let blocks = pem(bytes)?;
        let certificates = blocks.iter().filter_map(|block| block.certificate());
        let certificates = certificates.collect::<Result<_, _>>()?;
        let has_key = blocks.iter().any(|block| block.is_private_key());
        Ok(Held { form: Form::Pem, certificates, has_key })
    }

    /// Returns the certificates of one entry of a store.
    ///
    /// Errors: why they cannot be told.
    pub fn of_entry(&self, alias: &str) -> Result<Vec<Certificate>, String> {
        let Form::Jks(store) = &self.form else { return Err("it is no Java key store".into()) };
        let chain = store.entry(alias).map(|entry| &*entry.chain).unwrap_or_default();
        chain.iter().map(|der| Certificate::parse(der)).collect()
    }
}

/// A PKCS#12 store begins with a sequence whose first part is the number 3.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let rest = match bytes {
        [0x30, 0x82, _, _, rest @ ..]
        | [0x30, 0x83, _, _, _, rest @ ..]
        | [0x30, 0x84, _, _, _, _, rest @ ..]
        | [0x30, 0x80 | 0x81, rest @ ..] => rest,
        _ => return false,
    };
    rest.starts_with(&[2, 1, 3]) || rest.get(1..).is_some_and(|rest| rest.starts_with(&[2, 1, 3]))
}

/// Whether a certificate is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is.
    Given,
    /// It is not, and why.
    Denied(String),
    /// That cannot be told, and why.
    Unknown(String),
}

/// Longest chain followed.
const LONGEST: usize = 10;

/// Follows the signatures from `own` over the certificates that came with it to one of `anchors`, all
/// of which must be valid at `now`. Any certificate among the anchors is trusted, as in Java.
pub fn trust(
    own: &Certificate,
    others: &[Certificate],
    anchors: &[Certificate],
    now: i64,
) -> Trust {
    let mut current = own;
    let mut trouble = None;
    for _ in 0..LONGEST {
        if let Some(said) = outside(current, now) {
            return Trust::Denied(said);
        }
        if anchors.iter().any(|anchor| anchor.der == current.der) {
            return Trust::Given;
        }
        let mut signer = |certificates: &'_ [Certificate]| -> Option<usize> {
            certificates.iter().position(|other| {
                let may = current.names_issuer(other) && other.der != current.der;
                may && current.is_signed_by(other).unwrap_or_else(|said| {
                    trouble = Some(said);
                    false
                })
            })
        };
        if let Some(anchor) = signer(anchors).map(|at| &anchors[at]) {
            return outside(anchor, now).map_or(Trust::Given, Trust::Denied);
        }
        match signer(others).map(|at| &others[at]).filter(|other| other.is_authority) {
            Some(other) => current = other,
            None => break,
        }
    }
    match trouble {
        Some(said) => Trust::Unknown(said),
        None => Trust::Denied(format!("who signed it, {}, is not in there", current.issuer)),
    }
}

/// Returns what is wrong with the time of a certificate of a chain.
fn outside(certificate: &Certificate, now: i64) -> Option<String> {
    let is_over = now > certificate.until;
    (is_over || now < certificate.from).then(|| {
        let word = if is_over { "expired" } else { "not valid yet" };
        format!("{} is {word}", certificate.subject)
    })
}

/// What is asked of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wishes<'a> {
    /// Whom it is for.
    pub subject: Option<&'a str>,
    /// Who signed it.
    pub issuer: Option<&'a str>,
    /// Names it is for.
    pub san: &'a [String],
    /// Days it is valid.
    pub valid_days: Option<u32>,
    /// Path of a bundle.
    pub trusted_by: Option<&'a str>,
    /// Path of its private key.
    pub key: Option<&'a str>,
}

/// Returns a day as people write it.
pub fn day(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// A certificate held against what is asked of it, one wish after the other.
pub struct Judged<'a> {
    wishes: Wishes<'a>,
    now: Result<i64, String>,
    /// What was asked, against what was found.
    pub attributes: Vec<Attribute>,
    /// Why the certificate will not do.
    pub trouble: Vec<String>,
}

impl<'a> Judged<'a> {
    /// Returns the beginning of a judgement at `now`, the host's clock.
    pub fn new(wishes: Wishes<'a>, now: Result<i64, String>) -> Judged<'a> {
        Judged { wishes, now, attributes: Vec::new(), trouble: Vec::new() }
    }

    /// Adds an attribute; what is not as asked cannot be repaired.
    fn add(&mut self, name: &'static str, live: String, wish: String, is_met: bool) {
        let before = Live::Known(Value::text(live));
        let after = match (is_met, &before) {
            (true, Live::Known(value)) => value.clone(),
            _ => Value::text(wish),
        };
        let attribute = Attribute::new(name, before, after);
        self.attributes.push(Attribute { differs: !is_met, ..attribute });
    }

    fn unknown(&mut self, name: &'static str, reason: String, wish: String) {
        self.attributes.push(Attribute::new(name, Live::Unknown(reason), Value::text(wish)));
    }

    fn absent(&mut self, name: &'static str, wish: String) {
        self.attributes.push(Attribute::new(name, Live::Absent, Value::text(wish)));
    }

    /// Judges whom it is for and who signed it.
    pub fn names(&mut self, own: &Certificate) {
        if let Some(wish) = self.wishes.subject {
            let is_met = own.subject.is(wish);
            self.add("subject", own.subject.to_string(), wish.into(), is_met);
            if !is_met {
                self.trouble.push(format!("it is for {}, not for {wish}", own.subject));
            }
        }
        if let Some(wish) = self.wishes.issuer {
            let is_met = own.issuer.is(wish);
            self.add("issuer", own.issuer.to_string(), wish.into(), is_met);
            if !is_met {
                self.trouble.push(format!("{} signed it, not {wish}", own.issuer));
            }
        }
        let san = self.wishes.san;
        if !san.is_empty() {
            let missing: Vec<&str> =
                san.iter().filter(|name| !own.is_for(name)).map(|name| &**name).collect();
            self.add("san", own.names.join(", "), san.join(", "), missing.is_empty());
            if !missing.is_empty() {
                self.trouble.push(format!("it is not for {}", missing.join(", ")));
            }
        }
    }

    /// Judges how long all of them are valid.
    pub fn time(&mut self, own: &Certificate, others: &[Certificate]) {
        let Some(days) = self.wishes.valid_days else { return };
        let all = || std::iter::once(own).chain(others);
        let Some(first) = all().min_by_key(|certificate| certificate.until) else { return };
        let now = match self.now.clone() {
            Ok(now) => now,
            Err(reason) => return self.unknown("expires", reason, format!("{days} days left")),
        };
        let left = (first.until - now).div_euclid(86_400);
        let early = all().find(|certificate| certificate.from > now);
        let is_met = now <= first.until && left >= i64::from(days) && early.is_none();
        self.add("expires", day(first.until), format!("{days} days left"), is_met);
        if let Some(attribute) = self.attributes.last_mut() {
            attribute.note = Some(format!("in {left} days"));
        }
        if is_met {
            return;
        }
        let (name, until) = (&first.subject, day(first.until));
        self.trouble.push(match early {
            Some(early) => format!("{} is valid from {} only", early.subject, day(early.from)),
            None if left < 0 => format!("{name} expired {} days ago ({until})", -left),
            None => format!("{name} expires in {left} days ({until}), and {days} are asked for"),
        });
    }

    /// Judges whether what is in the bundle signed it.
    pub fn trust(&mut self, own: &Certificate, others: &[Certificate], bundle: Option<&Reply>) {
        let (Some(path), Some(bundle)) = (self.wishes.trusted_by, bundle) else { return };
        let anchors = match bytes::read(bundle) {
            Ok(Some(bytes)) => Held::parse(&bytes).map(|held| held.certificates),
            Ok(None) => {
                self.trouble.push(format!("there is no {path} to vouch for it"));
                return self.absent("trusted_by", path.into());
            }
            Err(reason) => Err(reason),
        };
        let now = self.now.clone();
        let verdict = match anchors.and_then(|anchors| Ok((anchors, now?))) {
            Ok((anchors, now)) => trust(own, others, &anchors, now),
            Err(reason) => Trust::Unknown(format!("{path}: {reason}")),
        };
        match verdict {
            Trust::Given => self.add("trusted_by", path.into(), path.into(), true),
            Trust::Denied(said) => {
                self.add("trusted_by", "nobody there".into(), path.into(), false);
                self.trouble.push(format!("{path} does not vouch for it: {said}"));
            }
            Trust::Unknown(reason) => self.unknown("trusted_by", reason, path.into()),
        }
    }

    /// Judges whether the private key is its own.
    pub fn key(&mut self, own: &Certificate, reply: Option<&Reply>) {
        let (Some(path), Some(reply)) = (self.wishes.key, reply) else { return };
        let blocks = reply.text("public").and_then(|text| match text {
            Some(text) => pem(text.as_bytes()).map(Some),
            None => Ok(None),
        });
        match blocks {
            Ok(Some(blocks)) => {
                let is_met = blocks.first().is_some_and(|block| block.bytes == own.key);
                let live = if is_met { path } else { "another key" };
                self.add("key", live.into(), path.into(), is_met);
                if !is_met {
                    self.trouble.push(format!("the private key {path} belongs to another one"));
                }
            }
            Ok(None) => {
                self.trouble.push(format!("there is no private key {path}"));
                self.absent("key", path.into());
            }
            Err(reason) => self.unknown("key", reason, path.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: &[u8]) -> Vec<Certificate> {
        Held::parse(bytes).unwrap().certificates
    }

    #[test]
    fn a_chain_is_followed_to_an_anchor() {
        let ca = load(include_bytes!("../../../tests/certificates/ca.pem"));
        let sub = load(include_bytes!("../../../tests/certificates/sub.pem"));
        let host = load(include_bytes!("../../../tests/certificates/host.pem")).remove(0);
        let now = host.from + 1000;
        assert_eq!(trust(&host, &sub, &ca, now), Trust::Given);
        assert_eq!(trust(&host, &[], &sub, now), Trust::Given);
        assert_eq!(trust(&ca[0], &[], &ca, now), Trust::Given);
        let denied = trust(&host, &[], &ca, now);
        let said = "who signed it, CN=Lake Sub CA,O=Example\\, Inc., is not in there";
        assert_eq!(denied, Trust::Denied(said.into()));
        assert!(matches!(trust(&host, &sub, &ca, host.until + 1), Trust::Denied(_)));
        assert!(matches!(trust(&host, &sub, &ca, host.from - 1), Trust::Denied(_)));
        // A host's own certificate signs nobody.
        let own = [host.clone()];
        assert!(matches!(trust(&host, &own, &[], now), Trust::Denied(_)));
    }

    #[test]
    fn formats_are_told_apart() {
        let java = Held::parse(include_bytes!("../../../tests/certificates/java.jks")).unwrap();
        assert!(matches!(java.form, Form::Jks(_)) && java.has_key);
        assert_eq!(java.of_entry("HOST").unwrap().len(), 1);
        assert!(Held::parse(&[0x30, 0x82, 0x0a, 0x00, 2, 1, 3, 0x30]).is_err());
        let ca = load(include_bytes!("../../../tests/certificates/ca.pem"));
        assert_eq!(load(&ca[0].der), ca);
        assert_eq!(load(b"no certificate\n"), []);
    }
}

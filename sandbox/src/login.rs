//! Who may talk to a manager: Basic logins and the session cookie that follows one.

use crate::digest::sha256_hex;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What the headers of a request say about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// A Basic login with the right name and password.
    Basic,
    /// The cookie of an earlier login.
    Session,
    /// A Basic login that is wrong.
    Refused,
    /// Neither.
    Nobody,
}

/// The one account of a manager.
pub(crate) struct Account {
    /// The name to log in with.
    pub(crate) user: String,
    basic: String,
    session: String,
}

impl Account {
    /// An account; every process serving the same state hands out the same session.
    pub(crate) fn new(user: &str, password: &str) -> Account {
        let pair = format!("{user}:{password}");
        Account {
            user: user.to_owned(),
            basic: base64(pair.as_bytes()),
            session: sha256_hex(format!("session {pair}").as_bytes()),
        }
    }

    /// Judges the headers `Authorization` and `Cookie`.
    pub(crate) fn judge(&self, authorization: Option<&str>, cookie: Option<&str>) -> Login {
        let basic = authorization.and_then(|header| {
            let (scheme, rest) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then_some(rest.trim())
        });
        if let Some(basic) = basic {
            return if basic == self.basic { Login::Basic } else { Login::Refused };
        }
        let mut cookies = cookie.unwrap_or("").split(';').map(str::trim);
        let known = cookies.any(|pair| pair.strip_prefix("SESSION=") == Some(&self.session));
        if known { Login::Session } else { Login::Nobody }
    }

    /// The header that hands out the session.
    pub(crate) fn cookie(&self) -> String {
        format!("SESSION={}; Path=/; HttpOnly", self.session)
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let digit = (group >> (18 - 6 * position)) & 63;
            let sign = if position <= chunk.len() { ALPHABET[digit as usize] } else { b'=' };
            text.push(char::from(sign));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Account, Login, base64};

    #[test]
    fn encodes_every_length() {
        assert_eq!(base64(b"admin:admin"), "YWRtaW46YWRtaW4=");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn tells_logins_apart() {
        let account = Account::new("admin", "admin");
        assert_eq!(account.judge(Some("Basic YWRtaW46YWRtaW4="), None), Login::Basic);
        assert_eq!(account.judge(Some("Basic YQ=="), None), Login::Refused);
        assert_eq!(account.judge(None, Some(&account.cookie())), Login::Session);
        assert_eq!(account.judge(None, Some("SESSION=x")), Login::Nobody);
    }
}

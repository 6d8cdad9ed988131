//! The capabilities that a server announces (RFC 2449, 2595, 3206, 5034).

use crate::mail::limits;

/// The capabilities of a server, from its last CAPA reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether the server answered CAPA at all.
    pub announced: bool,
    /// RFC 1939 TOP.
    pub top: bool,
    /// RFC 1939 USER and PASS.
    pub user: bool,
    /// RFC 1939 UIDL.
    pub uidl: bool,
    /// RFC 2449 RESP-CODES.
    pub resp_codes: bool,
    /// RFC 3206 AUTH-RESP-CODE.
    pub auth_resp_code: bool,
    /// RFC 2449 PIPELINING.
    pub pipelining: bool,
    /// RFC 2595 STLS.
    pub stls: bool,
    /// RFC 5034 SASL mechanisms, in upper case.
    pub sasl: Vec<String>,
    /// RFC 2449 LOGIN-DELAY in seconds; with the word USER it may differ after login.
    pub login_delay_seconds: Option<u64>,
    /// RFC 2449 EXPIRE.
    pub expire: Option<Expire>,
}

/// How long a server keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// For ever.
    Never,
    /// This many days; 0 means that a retrieved message may be gone after QUIT.
    Days(u64),
}

impl Capabilities {
    /// Adds one line of CAPA. Keywords are case-insensitive; unknown ones and invalid lines are
    /// ignored.
    pub(super) fn add(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next() else { return };
        let keyword = keyword.to_ascii_uppercase();
        match keyword.as_str() {
            "TOP" => self.top = true,
            "USER" => self.user = true,
            "UIDL" => self.uidl = true,
            "RESP-CODES" => self.resp_codes = true,
            "AUTH-RESP-CODE" => self.auth_resp_code = true,
            "PIPELINING" => self.pipelining = true,
            "STLS" => self.stls = true,
            "SASL" | "AUTH" => self.add_mechanisms(words),
            "LOGIN-DELAY" => {
                self.login_delay_seconds = words.next().and_then(|word| word.parse().ok())
            }
            "EXPIRE" => {
                self.expire = words.next().and_then(|word| {
                    if word.eq_ignore_ascii_case("NEVER") {
                        Some(Expire::Never)
                    } else {
                        word.parse().ok().map(Expire::Days)
                    }
                });
            }
            // Pre-standard servers write AUTH=LOGIN.
            _ => {
                if let Some(mechanism) = keyword
                    .strip_prefix("AUTH=")
                    .or(keyword.strip_prefix("SASL="))
                {
                    self.add_mechanisms(mechanism.split(','));
                }
            }
        }
    }

    fn add_mechanisms<'w>(&mut self, words: impl Iterator<Item = &'w str>) {
        for word in words {
            let mechanism = word.to_ascii_uppercase();
            if !self.sasl.contains(&mechanism) && self.sasl.len() < limits::SASL_MECHANISMS_MAX {
                self.sasl.push(mechanism);
            }
        }
    }

    /// Whether the server may hide or delete retrieved messages after QUIT (RFC 2449 section 6.7).
    pub fn hides_retrieved(&self) -> bool {
        self.expire == Some(Expire::Days(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Capabilities {
        let mut capabilities = Capabilities::default();
        lines
            .iter()
            .for_each(|line| capabilities.add(line.as_bytes()));
        capabilities
    }

    #[test]
    fn rfc2449_keywords_have_no_letter_case_and_unknown_ones_are_ignored() {
        let read = read(&[
            "top",
            "Pipelining",
            "X-MAGIC yes",
            "",
            "uidl",
            "RESP-codes",
            "auth-resp-code",
            "stls",
        ]);
        assert!(
            read.top
                && read.pipelining
                && read.uidl
                && read.resp_codes
                && read.auth_resp_code
                && read.stls
        );
    }

    #[test]
    fn rfc2449_sasl_lines_are_merged_and_old_styles_understood() {
        let read = read(&[
            "SASL PLAIN login",
            "SASL CRAM-MD5",
            "AUTH=PLAIN",
            "auth=xoauth2",
        ]);
        assert_eq!(read.sasl, ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"]);
    }

    #[test]
    fn rfc2449_login_delay_and_expire() {
        assert_eq!(read(&["LOGIN-DELAY 900"]).login_delay_seconds, Some(900));
        assert_eq!(read(&["LOGIN-DELAY 60 USER"]).login_delay_seconds, Some(60));
        assert_eq!(read(&["LOGIN-DELAY soon"]).login_delay_seconds, None);
        assert_eq!(read(&["EXPIRE NEVER"]).expire, Some(Expire::Never));
        assert!(read(&["EXPIRE 0"]).hides_retrieved());
        assert!(read(&["EXPIRE 0 USER"]).hides_retrieved());
        assert!(!read(&["EXPIRE 30"]).hides_retrieved());
    }
}

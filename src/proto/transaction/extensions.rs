//! The extensions that a server announces in its reply to EHLO or LHLO.

/// The extensions that a transaction uses. A parameter is sent only if its extension was announced:
/// Dovecot's LMTP refuses the others with 555.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit: bool,
    /// RFC 6531.
    pub utf8: bool,
    /// RFC 3207.
    pub start_tls: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 1870; 0 means announced without a limit.
    pub size: Option<u64>,
    /// The most recipients of one transaction: RCPTMAX of LIMITS (RFC 9422).
    pub recipients_max: Option<usize>,
}

impl Extensions {
    /// Reads the lines of the reply.
    pub fn of<'l>(lines: impl IntoIterator<Item = &'l str>) -> Self {
        let mut extensions = Self::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => extensions.pipelining = true,
                "8BITMIME" => extensions.eight_bit = true,
                "SMTPUTF8" => extensions.utf8 = true,
                "STARTTLS" => extensions.start_tls = true,
                "DSN" => extensions.dsn = true,
                "SIZE" => {
                    let limit = words.next().and_then(|word| word.parse().ok());
                    extensions.size = Some(limit.unwrap_or(0));
                }
                "LIMITS" => extensions.recipients_max = recipients_max(words),
                _ => {}
            }
        }
        extensions
    }
}

/// RCPTMAX among the words of LIMITS. Zero would allow no message at all, so it is no limit.
fn recipients_max<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<usize> {
    words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        let is_it = name.eq_ignore_ascii_case("RCPTMAX");
        is_it.then(|| value.parse().ok().filter(|most| *most > 0))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_letter_case() {
        let lines = [
            "mx.example.org greets you",
            "pipelining",
            "SIZE 1000",
            "8BITMIME",
            "X-OTHER a b",
            "Limits MAILMAX=5 rcptmax=20",
        ];
        let expected = Extensions {
            pipelining: true,
            eight_bit: true,
            size: Some(1000),
            recipients_max: Some(20),
            ..Extensions::default()
        };
        assert_eq!(Extensions::of(lines), expected);
        assert_eq!(Extensions::of(["SIZE"]).size, Some(0));
        assert!(Extensions::of(["STARTTLS"]).start_tls && Extensions::of(["SMTPUTF8"]).utf8);
        assert!(Extensions::of(["dsn"]).dsn);
        for none in [
            "LIMITS",
            "LIMITS RCPTMAX",
            "LIMITS RCPTMAX=0",
            "LIMITS RCPTMAX=x",
        ] {
            assert_eq!(Extensions::of([none]), Extensions::default(), "{none}");
        }
    }
}

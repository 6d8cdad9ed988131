//! The identity of a maildrop: host and user, and the port if it is not one of the usual two.

/// One maildrop, which an account polls. Two hosts that differ only in letter case or in a final
/// dot are the same host, and ports 110 and 995 of one host have the same maildrop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Maildrop {
    host: String,
    user: String,
    port: Option<u16>,
}

impl Maildrop {
    /// The maildrop of this user at this server.
    pub fn new(host: &str, user: &str, port: Option<u16>) -> Self {
        let host = host.strip_suffix('.').unwrap_or(host);
        Self {
            host: host.to_ascii_lowercase(),
            user: user.to_owned(),
            port: port.filter(|port| !matches!(port, 110 | 995)),
        }
    }

    /// The server.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The user that the maildrop belongs to.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The port, if it is neither 110 nor 995.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// One text of all parts, for hashing.
    pub(super) fn text(&self) -> String {
        format!("{}\n{:?}\n{}", self.host, self.port, self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_a_final_dot_and_the_usual_ports_make_no_other_maildrop() {
        let one = Maildrop::new("pop.example.org", "jane", Some(995));
        for (host, port) in [
            ("POP.Example.ORG.", Some(110)),
            ("pop.example.org", None),
            ("pop.example.org.", Some(995)),
        ] {
            assert_eq!(Maildrop::new(host, "jane", port), one, "{host} {port:?}");
        }
        for (host, user, port) in [
            ("pop.example.org", "Jane", Some(995)),
            ("pop2.example.org", "jane", Some(995)),
            ("pop.example.org", "jane", Some(1110)),
        ] {
            assert_ne!(
                Maildrop::new(host, user, port),
                one,
                "{host} {user} {port:?}"
            );
        }
    }
}

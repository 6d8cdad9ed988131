//! The capabilities that a server announced, remembered for sessions in which CAPA is left out.

use crate::mail::Timestamp;
use crate::proto::pop3::{Capabilities, Expire};
use crate::seen::{LastCapa, Oddities};
use crate::session::server::left_out::is_still;

/// Whether a session sends CAPA, and the capabilities to assume if it does not.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Capa {
    /// CAPA is not sent, because the server ended a session at it.
    pub(in crate::session) is_left_out: bool,
    last: Option<LastCapa>,
}

impl Capa {
    /// What is remembered about this maildrop's server.
    pub(in crate::session) fn remembered(odd: &mut Oddities, now: Timestamp) -> Self {
        Self {
            is_left_out: is_still(&mut odd.capa_left_out_until, now),
            last: odd.last_capa.clone(),
        }
    }

    /// The capabilities to assume without CAPA: those announced last, but never PIPELINING. If none
    /// ever were, the server may hide retrieved messages.
    pub(in crate::session) fn assumed(&self) -> Capabilities {
        let unknown = LastCapa {
            hides_retrieved: true,
            ..LastCapa::default()
        };
        let last = self.last.as_ref().unwrap_or(&unknown);
        Capabilities {
            announced: self.last.is_some(),
            sasl: last.sasl.clone(),
            resp_codes: last.resp_codes,
            auth_resp_code: last.auth_resp_code,
            login_delay_seconds: last.login_delay_seconds,
            expire: last.hides_retrieved.then_some(Expire::Days(0)),
            // USER is tried if PLAIN is not announced, whatever is.
            user: true,
            ..Capabilities::default()
        }
    }
}

/// What is worth remembering of the CAPA before the login and the one after it; `None` when the
/// server announced nothing.
pub(in crate::session) fn worth_remembering(
    before: &Capabilities,
    after: &Capabilities,
) -> Option<LastCapa> {
    let newest = if after.announced { after } else { before };
    let is_name = |mechanism: &&String| {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        !mechanism.is_empty() && mechanism.len() <= 20 && mechanism.bytes().all(allowed)
    };
    newest.announced.then(|| LastCapa {
        hides_retrieved: newest.hides_retrieved(),
        login_delay_seconds: newest.login_delay_seconds,
        sasl: before.sasl.iter().filter(is_name).cloned().collect(),
        resp_codes: newest.resp_codes,
        auth_resp_code: before.auth_resp_code || newest.auth_resp_code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_earlier_announcements_the_server_may_hide_retrieved_mail() {
        let assumed = Capa::default().assumed();
        assert!(assumed.hides_retrieved() && !assumed.pipelining);
    }

    #[test]
    fn the_last_announced_capabilities_apply_except_pipelining() {
        let before = Capabilities {
            announced: true,
            sasl: vec!["PLAIN".into(), "=x".into()],
            pipelining: true,
            auth_resp_code: true,
            ..Capabilities::default()
        };
        let after = Capabilities {
            announced: true,
            login_delay_seconds: Some(60),
            pipelining: true,
            ..Capabilities::default()
        };
        let last = worth_remembering(&before, &after);
        let assumed = Capa {
            is_left_out: true,
            last,
        }
        .assumed();
        assert_eq!(assumed.sasl, ["PLAIN"]);
        assert_eq!(assumed.login_delay_seconds, Some(60));
        assert!(assumed.auth_resp_code && !assumed.pipelining && !assumed.hides_retrieved());
        assert_eq!(
            worth_remembering(&Capabilities::default(), &Capabilities::default()),
            None
        );
    }

    #[test]
    fn capa_is_left_out_for_a_day_and_no_longer() {
        let left_out = |until, now| {
            let mut odd = Oddities {
                capa_left_out_until: Some(Timestamp(until)),
                ..Oddities::default()
            };
            Capa::remembered(&mut odd, Timestamp(now)).is_left_out
        };
        assert!(left_out(1000, 999));
        assert!(!left_out(1000, 1000));
        assert!(!left_out(1_000_000, 999), "the clock was turned");
    }
}

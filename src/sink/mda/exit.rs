//! Interprets how an MDA ended, and says who must act.

use std::collections::BTreeMap;

use crate::mail::text::Shown;
use crate::mail::{ExitClass, limits};
use crate::process::ProcessEnd;
use crate::sink::{Fault, Outcome, Refusal};

/// The answer to an offer whose process ended in this way, with this output.
pub(super) fn outcome(
    end: ProcessEnd,
    overrides: &BTreeMap<i32, ExitClass>,
    output: &[u8],
) -> Outcome {
    let refused = |fault, code, what: String| {
        Outcome::Refused(Refusal::new(fault, code, with_output(&what, output)))
    };
    let code = match end {
        ProcessEnd::Code(code) => code,
        ProcessEnd::Signal(signal) => {
            let what = format!("the MDA was ended by signal {signal}");
            return refused(Fault::MessageTransient, "mda_signal", what);
        }
        // The message was delivered, only late.
        ProcessEnd::TimedOut {
            code: Some(code), ..
        } if class_of(code, overrides) == ExitClass::Accepted => code,
        ProcessEnd::TimedOut { seconds, .. } => {
            let what = format!("the MDA had not ended after {seconds} s and was killed");
            return refused(Fault::MessageTransient, "mda_timeout", what);
        }
        ProcessEnd::Cancelled => {
            let what = "the MDA was killed because the delivery was cancelled".to_owned();
            return refused(Fault::MessageTransient, "mda_cancelled", what);
        }
    };
    let what = format!("exit {code}{}", meaning(code));
    match class_of(code, overrides) {
        ExitClass::Accepted => Outcome::Accepted(with_output(&what, output)),
        ExitClass::Transient => refused(Fault::MessageTransient, "mda_temporary", what),
        ExitClass::Permanent => refused(Fault::MessagePermanent, "mda_refused", what),
        ExitClass::Recipient => refused(Fault::RecipientOrMessage, "mda_no_user", what),
        // The program could not be executed, whatever the message is.
        ExitClass::Destination if matches!(code, 126 | 127) => {
            refused(Fault::Destination, "mda_configuration", what)
        }
        ExitClass::Destination => refused(Fault::DestinationOrMessage, "mda_configuration", what),
    }
}

fn class_of(code: i32, overrides: &BTreeMap<i32, ExitClass>) -> ExitClass {
    overrides.get(&code).copied().unwrap_or(ExitClass::of(code))
}

/// Describes what happened, with the MDA's output, lines joined, safe to show. Only the end of a
/// long output is shown, because programs report errors at the end.
pub(in crate::sink) fn with_output(what: &str, output: &[u8]) -> String {
    let lines = output.split(|&b| b == b'\n' || b == b'\r');
    let lines: Vec<&[u8]> = lines
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    let said = lines.join(&b" / "[..]);
    if said.is_empty() {
        return what.to_owned();
    }
    let from = said.len().saturating_sub(limits::MDA_SHOWN_OCTETS_MAX);
    // Not inside a character.
    let from = (from..said.len())
        .find(|&at| said[at] & 0xC0 != 0x80)
        .unwrap_or(from);
    let mark = if from > 0 { "... " } else { "" };
    format!("{what}: {mark}{}", Shown::new(&said[from..]))
}

/// The name of a code in sysexits(3), or its meaning for the shell or qmail.
pub(in crate::sink) const fn meaning(code: i32) -> &'static str {
    match code {
        64 => " (EX_USAGE)",
        65 => " (EX_DATAERR)",
        66 => " (EX_NOINPUT)",
        67 => " (EX_NOUSER)",
        68 => " (EX_NOHOST)",
        69 => " (EX_UNAVAILABLE)",
        70 => " (EX_SOFTWARE)",
        71 => " (EX_OSERR)",
        72 => " (EX_OSFILE)",
        73 => " (EX_CANTCREAT)",
        74 => " (EX_IOERR)",
        75 => " (EX_TEMPFAIL)",
        76 => " (EX_PROTOCOL)",
        77 => " (EX_NOPERM)",
        78 => " (EX_CONFIG)",
        126 => " (cannot be executed)",
        127 => " (command not found)",
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn answer(end: ProcessEnd, output: &[u8]) -> Refusal {
        match outcome(end, &BTreeMap::new(), output) {
            Outcome::Refused(refusal) => refusal,
            Outcome::Accepted(words) => panic!("accepted: {words}"),
        }
    }

    #[test]
    fn every_exit_code_says_who_must_act() {
        for code in 0..=255 {
            let expected = match code {
                0 | 99 => None,
                65 | 66 | 68 | 76 | 77 | 100 => Some((Fault::MessagePermanent, "mda_refused")),
                67 => Some((Fault::RecipientOrMessage, "mda_no_user")),
                64 | 78 => Some((Fault::DestinationOrMessage, "mda_configuration")),
                126 | 127 => Some((Fault::Destination, "mda_configuration")),
                _ => Some((Fault::MessageTransient, "mda_temporary")),
            };
            match outcome(ProcessEnd::Code(code), &BTreeMap::new(), b"") {
                Outcome::Accepted(_) => assert_eq!(expected, None, "{code}"),
                Outcome::Refused(r) => assert_eq!(expected, Some((r.fault, r.code)), "{code}"),
            }
        }
        assert_eq!(answer(ProcessEnd::Signal(9), b"").code, "mda_signal");
        let late = |code| ProcessEnd::TimedOut { seconds: 5, code };
        for code in [None, Some(1), Some(65), Some(75)] {
            assert_eq!(answer(late(code), b"").code, "mda_timeout");
        }
        let accepted = outcome(late(Some(0)), &BTreeMap::new(), b"");
        assert!(matches!(accepted, Outcome::Accepted(_)));
    }

    #[test]
    fn an_override_wins() {
        let overrides = BTreeMap::from([
            (77, ExitClass::Transient),
            (0, ExitClass::Permanent),
            (75, ExitClass::Accepted),
        ]);
        let fault = |code| match outcome(ProcessEnd::Code(code), &overrides, b"") {
            Outcome::Accepted(_) => None,
            Outcome::Refused(refusal) => Some(refusal.fault),
        };
        assert_eq!(fault(77), Some(Fault::MessageTransient));
        assert_eq!(fault(0), Some(Fault::MessagePermanent));
        assert_eq!(fault(75), None);
    }

    #[test]
    fn the_mdas_own_words_are_shown_on_one_line_and_escaped() {
        assert_eq!(
            answer(ProcessEnd::Code(75), b"\nfirst\r\n\x1b[2Jsecond\n").words,
            "exit 75 (EX_TEMPFAIL): first / \\x1b[2Jsecond"
        );
        assert_eq!(answer(ProcessEnd::Code(1), b"\n").words, "exit 1");
    }

    #[test]
    fn of_a_long_output_the_end_is_shown() {
        let mut output = "ä".repeat(3000).into_bytes();
        output.extend(b"\nthe reason\n");
        let words = answer(ProcessEnd::Code(1), &output).words;
        assert!(
            words.starts_with("exit 1: ... ä") && words.ends_with("ä / the reason"),
            "{words}"
        );
        assert!(words.len() < 600);
    }
}

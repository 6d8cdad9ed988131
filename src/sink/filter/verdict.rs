//! What the end of a filter's process, and its output, mean for the message.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use crate::disk::{Lack, advice};
use crate::mail::ExitClass;
use crate::process::ProcessEnd;
use crate::sink::mda::{meaning, with_output};
use crate::sink::{Fault, Refusal};
use crate::spool::Message;

/// Lets the message pass if the process ended so, with these words.
///
/// # Errors
/// A refusal: the message is quarantined, or waits.
pub(super) fn passed(
    end: ProcessEnd,
    overrides: &BTreeMap<i32, ExitClass>,
    said: &[u8],
) -> Result<(), Refusal> {
    let refused = |fault, code, what: String| {
        let words = with_output(&what, said);
        Err(Refusal::new(fault, code, words))
    };
    let code = match end {
        ProcessEnd::Code(code) => code,
        ProcessEnd::Signal(signal) => {
            let what = format!("ended by signal {signal}");
            return refused(Fault::MessageTransient, "filter_signal", what);
        }
        ProcessEnd::TimedOut { seconds, .. } => {
            let what = format!("had not ended after {seconds} s and was killed");
            return refused(Fault::MessageTransient, "filter_timeout", what);
        }
        ProcessEnd::Cancelled => {
            let what = "killed because the delivery was cancelled".to_owned();
            return refused(Fault::MessageTransient, "filter_cancelled", what);
        }
    };
    let what = format!("exit {code}{}", meaning(code));
    match class_of(code, overrides) {
        ExitClass::Accepted => Ok(()),
        ExitClass::Permanent => refused(Fault::MessagePermanent, "filter_refused", what),
        ExitClass::Destination => refused(Fault::Destination, "filter_configuration", what),
        ExitClass::Transient | ExitClass::Recipient => {
            refused(Fault::MessageTransient, "filter_temporary", what)
        }
    }
}

/// The meaning of an exit code. Only a few mean that a message is unwanted; the shell's 126 and 127
/// mean that the program could not run, whatever the message is.
fn class_of(code: i32, overrides: &BTreeMap<i32, ExitClass>) -> ExitClass {
    let usual = match code {
        0 => ExitClass::Accepted,
        65 | 76 | 77 | 100 => ExitClass::Permanent,
        126 | 127 => ExitClass::Destination,
        _ => ExitClass::Transient,
    };
    overrides.get(&code).copied().unwrap_or(usual)
}

/// Checks the length of what a filter wrote. No more than one octet beyond the limit is read.
///
/// # Errors
/// A refusal, if it is too long.
pub(super) fn check_length(output: &File, octets_max: u64) -> Result<(), Refusal> {
    let metadata = output.metadata().map_err(|error| no_output(&error))?;
    match metadata.len() > octets_max {
        true => Err(unusable(&format!("it wrote more than {octets_max} octets"))),
        false => Ok(()),
    }
}

/// Checks what a filter wrote in place of the message.
///
/// # Errors
/// A refusal says why it cannot be used; the message waits then.
pub(super) fn check(written: &Message, original: &Message) -> Result<(), Refusal> {
    let has_fields = |message| has_fields(message).map_err(|error| no_output(&error));
    if written.octets() == 0 {
        Err(unusable("it wrote nothing"))
    } else if has_fields(original)? && !has_fields(written)? {
        Err(unusable("what it wrote has no header"))
    } else {
        Ok(())
    }
}

fn unusable(why: &str) -> Refusal {
    let words = format!("exit 0, but its output cannot replace the message: {why}");
    Refusal::new(Fault::MessageTransient, "filter_output", words)
}

/// Whether a message has at least one field.
fn has_fields(message: &Message) -> io::Result<bool> {
    let head = message.head(2)?;
    let begins_empty = head.starts_with(b"\n") || head.starts_with(b"\r\n");
    Ok(!begins_empty && message.head_fields()?.has_fields)
}

/// The refusal when the output cannot be stored or read.
pub(super) fn no_output(error: &io::Error) -> Refusal {
    let words = format!(
        "cannot store what the filter wrote: {error}. {}",
        advice(error)
    );
    let lack = Lack::of(error);
    let code = match lack {
        Some(Lack::Room) => "filter_full",
        Some(Lack::FileSize) => "filter_file_size",
        Some(Lack::Descriptors) | None => "filter_disk",
    };
    Refusal::of_system(lack, code, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(end: ProcessEnd) -> Option<(Fault, &'static str)> {
        let refused = passed(end, &BTreeMap::new(), b"").err();
        refused.map(|refusal| (refusal.fault, refusal.code))
    }

    #[test]
    fn only_zero_lets_a_message_pass_and_only_a_few_codes_quarantine_it() {
        for code in 0..=255 {
            let expected = match code {
                0 => None,
                65 | 76 | 77 | 100 => Some((Fault::MessagePermanent, "filter_refused")),
                126 | 127 => Some((Fault::Destination, "filter_configuration")),
                _ => Some((Fault::MessageTransient, "filter_temporary")),
            };
            assert_eq!(fault(ProcessEnd::Code(code)), expected, "{code}");
        }
    }

    #[test]
    fn a_filter_that_did_not_end_by_itself_lets_nothing_pass() {
        for (end, code) in [
            (ProcessEnd::Signal(9), "filter_signal"),
            (ProcessEnd::Cancelled, "filter_cancelled"),
            (
                ProcessEnd::TimedOut {
                    seconds: 5,
                    code: Some(0),
                },
                "filter_timeout",
            ),
        ] {
            assert_eq!(fault(end), Some((Fault::MessageTransient, code)));
        }
    }

    #[test]
    fn an_override_wins() {
        let overrides = BTreeMap::from([(1, ExitClass::Permanent), (0, ExitClass::Transient)]);
        let refused = |code| passed(ProcessEnd::Code(code), &overrides, b"").err();
        assert_eq!(
            refused(1).map(|one| one.fault),
            Some(Fault::MessagePermanent)
        );
        assert_eq!(
            refused(0).map(|one| one.fault),
            Some(Fault::MessageTransient)
        );
    }
}

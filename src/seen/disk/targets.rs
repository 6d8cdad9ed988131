//! The text of the targets that have answered a message for good.

use std::fmt::Write;

use crate::seen::disk::word::{read_text, text};
use crate::sink::{RefusedTarget, Target, Targets};

/// Writes `destination>recipient` for each target that accepted the message, and
/// `destination>recipient!code!words` for each that refused it for good.
pub(super) fn push_targets(words: &mut String, targets: &Targets) {
    let target = |one: &Target| format!("{}>{}", text(&one.destination), text(&one.recipient));
    for one in &targets.accepted {
        let _ = write!(words, " {}", target(one));
    }
    for one in &targets.refused {
        let (code, said) = (text(&one.code), text(&one.words));
        let _ = write!(words, " {}!{code}!{said}", target(&one.target));
    }
}

/// Reads the text of [`push_targets`], which is the end of its record.
pub(super) fn read_targets<'w>(words: &mut impl Iterator<Item = &'w str>) -> Option<Targets> {
    let mut targets = Targets::default();
    for word in words {
        let (target, refusal) = match word.split_once('!') {
            Some((target, refusal)) => (target, Some(refusal)),
            None => (word, None),
        };
        let (destination, recipient) = target.split_once('>')?;
        let target = Target {
            destination: read_text(destination)?,
            recipient: read_text(recipient)?,
        };
        let Some(refusal) = refusal else {
            targets.accepted.push(target);
            continue;
        };
        let (code, said) = refusal.split_once('!')?;
        targets.refused.push(RefusedTarget {
            target,
            code: read_text(code)?,
            words: read_text(said)?,
        });
    }
    Some(targets)
}

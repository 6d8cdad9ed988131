//! Whether a mark or a confirmation of the operator proves nothing any more.

use crate::mail::Entry;
use crate::seen::{Known, State};
use crate::session::judge::disposition::Plan;
use crate::session::judge::group::Deciding;
use crate::session::judge::heads_said::Head;
use crate::session::judge::marks_together::is_head_of;
use crate::session::judge::new_count::is_before;

impl<'a> Deciding<'a> {
    /// The records of the group, without a confirmation of the operator that proves nothing any
    /// more. It has no digest to compare, so it is checked as a mark is.
    pub(super) fn without_void_word(&self, plan: &mut Plan) -> &'a [Known<'a>] {
        let ([entry], [at], [word]) = (self.entries, self.positions, self.known) else {
            return self.known;
        };
        let is_word = word.digest.is_none() && matches!(word.record.state, State::Delivered { .. });
        // A server that hides retrieved messages lists these once more.
        if !is_word || self.circumstances.pops || !self.is_void(word, entry, *at, plan) {
            return self.known;
        }
        plan.void_marks.push(word.key());
        &[]
    }

    /// Whether a mark or a confirmation proves nothing: its octets or head differ from those of the
    /// listed message, or the counters began again since. A head with its Message-ID, Date and From
    /// is that of the same message, rewritten. Where that says nothing, all marks together may show
    /// that the doubt has another reason.
    pub(super) fn is_void(
        &self,
        mark: &Known<'_>,
        entry: &Entry<'_>,
        at: u32,
        plan: &mut Plan,
    ) -> bool {
        let record = &mark.record;
        let names = &self.circumstances.names;
        // A message that was compared is compared again as rarely as any other.
        let compared = record.notes.compared.filter(|_| mark.digest.is_some());
        let is_due = compared.is_none_or(|compared| compared.is_due(self.circumstances.now));
        let is_before = is_before(record, names.began_again);
        let octets = entry.octets.zip(record.octets);
        let other_octets = octets.filter(|(listed, known)| listed != known);
        let was_retrieved = mark.digest.is_some();
        if other_octets.is_some() && was_retrieved && is_due {
            return true;
        }
        let is_in_doubt = is_before || other_octets.is_some();
        let is_explained = || {
            let are_still_there = !is_before || names.marks.are_still_there;
            let explains = |(listed, known)| {
                let counts = names.marks.counts;
                counts.is_some_and(|counts| counts.explains(known, listed))
            };
            are_still_there && other_octets.is_none_or(explains)
        };
        let said = match (record.head, self.heads.get(at)) {
            (Some(_), Head::Shown(digests)) => is_head_of(&digests, record),
            // It is valid until there is time to ask.
            (Some(_), Head::Later) => return false,
            (Some(_), Head::NotAsked) if is_in_doubt && names.heads_work => {
                plan.wants_heads.push(at);
                return false;
            }
            _ => None,
        };
        if said == Some(false) {
            return true;
        }
        if is_in_doubt && (said == Some(true) || is_explained()) {
            let is_answered = other_octets.is_none() || !was_retrieved;
            let answer = is_answered.then(|| (mark.key(), entry.octets));
            plan.answered.extend(answer);
            return false;
        }
        is_in_doubt && is_due
    }
}

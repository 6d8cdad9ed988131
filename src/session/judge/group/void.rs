//! Whether a mark or a confirmation of the operator proves nothing any more.

use crate::mail::{Entry, HeadDigest, HeadDigests};
use crate::seen::{Known, State};
use crate::session::judge::disposition::Plan;
use crate::session::judge::group::Deciding;
use crate::session::judge::heads_said::Head;
use crate::session::judge::new_count::is_before;

/// What the head of a listed message shows about a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SaidOfMark {
    /// It is the recorded message, perhaps rewritten: it has its Message-ID, Date and From.
    Same,
    /// It is another message.
    Another,
    /// Nothing: mail of a device may have the same head each time.
    Nothing,
}

impl SaidOfMark {
    fn of(digests: &HeadDigests, known: HeadDigest) -> Self {
        let are_like = digests.are_like(known);
        let has_origin = digests.parted.has_origin();
        if digests.have_origin_of(known) == Some(true) || (are_like && has_origin) {
            Self::Same
        } else if are_like {
            Self::Nothing
        } else {
            Self::Another
        }
    }
}

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
    /// is that of the same message, rewritten.
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
        let shown = self.heads.get(at);
        if let (Some(listed), Some(known)) = (entry.octets, record.octets)
            && listed != known
        {
            let was_retrieved = mark.digest.is_some();
            return match (record.head, shown) {
                _ if was_retrieved && is_due => true,
                (Some(head), Head::Shown(digests)) => match SaidOfMark::of(&digests, head) {
                    SaidOfMark::Same => {
                        let is_new = !was_retrieved;
                        let answer = is_new.then(|| (mark.key(), entry.octets));
                        plan.answered.extend(answer);
                        false
                    }
                    SaidOfMark::Another => true,
                    SaidOfMark::Nothing => is_due,
                },
                (Some(_), Head::NotAsked) if names.heads_work => {
                    plan.wants_heads.push(at);
                    false
                }
                // It is valid until there is time to ask.
                (Some(_), Head::Later) => false,
                _ => is_due,
            };
        }
        let is_before = is_before(record, names.began_again);
        match (record.head, shown) {
            (Some(head), Head::Shown(digests)) => match SaidOfMark::of(&digests, head) {
                SaidOfMark::Same => {
                    let answer = is_before.then(|| (mark.key(), entry.octets));
                    plan.answered.extend(answer);
                    false
                }
                SaidOfMark::Another => true,
                SaidOfMark::Nothing => is_before,
            },
            // It is valid until there is time to ask.
            (Some(_), Head::Later) => false,
            (Some(_), Head::NotAsked) if is_before && names.heads_work => {
                plan.wants_heads.push(at);
                false
            }
            _ => is_before && is_due,
        }
    }
}

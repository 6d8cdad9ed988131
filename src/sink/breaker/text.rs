//! The state of a breaker as text, for its file. Pure.
//!
//! ```text
//! mailferry destination 1
//! open UNTIL FAILURES
//! said WORDS                                            why it is down
//! streak|suspect|blamed ACCOUNT UNIQUE-ID DIGEST        words as in the journal, `-` for no digest
//! culprit ACCOUNT UNIQUE-ID DIGEST TRIES NEXT-TRY       a suspect that got an answer of its own
//! like|no ACCOUNT UNIQUE-ID DIGEST SENDER               an answer, and a number for its sender
//! yes                                                   an acceptance among the last answers
//! recipient ACCOUNT
//! suspicion in_a_row|nearly_all
//! ```
//!
//! The words `open`, `streak`, `suspect` and `blamed` are those of 0.1.0.

use std::fmt::Write as _;

use super::down::{Culprit, Down, Named};
use super::state::{BreakerState, Like};
use super::suspicion::CountedAnswer;
use crate::mail::{AccountName, Digest, Percent, RecordKey, Timestamp, UniqueId};
use crate::sink::Undo;

const HEADER: &str = "mailferry destination 1";

/// Writes the text that [`read`] reads.
pub fn write(state: &BreakerState) -> String {
    let mut text = format!("{HEADER}\n");
    if let Some(open) = &state.open {
        let _ = writeln!(text, "open {} {}", open.until.0, open.failures);
    }
    if let Some(said) = state.why() {
        let _ = writeln!(text, "said {}", Percent(said.as_bytes()));
    }
    for undo in &state.suspicion.streak {
        write_named(&mut text, "streak", &undo.account, &undo.key, "");
    }
    for culprit in &state.culprits.0 {
        let (account, key) = &culprit.named;
        match culprit.next_try {
            None => write_named(&mut text, "suspect", account, key, ""),
            Some(next) => {
                let rest = format!(" {} {}", culprit.tries, next.0);
                write_named(&mut text, "culprit", account, key, &rest);
            }
        }
    }
    for (account, key) in &state.blamed {
        write_named(&mut text, "blamed", account, key, "");
    }
    for Like { undo, sender } in &state.likes {
        write_named(
            &mut text,
            "like",
            &undo.account,
            &undo.key,
            &format!(" {sender}"),
        );
    }
    for answer in &state.suspicion.answers {
        match answer {
            CountedAnswer::Accepted => text.push_str("yes\n"),
            CountedAnswer::Refused { undo, sender } => {
                write_named(
                    &mut text,
                    "no",
                    &undo.account,
                    &undo.key,
                    &format!(" {sender}"),
                );
            }
        }
    }
    for account in &state.suspicion.recipients {
        let _ = writeln!(text, "recipient {account}");
    }
    let kinds = [
        (state.suspicion.in_a_row, "in_a_row"),
        (state.suspicion.nearly_all, "nearly_all"),
    ];
    for (_, kind) in kinds.iter().filter(|(is, _)| *is) {
        let _ = writeln!(text, "suspicion {kind}");
    }
    text
}

fn write_named(text: &mut String, word: &str, account: &AccountName, key: &RecordKey, rest: &str) {
    let id = Percent(key.unique_id.as_bytes());
    let digest = key
        .digest
        .map_or("-".to_owned(), |digest| digest.to_string());
    let _ = writeln!(text, "{word} {account} {id} {digest}{rest}");
}

/// Reads the text of [`write()`]; `None` for anything else.
pub fn read(text: &str) -> Option<BreakerState> {
    let mut lines = text.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let mut state = BreakerState::default();
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        read_line(&mut state, word, rest)?;
    }
    Some(state)
}

fn read_line(state: &mut BreakerState, word: &str, rest: &str) -> Option<()> {
    let suspicion = &mut state.suspicion;
    match word {
        "open" => {
            let (until, failures) = rest.split_once(' ')?;
            state.open = Some(Down {
                until: Timestamp(until.parse().ok()?),
                failures: failures.parse().ok()?,
                ..Down::default()
            });
        }
        "said" => state.said = Some(String::from_utf8(Percent::decode(rest)?).ok()?),
        "streak" => suspicion.streak.push(undo(read_named(rest)?)),
        "suspect" => state.culprits.0.push_back(Culprit {
            named: read_named(rest)?,
            tries: 0,
            next_try: None,
        }),
        "culprit" => {
            let (rest, next) = rest.rsplit_once(' ')?;
            let (named, tries) = rest.rsplit_once(' ')?;
            state.culprits.0.push_back(Culprit {
                named: read_named(named)?,
                tries: tries.parse().ok()?,
                next_try: Some(Timestamp(next.parse().ok()?)),
            });
        }
        "blamed" => state.blame(read_named(rest)?),
        "like" => {
            let (undo, sender) = read_sent(rest)?;
            state.likes.push(Like { undo, sender });
        }
        "yes" => suspicion.answers.push_back(CountedAnswer::Accepted),
        "no" => {
            let (undo, sender) = read_sent(rest)?;
            let undo = Box::new(undo);
            suspicion
                .answers
                .push_back(CountedAnswer::Refused { undo, sender });
        }
        "recipient" => suspicion.recipients.push(AccountName::new(rest).ok()?),
        "suspicion" => match rest {
            "in_a_row" => suspicion.in_a_row = true,
            "nearly_all" => suspicion.nearly_all = true,
            _ => return None,
        },
        _ => return None,
    }
    Some(())
}

fn read_sent(words: &str) -> Option<(Undo, u64)> {
    let (named, sender) = words.rsplit_once(' ')?;
    Some((undo(read_named(named)?), sender.parse().ok()?))
}

/// Earlier tries are not stored: a refusal that is taken back counts as the first one then.
fn undo((account, key): Named) -> Undo {
    Undo {
        account,
        key,
        tries: 0,
    }
}

fn read_named(words: &str) -> Option<Named> {
    let mut words = words.split(' ');
    let account = AccountName::new(words.next()?).ok()?;
    let unique_id = UniqueId::new(&Percent::decode(words.next()?)?).ok()?;
    let digest = match words.next()? {
        "-" => None,
        hex => Some(Digest::from_hex(hex)?),
    };
    words
        .next()
        .is_none()
        .then(|| (account, RecordKey::new(unique_id, digest)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn named(id: &[u8], digest: Option<u8>) -> Named {
        let digest = digest.map(|octet| Digest::new([octet; 32]));
        let key = RecordKey::new(UniqueId::new(id).unwrap(), digest);
        (AccountName::new("work").unwrap(), key)
    }

    #[test]
    fn written_values_are_read_and_others_ignored() {
        let sent = |id: &[u8]| undo(named(id, Some(3)));
        let culprit = |id: &[u8], tries, next_try| Culprit {
            named: named(id, None),
            tries,
            next_try,
        };
        let mut state = BreakerState {
            blamed: [named(b"c", Some(2))].into(),
            likes: vec![Like {
                undo: sent(b"like"),
                sender: 7,
            }],
            open: Some(Down {
                until: Timestamp(99),
                failures: 3,
                ..Down::default()
            }),
            ..BreakerState::default()
        };
        state.culprits.0 = [culprit(b"a", 0, None), culprit(b"b", 2, Some(Timestamp(7)))].into();
        state.suspicion.streak = vec![undo(named(b"with blank\xFF", Some(7)))];
        let refused = CountedAnswer::Refused {
            undo: Box::new(sent(b"no")),
            sender: u64::MAX,
        };
        state.suspicion.answers = [CountedAnswer::Accepted, refused].into();
        state.suspicion.recipients = vec![AccountName::new("home").unwrap()];
        (state.suspicion.in_a_row, state.suspicion.nearly_all) = (true, true);
        assert_eq!(read(&write(&state)).unwrap(), state);
        for broken in [
            "",
            "mailferry destination 2\n",
            "mailferry destination 1\nopen x\n",
        ] {
            assert!(read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_file_of_0_1_0_is_still_read() {
        let text = "mailferry destination 1\nopen 99 3\nstreak work a -\nsuspect work b -\n\
                    blamed work c -\n";
        let state = read(text).unwrap();
        let open = state.open.unwrap();
        assert_eq!((open.until, open.failures), (Timestamp(99), 3));
        assert_eq!(state.suspicion.streak.len(), 1);
        assert_eq!(state.culprits.0[0].named, named(b"b", None));
        assert_eq!(state.blamed, [named(b"c", None)]);
    }
}

//! What an LMTP server says after the dot (RFC 2033 section 4.2) where it commits a crime that only
//! exists with an answer for each recipient.

use std::time::Duration;

use super::Act;

pub const YES: &str = "250 2.0.0 taken";
pub const ANSWER_FIRST: &str = "lmtp-answer-before-the-message";
pub const ASK: &str = "lmtp-ask-for-a-message-to-none";
pub const CLOSE_IN_THE_MESSAGE: &str = "lmtp-close-in-the-message";
pub const TAKE_FOR_THE_REFUSED: &str = "lmtp-take-for-the-refused";

/// The answers to the dot. `asked` recipients were named, and `taken` of them were accepted.
pub fn after_the_dot(crime: &str, asked: usize, taken: usize) -> Option<Vec<Act>> {
    let yes = |count: usize| vec![Act::line(YES); count];
    let full = || vec![Act::line("452 4.2.2 mailbox full")];
    let but_one = taken.saturating_sub(1);
    Some(match crime {
        "lmtp-answer-once" => yes(taken.min(1)),
        "lmtp-answer-too-often" => yes(taken + 1),
        "lmtp-refuse-the-last" => [yes(but_one), full()].concat(),
        "lmtp-vanish-between-answers" => [yes(taken.min(1)), vec![Act::Close]].concat(),
        ANSWER_FIRST => Vec::new(),
        "lmtp-answer-backwards" => [full(), yes(but_one)].concat(),
        "lmtp-answer-after-two-minutes" => {
            [vec![Act::Wait(Duration::from_secs(120))], yes(taken)].concat()
        }
        "lmtp-endless-answers" => {
            let piece = |_| format!("{YES}\r\n").into_bytes();
            let count = u64::MAX;
            vec![Act::Flow { count, piece }]
        }
        "lmtp-answer-in-latin-1" => {
            vec![Act::Say(b"250 2.0.0 re\xE7u, \xE9videmment\r\n".to_vec()); taken]
        }
        TAKE_FOR_THE_REFUSED => yes(asked),
        "lmtp-close-with-421-between-answers" => {
            let closing = vec![Act::line("421 4.3.2 evil is closing"), Act::Close];
            [yes(taken.min(2)), closing].concat()
        }
        _ => return None,
    })
}

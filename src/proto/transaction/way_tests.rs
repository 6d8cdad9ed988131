//! Every way that a transaction can go, for up to three recipients, against the RFCs' rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::machine_tests::{REPLIES, found, reply, transaction};
use super::*;

/// One way through a transaction: what was sent, and the replies that were heard.
#[derive(Clone, Debug, Default)]
struct Way {
    sent: String,
    codes: Vec<u16>,
}

/// Follows every way from here to its end.
fn walk(machine: &Transaction, way: &Way, judge: &mut impl FnMut(&Transaction, &Way)) {
    let (mut machine, mut way) = (machine.clone(), way.clone());
    match machine.act() {
        TransactionAct::End(_) => return judge(&machine, &way),
        TransactionAct::Begin(lines) => way.sent += &lines,
        TransactionAct::Command(line) => way.sent += line,
        TransactionAct::Rcpt(line) => way.sent += &line,
        TransactionAct::Dot => way.sent += ".\r\n",
        TransactionAct::Hear => {}
        TransactionAct::Message => {
            way.sent += "(message)\r\n";
            machine.message_written();
            return walk(&machine, &way, judge);
        }
    }
    for (code, _) in REPLIES {
        let (mut next, mut further) = (machine.clone(), way.clone());
        next.heard(reply(code));
        further.codes.push(code);
        walk(&next, &further, judge);
    }
}

/// What the RFCs say about a whole conversation, without states: the code that decided for each
/// recipient and its step, and what the session is good for.
struct Rfc<'c> {
    dialect: Dialect,
    pipelining: bool,
    codes: std::slice::Iter<'c, u16>,
    /// For each recipient, as far as it is known.
    decided: Vec<Option<(Step, u16)>>,
}

type Said = (Vec<(Step, u16)>, TransactionEnd);

impl Rfc<'_> {
    fn next(&mut self) -> (u16, ReplyKind) {
        let code = *self.codes.next().unwrap();
        (code, reply(code).kind())
    }

    fn all(&self, step: Step, code: u16) -> Vec<(Step, u16)> {
        vec![(step, code); self.decided.len()]
    }

    fn rest(&self, step: Step, code: u16) -> Vec<(Step, u16)> {
        let decided = self.decided.iter();
        decided.map(|one| one.unwrap_or((step, code))).collect()
    }

    /// The end after a refusal, and whether the reply to RSET was one to the dot.
    fn rset(&mut self) -> (TransactionEnd, bool) {
        if self.dialect == Dialect::Smtp {
            return (TransactionEnd::Refused, false);
        }
        match self.next().1 {
            ReplyKind::Yes => (TransactionEnd::Ready, false),
            ReplyKind::Lost | ReplyKind::Closing => (TransactionEnd::Over, false),
            _ => (TransactionEnd::Over, true),
        }
    }

    fn says(mut self) -> Said {
        use TransactionEnd::{Closing, Over};
        let (mail, kind) = self.next();
        match kind {
            ReplyKind::Yes => {}
            ReplyKind::Closing | ReplyKind::Lost => return (self.all(Step::Mail, mail), Closing),
            ReplyKind::No if !self.pipelining => {
                return (self.all(Step::Mail, mail), self.rset().0);
            }
            _ => return (self.all(Step::Mail, mail), Over),
        }
        for at in 0..self.decided.len() {
            let (code, kind) = self.next();
            match kind {
                ReplyKind::Yes => {}
                ReplyKind::Closing => return (self.all(Step::Rcpt, code), Closing),
                ReplyKind::Lost => return (self.all(Step::Rcpt, code), Over),
                _ => self.decided[at] = Some((Step::Rcpt, code)),
            }
        }
        let all_decided = self.decided.iter().all(Option::is_some);
        if all_decided && !self.pipelining {
            return (self.rest(Step::Rcpt, 0), self.rset().0);
        }
        let (data, kind) = self.next();
        match kind {
            ReplyKind::GoAhead if all_decided => (self.rest(Step::Data, data), Over),
            ReplyKind::GoAhead => self.says_at_dot(),
            ReplyKind::No => (self.rest(Step::Data, data), self.rset().0),
            ReplyKind::Lost => (self.rest(Step::Data, data), Over),
            _ => (self.rest(Step::Data, data), Closing),
        }
    }

    fn says_at_dot(mut self) -> Said {
        use TransactionEnd::{Closing, Over, Ready, Refused};
        let is_mixed = self.decided.iter().any(Option::is_some);
        for at in 0..self.decided.len() {
            if self.decided[at].is_some() {
                continue;
            }
            let (code, kind) = self.next();
            match kind {
                ReplyKind::Closing => return (self.rest(Step::Dot, code), Closing),
                ReplyKind::Yes | ReplyKind::No if self.dialect == Dialect::Smtp => {
                    let is_clean = !is_mixed && kind == ReplyKind::Yes;
                    let end = if is_clean { Ready } else { Refused };
                    return (self.rest(Step::Dot, code), end);
                }
                ReplyKind::Yes | ReplyKind::No => self.decided[at] = Some((Step::Dot, code)),
                _ => return (self.rest(Step::Dot, code), Over),
            }
        }
        let (end, in_doubt) = if is_mixed {
            self.rset()
        } else {
            (Ready, false)
        };
        let mut known = self.rest(Step::Dot, 0);
        for (step, code) in &mut known {
            if in_doubt && *step == Step::Dot {
                *code = 0;
            }
        }
        (known, end)
    }
}

#[test]
fn every_way_gives_each_recipient_the_answer_that_the_rfcs_give() {
    let mut ways = 0;
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for pipelining in [false, true] {
            for count in 1..=3 {
                let begun = transaction(dialect, pipelining, count);
                walk(&begun, &Way::default(), &mut |machine, way| {
                    let what = format!("{dialect:?} {pipelining} {count} {:?}", way.codes);
                    let rfc = Rfc {
                        dialect,
                        pipelining,
                        codes: way.codes.iter(),
                        decided: vec![None; count],
                    };
                    let (answers, end) = rfc.says();
                    assert_eq!(found(machine), answers, "{what}");
                    assert_eq!(machine.act(), TransactionAct::End(end), "{what}");
                    assert_sent(way, count, &what);
                    ways += 1;
                });
            }
        }
    }
    assert!(ways > 4_000, "{ways}");
}

/// The message follows a 354 after a recipient was taken, and its dot is sent once.
fn assert_sent(way: &Way, count: usize, what: &str) {
    let (taken, data) = (way.codes.get(1..=count), way.codes.get(1 + count));
    let is_taken = taken.is_some_and(|codes| codes.contains(&250));
    let messages = way.sent.matches("(message)\r\n").count();
    let asked = data == Some(&354) && is_taken;
    assert_eq!(messages, usize::from(asked), "{what}");
    assert_eq!(
        way.sent.matches("(message)\r\n.\r\n").count(),
        messages,
        "{what}"
    );
    assert_eq!(way.sent.matches("\r\n.\r\n").count(), messages, "{what}");
    let said = way.sent.replace("(message)\r\n.\r\n", "");
    let lines: Vec<&str> = said.split_terminator("\r\n").collect();
    let rank = |line: &&str| match line.get(..4) {
        Some("MAIL") => 0,
        Some("RCPT") => 1,
        Some("DATA") => 2,
        _ => 3,
    };
    assert!(lines.is_sorted_by_key(rank), "{what}: {lines:?}");
}

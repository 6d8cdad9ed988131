//! The machine: what to send next, and what each recipient was answered.

use crate::proto::transaction::command::EnvelopeLines;
use crate::proto::transaction::{
    After, Dialect, Extensions, Outgoing, ReplyKind, Scope, ServerReply, Step, TransactionEnd,
    TransactionState, Unsendable,
};

/// A transaction for one message and one or more recipients.
#[derive(Clone, Debug)]
pub struct Transaction {
    dialect: Dialect,
    pipelining: bool,
    lines: EnvelopeLines,
    /// For each recipient; `None` while nothing is known, and while the server has taken it.
    answers: Vec<Option<RecipientAnswer>>,
    state: TransactionState,
    /// The recipient whose turn it is, in [`TransactionState::Rcpt`] and [`TransactionState::Dot`].
    turn: usize,
    /// Whether a reply to something earlier may still arrive in this session.
    is_used: bool,
    /// Whether RSET is sent with the dot, so that its reply is due after those to the dot.
    rset_is_due: bool,
    is_out_of_step: bool,
}

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionAct {
    /// Send this, which begins the transaction, and hear a reply.
    Begin(String),
    /// Send this command and hear a reply. Nothing may have arrived before that.
    Command(&'static str),
    /// The same for RCPT.
    Rcpt(String),
    /// Hear the next reply to what was sent.
    Hear,
    /// Write the message, dot-stuffed, without its final dot. Then call
    /// [`Transaction::message_written`].
    Message,
    /// Send [`Transaction::dot`] and hear a reply. Nothing may have arrived before that.
    Dot,
    /// Nothing: the transaction is over.
    End(TransactionEnd),
}

/// The answer for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// The server took the message for this recipient.
    Accepted(ServerReply),
    /// It did not, or that is unknown: this reply at this step decided.
    Refused(Step, ServerReply),
    /// The server was not asked about this recipient.
    Unsendable(Unsendable),
    /// We ended the transaction before the server could take the message.
    Withheld,
}

impl Transaction {
    /// A transaction with a server that announced these extensions. If it can be begun for no
    /// recipient, it is over at once.
    pub fn new(dialect: Dialect, extensions: &Extensions, outgoing: &Outgoing<'_>) -> Self {
        let lines = EnvelopeLines::of(outgoing, extensions);
        let unsendable = lines.rcpts.iter().map(|line| line.as_ref().err());
        let answers = unsendable
            .map(|why| why.map(|why| RecipientAnswer::Unsendable(*why)))
            .collect();
        let mut transaction = Self {
            dialect,
            pipelining: extensions.pipelining,
            lines,
            answers,
            state: TransactionState::Mail,
            turn: 0,
            is_used: false,
            rset_is_due: false,
            is_out_of_step: false,
        };
        if !transaction.has_open() {
            transaction.state = TransactionState::Ended(TransactionEnd::Ready);
        }
        transaction
    }

    /// The same in a session that was used for another message, or with a server that has sent a
    /// reply too many before: a late reply to an earlier command may look like one to this message.
    /// So a refusal of MAIL or DATA ends as [`TransactionEnd::Closing`], and no acceptance is
    /// believed if the reply to an RSET after it shows that it was not the last one due.
    #[must_use]
    pub const fn in_used_session(mut self) -> Self {
        self.is_used = true;
        self
    }

    /// The final dot and what is sent with it. A pipelined RSET costs no round trip (RFC 2920
    /// section 3.1).
    pub const fn dot(&self) -> &'static str {
        if self.rset_is_due {
            ".\r\nRSET\r\n"
        } else {
            ".\r\n"
        }
    }

    /// Whether the server sent a reply too many.
    pub const fn is_out_of_step(&self) -> bool {
        self.is_out_of_step
    }

    /// What is done next.
    pub fn act(&self) -> TransactionAct {
        match self.state {
            TransactionState::Mail if self.pipelining => {
                let rcpts = self.lines.rcpts.iter().flatten();
                let lines = rcpts.fold(self.lines.mail.clone(), |lines, rcpt| lines + rcpt);
                TransactionAct::Begin(lines + DATA)
            }
            TransactionState::Mail => TransactionAct::Begin(self.lines.mail.clone()),
            TransactionState::Rcpt | TransactionState::Data if self.pipelining => {
                TransactionAct::Hear
            }
            TransactionState::Rcpt => match self.lines.rcpts.get(self.turn) {
                Some(Ok(line)) => TransactionAct::Rcpt(line.clone()),
                _ => TransactionAct::End(TransactionEnd::Over),
            },
            TransactionState::Data => TransactionAct::Command(DATA),
            TransactionState::Message => TransactionAct::Message,
            TransactionState::Dot if self.is_first_at_dot() => TransactionAct::Dot,
            TransactionState::Dot => TransactionAct::Hear,
            TransactionState::Rset if self.rset_is_due => TransactionAct::Hear,
            TransactionState::Rset => TransactionAct::Command(RSET),
            TransactionState::Ended(end) => TransactionAct::End(end),
        }
    }

    /// Takes the next reply, or learns that none will come. While the message is written, that is a
    /// reply before its time.
    pub fn heard(&mut self, reply: ServerReply) {
        let kind = match reply.kind() {
            // The server does not know RSET, and will not be ready for the next MAIL.
            ReplyKind::No if self.state == TransactionState::Rset && reply.is_unknown_command() => {
                ReplyKind::Lost
            }
            kind => kind,
        };
        let is_early = matches!(
            self.state,
            TransactionState::Data | TransactionState::Message
        );
        self.is_out_of_step |= is_early && kind == ReplyKind::Yes;
        let is_sendable = self.has_open();
        let (scope, after) = self.state.after(kind);
        self.answer(scope, &reply);
        self.state = match (self.state, kind) {
            // No octet of a message follows if no recipient gets it; an empty message would be
            // worse than hanging up (RFC 2920 section 3.1).
            (TransactionState::Data, ReplyKind::GoAhead) if !self.has_open() => {
                TransactionState::Ended(TransactionEnd::Over)
            }
            (TransactionState::Mail, ReplyKind::No)
                if reply.refuses_sender_syntax() && !self.lines.has_null_sender =>
            {
                TransactionState::Ended(TransactionEnd::SenderRefused)
            }
            (TransactionState::Mail, ReplyKind::No) if self.is_used => {
                TransactionState::Ended(TransactionEnd::Closing)
            }
            (TransactionState::Data, ReplyKind::No) if self.is_used && is_sendable => {
                TransactionState::Ended(TransactionEnd::Closing)
            }
            // The replies to the pipelined RCPT and DATA are still due.
            (TransactionState::Mail, ReplyKind::No) if self.pipelining => {
                TransactionState::Ended(TransactionEnd::Over)
            }
            _ => self.state_after(after),
        };
    }

    /// The message was written up to its final dot, and no reply has arrived.
    pub fn message_written(&mut self) {
        if self.state == TransactionState::Message {
            self.state = TransactionState::Dot;
            self.turn = 0;
            self.rset_is_due = self.is_used && self.pipelining;
            self.skip_to_open();
        }
    }

    /// A reply arrived although all that were due have been heard. If by LMTP any reply to the dot,
    /// or this one, was no acceptance, it is not known which belongs to which recipient.
    pub fn overheard(&mut self, reply: &ServerReply) {
        let mut answers = self.answers.iter().flatten();
        let is_accepted =
            |one: &RecipientAnswer| !matches!(one, RecipientAnswer::Refused(Step::Dot, _));
        // A server that closes the session adds no reply to the dot.
        let is_end = matches!(reply.kind(), ReplyKind::Lost | ReplyKind::Closing);
        let is_harmless = is_end || reply.is_yes() && answers.all(is_accepted);
        if !is_harmless && (self.dialect == Dialect::Lmtp || self.is_used) {
            self.doubt();
        }
        self.is_out_of_step |= !is_end;
        self.state = TransactionState::Ended(TransactionEnd::Over);
    }

    /// The server sent a reply to no command: nothing that it said is believed. It may belong to an
    /// earlier message of the session, so it is no answer to this one.
    pub fn disbelieve(&mut self) {
        for answer in &mut self.answers {
            if !matches!(answer, Some(RecipientAnswer::Unsendable(_))) {
                *answer = Some(RecipientAnswer::Withheld);
            }
        }
        self.is_out_of_step = true;
        self.state = TransactionState::Ended(TransactionEnd::Closing);
    }

    /// The message cannot be sent to its end, so no dot follows.
    pub fn withhold(&mut self) {
        for answer in &mut self.answers {
            answer.get_or_insert(RecipientAnswer::Withheld);
        }
        self.state = TransactionState::Ended(TransactionEnd::Over);
    }

    /// Whether all replies that are due were heard: one more would be one too many.
    pub fn is_settled(&self) -> bool {
        let is_dots = |answer: &RecipientAnswer| {
            matches!(
                answer,
                RecipientAnswer::Accepted(_) | RecipientAnswer::Refused(Step::Dot, _)
            )
        };
        let is_over = match self.state {
            TransactionState::Rset => !self.rset_is_due,
            TransactionState::Ended(end) => {
                matches!(end, TransactionEnd::Ready | TransactionEnd::Refused)
            }
            _ => false,
        };
        is_over && self.answers.iter().flatten().any(is_dots)
    }

    /// Whether a refusal at the dot in a used session may be a late reply to an earlier message, so
    /// that the reply to RSET was the one to the dot and one more will follow.
    pub fn may_be_followed(&self) -> bool {
        let mut answers = self.answers.iter().flatten();
        self.is_used
            && matches!(self.state, TransactionState::Ended(_))
            && self.is_settled()
            && answers.any(|one| matches!(one, RecipientAnswer::Refused(Step::Dot, _)))
    }

    /// Whether the sender was said as `<>`.
    pub const fn has_null_sender(&self) -> bool {
        self.lines.has_null_sender
    }

    /// The answer for each recipient, in their order; empty before the end.
    pub fn into_answers(self) -> Vec<RecipientAnswer> {
        match self.state {
            TransactionState::Ended(_) => self.answers.into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }

    fn state_after(&mut self, after: After) -> TransactionState {
        use TransactionState::{Data, Dot, Ended, Mail, Message, Rcpt, Rset};
        match (after, self.state) {
            (After::End(end), _) => Ended(end),
            (After::Refused, _) => self.closed_with_rset(),
            (After::Onward, Mail) => {
                self.turn = 0;
                self.skip_to_sendable();
                Rcpt
            }
            (After::Onward, Rcpt) => {
                self.turn += 1;
                self.skip_to_sendable();
                if self.turn < self.answers.len() {
                    Rcpt
                } else if self.pipelining || self.has_open() {
                    // After a pipelined DATA a reply is due, whoever was refused.
                    Data
                } else {
                    self.closed_with_rset()
                }
            }
            (After::Onward, Data) => Message,
            (After::Onward, Dot) => {
                self.skip_to_open();
                if self.turn < self.answers.len() {
                    Dot
                } else {
                    self.settled()
                }
            }
            (After::Onward, Message | Rset | Ended(_)) => Ended(TransactionEnd::Over),
        }
    }

    /// The state after a refusal. By LMTP the session is kept: Dovecot, for one, refuses the next
    /// MAIL until RSET.
    const fn closed_with_rset(&self) -> TransactionState {
        match self.dialect {
            Dialect::Lmtp => TransactionState::Rset,
            Dialect::Smtp => TransactionState::Ended(TransactionEnd::Refused),
        }
    }

    /// The state after the last reply to the dot.
    fn settled(&self) -> TransactionState {
        let mut answers = self.answers.iter().flatten();
        let is_refused = |one: &RecipientAnswer| matches!(one, RecipientAnswer::Refused(..));
        let was_refused = |one: &RecipientAnswer| match one {
            RecipientAnswer::Refused(step, _) => *step != Step::Dot,
            _ => false,
        };
        let is_clean = match self.dialect {
            Dialect::Smtp => !answers.any(is_refused),
            // A server that answers at the dot for a recipient that it refused before is found out.
            Dialect::Lmtp => !answers.any(was_refused),
        };
        if self.is_used {
            TransactionState::Rset
        } else if is_clean {
            TransactionState::Ended(TransactionEnd::Ready)
        } else {
            self.closed_with_rset()
        }
    }

    /// Gives a reply to the recipients whom it answers.
    fn answer(&mut self, scope: Scope, reply: &ServerReply) {
        let step = match self.state {
            TransactionState::Mail => Step::Mail,
            TransactionState::Rcpt => Step::Rcpt,
            TransactionState::Data | TransactionState::Message => Step::Data,
            TransactionState::Dot | TransactionState::Rset | TransactionState::Ended(_) => {
                Step::Dot
            }
        };
        let answer = match step {
            Step::Dot if reply.is_yes() => RecipientAnswer::Accepted(reply.clone()),
            _ => RecipientAnswer::Refused(step, reply.clone()),
        };
        let scope = match (scope, step, self.dialect) {
            (Scope::Due, Step::Dot, Dialect::Smtp) => Scope::Open,
            (scope, ..) => scope,
        };
        match scope {
            Scope::NoRecipient => {}
            Scope::Due => {
                if let Some(due) = self.answers.get_mut(self.turn) {
                    *due = Some(answer);
                }
            }
            Scope::Open => {
                for open in &mut self.answers {
                    open.get_or_insert_with(|| answer.clone());
                }
            }
            Scope::All => {
                let is_asked = |one: &&mut Option<RecipientAnswer>| {
                    !matches!(one, Some(RecipientAnswer::Unsendable(_)))
                };
                for one in self.answers.iter_mut().filter(is_asked) {
                    *one = Some(answer.clone());
                }
            }
            Scope::Doubtful => self.doubt(),
        }
    }

    /// Makes every answer that was given at the dot unknown.
    fn doubt(&mut self) {
        self.is_out_of_step = true;
        let unknown = ServerReply::Lost(DOUBT.to_owned());
        for answer in self.answers.iter_mut().flatten() {
            if matches!(
                answer,
                RecipientAnswer::Accepted(_) | RecipientAnswer::Refused(Step::Dot, _)
            ) {
                *answer = RecipientAnswer::Refused(Step::Dot, unknown.clone());
            }
        }
    }

    /// Whether the server has taken any recipient, or may still take one.
    fn has_open(&self) -> bool {
        self.answers.iter().any(Option::is_none)
    }

    fn is_first_at_dot(&self) -> bool {
        let mut earlier = self.answers.iter().take(self.turn).flatten();
        !earlier.any(|one| match one {
            RecipientAnswer::Accepted(_) => true,
            RecipientAnswer::Refused(step, _) => *step == Step::Dot,
            RecipientAnswer::Unsendable(_) | RecipientAnswer::Withheld => false,
        })
    }

    fn skip_to_sendable(&mut self) {
        while let Some(Err(_)) = self.lines.rcpts.get(self.turn) {
            self.turn += 1;
        }
    }

    fn skip_to_open(&mut self) {
        while let Some(Some(_)) = self.answers.get(self.turn) {
            self.turn += 1;
        }
    }
}

const DATA: &str = "DATA\r\n";
const RSET: &str = "RSET\r\n";
const DOUBT: &str = "the server sent a reply too many, so it is not known whether it accepted the \
                     message";

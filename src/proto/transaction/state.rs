//! The states of a transaction: what each reply means in each of them, and what follows.

use crate::proto::transaction::ReplyKind;

/// What a transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// The reply to MAIL.
    Mail,
    /// The reply to the RCPT of the next recipient.
    Rcpt,
    /// The reply to DATA.
    Data,
    /// The message is written up to its final dot. No reply is due.
    Message,
    /// A reply to the dot: by SMTP the only one, by LMTP the one for the next recipient that was
    /// taken.
    Dot,
    /// The reply to the RSET with which LMTP ends after a refusal, and each message in a session
    /// that was used before. It proves that every reply before it was read, and makes the session
    /// ready for the next MAIL.
    Rset,
    /// Nothing; the transaction is over.
    Ended(TransactionEnd),
}

/// How a transaction ended: what the session is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionEnd {
    /// The next MAIL may follow.
    Ready,
    /// RSET may follow.
    Refused,
    /// Nothing may be sent any more: a reply is missing, or the server waits for a message.
    Over,
    /// The server closes the session, had closed it before MAIL was sent, sent a reply to no
    /// command, or refused MAIL or DATA in a session that was used before. If it took messages in
    /// this session before, that is no answer to this one.
    Closing,
    /// The server refused the form of the sender's address. Nothing may be sent any more; the null
    /// sender can be tried in a new session.
    SenderRefused,
}

/// The recipients whom a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None: it lets the transaction go on, or the recipients have their answers.
    NoRecipient,
    /// The recipient whose turn it is; by SMTP at the dot, all that were taken.
    Due,
    /// Those without an answer.
    Open,
    /// All, whatever was answered before: it will be asked again.
    All,
    /// Those that were answered at the dot: which reply was whose is not known.
    Doubtful,
}

/// What follows a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next recipient, or the next state.
    Onward,
    /// No message follows, and the session waits for a command.
    Refused,
    /// The end.
    End(TransactionEnd),
}

impl TransactionState {
    /// The table: whom a reply answers in this state, and what follows.
    pub const fn after(self, reply: ReplyKind) -> (Scope, After) {
        use After::{End, Onward, Refused};
        use ReplyKind::{Closing, GoAhead, Lost, No, Odd, Yes};
        use Scope::{All, Doubtful, Due, NoRecipient, Open};
        use TransactionState::{Data, Dot, Ended, Mail, Message, Rcpt, Rset};
        match (self, reply) {
            (Mail, Yes) => (NoRecipient, Onward),
            (Mail, No) => (All, Refused),
            (Mail, GoAhead | Odd) => (All, End(TransactionEnd::Over)),
            (Mail, Closing | Lost) => (All, End(TransactionEnd::Closing)),

            (Rcpt, Yes) => (NoRecipient, Onward),
            (Rcpt, No | GoAhead | Odd) => (Due, Onward),
            (Rcpt, Closing) => (All, End(TransactionEnd::Closing)),
            (Rcpt, Lost) => (All, End(TransactionEnd::Over)),

            (Data, GoAhead) => (NoRecipient, Onward),
            (Data, No) => (Open, Refused),
            // One that agrees to something else may belong to an earlier message of the session.
            (Data, Closing | Yes | Odd) => (Open, End(TransactionEnd::Closing)),
            (Data, Lost) => (Open, End(TransactionEnd::Over)),

            // A reply before the dot is no reply to the dot.
            (Message, Closing | Yes | GoAhead | Odd) => (Open, End(TransactionEnd::Closing)),
            (Message, No | Lost) => (Open, End(TransactionEnd::Over)),

            (Dot, Yes | No) => (Due, Onward),
            (Dot, Closing) => (Open, End(TransactionEnd::Closing)),
            (Dot, GoAhead | Odd | Lost) => (Open, End(TransactionEnd::Over)),

            (Rset, Yes) => (NoRecipient, End(TransactionEnd::Ready)),
            // Only the session ends: what was answered at the dot stands.
            (Rset, Lost | Closing) => (NoRecipient, End(TransactionEnd::Over)),
            (Rset, GoAhead | No | Odd) => (Doubtful, End(TransactionEnd::Over)),

            (Ended(_), _) => (NoRecipient, End(TransactionEnd::Over)),
        }
    }
}

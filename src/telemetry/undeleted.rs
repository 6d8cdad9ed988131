//! Delivered messages whose deletes do not take effect.

/// How many delivered messages are listed after a poll although their delete was asked for, and
/// why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeleted {
    /// How many.
    pub messages: u64,
    /// Why they are still there.
    pub why: WhyUndeleted,
}

impl Undeleted {
    /// How many, and why in words.
    pub(super) const fn shown(self) -> (u64, &'static str) {
        (self.messages, self.why.words())
    }
}

/// Why delivered messages are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUndeleted {
    /// The server confirms deletes again and again, and ignores them.
    Ignored,
    /// No QUIT after their deletes was answered with `+OK`.
    Unconfirmed,
    /// They were listed again once after a confirmed delete, or their delete waits for a
    /// comparison.
    ListedAgain,
}

impl WhyUndeleted {
    /// The reason in words, for a log line and for `poll`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ignored => "the server ignores deletes",
            Self::Unconfirmed => "the server did not confirm QUIT after their deletes",
            Self::ListedAgain => "the server lists them again after their deletes",
        }
    }
}

//! Who must act.

/// Who must act before the next poll of an account can do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoActs {
    /// Time, or the server's operator: the agent backs off and tries again.
    Server,
    /// The operator of the account: the agent holds the account.
    Account,
    /// The destination: its breaker waits.
    Destination,
    /// This machine lacks room, memory or file descriptors for now. The agent goes on when there
    /// are some again.
    Machine,
    /// The operator of the store: records can be neither read nor written.
    Store,
    /// The developers: a fault of mailferry.
    Us,
}

impl WhoActs {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Account => "account",
            Self::Destination => "destination",
            Self::Machine => "machine",
            Self::Store => "store",
            Self::Us => "mailferry",
        }
    }
}

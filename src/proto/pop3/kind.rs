//! The verbs of POP3, and their properties.

/// A command's verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are those of [`Command`](crate::proto::pop3::Command).
pub enum Kind {
    Capa,
    Stls,
    User,
    Pass,
    Apop,
    Auth,
    AuthResponse,
    AuthAbort,
    Stat,
    Uidl,
    UidlOne,
    List,
    ListOne,
    Retr,
    Top,
    Dele,
    Noop,
    Rset,
    Quit,
}

impl Kind {
    /// Every verb.
    pub const ALL: &'static [Self] = &[
        Self::Capa,
        Self::Stls,
        Self::User,
        Self::Pass,
        Self::Apop,
        Self::Auth,
        Self::AuthResponse,
        Self::AuthAbort,
        Self::Stat,
        Self::Uidl,
        Self::UidlOne,
        Self::List,
        Self::ListOne,
        Self::Retr,
        Self::Top,
        Self::Dele,
        Self::Noop,
        Self::Rset,
        Self::Quit,
    ];

    /// The verb in a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::User => "USER",
            Self::Pass => "PASS",
            Self::Apop => "APOP",
            Self::Auth | Self::AuthResponse | Self::AuthAbort => "AUTH",
            Self::Stat => "STAT",
            Self::Uidl | Self::UidlOne => "UIDL",
            Self::List | Self::ListOne => "LIST",
            Self::Retr => "RETR",
            Self::Top => "TOP",
            Self::Dele => "DELE",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        }
    }

    /// Whether another command may be sent before this one is answered, if the server announces
    /// PIPELINING. Never across STLS or a login (RFC 2449 section 6.6), nor after CAPA, whose reply
    /// may change what is allowed.
    pub const fn may_be_pipelined(self) -> bool {
        matches!(
            self,
            Self::Stat
                | Self::Uidl
                | Self::UidlOne
                | Self::List
                | Self::ListOne
                | Self::Retr
                | Self::Top
                | Self::Dele
                | Self::Noop
                | Self::Rset
        )
    }

    /// Whether the text of `+OK` is the answer.
    pub(super) const fn answers_in_its_text(self) -> bool {
        matches!(self, Self::Stat | Self::UidlOne | Self::ListOne)
    }

    /// Whether `+OK` is followed by lines up to a dot.
    pub(super) const fn is_multi_line(self) -> bool {
        matches!(
            self,
            Self::Capa | Self::Uidl | Self::List | Self::Retr | Self::Top
        )
    }
}

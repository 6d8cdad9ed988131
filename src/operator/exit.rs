//! How an answer ends, with the codes of sysexits.h.

use serde::{Deserialize, Serialize};

/// Exit codes as in sysexits.h, ordered from good to bad: of several, the worst is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// 0: done.
    Done,
    /// 75: something failed for now; the next try may succeed.
    TempFail,
    /// 69: an account, a destination or a message needs the operator.
    Unavailable,
    /// 78: the configuration or the store is wrong.
    Config,
    /// 64: the request itself is wrong, such as a name that does not exist.
    Usage,
}

impl Exit {
    /// The code as the shell sees it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::TempFail => 75,
            Self::Config => 78,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_78_69_75_and_0_wins() {
        use Exit::{Config, Done, TempFail, Unavailable};
        let all = [Done, TempFail, Unavailable, Config];
        for (i, better) in all.iter().enumerate() {
            for worse in &all[i..] {
                assert_eq!(better.worst(*worse), *worse);
                assert_eq!(worse.worst(*better), *worse);
            }
        }
        assert_eq!(all.map(Exit::code), [0, 75, 69, 78]);
    }
}

//! Why an account had waited.

use std::fmt;

/// Why an account had waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited<'a> {
    /// It was held for this reason.
    Held {
        /// The stable code of the reason.
        code: &'a str,
        /// How often it was tried.
        tries: u32,
    },
    /// It was tried less and less often.
    BackedOff {
        /// How many tries failed.
        failures: u32,
    },
}

impl fmt::Display for Waited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = |count: u32| if count == 1 { "try" } else { "tries" };
        match *self {
            Self::Held { code, tries } => {
                let noun = noun(tries);
                write!(f, "it was held ({code}) after {tries} {noun}")
            }
            Self::BackedOff { failures } => {
                let noun = noun(failures);
                write!(f, "it backed off after {failures} {noun} that failed")
            }
        }
    }
}

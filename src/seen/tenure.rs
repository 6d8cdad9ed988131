//! Under whose hold of an account records are read and written.

use crate::mail::AccountName;

/// One holder's hold of an account. Records are read under it, and a batch made from them is
/// committed under it, so that a holder whose account was taken over cannot write any more.
///
/// A store that several agents share counts `token` up each time that an account is taken. `holder`
/// is a random number of one run of one agent: after a failover that lost the last token, the same
/// token can be handed out again. A store of one process has one tenure for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    account: AccountName,
    token: u64,
    holder: u64,
}

impl Tenure {
    /// The tenure with this token and holder.
    pub const fn new(account: AccountName, token: u64, holder: u64) -> Self {
        Self {
            account,
            token,
            holder,
        }
    }

    /// The tenure of the only holder that an account has.
    pub fn only(account: &AccountName) -> Self {
        Self::new(account.clone(), 0, 0)
    }

    /// The account.
    pub const fn account(&self) -> &AccountName {
        &self.account
    }

    /// How often the account was taken before, in a store that several agents share.
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// Which run of which agent has it.
    pub const fn holder(&self) -> u64 {
        self.holder
    }
}

//! The operator's commands for one account: adopt a maildrop that moved, retry or drop a quarantine
//! copy, foresee a poll.

pub(in crate::session) mod adopt;
pub(in crate::session) mod copies;
pub(in crate::session) mod erase;
mod fetched;
pub(in crate::session) mod foresee;
pub(in crate::session) mod list;
pub(in crate::session) mod pause;

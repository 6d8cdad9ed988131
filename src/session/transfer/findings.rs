//! What the comparisons of one session found.

/// What the comparisons of one session found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Findings {
    /// Messages that were retrieved to be compared.
    pub(in crate::session) compared: u64,
    /// Those of them that came out as other messages.
    pub(in crate::session) different: u64,
    /// Known messages that were found under another name.
    pub(in crate::session) renamed: u64,
    /// Delivered messages that the server hands out with other octets.
    pub(in crate::session) rewritten: u64,
    /// Messages that were asked to be deleted, and are there still.
    pub(in crate::session) found_again: u32,
    /// Whether TOP showed another head than RETR.
    pub(in crate::session) heads_differ: bool,
    /// Whether a counted name turned out to be another message's.
    pub(in crate::session) began_again: bool,
}

//! The results of the comparisons of one session.

/// The results of the comparisons of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Findings {
    /// Messages that were retrieved to be compared.
    pub(in crate::session) compared: u64,
    /// How many of them are other messages.
    pub(in crate::session) different: u64,
    /// Known messages that were found under another unique-id.
    pub(in crate::session) renamed: u64,
    /// New messages with unknown unique-ids, which no record explains.
    pub(in crate::session) unexplained: u64,
    /// Delivered messages that the server sends with other octets.
    pub(in crate::session) rewritten: u64,
    /// Messages that are still there after a DELE that the server ignored.
    pub(in crate::session) found_again: u32,
    /// How many of them are known by their bytes only, and were there at once after a delete that
    /// the server confirmed.
    pub(in crate::session) there_at_once: u32,
    /// Messages that were taken for another one with the same bytes, because the server confirmed
    /// the delete of the recorded one.
    pub(in crate::session) sent_again: u32,
    /// Whether TOP showed another head than RETR.
    pub(in crate::session) heads_differ: bool,
    /// Whether a counted unique-id turned out to be of another message.
    pub(in crate::session) began_again: bool,
}

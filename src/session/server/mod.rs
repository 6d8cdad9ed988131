//! The commands to a server and the meaning of its answers: login, listing, retrieval, deletes.

pub(in crate::session) mod announced;
pub(in crate::session) mod asking;
pub(in crate::session) mod heads;
pub(in crate::session) mod left_out;
pub(in crate::session) mod listing;
pub(in crate::session) mod listing_room;
pub(in crate::session) mod login;
pub(in crate::session) mod maildrop;
pub(in crate::session) mod refusal;
pub(in crate::session) mod sizes;
pub(in crate::session) mod unnamed;

//! What TOP said of listed messages. Pure.

use std::collections::HashMap;

use crate::mail::HeadDigests;

/// The heads of some listed messages, by their position in the listing.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Heads(HashMap<u32, Option<HeadDigests>>);

/// What is known of the head of one listed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Head {
    /// It was not asked for.
    NotAsked,
    /// The server would not show it.
    Refused,
    /// The server showed it.
    Shown(HeadDigests),
}

impl Heads {
    /// Whether none was asked for.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::session) fn insert(&mut self, at: u32, head: Option<HeadDigests>) {
        self.0.insert(at, head);
    }

    pub(in crate::session) fn get(&self, at: u32) -> Head {
        match self.0.get(&at) {
            None => Head::NotAsked,
            Some(None) => Head::Refused,
            Some(Some(digests)) => Head::Shown(*digests),
        }
    }
}

//! The results of TOP for listed messages. Pure.

use std::collections::HashMap;

use crate::mail::HeadDigests;

/// The heads of some listed messages.
#[derive(Clone, Debug, Default)]
pub(in crate::session) struct Heads {
    /// By their position in the listing.
    by_position: HashMap<u32, Option<HeadDigests>>,
    /// Whether no more are requested in this session.
    are_over: bool,
}

/// What is known about the head of one listed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Head {
    /// It was not requested.
    NotAsked,
    /// It is not requested in this session, for lack of time.
    Later,
    /// The server refused to show it.
    Refused,
    /// The server showed it.
    Shown(HeadDigests),
}

impl Heads {
    /// Whether none was requested.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.by_position.is_empty() && !self.are_over
    }

    /// How many were requested.
    pub(in crate::session) fn count(&self) -> usize {
        self.by_position.len()
    }

    pub(in crate::session) fn insert(&mut self, at: u32, head: Option<HeadDigests>) {
        self.by_position.insert(at, head);
    }

    /// Notes that no more are requested in this session.
    pub(in crate::session) fn end(&mut self) {
        self.are_over = true;
    }

    pub(in crate::session) fn get(&self, at: u32) -> Head {
        match self.by_position.get(&at) {
            None if self.are_over => Head::Later,
            None => Head::NotAsked,
            Some(None) => Head::Refused,
            Some(Some(digests)) => Head::Shown(*digests),
        }
    }
}

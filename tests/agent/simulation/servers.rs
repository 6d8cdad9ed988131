//! Servers that misbehave, each in its own way, and the mail that they receive.

use mailferry::mail::{AccountName, Reasons, Retention};

use super::{DAY, Simulation};
use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// The permanent habits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Character {
    pub names: Names,
    pub bytes: Bytes,
}

/// How a server names its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// No unique-id comes twice.
    Unique,
    /// 1, 2, 3 ... and from 1 again when the maildrop is empty.
    Counted,
    /// Long unique-ids; those of deleted messages may come again.
    Reused,
}

/// Where a server is wrong about octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// In LIST: too many, too few, or both in turn.
    Listed,
    /// In RETR: it sends less than half of a message with a correct end.
    HandedOut,
}

impl Character {
    /// This server never fails.
    pub const HONEST: usize = 0;
}

impl Simulation {
    pub fn add_account(&mut self, at: usize) {
        let is_honest = at == Character::HONEST;
        let unique_ids = self.random.u64(..6) > 0 || is_honest;
        let retention = match self.random.u64(..4) {
            _ if !unique_ids => Retention::Delete,
            0 => Retention::Keep,
            1 => Retention::Delete,
            2 => Retention::after(2 * DAY),
            _ => Retention::DeleteWhen(Reasons {
                after_seconds: Some(3 * DAY),
                newest: Some(5),
                octets_max: Some(2_000),
            }),
        };
        let mut world = World::new(Vec::new(), retention);
        world.visit.account = AccountName::new(&format!("account-{at}")).unwrap();
        world.visit.login.user = format!("user-{at}");
        world.visit.unrecorded_max = self.random.usize(1..=4);
        let (pipelining, hides) = (self.random.bool(), self.random.u64(..5) == 0);
        let hides = hides && unique_ids && !is_honest;
        world.server.with(|habits| {
            habits.unique_ids = unique_ids;
            habits.pipelining = pipelining;
            habits.hides = hides;
            // Without TOP, the unique-id of a message that stays proves what it proved before.
            habits.capabilities.push("TOP".into());
            habits.lists_at_most = hides.then_some(5);
            if hides {
                habits.capabilities.push("EXPIRE 0".into());
            }
        });
        let of_any = [Names::Unique, Names::Counted, Names::Reused][self.random.usize(..3)];
        let bytes = [Bytes::Listed, Bytes::HandedOut][self.random.usize(..2)];
        self.characters.push(Character {
            // A server that hides existing messages and reuses their unique-ids proves nothing any
            // more.
            names: if is_honest || hides {
                Names::Unique
            } else {
                of_any
            },
            // A message that is cut and then hidden was lost by the server.
            bytes: if hides { Bytes::Listed } else { bytes },
        });
        self.worlds.push(world);
        self.came.push(Vec::new());
        for _ in 0..self.random.usize(..8) {
            self.put(at);
        }
    }

    /// A new message for an account; some are alike.
    pub fn put(&mut self, at: usize) {
        let number = self.came[at].len();
        let kind = match self.random.u64(..12) {
            _ if at == Character::HONEST => "mail",
            0 => "poison",
            1..=3 => "spam",
            _ => "mail",
        };
        let host = if kind == "spam" {
            "spam.invalid"
        } else {
            "x.test"
        };
        let path = format!("Return-Path: <s{number}@{host}>");
        let subject = format!("Subject: {kind} {number} for {at}");
        let text = format!("{path}\r\n{subject}\r\n\r\n.{kind}\r\n{REST}\r\n");
        let name = self.name(at, number);
        let one = mail(&name, text.as_bytes());
        self.worlds[at].server.put(one.clone());
        self.watch.came(at, &one, self.is_fair());
        self.came[at].push(one);
    }

    fn name(&mut self, at: usize, number: usize) -> String {
        let listed = self.worlds[at].server.listed();
        let is_listed = |id: &str| listed.iter().any(|mail| mail.unique_id == id);
        match self.characters[at].names {
            Names::Unique => format!("id-{at}-{number:05}"),
            Names::Counted => {
                let last = listed.iter().filter_map(|mail| mail.unique_id.parse().ok());
                (last.max().unwrap_or(0_u64) + 1).to_string()
            }
            Names::Reused => {
                let mut gone = self.worlds[at].server.deleted();
                gone.retain(|mail| !is_listed(&mail.unique_id));
                if gone.is_empty() || self.random.u64(..3) == 0 {
                    return format!("20270115T080000.M{number:05}.mail.example.org");
                }
                gone.swap_remove(self.random.usize(..gone.len())).unique_id
            }
        }
    }

    /// Another program empties a maildrop, and its server counts from 1 again.
    pub fn empty(&mut self, at: usize) {
        let listed: Vec<Mail> = self.worlds[at].server.listed();
        let octets = listed.into_iter().map(|mail| mail.octets);
        self.taken_away.extend(octets);
        self.worlds[at].server.replace(Vec::new());
    }
}

/// A cut of less than half leaves the subject, so that no two cut messages are equal.
const REST: &str =
    "It is long enough that what a server cuts off is more than half of it, and so it says this.";

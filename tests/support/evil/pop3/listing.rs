//! UIDL and LIST, with all their crimes.

use super::super::Act;
use super::{Pop3, dripping, endless_line};

impl Pop3 {
    pub(super) fn unique_id(&self, at: usize) -> Act {
        let number = format!("+OK {} ", at + 1).into_bytes();
        Act::Say([number, self.mails()[at].unique_id.clone(), b"\r\n".to_vec()].concat())
    }

    pub(super) fn unique_ids(&self) -> Vec<Act> {
        let announced = if self.commits("lie-about-counts") {
            3000
        } else {
            self.mails().len()
        };
        let mut acts = vec![Act::line(&format!("+OK {announced} messages"))];
        let mut listed = Vec::new();
        let is_padded =
            self.commits("pad-unique-ids") && self.maildrop().sessions().is_multiple_of(2);
        for (number, mail) in (1..).zip(self.mails()) {
            listed.extend_from_slice(format!("{number} ").as_bytes());
            listed.extend_from_slice(&mail.unique_id);
            listed.extend_from_slice(if is_padded { b"  " } else { b"" });
            listed.extend_from_slice(b"\r\n");
        }
        acts.push(Act::Say(listed));
        let piece: fn(u64) -> Vec<u8> =
            |at| format!("{} ghost-{at}\r\n", at + GHOSTS_FROM).into_bytes();
        acts.extend(self.ghosts(piece));
        if self.commits("million-twins") {
            let piece = |at| format!("{} twin\r\n", at + GHOSTS_FROM).into_bytes();
            acts.push(Act::Flow {
                count: 990_000,
                piece,
            });
        }
        if self.commits("endless-listing") {
            acts.push(Act::Flow {
                count: u64::MAX,
                piece,
            });
        }
        if self.commits("endless-entry") {
            acts.extend([Act::Say(b"6 ".to_vec()), endless_line()]);
        }
        acts.push(Act::line("."));
        self.at_its_pace(acts)
    }

    pub(super) fn sizes(&self) -> Vec<Act> {
        let announced = if self.commits("lie-about-counts") {
            2
        } else {
            self.mails().len()
        };
        let mut acts = vec![Act::line(&format!("+OK {announced} messages"))];
        let session = self.maildrop().sessions();
        for (number, mail) in (1_usize..).zip(self.mails()) {
            let octets = mail.octets.len();
            let octets = match self.crime.as_ref().map(|crime| crime.name.as_str()) {
                Some("lie-about-sizes") => "1".to_owned(),
                Some("lie-about-sizes-upwards") => "9223372036854775000".to_owned(),
                Some("change-sizes") => (octets + session).to_string(),
                Some("garble-sizes") if number % 2 == 0 => "99999999999999999999999999".to_owned(),
                Some("garble-sizes") => "many".to_owned(),
                _ => octets.to_string(),
            };
            acts.push(Act::line(&format!("{number} {octets}")));
        }
        if self.commits("lie-about-counts") {
            acts.truncate(self.mails().len().max(1));
            acts.extend(["77 1000", "78 1000"].map(Act::line));
        }
        let piece: fn(u64) -> Vec<u8> = |at| format!("{} 1000\r\n", at + GHOSTS_FROM).into_bytes();
        if self.commits("list-giants") {
            let piece = |at| format!("{} 9000000000\r\n", at + GHOSTS_FROM).into_bytes();
            acts.extend(self.ghosts(piece));
        } else {
            acts.extend(self.ghosts(piece));
        }
        if self.commits("endless-sizes") {
            acts.push(Act::Flow {
                count: u64::MAX,
                piece,
            });
        }
        acts.push(Act::line("."));
        self.at_its_pace(acts)
    }

    fn at_its_pace(&self, acts: Vec<Act>) -> Vec<Act> {
        if self.commits("one-byte-every-nine-seconds-in-listings") {
            return acts.into_iter().flat_map(dripping).collect();
        }
        acts
    }

    /// Entries of messages that do not exist.
    fn ghosts(&self, piece: fn(u64) -> Vec<u8>) -> Option<Act> {
        let count = match self.crime.as_ref()?.name.as_str() {
            "list-ghosts" => 3,
            "list-giants" => 5000,
            "million-entries" => 1_000_000 - self.mails().len() as u64,
            _ => return None,
        };
        Some(Act::Flow { count, piece })
    }
}

/// Message numbers that do not exist: above all existing ones.
const GHOSTS_FROM: u64 = 100;

//! Messages that are listed without unique-id in a listing with unique-ids.

use std::fmt;

use crate::mail::{Listing, ListingBuilder, UniqueId, limits};

/// The numbers and octets of messages without unique-id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Unnamed {
    /// The first of them.
    entries: Vec<(u32, u64)>,
    count: u64,
}

impl Unnamed {
    pub(in crate::session) fn add(&mut self, number: u32, octets: u64) {
        self.count += 1;
        if self.entries.len() < limits::UNNAMED_MESSAGES_MAX {
            self.entries.push((number, octets));
        }
    }

    /// How many there are.
    pub(in crate::session) const fn len(&self) -> u64 {
        self.count
    }

    pub(in crate::session) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many stay on the server after deletes of these numbers, if the answer to QUIT was
    /// positive.
    pub(in crate::session) fn left(&self, gone: &[u32], quit: bool) -> u64 {
        let gone = if quit { gone.len() as u64 } else { 0 };
        self.count.saturating_sub(gone)
    }

    /// The messages as a separate listing, in which unique-ids only number them; empty if they are
    /// too many to be retrieved.
    pub(in crate::session) fn listing(&self) -> Listing {
        let mut builder = ListingBuilder::default();
        if self.count <= self.entries.len() as u64 {
            for (number, octets) in &self.entries {
                if let Ok(name) = UniqueId::new(format!("number:{number}").as_bytes()) {
                    builder.add_sized(*number, &name, *octets);
                }
            }
        }
        builder.arrange();
        builder.build(false)
    }
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().take(limits::UNNAMED_SHOWN_MAX);
        let numbers: Vec<String> = shown.map(|(number, _)| number.to_string()).collect();
        let s = if self.count == 1 { "" } else { "s" };
        write!(f, "message{s} {}", numbers.join(", "))?;
        match self.count - numbers.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_reported_by_number_and_many_are_counted() {
        let mut unnamed = Unnamed::default();
        unnamed.add(3, 10);
        assert_eq!(unnamed.to_string(), "message 3");
        unnamed.add(7, 10);
        assert_eq!(unnamed.to_string(), "messages 3, 7");
        assert_eq!(unnamed.listing().len(), 2);
        for number in 10..5010 {
            unnamed.add(number, 10);
        }
        assert!(unnamed.to_string().ends_with("and 4982 more"), "{unnamed}");
        assert_eq!(unnamed.len(), 5002);
        assert!(unnamed.listing().is_empty(), "so many are not retrieved");
    }
}

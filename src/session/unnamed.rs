//! Messages that are listed without unique-id in a listing that has them (DOUBT.md 1.9).

use std::fmt;

/// Their numbers and octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unnamed {
    /// The first of them.
    entries: Vec<(u32, u64)>,
    count: u64,
}

impl Unnamed {
    pub(super) fn add(&mut self, number: u32, octets: u64) {
        self.count += 1;
        if self.entries.len() < UNNAMED_MAX {
            self.entries.push((number, octets));
        }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> u64 {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().take(SHOWN_MAX);
        let numbers: Vec<String> = shown.map(|(number, _)| number.to_string()).collect();
        let s = if self.count == 1 { "" } else { "s" };
        write!(f, "message{s} {}", numbers.join(", "))?;
        match self.count - numbers.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// How many are remembered in one session; a server that names so few of its messages is ill.
const UNNAMED_MAX: usize = 1000;

/// How many are told by number.
const SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_by_number_and_counted_where_there_are_many() {
        let mut unnamed = Unnamed::default();
        unnamed.add(3, 10);
        assert_eq!(unnamed.to_string(), "message 3");
        unnamed.add(7, 10);
        assert_eq!(unnamed.to_string(), "messages 3, 7");
        for number in 10..5010 {
            unnamed.add(number, 10);
        }
        assert!(unnamed.to_string().ends_with("and 4982 more"), "{unnamed}");
        assert_eq!(unnamed.len(), 5002);
    }
}

//! The operator's rules for the recipients of a maildrop that has mail for many.

use std::collections::BTreeMap;

use crate::mail::Recipient;

/// Where the recipients of a message stand in its header, and where mail for them goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeRules {
    /// Which fields name the recipients.
    pub source: EnvelopeSource,
    /// The hosts whose `Received` field ends the part of the header that is believed: names in
    /// lower case without trailing dot, or addresses without brackets. Without any, that part ends
    /// at the topmost `Received`.
    pub trusted: Vec<String>,
    /// What the server puts before each local part (a virtual domain of qmail).
    pub strip_prefix: Option<String>,
    /// Where mail for an address goes. Without a map, it goes to that address.
    pub map: Option<RecipientMap>,
    /// What happens to a message for which no recipient was found.
    pub unmatched: Unmatched,
}

/// Which fields name the recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeSource {
    /// Fields that the last server adds.
    Fields {
        /// Their names, tried in this order.
        names: Vec<String>,
        /// Which of several fields with one name counts, from the top; 1 is the topmost.
        position: usize,
    },
    /// The `for` of a `Received` field: of the topmost one, or of that of a trusted host.
    ReceivedFor,
}

/// What happens to a message for which no recipient was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// It goes to the recipient of the account.
    Recipient,
    /// It goes to the quarantine.
    Quarantine,
}

/// Where mail for an address goes. An exact address comes before its domain, and that before `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientMap(BTreeMap<String, Vec<MappedTo>>);

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedTo {
    /// To this address.
    Address(Recipient),
    /// To the same local part in this domain.
    Domain(String),
}

/// The line of a map that an address matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLine<'m> {
    /// The address, `@domain` or `*`, in lower case.
    pub key: &'m str,
    /// Where mail for it goes; never empty.
    pub to: &'m [MappedTo],
}

impl RecipientMap {
    /// Adds a line; false if the map has one with this key already. The case of letters in a key
    /// makes no difference.
    pub fn add(&mut self, key: &str, to: Vec<MappedTo>) -> bool {
        self.0.insert(key.to_ascii_lowercase(), to).is_none()
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.0.len()
    }

    /// The line for an address.
    pub fn line(&self, address: &Recipient) -> Option<MapLine<'_>> {
        let exact = address.as_str().to_ascii_lowercase();
        let domain = exact.rfind('@').map_or("", |at| &exact[at..]);
        [&exact, domain, EVERY_ADDRESS]
            .into_iter()
            .find_map(|key| self.0.get_key_value(key))
            .map(|(key, to)| MapLine { key, to })
    }
}

impl MappedTo {
    /// Where mail for this address goes; `None` if that address cannot exist.
    pub fn of(&self, address: &Recipient) -> Option<Recipient> {
        match self {
            Self::Address(recipient) => Some(recipient.clone()),
            Self::Domain(domain) => {
                Recipient::mailbox(&format!("{}@{domain}", address.local_part()))
            }
        }
    }
}

/// The key of a line for all addresses that no other line has.
pub const EVERY_ADDRESS: &str = "*";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn to(address: &str) -> Vec<MappedTo> {
        vec![MappedTo::Address(Recipient::new(address).unwrap())]
    }

    fn key_for(map: &RecipientMap, address: &str) -> Option<String> {
        let line = map.line(&Recipient::new(address).unwrap());
        line.map(|line| line.key.to_owned())
    }

    #[test]
    fn the_most_exact_line_of_a_map_counts_whatever_the_case() {
        let mut map = RecipientMap::default();
        for key in ["Jane@Example.org", "@example.org", "*"] {
            assert!(map.add(key, to("x@home.lan")));
        }
        assert!(!map.add("jane@example.ORG", to("y@home.lan")));
        for (address, key) in [
            ("JANE@example.org", "jane@example.org"),
            ("joe@Example.Org", "@example.org"),
            ("jane@sub.example.org", "*"),
            ("jane", "*"),
        ] {
            assert_eq!(key_for(&map, address).as_deref(), Some(key), "{address}");
        }
        let mut map = RecipientMap::default();
        assert!(map.add("@example.org", to("x@home.lan")));
        assert_eq!(key_for(&map, "jane@notexample.org"), None);
    }

    #[test]
    fn a_line_to_a_domain_keeps_the_local_part_as_it_is() {
        let jane = Recipient::new("Jane+list@example.org").unwrap();
        let home = MappedTo::Domain("home.lan".to_owned());
        assert_eq!(home.of(&jane).unwrap().as_str(), "Jane+list@home.lan");
        let long = format!("{}@x.example", "y".repeat(490));
        let far = MappedTo::Domain(format!("{}.example.org", "z".repeat(60)));
        assert_eq!(far.of(&Recipient::new(&long).unwrap()), None, "too long");
    }
}

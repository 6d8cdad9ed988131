//! Who gets a message, and why.

use std::collections::HashSet;
use std::fmt;

use crate::mail::text::Shown;
use crate::mail::{EnvelopeRules, EnvelopeSource, Recipient, Unmatched, limits};
use crate::route::addresses::addresses;
use crate::route::header_top::HeaderTop;

/// Who gets a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The recipients, each once; empty if the message goes to the quarantine.
    pub recipients: Vec<Recipient>,
    /// Whether a field of the message named them.
    pub is_matched: bool,
    /// What was looked at, in order. If the message is matched, the last one decided.
    pub considered: Vec<Considered>,
}

/// A field that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The name of the field.
    pub field: String,
    /// What came of it.
    pub finding: Finding,
}

/// What came of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The message has no `Received` field that ends the part of the header that is believed. This
    /// many are of hosts that are not trusted.
    NothingBelieved(usize),
    /// It cannot be told whether a trusted host added this `Received` field, because somebody else
    /// wrote a part of it: nothing is believed.
    Unclear,
    /// There are only so many believed fields of that name, fewer than the position.
    NotThere(usize),
    /// Its value is no list of safe addresses.
    NoAddress(Vec<u8>),
    /// It names these addresses. None of them is matched unless one leads to a recipient.
    Addresses(Vec<Rerouted>),
    /// It leads to too many recipients.
    TooMany(usize),
}

/// An address, and where mail for it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerouted {
    /// The address, as the field has it.
    pub address: Recipient,
    /// The address without the server's prefix, if it has one.
    pub stripped: Option<Recipient>,
    /// The key of the line of the map that it matches.
    pub line: Option<String>,
    /// The recipients; empty if no line matches.
    pub to: Vec<Recipient>,
}

/// Who gets a message with this header. A field is tried in place of the one before it if that is
/// not there, holds no address or an unsafe one, or only addresses that the map does not have.
pub fn recipients(top: &HeaderTop<'_>, rules: &EnvelopeRules, account: &Recipient) -> Routed {
    let mut considered = Vec::new();
    for (field, finding) in findings(top, rules) {
        let (recipients, finding) = limited(finding);
        let field = field.to_owned();
        considered.push(Considered { field, finding });
        if !recipients.is_empty() {
            return Routed {
                recipients,
                is_matched: true,
                considered,
            };
        }
    }
    Routed {
        recipients: match rules.unmatched {
            Unmatched::Recipient => vec![account.clone()],
            Unmatched::Quarantine => Vec::new(),
        },
        is_matched: false,
        considered,
    }
}

/// What comes of each field that the rules ask for.
fn findings<'r>(
    top: &'r HeaderTop<'_>,
    rules: &'r EnvelopeRules,
) -> Box<dyn Iterator<Item = (&'r str, Finding)> + 'r> {
    let Some(end) = top.end() else {
        let nothing = match top.is_unclear() {
            true => Finding::Unclear,
            false => Finding::NothingBelieved(top.passed()),
        };
        return Box::new(std::iter::once(("Received", nothing)));
    };
    match &rules.source {
        EnvelopeSource::ReceivedFor => Box::new(std::iter::once_with(move || {
            let finding = match end.recipient() {
                Some(address) => Finding::Addresses(vec![rerouted(address, rules)]),
                None => Finding::NotThere(0),
            };
            ("Received", finding)
        })),
        EnvelopeSource::Fields { names, position } => {
            let of_name = move |(at, name): (usize, &'r String)| {
                let values: Vec<&[u8]> = top.values(at).collect();
                let finding = match values.get(position.saturating_sub(1)) {
                    None => Finding::NotThere(values.len()),
                    Some(value) => match addresses(value) {
                        None => Finding::NoAddress(value.to_vec()),
                        Some(found) => {
                            let of_each = found.into_iter().map(|one| rerouted(one, rules));
                            Finding::Addresses(of_each.collect())
                        }
                    },
                };
                (name.as_str(), finding)
            };
            Box::new(names.iter().enumerate().map(of_name))
        }
    }
}

/// Where mail for an address goes.
fn rerouted(address: Recipient, rules: &EnvelopeRules) -> Rerouted {
    let stripped = rules
        .strip_prefix
        .as_deref()
        .and_then(|prefix| without_prefix(&address, prefix));
    let meant = stripped.as_ref().unwrap_or(&address);
    let (line, to) = match &rules.map {
        None => (None, vec![meant.clone()]),
        Some(map) => match map.line(meant) {
            None => (None, Vec::new()),
            Some(line) => {
                let to = line.to.iter().filter_map(|to| to.of(meant));
                (Some(line.key.to_owned()), to.collect())
            }
        },
    };
    Rerouted {
        address,
        stripped,
        line,
        to,
    }
}

/// The address without a prefix, whatever its case, if anything is left of its local part.
fn without_prefix(address: &Recipient, prefix: &str) -> Option<Recipient> {
    let text = address.as_str();
    let (head, rest) = (text.get(..prefix.len())?, &text[prefix.len()..]);
    let is_it = head.eq_ignore_ascii_case(prefix) && prefix.len() < address.local_part().len();
    is_it.then(|| Recipient::mailbox(rest))?
}

/// The recipients of a finding, each once.
fn limited(finding: Finding) -> (Vec<Recipient>, Finding) {
    let Finding::Addresses(found) = &finding else {
        return (Vec::new(), finding);
    };
    // No server tells addresses apart by the case of letters.
    let mut known = HashSet::new();
    let all = found.iter().flat_map(|one| &one.to);
    let each = all.filter(|one| known.insert(one.as_str().to_ascii_lowercase()));
    let most = limits::ROUTED_RECIPIENTS_MAX + 1;
    let recipients: Vec<Recipient> = each.take(most).cloned().collect();
    if recipients.len() > limits::ROUTED_RECIPIENTS_MAX {
        return (Vec::new(), Finding::TooMany(found.len()));
    }
    (recipients, finding)
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.field;
        match &self.finding {
            Finding::NothingBelieved(0) => f.write_str(
                "no Received: nothing in the header is believed, because no server marked it",
            ),
            Finding::NothingBelieved(passed) => write!(
                f,
                "no Received of a trusted host, and {passed} of others: nothing in the header is \
                 believed"
            ),
            Finding::Unclear => f.write_str(
                "Received: it names a trusted host, but not clearly as the one that added it: \
                 nothing in the header is believed",
            ),
            Finding::NotThere(0) if name == "Received" => {
                f.write_str("Received: no address after `for`")
            }
            Finding::NotThere(0) => write!(f, "{name}: not in the part that is believed"),
            Finding::NotThere(found) => write!(
                f,
                "{name}: only {found} in the part that is believed, fewer than `position`"
            ),
            Finding::NoAddress(value) => {
                let value = Shown::new(value.trim_ascii()).to_string();
                write!(f, "{name}: not a safe address: {value}")
            }
            Finding::TooMany(addresses) => write!(
                f,
                "{name}: {addresses} addresses lead to more than {} recipients",
                limits::ROUTED_RECIPIENTS_MAX
            ),
            Finding::Addresses(found) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                write!(f, "{name}: {}", found.join("; "))
            }
        }
    }
}

impl fmt::Display for Rerouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(stripped) = &self.stripped {
            write!(f, ", without the prefix {stripped}")?;
        }
        match (&self.line, &self.to[..]) {
            (None, []) => f.write_str(", which the map does not have"),
            (None, _) => Ok(()),
            (Some(line), []) => write!(f, ", by \"{line}\" to no address that can exist"),
            (Some(line), to) => {
                let to: Vec<&str> = to.iter().map(Recipient::as_str).collect();
                write!(f, ", by \"{line}\" to {}", to.join(", "))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "routed_tests.rs"]
mod tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "routed_properties.rs"]
mod properties;

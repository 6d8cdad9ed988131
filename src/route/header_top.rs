//! The part of a header that is believed, and the fields in it that the rules ask for.

use crate::mail::{EnvelopeRules, EnvelopeSource};
use crate::route::received::ReceivedWords;

/// Collects the fields of a header from the top, as far as the rules believe them.
pub struct HeaderTop<'r> {
    rules: &'r EnvelopeRules,
    /// The fields that the rules ask for: the index of the name, and the value.
    found: Vec<(usize, Vec<u8>)>,
    /// The `Received` field that ends the believed part, once it came.
    end: Option<ReceivedWords>,
    /// How many `Received` fields came before that.
    passed: usize,
    /// Whether a `Received` field came of which it cannot be told whether a trusted host added it.
    is_unclear: bool,
}

impl<'r> HeaderTop<'r> {
    /// Begins without fields.
    pub fn new(rules: &'r EnvelopeRules) -> Self {
        Self {
            rules,
            found: Vec::new(),
            end: None,
            passed: 0,
            is_unclear: false,
        }
    }

    /// Takes the next field.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if self.end.is_some() || self.is_unclear {
            return;
        }
        if name.eq_ignore_ascii_case("Received") {
            let words = ReceivedWords::of(value);
            let trusted = &self.rules.trusted;
            if trusted.is_empty() || words.by().is_some_and(|by| trusted.contains(&by)) {
                self.end = Some(words);
            } else if ReceivedWords::may_be_by(value, trusted) {
                // If it was passed over, a forged one below it would end the believed part.
                self.is_unclear = true;
            } else {
                self.passed += 1;
            }
            return;
        }
        if let EnvelopeSource::Fields { names, .. } = &self.rules.source
            && let Some(at) = names.iter().position(|one| one.eq_ignore_ascii_case(name))
        {
            self.found.push((at, value.to_vec()));
        }
    }

    /// The `Received` field that ends the believed part. Without it nothing is believed, because
    /// the sender may have written everything.
    pub(super) fn end(&self) -> Option<&ReceivedWords> {
        self.end.as_ref()
    }

    /// How many `Received` fields there are, none of them of a trusted host, if none ends the
    /// believed part.
    pub(super) fn passed(&self) -> usize {
        self.passed
    }

    /// Whether a `Received` field came of which it cannot be told whether a trusted host added it.
    /// Then nothing is believed.
    pub(super) fn is_unclear(&self) -> bool {
        self.is_unclear
    }

    /// The believed values of the field with this index among the names, from the top.
    pub(super) fn values(&self, name: usize) -> impl Iterator<Item = &[u8]> {
        let is_it = move |found: &&(usize, Vec<u8>)| found.0 == name && self.end.is_some();
        self.found
            .iter()
            .filter(is_it)
            .map(|(_, value)| value.as_slice())
    }
}

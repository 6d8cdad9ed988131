//! The values of envelope routing: names of fields, hosts, a prefix, a map.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use toml::de::ValueDeserializer;

use crate::config::setting::{DeLine, LineError};
use crate::config::value::host::HostName;
use crate::config::value::text::OneOrMany;
use crate::mail::text::Shown;
use crate::mail::{EVERY_ADDRESS, MappedTo, Recipient, RecipientMap, limits};

/// The name of a header field that a server writes recipients into, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct EnvelopeFields(pub(in crate::config) Vec<String>);

/// A host, or a list of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct HostNames(pub(in crate::config) Vec<String>);

/// The beginning of local parts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct LocalPrefix(pub(in crate::config) String);

/// A map from addresses to addresses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<AddressKey, AddressValue>")]
pub(in crate::config) struct MapSetting(pub(in crate::config) RecipientMap);

/// The key of a line in a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct AddressKey(String);

/// The value of a line in a map.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct AddressValue(Vec<MappedTo>);

impl MapSetting {
    /// Checks one line of a map.
    pub(in crate::config) fn check_line(key: &str, value: DeLine<'_>) -> Result<(), LineError> {
        AddressKey::try_from(key.to_owned()).map_err(LineError::Key)?;
        let read = AddressValue::deserialize(ValueDeserializer::from(value));
        let why = |error: toml::de::Error| LineError::Value(error.message().to_owned());
        read.map(drop).map_err(why)
    }
}

impl OneOrMany {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl TryFrom<OneOrMany> for EnvelopeFields {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let names = given.into_list();
        if names.is_empty() {
            let why = "the list is empty: name at least one field, or remove the setting";
            return Err(why.to_owned());
        }
        let mut known = HashSet::new();
        for name in &names {
            if let Some(why) = no_envelope_field(name) {
                return Err(format!("\"{}\" {why}", Shown::new(name)));
            }
            if !known.insert(name.to_ascii_lowercase()) {
                return Err(format!("\"{name}\" is in the list twice; remove one"));
            }
        }
        Ok(Self(names))
    }
}

/// Why a field cannot say who gets a message.
fn no_envelope_field(name: &str) -> Option<String> {
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    if let Some(bare) = name.strip_suffix(':').filter(|bare| !bare.is_empty()) {
        return Some(format!("ends with a colon: write \"{}\"", Shown::new(bare)));
    }
    if is(&"Received") {
        return Some("is read with `received_for = true`".to_owned());
    }
    if BY_THE_SENDER.iter().any(is) {
        let why = "is written by the sender, and does not say for whom this copy is: use the \
                   field that your provider adds";
        return Some(why.to_owned());
    }
    let is_usual = |c: char| c.is_ascii_graphic() && c != ':';
    let is_name = !name.is_empty()
        && name.len() <= limits::FIELD_NAME_OCTETS_MAX
        && name.chars().all(is_usual);
    let why = "is no name of a header field, such as \"X-Original-To\"";
    (!is_name).then(|| why.to_owned())
}

/// Fields that senders write.
const BY_THE_SENDER: [&str; 8] = [
    "To",
    "Cc",
    "Bcc",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "From",
    "Subject",
];

impl TryFrom<OneOrMany> for HostNames {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let names = given.into_list();
        if names.is_empty() {
            let why = "the list is empty: name at least one host, or remove the setting";
            return Err(why.to_owned());
        }
        let hosts = names.into_iter().map(|name| {
            let host = HostName::try_from(name).map_err(str::to_owned)?;
            Ok(host.into_string())
        });
        hosts.collect::<Result<_, String>>().map(Self)
    }
}

impl TryFrom<String> for LocalPrefix {
    type Error = &'static str;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        if Recipient::mailbox(&format!("{given}x@example.org")).is_none() || given.is_empty() {
            return Err(
                "it is the beginning of local parts, such as \"example-\", without @ and blanks",
            );
        }
        Ok(Self(given))
    }
}

impl TryFrom<String> for AddressKey {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let domain = given.strip_prefix('@');
        let is_key = given == EVERY_ADDRESS
            || domain.is_some_and(Recipient::is_domain)
            || Recipient::mailbox(&given).is_some();
        is_key.then(|| Self(given.clone())).ok_or_else(|| {
            format!(
                "\"{}\" is no address with a domain, no \"@domain\" and not \"*\"",
                Shown::new(&given)
            )
        })
    }
}

impl TryFrom<OneOrMany> for AddressValue {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let texts = given.into_list();
        let most = limits::MAPPED_ADDRESSES_MAX;
        if texts.is_empty() || texts.len() > most {
            return Err(format!("a line leads to 1 to {most} addresses"));
        }
        texts
            .iter()
            .map(|text| mapped_to(text))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn mapped_to(text: &str) -> Result<MappedTo, String> {
    if let Some(domain) = text
        .strip_prefix('@')
        .filter(|domain| Recipient::is_domain(domain))
    {
        return Ok(MappedTo::Domain(domain.to_owned()));
    }
    let address = Recipient::new(text).ok().filter(|_| !text.starts_with('@'));
    address.map(MappedTo::Address).ok_or_else(|| {
        format!(
            "\"{}\" is no address and no \"@domain\"; write \"jane@home.lan\" or \"@home.lan\"",
            Shown::new(text)
        )
    })
}

impl TryFrom<BTreeMap<AddressKey, AddressValue>> for MapSetting {
    type Error = String;

    fn try_from(given: BTreeMap<AddressKey, AddressValue>) -> Result<Self, String> {
        if given.is_empty() {
            return Err("the map is empty: nothing would be matched. Remove it".to_owned());
        }
        let mut map = RecipientMap::default();
        for (AddressKey(key), AddressValue(to)) in given {
            if !map.add(&key, to) {
                return Err(format!(
                    "\"{key}\" is in the map twice: the case of letters makes no difference"
                ));
            }
        }
        Ok(Self(map))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn fields_that_a_sender_writes_say_nothing_of_the_envelope() {
        assert_eq!(read::<EnvelopeFields>("\"X-Rcpt\"").unwrap().0, ["X-Rcpt"]);
        for (bad, hint) in [
            ("[]", "empty"),
            ("\"Delivered-To:\"", "write \"Delivered-To\""),
            ("\"received\"", "received_for = true"),
            ("[\"X-A\", \"to\"]", "written by the sender"),
            ("\"X A\"", "no name of a header field"),
            ("\"\"", "no name of a header field"),
            ("[\"X-A\", \"x-a\"]", "twice"),
        ] {
            assert!(complaint::<EnvelopeFields>(bad).contains(hint), "{bad}");
        }
    }

    #[test]
    fn a_map_leads_from_addresses_and_domains_to_addresses_and_domains() {
        let map =
            "{ \"a@x.org\" = \"jane\", \"@x.org\" = [\"@home.lan\", \"b@c\"], \"*\" = \"p@c\" }";
        let map = read::<MapSetting>(map).unwrap().0;
        let line = map.line(&Recipient::new("z@X.org").unwrap()).unwrap();
        assert_eq!((line.key, line.to.len()), ("@x.org", 2));
        for (bad, hint) in [
            ("{}", "empty"),
            ("{ \"a\" = \"b@c\" }", "\"a\" is no address with a domain"),
            ("{ \"@\" = \"b@c\" }", "\"@\" is no address"),
            (
                "{ \"a@b\" = \"no one\" }",
                "\"no one\" is no address and no \"@domain\"",
            ),
            (
                "{ \"a@b\" = \"@no..domain\" }",
                "\"@no..domain\" is no address",
            ),
            ("{ \"a@b\" = [] }", "1 to 100 addresses"),
            ("{ \"a@b\" = 1 }", "string"),
            ("{ \"a@b\" = \"b@c\", \"A@B\" = \"b@c\" }", "twice"),
        ] {
            let said = complaint::<MapSetting>(bad);
            assert!(said.contains(hint), "{bad}: {said}");
        }
    }

    #[test]
    fn hosts_and_prefixes_are_what_a_header_can_name() {
        let hosts = read::<HostNames>("[\"MX.Example.org.\", \"[192.0.2.1]\"]").unwrap();
        assert_eq!(hosts.0, ["mx.example.org", "192.0.2.1"]);
        assert!(complaint::<HostNames>("\"no host\"").contains("blanks"));
        assert!(complaint::<HostNames>("[]").contains("empty"));
        assert_eq!(read::<LocalPrefix>("\"x-\"").unwrap().0, "x-");
        for bad in ["\"\"", "\"a b\"", "\"a@b\"", "\"-x\""] {
            assert!(
                complaint::<LocalPrefix>(bad).contains("local parts"),
                "{bad}"
            );
        }
    }
}

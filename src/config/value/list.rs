//! Lists of values: fingerprints, deliveries, exit codes.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use crate::config::value::text::OneOrMany;
use crate::config::value::word::Word;
use crate::mail::text::Shown;
use crate::mail::{ExitClass, Fingerprint};

/// One SHA-256 in hexadecimal, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct Fingerprints(pub(in crate::config) Vec<Fingerprint>);

/// The name of a delivery, or a list of several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct DeliveryNames(pub(in crate::config) Vec<String>);

/// A name, or a list of names that may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany")]
pub(in crate::config) struct FilterNames(pub(in crate::config) Vec<String>);

/// The meaning of exit codes, by code: `{ "77" = "transient" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Word<ExitClass>>")]
pub(in crate::config) struct ExitCodes(pub(in crate::config) BTreeMap<i32, ExitClass>);

impl TryFrom<OneOrMany> for Fingerprints {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let texts = given.into_vec();
        if texts.is_empty() {
            return Err("the list is empty: give a fingerprint, or remove the setting".to_owned());
        }
        let read = texts.iter().map(|text| {
            Fingerprint::from_text(text).ok_or_else(|| {
                format!(
                    "\"{}\" is not the SHA-256 of a certificate: 64 hexadecimal digits, with or \
                     without colons. `openssl x509 -in CERT -noout -fingerprint -sha256` prints it",
                    Shown::new(text)
                )
            })
        });
        Ok(Self(read.collect::<Result<_, _>>()?))
    }
}

impl TryFrom<OneOrMany> for DeliveryNames {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let names = given.into_vec();
        if names.is_empty() {
            return Err("the list is empty: name at least one delivery".to_owned());
        }
        let mut known = HashSet::new();
        match names.iter().find(|name| !known.insert(*name)) {
            Some(twice) => Err(format!(
                "\"{}\" is in the list twice; remove one of the two",
                Shown::new(twice)
            )),
            None => Ok(Self(names)),
        }
    }
}

impl From<OneOrMany> for FilterNames {
    fn from(given: OneOrMany) -> Self {
        Self(given.into_vec())
    }
}

impl TryFrom<BTreeMap<String, Word<ExitClass>>> for ExitCodes {
    type Error = String;

    fn try_from(given: BTreeMap<String, Word<ExitClass>>) -> Result<Self, String> {
        let mut codes = BTreeMap::new();
        for (text, Word(verdict)) in given {
            let code = text.parse::<u8>();
            let code = code
                .map_err(|_| format!("\"{}\" is not an exit code, 1 to 255", Shown::new(&text)))?;
            if code == 0 {
                return Err("exit code 0 always means accepted".to_owned());
            }
            codes.insert(i32::from(code), verdict);
        }
        Ok(Self(codes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn fingerprints_come_with_or_without_colons_one_or_several() {
        let plain = "0123456789abcdef".repeat(4);
        let upper = plain.to_uppercase();
        let pairs: Vec<&str> = (0..32).map(|i| &upper[2 * i..2 * i + 2]).collect();
        let colons = pairs.join(":");
        let given = format!("[\"{plain}\", \"{colons}\", \"sha256 Fingerprint={colons}\"]");
        let read_as = Fingerprint::from_text(&plain).unwrap();
        assert_eq!(read::<Fingerprints>(&given).unwrap().0, [read_as; 3]);
        assert_eq!(
            read::<Fingerprints>(&format!("\"{plain}\"")).unwrap().0,
            [read_as]
        );
    }

    #[test]
    fn an_md5_fingerprint_is_refused_with_the_command_that_prints_the_right_one() {
        let md5 = ["AB"; 16].join(":");
        assert!(complaint::<Fingerprints>(&format!("\"{md5}\"")).contains("openssl x509"));
        assert!(complaint::<Fingerprints>("[]").contains("empty"));
    }

    #[test]
    fn deliveries_come_one_or_several_and_each_once() {
        let names = |given: &str| read::<DeliveryNames>(given).unwrap().0;
        assert_eq!(names("\"local\""), ["local"]);
        assert_eq!(names("[\"local\", \"archive\"]"), ["local", "archive"]);
        assert!(complaint::<DeliveryNames>("[]").contains("empty"));
        let twice = complaint::<DeliveryNames>("[\"a\", \"b\", \"a\"]");
        assert!(twice.starts_with("\"a\" is in the list twice"), "{twice}");
    }

    #[test]
    fn exit_codes_have_fixed_numbers_and_names() {
        let codes = read::<ExitCodes>(r#"{ "77" = "transient", 99 = "accepted" }"#).unwrap();
        assert_eq!(codes.0[&77], ExitClass::Transient);
        assert_eq!(codes.0[&99], ExitClass::Accepted);
        assert!(complaint::<ExitCodes>(r#"{ "300" = "transient" }"#).contains("300"));
        assert!(complaint::<ExitCodes>(r#"{ "0" = "transient" }"#).contains("always"));
        assert!(complaint::<ExitCodes>(r#"{ "77" = "later" }"#).contains("\"transient\""));
    }
}

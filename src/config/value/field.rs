//! Header fields that are added to messages.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::value::template::read;
use crate::mail::{AddedField, FieldWord, Template};

/// Header fields by their names: `{ X-Fetched-From = "{account}" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<FieldName, FieldText>")]
pub(in crate::config) struct AddedFields(pub(in crate::config) Vec<AddedField>);

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct FieldName(String);

/// The value of a field, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct FieldText(Template<FieldWord>);

impl TryFrom<String> for FieldName {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let checked = AddedField::check_name(&given);
        checked.map_err(|error| error.to_string())?;
        Ok(Self(given))
    }
}

impl TryFrom<String> for FieldText {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let value = read(&given, &FieldWord::ALL)?;
        let checked = AddedField::new("X", value.clone());
        checked.map_err(|error| error.to_string())?;
        Ok(Self(value))
    }
}

impl TryFrom<BTreeMap<FieldName, FieldText>> for AddedFields {
    type Error = String;

    fn try_from(given: BTreeMap<FieldName, FieldText>) -> Result<Self, String> {
        let fields = given
            .into_iter()
            .map(|(name, text)| AddedField::new(&name.0, text.0));
        let fields = fields.collect::<Result<_, _>>();
        fields.map(Self).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn fields_have_names_and_values_with_placeholders() {
        let fields = read::<AddedFields>("{ X-B = \"{host}\", \"X-A\" = \"plain\" }").unwrap();
        assert_eq!(fields.0.len(), 2);
        for (bad, hint) in [
            ("{ X-A = \"{acount}\" }", "did you mean {account}?"),
            ("{ X-A = \"a\\nb\" }", "control"),
            ("{ \"X A\" = \"b\" }", "did you mean \"X-A\"?"),
            ("{ Subject = \"b\" }", "\"X-Subject\""),
            ("{ X-A = 1 }", "string"),
        ] {
            assert!(complaint::<AddedFields>(bad).contains(hint), "{bad}");
        }
    }
}

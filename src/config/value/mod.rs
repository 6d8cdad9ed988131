//! The kinds of values that settings have. Each says in its error what it expected.

mod envelope;
mod field;
mod host;
mod list;
mod mode;
mod number;
mod period;
mod retention;
mod template;
mod text;
mod word;

pub(super) use envelope::{EnvelopeFields, HostNames, LocalPrefix, MapSetting};
pub(super) use field::AddedFields;
pub(super) use host::{HostName, is_loopback, is_private};
pub(super) use list::{DeliveryNames, ExitCodes, FilterNames, Fingerprints};
pub(super) use mode::FileMode;
pub(super) use number::{Count, CountOr, Octets, OctetsOr, Port};
pub(super) use period::{Interval, Period};
pub(super) use retention::Keeping;
pub(super) use template::{FolderText, PathText, no_placeholder};
pub(super) use text::{Address, CommandSetting, FilePath, Line, SenderSetting};
pub(super) use word::Word;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing {
    //! Reads one value as from a file.

    use serde::de::DeserializeOwned;
    use toml::de::ValueDeserializer;

    pub(in crate::config) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let value = ValueDeserializer::parse(text).unwrap();
        T::deserialize(value).map_err(|error| error.message().to_owned())
    }

    pub(in crate::config) fn complaint<T: DeserializeOwned>(text: &str) -> String {
        read::<T>(text).err().unwrap()
    }
}

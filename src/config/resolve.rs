//! Resolve: from tables of settings to complete values, checked against each other.

use std::path::PathBuf;

use crate::config::error::Complaint;
use crate::config::setting::{Complaints, Given, Table, TableReader};
use crate::config::source::{At, ConfigSource, SourcePlace};
use crate::config::value::{FilePath, Fingerprints, HostName, Word};
use crate::config::{Environment, SecretSource};
use crate::mail::{ClientCertificate, TlsMode, TlsPolicy};

use toml::de::DeTable;

/// Makes values from tables, and reports errors.
pub(super) struct Resolver<'a> {
    pub(super) sources: &'a [ConfigSource],
    pub(super) environment: &'a Environment,
    pub(super) complaints: &'a mut Complaints,
}

/// The header of a table, for error messages.
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    pub(super) place: SourcePlace,
}

impl<'a> Header<'a> {
    /// A header with this name at this place.
    pub(super) fn new(name: &'a str, place: SourcePlace) -> Self {
        Self { name, place }
    }
}

impl<'a> Resolver<'a> {
    /// A resolver for the tables of `sources`.
    pub(super) fn new(
        sources: &'a [ConfigSource],
        environment: &'a Environment,
        complaints: &'a mut Complaints,
    ) -> Self {
        Self {
            sources,
            environment,
            complaints,
        }
    }

    pub(super) fn complain(&mut self, place: SourcePlace, complaint: Complaint) {
        self.complaints.push((place, complaint));
    }

    /// A required setting.
    pub(super) fn need<T>(
        &mut self,
        header: &Header<'_>,
        name: &'static str,
        given: Given<T>,
    ) -> Option<T> {
        self.need_at(header, name, given).map(|found| found.value)
    }

    pub(super) fn need_at<T>(
        &mut self,
        header: &Header<'_>,
        name: &'static str,
        given: Given<T>,
    ) -> Option<At<T>> {
        if matches!(given, Given::Not) {
            self.missing(header, name, String::new());
        }
        given.some()
    }

    pub(super) fn missing(&mut self, header: &Header<'_>, name: &'static str, hint: String) {
        let table = header.name.to_owned();
        self.complain(header.place, Complaint::Missing { name, table, hint });
    }

    pub(super) fn path(&self, path: At<FilePath>) -> PathBuf {
        path.value.within(&self.sources[path.place.source].folder())
    }

    /// The source of a secret. A secret in the configuration file itself requires that no other
    /// user can read that file.
    pub(super) fn secret(&mut self, secret: At<SecretSource>) -> SecretSource {
        let source = &self.sources[secret.place.source];
        if matches!(secret.value, SecretSource::Inline(_)) && source.is_shared() {
            let complaint = Complaint::ReadableSecret {
                name: "password",
                mode: source.mode(),
            };
            self.complain(secret.place, complaint);
        }
        secret.value.within(&source.folder())
    }

    pub(super) fn tls(&mut self, settings: TlsSettings, host: &str) -> TlsPolicy {
        let client = match (settings.client_cert.some(), settings.client_key.some()) {
            (Some(cert), Some(key)) => Some(ClientCertificate {
                cert: self.path(cert),
                key: self.path(key),
            }),
            (None, None) => None,
            (Some(alone), None) | (None, Some(alone)) => {
                let rule = "`tls_client_cert` and `tls_client_key` go together: give both, or none"
                    .to_owned();
                self.complain(alone.place, Complaint::Conflict(rule));
                None
            }
        };
        let server_name = settings.server_name.some();
        TlsPolicy {
            mode: settings.mode,
            ca_file: settings.ca_file.some().map(|path| self.path(path)),
            fingerprints: settings
                .fingerprint
                .some()
                .map_or_else(Vec::new, |f| f.value.0),
            server_name: Some(
                server_name.map_or_else(|| host.to_owned(), |name| name.value.into_string()),
            ),
            client,
        }
    }
}

/// The TLS settings of an account or a relay.
pub(super) struct TlsSettings {
    pub(super) mode: TlsMode,
    pub(super) ca_file: Given<FilePath>,
    pub(super) fingerprint: Given<Fingerprints>,
    pub(super) server_name: Given<HostName>,
    pub(super) client_cert: Given<FilePath>,
    pub(super) client_key: Given<FilePath>,
}

/// A table of defaults. It is read by the same code as any other table, so that the reference
/// always matches the program.
pub(super) fn built_in<T: Table>() -> T {
    let source = ConfigSource::built_in(T::defaults());
    let (table, _) = DeTable::parse_recoverable(source.text());
    // A default that cannot be read is missing then, and `need` reports it; a test reads all of
    // them.
    let mut complaints = Complaints::new();
    T::read(&mut TableReader::new(
        table.into_inner(),
        "the defaults",
        0,
        &mut complaints,
    ))
}

/// A bounded count, in the type that collections use.
pub(super) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The value of a choice.
pub(super) fn chosen<T: Copy>(given: &At<Word<T>>) -> T {
    given.value.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account::AccountTable;
    use crate::config::delivery::{LmtpTable, MaildirTable, MdaTable, SmtpTable};
    use crate::config::envelope::EnvelopeTable;
    use crate::config::filter::FilterTable;
    use crate::config::setting::{Setting, Without};
    use crate::config::top::{LogTable, TopTable};

    fn every_value_is_read<T: Table>() -> Vec<String> {
        let value = |setting: &Setting| match setting.without {
            Without::Required(example)
            | Without::Otherwise(_, example)
            | Without::Others(_, example) => example,
            Without::Default(value) => value,
        };
        let lines: Vec<_> = T::SETTINGS
            .iter()
            .map(|s| format!("{} = {}\n", s.name, value(s)))
            .collect();
        let text = lines.concat();
        let (table, errors) = DeTable::parse_recoverable(&text);
        let mut complaints = Complaints::new();
        T::read(&mut TableReader::new(
            table.into_inner(),
            "examples",
            0,
            &mut complaints,
        ));
        let errors = errors.iter().map(|error| error.message().to_owned());
        errors
            .chain(
                complaints
                    .iter()
                    .map(|(_, complaint)| complaint.to_string()),
            )
            .collect()
    }

    #[test]
    fn every_default_and_example_of_every_setting_can_be_read() {
        assert_eq!(every_value_is_read::<TopTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<LogTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<AccountTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<EnvelopeTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<FilterTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<MdaTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<SmtpTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<LmtpTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<MaildirTable>(), [""; 0]);
    }
}

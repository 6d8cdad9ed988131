//! Resolve: from tables of settings to values without gaps, checked against each other.

mod account;
mod delivery;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::error::Complaint;
use crate::config::file::Tables;
use crate::config::setting::{Complaints, Given, Table, TableReader};
use crate::config::source::{At, Place, Source};
use crate::config::table::AccountTable;
use crate::config::value::{FilePath, Fingerprints, HostName, Word};
use crate::config::{Config, Environment, Log, SecretSource};
use crate::mail::{ClientCertificate, TlsMode, TlsPolicy};

use toml::de::DeTable;

/// Makes values of tables, and complains.
pub(super) struct Resolver<'a> {
    sources: &'a [Source],
    environment: &'a Environment,
    complaints: &'a mut Complaints,
}

/// A table of the file, for those who complain about it.
struct Header<'a> {
    name: &'a str,
    place: Place,
}

impl<'a> Resolver<'a> {
    /// For what was read from `sources`.
    pub(super) fn new(
        sources: &'a [Source],
        environment: &'a Environment,
        complaints: &'a mut Complaints,
    ) -> Self {
        Self {
            sources,
            environment,
            complaints,
        }
    }

    /// The whole configuration; `None` when anything was complained about.
    pub(super) fn config(mut self, tables: Tables) -> Option<Config> {
        let start = Place {
            source: 0,
            offset: 0,
        };
        let file = Header {
            name: "the file",
            place: start,
        };
        let top = tables.top.over(&built_in());
        let log = tables.log.over(&built_in());
        let accounts = tables.accounts;
        if accounts.is_empty() && self.complaints.is_empty() {
            self.complain(start, Complaint::NoAccount);
        }
        let defaults = tables.defaults.over(&built_in::<AccountTable>());
        let accounts = self.accounts(accounts, &defaults, &tables.deliveries);
        let deliveries: BTreeMap<_, _> = tables
            .deliveries
            .into_iter()
            .filter_map(|(name, table)| {
                let delivery = self.delivery(&name, table)?;
                Some((name, delivery))
            })
            .collect();
        let state_dir = self.state_dir(top.state_dir);
        let max_sessions = self.need(&file, "max_sessions", top.max_sessions);
        let max_sessions_per_host =
            self.need(&file, "max_sessions_per_host", top.max_sessions_per_host);
        let max_unrecorded = self.need(&file, "max_unrecorded", top.max_unrecorded);
        let forget_after = self.need(&file, "forget_after", top.forget_after);
        let shutdown_timeout = self.need(&file, "shutdown_timeout", top.shutdown_timeout);
        let level = self.need(&file, "level", log.level);
        let format = self.need(&file, "format", log.format);
        if !self.complaints.is_empty() {
            return None;
        }
        Some(Config {
            state_dir: state_dir?,
            max_sessions: count(max_sessions?.0),
            max_sessions_per_host: count(max_sessions_per_host?.0),
            max_unrecorded: count(max_unrecorded?.0),
            forget_after: forget_after?.duration(),
            shutdown_timeout: shutdown_timeout?.duration(),
            log: Log {
                level: level?.0,
                format: format?.0,
            },
            accounts,
            deliveries,
        })
    }

    fn state_dir(&mut self, given: Given<FilePath>) -> Option<PathBuf> {
        match given {
            Given::As(path) => Some(self.path(path)),
            Given::Badly => None,
            Given::Not => {
                let default = self.environment.state_dir();
                if default.is_none() {
                    let complaint = Complaint::NoHome {
                        variable: "XDG_STATE_HOME",
                        instead: "state_dir = \"/path\"",
                    };
                    self.complain(
                        Place {
                            source: 0,
                            offset: 0,
                        },
                        complaint,
                    );
                }
                default
            }
        }
    }

    fn complain(&mut self, place: Place, complaint: Complaint) {
        self.complaints.push((place, complaint));
    }

    /// A setting that must be there.
    fn need<T>(&mut self, header: &Header<'_>, name: &'static str, given: Given<T>) -> Option<T> {
        self.need_at(header, name, given).map(|found| found.value)
    }

    fn need_at<T>(
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

    fn missing(&mut self, header: &Header<'_>, name: &'static str, hint: String) {
        let table = header.name.to_owned();
        self.complain(header.place, Complaint::Missing { name, table, hint });
    }

    fn path(&self, path: At<FilePath>) -> PathBuf {
        path.value.within(&self.sources[path.place.source].folder())
    }

    /// The place of a secret; one that stands in the file itself needs a file that nobody else can
    /// read.
    fn secret(&mut self, secret: At<SecretSource>) -> SecretSource {
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

    fn tls(&mut self, settings: TlsSettings, host: &str) -> TlsPolicy {
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

/// What accounts and relays say about TLS.
struct TlsSettings {
    mode: TlsMode,
    ca_file: Given<FilePath>,
    fingerprint: Given<Fingerprints>,
    server_name: Given<HostName>,
    client_cert: Given<FilePath>,
    client_key: Given<FilePath>,
}

/// A table of defaults, read by the same code as any other, so that the reference cannot differ
/// from what holds.
fn built_in<T: Table>() -> T {
    let source = Source::built_in(T::defaults());
    let (table, _) = DeTable::parse_recoverable(source.text());
    // A default that cannot be read is missing then, and `need` says so; a test reads them all.
    let mut complaints = Complaints::new();
    T::read(&mut TableReader::new(
        table.into_inner(),
        "the defaults",
        0,
        &mut complaints,
    ))
}

/// A bounded count as the type collections use.
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The mode of a choice that was made.
fn chosen<T: Copy>(given: &At<Word<T>>) -> T {
    given.value.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::{Setting, Without};
    use crate::config::table::{LogTable, MaildirTable, MdaTable, SmtpTable, TopTable};

    fn every_value_is_read<T: Table>() -> Vec<String> {
        let value = |setting: &Setting| match setting.without {
            Without::Required(example) | Without::Otherwise(_, example) => example,
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
        assert_eq!(every_value_is_read::<MdaTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<SmtpTable>(), [""; 0]);
        assert_eq!(every_value_is_read::<MaildirTable>(), [""; 0]);
    }
}

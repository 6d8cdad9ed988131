//! Parse: from the text of the files to tables of settings. Unknown settings are reported.

use toml::de::{DeTable, DeValue};

use crate::config::account::{AccountTable, AccountTables};
use crate::config::delivery::{DeliveryTable, LmtpTable, MaildirTable, MdaTable, SmtpTable};
use crate::config::envelope::EnvelopeTable;
use crate::config::error::Complaint;
use crate::config::filter::FilterTable;
use crate::config::nearest::nearest;
use crate::config::setting::{Complaints, Given, Table, TableReader};
use crate::config::source::{At, ConfigSource, SourcePlace};
use crate::config::top::{Tables, TopTable};
use crate::config::value::MapSetting;
use crate::mail::AccountName;

impl Tables {
    /// Adds the tables of the last of `sources`. The first source is the main file; the others have
    /// only accounts and deliveries.
    pub(super) fn add(&mut self, sources: &[ConfigSource], complaints: &mut Complaints) {
        let Some((index, source)) = sources.iter().enumerate().next_back() else {
            return;
        };
        let (table, errors) = DeTable::parse_recoverable(source.text());
        if !errors.is_empty() {
            // Tables recovered after a syntax error are ignored: half of a password may look like
            // an unknown setting.
            complaints.extend(errors.iter().map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                let place = SourcePlace {
                    source: index,
                    offset,
                };
                let said = match error.message() {
                    "duplicate key" => "this name is used twice in this file",
                    said => said,
                };
                (place, Complaint::Syntax(said.to_owned()))
            }));
            return;
        }
        let main = index == 0;
        let header = if main {
            "the main file"
        } else {
            "a file of accounts.d"
        };
        let mut reader = TableReader::new(table.into_inner(), header, index, complaints);
        let accounts = reader.take_table("account");
        let deliveries = reader.take_table("delivery");
        let filters = reader.take_table("filter");
        let (mut log, mut defaults) = (None, None);
        if main {
            self.top = TopTable::read(&mut reader);
            log = reader.take_table("log");
            defaults = reader.take_table("defaults");
            if let Some(place) = reader.discard("http") {
                reader.complain(place.offset, Complaint::NotYet("[http]".to_owned()));
            }
            let tables = ["log", "defaults", "account", "delivery", "filter"];
            let known: Vec<_> = names::<TopTable>().chain(tables).collect();
            reader.finish(&known, |name| belongs(name, &[ACCOUNT, DELIVERY, FILTER]));
        } else {
            reader.finish(&["account", "delivery", "filter"], |name| match name {
                "log" | "defaults" | "http" => Some(format!("[{name}] belongs in the main file")),
                _ => belongs(name, &[TOP, ACCOUNT, DELIVERY, FILTER]),
            });
        }
        if let Some((table, _)) = log {
            self.log = read_whole(TableReader::new(table, "[log]", index, complaints));
        }
        if let Some((table, _)) = defaults {
            self.defaults = defaults_of(TableReader::new(table, "[defaults]", index, complaints));
        }
        if let Some((table, _)) = accounts {
            self.add_accounts(table, sources, complaints);
        }
        if let Some((table, _)) = deliveries {
            self.add_deliveries(table, sources, complaints);
        }
        if let Some((table, _)) = filters {
            self.add_filters(table, sources, complaints);
        }
    }

    fn add_filters(
        &mut self,
        filters: DeTable<'_>,
        sources: &[ConfigSource],
        complaints: &mut Complaints,
    ) {
        for_each_named(
            "filter",
            filters,
            sources,
            complaints,
            |name, place, table, complaints| {
                let header = format!("[filter.{name}]");
                if AccountName::new(&name).is_err() {
                    let why = "a filter's name is 1 to 64 of A-Z a-z 0-9 . _ @ + - and begins \
                         with a letter, a digit or _";
                    let (name, why) = (format!("filter.{name}"), why.to_owned());
                    return complaints.push((place, Complaint::Value { name, why }));
                }
                if let Some(first) = self.filters.get(&name) {
                    return complaints.push((place, duplicate(header, first.place, sources)));
                }
                let mut reader = TableReader::new(table, header, place.source, complaints);
                let value = FilterTable::read(&mut reader);
                let known: Vec<_> = names::<FilterTable>().collect();
                reader.finish(&known, |name| belongs(name, &[TOP, ACCOUNT, DELIVERY]));
                self.filters.insert(name, At { value, place });
            },
        );
    }

    fn add_accounts(
        &mut self,
        accounts: DeTable<'_>,
        sources: &[ConfigSource],
        complaints: &mut Complaints,
    ) {
        for_each_named(
            "account",
            accounts,
            sources,
            complaints,
            |name, place, table, complaints| {
                let header = format!("[account.{name}]");
                let name = match AccountName::new(&name) {
                    Ok(name) => name,
                    Err(error) => {
                        let (name, why) = (format!("account.{name}"), error.to_string());
                        return complaints.push((place, Complaint::Value { name, why }));
                    }
                };
                if let Some(first) = self.accounts.get(&name) {
                    return complaints.push((place, duplicate(header, first.place, sources)));
                }
                let value = account_of(TableReader::new(table, header, place.source, complaints));
                self.accounts.insert(name, At { value, place });
            },
        );
    }

    fn add_deliveries(
        &mut self,
        deliveries: DeTable<'_>,
        sources: &[ConfigSource],
        complaints: &mut Complaints,
    ) {
        for_each_named(
            "delivery",
            deliveries,
            sources,
            complaints,
            |name, place, table, complaints| {
                let header = format!("[delivery.{name}]");
                // A `+` joins the names of several deliveries in the log.
                if AccountName::new(&name).is_err() || name.contains('+') {
                    let why = "a delivery's name is 1 to 64 of A-Z a-z 0-9 . _ @ - and begins \
                     with a letter, a digit or _";
                    let (name, why) = (format!("delivery.{name}"), why.to_owned());
                    return complaints.push((place, Complaint::Value { name, why }));
                }
                if let Some(first) = self.deliveries.get(&name) {
                    return complaints.push((place, duplicate(header, first.place, sources)));
                }
                let reader = TableReader::new(table, header.clone(), place.source, complaints);
                let value = delivery_of(reader, place);
                self.deliveries.insert(name, At { value, place });
            },
        );
    }
}

/// Calls `take` for each `[kind.NAME]`.
fn for_each_named<'i>(
    kind: &'static str,
    tables: DeTable<'i>,
    sources: &[ConfigSource],
    complaints: &mut Complaints,
    mut take: impl FnMut(String, SourcePlace, DeTable<'i>, &mut Complaints),
) {
    for (name, table) in tables {
        let place = SourcePlace {
            source: sources.len() - 1,
            offset: name.span().start,
        };
        let name = name.into_inner().into_owned();
        match table.into_inner() {
            DeValue::Table(table) => take(name, place, table, complaints),
            _ => {
                let why = format!("a name is missing in the header: write [{kind}.NAME]");
                complaints.push((place, Complaint::Value { name, why }));
            }
        }
    }
}

fn duplicate(table: String, first: SourcePlace, sources: &[ConfigSource]) -> Complaint {
    let first = sources[first.source].spot(first.offset);
    Complaint::Duplicate { table, first }
}

fn read_whole<T: Table>(mut reader: TableReader<'_, '_>) -> T {
    let table = T::read(&mut reader);
    let known: Vec<_> = names::<T>().collect();
    reader.finish(&known, |name| belongs(name, &[TOP, ACCOUNT, DELIVERY]));
    table
}

fn account_of(mut reader: TableReader<'_, '_>) -> AccountTables {
    refuse_token(&mut reader);
    let account = AccountTable::read(&mut reader);
    let header = format!("{}.envelope]", reader.header().trim_end_matches(']'));
    let envelope = reader
        .take_table_of("envelope", &header)
        .map(|(table, offset)| {
            let mut reader = reader.inside(table, header);
            let place = reader.place(offset);
            let has_bad_line = reader.has_bad_line("map", MapSetting::check_line);
            let mut value = EnvelopeTable::read(&mut reader);
            if has_bad_line {
                value.map = Given::Badly;
            }
            let known: Vec<_> = names::<EnvelopeTable>().collect();
            reader.finish(&known, |name| belongs(name, &[ACCOUNT, TOP, DELIVERY]));
            At { value, place }
        });
    let known: Vec<_> = names::<AccountTable>().chain(["envelope"]).collect();
    reader.finish(&known, |name| belongs(name, &[ENVELOPE, TOP, DELIVERY]));
    AccountTables { account, envelope }
}

fn defaults_of(mut reader: TableReader<'_, '_>) -> AccountTable {
    refuse_token(&mut reader);
    for name in ["user", "password", "envelope"] {
        if let Some(place) = reader.discard(name) {
            let complaint = Complaint::Misplaced {
                name: name.to_owned(),
                table: "[defaults]".to_owned(),
                hint: "every [account.NAME] has its own".to_owned(),
            };
            reader.complain(place.offset, complaint);
        }
    }
    let table = AccountTable::read(&mut reader);
    let known: Vec<_> = names::<AccountTable>()
        .filter(|name| !["user", "password"].contains(name))
        .collect();
    reader.finish(&known, |name| belongs(name, &[TOP, DELIVERY]));
    table
}

fn refuse_token(reader: &mut TableReader<'_, '_>) {
    if let Some(place) = reader.discard("token") {
        let what = "`token` (OAuth 2.0)".to_owned();
        reader.complain(place.offset, Complaint::NotYet(what));
    }
}

fn delivery_of(mut reader: TableReader<'_, '_>, place: SourcePlace) -> DeliveryTable {
    let types = ["mda", "lmtp", "smtp", "maildir"];
    let kind = match reader.take::<String>("type") {
        Given::As(kind) => kind,
        Given::Badly => return DeliveryTable::Unknown,
        Given::Not => {
            let complaint = Complaint::Missing {
                name: "type",
                table: reader.header().to_owned(),
                hint: "give it type = \"lmtp\", \"mda\", \"smtp\" or \"maildir\"".to_owned(),
            };
            reader.complain(place.offset, complaint);
            return DeliveryTable::Unknown;
        }
    };
    match kind.value.as_str() {
        "mda" => DeliveryTable::Mda(read_delivery(reader)),
        "smtp" => DeliveryTable::Smtp(read_delivery(reader)),
        "maildir" => DeliveryTable::Maildir(read_delivery(reader)),
        "lmtp" => DeliveryTable::Lmtp(read_delivery(reader)),
        "own" => DeliveryTable::Own(read_delivery(reader)),
        other => {
            let hint = nearest(other, types)
                .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            let complaint = Complaint::Value {
                name: "type".to_owned(),
                why: format!("it is \"lmtp\", \"mda\", \"smtp\" or \"maildir\"{hint}"),
            };
            reader.complain(kind.place.offset, complaint);
            DeliveryTable::Unknown
        }
    }
}

fn read_delivery<T: Table>(mut reader: TableReader<'_, '_>) -> T {
    let table = T::read(&mut reader);
    let known: Vec<_> = names::<T>().chain(["type"]).collect();
    reader.finish(&known, |name| {
        belongs(name, &[MDA, SMTP, LMTP, MAILDIR, TOP, ACCOUNT])
    });
    table
}

fn names<T: Table>() -> impl Iterator<Item = &'static str> {
    T::SETTINGS.iter().map(|setting| setting.name)
}

/// Says where a misplaced name belongs: the first of the given places that has such a setting.
fn belongs(name: &str, places: &[Home]) -> Option<String> {
    let home = places.iter().find(|home| (home.has)(name))?;
    Some(format!("it belongs {}", home.is))
}

/// A table that has settings of its own.
#[derive(Clone, Copy)]
struct Home {
    is: &'static str,
    has: fn(&str) -> bool,
}

fn has<T: Table>(name: &str) -> bool {
    names::<T>().any(|known| known == name)
}

const TOP: Home = Home {
    is: "in the main file, above its first [table]",
    has: has::<TopTable>,
};
const ACCOUNT: Home = Home {
    is: "in an [account.NAME], or in [defaults]",
    has: has::<AccountTable>,
};
const ENVELOPE: Home = Home {
    is: "in an [account.NAME.envelope]",
    has: has::<EnvelopeTable>,
};
const DELIVERY: Home = Home {
    is: "in a [delivery.NAME]",
    has: |name| {
        has::<MdaTable>(name)
            || has::<SmtpTable>(name)
            || has::<LmtpTable>(name)
            || has::<MaildirTable>(name)
            || name == "type"
    },
};
const FILTER: Home = Home {
    is: "in a [filter.NAME]",
    has: has::<FilterTable>,
};
const MDA: Home = Home {
    is: "in a delivery of type = \"mda\"",
    has: has::<MdaTable>,
};
const SMTP: Home = Home {
    is: "in a delivery of type = \"smtp\"",
    has: has::<SmtpTable>,
};
const LMTP: Home = Home {
    is: "in a delivery of type = \"lmtp\"",
    has: has::<LmtpTable>,
};
const MAILDIR: Home = Home {
    is: "in a delivery of type = \"maildir\"",
    has: has::<MaildirTable>,
};

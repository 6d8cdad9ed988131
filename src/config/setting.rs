//! One declaration for each setting: its name, type, default and description. The reference is
//! generated from them.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::Complaint;
use crate::config::nearest::nearest;
use crate::config::source::{At, SourcePlace};

/// One setting, as a reader of the reference sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// The key in the file.
    pub(super) name: &'static str,
    /// Its meaning, line by line.
    pub(super) doc: &'static [&'static str],
    /// What applies when it is not given.
    pub(super) without: Without,
}

/// What applies when a setting is not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Without {
    /// Nothing, because the setting is required. The text is an example.
    Required(&'static str),
    /// This value, in TOML. It is read by the same code as any other.
    Default(&'static str),
    /// The first text describes it; the second is an example.
    Otherwise(&'static str, &'static str),
    /// The settings that the first text names. They and this one exclude each other. The second
    /// text is an example.
    Others(&'static str, &'static str),
}

/// Whether a setting was given.
#[derive(Clone, Debug, Default)]
pub(super) enum Given<T> {
    /// It was not given.
    #[default]
    Not,
    /// It was given but is invalid, which was reported.
    Badly,
    /// It was given with this value.
    As(At<T>),
}

impl<T: Clone> Given<T> {
    /// Returns this, or `other` if this was not given.
    pub(super) fn or(self, other: &Self) -> Self {
        match self {
            Self::Not => other.clone(),
            given => given,
        }
    }
}

impl<T> Given<T> {
    /// The value, if it was given and is valid.
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::As(given) => Some(&given.value),
            Self::Not | Self::Badly => None,
        }
    }

    /// The value with its place, if it was given and is valid.
    pub(super) fn some(self) -> Option<At<T>> {
        match self {
            Self::As(value) => Some(value),
            Self::Not | Self::Badly => None,
        }
    }
}

/// A table of settings.
pub(super) trait Table: Sized {
    /// Every setting the table may have.
    const SETTINGS: &'static [Setting];

    /// Takes every setting from a table of a file.
    fn read(reader: &mut TableReader<'_, '_>) -> Self;

    /// Combines two tables: settings that this table lacks come from `under`.
    fn over(self, under: &Self) -> Self;

    /// The defaults as TOML.
    fn defaults() -> String {
        let mut text = String::new();
        for setting in Self::SETTINGS {
            if let Without::Default(value) = setting.without {
                text.push_str(&format!("{} = {value}\n", setting.name));
            }
        }
        text
    }
}

/// Declares a [`Table`]: each setting once, with its documentation.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        struct $table:ident {
            $( $(#[doc = $doc:literal])+ $name:ident: $value:ty = $without:expr, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default)]
        pub(in crate::config) struct $table {
            $( $(#[doc = $doc])+ pub(in crate::config) $name: Given<$value>, )+
        }

        impl Table for $table {
            const SETTINGS: &'static [Setting] = &[
                $( Setting { name: stringify!($name), doc: &[$($doc),+], without: $without }, )+
            ];

            fn read(reader: &mut TableReader<'_, '_>) -> Self {
                Self { $( $name: reader.take(stringify!($name)), )+ }
            }

            fn over(self, under: &Self) -> Self {
                Self { $( $name: self.$name.or(&under.$name), )+ }
            }
        }
    };
}
pub(super) use settings;

/// The value of one line of a table.
pub(super) type DeLine<'i> = Spanned<DeValue<'i>>;

/// What is wrong with one line of a table.
pub(super) enum LineError {
    /// The key, for this reason.
    Key(String),
    /// The value, for this reason.
    Value(String),
}

/// The errors found so far, with their places.
pub(super) type Complaints = Vec<(SourcePlace, Complaint)>;

/// Takes settings out of one table of a file, and reports the rest as unknown.
pub(super) struct TableReader<'r, 'i> {
    table: DeTable<'i>,
    header: String,
    source: usize,
    complaints: &'r mut Complaints,
}

impl<'r, 'i> TableReader<'r, 'i> {
    /// Reads `table` of one source; messages call it `header`.
    pub(super) fn new(
        table: DeTable<'i>,
        header: impl Into<String>,
        source: usize,
        complaints: &'r mut Complaints,
    ) -> Self {
        Self {
            table,
            header: header.into(),
            source,
            complaints,
        }
    }

    /// Takes one setting.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Given<T> {
        let Some((key, value)) = self.table.remove_entry(name) else {
            return Given::Not;
        };
        let (at_key, at_value) = (key.span().start, value.span().start);
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Given::As(At {
                value,
                place: self.place(at_key),
            }),
            Err(error) => {
                let offset = error
                    .span()
                    .map_or(at_value, |span| span.start.max(at_value));
                let complaint = Complaint::Value {
                    name: name.to_owned(),
                    why: error.message().to_owned(),
                };
                self.complain(offset, complaint);
                Given::Badly
            }
        }
    }

    /// Takes one table inside this one, with the offset of its header, which is `[name]`.
    pub(super) fn take_table(&mut self, name: &str) -> Option<(DeTable<'i>, usize)> {
        self.take_table_of(name, &format!("[{name}]"))
    }

    /// Takes one table inside this one, with the offset of its header.
    pub(super) fn take_table_of(
        &mut self,
        name: &str,
        header: &str,
    ) -> Option<(DeTable<'i>, usize)> {
        let (key, value) = self.table.remove_entry(name)?;
        let offset = key.span().start;
        match value.into_inner() {
            DeValue::Table(table) => Some((table, offset)),
            _ => {
                let complaint = Complaint::Value {
                    name: name.to_owned(),
                    why: format!("it is a table: write {header} on a separate line"),
                };
                self.complain(offset, complaint);
                None
            }
        }
    }

    /// Checks each line of a table inside this one, and reports all that are wrong. Returns whether
    /// any is; the table is taken out then.
    pub(super) fn has_bad_line(
        &mut self,
        name: &str,
        check: impl Fn(&str, DeLine<'i>) -> Result<(), LineError>,
    ) -> bool {
        let Some((_, value)) = self.table.get_key_value(name) else {
            return false;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return false;
        };
        let lines = table.iter().filter_map(|(key, value)| {
            let error = check(key.get_ref(), value.clone()).err()?;
            let at = match error {
                LineError::Key(_) => key.span().start,
                LineError::Value(_) => value.span().start,
            };
            let (LineError::Key(why) | LineError::Value(why)) = error;
            Some((at, why))
        });
        let bad: Vec<(usize, String)> = lines.collect();
        let is_any = !bad.is_empty();
        for (offset, why) in bad {
            let name = name.to_owned();
            self.complain(offset, Complaint::Value { name, why });
        }
        if is_any {
            self.table.remove_entry(name);
        }
        is_any
    }

    /// Removes a name, so that it is no longer unknown, and returns its place if it was there.
    pub(super) fn discard(&mut self, name: &str) -> Option<SourcePlace> {
        let (key, _) = self.table.remove_entry(name)?;
        Some(self.place(key.span().start))
    }

    /// Reads a table inside this one; messages call it `header`.
    pub(super) fn inside<'s>(
        &'s mut self,
        table: DeTable<'i>,
        header: String,
    ) -> TableReader<'s, 'i> {
        TableReader::new(table, header, self.source, self.complaints)
    }

    /// The name of the table in messages.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Reports an error at a place of this file.
    pub(super) fn complain(&mut self, offset: usize, complaint: Complaint) {
        self.complaints.push((self.place(offset), complaint));
    }

    /// Reports all names that were not taken. `known` are the names that this table may have, and
    /// `elsewhere` says where a name belongs that is known in another table.
    pub(super) fn finish(self, known: &[&'static str], elsewhere: impl Fn(&str) -> Option<String>) {
        for (key, _) in self.table {
            let (offset, name) = (key.span().start, key.into_inner());
            let table = self.header.clone();
            let complaint = if let Some(hint) = elsewhere(&name) {
                Complaint::Misplaced {
                    name: name.into_owned(),
                    table,
                    hint,
                }
            } else {
                let near = nearest(&name, known.iter().copied());
                Complaint::Unknown {
                    hint: near.map_or_else(String::new, |near| format!("did you mean `{near}`?")),
                    name: name.into_owned(),
                    table,
                }
            };
            let place = SourcePlace {
                source: self.source,
                offset,
            };
            self.complaints.push((place, complaint));
        }
    }

    /// A place of this file.
    pub(super) fn place(&self, offset: usize) -> SourcePlace {
        SourcePlace {
            source: self.source,
            offset,
        }
    }
}

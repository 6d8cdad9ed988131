//! FilterTables: programs that see messages before their destinations do.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::config::error::Complaint;
use crate::config::nearest::nearest;
use crate::config::resolve::{Header, Resolver, built_in, count};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::At;
use crate::config::value::{CommandSetting, Count, ExitCodes, FilterNames, Line, Period};
use crate::mail::ExitClass;
use crate::mail::text::Shown;

settings! {
    /// `[filter.NAME]`
    struct FilterTable {
        /// The program (a path, or a name to find in $PATH) and its arguments; no shell is run. The
        /// message is on its standard input as received, with lines that end in LF. {sender},
        /// {recipient} (the first one), {account} and {unique_id} are replaced, as for a delivery
        /// of type = "mda", and the environment is the same.
        command: CommandSetting = Without::Required("[\"rspamc\", \"--mime\"]"),
        /// Whether the message is from here on what the program writes to its standard output. If
        /// that is empty, has no header where the message has one, or is larger than twice the
        /// message and 1 MiB, it is not used, and the message is tried again later.
        replace: bool = Without::Default("false"),
        /// The user that runs the program, when mailferry runs as root.
        user: Line = Without::Otherwise("the user that runs mailferry", "\"filter\""),
        /// The group that runs the program.
        group: Line = Without::Otherwise("the groups of user", "\"filter\""),
        /// How long the program may take for one message. After that, it and all its child
        /// processes are ended.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many of these programs run at the same time.
        parallel: Count<1, 1_000> = Without::Default("1"),
        /// The meaning of exit codes: "accepted" (the message goes on), "transient" (it is tried
        /// again later), "permanent" (quarantine) or "destination" (the filter is broken, and all
        /// messages wait).
        exit_codes: ExitCodes = Without::Otherwise(
            "0 accepted; 65 76 77 100 permanent; 126 127 destination; else transient",
            "{ \"1\" = \"permanent\" }",
        ),
    }
}

/// A program that sees messages before their destinations do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterConfig {
    /// Its name, as accounts refer to it.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether its output is the message from then on.
    pub replaces: bool,
    /// The user it runs as; mailferry's own if not given.
    pub user: Option<String>,
    /// The group it runs as; the user's if not given.
    pub group: Option<String>,
    /// How long it may take for one message.
    pub timeout: Duration,
    /// How many run at the same time.
    pub parallel: usize,
    /// Exit codes with another meaning than usual.
    pub exit_codes: BTreeMap<i32, ExitClass>,
}

/// The tables of all filters, by name.
pub(super) type FilterTables = BTreeMap<String, At<FilterTable>>;

impl Resolver<'_> {
    /// Resolves one filter; `None` if it has errors.
    pub(super) fn filter(&mut self, name: &str, table: At<FilterTable>) -> Option<FilterConfig> {
        let title = format!("[filter.{name}]");
        let header = Header {
            name: &title,
            place: table.place,
        };
        let table = table.value.over(&built_in());
        let command = self.command(&header, table.command);
        let replaces = self.need(&header, "replace", table.replace);
        let timeout = self.need(&header, "timeout", table.timeout);
        let parallel = self.need(&header, "parallel", table.parallel);
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let codes = table.exit_codes.some();
        if let Some(codes) = &codes
            && codes
                .value
                .0
                .values()
                .any(|class| *class == ExitClass::Recipient)
        {
            let why = "\"recipient\" says nothing here: a filter sees a message once for all its \
                       recipients; write \"permanent\" or \"transient\""
                .to_owned();
            let name = "exit_codes".to_owned();
            self.complain(codes.place, Complaint::Value { name, why });
        }
        Some(FilterConfig {
            name: name.to_owned(),
            command: command?,
            replaces: replaces?,
            user: text(table.user),
            group: text(table.group),
            timeout: timeout?.duration(),
            parallel: count(parallel?.0),
            exit_codes: codes.map(|codes| codes.value.0).unwrap_or_default(),
        })
    }

    /// The filters of an account; `None` if one is unknown or in the list twice.
    pub(super) fn filter_names(
        &mut self,
        given: Given<FilterNames>,
        filters: &FilterTables,
    ) -> Option<Vec<String>> {
        let At { value, place } = match given {
            Given::Not => return Some(Vec::new()),
            Given::Badly => return None,
            Given::As(given) => given,
        };
        let (names, mut known) = (value.0, HashSet::new());
        for name in &names {
            let why = if !filters.contains_key(name) {
                let hint = match nearest(name, filters.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("add a table [filter.{}]", Shown::new(name)),
                };
                format!("there is no filter \"{}\"; {hint}", Shown::new(name))
            } else if !known.insert(name) {
                format!(
                    "\"{}\" is in the list twice; remove one of the two",
                    Shown::new(name)
                )
            } else {
                continue;
            };
            let name = "filter".to_owned();
            self.complain(place, Complaint::Value { name, why });
            return None;
        }
        Some(names)
    }
}

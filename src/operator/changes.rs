//! The changes of a reload, in one line.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use crate::config::Config;
use crate::mail::limits;

/// The differences between `old` and `new`, and the changes that need a restart, compared with the
/// configuration that the process `started` with.
pub(super) fn changes(started: &Config, old: &Config, new: &Config) -> String {
    let mut parts = Vec::new();
    of_tables("account", &old.accounts, &new.accounts, &mut parts);
    of_tables("delivery", &old.deliveries, &new.deliveries, &mut parts);
    of_tables("filter", &old.filters, &new.filters, &mut parts);
    for (name, changed) in [
        ("max_sessions", old.max_sessions != new.max_sessions),
        (
            "max_sessions_per_host",
            old.max_sessions_per_host != new.max_sessions_per_host,
        ),
        ("max_unrecorded", old.max_unrecorded != new.max_unrecorded),
        ("forget_after", old.forget_after != new.forget_after),
        (
            "shutdown_timeout",
            old.shutdown_timeout != new.shutdown_timeout,
        ),
        ("log.level", old.log.level != new.log.level),
    ] {
        if changed {
            parts.push(format!("changed {name}"));
        }
    }
    if started.log.format != new.log.format {
        parts.push("log.format changes only with a restart".to_owned());
    }
    if parts.is_empty() {
        parts.push("nothing changed".to_owned());
    }
    parts.join("; ")
}

fn of_tables<K: Ord + Display, V: PartialEq>(
    kind: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    parts: &mut Vec<String>,
) {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let changed = new.iter().filter_map(|(name, table)| {
        let before = old.get(name)?;
        (before != table).then_some(name)
    });
    let all: [(&str, Vec<&K>); 3] = [
        ("added", added.collect()),
        ("removed", removed.collect()),
        ("changed", changed.collect()),
    ];
    for (what, names) in all {
        if let Some((first, others)) = names.split_first() {
            let mut part = format!("{what} {kind} {first}");
            for name in others.iter().take(limits::CHANGED_NAMES_SHOWN_MAX - 1) {
                let _ = write!(part, ", {name}");
            }
            if names.len() > limits::CHANGED_NAMES_SHOWN_MAX {
                let _ = write!(
                    part,
                    " and {} more",
                    names.len() - limits::CHANGED_NAMES_SHOWN_MAX
                );
            }
            parts.push(part);
        }
    }
}

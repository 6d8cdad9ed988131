//! Who may import whom, what a room must not know, and where each outside crate comes in.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Found, Scan};

/// The rooms, each with its floor and its question. Imports point down only.
const ROOMS: &[(&str, u8, &str)] = &[
    ("mail", 0, "what are the words?"),
    ("fault", 0, "where may a test stop us?"),
    ("proto", 1, "what may be said next, and what did they say?"),
    ("disk", 1, "is it on disk, and ours alone?"),
    ("process", 1, "how does a program run, and end?"),
    ("config", 1, "what did the operator ask for?"),
    ("telemetry", 1, "what happened?"),
    ("net", 2, "can I reach them, and is it really them?"),
    ("secrets", 2, "what is the secret now?"),
    ("spool", 2, "is the message whole?"),
    ("route", 2, "for whom is it, and where to?"),
    ("sink", 2, "who took it?"),
    (
        "quarantine",
        2,
        "where are messages that no destination accepts?",
    ),
    ("seen", 2, "did we already?"),
    ("session", 3, "what does one visit to one maildrop do?"),
    ("agent", 4, "who is next, and when do we stop?"),
    ("operator", 5, "what may be asked, and what is the answer?"),
    (
        "cli",
        6,
        "what does the person say, and how does the answer look?",
    ),
];

/// What may be imported on the same floor: from, into, and which names; none means all.
const SAME_FLOOR: &[(&str, &str, &[&str])] = &[
    ("config", "disk", &[]),
    ("sink", "net", &[]),
    ("sink", "spool", &[]),
    ("quarantine", "sink", &[]),
    ("quarantine", "spool", &[]),
    (
        "seen",
        "sink",
        &["Receipt", "Targets", "Target", "RefusedTarget"],
    ),
];

/// Rooms that may import only these, on any floor.
const MAY_ONLY_KNOW: &[(&str, &[&str])] = &[
    ("proto", &["mail"]),
    ("disk", &["mail"]),
    ("process", &["mail"]),
    ("config", &["mail", "disk"]),
    ("telemetry", &["mail"]),
    // It must not know how anything is delivered.
    ("route", &["mail"]),
    // `cli` must not use anything below `operator`, except the words of `mail` and its own log.
    ("cli", &["mail", "telemetry", "operator"]),
];

/// Parts of lower rooms that a room must not use: the room, the paths, and the words for them.
const MUST_NOT: &[(&str, &[&str], &str)] = &[
    ("net", &["proto", "config"], "POP3 and SMTP"),
    ("secrets", &["proto", "net"], "POP3 and SMTP"),
    (
        "spool",
        &["proto", "config", "net", "mail::Origin", "mail::Envelope"],
        "where a message comes from or goes",
    ),
    (
        "sink",
        &["proto::pop3", "config", "mail::Retention"],
        "POP3 and retention",
    ),
    ("quarantine", &["proto", "config"], "POP3 and schedules"),
    (
        "seen",
        &[
            "proto",
            "config",
            "net",
            "sink::mda",
            "sink::lmtp",
            "sink::server",
            "sink::smtp",
            "sink::maildir",
        ],
        "servers, MDAs and relays",
    ),
    (
        "session",
        &[
            "config",
            "seen::Seen",
            "seen::DurableStore",
            "seen::MemoryStore",
            "seen::disk",
            "sink::mda",
            "sink::lmtp",
            "sink::server",
            "sink::smtp",
            "sink::maildir",
        ],
        "TOML, other accounts, and concrete stores and sinks",
    ),
    ("agent", &["proto"], "protocols"),
];

/// Outside crates, each with the files that may use it.
const DOORS: &[(&str, &str)] = &[
    ("sled", "seen/disk/index/"),
    ("crc32fast", "seen/disk/checksum.rs"),
    ("lettre", "sink/smtp/"),
    ("nix", "sink/mda/"),
    ("libc", "main.rs"),
    ("async_native_tls", "net/"),
    ("native_tls", "net/"),
    ("openssl", "net/"),
    ("openssl_probe", "net/"),
    ("mail_parser", "spool/header.rs"),
    ("clap", "cli/"),
    ("toml", "config/"),
    ("serde", "config/"),
    ("serde", "operator/"),
    ("strsim", "config/nearest.rs"),
    ("percent_encoding", "mail/percent.rs"),
    ("signal_hook", "agent/signals/"),
    ("signal_hook_tokio", "agent/signals/"),
    ("tracing", "telemetry/"),
    ("tracing_subscriber", "telemetry/"),
    ("base64", "proto/sasl.rs"),
    ("md5", "session/server/login.rs"),
    // SHA-256 of messages, and of certificates.
    ("sha2", "spool/"),
    ("sha2", "net/tls.rs"),
    ("data_encoding", "mail/digest.rs"),
    ("data_encoding", "mail/modified_utf7.rs"),
    ("data_encoding", "session/server/login.rs"),
    // Durations that the operator writes, and times that people read.
    ("humantime", "config/value/period.rs"),
    ("humantime", "telemetry/line.rs"),
    ("humantime", "cli/seen.rs"),
    // The rooms that hold a secret, or octets that may contain one.
    ("zeroize", "mail/secret.rs"),
    ("zeroize", "config/"),
    ("zeroize", "secrets/"),
    ("zeroize", "process/"),
    ("zeroize", "disk/regular.rs"),
    ("zeroize", "seen/seal.rs"),
    // Jitter, samples and file names. What is decided is given its chance by the caller.
    ("fastrand", "agent/"),
    ("fastrand", "session/run/"),
    ("fastrand", "session/server/maildrop/"),
    ("fastrand", "sink/maildir/"),
    ("fastrand", "spool/draft.rs"),
    // System calls. Sessions and the command line make none.
    ("rustix", "main.rs"),
    ("rustix", "fault.rs"),
    ("rustix", "agent/signals/"),
    ("rustix", "config/"),
    ("rustix", "disk/"),
    ("rustix", "operator/"),
    ("rustix", "process/"),
    ("rustix", "quarantine/"),
    ("rustix", "seen/disk/"),
    ("rustix", "sink/maildir/"),
    ("rustix", "sink/mda/"),
    ("rustix", "spool/draft.rs"),
    ("rustix", "telemetry/backlog.rs"),
];

/// Outside crates that every room may use, as far as it is not [`PURE`]: errors, searches, and how
/// the program runs.
const EVERYWHERE: &[&str] = &["futures_util", "memchr", "thiserror", "tokio", "tokio_util"];

/// Types that only one room may create: the type, the function that creates it, and the room.
const MINTS: &[(&str, &str, &str)] = &[
    ("OperatorsWord", "given", "operator/"),
    ("Batch", "new", "seen/"),
    ("Records", "begin", "seen/"),
    ("Tenure", "new", "seen/"),
];

/// Rooms and files without side effects.
pub const PURE: &[&str] = &[
    "mail/",
    "proto/",
    "route/",
    "session/judge/",
    "agent/polled.rs",
    "agent/schedule",
    "sink/gate.rs",
    "sink/breaker/",
];

/// What the decisions of a session do not know: they are given the records and return what to do.
/// Their callers read, write and report.
const JUDGE_MUST_NOT: &[&[&str]] = &[
    &["crate", "seen", "AccountStore"],
    &["crate", "session", "Collaborators"],
    &["crate", "telemetry", "Event"],
    &["crate", "telemetry", "Reporter"],
];

/// The names of side effects.
const WORLD: &[&[&str]] = &[
    &["tokio"],
    &["std", "net"],
    &["std", "fs"],
    &["std", "process"],
    &["std", "env"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["fastrand"],
    &["tracing"],
    &["rustix"],
];

/// The imports of one file that break a rule, one sentence each. `path` is below `src/`.
pub fn complaints(path: &str, scan: &Scan) -> BTreeSet<String> {
    let room = path.split('/').next().unwrap_or_default();
    let room = room.trim_end_matches(".rs");
    let mut complaints = BTreeSet::new();
    for found in &scan.paths {
        let words: Vec<&str> = found.words.iter().map(String::as_str).collect();
        let broken = [
            wall_between(room, &words),
            unknown_to(room, &words),
            wrong_door(path, &words),
            wrong_mint(path, &words),
            the_world(path, &words),
            unknown_to_judge(path, &words),
        ];
        for what in broken.into_iter().flatten() {
            complaints.insert(format!("src/{path}:{}: {what}", found.line));
        }
    }
    if !path.starts_with("proto/") {
        let say = |line| {
            format!("src/{path}:{line}: this decides by the text of a code; match on its variants")
        };
        complaints.extend(scan.compared.iter().map(say));
    }
    if is_pure(path) {
        let say =
            |line| format!("src/{path}:{line}: a file without side effects waits for nothing");
        complaints.extend(scan.waits.iter().map(say));
    }
    complaints
}

/// The exceptions to the rules that no file needs, one sentence each. The files are those of `src/`
/// without those of tests.
pub fn unneeded(files: &BTreeMap<String, Scan>) -> BTreeSet<String> {
    let is_used = |door: &str, words: &[&str]| {
        files.iter().any(|(path, scan)| {
            let names = |found: &Found| {
                let head = found.words.iter().take(words.len());
                head.map(String::as_str).eq(words.iter().copied())
            };
            path.starts_with(door) && scan.paths.iter().any(names)
        })
    };
    let mut unneeded = BTreeSet::new();
    for (name, door) in DOORS {
        if !is_used(door, &[name]) {
            unneeded.insert(format!("{name} does not come in through src/{door}"));
        }
    }
    for name in EVERYWHERE {
        if !is_used("", &[name]) {
            unneeded.insert(format!("{name} is used by no room"));
        }
    }
    for (from, into, names) in SAME_FLOOR {
        let all = if names.is_empty() { &[""][..] } else { *names };
        for name in all {
            let words = ["crate", *into, *name];
            let words = words.strip_suffix(&[""]).unwrap_or(&words);
            if !is_used(&format!("{from}/"), words) {
                unneeded.insert(format!("{from}/ does not use {}", words.join("::")));
            }
        }
    }
    for (room, known) in MAY_ONLY_KNOW {
        for other in *known {
            if !is_used(&format!("{room}/"), &["crate", other]) {
                unneeded.insert(format!("{room}/ does not use {other}/"));
            }
        }
    }
    unneeded
}

fn wall_between(room: &str, words: &[&str]) -> Option<String> {
    let ["crate", into, rest @ ..] = words else {
        return None;
    };
    let known = MAY_ONLY_KNOW.iter().find(|(from, _)| *from == room);
    if let Some((_, known)) = known.filter(|(_, known)| room != *into && !known.contains(into)) {
        let known = known.join("/, ");
        return Some(format!(
            "{room}/ may know {known}/ only, and {into}/ is not among them"
        ));
    }
    let (from_floor, (into_floor, question)) = (floor(room)?.0, floor(into)?);
    let name = rest.first().copied().unwrap_or_default();
    let same = SAME_FLOOR.iter().any(|(from, to, names)| {
        *from == room && to == into && (names.is_empty() || names.contains(&name))
    });
    (room != *into && into_floor >= from_floor && !same).then(|| {
        format!(
            "{room}/ may not know {into}/, which answers \"{question}\" on the same floor or above"
        )
    })
}

fn floor(room: &str) -> Option<(u8, &'static str)> {
    let found = ROOMS.iter().find(|(name, ..)| *name == room);
    found.map(|(_, floor, question)| (*floor, *question))
}

fn unknown_to(room: &str, words: &[&str]) -> Option<String> {
    let ["crate", below @ ..] = words else {
        return None;
    };
    let (_, paths, what) = MUST_NOT.iter().find(|(name, ..)| *name == room)?;
    let is = |path: &&&str| path.split("::").zip(below).all(|(a, b)| a == *b);
    let is_long_enough = |path: &&&str| path.split("::").count() <= below.len();
    let path = paths.iter().filter(is_long_enough).find(is)?;
    Some(format!("{room}/ must not know {what}, and this is {path}"))
}

/// The dependencies of a manifest that have no door, one sentence each.
pub fn of_manifest(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines();
    let below = lines.skip_while(|line| *line != "[dependencies]").skip(1);
    let table = below.take_while(|line| !line.starts_with('['));
    let names = table.filter_map(|line| Some(line.split_once(" = ")?.0));
    // The one crate whose name in the source is another.
    let names = names.map(|name| match name {
        "md-5" => "md5".to_owned(),
        name => name.replace('-', "_"),
    });
    let has_door = |name: &String| DOORS.iter().any(|(known, _)| known == name);
    names
        .filter(|name| !has_door(name) && !EVERYWHERE.contains(&&**name))
        .map(|name| format!("Cargo.toml: say in tests/tidy/rooms.rs where {name} comes in"))
        .collect()
}

fn wrong_door(path: &str, words: &[&str]) -> Option<String> {
    let [name, _, ..] = words else { return None };
    let doors = DOORS.iter().filter(|(known, _)| known == name);
    let doors: Vec<&str> = doors.map(|(_, door)| *door).collect();
    let is_wrong = !doors.is_empty() && !doors.iter().any(|door| path.starts_with(door));
    let doors = doors.join(" and src/");
    is_wrong.then(|| format!("{name} comes in through src/{doors} and nowhere else"))
}

fn wrong_mint(path: &str, words: &[&str]) -> Option<String> {
    let is = |(name, maker, _): &&(&str, &str, &str)| words.ends_with(&[name, maker]);
    let (name, maker, room) = MINTS.iter().find(is)?;
    (!path.starts_with(room)).then(|| format!("only src/{room} calls {name}::{maker}"))
}

fn is_pure(path: &str) -> bool {
    PURE.iter().any(|pure| path.starts_with(pure))
}

fn unknown_to_judge(path: &str, words: &[&str]) -> Option<String> {
    let known = JUDGE_MUST_NOT
        .iter()
        .find(|known| words.starts_with(known))?;
    let known = known[1..].join("::");
    path.starts_with("session/judge/")
        .then(|| format!("session/judge/ decides without {known}; its caller has it"))
}

fn the_world(path: &str, words: &[&str]) -> Option<String> {
    if !is_pure(path) {
        return None;
    }
    let world = WORLD.iter().find(|world| words.starts_with(world))?;
    let world = world.join("::");
    Some(format!(
        "{world} is the world, which this file never touches"
    ))
}

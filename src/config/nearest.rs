//! "Did you mean ...?": finds the known name for one that was mistyped, or that another program
//! uses.

/// The known name that `given` probably means, if any is near.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase().replace('-', "_");
    let known: Vec<&str> = known.into_iter().collect();
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == given)
        && let Some(found) = known.iter().find(|name| *name == ours)
    {
        return Some(found);
    }
    // A third of the letters may differ, and at least one; more is another word.
    let far = |name: &str| (name.chars().count().max(given.chars().count()) / 3).max(1);
    known
        .into_iter()
        // A swap of neighbours counts as one edit.
        .map(|name| (strsim::osa_distance(&given, name), name))
        .filter(|(edits, name)| *edits <= far(name))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// The names that fetchmail, getmail, mpop and fdm use, and ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("account_name", "account"),
    ("accounts", "account"),
    ("cafile", "tls_ca_file"),
    ("ca_file", "tls_ca_file"),
    ("certificate", "tls_client_cert"),
    ("check_interval", "poll_every"),
    ("cmd", "command"),
    ("daemon", "poll_every"),
    ("default", "defaults"),
    ("destination", "delivery"),
    ("envelope_recipient", "header"),
    ("fetchlimit", "max_messages"),
    ("fingerprint", "tls_fingerprint"),
    ("hostname", "host"),
    ("interval", "poll_every"),
    ("is", "recipient"),
    ("keep", "retention"),
    ("limit", "max_message_size"),
    ("login", "user"),
    ("logging", "log"),
    ("max_messages_per_session", "max_messages"),
    ("pass", "password"),
    ("passwordeval", "password"),
    ("poll", "poll_every"),
    ("poll_interval", "poll_every"),
    ("program", "command"),
    ("qvirtual", "strip_prefix"),
    ("server", "host"),
    ("ssl", "tls"),
    ("sslcertfile", "tls_ca_file"),
    ("sslfingerprint", "tls_fingerprint"),
    ("sslproto", "tls"),
    ("statedir", "state_dir"),
    ("time_out", "timeout"),
    ("tls_trust_file", "tls_ca_file"),
    ("to", "recipient"),
    ("username", "user"),
    ("verbosity", "level"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = [
        "host",
        "port",
        "password",
        "poll_every",
        "tls",
        "tls_ca_file",
    ];

    #[test]
    fn the_nearest_known_word_is_suggested_for_a_typing_error() {
        for (typed, meant) in [
            ("hots", "host"),
            ("passwd", "password"),
            ("pol_every", "poll_every"),
            ("poll-every", "poll_every"),
            ("TLS", "tls"),
            ("tls_cafile", "tls_ca_file"),
        ] {
            assert_eq!(nearest(typed, KNOWN), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_setting_of_another_program_finds_that_of_mailferry() {
        assert_eq!(nearest("interval", KNOWN), Some("poll_every"));
        assert_eq!(nearest("server", KNOWN), Some("host"));
        assert_eq!(nearest("server", ["path"]), None, "not where it is unknown");
    }

    #[test]
    fn an_unlike_word_finds_nothing() {
        assert_eq!(nearest("colour", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
    }
}

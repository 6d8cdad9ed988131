//! Situations of routing.

use super::*;
use crate::mail::{MappedTo, RecipientMap};

const MX: &str =
    "from a.example by mx.provider.example with ESMTP id 1 for <jane@example.org>; now";
const OTHER: &str = "from mx by pop.provider.example with LMTP id 2; now";
const FORGED: &str = "root@evil.example";

pub(super) fn recipient(address: &str) -> Recipient {
    Recipient::new(address).unwrap()
}

pub(super) fn rules(names: &[&str]) -> EnvelopeRules {
    EnvelopeRules {
        source: EnvelopeSource::Fields {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            position: 1,
        },
        trusted: Vec::new(),
        strip_prefix: None,
        map: None,
        unmatched: Unmatched::Recipient,
    }
}

fn map(lines: &[(&str, &[&str])]) -> RecipientMap {
    let mut map = RecipientMap::default();
    for (key, to) in lines {
        let to = to.iter().map(|to| match to.strip_prefix('@') {
            Some(domain) => MappedTo::Domain(domain.to_owned()),
            None => MappedTo::Address(recipient(to)),
        });
        assert!(map.add(key, to.collect()));
    }
    map
}

pub(super) fn routed<S: AsRef<str>>(fields: &[(S, S)], rules: &EnvelopeRules) -> Routed {
    let mut top = HeaderTop::new(rules);
    for (name, value) in fields {
        top.add(name.as_ref(), value.as_ref().as_bytes());
    }
    recipients(&top, rules, &recipient("family@home.lan"))
}

fn to(fields: &[(&str, &str)], rules: &EnvelopeRules) -> String {
    let routed = routed(fields, rules);
    let recipients: Vec<&str> = routed.recipients.iter().map(Recipient::as_str).collect();
    recipients.join(" ")
}

pub(super) const TWO: [&str; 2] = ["Delivered-To", "X-Original-To"];

#[test]
fn the_first_name_with_a_field_above_the_topmost_received_wins() {
    let both = [
        ("X-Original-To", "joe@example.org"),
        ("delivered-to", " <jane@example.org>"),
        ("Received", MX),
        ("Delivered-To", FORGED),
    ];
    assert_eq!(to(&both, &rules(&TWO)), "jane@example.org");
    assert_eq!(to(&both, &rules(&["X-Original-To"])), "joe@example.org");
    assert_eq!(to(&both[2..], &rules(&TWO)), "family@home.lan");
    assert_eq!(
        to(&both[..2], &rules(&TWO)),
        "family@home.lan",
        "without any Received nothing is believed"
    );
}

#[test]
fn a_field_without_a_safe_address_gives_way_to_the_next_name() {
    for bad in [
        "mailing list jane@example.org",
        "",
        "-x@example.org",
        "jane",
    ] {
        let fields = [
            ("Delivered-To", bad),
            ("X-Original-To", "joe@example.org"),
            ("Received", MX),
        ];
        let routed = routed(&fields, &rules(&TWO));
        assert_eq!(routed.recipients, [recipient("joe@example.org")], "{bad}");
        let first = &routed.considered[0].finding;
        assert!(matches!(first, Finding::NoAddress(_)), "{bad}: {first:?}");
    }
}

#[test]
fn a_trusted_host_moves_the_end_of_what_is_believed_down_to_its_received() {
    let fields = [
        ("Received", OTHER),
        ("X-Original-To", "jane@example.org"),
        ("Received", MX),
        ("X-Original-To", FORGED),
        ("Received", MX),
    ];
    let trusting = |host: &str| EnvelopeRules {
        trusted: vec![host.to_owned()],
        ..rules(&["X-Original-To"])
    };
    assert_eq!(to(&fields, &rules(&["X-Original-To"])), "family@home.lan");
    assert_eq!(
        to(&fields, &trusting("mx.provider.example")),
        "jane@example.org"
    );
    assert_eq!(
        to(&fields, &trusting("pop.provider.example")),
        "family@home.lan"
    );
    let none = routed(&fields, &trusting("provider.example"));
    assert!(!none.is_matched);
    assert_eq!(none.considered[0].finding, Finding::NothingBelieved(3));
}

/// Holds 4.4.envelope: the client misled the reader about the genuine field, and forged one below
/// it.
#[test]
fn a_trusted_host_whose_field_a_client_made_unclear_is_not_looked_for_below() {
    let trusting = EnvelopeRules {
        trusted: vec!["mx.provider.example".to_owned()],
        ..rules(&["X-Original-To"])
    };
    for helo in ["a;b", "a (", "a)", "\"a", "by b", "a by b; c", "a\\"] {
        let genuine = format!("from {helo} by mx.provider.example id 1; now");
        let fields = [
            ("Received", OTHER),
            ("Received", &genuine),
            ("X-Original-To", FORGED),
            ("Received", MX),
        ];
        let routed = routed(&fields, &trusting);
        assert!(!routed.is_matched, "{helo}");
        assert_eq!(routed.considered[0].finding, Finding::Unclear, "{helo}");
    }
}

#[test]
fn the_position_counts_believed_fields_of_one_name_from_the_top() {
    let fields = [
        ("Delivered-To", "first@example.org"),
        ("X-Original-To", "joe@example.org"),
        ("Delivered-To", "second@example.org"),
        ("Received", MX),
        ("Delivered-To", FORGED),
    ];
    let at = |position| {
        let names = TWO.map(str::to_owned).into();
        let source = EnvelopeSource::Fields { names, position };
        to(
            &fields,
            &EnvelopeRules {
                source,
                ..rules(&TWO)
            },
        )
    };
    assert_eq!(at(1), "first@example.org");
    assert_eq!(at(2), "second@example.org");
    assert_eq!(at(3), "family@home.lan");
}

#[test]
fn received_for_is_that_of_the_topmost_field_or_of_the_trusted_host() {
    let fields = [
        ("Received", OTHER),
        ("Received", MX),
        ("Delivered-To", FORGED),
    ];
    let mut rules = EnvelopeRules {
        source: EnvelopeSource::ReceivedFor,
        ..rules(&[])
    };
    assert_eq!(
        to(&fields, &rules),
        "family@home.lan",
        "it names no recipient"
    );
    assert_eq!(to(&fields[1..], &rules), "jane@example.org");
    rules.trusted = vec!["mx.provider.example".to_owned()];
    assert_eq!(to(&fields, &rules), "jane@example.org");
}

#[test]
fn a_prefix_is_stripped_before_the_map_is_asked() {
    let strip = EnvelopeRules {
        strip_prefix: Some("example-".to_owned()),
        ..rules(&TWO)
    };
    let one = |address| [("Delivered-To", address), ("Received", MX)];
    assert_eq!(to(&one("Example-jane@x.example"), &strip), "jane@x.example");
    assert_eq!(to(&one("jane@x.example"), &strip), "jane@x.example");
    assert_eq!(to(&one("example-@x.example"), &strip), "example-@x.example");
    assert_eq!(
        to(&one("example--oQ@x.example"), &strip),
        "example--oQ@x.example",
        "what is left is not safe"
    );
    let mapped = EnvelopeRules {
        map: Some(map(&[("jane@x.example", &["jane@home.lan"])])),
        ..strip
    };
    assert_eq!(to(&one("example-jane@x.example"), &mapped), "jane@home.lan");
}

#[test]
fn with_a_map_only_addresses_that_it_has_are_recipients_and_each_is_one_once() {
    let mapped = EnvelopeRules {
        map: Some(map(&[
            ("jane@example.org", &["jane@home.lan", "archive@home.lan"]),
            ("@example.org", &["@home.lan"]),
            ("@work.example", &["JANE@home.lan"]),
        ])),
        ..rules(&TWO)
    };
    let one = |value| [("X-Original-To", value), ("Received", MX)];
    let list = "Jane@Example.org, joe@example.org, a@work.example, x@other.example";
    assert_eq!(
        to(&one(list), &mapped),
        "jane@home.lan archive@home.lan joe@home.lan"
    );
    assert_eq!(to(&one("x@other.example"), &mapped), "family@home.lan");
    let fields = [
        ("Delivered-To", "mailbox@provider.example"),
        ("X-Original-To", "joe@example.org"),
        ("Received", MX),
    ];
    assert_eq!(
        to(&fields, &mapped),
        "joe@home.lan",
        "the name of the maildrop itself is in no map"
    );
}

#[test]
fn an_unmatched_message_goes_to_the_quarantine_if_the_operator_says_so() {
    let strict = EnvelopeRules {
        unmatched: Unmatched::Quarantine,
        ..rules(&TWO)
    };
    let routed = routed(&[("Received", MX)], &strict);
    assert!(routed.recipients.is_empty() && !routed.is_matched);
}

#[test]
fn more_recipients_than_a_record_can_hold_are_no_match() {
    let many: Vec<String> = (0..100).map(|n| format!("n{n}@home.lan")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut lines = Vec::new();
    let keys: Vec<String> = (0..11).map(|n| format!("@d{n}.example")).collect();
    let all: Vec<Vec<String>> = (0..11)
        .map(|n| many.iter().map(|one| format!("x{n}{one}")).collect())
        .collect();
    let all: Vec<Vec<&str>> = all
        .iter()
        .map(|one| one.iter().map(String::as_str).collect())
        .collect();
    for (key, to) in keys.iter().zip(&all) {
        lines.push((key.as_str(), &to[..]));
    }
    let rules = EnvelopeRules {
        map: Some(map(&lines)),
        ..rules(&TWO)
    };
    let value: Vec<String> = keys.iter().map(|key| format!("a{key}")).collect();
    let fields = |count: usize| {
        let value = value[..count].join(",");
        [
            ("Delivered-To".to_owned(), value),
            ("Received".to_owned(), MX.to_owned()),
        ]
    };
    assert_eq!(routed(&fields(10), &rules).recipients.len(), 1000);
    let routed = routed(&fields(11), &rules);
    assert_eq!(routed.considered[0].finding, Finding::TooMany(11));
    assert!(!routed.is_matched);
}

#[test]
fn what_was_considered_is_said_in_words_that_add_no_line() {
    let mapped = EnvelopeRules {
        map: Some(map(&[("@example.org", &["@home.lan"])])),
        ..rules(&["Delivered-To", "X-Original-To", "Envelope-To"])
    };
    let fields = [
        ("Delivered-To", "no\u{1b}[2J\r\n such"),
        ("Envelope-To", "jane@example.org, x@other.example"),
        ("Received", MX),
    ];
    let routed = routed(&fields, &mapped);
    let said: Vec<String> = routed.considered.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "Delivered-To: not a safe address: no\\x1b[2J\\x0d\\x0a such",
            "X-Original-To: not in the part that is believed",
            "Envelope-To: jane@example.org, by \"@example.org\" to jane@home.lan; \
             x@other.example, which the map does not have",
        ]
    );
}

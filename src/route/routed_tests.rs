//! Situations and properties of routing.

use proptest::prelude::*;

use super::*;
use crate::mail::{MappedTo, RecipientMap};

const MX: &str =
    "from a.example by mx.provider.example with ESMTP id 1 for <jane@example.org>; now";
const OTHER: &str = "from mx by pop.provider.example with LMTP id 2; now";
const FORGED: &str = "root@evil.example";

fn recipient(address: &str) -> Recipient {
    Recipient::new(address).unwrap()
}

fn rules(names: &[&str]) -> EnvelopeRules {
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

fn routed<S: AsRef<str>>(fields: &[(S, S)], rules: &EnvelopeRules) -> Routed {
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

const TWO: [&str; 2] = ["Delivered-To", "X-Original-To"];

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

/// Addresses that a header or a configuration may name.
fn an_address() -> impl Strategy<Value = String> {
    "(pre-)?[a-cA-C]{1,2}@(x|y)\\.example"
}

/// Fields of the names that the rules ask for, of others, and `Received` of two hosts.
fn some_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("Delivered-To"),
        Just("x-original-to"),
        Just("Subject"),
        Just("To"),
    ];
    let value = prop_oneof![
        4 => an_address(),
        2 => prop::collection::vec(an_address(), 1..3).prop_map(|all| all.join(", ")),
        1 => an_address().prop_map(|one| format!("Name (x) <{one}>")),
        1 => "[ -~]{0,20}",
    ];
    let named = (name, value).prop_map(|(name, value)| (name.to_owned(), value));
    let host = prop_oneof![
        Just("mx.example"),
        Just("pop.example"),
        Just("z, by mx.example")
    ];
    let received = (host, prop::option::of(an_address())).prop_map(|(host, to)| {
        let to = to.map_or_else(String::new, |to| format!(" for <{to}>"));
        (
            "Received".to_owned(),
            format!("from a by {host} id 1{to}; now"),
        )
    });
    prop::collection::vec(prop_oneof![3 => named, 1 => received], 0..8)
}

fn some_rules() -> impl Strategy<Value = EnvelopeRules> {
    let source = prop_oneof![
        1 => Just(EnvelopeSource::ReceivedFor),
        4 => (1..3_usize).prop_map(|position| EnvelopeSource::Fields {
            names: TWO.map(str::to_owned).into(),
            position,
        }),
    ];
    let trusted = prop_oneof![Just(Vec::new()), Just(vec!["mx.example".to_owned()]),];
    let key = prop_oneof![
        an_address(),
        Just("@x.example".to_owned()),
        Just("*".to_owned())
    ];
    let value = prop_oneof![
        Just(MappedTo::Domain("home.lan".to_owned())),
        "[a-c]@home\\.lan".prop_map(|one| MappedTo::Address(recipient(&one))),
    ];
    let lines = prop::collection::vec((key, prop::collection::vec(value, 1..3)), 0..4);
    let map = prop::option::of(lines.prop_map(|lines| {
        let mut map = RecipientMap::default();
        for (key, to) in lines {
            map.add(&key, to);
        }
        map
    }));
    let unmatched = prop_oneof![Just(Unmatched::Recipient), Just(Unmatched::Quarantine)];
    let prefix = prop::option::of(Just("pre-".to_owned()));
    let all = (source, trusted, prefix, map, unmatched);
    all.prop_map(
        |(source, trusted, strip_prefix, map, unmatched)| EnvelopeRules {
            source,
            trusted,
            strip_prefix,
            map,
            unmatched,
        },
    )
}

/// The fields above the one that ends the believed part, and that one; found without the code under
/// test.
fn believed<'f>(
    fields: &'f [(String, String)],
    rules: &EnvelopeRules,
) -> Option<(&'f [(String, String)], &'f str)> {
    let ends = |(name, value): &(String, String)| {
        name == "Received"
            && (rules.trusted.is_empty() || value.starts_with("from a by mx.example id 1"))
    };
    let at = fields.iter().position(ends)?;
    Some((&fields[..at], &fields[at].1))
}

/// Whether an address stood in the configuration, or in the part of the header that is believed.
fn is_allowed(one: &Recipient, fields: &[(String, String)], rules: &EnvelopeRules) -> bool {
    if one.as_str() == "family@home.lan" {
        return rules.unmatched == Unmatched::Recipient;
    }
    let Some((above, end)) = believed(fields, rules) else {
        return false;
    };
    let mut values: Vec<&str> = above
        .iter()
        .filter(|(name, _)| TWO.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value.as_str())
        .collect();
    if rules.source == EnvelopeSource::ReceivedFor {
        values = vec![end];
    }
    let is_named = |text: &str| values.iter().any(|value| value.contains(text));
    match &rules.map {
        None => is_named(one.as_str()),
        // All addresses at that domain come from the configuration, or from a line to a domain.
        Some(_) => one.as_str().ends_with("@home.lan") && !values.is_empty(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Holds 4.4.envelope.
    #[test]
    fn no_recipient_stood_neither_in_a_trusted_place_nor_in_the_configuration(
        fields in some_fields(),
        rules in some_rules(),
    ) {
        let routed = routed(&fields, &rules);
        for one in &routed.recipients {
            prop_assert!(is_allowed(one, &fields, &rules), "{one}: {:?}", routed.considered);
        }
        let is_quarantined = routed.recipients.is_empty();
        prop_assert!(!is_quarantined || rules.unmatched == Unmatched::Quarantine);
    }

    #[test]
    fn fields_below_the_trusted_place_never_change_the_envelope(
        fields in some_fields(),
        below in some_fields(),
        rules in some_rules(),
    ) {
        let Some((above, end)) = believed(&fields, &rules) else { return Ok(()) };
        let mut genuine = above.to_vec();
        genuine.push(("Received".to_owned(), end.to_owned()));
        let with_forged: Vec<_> = genuine.iter().cloned().chain(below).collect();
        prop_assert_eq!(routed(&genuine, &rules), routed(&with_forged, &rules));
    }

    #[test]
    fn any_octets_at_all_are_routed_to_safe_recipients(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        rules in some_rules(),
    ) {
        let mut top = HeaderTop::new(&rules);
        for value in &values {
            top.add("Delivered-To", value);
            top.add("Received", value);
        }
        let routed = recipients(&top, &rules, &recipient("family@home.lan"));
        for one in routed.recipients {
            prop_assert_eq!(Recipient::new(one.as_str()), Ok(one));
        }
        for one in &routed.considered {
            prop_assert!(!one.to_string().chars().any(char::is_control));
        }
    }
}

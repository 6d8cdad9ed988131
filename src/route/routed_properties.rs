//! Properties of routing.

use proptest::prelude::*;

use super::tests::{TWO, recipient, routed};
use super::*;
use crate::mail::{MappedTo, RecipientMap};

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
/// test. Nothing is believed if the first field that names the trusted host is not clearly of it.
fn believed<'f>(
    fields: &'f [(String, String)],
    rules: &EnvelopeRules,
) -> Option<(&'f [(String, String)], &'f str)> {
    let ends = |(name, value): &(String, String)| {
        name == "Received" && (rules.trusted.is_empty() || value.contains("by mx.example"))
    };
    let at = fields.iter().position(ends)?;
    let is_clear = fields[at].1.starts_with("from a by mx.example id 1");
    (rules.trusted.is_empty() || is_clear).then(|| (&fields[..at], fields[at].1.as_str()))
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

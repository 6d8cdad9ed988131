//! The header of a message, as it decides who gets it.

use mailferry::mail::{
    EnvelopeRules, EnvelopeSource, MappedTo, Recipient, RecipientMap, Unmatched,
};
use mailferry::route::{HeaderTop, Routed, recipients};
use mailferry::spool::header::HeadFields;

/// The octets before the first 0xFF stand above the `Received` of the server, the others below it.
pub fn hold(octets: &[u8]) {
    let mut parts = octets.splitn(2, |octet| *octet == 0xFF);
    let above = parts.next().unwrap_or_default();
    let below = parts.next().unwrap_or_default();
    let server = b"\r\nReceived: from a by mx.example id 1 for <own@x.example>; now\r\n";
    let genuine = [above, server].concat();
    let whole = [above, server, below].concat();
    for rules in all_rules() {
        let routed = route(&whole, &rules);
        for one in &routed.recipients {
            assert_eq!(Recipient::new(one.as_str()).as_ref(), Ok(one));
        }
        for one in &routed.considered {
            let said = one.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
        let expected = route(&genuine, &rules);
        // The first line below the field may continue it. Then it is not clear any more, and the
        // message is not matched.
        let is_continued = below.starts_with(b" ") || below.starts_with(b"\t");
        assert!(
            routed == expected || (is_continued && !routed.is_matched),
            "what stands below the server's field changes nothing: {routed:?} {expected:?}"
        );
    }
}

fn route(message: &[u8], rules: &EnvelopeRules) -> Routed {
    let mut top = HeaderTop::new(rules);
    HeadFields::parse_showing(message, |name, value| top.add(name, value));
    recipients(&top, rules, &Recipient::new("post@home.lan").unwrap())
}

fn all_rules() -> [EnvelopeRules; 3] {
    let names = ["Delivered-To", "X-Original-To"];
    let names: Vec<String> = names.map(str::to_owned).into();
    let source = EnvelopeSource::Fields { names, position: 1 };
    let plain = EnvelopeRules {
        source,
        trusted: Vec::new(),
        strip_prefix: None,
        map: None,
        unmatched: Unmatched::Recipient,
    };
    let mut map = RecipientMap::default();
    map.add("@x.example", vec![MappedTo::Domain("home.lan".to_owned())]);
    let mapped = EnvelopeRules {
        strip_prefix: Some("pre-".to_owned()),
        map: Some(map),
        unmatched: Unmatched::Quarantine,
        ..plain.clone()
    };
    let received_for = EnvelopeRules {
        source: EnvelopeSource::ReceivedFor,
        ..plain.clone()
    };
    [plain, mapped, received_for]
}

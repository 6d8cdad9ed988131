//! What people report of multidrop in other programs, as headers: who would get the message here.

use mailferry::mail::{
    EnvelopeRules, EnvelopeSource, MappedTo, Recipient, RecipientMap, Unmatched,
};
use mailferry::route::{HeaderTop, recipients};
use mailferry::spool::header::HeadFields;

const FIELDS: [&str; 4] = [
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
];

/// The rules of an account with the default fields and this map.
fn rules(lines: &[(&str, &str)]) -> EnvelopeRules {
    let mut map = RecipientMap::default();
    for (key, to) in lines {
        map.add(key, vec![MappedTo::Address(Recipient::new(to).unwrap())]);
    }
    EnvelopeRules {
        source: EnvelopeSource::Fields {
            names: FIELDS.map(str::to_owned).into(),
            position: 1,
        },
        trusted: Vec::new(),
        strip_prefix: None,
        map: (!lines.is_empty()).then_some(map),
        unmatched: Unmatched::Recipient,
    }
}

fn received_for() -> EnvelopeRules {
    EnvelopeRules {
        source: EnvelopeSource::ReceivedFor,
        ..rules(&[])
    }
}

/// The recipients of a message with this header, as the program finds them in its octets.
fn to(header: &str, rules: &EnvelopeRules) -> String {
    let message = header.replace('\n', "\r\n") + "\r\nbody\r\n";
    let mut top = HeaderTop::new(rules);
    HeadFields::parse_showing(message.as_bytes(), |name, value| top.add(name, value));
    let routed = recipients(&top, rules, &Recipient::new("post@home.lan").unwrap());
    let names: Vec<&str> = routed.recipients.iter().map(Recipient::as_str).collect();
    names.join(" ")
}

/// hmailserver#250: one copy for each recipient, and both in To. Each copy goes to its own.
#[test]
fn a_copy_for_one_of_two_in_to_goes_to_that_one() {
    let copy = |name: &str| {
        format!(
            "Envelope-To: {name}@x.example\nReceived: from a by b; now\nTo: jane@x.example, \
             joe@x.example\n"
        )
    };
    assert_eq!(to(&copy("jane"), &rules(&[])), "jane@x.example");
    assert_eq!(to(&copy("joe"), &rules(&[])), "joe@x.example");
}

/// getmail6#277: the sender's own field stands first where the server adds its field below it.
#[test]
fn the_first_field_of_that_name_is_not_believed_for_being_the_first() {
    let forged = "Received: from a by mx.example; now\nDelivered-To: root@x.example\nSubject: x\n";
    assert_eq!(to(forged, &rules(&[])), "post@home.lan");
    let genuine = format!("Delivered-To: jane@x.example\n{forged}");
    assert_eq!(to(&genuine, &rules(&[])), "jane@x.example");
}

/// getmail6#72: fields of spam with open quotes, and the provider's field at the end of the header,
/// where a sender could write it too: nothing stops, and the recipient of the account gets it.
#[test]
fn quotes_that_do_not_end_stop_nothing_and_a_field_at_the_end_is_not_believed() {
    let spam = "Received: from a by b; now\n\u{201c}X-AntiAbuse: added to track\n\tabuse\n\
                X-Source-Dir: \u{201d}\nContent-Type: multipart/mixed; boundary=\"x\n\
                X-Envelope-To: mail@x.example\n";
    assert_eq!(to(spam, &rules(&[])), "post@home.lan");
    let above = format!("X-Envelope-To: mail@x.example\n{spam}");
    assert_eq!(to(&above, &rules(&[])), "mail@x.example");
}

/// mikel/mail#600: Google writes no address after `for` where there are several.
#[test]
fn for_multiple_recipients_is_no_recipient() {
    let google = "Received: from a ([192.0.2.1]) by mx.google.com with ESMTPSA id m1.2 for \
                  <multiple recipients> (version=TLSv1 cipher=RC4-SHA bits=128/128); Tue, 06 Aug\n";
    assert_eq!(to(google, &received_for()), "post@home.lan");
    let one = google.replace("multiple recipients", "jane@x.example");
    assert_eq!(to(&one, &received_for()), "jane@x.example");
}

/// MailScanner/v5#245: a Received with two hosts and two recipients.
#[test]
fn a_received_with_two_hosts_and_two_recipients_names_none() {
    let field = "Received: from a (a [192.0.2.1])\n\tby mx.example (Milter) with SMTP id 1\n\tfor \
                 <jane@x.example>; Sat, 13 Oct 2018\n\tby mx.example (Milter) with SMTP id 2\n\t\
                 for <joe@x.example>; Sat, 13 Oct 2018\n";
    assert_eq!(to(field, &received_for()), "post@home.lan");
    let with_field = format!("X-Original-To: joe@x.example\n{field}");
    assert_eq!(to(&with_field, &rules(&[])), "joe@x.example");
}

/// OpenSMTPD#192: two addresses of one person are one mailbox, which gets one message.
#[test]
fn two_addresses_of_one_person_are_one_recipient() {
    let header = "X-Original-To: todd@x.example, tk@y.example\nReceived: from a by b; now\n";
    let map = [
        ("todd@x.example", "todd@home.lan"),
        ("tk@y.example", "todd@home.lan"),
    ];
    assert_eq!(to(header, &rules(&map)), "todd@home.lan");
}

/// zulip#14277: mail of a list names its subscriber only in Exim's field.
#[test]
fn a_subscriber_of_a_list_is_found_in_the_field_of_the_server() {
    let list = "Return-path: <list-bounces@lists.example>\nEnvelope-to: jane@x.example\n\
                Delivery-date: Sat, 21 Mar 2020\nReceived: from lists.example by mail.example \
                with esmtps (Exim 4.92) (envelope-from <list-bounces@lists.example>) id 1jFe; \
                Sat, 21 Mar 2020\nTo: list@lists.example\n";
    assert_eq!(to(list, &rules(&[])), "jane@x.example");
}

/// fetchmail's FAQ, T2: qmail puts the name of the customer in front, and notes the hand-over
/// without a host; ezmlm has a field of the same name.
#[test]
fn qmails_prefix_is_removed_and_the_mark_of_a_list_is_no_recipient() {
    let qmail = "Delivered-To: mailing list talk@lists.example\nX-Original-To: \
                 mbox-user-jane@x.example\nReceived: (qmail 34132 invoked by uid 89); 11 May \
                 2017\nReceived: from unknown (HELO a.example) (192.0.2.9)\n  by vpopmail with \
                 SMTP; 11 May 2017\nDelivered-To: mbox-user-root@x.example\n";
    let strip = EnvelopeRules {
        strip_prefix: Some("mbox-user-".to_owned()),
        ..rules(&[])
    };
    assert_eq!(to(qmail, &strip), "jane@x.example");
}

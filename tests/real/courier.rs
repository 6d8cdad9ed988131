//! The real program with Courier, the second real POP3 server.

use std::collections::BTreeMap;

use crate::support::courier::{Courier, on_the_wire, unwrapped};
use crate::support::expected::{account, assert_same, expected};
use crate::support::place::Place;
use crate::support::varied;

/// The odd messages unchanged, and once more with the line ends that a mail server writes.
fn messages() -> Vec<Vec<u8>> {
    let mut files = varied::messages(300);
    for mut file in varied::messages(0) {
        // An additional last octet, so that each octet has one after it.
        file.push(0);
        let pairs = file.windows(2).filter(|pair| pair != b"\r\n");
        files.push(pairs.map(|pair| pair[0]).collect());
    }
    files
}

fn delivered(place: &Place) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for (message, count) in place.delivered() {
        *counts.entry(unwrapped(&message)).or_default() += count;
    }
    counts
}

/// Three polls of one server. Courier announces LOGIN-DELAY 10, so each poll except the first has
/// to wait.
fn polled_kept_and_deleted(files: &[Vec<u8>], tls: &str, further: &str) {
    let courier = Courier::with(files);
    let (port, ca) = match tls {
        "implicit" => (courier.implicit_port(), true),
        "starttls" => (courier.plain_port(), true),
        _ => (courier.plain_port(), false),
    };
    let ca = if ca {
        let authority = courier.certificates().authority();
        format!("tls_ca_file = \"{}\"", authority.display())
    } else {
        String::new()
    };
    let keeping = account(port, tls, &format!("{ca}\n{further}"));
    let place = Place::with(&keeping);
    let said = place.succeed(&["poll"]);
    assert!(
        said.contains(&format!("{} delivered", files.len())),
        "{tls}: {said}\n{}",
        courier.log()
    );
    assert_same(&delivered(&place), &expected(files, on_the_wire));

    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{tls}: {said}");
    assert_eq!(courier.left().len(), files.len(), "{tls}: everything stays");

    place.configure(&format!("{keeping}retention = \"delete\"\n"));
    let said = place.succeed(&["poll"]);
    assert!(
        said.contains(&format!("{} deleted", files.len())),
        "{tls}: {said}"
    );
    courier.wait_until_empty();
    assert_same(&delivered(&place), &expected(files, on_the_wire));
}

#[test]
fn courier_s_messages_arrive_byte_for_byte_once_and_go_over_tls_stls_and_plain() {
    let files = messages();
    let clear = "allow_cleartext_password = true";
    let one_by_one = format!("{clear}\npipelining = false\nauth = \"user-pass\"");
    let modes = [
        ("implicit", ""),
        ("implicit", "pipelining = false"),
        ("starttls", ""),
        ("starttls", "pipelining = false"),
        ("none", clear),
        ("none", &*one_by_one),
    ];
    std::thread::scope(|scope| {
        for (tls, further) in modes {
            let files = &files;
            scope.spawn(move || polled_kept_and_deleted(files, tls, further));
        }
    });
}

#[test]
fn courier_refuses_a_wrong_password_and_nothing_is_retrieved() {
    let courier = Courier::with(&varied::messages(1));
    let config = account(
        courier.plain_port(),
        "none",
        "allow_cleartext_password = true",
    )
    .replace("\"secret\"", "\"canary-wrong\"");
    let place = Place::with(&config);
    let output = place.run(&["poll"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("auth_refused") && !said.contains("canary"),
        "{said}"
    );
    assert!(courier.log().contains("LOGIN FAILED"), "{}", courier.log());
}

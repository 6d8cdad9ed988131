//! Kills around the quarantine: while copies are created, while parked copies are offered again,
//! and during the operator's retries.

use crate::crash::kill_points::{KEPT, dies, until_quiet};
use crate::support::destination::{Destination, Kind, doubled};
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::model::hiding_server;
use crate::support::place::Place;

/// Nine messages, every third of which a strict MDA refuses with this code.
fn messages(code: u8) -> Vec<Vec<u8>> {
    (0..9)
        .map(|number| {
            let refused = if number % 3 == 1 {
                format!("X-Refused: {code}\r\n")
            } else {
                String::new()
            };
            format!(
                "From: sue@x\r\nMessage-ID: <{number}@x>\r\n\
                 Date: Mon, 1 Jun 2026 10:00:00 +0000\r\n\
                 Subject: {number}\r\n{refused}\r\ntext {number}\r\n"
            )
            .into_bytes()
        })
        .collect()
}

fn place(mda: &Destination, port: u16) -> Place {
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\nmax_unrecorded = 1\n{}[account.jane]\n\
         host = \"localhost\"\nport = {port}\n\
         tls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         delivery = \"box\"\n\
         recipient = \"jane\"\nfirst_run = \"all\"\nretention = \"delete\"\n",
        mda.table()
    ));
    std::fs::write(place.path("strict"), "").unwrap();
    place
}

fn copies(place: &Place) -> usize {
    std::fs::read_dir(place.path("state/quarantine/new"))
        .unwrap()
        .count()
}

/// Polls with a strict MDA until all messages except the refused ones are delivered and deleted,
/// and those have a copy.
fn until_quarantined(place: &Place, dovecot: &Dovecot) {
    for _ in 0..10 {
        let output = place.run(&["poll"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // 69 is the exit code of the poll that quarantines, and of each later poll until the
        // operator acts.
        let ended =
            output.status.code() == Some(69) && said.contains("3 listed, 3 in the quarantine");
        if ended && dovecot.left().len() == 3 {
            return;
        }
    }
    panic!("{} are left", dovecot.left().len());
}

/// The MDA accepts everything now, and every copy is offered again. Those of a crash that no record
/// names are removed.
fn retry_all(place: &Place) {
    std::fs::remove_file(place.path("strict")).unwrap();
    place.succeed(&["quarantine", "retry", "--all"]);
    assert_eq!(copies(place), 0);
}

#[test]
fn a_kill_between_a_quarantined_copy_and_its_record_costs_a_second_copy_and_no_message() {
    let mda = Destination::new(Kind::Mda);
    for passing in 1..=3 {
        let what = format!("quarantine.kept:{passing}");
        let sent = messages(65);
        let dovecot = Dovecot::with(&sent);
        let place = place(&mda, dovecot.plain_port());
        dies(&place, &["poll"], &what);
        until_quarantined(&place, &dovecot);
        assert_eq!(copies(&place), 4, "{what}: one that no record names");
        retry_all(&place);
        assert_eq!(copies(&place), 0, "{what}: the spare one is removed");
        assert!(doubled(&sent, &mda.found(&place, 0), &what) <= 1, "{what}");
    }
}

#[test]
fn a_kill_in_the_middle_of_an_operators_retry_doubles_at_most_one() {
    let mda = Destination::new(Kind::Mda);
    for point in KEPT.iter().filter(|point| point.starts_with("retry.")) {
        for passing in 1..=3 {
            let what = format!("{point}:{passing}");
            let sent = messages(65);
            let dovecot = Dovecot::with(&sent);
            let place = place(&mda, dovecot.plain_port());
            until_quarantined(&place, &dovecot);
            std::fs::remove_file(place.path("strict")).unwrap();
            dies(&place, &["quarantine", "retry", "--all"], &what);
            std::fs::write(place.path("strict"), "").unwrap();
            retry_all(&place);
            until_quiet(&place, &what, || dovecot.left().is_empty());
            let doubled = doubled(&sent, &mda.found(&place, 0), &what);
            assert_eq!(
                doubled,
                usize::from(*point == "retry.accepted"),
                "{what}: only what was not recorded comes again"
            );
        }
    }
}

/// Polls two minutes later, when the parked copies are due.
fn later(place: &Place, fault: Option<&str>) -> std::process::Output {
    let mut command = place.command(&["poll"]);
    faketime::at(&mut command, "+2m");
    command.env("MAILFERRY_FAULT", fault.unwrap_or_default());
    command.output().unwrap()
}

#[test]
fn a_kill_during_parking_loses_no_message_that_the_server_hides() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mda = Destination::new(Kind::Mda);
    for point in KEPT.iter().filter(|point| point.starts_with("parked.")) {
        for passing in 1..=3 {
            let what = format!("{point}:{passing}");
            let sent = messages(75);
            let (server, port) = hiding_server(&runtime, &sent);
            let place = place(&mda, port);
            if *point == "parked.kept" {
                dies(&place, &["poll"], &what);
                assert_eq!(server.listed().len(), 9, "{what}: no QUIT was said");
            }
            for _ in 0..3 {
                place.run(&["poll"]);
            }
            std::fs::remove_file(place.path("strict")).unwrap();
            if *point != "parked.kept" {
                let output = later(&place, Some(&what));
                assert!(
                    crate::crash::kill_points::died(&output),
                    "{what}: {output:?}"
                );
            }
            for _ in 0..3 {
                later(&place, None);
            }
            let doubled = doubled(&sent, &mda.found(&place, 0), &what);
            assert!(doubled <= 1, "{what}: {doubled} doubled");
            assert!(
                server.listed().is_empty(),
                "{what}: all is deleted or hidden"
            );
        }
    }
}

#[test]
fn a_kill_during_the_retry_of_a_copy_with_a_new_unique_id_repeats_only_unrecorded_messages() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mda = Destination::new(Kind::Mda);
    for (code, point) in [65, 75]
        .into_iter()
        .flat_map(|code| KEPT.iter().map(move |point| (code, point)))
    {
        let is_parked = code == 75;
        let of_kind = if is_parked { "parked." } else { "retry." };
        if !point.starts_with(of_kind) || *point == "parked.kept" {
            continue;
        }
        let what = format!("{point}:1");
        let sent = messages(code);
        let (server, port) = hiding_server(&runtime, &sent);
        server.with(|habits| {
            habits.hides = false;
            habits.capabilities.push("TOP".into());
        });
        let place = place(&mda, port);
        for _ in 0..3 {
            place.run(&["poll"]);
        }
        assert_eq!((server.listed().len(), copies(&place)), (3, 3), "{point}");
        let renamed = server.listed().into_iter().map(|mut mail| {
            mail.unique_id.insert_str(0, "renamed-");
            mail
        });
        server.replace(renamed.collect());
        place.run(&["poll"]);
        std::fs::remove_file(place.path("strict")).unwrap();
        if is_parked {
            let output = later(&place, Some(&what));
            assert!(
                crate::crash::kill_points::died(&output),
                "{what}: {output:?}"
            );
            later(&place, None);
        } else {
            dies(&place, &["quarantine", "retry", "--all"], &what);
            std::fs::write(place.path("strict"), "").unwrap();
            retry_all(&place);
        }
        for _ in 0..3 {
            later(&place, None);
        }
        let doubled = doubled(&sent, &mda.found(&place, 0), point);
        let expected = usize::from(point.ends_with(".accepted"));
        assert_eq!(doubled, expected, "{point}");
        assert!(server.listed().is_empty(), "{point}: all is deleted");
    }
}

#[test]
fn a_kill_between_the_note_and_the_delete_of_an_operators_drop_leaves_the_copy_its_record() {
    let mda = Destination::new(Kind::Mda);
    let sent = messages(65);
    let dovecot = Dovecot::with(&sent);
    let place = place(&mda, dovecot.plain_port());
    until_quarantined(&place, &dovecot);
    let listed = place.succeed(&["quarantine", "list"]);
    let file = listed.split([' ', '=']).nth(1).unwrap();
    let drop = ["quarantine", "drop", "--delete", file];
    dies(&place, &drop, "note.durable:1");
    assert_eq!((copies(&place), dovecot.left().len()), (3, 3));
    place.run(&["poll"]);
    let words = place.succeed(&drop);
    assert!(words.contains("deleted on the server"), "{words}");
    assert_eq!((copies(&place), dovecot.left().len()), (2, 2));
}

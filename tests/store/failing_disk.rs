//! A disk that fails once: nothing is proven on the descriptor that failed, and the next poll
//! continues from the durable records.

use crate::store::disk::nearly_due_for_compaction;
use crate::support::agent::Agent;
use crate::support::destination::doubled;
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::Place;
use crate::support::varied;

fn place(dovecot: &Dovecot, further: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nfirst_run = \
          \"all\"\nrecipient = \"jane\"\n{further}",
        dovecot.plain_port()
    ))
}

fn messages(count: usize) -> Vec<Vec<u8>> {
    varied::messages(count).split_off(20)
}

#[test]
fn an_agent_continues_after_a_failed_sync_of_the_journal() {
    let sent = messages(20);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, "retention = \"delete\"\n");
    let mut command = place.command(&["run"]);
    command.env("MAILFERRY_FAULT", "journal.written:2:error");
    let mut agent = Agent::from(command);
    agent.until(&["who=store", "store_disk"]);
    while !dovecot.left().is_empty() {
        agent.poll_until_one_of(&[&["polled", "account=jane"]]);
    }
    assert_eq!(agent.stop().0, Some(0));
    let doubled = doubled(&sent, &place.delivered(), &"journal.written");
    assert!(doubled <= 64, "{doubled} doubled");
    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{said}");
}

#[test]
fn a_compaction_whose_folder_could_not_be_synced_loses_no_record() {
    // Commits reach the point where the journal is compacted, and a hundred come after it.
    let sent: Vec<Vec<u8>> = (0..2_150)
        .map(|number| format!("Subject: {number}\r\n\r\n{number}\r\n").into_bytes())
        .collect();
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, "retention = \"keep\"\n");
    nearly_due_for_compaction(&place.path("state"), 0);
    let mut command = place.command(&["run"]);
    command.env("MAILFERRY_FAULT", "journal.renamed:1:error");
    let mut agent = Agent::from(command);
    agent.until(&["polled", "delivered=2150"]);
    agent.signal("KILL");
    drop(agent);
    let journal = std::fs::read_to_string(place.path("state/seen.journal")).unwrap();
    assert!(journal.lines().count() < 4_000, "it was not compacted");
    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{said}");
    assert_eq!(doubled(&sent, &place.delivered(), &"journal.renamed"), 0);
}

#[test]
fn a_maildir_whose_folder_cannot_be_synced_gets_no_copy_more_at_each_try() {
    let sent = messages(3);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, "");
    for minutes in [0, 20, 40] {
        let mut command = place.command(&["poll"]);
        command.env("MAILFERRY_FAULT", "maildir.folder:1+:error");
        faketime::at(&mut command, &format!("+{minutes}m"));
        let said = String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
        assert!(said.contains("maildir_disk"), "{minutes}: {said}");
        assert!(place.delivered().is_empty(), "{minutes}");
    }
    let mut later = place.command(&["poll"]);
    faketime::at(&mut later, "+60m");
    assert!(later.status().unwrap().success());
    assert_eq!(doubled(&sent, &place.delivered(), &"after it"), 0);
}

#[test]
fn a_new_folder_that_could_not_be_synced_has_no_message_until_it_is() {
    let sent = messages(3);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, "");
    // The quarantine is made first, then the Maildir. The next poll completes the Maildir, and then
    // makes its folder.
    let text = std::fs::read_to_string(place.path("mailferry.toml")).unwrap();
    let with_folder = text.replace(
        "type = \"maildir\"\n",
        "type = \"maildir\"\nfolder = \"Sub\"\n",
    );
    assert_ne!(text, with_folder);
    place.configure(&with_folder);
    let folder = place.path("out/.Sub");
    for fault in ["maildir.made:2:error", "maildir.made:2:error"] {
        let mut command = place.command(&["poll"]);
        command.env("MAILFERRY_FAULT", fault);
        let said = String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
        assert!(said.contains("maildir_disk"), "{fault}: {said}");
        assert!(!folder.join("tmp").exists(), "{fault}");
    }
    let mut later = place.command(&["poll"]);
    faketime::at(&mut later, "+60m");
    assert!(later.status().unwrap().success());
    let new = std::fs::read_dir(folder.join("new")).unwrap();
    assert_eq!(new.count(), sent.len());
}

#[test]
fn a_maildir_that_could_not_be_synced_has_not_accepted_the_message() {
    for (fault, may_double) in [
        ("maildir.written:1:error", 0),
        ("maildir.renamed:1:error", 8),
    ] {
        let sent = messages(8);
        let dovecot = Dovecot::with(&sent);
        let place = place(&dovecot, "retention = \"delete\"\n");
        let mut command = place.command(&["poll"]);
        command.env("MAILFERRY_FAULT", fault);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("maildir_disk"), "{fault}: {said}");
        assert!(!dovecot.left().is_empty(), "{fault}: {said}");
        let mut later = place.command(&["poll"]);
        faketime::at(&mut later, "+20m");
        assert!(later.status().unwrap().success(), "{fault}");
        assert!(dovecot.left().is_empty(), "{fault}");
        let doubled = doubled(&sent, &place.delivered(), &fault);
        assert!(doubled <= may_double, "{fault}: {doubled} doubled");
    }
}

#[test]
fn a_disk_that_syncs_nothing_repeats_no_message_at_every_poll() {
    let sent = messages(20);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, "retention = \"keep\"\n");
    // The first write of a process notes the maildrop, or shows that the disk works.
    for fault in ["2", "1", "1", "1"] {
        let mut command = place.command(&["poll"]);
        command.env("MAILFERRY_FAULT", format!("journal.written:{fault}:error"));
        assert_eq!(command.output().unwrap().status.code(), Some(78));
    }
    place.succeed(&["poll"]);
    let doubled = doubled(&sent, &place.delivered(), &"journal.written");
    assert!(doubled <= sent.len(), "{doubled} doubled");
}

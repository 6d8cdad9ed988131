//! A Maildir has a message durably or not at all.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mailferry::mail::{Envelope, MailboxPath, PathWord, Recipient, Template};
use mailferry::sink::maildir::{Maildir, MaildirSettings};
use mailferry::sink::{Fault, Outcome, Refusal, Sink};

use crate::support::mail::{self, RECEIVED, envelope, message};

/// What stands above the trace.
const TOP: &str = "Return-Path: <s@x>\nDelivered-To: jane@home.lan\n";

fn files(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder).unwrap();
    listing.map(|entry| entry.unwrap().path()).collect()
}

async fn offer(maildir: &Maildir, octets: &[u8]) -> Result<String, Refusal> {
    let message = message(&std::env::temp_dir(), octets).await;
    let mut outcomes = maildir
        .offer(mail::offer(&envelope("s@x", "jane@home.lan"), &message))
        .await;
    assert_eq!(outcomes.len(), 1);
    match outcomes.remove(0) {
        Outcome::Accepted(words) => Ok(words),
        Outcome::Refused(refusal) => Err(refusal),
    }
}

/// Holds 4.4.files.
#[tokio::test]
async fn a_message_arrives_whole_private_and_under_a_name_that_tells_its_sizes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildir = Maildir::new(&path);
    for octets in [
        &b"Subject: x\r\n\r\nbare \r and \n, \0, \xFF\r\n"[..],
        &b"0123456789abcdef\r\n".repeat(40_000),
    ] {
        let words = offer(&maildir, octets).await.unwrap();
        let file = path.join(words.strip_prefix("stored as ").unwrap());
        let stored = std::fs::read(&file).unwrap();
        let separator = if octets.starts_with(b"Subject") {
            ""
        } else {
            "\n"
        };
        let mut expected = format!("{TOP}{RECEIVED}{separator}").into_bytes();
        for line in octets.split_inclusive(|&b| b == b'\n') {
            match line.strip_suffix(b"\r\n") {
                Some(line) => expected.extend([line, b"\n"].concat()),
                None => expected.extend(line),
            }
        }
        assert!(stored == expected);
        let name = file.file_name().unwrap().to_str().unwrap();
        let text: String = stored.iter().map(|&octet| char::from(octet)).collect();
        let sent = text
            .replace("\r\n", "\n")
            .replace('\n', "\r\n")
            .chars()
            .count();
        let sizes = format!("S={},W={sent}", stored.len());
        assert_eq!(name.split_once(',').unwrap().1, sizes);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(files(&path.join("tmp")), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_offers_at_once_arrive_each_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildir = Maildir::new(&path);
    let mut messages = Vec::new();
    for number in 0..500 {
        let octets = format!("Subject: {number}\r\n\r\n");
        messages.push(message(directory.path(), octets.as_bytes()).await);
    }
    let envelope = envelope("s@x", "jane");
    let offers = messages
        .iter()
        .map(|message| maildir.offer(mail::offer(&envelope, message)));
    let outcomes = futures_util::future::join_all(offers).await;
    let mut names = Vec::new();
    for (number, outcome) in outcomes.iter().enumerate() {
        let [Outcome::Accepted(words)] = &outcome[..] else {
            panic!("{outcome:?}");
        };
        let name = words.strip_prefix("stored as new/").unwrap();
        let text = std::fs::read_to_string(path.join("new").join(name)).unwrap();
        assert!(text.ends_with(&format!("Subject: {number}\n\n")));
        let count = name.split_once('Q').unwrap().1.split_once('R').unwrap().0;
        names.push(count.parse::<u64>().unwrap());
    }
    assert!(
        names.is_sorted(),
        "names are given in the order of the offers"
    );
    assert_eq!(files(&path.join("new")).len(), 500);
}

#[tokio::test]
async fn a_maildir_without_parent_takes_nothing_until_there_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mount/Maildir");
    let maildir = Maildir::new(&path);
    let ready = maildir.ready().await.unwrap_err();
    let said = offer(&maildir, b"").await.unwrap_err();
    for refusal in [ready, said] {
        assert_eq!(
            (refusal.fault, refusal.code),
            (Fault::Destination, "maildir_missing")
        );
    }
    std::fs::create_dir(directory.path().join("mount")).unwrap();
    assert_eq!(maildir.ready().await, Ok(()));
    offer(&maildir, b"").await.unwrap();
}

#[tokio::test]
async fn a_maildir_that_is_moved_away_is_created_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildir = Maildir::new(&path);
    offer(&maildir, b"").await.unwrap();
    std::fs::rename(&path, directory.path().join("old")).unwrap();
    offer(&maildir, b"").await.unwrap();
    assert_eq!(files(&path.join("new")).len(), 1);
    assert_eq!(files(&directory.path().join("old/new")).len(), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_written_or_renamed_is_refused_and_leaves_no_file() {
    for broken in ["tmp", "new"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Maildir");
        let maildir = Maildir::new(&path);
        maildir.ready().await.unwrap();
        std::fs::remove_dir(path.join(broken)).unwrap();
        std::fs::write(path.join(broken), "").unwrap();
        let said = offer(&maildir, b"").await.unwrap_err();
        assert_eq!(
            (said.fault, said.code),
            (Fault::Destination, "maildir_disk"),
            "{broken}"
        );
        assert!(said.words.contains(path.to_str().unwrap()));
        let whole = if broken == "tmp" { "new" } else { "tmp" };
        assert_eq!(files(&path.join(whole)), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn all_recipients_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let maildir = Maildir::new(&directory.path().join("Maildir"));
    let message = message(directory.path(), b"").await;
    let recipients = ["jane", "joe"]
        .map(|name| Recipient::new(name).unwrap())
        .into();
    let envelope = Envelope {
        recipients,
        ..envelope("", "jane")
    };
    let outcomes = maildir.offer(mail::offer(&envelope, &message)).await;
    assert!(matches!(
        outcomes[..],
        [Outcome::Accepted(_), Outcome::Accepted(_)]
    ));
    assert_eq!(files(&directory.path().join("Maildir/new")).len(), 1);
}

fn maildirs(path: &str, folder: Option<&str>) -> Maildir {
    let read = |text: &str| Template::parse(text, &PathWord::ALL).unwrap();
    let place = MailboxPath::new(Path::new(""), read(path), folder.map(read)).unwrap();
    Maildir::of(MaildirSettings {
        place,
        delivered_to: true,
        mode: None,
        user: None,
        group: None,
    })
    .unwrap()
}

async fn offer_to(
    maildir: &Maildir,
    recipients: &[&str],
) -> Vec<Result<(), (Fault, &'static str)>> {
    let message = message(&std::env::temp_dir(), b"Subject: x\r\n\r\n").await;
    let recipients = recipients
        .iter()
        .map(|name| Recipient::new(name).unwrap())
        .collect();
    let envelope = Envelope {
        recipients,
        ..envelope("s@x", "jane")
    };
    let outcomes = maildir.offer(mail::offer(&envelope, &message)).await;
    let short = |outcome| match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Refused(refusal) => Err((refusal.fault, refusal.code)),
    };
    outcomes.into_iter().map(short).collect()
}

#[tokio::test]
async fn each_recipient_has_a_maildir_of_its_own_and_one_that_has_none_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["jane", "joe", "foreign"] {
        std::fs::create_dir_all(path(name)).unwrap();
    }
    std::fs::create_dir(path("foreign/Maildir")).unwrap();
    std::fs::write(path("foreign/Maildir/mbox"), "").unwrap();
    let template = format!("{}/{{recipient_local}}/Maildir", directory.path().display());
    let maildir = maildirs(&template, Some("Lists.{account}"));
    assert_eq!(maildir.ready().await, Ok(()));
    let recipients = [
        "jane@x",
        "../jane@x",
        "joe@x",
        "missing@x",
        "foreign@x",
        ".hidden@x",
        "joe@y",
    ];
    let outcomes = offer_to(&maildir, &recipients).await;
    let expected = [
        Ok(()),
        Err((Fault::Recipient, "mailbox_name")),
        Ok(()),
        Err((Fault::Recipient, "mailbox_missing")),
        Err((Fault::RecipientTransient, "maildir_foreign")),
        Err((Fault::Recipient, "mailbox_name")),
        Ok(()),
    ];
    assert_eq!(outcomes, expected);
    for name in ["jane", "joe"] {
        let folder = path(name).join("Maildir/.Lists.work");
        assert_eq!(
            files(&folder.join("new")).len(),
            1,
            "{name}: one for both of joe"
        );
        assert!(folder.join("maildirfolder").is_file());
        assert!(path(name).join("Maildir/cur").is_dir());
    }
    std::fs::remove_dir_all(directory.path()).unwrap();
    let outcomes = offer_to(&maildir, &["jane@x"]).await;
    assert_eq!(outcomes, [Err((Fault::Destination, "maildir_missing"))]);
    assert!(maildir.ready().await.is_err());
}

#[tokio::test]
async fn a_folder_that_was_half_made_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let folder = path.join(".Archive");
    for half in ["", "Maildir", "Maildir/.Archive", "Maildir/.Archive/new"] {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(directory.path().join(half)).unwrap();
        let maildir = maildirs(path.to_str().unwrap(), Some("Archive"));
        offer(&maildir, b"").await.unwrap();
        assert_eq!(files(&folder.join("new")).len(), 1, "{half}");
        for part in ["cur", "tmp", "maildirfolder", "../tmp", "../new", "../cur"] {
            assert!(folder.join(part).exists(), "{half}: {part}");
        }
    }
}

//! Refused messages are stored exactly, durably and readably.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mailferry::quarantine::Quarantine;
use mailferry::spool::Spool;

use crate::support::mail::{RECEIVED, envelope, message, offer, offer_from, origin};

const OCTETS: &[u8] = b"X-Mailferry-Octets: 5\r\nX-Mailferry-Account: forged\r\n\
 Received: forged\r\n\r\nbare \r, \n, \0, \xFF\r\n.\r\n";

fn only_file(folder: &Path) -> PathBuf {
    let mut listing = std::fs::read_dir(folder).unwrap();
    let file = listing.next().unwrap().unwrap().path();
    assert!(listing.next().is_none());
    file
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_received_with_its_envelope_and_reason() {
    for octets in [
        OCTETS.to_vec(),
        Vec::new(),
        b"no header\r\n".to_vec(),
        vec![b'x'; 1_000_000],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let quarantine = Quarantine::open(&directory.path().join("quarantine")).unwrap();
        let message = message(directory.path(), &octets).await;
        let origin = origin(b"../../evil\xFF id");
        let envelope = envelope("s@x", "jane@home.lan");
        let words = "exit 65 (EX_DATAERR): \x1b[2Jno";
        let file = quarantine
            .keep(
                offer_from(&origin, &envelope, &message),
                "mda_refused",
                words,
            )
            .await
            .unwrap();

        let path = only_file(&directory.path().join("quarantine/new"));
        assert_eq!(path.file_name().unwrap().to_str(), Some(&*file));
        assert!(!file.contains("evil") && !file.contains('/'));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read(&path).unwrap().ends_with(&octets));

        let (loaded, label) = quarantine.load(&file, &spool).await.unwrap();
        assert!(loaded.to_vec().unwrap() == octets);
        assert_eq!(loaded.digest(), message.digest());
        assert_eq!(label.origin, origin);
        assert_eq!(label.received, RECEIVED);
        assert_eq!(label.envelope, envelope);
        assert_eq!(label.reason, "mda_refused");
        assert_eq!(label.words, "exit 65 (EX_DATAERR): \\x1b[2Jno");
        let listed = quarantine.list().await.unwrap();
        assert!(matches!(&listed[..], [(name, Ok(found))] if *name == file && *found == label));

        quarantine.remove(&file).await.unwrap();
        assert_eq!(
            quarantine.remove(&file).await.unwrap_err().code(),
            "quarantine_missing"
        );
        assert!(quarantine.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_mail_program_may_look_at_it() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path());
    let path = directory.path().join("quarantine");
    let quarantine = Quarantine::open(&path).unwrap();
    let message = message(directory.path(), b"no header\r\n").await;
    let file = quarantine
        .keep(offer(&envelope("", "jane"), &message), "mda_refused", "")
        .await
        .unwrap();
    let text = String::from_utf8(std::fs::read(path.join("new").join(&file)).unwrap()).unwrap();
    let trace = RECEIVED.replace('\n', "\r\n");
    assert!(
        text.ends_with(&format!("{trace}\r\nno header\r\n")),
        "an empty line ends the label: {text}"
    );

    std::fs::rename(
        path.join("new").join(&file),
        path.join("cur").join(format!("{file}:2,S")),
    )
    .unwrap();
    assert!(quarantine.load(&file, &spool).await.is_ok());
    assert_eq!(quarantine.list().await.unwrap()[0].0, file);
    quarantine.remove(&file).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_changed_is_never_offered() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path());
    let path = directory.path().join("quarantine");
    let quarantine = Quarantine::open(&path).unwrap();
    let message = message(directory.path(), OCTETS).await;
    let kept = quarantine
        .keep(offer(&envelope("", "jane"), &message), "mda_refused", "")
        .await
        .unwrap();
    let whole = std::fs::read(path.join("new").join(&kept)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], b"x"].concat();
    let vast = [b"X-Mailferry-Octets: 18446744073709551615\r\n", &whole[..]].concat();
    for broken in [
        &flipped[..],
        &whole[..whole.len() - 1],
        &longer,
        &whole[1..],
        &vast,
        b"",
        b"Subject: foreign\r\n\r\n",
    ] {
        std::fs::write(path.join("new").join(&kept), broken).unwrap();
        let error = quarantine.load(&kept, &spool).await.err().unwrap();
        assert_eq!(error.code(), "quarantine_damaged", "{error}");
        assert_eq!(
            quarantine.list().await.unwrap().len(),
            1,
            "it is listed all the same"
        );
    }
}

#[tokio::test]
async fn a_file_outside_cannot_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path());
    let quarantine = Quarantine::open(&directory.path().join("quarantine")).unwrap();
    std::fs::write(directory.path().join("secret"), "x").unwrap();
    for name in ["../../secret", "/etc/passwd", "", ".", "..", "a b"] {
        assert_eq!(
            quarantine.load(name, &spool).await.err().unwrap().code(),
            "quarantine_missing",
            "{name}"
        );
        assert_eq!(
            quarantine.remove(name).await.unwrap_err().code(),
            "quarantine_missing",
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_quarantine_that_cannot_be_written_stores_nothing_and_reports_it() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(
        Quarantine::open(&directory.path().join("no/quarantine"))
            .unwrap_err()
            .code(),
        "quarantine_disk"
    );
    let path = directory.path().join("quarantine");
    let quarantine = Quarantine::open(&path).unwrap();
    let message = message(directory.path(), OCTETS).await;
    std::fs::remove_dir_all(&path).unwrap();
    quarantine
        .keep(offer(&envelope("", "jane"), &message), "mda_refused", "")
        .await
        .unwrap();
    std::fs::remove_dir_all(path.join("new")).unwrap();
    std::fs::write(path.join("new"), "").unwrap();
    let error = quarantine
        .keep(offer(&envelope("", "jane"), &message), "mda_refused", "")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "quarantine_disk");
    assert_eq!(std::fs::read_dir(path.join("tmp")).unwrap().count(), 0);
}

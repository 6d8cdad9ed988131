//! A file in the quarantine: either it is not a copy of ours, or it contains exactly the message of
//! its label.

use std::fs;

use mailferry::quarantine::Quarantine;
use mailferry::sink::Offer;
use mailferry::spool::Spool;
use sha2::{Digest as _, Sha256};

pub fn hold(octets: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::open(folder.path()).unwrap();
    fs::write(folder.path().join("new/1.kept"), octets).unwrap();
    let spool = Spool::new(folder.path());
    super::wait_for(async {
        let listed = quarantine.list().await.unwrap();
        assert!(listed.len() <= 1);
        let Ok((message, label)) = quarantine.load("1.kept", &spool).await else {
            return;
        };
        let body = message.to_vec().unwrap();
        assert!(
            octets.ends_with(&body),
            "the message is the end of the file"
        );
        let digest: [u8; 32] = Sha256::digest(&body).into();
        assert_eq!(
            (label.digest.as_bytes(), label.octets),
            (&digest, body.len() as u64)
        );
        assert_eq!(message.digest(), label.digest);
        assert!(!label.envelope.sender.as_str().contains(['\r', '\n']));
        // If it is stored once more, it is the same.
        let offer = Offer {
            origin: &label.origin,
            envelope: &label.envelope,
            trace: &label.received,
            message: &message,
        };
        let kept = quarantine.keep(offer, "test", "no").await.unwrap();
        let (again, twin) = quarantine.load(&kept, &spool).await.unwrap();
        assert_eq!(again.to_vec().unwrap(), body);
        assert_eq!(
            (twin.origin, twin.envelope, twin.digest),
            (label.origin, label.envelope, label.digest)
        );
    });
}

//! Commands by unique-id for an account whose user changed in the configuration, and that was not
//! polled since.

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;

fn configuration(dovecot: &Dovecot, user: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.mda]\ntype = \"mda\"\n\
         command = [\"/bin/sh\", \"-c\", \"cat > /dev/null\"]\n\
         [account.work]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"{user}\"\npassword = \"secret\"\n\
         recipient = \"jane\"\nretention = \"keep\"\n",
        dovecot.plain_port()
    )
}

#[test]
fn unique_ids_of_another_maildrop_than_the_configured_one_are_not_marked_nor_forgotten() {
    let dovecot = Dovecot::with(&[b"Subject: one\n\none\n".to_vec()]);
    let place = Place::with(&configuration(&dovecot, "jane"));
    place.succeed(&["poll"]);
    let before = place.succeed(&["seen", "list", "work"]);
    let id = before.split(' ').next().unwrap();
    let id = id.strip_prefix("unique_id=").unwrap().to_owned();
    place.configure(&configuration(&dovecot, "joe"));
    for words in [
        &["seen", "mark", "work", &id][..],
        &["seen", "mark", "--force", "work", "new"],
        &["seen", "forget", "work", &id],
    ] {
        let output = place.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(75), "{words:?}: {said}");
        assert!(
            said.contains("its records are of jane at localhost"),
            "{said}"
        );
        assert!(said.contains("mailferry poll work"), "{said}");
    }
    assert_eq!(place.succeed(&["seen", "list", "work"]), before);
    place.configure(&configuration(&dovecot, "jane"));
    place.succeed(&["seen", "forget", "work", &id]);
}

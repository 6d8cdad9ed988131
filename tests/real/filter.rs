//! The program with rspamd as a filter.

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::rspamd::Rspamd;

/// The test message that every spam filter knows.
const SPAM: &[u8] = b"Message-ID: <spam@example.org>\r\nSubject: spam\r\n\r\n\
    XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n";

const HONEST: &[u8] = b"Message-ID: <honest@example.org>\r\nSubject: honest\r\n\r\n\
    .line\r\nFrom here\r\nend\r\n";

fn configuration(dovecot: &Dovecot, rspamd: &Rspamd) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n\
         [filter.spam]\ncommand = [\"rspamc\", \"--mime\", \"-h\", \"{}\"]\nreplace = true\n\
         [delivery.out]\ntype = \"maildir\"\npath = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         filter = \"spam\"\nrecipient = \"jane@home.lan\"\nretention = \"delete\"\n",
        rspamd.address(),
        dovecot.plain_port()
    )
}

#[test]
fn rspamd_marks_spam_and_mail_waits_while_it_is_away() {
    let rspamd = Rspamd::start();
    let dovecot = Dovecot::with(&[SPAM.to_vec(), HONEST.to_vec()]);
    let place = Place::with(&configuration(&dovecot, &rspamd));
    let checked = place.succeed(&["check"]);
    assert!(checked.contains("filter spam"), "{checked}");
    let said = place.succeed(&["poll"]);
    assert!(said.contains("2 delivered, 2 deleted"), "{said}");
    let delivered: Vec<String> = place
        .delivered()
        .into_keys()
        .map(|octets| String::from_utf8(octets).unwrap())
        .collect();
    let of = |subject: &str| {
        delivered
            .iter()
            .find(|text| text.contains(subject))
            .unwrap()
    };
    assert!(of("Subject: spam\n").contains("X-Spam: yes\n"));
    let honest = of("Subject: honest\n");
    assert!(honest.contains("X-Spam-Action: no action\n"), "{honest}");
    assert!(honest.ends_with("\n\n.line\nFrom here\nend\n"), "{honest}");

    drop(rspamd);
    dovecot.put(HONEST);
    let output = place.run(&["poll"]);
    assert_eq!(output.status.code(), Some(75), "it waits");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("1 waits (filter_temporary)"), "{said}");
    assert_eq!(place.delivered().len(), 2);
}

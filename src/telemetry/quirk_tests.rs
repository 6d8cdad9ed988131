use super::*;

#[test]
fn the_words_name_what_happened_and_the_command_that_helps() {
    let account = AccountName::new("work").unwrap();
    let unique_id = &UniqueId::new(b"a b").unwrap();
    let octets = OctetsQuirk::Short {
        unique_id,
        announced: None,
        octets: 7,
    };
    let words = Quirk::Octets(octets).detail(&account);
    assert!(
        words.contains("announces more octets and sends 7"),
        "{words}"
    );
    assert!(
        words.contains("seen mark --as-delivered work a%20b`"),
        "{words}"
    );
    let moved = Quirk::MaildropChanged {
        user: "jane",
        host: "pop.example.org",
        after: AfterMove::New { copies: 0 },
    };
    let words = moved.detail(&account);
    assert!(words.contains("jane at pop.example.org before: its messages are new. If"));
    assert!(
        words.contains("seen rename --same-maildrop work`"),
        "{words}"
    );
}

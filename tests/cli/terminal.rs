//! What a person sees on a terminal while a poll is under way.

use std::process::{Command, Stdio};

use crate::support::crash::Crash;
use crate::support::model::Server;
use crate::support::place::Place;
use crate::support::world::mails;

/// What stands on a terminal after all of this was written to it, line by line: a carriage return
/// goes back, and CSI K clears the rest of the line.
fn seen(written: &str) -> Vec<String> {
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    let mut rest = written.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\r' => at = 0,
            '\n' => {
                lines.push(std::mem::take(&mut line).into_iter().collect());
                at = 0;
            }
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "{written:?}");
                let arguments: String =
                    std::iter::from_fn(|| rest.next_if(|next| !next.is_alphabetic())).collect();
                match rest.next() {
                    Some('K') => line.truncate(at),
                    // A colour.
                    Some('m') => {}
                    other => panic!("{arguments}{other:?} in {written:?}"),
                }
            }
            character => {
                if at < line.len() {
                    line[at] = character;
                } else {
                    line.push(character);
                }
                at += 1;
            }
        }
    }
    lines.push(line.into_iter().collect());
    lines
}

/// Holds that the line of progress is taken away before a log line is written.
#[test]
fn progress_and_log_lines_do_not_run_into_each_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::new(mails(30), Crash::never());
    let port = runtime.block_on(server.listen());
    // Every third message is refused for now, which is a log line each.
    let mda = "grep -q 'Subject: .*[258]$' && exit 75; exit 0";
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"mda\"\n\
         command = [\"/bin/sh\", \"-c\", \"{mda}\"]\n[account.jane]\nhost = \"127.0.0.1\"\n\
         port = {port}\ntls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\n\
         password = \"x\"\ndelivery = \"box\"\nfirst_run = \"all\"\n"
    ));
    let poll = place.command(&["poll"]);
    let words = std::iter::once(poll.get_program()).chain(poll.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    // It gives the program a terminal.
    let output = Command::new("script")
        .args(["-qec", &words.join(" "), "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script, which is part of every Debian");
    let written = String::from_utf8(output.stdout).unwrap();
    assert!(written.contains("/30 messages"), "progress: {written:?}");
    let lines = seen(&written);
    let deferred: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("status=deferred"))
        .collect();
    assert_eq!(deferred.len(), 9, "{lines:#?}");
    for line in &lines {
        assert!(!line.contains(" messages, "), "progress is left: {line:?}");
        let is_log = line.contains("status=");
        let begins =
            line.contains("WARN") || line.contains("INFO") || line.contains("account=jane");
        assert!(!is_log || begins, "{line:?}");
    }
    // Each log line is whole: it begins like the first one.
    let first = deferred[0].split_whitespace().nth(1);
    assert!(
        deferred
            .iter()
            .all(|line| line.split_whitespace().nth(1) == first),
        "{deferred:#?}"
    );
}

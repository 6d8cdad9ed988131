//! A log that is not read delays neither mail nor the end of the program.

use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::place::Place;
use crate::support::speaker::{Speaker, maildrop};

#[test]
fn a_log_pipe_that_is_not_read_delays_neither_mail_nor_the_stop() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let texts: Vec<(String, Vec<u8>)> = (0..3_000)
        .map(|at| {
            let name = format!("{at:04}{}", "x".repeat(60));
            (name, format!("Subject: {at}\r\n\r\nx\r\n").into_bytes())
        })
        .collect();
    let mails: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_slice()))
        .collect();
    let (quit, quits) = mpsc::channel();
    let answer = maildrop(&mails);
    let speaker = Speaker::new(move |line| {
        if line == "QUIT" {
            // Later sessions end when the receiver is gone.
            let _ = quit.send(());
        }
        answer(line)
    });
    let port = runtime.block_on(speaker.listen());
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nrecipient = \
          \"jane\"\nfirst_run = \"all\"\n"
    ));
    let mut agent = place
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // QUIT comes when everything is delivered.
    let ended = quits.recv_timeout(Duration::from_secs(120));
    let count = std::fs::read_dir(place.path("out/new")).map_or(0, Iterator::count);
    assert!(ended.is_ok(), "{count} were delivered");
    assert_eq!(count, texts.len());
    let told = std::process::Command::new("kill")
        .arg(agent.id().to_string())
        .status();
    assert!(told.unwrap().success());
    let begun = Instant::now();
    let status = agent.wait().unwrap();
    assert!(status.success());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let mut said = String::new();
    agent
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.starts_with("20"),
        "what was written is whole lines: {said:.200}"
    );
}

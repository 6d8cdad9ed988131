//! SIGKILL at random moments: the real program against a real server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;

/// Kills the program again and again while it empties a maildrop; then compares with the truth.
fn killed(times: usize, unrecorded_max: usize) {
    let seed = std::env::var("MAILFERRY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let files: Vec<Vec<u8>> = varied::messages(600).into_iter().skip(40).collect();
    let dovecot = Dovecot::with(&files);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\nmax_unrecorded = {unrecorded_max}\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n[account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nfirst_run = \"all\"\n\
         retention = \"delete\"\nmax_messages = 40\n",
        dovecot.plain_port()
    ));
    let mut kills = 0;
    while kills < times && !dovecot.left().is_empty() {
        let mut child = place
            .command(&["poll"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_micros(random.u64(1_000..250_000));
        while Instant::now() < until {
            std::thread::yield_now();
        }
        // It may have ended before its time; then there is nothing to kill.
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    let until = Instant::now() + Duration::from_secs(120);
    while !dovecot.left().is_empty() {
        let output = place.run(&["poll"]);
        assert!(
            Instant::now() < until,
            "seed {seed}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            dovecot.log()
        );
    }
    let found = place.delivered();
    let mut doubled = 0;
    for file in &files {
        let stored: Vec<u8> = String::from_utf8_lossy(file)
            .replace("\r\n", "\n")
            .into_bytes();
        let count = found.get(&stored).copied().unwrap_or(0);
        assert!(
            count > 0,
            "seed {seed}: lost {:?}",
            String::from_utf8_lossy(&file[..file.len().min(200)])
        );
        doubled += count - 1;
    }
    assert_eq!(
        found.len(),
        files.len(),
        "seed {seed}: every delivered message is whole"
    );
    assert!(
        doubled <= kills * unrecorded_max,
        "seed {seed}: {doubled} doubled by {kills} kills"
    );
    println!("{kills} kills, {doubled} doubled");
}

#[test]
fn fifty_kills_lose_nothing_and_alter_nothing() {
    killed(50, 8);
}

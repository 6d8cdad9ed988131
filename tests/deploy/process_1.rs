//! mailferry as process 1, as in a container without a separate init.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::mda::is_root;
use crate::support::place::Place;
use crate::support::varied;

/// Starts a command as process 1 of a new namespace, which ends with it.
fn as_process_1(place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.arg("--map-root-user");
    }
    let program = place.command(words);
    command
        .args(["--pid", "--fork", "--kill-child"])
        .arg(program.get_program())
        .args(program.get_args());
    command
}

/// The children of a process, with the letter of their state.
fn children(of: u32) -> Vec<(u32, char)> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let status = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        // The name may contain blanks and brackets; the part after the last bracket is fixed
        // (proc(5)).
        let mut words = stat.rsplit_once(')')?.1.split_whitespace();
        let letter = words.next()?.chars().next()?;
        let parent: u32 = words.next()?.parse().ok()?;
        let id = path.file_name()?.to_str()?.parse().ok()?;
        (parent == of).then_some((id, letter))
    };
    processes
        .filter_map(|process| status(&process.path()))
        .collect()
}

/// Holds 4.4.child.
#[test]
fn processes_that_an_mda_leaves_are_reaped_and_signals_and_exit_codes_pass() {
    let dovecot = Dovecot::with(&varied::messages(1)[..3]);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.local]\ntype = \"mda\"\n\
         command = [\"/bin/sh\", \"-c\", \"cat >/dev/null; setsid sh -c 'echo gone \
         >>{{here}}/orphans' & exit 0\"]\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\n\
         password = \"secret\"\nrecipient = \"jane@home.lan\"\nfirst_run = \"all\"\n",
        dovecot.plain_port()
    ));
    let mut agent = Agent::from(as_process_1(&place, &["run"]));
    for _ in 0..3 {
        agent.until(&["status=delivered"]);
    }
    let [(init, _)] = children(agent.id())[..] else {
        panic!("process 1 is not the only child of unshare");
    };
    // The first child is the agent; processes left by MDAs came later.
    let worker = children(init).into_iter().map(|(id, _)| id).min();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let orphans = std::fs::read_to_string(place.path("orphans")).unwrap_or_default();
        let left = children(init);
        if orphans.lines().count() == 3 && left.iter().all(|(id, _)| Some(*id) == worker) {
            break;
        }
        assert!(Instant::now() < until, "{orphans:?} {left:?}");
        std::thread::yield_now();
    }
    let status = Command::new("kill")
        .args(["-TERM", &init.to_string()])
        .status();
    assert!(status.unwrap().success());
    let (code, said) = agent.wait();
    assert_eq!(code, Some(0), "{said:?}");
    let output = as_process_1(&place, &["poll", "nobody"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

//! Tests of processes from start to end.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use super::*;

const LAST: Listen = Listen::Together { last: 4096 };
const APART: Listen = Listen::Apart {
    output: 100,
    errors: 10,
};

#[test]
fn output_goes_to_a_file_up_to_its_limit() {
    for (script, length) in [("printf 12345", 5), ("printf 1234567; echo more", 7)] {
        let file = tempfile::tempfile().unwrap();
        let listen = Listen::IntoFile {
            file: file.try_clone().unwrap(),
            octets_max: 6,
            errors: 100,
        };
        let ended = run_for(&format!("{script}; echo why >&2"), listen, 60);
        assert_eq!(file.metadata().unwrap().len(), length, "{script}");
        assert!(ended.output.is_empty() && ended.not_written.is_none());
    }
}

#[test]
fn a_file_that_takes_no_output_is_reported() {
    let file = std::fs::File::open("/dev/full").unwrap();
    let listen = Listen::IntoFile {
        file,
        octets_max: 6,
        errors: 100,
    };
    assert!(run_for("echo one", listen, 60).not_written.is_some());
}

fn run_for(script: &str, listen: Listen, seconds: u64) -> Finished {
    let (_canceller, cancellation) = cancellation();
    let timeout = Duration::from_secs(seconds);
    run(shell(script), listen, timeout, &cancellation).unwrap()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .stdin(std::process::Stdio::null());
    command
}

#[test]
fn a_kernel_that_cannot_tell_of_an_end_is_asked() {
    let (_canceller, cancellation) = cancellation();
    for (script, timeout, end) in [
        ("echo said; exit 3", 60, ProcessEnd::Code(3)),
        (
            "exec >/dev/null 2>&1; sleep 0.1; exit 4",
            60,
            ProcessEnd::Code(4),
        ),
        (
            "echo said; sleep 300",
            1,
            ProcessEnd::TimedOut {
                seconds: 1,
                code: None,
            },
        ),
    ] {
        let mut watch = Watch::start(shell(script), LAST).unwrap();
        watch.pidfd = None;
        let called_off = cancellation.event().unwrap();
        let ended = watch.until_end(Duration::from_secs(timeout), called_off);
        let ended = ended.unwrap();
        assert_eq!(ended.end, end);
        assert_eq!(ended.output.is_empty(), !script.starts_with("echo"));
    }
}

#[test]
fn an_exit_code_that_is_there_counts_however_late_we_look() {
    let (_canceller, cancellation) = cancellation();
    let called_off = cancellation.event().unwrap();
    for pidfd in [true, false] {
        let mut watch = Watch::start(shell("echo said; exit 0"), LAST).unwrap();
        if !pidfd {
            watch.pidfd = None;
        }
        while !watch.has_ended().unwrap() {
            std::thread::yield_now();
        }
        let ended = watch.until_end(Duration::ZERO, called_off).unwrap();
        assert_eq!(
            (ended.end, &**ended.output),
            (ProcessEnd::Code(0), &b"said\n"[..])
        );
    }
}

#[test]
fn an_exit_code_within_the_grace_period_counts() {
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let end = run_for(script, LAST, 1).end;
    let expected = ProcessEnd::TimedOut {
        seconds: 1,
        code: Some(0),
    };
    assert_eq!(end, expected);
}

#[test]
fn a_process_that_left_its_group_is_ended_too() {
    let (_canceller, cancellation) = cancellation();
    // A leader of a group cannot begin a session, but it may join the group of its parent.
    let mut leaves = Command::new("/usr/bin/python3");
    let program = "import os, time; os.setpgid(0, os.getpgid(os.getppid()))\n\
                   print(os.getpid(), flush=True); time.sleep(300)";
    leaves.args(["-c", program]);
    let ended = run(leaves, LAST, Duration::from_secs(3), &cancellation).unwrap();
    let late = ProcessEnd::TimedOut {
        seconds: 3,
        code: None,
    };
    assert_eq!(ended.end, late);
    let said = String::from_utf8(ended.output.to_vec()).unwrap();
    let process = Pid::from_raw(said.trim().parse().unwrap()).unwrap();
    let there = rustix::process::test_kill_process(process);
    assert_eq!(there, Err(Errno::SRCH), "it is ended, and reaped");
}

#[test]
fn an_offer_dropped_before_its_process_starts_none() {
    let (canceller, cancellation) = cancellation();
    drop(canceller);
    let started = run(
        shell("exit 3"),
        LAST,
        Duration::from_secs(60),
        &cancellation,
    );
    assert_eq!(started.unwrap().end, ProcessEnd::Cancelled);
}

#[test]
fn the_last_four_kibibytes_are_shown() {
    let output = run_for("head -c 100000 /dev/zero; printf end", LAST, 60).output;
    assert_eq!(output.len(), 4096);
    assert!(output.ends_with(b"\0end"));
}

#[test]
fn standard_error_is_read_to_its_end_and_stored_separately() {
    let ended = run_for("printf out; printf error >&2; exit 3", APART, 60);
    assert_eq!(ended.end, ProcessEnd::Code(3));
    assert_eq!(
        (&**ended.output, &**ended.errors),
        (&b"out"[..], &b"error"[..])
    );
    // The shell has ended before its child prints anything.
    let late = run_for("(sleep 0.2; printf late) & exit 0", APART, 60);
    assert_eq!(
        (late.end, &**late.output),
        (ProcessEnd::Code(0), &b"late"[..])
    );
    let never = run_for("sleep 300 & exit 0", APART, 1);
    assert!(
        matches!(never.end, ProcessEnd::TimedOut { .. }),
        "{:?}",
        never.end
    );
}

#[test]
fn the_output_of_a_program_that_writes_too_much_is_closed_and_its_errors_are_read() {
    let ended = run_for("exec yes", APART, 60);
    assert_eq!(ended.end.to_string(), "signal: 13 (SIGPIPE)");
    assert_eq!(ended.output.len(), 100);
    let ended = run_for("head -c 1000000 /dev/zero >&2; printf ok", APART, 60);
    assert_eq!(
        (ended.end, &**ended.output),
        (ProcessEnd::Code(0), &b"ok"[..])
    );
    assert_eq!(ended.errors.len(), 10);
}

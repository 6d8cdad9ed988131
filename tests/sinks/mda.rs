//! An MDA is a foreign program: whatever it does, the message is safe and the agent continues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailferry::mail::ExitClass;
use mailferry::mail::LineEnds;
use mailferry::mail::{Envelope, Recipient};
use mailferry::sink::mda::Mda;
use mailferry::sink::{Begin, Fault, Outcome, Sink};

use crate::support::mail::{self, RECEIVED, envelope, message, offer_from, origin};
use crate::support::mda::{SMALL, accepted, offer, refusal, script, settings, written};

/// Waits until the condition is true; fails after half a minute.
async fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

/// Holds 4.4.bombs.
#[tokio::test]
async fn a_message_arrives_whole_with_lf_from_memory_and_from_a_file() {
    let large = [SMALL, &b"0123456789 abcdef\r\n".repeat(40_000)].concat();
    for octets in [SMALL, &large] {
        let directory = tempfile::tempdir().unwrap();
        accepted(script(directory.path(), "cat > $1/mail", &[]), octets).await;
        let body: Vec<u8> = octets.iter().copied().filter(|&b| b != b'\r').collect();
        let body = String::from_utf8_lossy(&body).replace("bare  and", "bare \r and");
        let arrived = std::fs::read(directory.path().join("mail")).unwrap();
        let expected = format!("Return-Path: <s@x>\n{RECEIVED}{body}");
        assert!(String::from_utf8_lossy(&arrived) == expected);
    }
}

#[tokio::test]
async fn an_mda_that_wants_crlf_and_a_from_line_gets_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = script(directory.path(), "cat > $1/mail", &[]);
    settings.line_ends = LineEnds::Crlf;
    settings.from_line = true;
    accepted(settings, b"A: b\r\n\r\nbare \n kept\r\n").await;
    let ours = format!("From s@x Mon Nov 23 12:00:00 2026\nReturn-Path: <s@x>\n{RECEIVED}");
    let expected = ours.replace('\n', "\r\n") + "A: b\r\n\r\nbare \n kept\r\n";
    assert_eq!(written(directory.path(), "mail"), expected);
}

#[tokio::test]
async fn an_mda_gets_the_name_of_its_recipient_on_top() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = script(directory.path(), "cat > $1/mail", &[]);
    settings.delivered_to = true;
    accepted(settings, b"A: b\r\n\r\n").await;
    let top = "Return-Path: <s@x>\nDelivered-To: jane@home.lan\n";
    assert_eq!(
        written(directory.path(), "mail"),
        format!("{top}{RECEIVED}A: b\n\n")
    );
}

#[tokio::test]
async fn standard_input_is_a_complete_file_at_its_beginning() {
    for octets in [SMALL.to_vec(), vec![b'x'; 600_000]] {
        let directory = tempfile::tempdir().unwrap();
        let look = "test -f /proc/self/fd/0 && grep pos /proc/self/fdinfo/0 > $1/pos && \
                    cat > $1/first && stat -L -c %s /proc/self/fd/0 > $1/size";
        accepted(script(directory.path(), look, &[]), &octets).await;
        assert_eq!(written(directory.path(), "pos"), "pos:\t0\n");
        let size = std::fs::metadata(directory.path().join("first"))
            .unwrap()
            .len();
        assert_eq!(written(directory.path(), "size"), format!("{size}\n"));
    }
}

#[tokio::test]
async fn every_exit_code_is_answered_as_designed() {
    let directory = tempfile::tempdir().unwrap();
    for code in 0..=255 {
        let outcome = offer(script(directory.path(), &format!("exit {code}"), &[]), b"").await;
        let expected = match code {
            0 | 99 => None,
            65 | 66 | 68 | 76 | 77 | 100 => Some(Fault::MessagePermanent),
            67 => Some(Fault::RecipientOrMessage),
            64 | 78 => Some(Fault::DestinationOrMessage),
            126 | 127 => Some(Fault::Destination),
            _ => Some(Fault::MessageTransient),
        };
        let fault = match outcome {
            Outcome::Accepted(_) => None,
            Outcome::Refused(refusal) => Some(refusal.fault),
        };
        assert_eq!(fault, expected, "exit {code}");
    }
    let mut settings = script(directory.path(), "exit 77", &[]);
    settings.exit_codes = BTreeMap::from([(77, ExitClass::Transient)]);
    assert_eq!(refusal(settings, b"").await.fault, Fault::MessageTransient);
}

#[tokio::test]
async fn an_mda_that_dies_by_a_signal_says_nothing_about_the_message() {
    let directory = tempfile::tempdir().unwrap();
    for signal in ["KILL", "SEGV", "PIPE"] {
        let said = refusal(
            script(directory.path(), &format!("kill -{signal} $$"), &[]),
            SMALL,
        )
        .await;
        assert_eq!(
            (said.fault, said.code),
            (Fault::MessageTransient, "mda_signal"),
            "{signal}"
        );
    }
}

#[tokio::test]
async fn the_output_of_an_mda_is_shown_from_both_streams() {
    let directory = tempfile::tempdir().unwrap();
    let said = refusal(
        script(
            directory.path(),
            "echo one; echo two >&2; printf '\\033[2J'; exit 75",
            &[],
        ),
        b"",
    )
    .await;
    assert_eq!(said.words, "exit 75 (EX_TEMPFAIL): one / two / \\x1b[2J");
    assert_eq!(
        accepted(script(directory.path(), "echo stored", &[]), b"").await,
        "exit 0: stored"
    );
}

/// Holds 4.4.child.
#[tokio::test]
async fn the_output_of_an_mda_that_writes_a_gibibyte_is_read_and_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let said = refusal(
        script(
            directory.path(),
            "head -c 1G /dev/zero; echo last; exit 75",
            &[],
        ),
        SMALL,
    )
    .await;
    assert_eq!(said.code, "mda_temporary");
    assert!(
        said.words.ends_with("octets)") || said.words.ends_with("last"),
        "{}",
        said.words
    );
    assert!(said.words.len() < 1000);
}

/// Holds 4.4.child.
#[tokio::test]
async fn an_mda_that_does_not_read_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    accepted(
        script(directory.path(), "exec true", &[]),
        &vec![b'x'; 3_000_000],
    )
    .await;
}

#[tokio::test]
async fn a_child_that_inherited_our_pipe_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let words = accepted(
        script(
            directory.path(),
            "sleep 300 & echo $! > $1/pid; echo done",
            &[],
        ),
        b"",
    )
    .await;
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(words, "exit 0: done");
    let pid = written(directory.path(), "pid");
    assert!(
        is_running(&pid),
        "what an MDA starts for later is left alone"
    );
    std::process::Command::new("kill")
        .arg(pid.trim())
        .status()
        .unwrap();
}

/// Holds 4.4.child.
#[tokio::test]
async fn a_time_out_ends_the_whole_process_group() {
    // One that ends when asked, and one that must be killed; the same for their children.
    for trap in ["", "trap '' TERM;"] {
        let directory = tempfile::tempdir().unwrap();
        let hang = format!(
            "{trap} echo $$ > $1/mda; sleep 300 & echo $! > $1/child; wait; wait; sleep 300"
        );
        let mut settings = script(directory.path(), &hang, &[]);
        settings.timeout = Duration::from_secs(1);
        let said = refusal(settings, SMALL).await;
        assert_eq!(
            (said.fault, said.code),
            (Fault::MessageTransient, "mda_timeout")
        );
        for pid in ["mda", "child"] {
            let pid = written(directory.path(), pid);
            until("the process is gone", || !is_running(&pid)).await;
        }
    }
}

/// Holds 4.4.child.
#[tokio::test]
async fn an_offer_that_is_dropped_takes_its_processes_with_it_and_gives_its_turn_back() {
    let directory = tempfile::tempdir().unwrap();
    let hang = "test -e $1/go && exit 0; sleep 300 & echo $! > $1/child; echo $$ > $1/mda; wait";
    let mda = Arc::new(Mda::new(script(directory.path(), hang, &[])).unwrap());
    let message = message(directory.path(), SMALL).await;
    let task = {
        let (mda, message) = (mda.clone(), message.clone());
        tokio::spawn(async move {
            mda.offer(mail::offer(&envelope("", "jane"), &message))
                .await
        })
    };
    until("the MDA has started", || {
        directory.path().join("mda").exists()
    })
    .await;
    let pids = [
        written(directory.path(), "mda"),
        written(directory.path(), "child"),
    ];
    task.abort();
    for pid in pids {
        until("the process is gone", || !is_running(&pid)).await;
    }
    std::fs::write(directory.path().join("go"), "").unwrap();
    let outcomes = mda
        .offer(mail::offer(&envelope("", "jane"), &message))
        .await;
    assert!(
        matches!(outcomes[..], [Outcome::Accepted(_)]),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_program_that_is_missing_is_the_destinations_fault_before_and_at_the_offer() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    for program in [
        "/no/such/mda",
        "no-such-mda",
        directory.path().to_str().unwrap(),
        file.to_str().unwrap(),
    ] {
        let mda = Mda::new(settings(directory.path(), &[program])).unwrap();
        let ready = mda.ready().await.unwrap_err();
        assert_eq!(
            (ready.fault, ready.code),
            (Fault::Destination, "mda_missing"),
            "{program}"
        );
        assert!(ready.words.contains(program), "{}", ready.words);
        let said = refusal(settings(directory.path(), &[program]), SMALL).await;
        assert_eq!((said.fault, said.code), (Fault::Destination, "mda_missing"));
    }
    let mda = Mda::new(settings(directory.path(), &["sh"])).unwrap();
    assert_eq!(mda.ready().await, Ok(()));
}

#[tokio::test]
async fn a_file_that_is_no_program_is_the_destinations_fault() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("garbage");
    std::fs::write(&file, [0x7F, b'E', b'L', b'F', 0, 0, 0]).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = refusal(settings(directory.path(), &[file.to_str().unwrap()]), SMALL).await;
    assert_eq!(said.fault, Fault::Destination, "{said}");
}

#[tokio::test]
async fn each_recipient_has_a_process_of_its_own_and_an_answer_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let answer = "cat > $1/$2; test $2 = jane || exit 67";
    let mda = Mda::new(script(directory.path(), answer, &["{recipient}"])).unwrap();
    let message = message(directory.path(), SMALL).await;
    let envelope = Envelope {
        recipients: ["jane", "nobody", "jane"]
            .map(|r| Recipient::new(r).unwrap())
            .into(),
        ..envelope("s@x", "jane")
    };
    let outcomes = mda.offer(mail::offer(&envelope, &message)).await;
    assert!(
        matches!(
            &outcomes[..],
            [Outcome::Accepted(_), Outcome::Refused(refusal), Outcome::Accepted(_)]
                if refusal.fault == Fault::RecipientOrMessage
        ),
        "{outcomes:?}"
    );
    let both = ["jane", "nobody"].map(|name| std::fs::read(directory.path().join(name)).unwrap());
    assert!(both[0] == both[1] && !both[0].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_keeps_the_order_of_the_offers() {
    let directory = tempfile::tempdir().unwrap();
    let mda = Mda::new(script(
        directory.path(),
        "echo $2 >> $1/order",
        &["{unique_id}"],
    ))
    .unwrap();
    let message = message(directory.path(), SMALL).await;
    let origins: Vec<_> = (10..50)
        .map(|number| origin(number.to_string().as_bytes()))
        .collect();
    let envelope = envelope("s@x", "jane");
    let offers = origins
        .iter()
        .map(|origin| mda.offer(offer_from(origin, &envelope, &message)));
    futures_util::future::join_all(offers).await;
    let expected: String = (10..50).map(|number| format!("{number}\n")).collect();
    assert_eq!(written(directory.path(), "order"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_withdrawn_while_it_waits_for_its_turn_starts_no_program() {
    let directory = tempfile::tempdir().unwrap();
    let wait = "echo $2 >> $1/order; until [ -e $1/go ]; do sleep 0.01; done";
    let mda = Mda::new(script(directory.path(), wait, &["{unique_id}"])).unwrap();
    let message = message(directory.path(), SMALL).await;
    let (one, two) = (origin(b"1"), origin(b"2"));
    let (envelope, begin) = (envelope("s@x", "jane"), Begin::default());
    let first = mda.offer(offer_from(&one, &envelope, &message));
    let second = mda.offer_in_turn(offer_from(&two, &envelope, &message), begin.clone());
    let withdraw = async {
        until("the first has begun", || {
            directory.path().join("order").exists()
        })
        .await;
        assert!(begin.withdraw());
        std::fs::write(directory.path().join("go"), "").unwrap();
    };
    let (first, _, ()) = tokio::join!(first, second, withdraw);
    assert!(matches!(first[..], [Outcome::Accepted(_)]), "{first:?}");
    assert_eq!(written(directory.path(), "order"), "1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_a_time_run_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    // Each waits until the other exists.
    let meet = "touch $1/$2; n=0; while [ ! -e $1/$3 ]; do n=$((n+1)); [ $n -gt 2000 ] && exit \
     75; sleep 0.01; done";
    let mut settings = script(
        directory.path(),
        &format!("other=$((3 - $2)); set -- $1 $2 $other; {meet}"),
        &["{unique_id}"],
    );
    settings.parallel = 2;
    let mda = Mda::new(settings).unwrap();
    let message = message(directory.path(), SMALL).await;
    let (one, two) = (origin(b"1"), origin(b"2"));
    let envelope = envelope("s@x", "jane");
    let offered = |origin| mda.offer(offer_from(origin, &envelope, &message));
    let both = futures_util::future::join(offered(&one), offered(&two)).await;
    assert!(
        matches!(
            (&both.0[..], &both.1[..]),
            ([Outcome::Accepted(_)], [Outcome::Accepted(_)])
        ),
        "{both:?}"
    );
}

/// Records the codes of warnings.
#[derive(Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl mailferry::telemetry::Report for Warnings {
    fn report(&self, event: &mailferry::telemetry::Event<'_>) {
        if let mailferry::telemetry::Event::Warning(warning) = event {
            self.0.lock().unwrap().push(warning.code().to_owned());
        }
    }
}

#[tokio::test]
async fn an_mda_that_accepts_and_reads_nothing_is_warned_of_once() {
    let directory = tempfile::tempdir().unwrap();
    for (program, expected) in [("exit 0", 1), ("cat >/dev/null", 0), ("exit 75", 0)] {
        let warnings = std::sync::Arc::new(Warnings::default());
        let mut settings = script(directory.path(), program, &[]);
        settings.reporter = mailferry::telemetry::Reporter::new(warnings.clone());
        let mda = mailferry::sink::mda::Mda::new(settings).unwrap();
        for _ in 0..3 {
            let message = crate::support::mail::message(directory.path(), SMALL).await;
            let envelope = crate::support::mail::envelope("s@x", "jane@home.lan");
            mailferry::sink::Sink::offer(&mda, mail::offer(&envelope, &message)).await;
        }
        let said = warnings.0.lock().unwrap().clone();
        assert_eq!(said, vec!["mda_unread"; expected], "{program}");
    }
}

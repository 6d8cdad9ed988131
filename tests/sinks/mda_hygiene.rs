//! What an MDA gets besides the message: three descriptors, our variables, harmless arguments, and
//! the right user.

use mailferry::sink::mda::{Mda, MdaError};
use mailferry::sink::{Fault, Outcome, Sink};
use mailferry::telemetry::WarningEvent;

use crate::support::mail::{envelope, message, offer_from, origin};
use crate::support::mda::{SMALL, accepted, is_root, refusal, script, settings, written};

/// Holds 4.4.child.
#[tokio::test]
async fn an_mda_has_no_descriptors_but_three() {
    let directory = tempfile::tempdir().unwrap();
    accepted(
        // In a subshell, and not into a pipe: the shell itself has ends of pipes open, and
        // descriptors that it saved for a redirection.
        script(directory.path(), "(ls /proc/$$/fd > $1/fds); true", &[]),
        SMALL,
    )
    .await;
    assert_eq!(written(directory.path(), "fds"), "0\n1\n2\n");
}

/// Holds 4.4.child.
#[test]
fn descriptors_that_the_agent_inherited_end_at_the_helper() {
    let start = "exec 8</dev/null 9</dev/null; exec \"$0\" mda-helper - /bin/sh mda -c 'ls \
     /proc/$$/fd; echo $0'";
    let child = std::process::Command::new("/bin/sh")
        .args(["-c", start, env!("CARGO_BIN_EXE_mailferry")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(child.stdout).unwrap(), "0\n1\n2\nmda\n");
}

/// Holds 4.4.child.
#[tokio::test]
async fn the_environment_contains_only_our_variables() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = script(directory.path(), "/usr/bin/env > $1/env", &[]);
    settings.environment = vec![("SSL_CERT_FILE".into(), "/etc/roots.pem".into())];
    accepted(settings, SMALL).await;
    let environment = written(directory.path(), "env");
    // The shell adds two or three variables.
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.retain(|name| !["PWD", "OLDPWD", "_", "SHLVL"].contains(name));
    names.sort_unstable();
    let expected =
        "ACCOUNT HOME LANG LOGNAME PATH RECIPIENT SENDER SHELL SSL_CERT_FILE UNIQUE_ID USER";
    assert_eq!(names.join(" "), expected);
    for line in [
        "SENDER=s@x",
        "RECIPIENT=jane@home.lan",
        "ACCOUNT=work",
        "UNIQUE_ID=1",
    ] {
        assert!(
            environment.lines().any(|found| found == line),
            "{line} in {environment}"
        );
    }
}

/// Holds 4.1.design and 4.4.shell.
#[tokio::test]
async fn hostile_senders_and_unique_ids_are_only_words() {
    for sender in [
        "$(touch$IFS/tmp/x)@a",
        "\"-oQ/tmp\"@x",
        "-oQ/tmp@x",
        "`id`",
        "';rm",
        "a\nb",
        "a\0b",
        &"x".repeat(65_536),
    ] {
        let directory = tempfile::tempdir().unwrap();
        // Even inside a shell's own script nothing obeys them.
        let record = "printf '%s\\n' \"$@\" > $1/argv; echo {sender} {unique_id} > $1/script";
        let further = ["{sender}", "--from={sender}", "{unique_id}"];
        let mda = Mda::new(script(directory.path(), record, &further)).unwrap();
        let unique_id = b"-x$(touch pwned)`id`;'\"/..";
        let message = message(directory.path(), SMALL).await;
        let outcomes = mda
            .offer(offer_from(
                &origin(unique_id),
                &envelope(sender, "jane"),
                &message,
            ))
            .await;
        assert!(
            matches!(outcomes[..], [Outcome::Accepted(_)]),
            "{outcomes:?}"
        );
        let id = "%2Dx%24%28touch%20pwned%29%60id%60%3B%27%22%2F..";
        let path = directory.path().display();
        assert_eq!(
            written(directory.path(), "argv"),
            format!("{path}\nMAILER-DAEMON\n--from=MAILER-DAEMON\n{id}\n"),
            "{sender:?}"
        );
        assert_eq!(
            written(directory.path(), "script"),
            format!("MAILER-DAEMON {id}\n")
        );
    }
}

#[tokio::test]
async fn another_user_is_taken_on_for_good_or_nothing_is_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let record = "exec > $1/who; id -un; id -G; echo $HOME $USER; grep '^Cap[EPIA]' \
                  /proc/self/status; \
                  cat /dev/stdin | wc -c; ls /proc/$$/fd; true";
    let mut settings = script(directory.path(), record, &[]);
    settings.user = Some("nobody".to_owned());
    let large = b"x: y\r\n".repeat(100_000);
    if !is_root() {
        let said = refusal(settings, SMALL).await;
        assert_eq!(
            (said.fault, said.code),
            (Fault::Destination, "mda_configuration"),
            "{said}"
        );
        return;
    }
    for octets in [SMALL, &large] {
        accepted(settings.clone(), octets).await;
        let who = written(directory.path(), "who");
        let lines: Vec<&str> = who.lines().collect();
        assert_eq!(lines[0], "nobody");
        assert!(!lines[1].split(' ').any(|group| group == "0"), "{who}");
        assert!(lines[2].ends_with(" nobody"), "{who}");
        let capabilities: Vec<&&str> = lines
            .iter()
            .filter(|line| line.starts_with("Cap"))
            .collect();
        assert_eq!(capabilities.len(), 4);
        assert!(
            capabilities
                .iter()
                .all(|line| line.ends_with("\t0000000000000000")),
            "{who}"
        );
        assert_eq!(lines[8..], ["0", "1", "2"], "{who}");
        std::fs::remove_file(directory.path().join("who")).unwrap();
    }
}

#[tokio::test]
async fn the_helper_that_finds_no_program_ends_as_a_shell_would() {
    for (program, code) in [("/no/such/mda", 127), ("/etc/passwd", 126)] {
        let status = std::process::Command::new(env!("CARGO_BIN_EXE_mailferry"))
            .args(["mda-helper", "-", program, "mda"])
            .output()
            .unwrap();
        assert_eq!(status.status.code(), Some(code));
        assert!(String::from_utf8(status.stderr).unwrap().contains(program));
    }
}

#[test]
fn settings_that_cannot_work_are_errors_and_root_is_a_warning() {
    let directory = std::env::temp_dir();
    let mut settings = settings(&directory, &["/bin/cat", "{who}"]);
    let error = Mda::new(settings.clone()).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("{who} in \"{who}\" is no placeholder: there are {sender},"),
        "{error}"
    );
    settings.command.truncate(1);
    settings.user = Some("nobody".to_owned());
    settings.helper = None;
    assert!(matches!(
        Mda::new(settings.clone()),
        Err(MdaError::HelperNeeded)
    ));
    settings.user = None;
    let mda = Mda::new(settings).unwrap();
    let warnings = mda.warnings();
    assert_eq!(
        warnings
            .iter()
            .any(|warning| matches!(warning, WarningEvent::MdaIsRoot { .. })),
        is_root()
    );
}

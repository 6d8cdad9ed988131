//! The real program, run like an operator runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::nobody::Nobody;

/// A folder with a configuration, and the program to run there with its own environment.
struct Place(TempDir);

impl Place {
    fn with(text: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("mailferry.toml", text);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailferry"));
        command.args(words).current_dir(self.0.path()).env_clear();
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.0.path());
        command.env("MAILFERRY_CONFIG", self.path("mailferry.toml"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

const CANARY: &str = "Zq7Xk9Wv2Jt4";

fn good() -> String {
    format!(
        "state_dir = \"state\"\n\
         [delivery.local]\ntype = \"maildir\"\npath = \"Maildir\"\n\
         [account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = \"{CANARY}\"\n\
         retention = \"delete after 14d\"\n\
         [account.home]\nenabled = false\nhost = \"pop.example.net\"\nuser = \"jane\"\n\
         password = {{ command = [\"echo\", \"{CANARY}\"] }}\n"
    )
}

/// Holds 4.2.secret.
#[test]
fn a_good_configuration_is_explained_without_its_passwords() {
    let output = Place::with(&good()).run(&["check"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0, "{said}{}", text(&output.stderr));
    for part in [
        "account home (not enabled)",
        "account work\n",
        "pop.example.org, port 995, TLS from the first octet",
        "********, from the configuration file: can be read",
        "********, from the command echo: can be read",
        "deleted from the server 14d after delivery",
        "messages up to 100MiB",
        "2 accounts (1 disabled), 1 delivery: no errors",
    ] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(text(&output.stderr), "", "stderr is for complaints");
}

#[test]
fn check_shows_the_deliveries_the_sender_and_the_fallback_of_each_account() {
    let maildir = |name: &str, further: &str| {
        format!("[delivery.{name}]\ntype = \"maildir\"\npath = \"{name}\"\n{further}\n")
    };
    let configuration = [
        maildir("archive", "best_effort = true\nsender = \"null\""),
        maildir("refused", ""),
        good().replace(
            "retention = \"delete after 14d\"",
            "delivery = [\"local\", \"archive\"]\nfallback = \"refused\"",
        ),
    ];
    let configuration = configuration.concat().replace(
        "[account.home]",
        "[account.home]\ndelivery = \"local\"\nsender = \"jane@home.lan\"",
    );
    let (top, rest) = configuration.split_once("state_dir = \"state\"\n").unwrap();
    let output = Place::with(&format!("state_dir = \"state\"\n{top}{rest}")).run(&["check"]);
    let said = text(&output.stdout);
    for part in [
        "  delivery    local, archive (best effort), for work\n",
        "  sender      local: that of each message; archive: none (<>); refused: that of each \
         message\n",
        "  fallback    refused\n",
        "  delivery    local, for home\n  sender      jane@home.lan\n  retention",
    ] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
}

/// Holds 4.2.secret.
#[test]
fn a_wrong_configuration_is_78_with_every_error_and_no_password() {
    let place = Place::with(&good().replace("user = \"jane\"", "usr = \"jane\""));
    for command in ["check", "run", "poll"] {
        let output = place.run(&[command]);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 78, "{command}: {said}");
        assert_eq!(said.matches("did you mean `user`?").count(), 2, "{said}");
        assert!(
            said.ends_with("mailferry: 4 errors in the configuration\n"),
            "{said}"
        );
        assert!(
            said.contains("mailferry.toml:7:1: unknown setting `usr` in [account.work]"),
            "{said}"
        );
        assert!(!said.contains(CANARY), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_missing_file_of_the_configuration_exits_with_78() {
    let place = Place::with(
        "[delivery.lda]\ntype = \"mda\"\ncommand = [\"/nonexistent/lda\"]\n\
         [account.work]\nhost = \"h.example\"\nuser = \"u\"\n\
         password = { file = \"no-such-file\" }\n\
         tls_ca_file = \"no-ca.pem\"\n",
    );
    let output = place.run(&["check"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 78, "{said}");
    for part in ["/nonexistent/lda", "no-such-file", "no-ca.pem", "3 errors"] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
}

#[test]
fn a_password_command_that_fails_shows_its_words_and_not_its_output() {
    let script = format!("echo {CANARY}; printf 'no\\033[2J' >&2; exit 2");
    let place = Place::with(
        "[delivery.local]\ntype = \"maildir\"\npath = \"Maildir\"\n\
         [account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = { command = [\"./pw\"] }\n",
    );
    place.write("pw", &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(place.path("pw"), fs::Permissions::from_mode(0o700)).unwrap();
    let output = place.run(&["check"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(code(&output), 78);
    assert!(
        said.contains("exit status: 2, saying: no\\x1b[2J"),
        "{said}"
    );
    assert!(!said.contains(CANARY), "{said}");
}

#[test]
fn a_wrong_command_line_is_64_and_help_is_0() {
    let place = Place::with(&good());
    for words in [
        &[][..],
        &["pol"],
        &["check", "--no-such-option"],
        &["--log-format", "xml", "check"],
        &["seen", "forget", "work"],
        &["poll", "not a name"],
        &["poll", "unknown"],
    ] {
        let output = place.run(words);
        assert_eq!(code(&output), 64, "{words:?}: {}", text(&output.stderr));
        assert_eq!(
            text(&output.stdout),
            "",
            "{words:?}: complaints go to stderr"
        );
        assert_ne!(text(&output.stderr), "", "{words:?}");
    }
    for words in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["run", "--help"],
        &["poll", "--help"],
        &["check", "--help"],
        &["seen", "--help"],
        &["seen", "mark", "--help"],
        &["help", "seen", "list"],
    ] {
        let output = place.run(words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert_ne!(text(&output.stdout), "", "{words:?}: help is data");
        assert_eq!(text(&output.stderr), "", "{words:?}");
    }
}

#[test]
fn unknown_messages_are_forgotten_and_marked_only_with_force() {
    let place = Place::with(&good());
    let force = |words: &[&str]| done(&place, &[&["seen"], words, &["--force"]].concat());
    assert_eq!(force(&["mark", "gone", "1"]), "1 record marked\n");
    assert_eq!(force(&["forget", "work", "1"]), "0 records forgotten\n");
    assert_eq!(force(&["forget", "gone", "1", "2"]), "1 record forgotten\n");
    assert_eq!(
        force(&["forget", "never", "--all"]),
        "0 records forgotten\n"
    );
}

#[test]
fn help_shows_the_arguments_in_the_order_in_which_they_are_given() {
    let place = Place::with(&good());
    for (command, all) in [("mark", "--all-listed"), ("forget", "--all")] {
        let help = text(&place.run(&["seen", command, "--help"]).stdout);
        for usage in [
            "<ACCOUNT> <UNIQUE-ID>...".to_owned(),
            format!("<ACCOUNT> {all}"),
        ] {
            let line = format!("mailferry seen {command} [OPTIONS] {usage}");
            assert!(help.contains(&line), "{line}\n{help}");
        }
    }
}

#[test]
fn the_error_for_a_missing_configuration_says_how_to_make_one() {
    let place = Place::with(&good());
    std::fs::remove_file(place.path("mailferry.toml")).unwrap();
    let output = place.run(&["poll"]);
    assert_eq!(code(&output), 78);
    let said = text(&output.stderr);
    assert!(said.contains("mailferry generate-reference >"), "{said}");
    let help = text(&place.run(&["--help"]).stdout);
    assert!(help.contains("  generate-reference  "), "{help}");
}

#[test]
fn help_shows_the_commands_with_examples_and_the_exit_codes() {
    let place = Place::with(&good());
    let help = text(&place.run(&["--help"]).stdout);
    for part in [
        "run",
        "poll",
        "check",
        "seen",
        "--config",
        "--verbose",
        "--log-format",
        "Examples:",
        "\n  78",
    ] {
        assert!(help.contains(part), "{part}\nis not in\n{help}");
    }
    for command in ["run", "poll", "check", "generate-reference"] {
        let help = text(&place.run(&[command, "--help"]).stdout);
        assert!(help.contains("Examples:\n  mailferry"), "{help}");
    }
}

#[test]
fn the_option_wins_over_the_variable() {
    let place = Place::with("this is not TOML");
    place.write("other.toml", &good());
    assert_eq!(code(&place.run(&["check"])), 78);
    assert_eq!(code(&place.run(&["--config", "other.toml", "check"])), 0);
    assert_eq!(code(&place.run(&["check", "-c", "other.toml"])), 0);
    let output = place.run(&["check", "-c", "no-such.toml"]);
    assert_eq!(code(&output), 78);
    let said = text(&output.stderr);
    assert!(
        said.starts_with("no-such.toml: there is no such file."),
        "{said}"
    );
}

#[test]
fn the_printed_reference_is_the_file_in_the_repository() {
    let output = Place::with("").run(&["generate-reference"]);
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mailferry.toml");
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout) == fs::read_to_string(kept).unwrap());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let accounts: String = (0..2_000)
        .map(|i| {
            format!(
                "[account.a{i}]\nhost = \"h\"\nuser = \"{i}\"\npassword = {{ env = \"HOME\" }}\n"
            )
        })
        .collect();
    let place = Place::with(&format!(
        "[delivery.local]\ntype = \"maildir\"\npath = \"Maildir\"\n{accounts}"
    ));
    let mut command = place.command(&["check"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    // The reader goes away while the pipe is full of output that it does not want.
    BufReader::with_capacity(16, child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(code(&output), 0);
}

#[test]
fn an_answer_that_cannot_be_written_is_75() {
    let place = Place::with(&good());
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = place
        .command(&["generate-reference"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(code(&output), 75);
    assert!(text(&output.stderr).contains("cannot write to standard output"));
}

fn done(place: &Place, words: &[&str]) -> String {
    let output = place.run(words);
    assert_eq!(code(&output), 0, "{words:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{words:?}");
    text(&output.stdout)
}

/// The listed records, without their times.
fn listed(place: &Place, account: &str) -> Vec<String> {
    let list = done(place, &["seen", "list", account]);
    let timeless = |line: &str| {
        let words = line.split(' ').filter(|word| !word.starts_with("at="));
        words.collect::<Vec<_>>().join(" ")
    };
    list.lines().map(timeless).collect()
}

#[test]
fn records_are_marked_listed_exported_imported_renamed_and_forgotten() {
    let place = Place::with(&good());
    let ids = [
        "seen",
        "mark",
        "--force",
        "work",
        "000001a2",
        "with%20blank",
        "<a@b>",
    ];
    assert_eq!(done(&place, &ids), "3 records marked\n");
    assert_eq!(done(&place, &ids), "0 records marked, 3 unchanged\n");
    let marked = [
        "unique_id=000001a2 state=marked by=operator",
        "unique_id=%3Ca@b%3E state=marked by=operator",
        "unique_id=with%20blank state=marked by=operator",
    ];
    assert_eq!(listed(&place, "work"), marked);

    let export = done(&place, &["seen", "export", "work"]);
    assert!(export.starts_with("mailferry seen export 1\n"), "{export}");
    let other = Place::with(&good());
    other.write("records", &export);
    assert_eq!(
        done(&other, &["seen", "import", "records"]),
        "3 records imported\n"
    );
    assert_eq!(listed(&other, "work"), marked);
    assert_eq!(
        done(&other, &["seen", "import", "records"]),
        "0 records imported, 3 already recorded\n"
    );

    assert_eq!(
        done(&place, &["seen", "rename", "work", "office"]),
        "3 records moved from work to office\n"
    );
    assert_eq!(listed(&place, "office"), marked);
    assert_eq!(
        done(&place, &["seen", "forget", "office", "%3Ca@b%3E"]),
        "1 record forgotten\n"
    );
    assert_eq!(
        done(&place, &["seen", "forget", "office", "--all"]),
        "2 records forgotten\n"
    );
    assert_eq!(listed(&place, "office"), [""; 0]);
}

#[test]
fn an_export_comes_in_by_standard_input_too() {
    let place = Place::with(&good());
    done(&place, &["seen", "mark", "--force", "work", "1"]);
    let mut export = place.command(&["seen", "export"]);
    let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
    let other = Place::with(&good());
    let import = other
        .command(&["seen", "import", "-"])
        .stdin(export.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(export.wait().unwrap().success());
    assert_eq!(
        text(&import.stdout),
        "1 record imported\n",
        "{}",
        text(&import.stderr)
    );
}

#[test]
fn a_missing_value_is_distinguished_from_an_empty_one() {
    let place = Place::with(&good());
    let nothing = place.run(&["seen", "list", "work"]);
    assert_eq!(code(&nothing), 78);
    assert!(text(&nothing.stderr).contains("nothing is recorded yet"));
    assert!(!place.path("state").exists(), "looking makes nothing");
    done(
        &place,
        &["seen", "mark", "--force", "work", "1", "1000001a2"],
    );
    std::fs::create_dir_all(place.path("state/quarantine")).unwrap();
    for (words, said) in [
        (
            &["seen", "list", "wrok"][..],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "export", "wrok"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "forget", "work", "2"],
            "there is no record of 2 in account work",
        ),
        (
            &["seen", "forget", "work", "1000001a3"],
            "there is no record of 1000001a3 in account work. Did you mean 1000001a2?",
        ),
        (
            &["seen", "mark", "work", "1000001a2", "1000001a4"],
            "no record of 1000001a4 in account work. Did you mean 1000001a2? If the message is on \
             the server",
        ),
        (
            &["seen", "mark", "wrok", "1"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "mark", "wrok", "--all-listed"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "adopt", "elsewhere"],
            "there is no account elsewhere. Known accounts: ",
        ),
        (
            &["quarantine", "list", "wrok"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["poll", "wrok"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "forget", "work", "100%"],
            "write a % itself as %25",
        ),
        (
            &["seen", "rename", "wrok", "new"],
            "there is no account wrok. Did you mean work?",
        ),
        (
            &["seen", "import", "no-such-file"],
            "no-such-file cannot be read",
        ),
        (
            &["seen", "import", "mailferry.toml"],
            "line 1 is not one that `mailferry seen export` writes",
        ),
    ] {
        let output = place.run(words);
        assert_eq!(code(&output), 64, "{words:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains(said),
            "{words:?}: {}",
            text(&output.stderr)
        );
    }
    assert_eq!(listed(&place, "work").len(), 2);
}

#[test]
fn records_that_another_process_holds_are_75_and_it_is_named() {
    let place = Place::with(&good());
    done(&place, &["seen", "mark", "--force", "work", "1"]);
    let held = mailferry::seen::StateDirectory::lock(&place.path("state")).unwrap();
    let output = place.run(&["seen", "list", "work"]);
    assert_eq!(code(&output), 75);
    let said = text(&output.stderr);
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    drop(held);
    assert_eq!(listed(&place, "work").len(), 1);
}

/// The configuration above with the records in the default place.
fn with_default_state() -> String {
    good().replacen("state_dir = \"state\"\n", "", 1)
}

#[test]
fn an_ordinary_user_on_a_fresh_machine_gets_the_default_state_directory() {
    let place = Place::with(&with_default_state());
    let mut command =
        Nobody::owning(&place.path("")).command(&["seen", "mark", "--force", "work", "1"]);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", place.path(""));
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for folder in [".local", ".local/state", ".local/state/mailferry"] {
        let mode = fs::metadata(place.path(folder)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o700, "{folder}");
    }
}

#[test]
fn a_state_directory_on_a_volume_that_is_not_mounted_is_not_begun() {
    let place = Place::with(&good().replacen("\"state\"", "\"volume/state\"", 1));
    for words in [
        &["check"][..],
        &["poll"],
        &["seen", "mark", "--force", "work", "1"],
    ] {
        let output = place.run(words);
        assert_eq!(code(&output), 78, "{words:?}");
        let said = text(&output.stdout) + &text(&output.stderr);
        let volume = place.path("volume");
        let expected = format!("there is no {} in which to make", volume.display());
        assert!(said.contains(&expected), "{words:?}: {said}");
        assert!(!volume.exists(), "{words:?}");
    }
}

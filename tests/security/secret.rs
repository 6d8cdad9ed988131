//! Passwords: from every source, byte for byte, and never shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mailferry::config::{self, Environment, SecretSource};
use mailferry::mail::AccountName;
use mailferry::secrets;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::support::folder::{Folder, MAILDIR, environment};

/// Holds 4.4.files.
#[test]
fn a_password_in_a_file_that_others_can_read_is_refused_without_being_shown() {
    let folder = Folder::with(format!(
        "{MAILDIR}[account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = \
         \"canary-8675309\"\n"
    ));
    for mode in [0o640, 0o604, 0o644, 0o660, 0o602] {
        let path = folder.path("mailferry.toml");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let complaints = folder.complaints();
        assert!(
            complaints.contains("mailferry.toml:7:1: `password`"),
            "{complaints}"
        );
        assert!(
            complaints.contains(&format!("(mode {mode:04o})")),
            "{complaints}"
        );
        assert!(complaints.contains("chmod 600"), "{complaints}");
        assert!(!complaints.contains("canary"), "{complaints}");
    }
    let path = folder.path("mailferry.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(folder.load().is_ok());
}

#[tokio::test]
async fn a_secret_is_read_from_each_kind_of_source() {
    let folder = Folder::new();
    folder.write("secret", "s\u{e4}cret \n");
    let path = folder.path("").display().to_string();
    let environment = Environment::new(
        [
            ("SECRET", "from env"),
            ("CREDENTIALS_DIRECTORY", &*path),
            ("PATH", "/usr/bin:/bin"),
        ],
        false,
    );
    let command = ["printf", "%s\\n", "from command"]
        .map(str::to_owned)
        .to_vec();
    for (source, expected) in [
        (SecretSource::File(folder.path("secret")), "s\u{e4}cret "),
        (SecretSource::Env("SECRET".to_owned()), "from env"),
        (
            SecretSource::Credential("secret".to_owned()),
            "s\u{e4}cret ",
        ),
        (SecretSource::Command(command), "from command"),
    ] {
        let read = secrets::read(&source, &environment).await;
        let secret = read.map_err(|error| error.to_string());
        assert_eq!(
            secret.map(|s| s.expose().to_vec()),
            Ok(expected.as_bytes().to_vec()),
            "{source:?}"
        );
    }
}

#[tokio::test]
async fn one_line_end_is_removed_and_a_secret_that_cannot_be_sent_is_refused() {
    let folder = Folder::new();
    let source = SecretSource::File(folder.path("secret"));
    for (kept, read) in [
        ("pw", Ok("pw")),
        ("pw\n", Ok("pw")),
        ("pw\r\n", Ok("pw")),
        (" pw \t\n", Ok(" pw \t")),
        ("pw\n\n", Err("secret_control_byte")),
        ("pw\rx", Err("secret_control_byte")),
        ("one\ntwo\n", Err("secret_control_byte")),
        ("a\0b", Err("secret_control_byte")),
        ("", Err("secret_empty")),
        ("\n", Err("secret_empty")),
        (&"x".repeat(65 * 1024), Err("secret_too_long")),
    ] {
        folder.write("secret", kept);
        let found = secrets::read(&source, &environment()).await;
        let found = found
            .as_ref()
            .map(|s| s.expose())
            .map_err(|error| error.code());
        assert_eq!(found, read.map(str::as_bytes), "{kept:.20?}");
    }
}

#[tokio::test]
async fn the_error_for_a_missing_secret_names_its_source() {
    let nothing = Environment::new([], false);
    for (source, said) in [
        (
            SecretSource::File("/nonexistent/pw".into()),
            "/nonexistent/pw",
        ),
        (SecretSource::Env("NO_PW".to_owned()), "NO_PW"),
        (
            SecretSource::Credential("pw".to_owned()),
            "LoadCredential=pw",
        ),
        (
            SecretSource::Command(vec!["/nonexistent/pass".to_owned()]),
            "/nonexistent/pass",
        ),
    ] {
        let error = secrets::read(&source, &nothing)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// This many cases; the seed of a failed one is printed, and stored where git ignores it.
fn cases(cases: u32) -> ProptestConfig {
    let seeds = FileFailurePersistence::Direct("target/proptest-secret.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(seeds)),
        ..ProptestConfig::default()
    }
}

/// Reads the password of an account from a file, a variable, a command and the configuration
/// itself.
fn every_way(password: &str) -> Vec<Vec<u8>> {
    let folder = Folder::new();
    folder.write("secret", format!("{password}\n"));
    let inline = toml::Value::String(password.to_owned());
    let ways = [
        "{ file = \"secret\" }".to_owned(),
        "{ env = \"SECRET\" }".to_owned(),
        "{ command = [\"cat\", \"SECRET_FILE\"] }"
            .replace("SECRET_FILE", &folder.path("secret").display().to_string()),
        inline.to_string(),
    ];
    let environment = Environment::new(
        [
            ("HOME", "/"),
            ("PATH", "/usr/bin:/bin"),
            ("SECRET", password),
        ],
        false,
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let name = AccountName::new("work").unwrap();
    let read = |way: &String| {
        let account = format!("[account.work]\nhost = \"h\"\nuser = \"u\"\npassword = {way}\n");
        folder.write("mailferry.toml", format!("{MAILDIR}{account}"));
        let config = config::load(&folder.path("mailferry.toml"), &environment)
            .map_err(|errors| errors.to_string())
            .unwrap();
        let secret = runtime.block_on(secrets::read(
            &config.accounts[&name].password,
            &environment,
        ));
        secret
            .map_err(|error| error.to_string())
            .unwrap()
            .expose()
            .to_vec()
    };
    ways.iter().map(read).collect()
}

#[test]
fn every_printable_byte_of_a_password_survives_every_way_in() {
    let all: String = (' '..='~').collect();
    for password in [
        &*all,
        "\"",
        "'",
        "\\",
        "\\n",
        "#",
        "${HOME}",
        "%s",
        " lead",
        "trail ",
        "\u{a7}\u{e4}",
    ] {
        assert_eq!(
            every_way(password),
            vec![password.as_bytes(); 4],
            "{password}"
        );
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_password_without_line_ends_survives_every_way_in(password in "[^\\r\\n\\x00]{1,40}") {
        prop_assert_eq!(every_way(&password), vec![password.as_bytes(); 4]);
    }
}

const CANARY: &str = "Zq7Xk9Wv2Jt4";

/// A configuration in which every password is the canary.
fn with_canary() -> Vec<u8> {
    format!(
        "[delivery.relay]\ntype = \"smtp\"\nhost = \"relay.example\"\nuser = \"relay\"\n\
         password = \"{CANARY}\"\n\n\
         [account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = '{CANARY}'\n\
         recipient = \"jane@home.lan\"\n\n\
         [account.home]\nhost = \"pop.example.net\"\nuser = \"jane\"\npassword = \"\"\"\n\
         {CANARY}\"\"\"\n\
         recipient = \"jane@home.lan\"\n"
    )
    .into_bytes()
}

/// Whether a text contains any four letters of the canary in a row.
fn sings(text: &str) -> bool {
    CANARY
        .as_bytes()
        .windows(4)
        .any(|notes| text.contains(std::str::from_utf8(notes).unwrap()))
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Holds 4.2.secret.
    #[test]
    fn no_typing_error_makes_a_complaint_show_a_password(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..4_u8, any::<prop::sample::Index>()),
            1..4,
        )
    ) {
        let mut text = with_canary();
        let keys = b"\"'=\n#[]{}\\.,_ abZ19\xff\t\r";
        for (place, kind, key) in edits {
            let (at, key) = (place.index(text.len()), *key.get(keys));
            match kind {
                0 => { text.remove(at); }
                1 => text.insert(at, key),
                2 => text[at] = key,
                _ => text.swap(at, at.saturating_sub(1)),
            }
        }
        let folder = Folder::with(&text);
        match folder.load() {
            Ok(config) => {
                let shown = format!("{config:?}");
                prop_assert!(!sings(&shown));
            }
            Err(errors) => {
                prop_assert!(!sings(&errors.to_string()), "{}", errors);
                prop_assert!(!sings(&format!("{errors:?}")), "{:?}", errors);
            }
        }
    }
}

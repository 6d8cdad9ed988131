//! Configurations as operators write them, good and bad.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailferry::config::{
    self, Auth, Config, ConfigErrors, DeliveryKind, Environment, LineEnds, Mount, SecretSource,
    System, Warning,
};
use mailferry::mail::{AccountName, FirstRun, LogFormat, LogLevel, Retention, TlsMode};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tempfile::TempDir;

/// A folder for one configuration, whose files only we can read.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(main: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write("mailferry.toml", main);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        config::load(&self.path("mailferry.toml"), &environment())
    }

    /// What is complained about, with this folder's path left out.
    fn complaints(&self) -> String {
        let errors = self.load().expect_err("the configuration was accepted");
        let folder = format!("{}/", self.0.path().display());
        errors.to_string().replace(&folder, "")
    }
}

fn environment() -> Environment {
    Environment::new([("HOME", "/home/jane"), ("PATH", "/usr/bin:/bin")], false)
}

fn account<'c>(config: &'c Config, name: &str) -> &'c config::Account {
    &config.accounts[&AccountName::new(name).unwrap()]
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files_of(path: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(path)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    assert!(!files.is_empty(), "no .{ending} in {path}");
    files
}

/// Whether generated files are to be written instead of compared.
fn updating() -> bool {
    std::env::var_os("MAILFERRY_UPDATE").is_some()
}

const MAILDIR: &str = "[delivery.local]\ntype = \"maildir\"\npath = \"/tmp/Maildir\"\n";

#[test]
fn what_is_not_given_has_the_documented_default() {
    let folder = Folder::with(format!(
        "{MAILDIR}[account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = {{ file = \"secret\" }}\n"
    ));
    let config = folder.load().unwrap();
    assert_eq!(
        config.state_dir,
        Path::new("/home/jane/.local/state/mailferry")
    );
    assert_eq!((config.max_sessions, config.max_sessions_per_host), (20, 4));
    assert_eq!(config.max_unrecorded, 64);
    assert_eq!(config.forget_after, Duration::from_secs(30 * 86_400));
    assert_eq!(config.shutdown_timeout, Duration::from_secs(8));
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Info, LogFormat::Text)
    );
    let work = account(&config, "work");
    assert_eq!((work.port, work.tls.mode), (995, TlsMode::Implicit));
    assert_eq!(work.tls.server_name, "pop.example.org");
    assert_eq!(work.password, SecretSource::File(folder.path("secret")));
    assert_eq!(work.auth, Auth::Auto);
    assert_eq!(work.delivery, "local");
    assert_eq!(
        work.recipient.as_str(),
        "work",
        "a Maildir needs no recipient"
    );
    assert_eq!(work.retention, Retention::Keep);
    assert_eq!(work.poll_every, Duration::from_secs(300));
    assert_eq!(work.limits.message_octets_max, 100 << 20);
    assert_eq!(
        (work.limits.messages_max, work.limits.octets_max),
        (None, None)
    );
    assert_eq!((work.commit_every, work.pipelining), (None, true));
    assert_eq!(work.first_run, FirstRun::Ask);
    assert!(work.enabled);
}

#[test]
fn an_account_overrides_the_defaults_and_those_what_is_built_in() {
    let folder = Folder::with(format!(
        "[defaults]\nretention = \"delete\"\nmax_messages = 10\ntls = \"starttls\"\n{MAILDIR}\
         [account.one]\nhost = \"a.example\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n\
         [account.two]\nhost = \"b.example\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n\
         retention = \"keep\"\nmax_messages = \"unlimited\"\ntls = \"implicit\"\nport = 1995\n"
    ));
    let config = folder.load().unwrap();
    let (one, two) = (account(&config, "one"), account(&config, "two"));
    assert_eq!(
        (one.retention, one.limits.messages_max),
        (Retention::Delete, Some(10))
    );
    assert_eq!((one.tls.mode, one.port), (TlsMode::StartTls, 110));
    assert_eq!(
        (two.retention, two.limits.messages_max),
        (Retention::Keep, None)
    );
    assert_eq!((two.tls.mode, two.port), (TlsMode::Implicit, 1995));
}

#[test]
fn a_delivery_has_the_documented_defaults() {
    let folder = Folder::with(
        "[delivery.lda]\ntype = \"mda\"\ncommand = [\"/bin/lda\", \"-d\", \"{account}\"]\n\
         [delivery.relay]\ntype = \"smtp\"\nhost = \"relay.example\"\n\
         [account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = { env = \"P\" }\ndelivery = \"lda\"\n",
    );
    let config = folder.load().unwrap();
    let DeliveryKind::Mda(mda) = &config.deliveries["lda"].kind else {
        panic!("no mda")
    };
    assert_eq!(mda.timeout, Duration::from_secs(300));
    assert_eq!((mda.line_ends, mda.from_line), (LineEnds::Lf, false));
    assert!(mda.user.is_none() && mda.group.is_none() && mda.exit_codes.is_empty());
    let DeliveryKind::Smtp(smtp) = &config.deliveries["relay"].kind else {
        panic!("no smtp")
    };
    assert_eq!((smtp.tls.mode, smtp.port), (TlsMode::StartTls, 587));
    assert_eq!(smtp.timeout, Duration::from_secs(300));
    assert!(smtp.login.is_none() && smtp.helo.is_none());
}

#[test]
fn files_of_accounts_d_are_read_in_order_and_others_left_alone() {
    let folder = Folder::with(MAILDIR);
    let text = |host: &str| format!("host = \"{host}\"\nuser = \"u\"\npassword = \"inline\"\n");
    folder.write(
        "accounts.d/b.toml",
        format!("[account.b]\n{}", text("b.example")),
    );
    folder.write(
        "accounts.d/a.toml",
        format!("[account.a]\n{}", text("a.example")),
    );
    for ignored in [".a.toml", "a.toml~", "a.toml.bak", "README"] {
        folder.write(&format!("accounts.d/{ignored}"), "this is not TOML");
    }
    let config = folder.load().unwrap();
    let names: Vec<_> = config.accounts.keys().map(AccountName::as_str).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        config,
        folder.load().unwrap(),
        "a reload without a change is no change"
    );
    folder.write(
        "accounts.d/b.toml",
        format!("[account.b]\n{}", text("c.example")),
    );
    assert_ne!(config, folder.load().unwrap());
}

#[test]
fn one_account_in_two_files_names_both() {
    let folder = Folder::with(format!(
        "{MAILDIR}\n[account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n"
    ));
    folder.write(
        "accounts.d/work.toml",
        "# Jane's\n[account.work]\nhost = \"h.example\"\n",
    );
    folder.write(
        "accounts.d/zz.toml",
        "[delivery.local]\ntype = \"maildir\"\npath = \"/x\"\n",
    );
    let complaints = folder.complaints();
    let path = folder.path("");
    assert_eq!(
        complaints.replace(&path.display().to_string(), ""),
        "accounts.d/work.toml:2:10: [account.work] is there already, at mailferry.toml:5:10. Give one of them another name\n\
         accounts.d/zz.toml:1:11: [delivery.local] is there already, at mailferry.toml:1:11. Give one of them another name"
    );
}

#[test]
fn a_file_of_accounts_d_has_accounts_and_deliveries_and_nothing_else() {
    let folder = Folder::with(MAILDIR);
    folder.write(
        "accounts.d/a.toml",
        "state_dir = \"/x\"\nretention = \"keep\"\nzzz = 1\n[log]\nlevel = \"debug\"\n[defaults]\nport = 1\n",
    );
    let complaints = folder.complaints();
    for said in [
        "a.toml:1:1: `state_dir` does not belong in a file of accounts.d: it belongs in the main file",
        "a.toml:2:1: `retention` does not belong in a file of accounts.d: it belongs in an [account.NAME]",
        "a.toml:3:1: unknown setting `zzz` in a file of accounts.d",
        "a.toml:4:2: `log` does not belong in a file of accounts.d: [log] belongs in the main file",
        "a.toml:6:2: `defaults` does not belong",
    ] {
        assert!(complaints.contains(said), "{said}\nis not in\n{complaints}");
    }
}

#[test]
fn a_broken_file_does_not_make_others_look_broken() {
    let folder = Folder::with("[delivery.local\ntype = \"maildir\"\n");
    folder.write(
        "accounts.d/a.toml",
        "[account.a]\nhost = \"h\"\nuser = \"u\"\npassword = { env = \"P\" }\ndelivery = \"local\"\ncolour = 1\n",
    );
    let complaints = folder.complaints();
    assert!(complaints.contains("mailferry.toml:1:"), "{complaints}");
    assert!(
        complaints.contains("a.toml:6:1: unknown setting `colour`"),
        "{complaints}"
    );
    assert!(
        !complaints.contains("no delivery of that name"),
        "{complaints}"
    );
}

#[test]
fn a_missing_or_unreadable_file_is_named_with_what_to_do() {
    let folder = Folder::new();
    let errors = folder.load().unwrap_err();
    assert_eq!(
        errors.iter().next().unwrap().complaint().code(),
        "config_not_found"
    );
    assert!(errors.to_string().contains("--config FILE"));
    fs::create_dir(folder.path("mailferry.toml")).unwrap();
    let errors = folder.load().unwrap_err();
    assert_eq!(
        errors.iter().next().unwrap().complaint().code(),
        "config_unreadable"
    );
}

#[test]
fn a_password_in_a_file_that_others_can_read_is_refused_without_being_shown() {
    let folder = Folder::with(format!(
        "{MAILDIR}[account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = \"canary-8675309\"\n"
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

#[test]
fn every_valid_file_of_the_corpus_is_accepted() {
    for file in files_of("tests/corpus/config/valid", "toml") {
        let folder = Folder::with(fs::read(&file).unwrap());
        let errors = folder.load().err().map(|errors| errors.to_string());
        assert_eq!(errors, None, "{}", file.display());
    }
}

#[test]
fn every_invalid_file_of_the_corpus_is_refused_in_the_words_beside_it() {
    for file in files_of("tests/corpus/config/invalid", "toml") {
        let folder = Folder::with(fs::read(&file).unwrap());
        let complaints = folder.complaints() + "\n";
        for secret in ["canary", "8675309"] {
            assert!(
                !complaints.contains(secret),
                "{}: {complaints}",
                file.display()
            );
        }
        let expected = file.with_extension("expected");
        if updating() {
            fs::write(&expected, &complaints).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(
            complaints,
            expected,
            "{}: if the new words are better, run `MAILFERRY_UPDATE=1 cargo test config` and read the difference",
            file.display()
        );
    }
}

#[test]
fn every_example_is_accepted() {
    for file in files_of("config/examples", "toml") {
        let folder = Folder::with(fs::read(&file).unwrap());
        let errors = folder.load().err().map(|errors| errors.to_string());
        assert_eq!(errors, None, "{}", file.display());
    }
}

#[test]
fn the_reference_is_what_the_program_would_write_today() {
    let path = repository("config/mailferry.toml");
    if updating() {
        fs::write(&path, config::reference()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == config::reference(),
        "config/mailferry.toml is not what the settings say. Run `MAILFERRY_UPDATE=1 cargo test config`, or \
         `mailferry generate-reference`, and commit it"
    );
}

#[test]
fn the_reference_is_a_configuration_once_it_is_uncommented() {
    let uncommented: String = config::reference()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let folder = Folder::with(uncommented);
    let config = folder.load().map_err(|errors| errors.to_string()).unwrap();
    assert_eq!((config.accounts.len(), config.deliveries.len()), (1, 3));
    let lines = config::reference();
    let wide = lines
        .lines()
        .find(|line| line.chars().count() > 120 && !line.contains("fingerprint"));
    assert_eq!(wide, None, "a line of the reference is too long to read");
}

#[tokio::test]
async fn a_secret_is_taken_from_wherever_it_is_kept() {
    let folder = Folder::new();
    folder.write("secret", "s\u{e4}cret \n");
    let path = folder.0.path().display().to_string();
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
        let read = source.read(&environment).await;
        let secret = read.map_err(|error| error.to_string());
        assert_eq!(
            secret.map(|s| s.expose().to_vec()),
            Ok(expected.as_bytes().to_vec()),
            "{source:?}"
        );
    }
}

#[tokio::test]
async fn one_line_end_is_cut_and_what_cannot_be_sent_is_refused() {
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
        let found = source.read(&environment()).await;
        let found = found
            .as_ref()
            .map(|s| s.expose())
            .map_err(|error| error.code());
        assert_eq!(found, read.map(str::as_bytes), "{kept:.20?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_says_where_it_was_looked_for() {
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
        let error = source.read(&nothing).await.err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// So many cases; the seed of one that failed is printed, and kept where git does not look.
fn cases(cases: u32) -> ProptestConfig {
    let seeds = FileFailurePersistence::Direct("target/proptest-config.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(seeds)),
        ..ProptestConfig::default()
    }
}

/// Reads the password of an account through a file, a variable, a command and the configuration itself.
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
    let read = |way: &String| {
        let account = format!("[account.work]\nhost = \"h\"\nuser = \"u\"\npassword = {way}\n");
        folder.write("mailferry.toml", format!("{MAILDIR}{account}"));
        let config = config::load(&folder.path("mailferry.toml"), &environment)
            .map_err(|errors| errors.to_string())
            .unwrap();
        let secret = runtime.block_on(account_of(&config).password.read(&environment));
        secret
            .map_err(|error| error.to_string())
            .unwrap()
            .expose()
            .to_vec()
    };
    ways.iter().map(read).collect()
}

fn account_of(config: &Config) -> &config::Account {
    account(config, "work")
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

/// A configuration with the canary as every password there is.
fn with_canary() -> Vec<u8> {
    format!(
        "[delivery.relay]\ntype = \"smtp\"\nhost = \"relay.example\"\nuser = \"relay\"\npassword = \"{CANARY}\"\n\n\
         [account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = '{CANARY}'\n\
         recipient = \"jane@home.lan\"\n\n\
         [account.home]\nhost = \"pop.example.net\"\nuser = \"jane\"\npassword = \"\"\"\n{CANARY}\"\"\"\n\
         recipient = \"jane@home.lan\"\n"
    )
    .into_bytes()
}

/// Whether any four letters of the canary stand in a text.
fn sings(text: &str) -> bool {
    CANARY
        .as_bytes()
        .windows(4)
        .any(|notes| text.contains(std::str::from_utf8(notes).unwrap()))
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn no_typing_error_makes_a_complaint_show_a_password(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<prop::sample::Index>()), 1..4)
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

fn warnings(text: &str, system: &System) -> Vec<Warning> {
    let folder = Folder::with(text);
    folder
        .load()
        .map_err(|errors| errors.to_string())
        .unwrap()
        .warnings(system)
}

fn codes(text: &str, system: &System) -> Vec<&'static str> {
    warnings(text, system).iter().map(Warning::code).collect()
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_warned_of() {
    let account = |settings: &str| {
        format!(
            "{MAILDIR}[account.a]\nhost = \"h\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n{settings}\n"
        )
    };
    let plain = System::default();
    assert_eq!(codes(&account(""), &plain), [""; 0]);
    assert_eq!(codes(&account("port = 110"), &plain), ["implicit_on_110"]);
    assert_eq!(
        codes(&account("tls = \"starttls\"\nport = 995"), &plain),
        ["cleartext_on_995"]
    );
    let clear = "tls = \"none\"\nallow_cleartext_password = true\n";
    assert_eq!(codes(&account(clear), &plain), ["cleartext"]);
    let useless = format!("{clear}tls_ca_file = \"ca.pem\"");
    assert_eq!(
        codes(&account(&useless), &plain),
        ["cleartext", "useless_tls"]
    );
    assert_eq!(
        codes(&account("enabled = false"), &plain),
        ["nothing_enabled"]
    );
    let unused = account("delivery = \"local\"\n[delivery.x]\ntype = \"maildir\"\npath = \"/x\"");
    assert_eq!(codes(&unused, &plain), ["unused_delivery"]);
}

#[test]
fn an_mda_without_a_user_of_its_own_is_warned_of_when_we_are_root() {
    let mda = |settings: &str| {
        format!(
            "[delivery.lda]\ntype = \"mda\"\ncommand = [\"/bin/lda\"]\n{settings}\n\
             [account.a]\nhost = \"h\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n"
        )
    };
    let root = System {
        root: true,
        ..System::default()
    };
    assert_eq!(codes(&mda(""), &root), ["mda_as_root"]);
    assert_eq!(codes(&mda("user = \"vmail\""), &root), [""; 0]);
    assert_eq!(
        codes(&mda("user = \"vmail\""), &System::default()),
        ["user_without_root"]
    );
}

#[test]
fn state_that_goes_with_its_container_or_with_the_power_is_warned_of() {
    let text = format!(
        "state_dir = \"/nonexistent/state\"\n{MAILDIR}[account.a]\nhost = \"h\"\nuser = \"u\"\npassword = {{ env = \"P\" }}\n"
    );
    let mount = |point: &str, kind: &str| Mount {
        point: point.into(),
        kind: kind.to_owned(),
    };
    let in_container = |mounts: Vec<Mount>| System {
        container: true,
        mounts,
        ..System::default()
    };
    let root = || mount("/", "overlay");
    assert_eq!(
        codes(&text, &in_container(vec![root()])),
        ["state_in_container"]
    );
    let volume = vec![root(), mount("/nonexistent/state", "ext4")];
    assert_eq!(codes(&text, &in_container(volume)), [""; 0]);
    let volume_above = vec![root(), mount("/nonexistent", "ext4")];
    assert_eq!(codes(&text, &in_container(volume_above)), [""; 0]);
    let memory = vec![root(), mount("/nonexistent/state", "tmpfs")];
    assert_eq!(codes(&text, &in_container(memory)), ["state_in_memory"]);
    let machine = System {
        mounts: vec![root()],
        ..System::default()
    };
    assert_eq!(codes(&text, &machine), [""; 0]);
}

//! Configurations as operators write them, good and bad.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailferry::config::{self, Config, DeliveryKind, SecretSource, Storage, System, Warning};
use mailferry::mail::{
    AccountName, FirstRun, LineEnds, LogFormat, LogLevel, LoginMethod, Retention, Sender,
    SenderChoice, ServerAddress, TlsMode,
};

use crate::support::folder::{Folder, MAILDIR};

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

/// Whether generated files are written instead of compared.
fn updating() -> bool {
    std::env::var_os("MAILFERRY_UPDATE").is_some()
}

/// Holds 4.1.design and 4.2.starttls.
#[test]
fn settings_that_are_not_given_have_the_documented_default() {
    let folder = Folder::with(format!(
        "{MAILDIR}[account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = {{ file \
         = \"secret\" }}\n"
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
    assert_eq!(work.tls.server_name.as_deref(), Some("pop.example.org"));
    assert_eq!(work.password, SecretSource::File(folder.path("secret")));
    assert_eq!(work.auth, LoginMethod::Auto);
    assert_eq!(work.deliveries, ["local"]);
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
fn an_account_overrides_the_configured_defaults_and_those_the_built_in_ones() {
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
         [account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = { env = \"P\" }\ndelivery \
          = \"lda\"\n",
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
fn an_lmtp_server_is_a_host_and_port_or_a_socket() {
    let folder = Folder::with(
        "[delivery.tcp]\ntype = \"lmtp\"\nhost = \"dovecot\"\n\
         [delivery.socket]\ntype = \"lmtp\"\nsocket = \"lmtp\"\nrecipients_max = 5\n\
         [account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = { env = \"P\" }\n\
         delivery = \"tcp\"\nrecipient = \"jane\"\n",
    );
    let config = folder.load().unwrap();
    let lmtp = |name: &str| match &config.deliveries[name].kind {
        DeliveryKind::Lmtp(lmtp) => lmtp.clone(),
        other => panic!("{other:?}"),
    };
    let (tcp, socket) = (lmtp("tcp"), lmtp("socket"));
    let (host, port) = ("dovecot".to_owned(), 24);
    assert_eq!(tcp.address, ServerAddress::Tcp { host, port });
    assert_eq!((tcp.tls.mode, tcp.recipients_max), (TlsMode::None, 100));
    assert_eq!(tcp.timeout, Duration::from_secs(300));
    assert_eq!(socket.address, ServerAddress::Socket(folder.path("lmtp")));
    assert_eq!(socket.recipients_max, 5);
}

#[test]
fn an_account_says_which_sender_its_destination_is_told_or_its_delivery_does() {
    let account = |name: &str, further: &str| {
        format!(
            "[account.{name}]\nhost = \"{name}.example\"\nuser = \"u\"\npassword = {{ env = \
             \"P\" }}\ndelivery = \"box\"\n{further}\n"
        )
    };
    let folder = Folder::with(format!(
        "[delivery.box]\ntype = \"maildir\"\npath = \"/tmp/Maildir\"\nsender = \"null\"\n\
         [delivery.plain]\ntype = \"maildir\"\npath = \"/tmp/Maildir2\"\n{}{}",
        account("one", ""),
        account("two", "sender = \"postmaster@home.lan\"")
    ));
    let config = folder.load().unwrap();
    assert_eq!(
        config.deliveries["box"].sender,
        SenderChoice::Always(Sender::Null)
    );
    assert_eq!(config.deliveries["plain"].sender, SenderChoice::Keep);
    let postmaster = Sender::from_path(b"postmaster@home.lan");
    assert_eq!(self::account(&config, "one").sender, None);
    let two = self::account(&config, "two");
    assert_eq!(two.sender, Some(SenderChoice::Always(postmaster)));
}

#[test]
fn mail_that_goes_to_an_lmtp_server_of_another_network_without_tls_is_warned_of() {
    for (address, warns) in [
        ("host = \"mx.example.org\"", true),
        ("host = \"192.0.2.1\"", true),
        ("host = \"mx.example.org\"\ntls = \"starttls\"", false),
        ("host = \"dovecot\"", false),
        ("host = \"mail.home.lan\"", false),
        ("host = \"10.0.0.1\"", false),
        ("host = \"127.0.0.1\"", false),
        ("socket = \"/run/dovecot/lmtp\"", false),
    ] {
        let text = format!(
            "[delivery.box]\ntype = \"lmtp\"\n{address}\n[account.work]\nhost = \"h.example\"\n\
             user = \"u\"\npassword = {{ env = \"P\" }}\nrecipient = \"jane\"\n"
        );
        let codes = codes(&text, &System::default());
        assert_eq!(
            codes.contains(&"lmtp_cleartext"),
            warns,
            "{address}: {codes:?}"
        );
    }
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
        "{MAILDIR}\n[account.work]\nhost = \"h.example\"\nuser = \"u\"\npassword = {{ env = \"P\" \
         }}\n"
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
        "accounts.d/work.toml:2:10: [account.work] is defined twice, first at mailferry.toml:5:10. \
         Rename one of them\naccounts.d/zz.toml:1:11: [delivery.local] is defined twice, \
         first at mailferry.toml:1:11. Rename one of them"
    );
}

#[test]
fn a_file_of_accounts_d_has_accounts_and_deliveries_and_nothing_else() {
    let folder = Folder::with(MAILDIR);
    folder.write(
        "accounts.d/a.toml",
        "state_dir = \"/x\"\nretention = \"keep\"\nzzz = 1\n[log]\nlevel = \
         \"debug\"\n[defaults]\nport = 1\n",
    );
    let complaints = folder.complaints();
    for said in [
        "a.toml:1:1: `state_dir` does not belong in a file of accounts.d: it belongs in the main \
         file",
        "a.toml:2:1: `retention` does not belong in a file of accounts.d: it belongs in an \
         [account.NAME]",
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
        "[account.a]\nhost = \"h\"\nuser = \"u\"\npassword = { env = \"P\" }\ndelivery = \
         \"local\"\ncolour = 1\n",
    );
    let complaints = folder.complaints();
    assert!(complaints.contains("mailferry.toml:1:"), "{complaints}");
    assert!(
        complaints.contains("a.toml:6:1: unknown setting `colour`"),
        "{complaints}"
    );
    assert!(!complaints.contains("there is no delivery"), "{complaints}");
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
fn every_valid_file_of_the_corpus_is_accepted() {
    for file in files_of("tests/corpus/config/valid", "toml") {
        let folder = Folder::with(fs::read(&file).unwrap());
        let errors = folder.load().err().map(|errors| errors.to_string());
        assert_eq!(errors, None, "{}", file.display());
    }
}

/// Holds log4cxx#672.
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
            "{}: if the new words are better, run `MAILFERRY_UPDATE=1 cargo test config` and read \
             the difference",
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
fn the_reference_in_the_repository_is_up_to_date() {
    let path = repository("config/mailferry.toml");
    if updating() {
        fs::write(&path, config::reference()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == config::reference(),
        "config/mailferry.toml is not what the settings say. Run `MAILFERRY_UPDATE=1 cargo test \
         config`, or \
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
    assert_eq!((config.accounts.len(), config.deliveries.len()), (1, 4));
    let lines = config::reference();
    let wide = lines
        .lines()
        .find(|line| line.chars().count() > 120 && !line.contains("fingerprint"));
    assert_eq!(wide, None, "a line of the reference is too long to read");
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
fn probable_mistakes_cause_a_warning() {
    let account = |settings: &str| {
        format!(
            "{MAILDIR}[account.a]\nhost = \"h\"\nuser = \"u\"\npassword = {{ env = \"P\" \
             }}\n{settings}\n"
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
    let routed = account("recipient = \"jane\"\n[account.a.envelope]");
    assert_eq!(codes(&routed, &plain), ["one_maildir_for_all"]);
    let by_name = routed.replacen("Maildir\"", "Maildir/{recipient_local}\"", 1);
    assert_ne!(by_name, routed);
    assert_eq!(codes(&by_name, &plain), [""; 0]);
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
        "state_dir = \"/nonexistent/state\"\n{MAILDIR}[account.a]\nhost = \"h\"\nuser = \
         \"u\"\npassword = {{ env = \"P\" }}\n"
    );
    let in_container = |state| System {
        container: true,
        state,
        ..System::default()
    };
    assert_eq!(
        codes(&text, &in_container(Storage::Root)),
        ["state_in_container"]
    );
    assert_eq!(codes(&text, &in_container(Storage::Mount)), [""; 0]);
    let memory = Storage::Memory("tmpfs");
    assert_eq!(codes(&text, &in_container(memory)), ["state_in_memory"]);
    let machine = System {
        state: Storage::Root,
        ..System::default()
    };
    assert_eq!(codes(&text, &machine), [""; 0]);
}

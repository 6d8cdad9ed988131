//! The programs that read the files of `contrib/` accept them.

use std::path::Path;
use std::process::Command;

use mailferry::config::Environment;

/// The unit as installed, except for the path of the program, which is the one that was built.
fn unit(directory: &Path) -> std::path::PathBuf {
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/contrib/systemd/mailferry.service"
    );
    let text = std::fs::read_to_string(source).unwrap();
    let installed = text.replace("/usr/local/bin/mailferry", env!("CARGO_BIN_EXE_mailferry"));
    assert_ne!(text, installed, "the unit starts another program");
    let path = directory.join("mailferry.service");
    std::fs::write(&path, installed).unwrap();
    path
}

fn analyze(words: &[&str], unit: &Path) -> String {
    let output = Command::new("systemd-analyze")
        .args(words)
        .arg(unit)
        .env("SYSTEMD_LOG_LEVEL", "warning")
        .output()
        .unwrap_or_else(|error| {
            panic!("systemd-analyze is missing ({error}): run contrib/setup test")
        });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "systemd-analyze {words:?}: {said}");
    said
}

#[test]
fn systemd_takes_every_line_of_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let said = analyze(&["verify", "--man=no"], &unit(directory.path()));
    let about_it: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("mailferry.service"))
        .collect();
    assert!(about_it.is_empty(), "{about_it:#?}");
}

#[test]
fn the_unit_leaves_little_to_whoever_takes_the_service_over() {
    let directory = tempfile::tempdir().unwrap();
    // 20 tenths of 100: systemd calls that "OK", and the network cannot be left out.
    let words = ["security", "--offline=true", "--no-pager", "--threshold=20"];
    let said = analyze(&words, &unit(directory.path()));
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_service_keeps_its_records_where_systemd_made_room_for_them() {
    let unit = include_str!("../../contrib/systemd/mailferry.service");
    let setting = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name));
    let given = setting("Environment=").unwrap().split(' ');
    let sysusers = include_str!("../../contrib/systemd/mailferry.sysusers");
    let home = sysusers.split_whitespace().last().unwrap();
    let variables = given.filter_map(|word| word.split_once('='));
    let environment = Environment::new(variables.chain([("HOME", home)]), false);
    let room = Path::new("/var/lib").join(setting("StateDirectory=").unwrap());
    assert!(environment.is_default_state_dir(&room));
}

/// `apt-get -s` only prints what it would do; every other call that adds packages must remove none.
#[test]
fn setting_up_removes_no_package_of_the_machine() {
    let setup = include_str!("../../contrib/setup");
    let adds: Vec<&str> = setup
        .lines()
        .filter(|line| line.contains("apt-get") && line.contains(" install "))
        .filter(|line| !line.trim_start().starts_with('#') && !line.contains(" -s "))
        .collect();
    assert_eq!(adds.len(), 1, "one place that adds packages: {adds:#?}");
    assert!(adds[0].contains(" --no-remove "), "{}", adds[0]);
    for word in [
        "apt-get remove",
        "apt-get purge",
        "autoremove",
        "upgrade",
        "systemctl",
        "service ",
        "debconf-set-selections",
        "dpkg -i",
        "--allow-remove-essential",
        "--force",
    ] {
        assert!(!setup.contains(word), "contrib/setup says {word:?}");
    }
}

/// A machine has one relay, which we must not replace: servers are unpacked, never installed.
#[test]
fn no_mail_server_is_among_the_packages_that_setting_up_installs() {
    let setup = include_str!("../../contrib/setup");
    let lists: Vec<&str> = setup
        .lines()
        .filter(|line| {
            line.contains("=(") && !line.contains("_servers=(") && !line.contains("unpacked+=(")
        })
        .collect();
    assert!(lists.len() >= 6, "{lists:#?}");
    for server in [
        "postfix", "exim", "dovecot", "courier", "maildrop", "sendmail",
    ] {
        let named: Vec<_> = lists.iter().filter(|list| list.contains(server)).collect();
        assert!(named.is_empty(), "{server}: {named:#?}");
    }
}

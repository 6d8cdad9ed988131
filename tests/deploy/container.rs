//! The files, numbers, paths and times in `contrib/container/` are right, and equal in all of its
//! files. `contrib/container/check` shows whether the image builds and runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::place::Place;

const USER: &str = "8110";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = top().join("contrib/container").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text after `word` on the lines that begin with it.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let line = |line: &'a str| line.trim_start().strip_prefix(word).map(str::trim);
    text.lines().filter_map(line).collect()
}

fn only<'a>(text: &'a str, word: &str) -> &'a str {
    let found = after(text, word);
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found[0]
}

fn seconds(text: &str) -> Duration {
    humantime::parse_duration(text.trim_matches('"')).unwrap()
}

#[test]
fn the_dockerfile_copies_what_is_there_and_its_build_has_what_it_copies() {
    let dockerfile = read("Dockerfile");
    let ignored = read("Dockerfile.dockerignore");
    let mut sources = 0;
    for copy in after(&dockerfile, "COPY ") {
        if let Some(built) = copy.strip_prefix("--from=build ") {
            let (from, to) = built.split_once(' ').unwrap();
            assert!(dockerfile.contains(&format!("install -D target/release/mailferry {from}")));
            assert_eq!(only(&dockerfile, "ENTRYPOINT "), format!("[\"{to}\"]"));
            continue;
        }
        let words: Vec<&str> = copy.split(' ').collect();
        for source in &words[..words.len() - 1] {
            sources += 1;
            assert!(top().join(source).exists(), "{source}");
            assert!(
                ignored.lines().any(|line| line == format!("!{source}")),
                "{source} is kept from the build"
            );
        }
    }
    assert!(sources >= 4, "{sources}");
}

#[test]
fn the_build_stage_has_a_rust_that_is_new_enough() {
    let dockerfile = read("Dockerfile");
    let image = only(&dockerfile, "FROM docker.io/library/rust:");
    let version = |text: &str| -> Vec<u32> {
        let parts = text.split('.').take(2);
        parts.map(|part| part.parse().unwrap()).collect()
    };
    let manifest = std::fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let needed = only(&manifest, "rust-version = ").trim_matches('"');
    let (release, debian) = image.split_once('-').unwrap();
    assert!(version(release) >= version(needed), "{image} < {needed}");
    // The program must be linked with the library that the image has.
    let debian = debian.split(' ').next().unwrap();
    assert!(dockerfile.contains(&format!("\nFROM docker.io/library/debian:{debian}-slim\n")));
}

#[test]
fn user_volume_and_configuration_of_the_container_are_one_and_the_same_everywhere() {
    let (dockerfile, compose) = (read("Dockerfile"), read("compose.yaml"));
    let (config, dovecot) = (read("mailferry.toml"), read("dovecot.conf"));
    assert_eq!(only(&dockerfile, "USER "), format!("{USER}:{USER}"));
    assert!(dockerfile.contains(&format!("--uid {USER} --gid {USER}")));
    assert!(compose.contains(&format!("\"-o\", \"{USER}\", \"-g\", \"{USER}\"")));
    assert!(dovecot.contains(&format!("uid={USER} gid={USER}")));
    let volume = only(&dockerfile, "VOLUME ");
    assert!(config.contains(&format!("\nstate_dir = \"{volume}\"")));
    assert!(compose.contains(&format!("- state:{volume}\n")));
    let environment = only(&dockerfile, "ENV ");
    let path = environment.strip_prefix("MAILFERRY_CONFIG=").unwrap();
    let path = path.split(' ').next().unwrap();
    assert!(compose.contains(&format!("- ./mailferry.toml:{path}:ro\n")));
    // Without this variable mailferry would not know that it is in a container, and would not warn.
    assert!(environment.contains(" container="));
    assert!(
        config.contains("\"/srv/mail/jane/Maildir\"") && compose.contains("\"/srv/mail/jane\"")
    );
    assert!(dovecot.contains("maildir:/srv/mail/%n/Maildir"));
}

#[test]
fn compose_names_files_that_are_there_and_secrets_that_are_used() {
    let compose = read("compose.yaml");
    let folder = top().join("contrib/container");
    for mount in after(&compose, "- ./") {
        let file = mount.split(':').next().unwrap();
        assert!(folder.join(file).exists(), "{file}");
    }
    let context = folder.join(only(&compose, "context: "));
    assert!(context.join(only(&compose, "dockerfile: ")).exists());
    let uses = read("mailferry.toml") + &read("dovecot.conf");
    let secrets = after(&compose, "file: ./secrets/");
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        assert!(uses.contains(&format!("/run/secrets/{secret}")), "{secret}");
        assert!(
            compose.contains(&format!("secrets: [{secret}]")),
            "{secret}"
        );
    }
}

#[test]
fn the_container_has_no_rights_it_does_not_need_and_time_enough_to_stop() {
    let compose = read("compose.yaml");
    let mailferry = compose.split_once("\n  mailferry:\n").unwrap().1;
    let mailferry = mailferry.split_once("\n\n").unwrap().0;
    for line in [
        "    read_only: true",
        "    cap_drop: [ALL]",
        "    security_opt: [\"no-new-privileges:true\"]",
    ] {
        assert!(mailferry.lines().any(|has| has == line), "{line}");
    }
    let stop = seconds(only(mailferry, "stop_grace_period: "));
    let config = read("mailferry.toml");
    let shutdown = only(&config, "shutdown_timeout = ");
    let shutdown = seconds(shutdown.split_whitespace().next().unwrap());
    assert!(stop >= shutdown + Duration::from_secs(10), "{stop:?}");
    assert_eq!(only(&read("Dockerfile"), "STOPSIGNAL "), "SIGTERM");
}

#[test]
fn mailferry_and_dovecot_take_the_container_s_configurations() {
    let config = read("mailferry.toml")
        .replace("/run/secrets", "{here}")
        .replace("/var/lib/mailferry", "{here}/state")
        .replace("/srv/mail/jane", "{here}");
    let place = Place::with(&config);
    let secret = place.path("work");
    std::fs::write(&secret, "canary").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    place.succeed(&["check"]);

    let program = PathBuf::from("/usr/bin/doveconf");
    assert!(program.exists(), "it is missing: run contrib/setup test");
    // The users of the package do not exist if its files are only unpacked.
    let ours = std::fs::read_to_string(top().join("contrib/container/dovecot.conf")).unwrap();
    let users = "default_login_user = nobody\ndefault_internal_user = \
     nobody\ndefault_internal_group = nogroup\n";
    std::fs::write(place.path("dovecot.conf"), ours + users).unwrap();
    let output = Command::new(program)
        .args(["-n", "-c"])
        .arg(place.path("dovecot.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("maildir:/srv/mail/%n/Maildir"), "{said}");
}

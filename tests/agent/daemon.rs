//! The agent as a process: signals, reload, and failing accounts beside working ones.

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::port::free_port;
use crate::support::varied;

fn account(name: &str, port: u16, delivery: &str) -> String {
    format!(
        "[account.{name}]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"{name}\"\npassword = \"secret\"\ndelivery = \"{delivery}\"\nfirst_run = \
          \"all\"\nrecipient = \"jane\"\n"
    )
}

const BOX: &str = "[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n";

#[test]
fn sigterm_ends_it_in_order_and_sigusr1_polls_now() {
    let dovecot = Dovecot::with(&varied::messages(3));
    let config = format!(
        "state_dir = \"{{here}}/state\"\n{BOX}{}",
        account("jane", dovecot.plain_port(), "box")
    );
    let place = Place::with(&config);
    let mut agent = Agent::start(&place);
    agent.until(&["polled", "account=jane"]);
    let before = place.delivered().values().sum::<usize>();
    dovecot.put(b"Subject: later\n\nlater\n");
    agent.signal("USR1");
    agent.until(&["status=delivered"]);
    agent.until(&["polled", "account=jane"]);
    assert_eq!(place.delivered().values().sum::<usize>(), before + 1);
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    assert!(
        heard.iter().any(|line| line.contains("has stopped")),
        "{heard:#?}"
    );
}

#[test]
fn sighup_to_an_agent_that_is_starting_is_a_reload_and_not_its_end() {
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{BOX}{}",
        account("jane", free_port(), "box")
    ));
    let mut command = place.command(&["run"]);
    command.env("MAILFERRY_FAULT", "agent.starting:1:hup");
    let mut agent = Agent::from(command);
    agent.until(&["configuration reloaded"]);
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
}

#[test]
fn a_slow_mda_is_waited_for_and_its_message_recorded_when_it_is_asked_to_stop() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    // The MDA reports that it has started, and takes a second.
    let mda = "[delivery.slow]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", \"touch \
     {here}/begun; sleep 1; cat > {here}/taken\"]\n";
    let config = format!(
        "state_dir = \"{{here}}/state\"\n{mda}{}",
        account("jane", dovecot.plain_port(), "slow")
    );
    let place = Place::with(&config);
    let agent = Agent::start(&place);
    while !place.path("begun").exists() {
        std::thread::yield_now();
    }
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    assert!(
        heard.iter().any(|line| line.contains("status=delivered")),
        "{heard:#?}"
    );
    assert!(place.path("taken").exists());
    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{said}");
}

#[test]
fn a_bad_file_keeps_the_old_configuration_and_a_good_one_adds_an_account() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let second = Dovecot::with(&varied::messages(0)[..1]);
    let old = format!(
        "state_dir = \"{{here}}/state\"\n{BOX}{}",
        account("jane", dovecot.plain_port(), "box")
    );
    let place = Place::with(&old);
    let mut agent = Agent::start(&place);
    agent.until(&["polled", "account=jane"]);
    place.configure(&old.replace("first_run", "frist_run"));
    agent.signal("HUP");
    let line = agent.until(&["reload_failed"]);
    assert!(line.contains("did you mean `first_run`?"), "{line}");
    agent.until(&["reload_failed", "old configuration stays"]);
    place.configure(&format!(
        "{old}{}",
        account("joe", second.plain_port(), "box")
    ));
    agent.signal("HUP");
    agent.until(&["configuration reloaded"]);
    agent.until(&["polled", "account=joe"]);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn a_second_process_is_told_which_process_uses_the_store() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{BOX}{}",
        account("jane", dovecot.plain_port(), "box")
    ));
    let mut agent = Agent::start(&place);
    agent.until(&["is running"]);
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{said}");
    let id = agent.id().to_string();
    assert!(said.contains(&format!("kill -USR1 {id}")), "{said}");
    assert!(said.contains("systemctl stop"), "{said}");
    assert!(
        !said.contains("state_dir"),
        "all mail would come twice: {said}"
    );
    assert_eq!(agent.stop().0, Some(0));
}

/// Holds getmail6#277.
#[test]
fn failing_accounts_do_not_affect_the_others_and_each_reports_its_error() {
    let files = varied::messages(10);
    let (good, bad) = (Dovecot::with(&files), free_port());
    let mda = |name: &str, command: &str| {
        // Only the MDA that hangs may run into its time-out: on a busy machine the others take a
        // while.
        let timeout = if name == "hangs" { "1s" } else { "2m" };
        format!("[delivery.{name}]\ntype = \"mda\"\ntimeout = \"{timeout}\"\ncommand = {command}\n")
    };
    let deliveries = [
        ("missing", "[\"/no/such/mda\"]", "mda_missing"),
        ("hangs", "[\"/bin/sleep\", \"600\"]", "mda_timeout"),
        (
            "dies",
            "[\"/bin/sh\", \"-c\", \"kill -9 $$\"]",
            "mda_signal",
        ),
        (
            "talks",
            "[\"/bin/sh\", \"-c\", \"head -c 1000000000 /dev/zero; exit 75\"]",
            "mda_temporary",
        ),
        (
            "broken",
            "[\"/bin/sh\", \"-c\", \"exit 78\"]",
            "mda_configuration",
        ),
    ];
    let mut config = format!("state_dir = \"{{here}}/state\"\nmax_sessions_per_host = 20\n{BOX}");
    config.push_str(&account("good", good.plain_port(), "box"));
    config.push_str(&account("nobody-there", bad, "box"));
    let servers: Vec<Dovecot> = deliveries
        .iter()
        .map(|_| Dovecot::with(&files[..1]))
        .collect();
    for ((name, command, _), server) in deliveries.iter().zip(&servers) {
        config.push_str(&mda(name, command));
        config.push_str(&account(name, server.plain_port(), name));
    }
    let place = Place::with(&config);
    let output = place.run(&["poll"]);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(69), "{out}\n{err}");
    assert!(
        out.contains(&format!("good: {0} listed, {0} delivered", files.len())),
        "{out}\n{err}"
    );
    assert!(out.contains("nobody-there: failed (connect)"), "{out}");
    for (name, _, code) in &deliveries {
        let line = |text: &str| {
            text.lines()
                .any(|line| line.contains(name) && line.contains(code))
        };
        assert!(
            line(&out) || line(&err),
            "{name} does not say {code}:\n{out}\n{err}"
        );
    }
    for server in &servers {
        assert_eq!(server.left().len(), 1, "nothing is lost");
    }
    assert!(!format!("{out}{err}").contains("secret"), "{out}{err}");
}

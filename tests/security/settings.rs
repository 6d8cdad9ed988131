//! Harmful settings, by accident or by whoever writes a part of the configuration.

use crate::support::folder::Folder;

const RELAY: &str = "[delivery.relay]\ntype = \"smtp\"\nhost = \"relay.example\"\n";
const ACCOUNT: &str = "[account.work]\nhost = \"pop.example.org\"\nuser = \"jane\"\npassword = \
 \"secret\"\nrecipient = \"jane@home.lan\"\n";

/// The errors of the same configuration with this setting of the relay or of the account.
fn complaints(relay: &str, account: &str) -> String {
    let replaced = |text: &str, setting: &str| {
        let name = setting.split(' ').next().unwrap_or_default();
        let kept = text
            .lines()
            .filter(|line| name.is_empty() || !line.starts_with(name));
        kept.chain([setting])
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let text = replaced(RELAY, relay) + &replaced(ACCOUNT, account);
    Folder::with(text).complaints()
}

/// Holds log4cxx#672: a setting that is sent to a server as part of a line cannot contain a line
/// end, or the end of a path.
#[test]
fn no_setting_that_is_sent_to_a_server_can_contain_a_second_command() {
    assert!(Folder::with(format!("{RELAY}{ACCOUNT}")).load().is_ok());
    for hostile in [
        "mail.home.lan\\r\\nMAIL FROM:<evil@x>",
        "mail.home.lan\\nQUIT",
        "mail.home.lan\\rQUIT",
        "mail.home.lan\\u0000",
        "mail.home.lan QUIT",
        "mail.home.lan\\tQUIT",
        "mail.home.lan\\u0085QUIT",
        "mail.home.lan>",
        "",
    ] {
        for setting in ["helo", "host", "tls_server_name"] {
            if setting == "helo" || setting == "host" {
                let said = complaints(&format!("{setting} = \"{hostile}\""), "");
                assert!(said.contains(setting), "{setting} {hostile}: {said}");
            }
            if setting != "helo" {
                let said = complaints("", &format!("{setting} = \"{hostile}\""));
                assert!(said.contains(setting), "{setting} {hostile}: {said}");
            }
        }
        let recipient = hostile.replace("mail.home.lan", "jane@home.lan");
        let said = complaints("", &format!("recipient = \"{recipient}\""));
        assert!(said.contains("recipient"), "{recipient}: {said}");
    }
    for user in [
        "jane\\r\\nDELE 1",
        "jane\\nDELE 1",
        "jane\\rDELE 1",
        "jane\\u0000",
    ] {
        let said = complaints("", &format!("user = \"{user}\""));
        assert!(said.contains("user"), "{user}: {said}");
        let said = complaints("", &format!("password = \"{user}\""));
        assert!(said.contains("password"), "{user}: {said}");
        assert!(!said.contains("DELE"), "{said}");
    }
}

/// Holds 4.1.design: MD5 proves nothing any more.
#[test]
fn a_fingerprint_is_sha_256_and_nothing_weaker() {
    for weak in ["ab".repeat(16), "ab".repeat(20), "AB:".repeat(15) + "AB"] {
        let said = complaints("", &format!("tls_fingerprint = \"{weak}\""));
        assert!(said.contains("tls_fingerprint"), "{weak}: {said}");
    }
}

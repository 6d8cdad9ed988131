//! Wordings of real servers, from their sources and from public reports.

use super::*;

#[test]
fn words_that_say_that_the_maildrop_is_taken() {
    for words in [
        // RFC 1939 section 7.
        "maildrop already locked",
        "unable to lock maildrop",
        // Suites and sources of servers.
        "The maildrop is locked, please try later",
        "Your mailbox is already locked",
        "Mailbox is locked by POP server",
        "Unable to lock maildrop: Mailbox is locked by POP server",
        "Unable to lock maildrop: mailbox is locked by another POP session",
        "Maildrop is locked by someone else!",
        "Mailbox locked, try next time",
        "Mailbox is locked. Try later.",
        "mailbox not ready, try again later",
        "Cannot lock mailbox",
        "maildrop is being used",
        "mailbox jane currently locked",
        "mailbox in use, try again later",
        "mailbox already in use by pid 12345",
        "/var/mail/.jane.pop lock busy!  Is another session active? (11)",
        "Mail file in use.",
        "being read already: another POP3 session is active, mailbox busy",
        "Mailbox already open in another session",
        "Can't open mailbox: in use by another process",
        "Unable to gain exclusive access to mail drop",
        "Das Postfach ist bereits geöffnet",
        "Postfach in Benutzung",
        "El buzón está en uso",
        // As many sessions as are allowed.
        "Too many connections",
        "Too many simultaneous connections.",
        "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        "Maximum connection limit reached for 192.0.2.1",
        "Too many concurrent sessions for this account",
    ] {
        assert_eq!(told(words), Some(Told::InUse), "{words}");
    }
}

#[test]
fn words_that_say_that_the_last_login_is_too_recent_and_how_long_to_wait() {
    for (words, seconds) in [
        ("login allowed only every 15 minutes", Some(900)),
        (
            "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to \
             the POP3 server.",
            Some(900),
        ),
        ("Please try again in 5 minutes", Some(300)),
        ("wait 30 seconds between logins", Some(30)),
        ("Minimum time between logins not met", None),
        ("Too many logins, slow down", None),
        ("You are checking your mail too often", None),
        ("login frequency exceeded", None),
        ("try again in 99999999999999999 hours", Some(3600)),
    ] {
        assert_eq!(told(words), Some(Told::TooOften), "{words}");
        assert_eq!(told_wait_seconds(words), seconds, "{words}");
    }
}

#[test]
fn words_that_tell_of_a_fault_of_the_server_which_passes() {
    for words in [
        "Server Unavailable. 21",
        "Temporary problem, please try again later",
        "Temporary authentication failure",
        "Temporary authentication failure. [mail:2026-06-11 13:56:19]",
        "Temporary lookup failure",
        "Temporary system problem. Please try again later.",
        "System error, please try again later.",
        "Server error: Failed to fetch messages in Inbox.",
        "internal server error",
        "Internal error occurred. Refer to server log for more information.",
        "Authentication service unavailable",
        "mail.example.org pop service unavailable",
        "Service is not available",
        "LDAP server unavailable",
        "Database error",
        "Login failed: database error",
        "Mailbox temporarily unavailable",
        "Server temporarily unavailable due to maintenance",
        "your account is having maintenance peformed.  please try again later",
        "Server shutting down.",
        "POP3 server is shutting down, please try again later",
        "Sorry, I'm too busy right now",
        "Please try again later",
        "aack, child crashed",
        "out of memory",
        "Der Dienst ist vorübergehend nicht erreichbar",
    ] {
        assert_eq!(told(words), Some(Told::ServerFault), "{words}");
    }
}

#[test]
fn words_that_speak_of_the_credential_whatever_else_they_say() {
    for words in [
        // RFC 1939 section 7.
        "invalid password",
        "never heard of mailbox name",
        "sorry, no mailbox for frated here",
        "permission denied",
        "",
        "no",
        "account locked",
        "Your account is locked, try again later",
        "mailbox locked: too many failures",
        "mailbox locked after too many failed logins, try later",
        "user mailbox suspended",
        "mailbox locked by the administrator",
        "maildrop disabled",
        "Mailbox blocked",
        "Authentication failed, mailbox may be in use",
        "[AUTH] mailbox in use",
        "Password expired for this mailbox; try again later",
        "Ihr Konto ist gesperrt, Postfach geschlossen",
        "Postfach gesperrt",
        "casella bloccata",
        // Wrong passwords that look like faults of a server, and accounts locked for a time.
        "Logon failure: unknown user name or bad password.",
        "Login failed.",
        "LOGIN failed, try again later",
        "Authentication failed, please try again in 15 minutes",
        "Too many login attempts, please try again later",
        "too many failed logins, service temporarily unavailable",
        "Too many login failures, try again in 15 minutes",
        "account temporarily disabled",
        "Account temporarily unavailable",
        "login temporarily blocked",
        "Your IP has been temporarily banned",
        "Wrong username or password, or server error",
        "too many connections with a wrong password",
        "POP3 access is disabled, contact the system administrator",
        "POP3 service has been permanently discontinued.",
        "Account suspended for maintenance fees, contact admin",
        // Nothing that shows which of the two it is.
        "locked",
        "unable to open mailbox",
        "Unable to log on.",
    ] {
        assert_eq!(told(words), None, "{words}");
    }
}

#[test]
fn a_word_is_a_word_and_no_part_of_another() {
    assert_eq!(told("the clock of this mailbox is wrong"), None);
    assert_eq!(told("unlocked mailbox"), None);
    assert_eq!(told("mailbox in useless state"), None);
    assert_eq!(told("mailbox 15 minuscule"), None);
}

#[test]
fn a_refusal_without_a_reason_is_reported_as_such_with_the_step() {
    assert_eq!(
        reason(b" ", Kind::Pass),
        "it gave no reason (-ERR and nothing more, to PASS)"
    );
    assert_eq!(reason(b"no\x1b", Kind::Pass), "no\\x1b");
}

#[test]
fn words_that_call_the_password_wrong_need_no_code_unless_they_name_a_fault() {
    for words in [
        "Logon failure: unknown user name or bad password.",
        "Username or password is incorrect",
        "Benutzername oder Passwort falsch",
    ] {
        assert!(calls_the_password_wrong(words), "{words}");
    }
    for words in [
        "no",
        "Authentication failed",
        "Login failed",
        "The password database is unavailable",
        "Temporary fault, the password was not checked",
        "password server not responding",
        "Password check timed out",
        "password backend offline",
        "could not reach the password database",
        "unknown error of the password backend: internal error",
    ] {
        assert!(!calls_the_password_wrong(words), "{words}");
    }
}

//! The POP3 client in every dialogue of `tests/corpus/pop3`, cut in every way, and a table of the
//! protocol checks with the tests that cover them.

use std::collections::{BTreeMap, BTreeSet};

use mailferry::mail::{Secret, limits};
use mailferry::proto::pop3::{Client, Command};

use crate::support::dialogue::{Progress, Run};
use crate::support::held::{self, Naming, Row, Tree};
use crate::support::script::Script;

/// Plays a script completely, and reports what went wrong and where.
fn play(script: &Script, cuts: &[usize]) -> Vec<Progress> {
    let mut run = Run::new(script);
    let played = run
        .play(cuts, usize::MAX)
        .and_then(|trace| run.end_as_written().map(|()| trace));
    played.unwrap_or_else(|what| panic!("{}, cut at {}: {what}", script.name, shown(cuts)))
}

/// The server closes the connection after this many octets. The client must have reported the same
/// as when they came one by one, and must not call a message complete, or the end in order, when it
/// is not.
fn play_until(script: &Script, until: usize, expected: Progress) {
    let mut run = Run::new(script);
    let played = run.play(&[], until).and_then(|_| run.end());
    played.unwrap_or_else(|what| panic!("{}, gone after octet {until}: {what}", script.name));
    assert_eq!(
        run.progress(),
        expected,
        "{}, gone after octet {until}",
        script.name
    );
}

fn shown(cuts: &[usize]) -> String {
    match cuts {
        [] => "none".into(),
        [one] => format!("octet {one}"),
        many => format!("{} octets", many.len()),
    }
}

/// The scripts whose server sends this many octets.
fn scripts(from: usize, to: usize) -> impl Iterator<Item = Script> {
    let all = Script::all().into_iter();
    all.filter(move |script| (from..=to).contains(&script.octets))
}

fn short() -> impl Iterator<Item = Script> {
    scripts(0, SHORT_OCTETS_MAX)
}

#[test]
fn every_dialogue_goes_as_it_is_written() {
    for script in scripts(0, LONG_OCTETS_MAX) {
        play(&script, &[]);
    }
}

#[test]
fn a_dialogue_goes_the_same_octet_by_octet_and_at_every_split() {
    for script in short() {
        let octets: Vec<usize> = (0..=script.octets).collect();
        play(&script, &octets);
        for at in octets {
            play(&script, &[at]);
        }
    }
}

/// Holds 4.1.truncated and 4.2.eof.
#[test]
fn a_server_that_is_gone_after_any_octet_makes_no_message_whole() {
    for script in short() {
        let octets: Vec<usize> = (0..=script.octets).collect();
        let trace = play(&script, &octets);
        for (until, progress) in octets.into_iter().zip(trace) {
            play_until(&script, until, progress);
        }
    }
}

#[test]
fn a_long_dialogue_has_the_same_result_however_the_input_is_split() {
    let seed = seed();
    for script in scripts(SHORT_OCTETS_MAX + 1, LONG_OCTETS_MAX) {
        // Each script has its own random points, so that a new script does not change those of
        // others.
        let mut points = random_points(&script, seed);
        for end in &script.boundaries {
            points.extend(end.saturating_sub(3)..=end + 1);
        }
        points.retain(|point| *point <= script.octets);
        points.sort_unstable();
        points.dedup();
        let trace = play(&script, &points);
        for (until, progress) in points.into_iter().zip(trace) {
            play(&script, &[until]);
            play_until(&script, until, progress);
        }
    }
}

#[test]
fn a_dialogue_without_end_ends_with_an_error() {
    let seed = seed();
    for script in scripts(LONG_OCTETS_MAX + 1, usize::MAX) {
        let mut points = random_points(&script, seed);
        points.sort_unstable();
        play(&script, &points);
    }
}

fn seed() -> u64 {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    seed
}

fn random_points(script: &Script, seed: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..RANDOM_POINTS)
        .map(|_| random.usize(..=script.octets))
        .collect()
}

/// Points at which a long dialogue is cut, besides its line ends.
const RANDOM_POINTS: usize = 200;

/// Longer dialogues count as endless: they are cut at random points, all in one run, and that takes
/// seconds.
const LONG_OCTETS_MAX: usize = 1024 * 1024;

/// Dialogues of at most this length are cut at every octet.
const SHORT_OCTETS_MAX: usize = 4 * 1024;

#[test]
fn the_longest_commands_have_at_most_255_octets() {
    let mut client = Client::new();
    let mut say = |command: Option<Command>, reply: &[u8]| {
        if let Some(command) = command {
            client.send(&command).unwrap();
        }
        let line = std::mem::take(client.output());
        let mut input = reply;
        while client.next(&mut input).unwrap().is_some() {}
        line.len()
    };
    // A user and a password have any length: servers accept them, and there is no other way to send
    // them.
    say(None, b"+OK\r\n");
    say(Some(Command::User("jane".into())), b"+OK\r\n");
    say(
        Some(Command::Pass(Secret::new(b"secret".to_vec()))),
        b"+OK\r\n",
    );
    let (number, lines) = (u32::MAX, u32::MAX);
    let commands = [
        Command::Capa,
        Command::Stat,
        Command::Uidl,
        Command::List,
        Command::Retr(number),
        Command::Top { number, lines },
        Command::Dele(number),
        Command::Noop,
        Command::Rset,
        Command::Quit,
    ];
    for command in commands {
        let octets = say(Some(command), b"-ERR\r\n");
        assert!(
            (6..=limits::COMMAND_LINE_OCTETS_MAX).contains(&octets),
            "{octets}"
        );
    }
}

/// Below each check: the tests that cover it. A script must name the check in its turn, and a test
/// must exist. For features that are not built, the table has a word that no source file contains,
/// so that whoever builds the feature must add a test here.
const CHECKS: &str = "
1939.1a a greeting of +OK, with text or without
    tests/corpus/pop3/rfc/1939-greeting-bare.script
    tests/corpus/pop3/rfc/1939-session.script
1939.1b a greeting of -ERR ends the session
    tests/corpus/pop3/rfc/1939-greeting-refused.script
1939.1c more blanks than one, and lower case, are tolerated
    tests/corpus/pop3/rfc/1939-greeting-lower-case.script
1939.1d a status line ends at its first LF, and each reply has line ends of its own
    tests/corpus/pop3/rfc/1939-line-ends-lf.script
    tests/corpus/pop3/hostile/status-after-bare-lf.script
    tests/corpus/pop3/hostile/lines-in-lf-after-a-greeting-in-crlf.script
    tests/corpus/pop3/hostile/status-in-lf-before-a-body-in-crlf.script
    tests/corpus/pop3/hostile/body-that-ends-at-two-places.script
    src/proto/dot_tests.rs::if_a_body_could_end_at_two_places_the_announced_size_decides
    src/proto/dot_tests.rs::a_dot_that_only_one_reading_unstuffs_makes_the_message_unclear
1939.2 PASS and USER take the rest of the line: blanks, quotes, UTF-8
    tests/corpus/pop3/rfc/1939-pass-with-blanks.script
    tests/corpus/pop3/real/domino-user-with-blanks.script
    src/proto/pop3/command.rs::rfc1939_pass_takes_blanks_quotes_and_8_bit_characters_as_they_are
    tests/security/secret.rs::every_printable_byte_of_a_password_survives_every_way_in
1939.3a a status of 512 octets is taken
    tests/corpus/pop3/rfc/1939-status-of-512-octets.script
1939.3b a status of 8 KiB is tolerated
    tests/corpus/pop3/hostile/status-of-8-kib.script
1939.3c a longer one is an error
    tests/corpus/pop3/hostile/status-longer-than-8-kib.script
    tests/corpus/pop3/hostile/greeting-without-end.script
1939.4a what follows the numbers of STAT is ignored
    tests/corpus/pop3/rfc/1939-stat-and-list-with-more.script
1939.4b LIST: further words, leading zeros, gaps and disorder
    tests/corpus/pop3/rfc/1939-stat-and-list-with-more.script
    tests/corpus/pop3/rfc/1939-numbers-in-disorder.script
    src/proto/pop3/reply.rs::rfc1939_list_ignores_text_after_the_size
1939.4c a maildrop of no messages
    tests/corpus/pop3/rfc/1939-empty-maildrop.script
1939.5 UIDL and LIST that disagree are joined by number, sizes optional
    tests/protocol/whole_session.rs::\
        listings_that_disagree_are_joined_by_number_and_sizes_may_be_missing
1939.6a unique-ids of 1 to 70 octets from 0x21 to 0x7E are taken
    tests/corpus/pop3/rfc/1939-unique-ids.script
    src/proto/pop3/reply.rs::rfc1939_unique_ids_are_everything_after_the_blanks
1939.6b others are tolerated and flagged
    tests/corpus/pop3/real/courier-unique-ids.script
    tests/corpus/pop3/real/intermail-unique-ids-with-at.script
    tests/corpus/pop3/hostile/unique-id-of-1-kib.script
    tests/corpus/pop3/hostile/unique-ids-of-any-octets.script
    tests/corpus/pop3/hostile/listing-malformed.script
    src/mail/unique_id.rs::rfc1939_allows_70_printable_characters_and_more_is_only_flagged
    tests/protocol/whole_session.rs::\
        a_unique_id_outside_the_standard_is_flagged_and_its_message_delivered
1939.6c one unique-id for two messages
    tests/corpus/pop3/rfc/1939-unique-ids.script
    tests/session/poll.rs::two_messages_with_one_unique_id_are_both_delivered_and_then_both_deleted
1939.7a a stuffed dot is taken away
    tests/corpus/pop3/rfc/1939-byte-stuffing.script
    src/proto/dot_tests.rs::rfc1939_section_3_unstuffs_the_same_at_every_split_in_three
1939.7b a dot alone ends the message
    tests/corpus/pop3/rfc/1939-byte-stuffing.script
1939.7c a line that begins with a dot that was not stuffed loses it
    tests/corpus/pop3/rfc/1939-byte-stuffing.script
1939.7d a dot and a bare LF end nothing where CRLF ends lines
    tests/corpus/pop3/hostile/body-dots-that-end-nothing.script
    tests/corpus/pop3/rfc/1939-line-ends-lf.script
    src/proto/dot_tests.rs::a_body_in_lf_ends_in_lf_whatever_its_status_line_ended_in
    src/proto/dot_tests.rs::a_body_in_crlf_after_a_status_in_lf_ends_in_crlf_only
1939.8 the final dot is found wherever it is cut
    tests/corpus/pop3/rfc/1939-byte-stuffing.script
    tests/corpus/pop3/hostile/body-of-many-dots.script
    tests/protocol/dialogues.rs::a_dialogue_goes_the_same_octet_by_octet_and_at_every_split
1939.9 without the final dot nothing is delivered and nothing recorded
    tests/corpus/pop3/rfc/1939-lost-inside-a-message.script
    tests/corpus/pop3/hostile/listing-without-dot.script
    tests/corpus/pop3/hostile/pipeline-lost.script
    tests/protocol/dialogues.rs::a_server_that_is_gone_after_any_octet_makes_no_message_whole
    tests/session/poll.rs::\
        a_session_lost_during_a_message_delivers_no_part_of_it_and_blocks_no_other
1939.10 the octets that the server tells are no framing
    tests/corpus/pop3/rfc/1939-octets-wrong.script
    tests/corpus/pop3/real/exchange-sizes-are-guesses.script
    tests/corpus/pop3/real/qmail-sizes-count-lf.script
    tests/session/poll.rs::sizes_that_change_cost_a_comparison_and_no_duplicate
1939.11a -ERR to QUIT: what is left is told by the next listing
    tests/corpus/pop3/rfc/1939-quit-refused.script
    tests/protocol/whole_session.rs::err_to_quit_leaves_the_deletes_to_the_next_listing
1939.11b no answer to QUIT: the same
    tests/corpus/pop3/rfc/1939-quit-unanswered.script
    tests/corpus/pop3/hostile/quit-answered-with-garbage.script
    tests/session/poll.rs::a_lost_reply_to_quit_delivers_nothing_twice
1939.12 without QUIT the server keeps all; what is delivered is deleted later
    tests/corpus/pop3/rfc/1939-lost-without-quit.script
    tests/corpus/pop3/real/dovecot-idle.script
    tests/protocol/whole_session.rs::\
        after_a_session_lost_without_quit_recorded_messages_are_deleted_later
    tests/crash/matrix.rs::a_crash_at_any_instant_loses_nothing_and_doubles_at_most_the_slots
1939.13 no command about a deleted message, and no RSET
    tests/protocol/whole_session.rs::\
        no_command_names_a_deleted_message_and_rset_and_top_are_never_sent
1939.14 a slow delivery does not let the session time out
    tests/protocol/whole_session.rs::a_sink_that_takes_an_hour_ends_no_session_because_noop_is_sent
1939.15 TOP is never needed
    tests/corpus/pop3/rfc/1939-top-refused.script
    tests/corpus/pop3/real/comcast-top-is-cut.script
    tests/protocol/whole_session.rs::\
        no_command_names_a_deleted_message_and_rset_and_top_are_never_sent
1939.16 two accounts with one maildrop are refused
    tests/corpus/config/invalid/same_maildrop_twice.toml
2449.1a CAPA refused
    tests/corpus/pop3/rfc/2449-capa-refused.script
    tests/protocol/whole_session.rs::a_server_without_capa_is_polled_all_the_same
2449.1b the connection closed at CAPA
    tests/corpus/pop3/rfc/2449-capa-lost.script
    tests/protocol/whole_session.rs::a_server_that_hangs_up_at_capa_is_reached_again_and_not_asked
2449.1c a server that hangs at CAPA
    tests/protocol/whole_session.rs::\
        a_server_that_hangs_at_capa_is_given_up_in_time_and_reached_again_without_capa
2449.2a CAPA again after STLS, the old list forgotten
    tests/corpus/pop3/rfc/2595-stls.script
    tests/protocol/whole_session.rs::capabilities_are_asked_for_again_after_stls_and_after_login
2449.2b CAPA again after the login, the old list forgotten
    tests/corpus/pop3/rfc/2449-capa-after-login.script
    tests/protocol/whole_session.rs::capabilities_are_asked_for_again_after_stls_and_after_login
2449.3 keywords in any letter case, unknown ones ignored, SASL lines merged, AUTH= understood
    tests/corpus/pop3/rfc/2449-capa.script
    src/proto/pop3/capabilities.rs::\
        rfc2449_keywords_have_no_letter_case_and_unknown_ones_are_ignored
    src/proto/pop3/capabilities.rs::rfc2449_sasl_lines_are_merged_and_old_styles_understood
2449.4 commands of at most 255 octets
    tests/protocol/dialogues.rs::the_longest_commands_have_at_most_255_octets
    src/proto/pop3/command.rs::\
        rfc5034_the_initial_response_goes_along_only_if_the_line_has_at_most_255_octets
2449.5a LOGIN-DELAY, with USER or without
    tests/corpus/pop3/rfc/2449-login-delay-and-expire.script
    src/proto/pop3/capabilities.rs::rfc2449_login_delay_and_expire
2449.5b no login earlier than that, nor after a restart
    src/agent/polled.rs::login_delay_is_obeyed_whatever_came_of_the_poll
    src/seen/disk/line_tests.rs::every_batch_is_one_line_and_is_read_back
    tests/session/poll.rs::commit_every_does_not_come_back_sooner_than_login_delay_allows
2449.5c [LOGIN-DELAY] is a wait and no fault of the account
    tests/corpus/pop3/rfc/2449-login-delay-refused.script
    tests/corpus/pop3/real/cyrus-popminpoll.script
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
2449.6a [IN-USE] is no wrong password
    tests/corpus/pop3/rfc/2449-response-code-in-greeting.script
    tests/corpus/pop3/real/dovecot-in-use.script
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
2449.6b it is tried again soon
    src/agent/polled.rs::in_use_is_a_short_wait_and_no_failure
    src/agent/schedule/tests.rs::jitter_moves_a_poll_by_a_tenth_and_never_under_a_minute
2449.7a EXPIRE 0: QUIT only when all that was retrieved is safe
    tests/corpus/pop3/rfc/2449-login-delay-and-expire.script
    tests/corpus/pop3/real/gmail-expire-0.script
    tests/session/poll.rs::a_server_that_hides_retrieved_mail_gets_quit_only_when_all_of_it_is_safe
2449.7b EXPIRE shorter than the retention is warned of by a doctor
    not built: doctor
2449.8a PIPELINING only where it is announced
    tests/corpus/pop3/rfc/2449-pipelining-not-announced.script
    tests/crash/matrix.rs::the_same_without_pipelining
2449.8b replies in order, -ERR about its own command alone
    tests/corpus/pop3/rfc/2449-pipelining.script
    tests/corpus/pop3/rfc/2449-pipelining-quit-last.script
    tests/session/poll.rs::err_to_retr_concerns_that_message_alone
2449.8c a bounded window, and neither side waits for the other to read
    tests/protocol/whole_session.rs::a_bounded_number_of_commands_waits_for_answers
    src/net/wire.rs::two_peers_that_both_write_more_than_fits_do_not_wait_for_each_other
2449.8d never across STLS or a login
    tests/corpus/pop3/rfc/2449-pipelining-not-across-login.script
2449.9 response codes directly after -ERR, unknown ones harmless, announced or not
    tests/corpus/pop3/rfc/2449-response-codes.script
    src/proto/pop3/reply.rs::rfc2449_a_response_code_follows_err_directly
2595.1a STLS only before the login
    tests/corpus/pop3/rfc/2595-stls-only-before-login.script
    src/proto/pop3/state.rs::rfc2595_stls_may_only_be_sent_before_login_and_rfc5034_auth_too
2595.1b STLS once, and nothing in clear after it
    tests/corpus/pop3/rfc/2595-stls.script
    tests/protocol/whole_session.rs::capabilities_are_asked_for_again_after_stls_and_after_login
2595.1c nothing may be in the buffer when TLS begins
    tests/security/net/stls.rs::\
        text_after_the_answer_to_stls_ends_the_session_before_tls_and_password
    tests/corpus/pop3/hostile/stls-injected.script
    tests/corpus/pop3/hostile/stls-injected-octet.script
    src/net/wire.rs::a_stream_with_anything_in_its_buffer_is_not_given_to_tls
    tests/protocol/whole_session.rs::text_injected_after_stls_ends_the_session_before_the_login
2595.1d STLS that was asked for is required
    tests/security/net/stls.rs::a_server_that_refuses_stls_never_gets_the_password
    tests/protocol/whole_session.rs::without_the_configured_stls_no_part_of_the_login_is_sent
2595.2a no login in clear without the word for it
    tests/corpus/config/invalid/cleartext_without_the_word.toml
    tests/protocol/whole_session.rs::\
        no_password_goes_over_an_unprotected_connection_without_the_word_for_it
2595.2b with it, a warning
    tests/cli/config.rs::probable_mistakes_cause_a_warning
2595.3 names: the configured host, addresses, A-labels, wildcards left-most only
    tests/security/net/certificate.rs::\
        a_certificate_that_proves_nothing_ends_the_session_before_the_password
    tests/protocol/tls.rs::a_certificate_counts_for_the_host_that_was_configured_and_for_no_other
    tests/real/pop3.rs::a_wrong_password_and_a_wrong_certificate_are_the_operators_to_mend
    src/config/value/host.rs::one_host_has_one_spelling
2595.4a TLS 1.2 or newer, and the name of the server is sent
    tests/security/net/handshake.rs::a_failed_handshake_says_what_to_try
    tests/protocol/tls.rs::the_handshake_names_the_host_and_offers_nothing_older_than_tls_1_2
2595.4b TLS from the first octet is the default
    tests/cli/config.rs::settings_that_are_not_given_have_the_documented_default
2595.4c an end that TLS does not announce makes nothing whole: only the dot does
    tests/protocol/dialogues.rs::a_server_that_is_gone_after_any_octet_makes_no_message_whole
2595.5 SRV records
    not built: _pop3s
3206.1a [AUTH] is a fault of the credentials
    tests/corpus/pop3/rfc/3206-auth-resp-code.script
    tests/corpus/pop3/real/gmail-refuses-password.script
    src/proto/pop3/reply.rs::rfc3206_auth_and_sys_codes
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
3206.1b it is tried twice, then seldom
    src/agent/polled.rs::\
        a_refused_login_is_tried_once_more_at_the_next_poll_and_then_held_longer_and_longer
3206.2 AUTH-RESP-CODE is announced and [AUTH] not said: no fault of the credentials
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
3206.3a [SYS/TEMP] and [SYS/PERM] are understood
    tests/corpus/pop3/rfc/3206-auth-resp-code.script
    tests/corpus/pop3/real/yahoo-busy.script
    tests/corpus/pop3/real/sys-perm.script
3206.3b the first is waited for, the second is somebody's to mend
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
    src/mail/backoff.rs::waits_grow_and_are_bounded
3206.4 no code at all: the credentials, and gently
    tests/session/poll.rs::a_refused_login_says_who_is_at_fault
    src/agent/polled.rs::\
        a_refused_login_is_tried_once_more_at_the_next_poll_and_then_held_longer_and_longer
5034.1a AUTH only before the login
    tests/corpus/pop3/rfc/5034-plain-initial.script
    src/proto/pop3/state.rs::rfc2595_stls_may_only_be_sent_before_login_and_rfc5034_auth_too
5034.1b the initial response only in a line of 255 octets
    src/proto/pop3/command.rs::\
        rfc5034_the_initial_response_goes_along_only_if_the_line_has_at_most_255_octets
5034.1c an empty one is an equals sign
    tests/corpus/pop3/rfc/5034-empty-initial.script
    src/proto/sasl.rs::rfc5034_an_empty_initial_response_is_an_equals_sign
5034.2 no initial response where the server speaks first
    tests/corpus/pop3/rfc/5034-server-first.script
5034.3a an empty challenge, with its blank and without
    tests/corpus/pop3/rfc/5034-plain-two-step.script
5034.3b a challenge that is not base64 is cancelled, and the session goes on
    tests/corpus/pop3/rfc/5034-not-base64.script
    tests/protocol/whole_session.rs::\
        a_challenge_of_any_words_is_answered_once_and_then_we_say_that_we_gave_up
5034.4a responses of any length
    tests/corpus/pop3/rfc/5034-challenge-of-12-kib.script
5034.4b challenges of 12 KiB
    tests/corpus/pop3/rfc/5034-challenge-of-12-kib.script
5034.5 mechanisms are learnt from CAPA alone; AUTH without a mechanism is not said
    tests/protocol/whole_session.rs::\
        the_mechanism_is_the_one_announced_or_the_one_asked_for_and_never_another
5034.6 the mechanism is the one asked for, or PLAIN, or USER and PASS
    tests/protocol/whole_session.rs::\
        the_mechanism_is_the_one_announced_or_the_one_asked_for_and_never_another
5034.7 SCRAM
    not built: scram
";

/// The number of checks for each RFC. Letters after a number are parts of one check.
const CHECKS_OF: &[(&str, usize)] = &[
    ("1939", 16),
    ("2449", 9),
    ("2595", 5),
    ("3206", 4),
    ("5034", 7),
];

/// A row is named by its first word.
fn checks() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut checks = BTreeMap::new();
    for Row { what, holders } in held::rows(CHECKS) {
        let check = what.split(' ').next().unwrap();
        assert!(
            checks.insert(check, holders).is_none(),
            "{check} stands twice"
        );
    }
    checks
}

#[test]
fn every_check_of_the_list_is_in_the_table() {
    let checks = checks();
    let number = |check: &str| {
        check
            .trim_end_matches(|c: char| c.is_ascii_lowercase())
            .to_owned()
    };
    let in_table: BTreeSet<String> = checks.keys().map(|check| number(check)).collect();
    let in_list = CHECKS_OF
        .iter()
        .flat_map(|(rfc, count)| (1..=*count).map(move |at| format!("{rfc}.{at}")));
    assert_eq!(in_table, in_list.collect());
}

#[test]
fn every_check_is_held_where_the_table_says() {
    let checks = checks();
    let tree = Tree::read();
    let mut faults = Vec::new();
    for (check, holders) in &checks {
        faults.extend(tree.faults(&[check], holders, Naming::InScripts));
    }
    let ours = |check: &str| CHECKS_OF.iter().any(|(rfc, _)| check.starts_with(rfc));
    for (script, check) in tree.said_by_scripts().filter(|(_, check)| ours(check)) {
        if !checks
            .get(check)
            .is_some_and(|holders| holders.contains(&script))
        {
            faults.push(format!(
                "{script} says that it holds {check}; the table does not"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

//! Faults of other fetchers, clients and relays, and the tests that show that mailferry does not
//! have them.
//!
//! A test names the rows that it covers in the comment above itself ("Holds ...").

mod files;
mod foreign_words;
mod listing;
mod log;
mod login;
mod message;
mod net;
mod relay;
mod room;
mod secret;
mod settings;
mod silence;

use std::collections::BTreeSet;

use crate::support::held::{self, Naming, Row, Tree};

/// A row: the ids of the fault, a colon, and what must be true; below it, the tests that cover it.
/// A fault without an id is named by its place in the list and a word. For features that are not
/// built, the row has a word that no source file contains, so that whoever builds the feature must
/// add the test.
const ROWS: &str = "
CVE-2001-0819 CVE-2001-1009: a number that no message can have costs its line and a warning
    tests/security/listing.rs::a_number_that_no_message_can_have_costs_its_line_and_a_warning
    tests/security/listing.rs::a_huge_number_is_a_message_that_the_server_does_not_have
    tests/corpus/pop3/hostile/listing-malformed.script
CVE-2002-1174 CVE-2002-1175 CVE-2002-1365: header fields of any size, and a name server that does \
not answer, take bounded room and time
    tests/security/room.rs::two_hundred_thousand_addresses_take_no_more_memory_than_one
    tests/agent/unreachable.rs::\
        a_name_server_that_never_answers_holds_up_one_account_and_not_the_end
    tests/agent/unreachable.rs::\
        a_name_server_that_answers_nonsense_is_reported_and_affects_no_other_account
CVE-2003-0790 CVE-2003-0792: no header and no line, however long or strange, is too much
    tests/security/room.rs::a_line_of_64_mebibytes_goes_through_in_bounded_memory
    src/spool/header.rs::any_octets_at_all_have_a_head
    tests/protocol/fuzz_corpus.rs::every_input_of_the_corpus_keeps_what_its_target_holds
    tests/corpus/pop3/hostile/body-of-one-long-line.script
CVE-2005-2335 CVE-2018-14356 CVE-2004-0757: a unique-id of any length, of none, of blanks or with \
NUL
    tests/security/listing.rs::a_unique_id_of_any_length_costs_at_most_its_own_message
    tests/security/listing.rs::\
        a_unique_id_of_a_mebibyte_ends_the_session_and_the_next_one_is_a_fresh_start
    tests/security/listing.rs::a_number_that_no_message_can_have_costs_its_line_and_a_warning
    tests/corpus/pop3/hostile/unique-id-of-1-kib.script
    tests/corpus/pop3/hostile/listing-malformed.script
    tests/corpus/pop3/hostile/listing-line-too-long.script
CVE-2005-3088: a file that may hold a secret is private from its first instant, and no tool \
writes configurations
    tests/security/files.rs::only_our_user_can_read_written_files_even_with_umask_0
    not built: fetchmailrc
CVE-2005-4348: a message without header, or without anything, is delivered and remembered
    tests/security/message.rs::\
        a_message_without_header_or_without_anything_is_delivered_once_and_remembered
CVE-2006-0321 CVE-2006-5974 CVE-2007-4565: a destination that refuses at any step, in any way, \
costs an answer and nothing else
    tests/sinks/relay.rs::\
        each_refusal_at_each_step_shows_who_must_act_and_the_next_message_gets_its_own_answer
    tests/sinks/relay.rs::a_missing_relay_counts_against_the_destination
CVE-2006-5867 CVE-2021-22946: without the TLS that was asked for not an octet of the login is sent
    tests/security/login.rs::no_text_of_a_server_before_tls_causes_an_octet_of_the_login_to_be_sent
    tests/security/net/stls.rs::a_server_that_refuses_stls_never_gets_the_password
    tests/protocol/whole_session.rs::without_the_configured_stls_no_part_of_the_login_is_sent
CVE-2007-1558: APOP only when it is asked for, only for a challenge that is a msg-id, and nothing \
in its place
    tests/security/login.rs::apop_is_used_only_if_it_is_configured
    tests/security/login.rs::\
        a_doubtful_timestamp_or_a_refused_apop_is_never_followed_by_the_password
    tests/corpus/pop3/rfc/1939-apop-timestamp-doubtful.script
    tests/protocol/whole_session.rs::\
        the_mechanism_is_the_one_announced_or_the_one_asked_for_and_never_another
CVE-2008-2711: the log that says most survives every session
    tests/security/log.rs::the_most_talkative_log_survives_garbled_sessions
    tests/security/log.rs::foreign_text_adds_no_line_and_moves_no_cursor_in_any_output
CVE-2009-2666 CVE-2009-3942: a NUL inside a name of a certificate does not shorten it
    tests/security/net/strange.rs::a_nul_inside_a_name_of_a_certificate_does_not_shorten_it
CVE-2010-0562 CVE-2010-1167: what a certificate says of itself is shown escaped and bounded
    tests/security/net/strange.rs::names_from_a_certificate_are_shown_escaped_and_limited
EN-2010-03: a challenge that makes no sense is cancelled, and the session stays in step
    tests/security/login.rs::a_challenge_of_any_size_gets_no_second_answer
    tests/corpus/pop3/rfc/5034-not-base64.script
    tests/protocol/whole_session.rs::\
        a_challenge_of_any_words_is_answered_once_and_then_we_say_that_we_gave_up
CVE-2011-1947: a server that falls silent at any point is left in time
    tests/security/silence.rs::a_host_that_never_answers_a_connect_is_given_up_in_time
    tests/sinks/relay.rs::a_relay_that_falls_silent_at_any_step_costs_its_time_and_no_more
    tests/security/silence.rs::a_server_that_falls_silent_during_any_reply_is_given_up_in_time
    tests/security/silence.rs::\
        a_server_that_falls_silent_during_capa_or_list_is_given_up_in_time_and_not_asked_again
    tests/security/silence.rs::a_server_that_is_silent_after_stls_is_given_up_in_time
    tests/agent/stalls_and_floods.rs::\
        a_server_that_stalls_at_any_step_is_given_up_in_time_and_no_mail_is_lost
    tests/protocol/whole_session.rs::\
        a_server_that_hangs_at_capa_is_given_up_in_time_and_reached_again_without_capa
    tests/security/net/handshake.rs::a_server_that_never_answers_the_handshake_is_given_up_in_time
CVE-2011-3389: nothing older than TLS 1.2
    tests/security/net/handshake.rs::a_failed_handshake_says_what_to_try
    tests/protocol/tls.rs::the_handshake_names_the_host_and_offers_nothing_older_than_tls_1_2
CVE-2012-3482: base64 that is broken, short or long is cancelled or ends the session
    tests/security/login.rs::a_challenge_of_any_size_gets_no_second_answer
    not built: ntlm
    tests/corpus/pop3/hostile/challenge-without-end.script
    tests/corpus/pop3/rfc/5034-challenge-of-12-kib.script
    tests/corpus/pop3/rfc/5034-not-base64.script
CVE-2021-36386: a text of any length is cut in the log, with its length beside it
    tests/security/log.rs::a_text_of_a_mebibyte_is_cut_and_its_length_noted
    src/mail/text.rs::a_value_of_a_mebibyte_is_cut_and_its_length_shown
CVE-2021-39272: no greeting and no spelling of a capability leads round STLS
    tests/security/login.rs::no_text_of_a_server_before_tls_causes_an_octet_of_the_login_to_be_sent
    tests/security/login.rs::stls_is_sent_however_it_is_spelled_or_not_announced
CVE-2025-61962: SMTP AUTH survives every answer
    tests/security/relay.rs::smtp_auth_survives_every_challenge
    tests/sinks/relay.rs::a_refused_login_counts_against_the_destination_and_shows_no_password
4.1.design: no shell, TLS unless told otherwise, no MD5 for a fingerprint, TLS to relays
    tests/security/settings.rs::a_fingerprint_is_sha_256_and_nothing_weaker
    tests/sinks/mda_hygiene.rs::hostile_senders_and_unique_ids_are_only_words
    tests/cli/config.rs::settings_that_are_not_given_have_the_documented_default
    tests/sinks/relay.rs::starttls_is_required_and_nothing_private_is_sent_before_it
4.1.truncated: a message that was cut off is not delivered
    tests/security/message.rs::\
        a_server_that_is_gone_at_any_octet_of_a_message_gives_the_destination_nothing
    tests/corpus/pop3/rfc/1939-lost-inside-a-message.script
    tests/protocol/dialogues.rs::a_server_that_is_gone_after_any_octet_makes_no_message_whole
    tests/session/poll.rs::\
        a_session_lost_during_a_message_delivers_no_part_of_it_and_blocks_no_other
CVE-2014-7273 CVE-2014-7274 CVE-2014-7275 4.2.getmail6: a certificate that proves nothing ends \
the session before any command
    tests/security/net/default.rs::\
        without_a_word_about_tls_a_certificate_that_proves_nothing_gets_no_command
    tests/security/net/certificate.rs::\
        a_certificate_that_proves_nothing_ends_the_session_before_the_password
CVE-2019-8337 CVE-2016-10937 CVE-2010-4532 CVE-2023-5422: certificates are checked without a word \
in the configuration
    tests/security/net/default.rs::\
        without_a_word_about_tls_a_certificate_that_proves_nothing_gets_no_command
getmail6#277: a line that makes no sense costs itself, and no other account anything
    tests/security/listing.rs::a_malformed_line_in_any_reply_of_many_lines_costs_only_itself
    tests/agent/daemon.rs::failing_accounts_do_not_affect_the_others_and_each_reports_its_error
    tests/corpus/pop3/hostile/listing-malformed.script
    tests/corpus/pop3/hostile/capa-nonsense.script
4.2.eof: an end inside a message is an end, not more of the message
    tests/security/message.rs::\
        a_server_that_is_gone_at_any_octet_of_a_message_gives_the_destination_nothing
    tests/security/message.rs::an_mda_is_not_started_for_a_message_that_has_no_end
    tests/protocol/dialogues.rs::a_server_that_is_gone_after_any_octet_makes_no_message_whole
CVE-2018-14362: a unique-id never becomes a path
    tests/security/files.rs::a_unique_id_is_never_a_path
    tests/corpus/pop3/hostile/unique-ids-of-any-octets.script
CVE-2020-14954 CVE-2020-15685 CVE-2021-29969 libetpan#386 CVE-2020-15953 CVE-2021-22947 \
CVE-2021-38371 nodemailer#1835 4.2.fdm: nothing that came in the clear outlives the upgrade to TLS
    tests/security/relay.rs::text_after_a_relays_answer_to_starttls_ends_the_session_before_tls
    tests/security/relay.rs::unencrypted_text_of_a_relay_in_place_of_tls_answers_no_command
    tests/security/relay.rs::a_yes_to_starttls_that_comes_before_the_question_ends_the_session
    tests/security/net/stls.rs::\
        text_after_the_answer_to_stls_ends_the_session_before_tls_and_password
    tests/security/net/stls.rs::a_yes_to_stls_that_comes_before_the_question_ends_the_session
    tests/security/net/stls.rs::\
        plain_text_in_the_middle_of_the_handshake_ends_the_session_before_the_password
    tests/corpus/pop3/hostile/stls-injected.script
    tests/corpus/pop3/hostile/stls-injected-octet.script
    tests/sinks/relay.rs::starttls_is_required_and_nothing_private_is_sent_before_it
CVE-2013-0249: mechanisms that are not built are not used, however many are announced
    not built: digest-md5
    tests/corpus/pop3/hostile/capa-many-mechanisms.script
    tests/protocol/whole_session.rs::\
        the_mechanism_is_the_one_announced_or_the_one_asked_for_and_never_another
CVE-2018-1060: a greeting of many brackets takes linear time
    src/proto/pop3/reply.rs::cve_2018_1060_a_greeting_of_many_brackets_takes_linear_time
    tests/agent/stalls_and_floods.rs::\
        a_flood_costs_an_error_and_bounded_memory_and_the_honest_account_gets_its_mail
CVE-2013-1752: a line without end is an error, a message without end a limit
    tests/security/room.rs::a_line_of_64_mebibytes_goes_through_in_bounded_memory
    tests/security/room.rs::replies_of_very_many_lines_are_given_up_in_bounded_memory
    tests/corpus/pop3/hostile/greeting-without-end.script
    tests/corpus/pop3/hostile/status-longer-than-8-kib.script
    tests/corpus/pop3/hostile/listing-line-too-long.script
    tests/corpus/pop3/hostile/listing-without-end.script
    tests/corpus/pop3/hostile/capa-line-too-long.script
    tests/session/poll.rs::\
        after_a_body_larger_than_the_limit_the_next_session_continues_with_the_next_message
4.2.cram-md5: keys of any length, against known vectors
    not built: hmac
log4cxx#672: no name, sender or recipient can hold a second command
    tests/security/settings.rs::no_setting_that_is_sent_to_a_server_can_contain_a_second_command
    tests/security/relay.rs::no_sender_is_a_second_command
    tests/sinks/relay.rs::the_null_sender_and_one_that_the_relay_cannot_take_are_said_as_null
    tests/cli/config.rs::every_invalid_file_of_the_corpus_is_refused_in_the_words_beside_it
4.2.secret: a secret is in no output, no file and no memory image
    tests/security/log.rs::a_secret_is_in_no_output_and_no_file
    tests/security/log.rs::a_secret_that_a_server_repeats_is_not_shown
    tests/security/log.rs::a_crash_leaves_no_image_of_our_memory
    tests/session/poll.rs::no_secret_is_in_any_event
    tests/cli/commands.rs::a_good_configuration_is_explained_without_its_passwords
    tests/cli/commands.rs::a_wrong_configuration_is_78_with_every_error_and_no_password
    tests/security/secret.rs::no_typing_error_makes_a_complaint_show_a_password
    tests/sinks/relay.rs::a_refused_login_counts_against_the_destination_and_shows_no_password
4.2.starttls: TLS from the first octet is the default, and STLS is a demand
    tests/security/net/default.rs::\
        without_a_word_about_tls_a_certificate_that_proves_nothing_gets_no_command
    tests/security/login.rs::no_text_of_a_server_before_tls_causes_an_octet_of_the_login_to_be_sent
    tests/cli/config.rs::settings_that_are_not_given_have_the_documented_default
    tests/security/net/stls.rs::a_server_that_refuses_stls_never_gets_the_password
    tests/security/net/stls.rs::\
        text_after_the_answer_to_stls_ends_the_session_before_tls_and_password
4.3.1 CVE-2023-51764 CVE-2023-51765 CVE-2023-51766 go-smtp#243: no message ends itself, whatever \
a relay takes for a line end
    tests/security/relay.rs::a_relay_that_takes_anything_for_a_line_end_sees_one_message
    tests/sinks/relay.rs::nothing_in_a_message_can_end_it_or_begin_another
4.3.2: what a relay said before STARTTLS is not taken for an answer after it
    tests/security/relay.rs::text_after_a_relays_answer_to_starttls_ends_the_session_before_tls
    tests/security/relay.rs::unencrypted_text_of_a_relay_in_place_of_tls_answers_no_command
    tests/security/relay.rs::a_yes_to_starttls_that_comes_before_the_question_ends_the_session
    tests/sinks/relay.rs::starttls_is_required_and_nothing_private_is_sent_before_it
4.3.3: one refused recipient does not cost the others the message
    tests/sinks/relay.rs::each_recipient_has_an_outcome_of_its_own
4.3.4: a message of 8-bit octets goes to a relay that does not announce 8BITMIME
    tests/sinks/relay.rs::eight_bit_and_large_messages_go_as_they_are
4.3.5: an envelope beyond ASCII goes where it is announced, and a sender never costs the message
    tests/sinks/relay.rs::non_ascii_addresses_are_sent_only_to_relays_that_announce_smtputf8
    tests/sinks/relay.rs::the_null_sender_and_one_that_the_relay_cannot_take_are_said_as_null
4.3.6: a large message goes from a file in pieces
    tests/security/room.rs::a_line_of_64_mebibytes_goes_through_in_bounded_memory
    src/sink/render.rs::large_messages_are_the_same_from_a_file_as_in_one_buffer
    tests/real/smtp.rs::fifty_mebibytes_pass_a_relay_whole
4.3.7: a reply in any charset is a reply, and one without end is cut off
    tests/security/relay.rs::a_latin_1_no_to_the_dot_is_a_refusal_and_not_a_broken_connection
    tests/security/relay.rs::an_answer_without_line_end_is_given_up_at_each_step
    tests/sinks/relay.rs::\
        replies_that_are_not_utf_8_or_have_controls_are_understood_and_made_harmless
    tests/sinks/relay.rs::a_reply_without_an_end_is_cut_off
4.3.8: mechanisms and protocols beyond PLAIN and LOGIN over SMTP
    not built: oauthbearer
    not built: scram
    tests/sinks/lmtp.rs::\
        whatever_the_server_does_after_the_dot_each_recipient_has_the_outcome_that_is_known
    tests/sinks/relay.rs::a_login_is_by_plain_or_login_and_before_any_mail
4.3.9: a Return-Path of any form does not make its message undeliverable
    tests/security/message.rs::\
        whatever_a_header_says_of_its_envelope_the_message_goes_to_the_configured_recipient
    src/spool/header.rs::a_return_path_is_read_as_servers_write_it
    tests/sinks/relay.rs::the_null_sender_and_one_that_the_relay_cannot_take_are_said_as_null
4.3.10: a message gains no line at its end
    tests/sinks/relay.rs::eight_bit_and_large_messages_go_as_they_are
4.4.shell: nothing of a message is obeyed by a shell or an option parser
    tests/security/message.rs::a_return_path_is_never_obeyed_by_an_mda_s_shell
    tests/sinks/mda_hygiene.rs::hostile_senders_and_unique_ids_are_only_words
    src/sink/mda/command.rs::a_sender_that_a_command_line_could_obey_becomes_mailer_daemon
    src/mail/envelope.rs::an_unsafe_recipient_is_refused_never_altered
4.4.child: an MDA has what it needs and no more, and does not outlive its offer
    tests/sinks/mda_hygiene.rs::an_mda_has_no_descriptors_but_three
    tests/sinks/mda_hygiene.rs::descriptors_that_the_agent_inherited_end_at_the_helper
    tests/sinks/mda_hygiene.rs::the_environment_contains_only_our_variables
    tests/sinks/mda.rs::a_time_out_ends_the_whole_process_group
    tests/sinks/mda.rs::an_offer_that_is_dropped_takes_its_processes_with_it_and_gives_its_turn_back
    tests/sinks/mda.rs::the_output_of_an_mda_that_writes_a_gibibyte_is_read_and_not_stored
    tests/sinks/mda.rs::an_mda_that_does_not_read_is_believed
    tests/deploy/process_1.rs::\
        processes_that_an_mda_leaves_are_reaped_and_signals_and_exit_codes_pass
4.4.envelope: only the topmost field of a header says where a message came from, and none says \
where it goes, unless the operator asks for one that a server added on top
    tests/security/message.rs::\
        whatever_a_header_says_of_its_envelope_the_message_goes_to_the_configured_recipient
    tests/security/message.rs::\
        a_field_that_the_sender_forged_routes_no_message_whatever_stands_above_it
    tests/session/envelope.rs::forged_fields_in_whatever_form_change_nothing
    src/route/routed_properties.rs::\
        no_recipient_stood_neither_in_a_trusted_place_nor_in_the_configuration
    src/route/routed_tests.rs::\
        a_trusted_host_whose_field_a_client_made_unclear_is_not_looked_for_below
    src/route/received.rs::a_client_that_calls_itself_by_another_host_is_not_believed
    src/spool/header.rs::the_topmost_return_path_is_the_sender
4.4.header: nothing foreign breaks out of the field that we add
    tests/security/files.rs::a_unique_id_is_never_a_path
    src/session/transfer/trace.rs::nothing_foreign_breaks_out_of_its_place
4.4.loops: a message that goes round is stopped
    tests/session/poll.rs::a_message_in_a_loop_goes_to_the_quarantine_and_not_round_again
4.4.log: what others say adds no line to a log and moves no cursor
    tests/security/log.rs::foreign_text_adds_no_line_and_moves_no_cursor_in_any_output
    src/telemetry/log.rs::a_hostile_server_cannot_add_a_line_or_move_the_cursor
    src/telemetry/line.rs::no_control_character_leaves_in_any_rendering
    tests/cli/quarantine.rs::a_copy_is_listed_shown_without_harm_and_exported_as_it_was_received
4.4.metrics: nothing remote is a label
    not built: prometheus
4.4.memory: whatever a server floods us with, memory is bounded
    tests/security/room.rs::replies_of_very_many_lines_are_given_up_in_bounded_memory
    tests/security/silence.rs::\
        a_body_that_drips_an_octet_every_nine_seconds_ends_with_the_session_s_time
    tests/agent/stalls_and_floods.rs::\
        a_flood_costs_an_error_and_bounded_memory_and_the_honest_account_gets_its_mail
    tests/corpus/pop3/hostile/capa-without-end.script
    tests/corpus/pop3/hostile/listing-without-end.script
4.4.bombs: no message is decoded
    tests/sinks/mda.rs::a_message_arrives_whole_with_lf_from_memory_and_from_a_file
    tests/sinks/relay.rs::eight_bit_and_large_messages_go_as_they_are
4.4.files: what we write is ours alone, and a full disk loses nothing
    tests/security/files.rs::only_our_user_can_read_written_files_even_with_umask_0
    tests/store/disk.rs::a_directory_that_others_may_write_is_refused
    tests/security/secret.rs::\
        a_password_in_a_file_that_others_can_read_is_refused_without_being_shown
    tests/sinks/maildir.rs::a_message_arrives_whole_private_and_under_a_name_that_tells_its_sizes
    tests/store/full_disk.rs::\
        without_room_in_the_spool_a_large_message_waits_uncounted_and_another_account_continues
    tests/store/full_disk.rs::without_room_for_records_nothing_is_offered_and_poll_says_so
    tests/store/full_disk.rs::\
        a_maildir_without_room_stops_only_its_account_which_continues_by_itself
4.4.control: whoever may not command us cannot, and what is shown holds no secret
    not built: unixlistener
    not built: http/1
4.4.tokens: a rotated token is stored before the new one is used
    not built: refresh_token
4.4.ssrf: a token endpoint is https, and its answer is bounded
    not built: token_endpoint
";

/// An account of a server on this port of loopback, whose mail goes to `box`.
fn account(name: &str, port: u16) -> String {
    format!(
        "[account.{name}]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nrecipient = \
          \"jane@home.lan\"\n"
    )
}

/// The names of a row.
fn ids(row: &Row) -> Vec<&'static str> {
    let (ids, says) = row.what.split_once(": ").expect("ids, a colon, a sentence");
    assert!(!says.is_empty(), "{ids}");
    ids.split(' ').collect()
}

#[test]
fn every_row_is_held_by_tests_that_name_it() {
    let tree = Tree::read();
    let rows = held::rows(ROWS);
    let faults = rows
        .iter()
        .flat_map(|row| tree.faults(&ids(row), &row.holders, Naming::InComments));
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_id_stands_twice_and_every_point_of_the_relay_s_list_stands_in_a_row() {
    let mut seen = BTreeSet::new();
    for id in held::rows(ROWS).iter().flat_map(ids) {
        assert!(seen.insert(id), "{id} stands twice");
    }
    for point in 1..=10 {
        assert!(seen.contains(&*format!("4.3.{point}")), "4.3.{point}");
    }
}

//! An odd answer affects the command that it answers, and not the whole maildrop.

use mailferry::mail::Retention;
use mailferry::session::End;

use crate::support::between::{Answer, Between};
use crate::support::model::Mail;
use crate::support::odd::{Habits, Odd, OddServer};
use crate::support::world::{World, mail};

/// Messages that also differ in their octets.
fn mails() -> Vec<Mail> {
    let one = |number: usize| {
        let body = "x".repeat(number * 7);
        let text = format!(
            "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nFrom: a{number}@example.org\r\n\
             Subject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n{body}\r\n"
        );
        mail(&format!("u{number}"), text.as_bytes())
    };
    (1..=8).map(one).collect()
}

/// The errors, after this many polls, about all messages except the one.
async fn wrong(habits: Habits, polls: usize) -> Result<(), String> {
    let what = habits.odd;
    let all = mails();
    let one = what.and_then(|(_, id, _)| id);
    let world = World::new(Vec::new(), Retention::Delete);
    let server = OddServer::new(all.clone(), habits);
    for _ in 0..polls {
        server.poll(&world).await;
        world.pass(70);
    }
    let taken = world.sink.taken();
    let listed = server.listed();
    let mut wrong = Vec::new();
    for mail in all {
        if Some(mail.unique_id.as_str()) == one {
            continue;
        }
        let times = taken.get(&mail.octets).copied().unwrap_or(0);
        if times != 1 {
            wrong.push(format!("{} came {times} times", mail.unique_id));
        }
        if listed.contains(&mail.unique_id) {
            wrong.push(format!("{} was not deleted", mail.unique_id));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let said: Vec<_> = server.said().iter().map(|said| said.join(", ")).collect();
    Err(format!("{}\n  {}", wrong.join("; "), said.join("\n  ")))
}

/// Every kind of odd answer, lock-step and pipelined, with unique-ids and without.
async fn table(verb: &'static str, id: Option<&'static str>) {
    let mut complaints = Vec::new();
    for odd in Odd::ALL {
        for (pipelining, unique_ids) in [(false, true), (true, true), (false, false), (true, false)]
        {
            let habits = Habits {
                pipelining,
                unique_ids,
                odd: Some((verb, id, *odd)),
                capabilities: Vec::new(),
            };
            if let Err(wrong) = self::wrong(habits, 4).await {
                complaints.push(format!(
                    "{verb}: {odd:?}, pipelining: {pipelining}, unique-ids: {unique_ids}: {wrong}"
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_retr_costs_one_message_and_no_other() {
    table("RETR", Some("u3")).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_the_first_or_the_last_retr_costs_one_message_and_no_other() {
    table("RETR", Some("u1")).await;
    table("RETR", Some("u8")).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_dele_costs_one_delete_and_no_other() {
    table("DELE", Some("u3")).await;
}

#[tokio::test(start_paused = true)]
async fn without_pipelining_an_odd_answer_to_dele_affects_one_delete_and_no_other() {
    table("DELE", Some("u8")).await;
    table("DELE", Some("u1")).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_session_at_a_dele_ignores_deletes_and_mail_still_comes() {
    let world = World::new(Vec::new(), Retention::Delete);
    let server = OddServer::new(mails(), habits(Some(("DELE", None, Odd::HangUp))));
    let deletes = |server: &OddServer| {
        let said = server.said();
        let all = said.iter().flatten();
        all.filter(|line| line.starts_with("DELE")).count()
    };
    // A lost session deletes nothing, so it does not count; three DELEs in a row that end theirs
    // do.
    for _ in 0..2 {
        server.poll(&world).await;
        world.pass(24 * 3600);
    }
    assert!(!world.told("deletes_ignored"));
    for _ in 0..10 {
        server.poll(&world).await;
        world.pass(24 * 3600);
    }
    assert!(world.told("deletes_ignored"));
    assert_eq!(world.sink.count(), 8);
    let before = deletes(&server);
    let new = mail("u9", b"Subject: 9\r\n\r\nnew\r\n");
    server.put(new);
    for _ in 0..5 {
        server.poll(&world).await;
        world.pass(3600);
    }
    assert_eq!(world.sink.count(), 9);
    assert!(deletes(&server) <= before + 1, "one a day");
    server.habits.lock().unwrap().odd = None;
    world.pass(24 * 3600);
    // Messages that were asked to be deleted and are listed again are compared more and more
    // seldom.
    for _ in 0..60 {
        server.poll(&world).await;
        world.pass(24 * 3600);
    }
    assert!(server.listed().is_empty(), "{:?}", server.listed());
    assert_eq!(world.sink.count(), 9, "and nothing came twice");
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_capa_costs_a_day_without_capa_and_no_message() {
    table("CAPA", None).await;
}

/// The commands of the last session.
fn last_session(server: &OddServer) -> Vec<String> {
    server.said().pop().unwrap_or_default()
}

fn habits(odd: Option<(&'static str, Option<&'static str>, Odd)>) -> Habits {
    Habits {
        pipelining: true,
        unique_ids: true,
        odd,
        capabilities: Vec::new(),
    }
}

#[tokio::test]
async fn a_capa_that_ended_a_session_is_left_out_for_a_day_and_sent_again_after_that() {
    let world = World::new(Vec::new(), Retention::Keep);
    let server = OddServer::new(mails(), habits(Some(("CAPA", None, Odd::Words))));
    server.poll(&world).await;
    assert_eq!(world.sink.count(), 8, "the same poll goes on without it");
    let asks = |server: &OddServer| last_session(server).contains(&"CAPA".to_owned());
    server.poll(&world).await;
    assert!(!asks(&server));
    server.habits.lock().unwrap().odd = None;
    world.pass(24 * 3600);
    server.poll(&world).await;
    assert!(asks(&server));
}

#[tokio::test]
async fn without_capa_the_last_announced_capabilities_apply() {
    let world = World::new(Vec::new(), Retention::Keep);
    let mut usual = habits(None);
    usual.capabilities = vec!["EXPIRE 0"];
    let server = OddServer::new(mails(), usual);
    server.poll(&world).await;
    server.habits.lock().unwrap().odd = Some(("CAPA", None, Odd::HangUp));
    world
        .sink
        .refuse(&mails()[7].octets, mailferry::sink::Fault::MessageTransient);
    let new = mail("u9", b"Subject: 9\r\n\r\nnew\r\n");
    server.put(new.clone());
    world
        .sink
        .refuse(&new.octets, mailferry::sink::Fault::MessageTransient);
    server.poll(&world).await;
    assert!(!last_session(&server).contains(&"CAPA".to_owned()));
    assert_eq!(
        world.kept.count(),
        1,
        "QUIT may hide what was retrieved, so it was parked first"
    );
}

#[tokio::test]
async fn without_any_earlier_capa_the_server_may_hide_retrieved_mail() {
    let world = World::new(Vec::new(), Retention::Keep);
    let server = OddServer::new(mails(), habits(Some(("CAPA", None, Odd::HangUp))));
    world
        .sink
        .refuse(&mails()[7].octets, mailferry::sink::Fault::MessageTransient);
    server.poll(&world).await;
    assert_eq!((world.sink.count(), world.kept.count()), (7, 1));
}

#[tokio::test]
async fn mechanisms_that_we_lack_are_named_when_the_login_is_refused() {
    let world = World::new(mails(), Retention::Keep);
    let between = Between::new(&world, |line| match line {
        "CAPA" => Answer::Say("+OK\r\nSASL CRAM-MD5 GSSAPI\r\n.\r\n"),
        "USER jane" => Answer::Say("-ERR\r\n"),
        _ => Answer::Pass,
    });
    let End::Failed(error) = between.poll(&world).await.end else {
        panic!("the login was refused");
    };
    assert_eq!(error.code(), "no_mechanism");
    let words = error.to_string();
    assert!(words.contains("CRAM-MD5, GSSAPI"), "{words}");
    assert!(
        words.contains("gave no reason (-ERR and nothing more, to USER)"),
        "{words}"
    );
}

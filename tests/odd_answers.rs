//! An odd answer costs the command that it answers, and not the maildrop (DOUBT.md section 3).

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::odd::{Habits, Odd, OddServer};
use crate::support::world::{World, mail};

/// Messages that differ in their octets, too.
fn mails() -> Vec<Mail> {
    let one = |number: usize| {
        let body = "x".repeat(number * 7);
        let text = format!(
            "From: a{number}@example.org\r\nSubject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n{body}\r\n"
        );
        mail(&format!("u{number}"), text.as_bytes())
    };
    (1..=8).map(one).collect()
}

/// What is wrong after so many polls with everything but the one message.
async fn wrong(
    habits: Habits,
    polls: usize,
    prepare: impl FnOnce(&mut World),
) -> Result<(), String> {
    let what = habits.odd;
    let all = mails();
    let one = what.and_then(|(_, id, _)| id);
    let mut world = World::new(Vec::new(), Retention::Delete);
    prepare(&mut world);
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

/// Every kind of answer, lock-step and pipelined, with unique-ids and without.
async fn table(verb: &'static str, id: Option<&'static str>) {
    let mut complaints = Vec::new();
    for odd in Odd::ALL {
        for (pipelining, unique_ids) in [(false, true), (true, true), (false, false), (true, false)]
        {
            // One message's bytes under another's name is for the comparison of octets to find.
            if *odd == Odd::TwoReplies && pipelining && unique_ids {
                continue;
            }
            let habits = Habits {
                pipelining,
                unique_ids,
                odd: Some((verb, id, *odd)),
                capabilities: Vec::new(),
            };
            if let Err(wrong) = self::wrong(habits, 4, |_| {}).await {
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

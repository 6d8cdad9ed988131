//! Odd answers to commands without a message: commands that a session can do without cost only
//! themselves, and the others cost time but no mail.

use mailferry::mail::{LoginMethod, Retention, TlsMode, WhoActs};
use mailferry::session::End;

use crate::support::model::Mail;
use crate::support::odd::{Habits, Odd, OddServer};
use crate::support::world::{World, mail};

const DAY: u64 = 86_400;

/// The required result of four polls with an odd answer in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Everything is delivered once, and deleted.
    All,
    /// Everything is delivered once, and the server accepts no delete.
    Delivered,
    /// There is no session, and the server is to blame.
    Nothing,
}

/// Messages that also differ in their octets.
fn mails() -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!(
            "From: a{number}@example.org\r\nDate: Mon, 23 Nov 2026 08:00:0{number} +0000\r\n\
             Message-ID: <{number}@example.org>\r\n\r\n{}\r\n",
            "x".repeat(number * 7)
        );
        mail(&format!("u{number}"), text.as_bytes())
    };
    (1..=8).map(one).collect()
}

struct Trial {
    world: World,
    server: OddServer,
    all: Vec<Mail>,
    ends: Vec<String>,
}

impl Trial {
    fn new(habits: Habits) -> Self {
        let all = mails();
        Self {
            world: World::new(Vec::new(), Retention::Delete),
            server: OddServer::new(all.clone(), habits),
            all,
            ends: Vec::new(),
        }
    }

    async fn poll(&mut self) {
        let summary = self.server.poll(&self.world).await;
        self.ends.push(match &summary.end {
            End::Failed(error) => {
                assert_ne!(error.who_acts(), WhoActs::Us, "{error}");
                format!("{} ({})", error.code(), error.who_acts().as_str())
            }
            end => format!("{end:?}"),
        });
    }

    /// The errors in what was delivered and deleted.
    fn wrong(&self, due: Due) -> Vec<String> {
        let (taken, listed) = (self.world.sink.taken(), self.server.listed());
        let mut wrong = Vec::new();
        for mail in &self.all {
            let times = taken.get(&mail.octets).copied().unwrap_or(0);
            if times != usize::from(due != Due::Nothing) {
                wrong.push(format!("{} came {times} times", mail.unique_id));
            }
            if listed.contains(&mail.unique_id) != (due != Due::All) {
                wrong.push(format!("{} is there or gone, wrongly", mail.unique_id));
            }
        }
        let others = taken.keys();
        let others = others.filter(|octets| !self.all.iter().any(|mail| mail.octets == **octets));
        wrong.extend(
            others.map(|octets| format!("delivered {:?}", String::from_utf8_lossy(octets))),
        );
        wrong
    }
}

impl Trial {
    /// Everything was delivered in an earlier session, and must be deleted from now on: its heads
    /// are asked for first.
    async fn delivered_before(&mut self) {
        let odd = self.server.habits.lock().unwrap().odd.take();
        self.world.visit.retention = Retention::Keep;
        self.poll().await;
        self.world.visit.retention = Retention::Delete;
        self.server.habits.lock().unwrap().odd = odd;
    }
}

/// The errors in four polls, and after the server has become honest.
async fn tried(mut trial: Trial, due: Due) -> Result<(), String> {
    for _ in 0..4 {
        trial.poll().await;
        trial.world.pass(70);
    }
    let mut wrong = trial.wrong(due);
    let are_told = trial.ends.iter().all(|end| end.contains('('));
    if due == Due::Nothing && !are_told {
        wrong.push("silence".to_owned());
    }
    let said = trial.server.said();
    trial.server.habits.lock().unwrap().odd = None;
    for _ in 0..14 {
        trial.world.pass(12 * 3600);
        trial.poll().await;
    }
    wrong.extend(
        trial
            .wrong(Due::All)
            .iter()
            .map(|wrong| format!("then: {wrong}")),
    );
    if wrong.is_empty() {
        return Ok(());
    }
    let said: Vec<_> = said.iter().map(|said| said.join(", ")).collect();
    Err(format!(
        "{}\n  {:?}\n  {}",
        wrong.join("; "),
        trial.ends,
        said.join("\n  ")
    ))
}

/// Every kind of odd answer to one command, lock-step and pipelined, with unique-ids and without.
async fn table(
    verb: &'static str,
    prepare: impl Fn(&mut Trial),
    due: impl Fn(Odd, &Habits) -> Due,
) {
    let mut complaints = Vec::new();
    for odd in Odd::ALL {
        for (pipelining, unique_ids) in [(false, true), (true, true), (false, false), (true, false)]
        {
            for capabilities in [vec![], vec!["EXPIRE 0"]] {
                let habits = Habits {
                    pipelining,
                    unique_ids,
                    odd: Some((verb, None, *odd)),
                    capabilities,
                };
                let what = format!(
                    "{verb}: {odd:?}, pipelining: {pipelining}, unique-ids: {unique_ids}, {:?}",
                    habits.capabilities
                );
                let due = due(*odd, &habits);
                let mut trial = Trial::new(habits);
                prepare(&mut trial);
                if verb == "TOP" {
                    trial.delivered_before().await;
                }
                if let Err(wrong) = tried(trial, due).await {
                    complaints.push(format!("{what}, {due:?}: {wrong}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A client that gets no answer has no session.
const fn needed(odd: Odd, _: &Habits) -> Due {
    if matches!(odd, Odd::BlankLineFirst | Odd::BlankLineAfter) {
        Due::All
    } else {
        Due::Nothing
    }
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_user_costs_time_and_no_mail() {
    table("USER", |_| (), needed).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_pass_costs_time_and_no_mail() {
    table("PASS", |_| (), needed).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_auth_costs_time_and_no_mail() {
    let plain = |trial: &mut Trial| {
        trial
            .server
            .habits
            .lock()
            .unwrap()
            .capabilities
            .push("SASL PLAIN");
    };
    table("AUTH", plain, |odd, habits| match odd {
        // The words may be CAPA's last line: without CAPA, there is USER.
        Odd::Words => Due::All,
        odd => needed(odd, habits),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_apop_costs_time_and_no_mail() {
    let apop = |trial: &mut Trial| trial.world.visit.login.method = LoginMethod::Apop;
    table("APOP", apop, needed).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_stls_costs_time_and_no_mail() {
    let tls = |trial: &mut Trial| trial.world.visit.tls = TlsMode::StartTls;
    table("STLS", tls, needed).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_uidl_costs_time_and_no_mail() {
    table("UIDL", |_| (), needed).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_list_costs_sizes_and_no_mail() {
    table(
        "LIST",
        |_| (),
        |odd, habits| {
            if habits.unique_ids {
                Due::All
            } else {
                needed(odd, habits)
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_top_costs_heads_and_no_mail() {
    table("TOP", |_| (), |_, _| Due::All).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_noop_costs_nothing() {
    table("NOOP", |_| (), |_, _| Due::All).await;
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_quit_costs_the_deletes_and_no_mail() {
    table(
        "QUIT",
        |_| (),
        |odd, _| {
            if odd.is_done() {
                Due::All
            } else {
                Due::Delivered
            }
        },
    )
    .await;
}

/// A connection that breaks during LIST must not cost a comparison of all known messages.
#[tokio::test(start_paused = true)]
async fn sizes_that_were_not_asked_for_make_nothing_doubtful() {
    for retention in [Retention::Keep, Retention::after(14 * 86_400)] {
        let world = World::new(mails(), retention);
        world.poll().await;
        world.pass(3600);
        world
            .server
            .with(|habits| habits.stalls_at = Some("LIST".to_owned()));
        world.poll().await;
        world.server.with(|habits| habits.stalls_at = None);
        let before = world.server.said().len();
        for _ in 0..5 {
            world.pass(3600);
            world.poll().await;
        }
        let said = world.server.said().split_off(before);
        let looks = |line: &&String| line.starts_with("RETR") || line.starts_with("TOP");
        assert_eq!(said.iter().filter(looks).count(), 0, "{said:?}");
        assert!(
            !said.iter().any(|line| line.starts_with("LIST")),
            "{said:?}"
        );
        for _ in 0..16 {
            world.pass(86_400);
            world.poll().await;
        }
        let is_empty = world.server.listed().is_empty();
        assert_eq!(
            is_empty,
            retention.deletes(),
            "LIST is asked again, and deletes go on"
        );
    }
}

#[tokio::test]
async fn a_stump_stays_on_the_server_when_it_is_compared_in_a_session_that_tells_no_sizes() {
    let long = format!("Subject: cut\r\n\r\n{}", "0123456789\r\n".repeat(50));
    let cut = mail("cut", long.as_bytes());
    for retention in [Retention::Delete, Retention::after(2 * DAY)] {
        let world = World::new(vec![cut.clone()], retention);
        world.server.with(|habits| habits.cuts = Some("cut".into()));
        world.poll().await;
        assert_eq!(world.sink.count(), 1, "{retention:?}");
        assert!(world.told("octets_differ"), "{retention:?}");
        // LIST is left out for a day after each of these.
        world
            .server
            .with(|habits| habits.odd = Some(("LIST", None, Odd::HangUp)));
        for _ in 0..40 {
            world.pass(DAY / 2);
            world.poll().await;
        }
        let left = world.server.listed();
        assert_eq!(
            left,
            std::slice::from_ref(&cut),
            "{retention:?}: it was never whole"
        );
        assert_eq!(world.sink.count(), 1, "{retention:?}");
    }
}

/// A world in which LIST has just ended a session, so that it is left out for a day.
async fn world_without_list(retention: Retention, pipelining: bool) -> World {
    let world = World::new(Vec::new(), retention);
    world.server.with(|habits| {
        habits.pipelining = pipelining;
        habits.odd = Some(("LIST", None, Odd::HangUp));
    });
    world.poll().await;
    assert!(world.told("list_struck"));
    world.server.with(|habits| habits.odd = None);
    world
}

#[tokio::test]
async fn while_list_is_left_out_list_of_the_message_shows_that_it_came_short() {
    let long = format!("Subject: cut\r\n\r\n{}", "0123456789\r\n".repeat(50));
    let cut = mail("cut", long.as_bytes());
    for (retention, pipelining) in [
        (Retention::Delete, false),
        (Retention::Delete, true),
        (Retention::after(2 * DAY), false),
    ] {
        let world = world_without_list(retention, pipelining).await;
        world.server.put(cut.clone());
        world.server.with(|habits| habits.cuts = Some("cut".into()));
        world.pass(300);
        world.poll().await;
        let said = world.server.said();
        assert!(
            world.told("octets_differ"),
            "{retention:?} {pipelining}: {said:?}"
        );
        for _ in 0..20 {
            world.pass(DAY / 4);
            world.poll().await;
        }
        let listed = world.server.listed();
        assert!(
            listed.contains(&cut),
            "{retention:?} {pipelining}: it was never whole"
        );
        world.server.with(|habits| habits.cuts = None);
        for _ in 0..80 {
            world.pass(DAY / 2);
            world.poll().await;
        }
        assert!(
            world.sink.taken().contains_key(&cut.octets),
            "{retention:?} {pipelining}"
        );
        assert_eq!(world.server.listed(), [], "{retention:?} {pipelining}");
    }
}

#[tokio::test]
async fn where_list_of_a_message_is_refused_or_odd_messages_come_without_sizes() {
    for odd in [
        None,
        Some(Odd::Words),
        Some(Odd::HangUp),
        Some(Odd::TwoReplies),
    ] {
        let world = world_without_list(Retention::Delete, false).await;
        let new =
            ["a", "b", "c"].map(|id| mail(id, format!("Subject: {id}\r\n\r\n{id}\r\n").as_bytes()));
        new.iter().for_each(|one| world.server.put(one.clone()));
        world.server.with(|habits| {
            habits.refuses_list = odd.is_none();
            habits.odd = odd.map(|odd| ("LIST", Some("a".to_owned()), odd));
        });
        for _ in 0..4 {
            world.pass(300);
            world.poll().await;
        }
        assert_eq!(world.server.listed(), [], "{odd:?}");
        assert_eq!(world.sink.count(), 3, "{odd:?}: nothing came twice");
    }
}

#[tokio::test]
async fn oversized_messages_are_not_requested_in_a_session_without_sizes() {
    let text = |number: usize| format!("Subject: {number}\r\n\r\n{}", "x\r\n".repeat(1_000));
    let large = (0..5).map(|number| mail(&format!("l{number}"), text(number).as_bytes()));
    let mut world = World::new(large.collect(), Retention::Keep);
    world.visit.limits.message_octets_max = 1_000;
    world.poll().await;
    world
        .server
        .with(|habits| habits.odd = Some(("LIST", None, Odd::HangUp)));
    for _ in 0..3 {
        world.poll().await;
        world.pass(600);
    }
    world
        .server
        .put(mail("new", b"Subject: new\r\n\r\nsmall\r\n"));
    world.poll().await;
    let said = world.server.said();
    let asked = said.iter().filter(|said| said.starts_with("RETR"));
    assert_eq!(asked.count(), 1, "{said:?}");
    assert_eq!(world.sink.count(), 1);
}

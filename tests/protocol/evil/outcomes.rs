//! What single crimes come to, where that can be said more exactly than that nothing is lost.

use mailferry::mail::Retention;
use mailferry::session::{End, Summary};

use super::memory::{Trial, Wish};
use crate::support::evil::crimes::find;
use crate::support::evil::maildrop::COUNT;

const HOUR: u64 = 3600;

fn trial(crime: &str, retention: Retention) -> Trial {
    let wish = Wish {
        retention,
        commit_every: None,
        hides: false,
    };
    Trial::of(&find(crime).unwrap(), &wish)
}

async fn poll(trial: &Trial) -> Summary {
    trial.world.pass(HOUR);
    trial.poll().await
}

fn is_complete(summary: &Summary) -> bool {
    matches!(summary.end, End::Complete)
}

#[tokio::test(start_paused = true)]
async fn a_greeting_that_ends_in_lf_costs_nothing() {
    let trial = trial("end-greeting-with-lf", Retention::Delete);
    let summary = poll(&trial).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    assert_eq!(trial.delivered(), [1; COUNT]);
    assert_eq!(trial.gone(), COUNT);
}

#[tokio::test(start_paused = true)]
async fn unique_ids_with_blanks_after_them_are_the_same_ones() {
    let trial = trial("pad-unique-ids", Retention::Keep);
    for round in 0..4 {
        let counts = poll(&trial).await.counts;
        let retrieved = if round == 0 { COUNT as u64 } else { 0 };
        assert_eq!(counts.retrieved, retrieved, "{round}");
    }
    assert_eq!(trial.delivered(), [1; COUNT]);
}

#[tokio::test(start_paused = true)]
async fn odd_answers_about_one_message_and_to_stat_cost_no_message_and_no_delete() {
    for crime in ["list-all-for-one", "misstate-totals"] {
        let trial = trial(crime, Retention::Delete);
        for _ in 0..4 {
            poll(&trial).await;
        }
        assert_eq!(trial.delivered(), [1; COUNT], "{crime}");
        assert_eq!(trial.gone(), COUNT, "{crime}");
        let summary = poll(&trial).await;
        assert!(is_complete(&summary), "{crime}: {:?}", summary.end);
    }
}

#[tokio::test(start_paused = true)]
async fn deleted_messages_that_are_there_again_are_known_and_deletes_are_not_insisted_on() {
    let trial = trial("restore-deleted", Retention::Delete);
    for round in 0..8 {
        let summary = poll(&trial).await;
        assert!(is_complete(&summary), "{round}: {:?}", summary.end);
    }
    assert_eq!(trial.delivered(), [1; COUNT]);
    assert!(trial.world.told("deletes_ignored"));
    let heard = String::from_utf8_lossy(&trial.stage.heard()).into_owned();
    let deletes = heard.matches("DELE ").count();
    // When they are found again, and then one a day.
    assert!(deletes <= 2 * COUNT + 1, "{deletes}: {heard}");
    let retrieved = heard.matches("RETR ").count();
    assert_eq!(retrieved, 2 * COUNT, "compared once: {heard}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_hidden_after_retrieval_were_delivered_before_that() {
    for retention in [Retention::Keep, Retention::Delete] {
        let trial = trial("hide-retrieved", retention);
        assert!(is_complete(&poll(&trial).await));
        assert_eq!(trial.delivered(), [1; COUNT], "{retention:?}");
        let summary = poll(&trial).await;
        assert!(is_complete(&summary), "{:?}", summary.end);
        assert_eq!(summary.counts.listed, 0, "{retention:?}");
        assert_eq!(trial.delivered(), [1; COUNT], "{retention:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_locked_maildrop_is_in_use_and_no_wrong_password() {
    let trial = trial("lock-maildrop", Retention::Delete);
    for _ in 0..3 {
        let summary = poll(&trial).await;
        let End::Failed(error) = &summary.end else {
            panic!("{:?}", summary.end);
        };
        assert_eq!(error.code(), "in_use", "{error}");
        assert!(error.to_string().contains("already locked"), "{error}");
        assert!(
            summary.state.pacing.hold.is_none(),
            "{:?}",
            summary.state.pacing.hold
        );
    }
    trial.stage.repent();
    assert!(is_complete(&poll(&trial).await));
    assert_eq!(trial.delivered(), [1; COUNT]);
}

//! Says what polls would do.

use crate::config::Config;
use crate::mail::AccountName;
use crate::operator::{Answer, DryRun, DryRunCounts, DryRunFate, DryRunMessage, Failure, Operator};
use crate::session::{self, Foreseen, ForeseenMessage};

impl Operator {
    /// Says what a poll of these accounts would do: all enabled ones if none is named.
    pub(super) async fn answer_dry_run(
        &self,
        names: &[AccountName],
        answer: &Answer,
    ) -> Result<(), Failure> {
        let config = &self.setup.config;
        let rooms = self.rooms()?;
        let orders = rooms.orders(&Config {
            accounts: self.chosen(names)?,
            ..config.clone()
        })?;
        for assignment in &orders.assignments {
            let name = &assignment.account;
            let foreseen = match assignment.visit.prepare().await {
                Ok(visit) => session::foresee(&visit, &assignment.with).await,
                Err(error) => Err(error),
            };
            let mut counts = DryRunCounts {
                account: name.clone(),
                listed: 0,
                retrieved: 0,
                octets: 0,
                deleted: 0,
                without_unique_id: 0,
                filters: Vec::new(),
                deliveries: Vec::new(),
                fallback: None,
                recipient: None,
                failure: None,
            };
            if let Some(account) = config.accounts.get(name) {
                counts.filters.clone_from(&account.filters);
                counts.deliveries.clone_from(&account.deliveries);
                counts.fallback.clone_from(&account.fallback);
                let is_routed = account.envelope.is_some();
                counts.recipient = (!is_routed).then(|| account.recipient.to_string());
            }
            match foreseen {
                Ok(foreseen) => say_messages(foreseen, &mut counts, answer).await?,
                Err(error) => {
                    let failure = (error.who_acts(), error.code(), error.to_string());
                    counts.failure = Some(failure.into());
                }
            }
            answer.say(DryRun::Account(counts)).await?;
        }
        Ok(())
    }
}

async fn say_messages(
    foreseen: Foreseen,
    counts: &mut DryRunCounts,
    answer: &Answer,
) -> Result<(), Failure> {
    counts.listed = foreseen.messages.len() as u64 + foreseen.without_unique_id;
    counts.without_unique_id = foreseen.without_unique_id;
    for message in foreseen.messages {
        let ForeseenMessage {
            number,
            unique_id,
            octets,
            what,
            next_try,
            then_deleted,
        } = message;
        let fate = DryRunFate::from(what);
        match fate {
            DryRunFate::New | DryRunFate::Retry | DryRunFate::Compared => {
                counts.retrieved += 1;
                counts.octets += octets.unwrap_or(0);
            }
            DryRunFate::Deleted => counts.deleted += 1,
            _ => {}
        }
        counts.deleted += u64::from(then_deleted);
        let message = DryRunMessage {
            account: counts.account.clone(),
            number,
            unique_id,
            octets,
            fate,
            next_try,
            then_deleted,
        };
        answer.say(DryRun::Message(message)).await?;
    }
    Ok(())
}

//! Answers requests about records of seen messages.

use crate::agent::{Assignment, SystemClock};
use crate::config::{Account, Config};
use crate::mail::{AccountName, Clock, UniqueId};
use crate::operator::{
    Answer, Exit, Failure, Operator, SeenRecord, SeenRequest, SeenResponse, Which, names,
    operators_word,
};
use crate::seen::{Seen, Trust};
use crate::session::{self, Rest};

impl Operator {
    pub(super) async fn answer_seen(
        &self,
        request: SeenRequest,
        answer: &Answer,
    ) -> Result<(), Failure> {
        let response = match request {
            SeenRequest::List { account } => return self.list(&account, answer).await,
            SeenRequest::Export { account } => {
                return self.export(account.as_ref(), answer).await;
            }
            SeenRequest::SameMaildropsOf { host } => {
                return self.same_maildrops_of(host, answer).await;
            }
            SeenRequest::Forget {
                account,
                which,
                force,
            } => self.forget(&account, which, force).await?,
            SeenRequest::Mark {
                account,
                unique_ids,
                as_delivered,
                force,
            } => {
                let trust = trust(as_delivered);
                self.mark(&account, &unique_ids, trust, force).await?
            }
            SeenRequest::MarkListed {
                account,
                as_delivered,
            } => self.mark_listed(&account, trust(as_delivered)).await?,
            SeenRequest::Adopt {
                account,
                as_delivered,
                rest_is_new,
            } => {
                let rest = if rest_is_new { Rest::New } else { Rest::Ask };
                self.adopt(&account, trust(as_delivered), rest).await?
            }
            SeenRequest::Import { text, as_delivered } => {
                return self.import(&text, trust(as_delivered), answer).await;
            }
            SeenRequest::Rename { old, new } => self.rename(old, new).await?,
            SeenRequest::SameMaildrop { account } => {
                let seen = self.begun_seen()?;
                names::has_records(&seen, &account).await?;
                seen.note_same_maildrop(&account, &operators_word()).await?;
                SeenResponse::TakesOver { account }
            }
        };
        answer.say(response).await
    }

    async fn list(&self, account: &AccountName, answer: &Answer) -> Result<(), Failure> {
        let seen = self.begun_seen()?;
        names::known(&seen, &self.setup.config, account).await?;
        for known in seen.records(account).await?.iter() {
            let record = SeenRecord::from(known);
            answer.say(SeenResponse::Record(record)).await?;
        }
        Ok(())
    }

    async fn export(&self, account: Option<&AccountName>, answer: &Answer) -> Result<(), Failure> {
        let seen = self.begun_seen()?;
        if let Some(account) = account {
            names::known(&seen, &self.setup.config, account).await?;
        }
        for line in seen.export_lines(account).await? {
            answer.say(SeenResponse::Exported(line)).await?;
        }
        Ok(())
    }

    async fn import(&self, text: &str, trust: Trust, answer: &Answer) -> Result<(), Failure> {
        let seen = self.seen()?;
        let imported = seen.import_lines(text, trust, &operators_word()).await?;
        answer.say(SeenResponse::Imported(imported.into())).await?;
        let copies = self.missing_copies(&seen).await?;
        if copies == 0 {
            return Ok(());
        }
        let folder = self.quarantine_folder();
        answer
            .say(SeenResponse::CopiesMissing { copies, folder })
            .await
    }

    /// How many copies are named in records, but are not in the quarantine.
    async fn missing_copies(&self, seen: &Seen) -> Result<u64, Failure> {
        let quarantine = self.existing()?;
        let mut missing = 0;
        for account in seen.all_accounts().await? {
            for record in seen.records(&account).await?.unsettled() {
                let is_there = match (record.kept(), &quarantine) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(file), Some(quarantine)) => quarantine.has(file).await?,
                };
                missing += u64::from(!is_there);
            }
        }
        Ok(missing)
    }

    async fn same_maildrops_of(&self, host: String, answer: &Answer) -> Result<(), Failure> {
        let seen = self.begun_seen()?;
        let noted = seen
            .note_same_maildrops_of(&host, &operators_word())
            .await?;
        if noted.is_empty() {
            return answer.say(SeenResponse::NoneOfHost { host }).await;
        }
        for account in noted {
            answer.say(SeenResponse::TakesOver { account }).await?;
        }
        Ok(())
    }

    async fn forget(
        &self,
        account: &AccountName,
        which: Which,
        force: bool,
    ) -> Result<SeenResponse, Failure> {
        let seen = self.begun_seen()?;
        let mut ids = match which {
            Which::All => None,
            Which::These(unique_ids) => Some(unique_ids),
        };
        if ids.is_some() {
            names::of_configured_maildrop(&seen, &self.setup.config, account).await?;
        }
        let known = seen.records(account).await?;
        if force {
            let is_known = |id: &UniqueId| known.of(id.as_bytes()).next().is_some();
            ids.iter_mut().for_each(|ids| ids.retain(is_known));
        } else {
            names::known(&seen, &self.setup.config, account).await?;
            names::recorded(&known, ids.as_deref().unwrap_or_default(), "")?;
        }
        let forgotten = seen
            .forget(account, ids.as_deref(), &operators_word())
            .await?;
        let records = forgotten.changed;
        Ok(SeenResponse::Forgotten { records })
    }

    async fn mark(
        &self,
        account: &AccountName,
        unique_ids: &[UniqueId],
        trust: Trust,
        force: bool,
    ) -> Result<SeenResponse, Failure> {
        let seen = self.seen()?;
        names::of_configured_maildrop(&seen, &self.setup.config, account).await?;
        if !force {
            names::known(&seen, &self.setup.config, account).await?;
            names::recorded(&seen.records(account).await?, unique_ids, FORCE)?;
        }
        let now = SystemClock.now();
        let marked = seen
            .mark(account, unique_ids, trust, now, &operators_word())
            .await?;
        Ok(SeenResponse::Marked(marked.into()))
    }

    async fn rename(&self, old: AccountName, new: AccountName) -> Result<SeenResponse, Failure> {
        let seen = self.begun_seen()?;
        names::has_records(&seen, &old).await?;
        let records = seen.rename(&old, &new, &operators_word()).await?.changed;
        Ok(SeenResponse::Renamed { records, old, new })
    }

    /// Marks all listed messages: logs in, lists, asks for heads, and retrieves nothing.
    async fn mark_listed(
        &self,
        account: &AccountName,
        trust: Trust,
    ) -> Result<SeenResponse, Failure> {
        let assignment = self.assignment(account)?;
        let (visit, with) = (assignment.visit.prepare().await?, assignment.with);
        let shown = session::list_for(&visit, &with, trust).await?;
        let now = SystemClock.now();
        let (account, word) = (&visit.account, &operators_word());
        let seen = self.seen()?;
        let marked = seen.mark_listed(account, (&shown.listing, &shown.heads), trust, now, word);
        Ok(SeenResponse::Marked(marked.await?.into()))
    }

    /// Recognises delivered messages after all unique-ids of a maildrop changed.
    async fn adopt(
        &self,
        account: &AccountName,
        trust: Trust,
        rest: Rest,
    ) -> Result<SeenResponse, Failure> {
        let assignment = self.assignment(account)?;
        let (visit, with) = (assignment.visit.prepare().await?, assignment.with);
        Ok(
            session::adopt(&visit, &with, trust, rest, &operators_word())
                .await?
                .into(),
        )
    }

    /// The assignment of one account, enabled or not.
    fn assignment(&self, name: &AccountName) -> Result<Assignment, Failure> {
        let rooms = self.rooms()?;
        let config = &self.setup.config;
        let unknown = || names::no_account(name, config.accounts.keys());
        let account = Account {
            enabled: true,
            ..config.accounts.get(name).ok_or_else(unknown)?.clone()
        };
        let orders = rooms.orders(&Config {
            accounts: [(name.clone(), account)].into(),
            ..config.clone()
        })?;
        orders.assignments.into_iter().next().ok_or_else(unknown)
    }

    /// The seen store, for a request that adds no records: it does not create one.
    fn begun_seen(&self) -> Result<Seen, Failure> {
        let state_dir = &self.setup.config.state_dir;
        if !state_dir.exists() {
            let state_dir = state_dir.display();
            let sentence =
                format!("there is no state directory {state_dir}, so nothing is recorded yet");
            return Err(Failure::said(Exit::Config, "no_state_directory", sentence));
        }
        self.seen()
    }
}

const fn trust(as_delivered: bool) -> Trust {
    if as_delivered {
        Trust::Delivered
    } else {
        Trust::Seen
    }
}

/// The hint for a message that no poll has seen.
const FORCE: &str = "If the message is on the server and no poll has seen it yet, give --force";

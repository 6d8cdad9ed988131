//! The odd answers of a server. They are remembered, so that each affects only the command that it
//! answered.

use crate::mail::{DAY_SECONDS, Percent, Timestamp, UniqueId, limits};

/// What is remembered about a maildrop's odd answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Whether the last session ended at a message. Then the next one leaves out all messages at
    /// which sessions ended, so that the messages before them are deleted and those after them are
    /// retrieved.
    pub leaves_out_struck: bool,
    /// The limit of each session, if the server ended one early.
    pub session_limit: Option<SessionLimit>,
    /// Messages at which sessions ended, of a server without unique-ids.
    pub struck: Vec<StruckNumber>,
    /// Messages at whose DELE sessions ended.
    pub struck_deletes: Vec<StruckDelete>,
    /// How many different DELEs in a row ended their session, with no accepted one between them.
    pub deletes_struck_in_a_row: u32,
    /// Until this time no command is sent before the previous one is answered, because a session
    /// was out of step.
    pub lock_step_until: Option<Timestamp>,
    /// CAPA is not sent before this time, because the server ended a session because of it.
    pub capa_left_out_until: Option<Timestamp>,
    /// LIST is not sent before this time if there are unique-ids, because the server ended a
    /// session because of it.
    pub list_left_out_until: Option<Timestamp>,
    /// STAT is sent instead of NOOP before this time, because the server ended a session because of
    /// NOOP.
    pub noop_left_out_until: Option<Timestamp>,
    /// LIST of one message is not sent before this time, because the server ended a session because
    /// of it.
    pub list_one_left_out_until: Option<Timestamp>,
    /// STAT is not sent as a proof before this time, because its answer was not the right one.
    pub stat_left_out_until: Option<Timestamp>,
    /// The capabilities of the last CAPA that apply to a session without CAPA.
    pub last_capa: Option<LastCapa>,
    /// Logins refused in a row because another session had the maildrop.
    pub in_use: Option<InUse>,
}

/// The capabilities of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastCapa {
    /// EXPIRE 0: after QUIT, retrieved messages may be gone.
    pub hides_retrieved: bool,
    /// LOGIN-DELAY.
    pub login_delay_seconds: Option<u64>,
    /// SASL mechanisms: words of letters, digits, `-` and `_`.
    pub sasl: Vec<String>,
    /// RESP-CODES.
    pub resp_codes: bool,
    /// AUTH-RESP-CODE.
    pub auth_resp_code: bool,
}

impl LastCapa {
    fn to_word(&self) -> String {
        let flag = |set: bool, letter: &'static str| if set { letter } else { "" };
        format!(
            "{}{}{}:{}:{}",
            flag(self.hides_retrieved, "e"),
            flag(self.resp_codes, "r"),
            flag(self.auth_resp_code, "a"),
            self.login_delay_seconds
                .map_or_else(String::new, |seconds| seconds.to_string()),
            self.sasl.join(",")
        )
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut parts = word.splitn(3, ':');
        let (flags, delay, sasl) = (parts.next()?, parts.next()?, parts.next()?);
        let words = sasl.split(',').filter(|word| !word.is_empty());
        Some(Self {
            hides_retrieved: flags.contains('e'),
            resp_codes: flags.contains('r'),
            auth_resp_code: flags.contains('a'),
            login_delay_seconds: match delay {
                "" => None,
                seconds => Some(seconds.parse().ok()?),
            },
            sasl: words.map(str::to_owned).collect(),
        })
    }
}

/// The limit of each session after the server ended one early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimit {
    /// The most heads, and the most deletes, of one session.
    pub most: u32,
    /// How many sessions were lost.
    pub losses: u32,
    /// How many sessions ended well since the limit changed.
    pub well: u32,
    /// When the last one was lost.
    pub at: Timestamp,
    /// How many commands about messages the server answered in the last one.
    pub answered: u32,
    /// Which of the things is next that short sessions do in turn.
    pub turn: u8,
}

impl SessionLimit {
    fn to_word(self) -> String {
        let Self {
            most,
            losses,
            well,
            at,
            answered,
            turn,
        } = self;
        format!("{most}:{losses}:{well}:{}:{answered}:{turn}", at.0)
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let most = parts.next()?.parse().ok()?;
        let limit = Self {
            most,
            losses: parts.next()?.parse().ok()?,
            well: parts.next()?.parse().ok()?,
            at: Timestamp(parts.next()?.parse().ok()?),
            // Written since short sessions do one thing each.
            answered: parts
                .next()
                .map_or(Some(u32::MAX), |word| word.parse().ok())?,
            turn: parts.next().map_or(Some(0), |word| word.parse().ok())?,
        };
        parts.next().is_none().then_some(limit)
    }
}

/// Logins refused because another session had the maildrop, since the last successful one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// How many.
    pub times: u32,
    /// When the first of them was refused.
    pub since: Timestamp,
}

/// A message of a server without unique-ids at which a session ended. Number and octets must
/// identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StruckNumber {
    /// Its number in the listing of the next session.
    pub number: u32,
    /// Its octets by LIST.
    pub octets: u64,
    /// Sessions that ended at it.
    pub strikes: u32,
    /// It is not retrieved before this time.
    pub next_try: Timestamp,
}

impl InUse {
    /// Whether it has happened so often or so long that it will not pass without help.
    pub fn needs_someone(&self, now: Timestamp) -> bool {
        self.times >= limits::IN_USE_TIMES_MAX
            || now.since(self.since) >= limits::IN_USE_SECONDS_MAX
    }
}

impl Oddities {
    /// Notes that a login was refused because another session uses the maildrop.
    pub fn refuse_in_use(&mut self, now: Timestamp) {
        let before = self.in_use.unwrap_or(InUse {
            times: 0,
            since: now,
        });
        self.in_use = Some(InUse {
            times: before.times.saturating_add(1),
            ..before
        });
    }

    /// The words for the account's state, as keys and values; only the known ones.
    pub(super) fn words(&self) -> Vec<(&'static str, String)> {
        let mut words = Vec::new();
        if self.leaves_out_struck {
            words.push(("leaves_out_struck", "1".to_owned()));
        }
        if let Some(until) = self.lock_step_until {
            words.push(("lock_step_until", until.0.to_string()));
        }
        if let Some(until) = self.capa_left_out_until {
            words.push(("capa_left_out_until", until.0.to_string()));
        }
        if let Some(until) = self.list_left_out_until {
            words.push(("list_left_out_until", until.0.to_string()));
        }
        if let Some(until) = self.noop_left_out_until {
            words.push(("noop_left_out_until", until.0.to_string()));
        }
        if let Some(until) = self.list_one_left_out_until {
            words.push(("list_one_left_out_until", until.0.to_string()));
        }
        if let Some(until) = self.stat_left_out_until {
            words.push(("stat_left_out_until", until.0.to_string()));
        }
        if let Some(last) = &self.last_capa {
            words.push(("last_capa", last.to_word()));
        }
        if let Some(InUse { times, since }) = self.in_use {
            words.push(("in_use", format!("{times}:{}", since.0)));
        }
        if let Some(limit) = self.session_limit {
            words.push(("session_limit", limit.to_word()));
        }
        for struck in &self.struck_deletes {
            words.push(("struck_delete", struck.to_word()));
        }
        if self.deletes_struck_in_a_row > 0 {
            let times = self.deletes_struck_in_a_row.to_string();
            words.push(("deletes_struck", times));
        }
        for struck in &self.struck {
            words.push(("struck", struck.to_word()));
        }
        words
    }

    /// Reads one such word; `None` when it is invalid.
    pub(super) fn read(&mut self, key: &str, value: &str) -> Option<()> {
        let at = || Some(Timestamp(value.parse().ok()?));
        match key {
            "leaves_out_struck" => self.leaves_out_struck = value == "1",
            "lock_step_until" => self.lock_step_until = Some(at()?),
            "capa_left_out_until" => self.capa_left_out_until = Some(at()?),
            "list_left_out_until" => self.list_left_out_until = Some(at()?),
            "noop_left_out_until" => self.noop_left_out_until = Some(at()?),
            "list_one_left_out_until" => self.list_one_left_out_until = Some(at()?),
            "stat_left_out_until" => self.stat_left_out_until = Some(at()?),
            "last_capa" => self.last_capa = Some(LastCapa::from_word(value)?),
            "in_use" => {
                let (times, since) = value.split_once(':')?;
                self.in_use = Some(InUse {
                    times: times.parse().ok()?,
                    since: Timestamp(since.parse().ok()?),
                });
            }
            "session_limit" => self.session_limit = Some(SessionLimit::from_word(value)?),
            "struck_delete" => self.struck_deletes.push(StruckDelete::from_word(value)?),
            "deletes_struck" => self.deletes_struck_in_a_row = value.parse().ok()?,
            "struck" => self.struck.push(StruckNumber::from_word(value)?),
            _ => return None,
        }
        Some(())
    }
}

/// A message at whose DELE a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StruckDelete {
    /// Its unique-id.
    pub unique_id: UniqueId,
    /// Sessions that ended at it.
    pub strikes: u32,
    /// It is not deleted before this time.
    pub next_try: Timestamp,
}

impl StruckDelete {
    fn to_word(&self) -> String {
        let name = Percent(self.unique_id.as_bytes());
        format!("{name}:{}:{}", self.strikes, self.next_try.0)
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut parts = word.rsplitn(3, ':');
        let next_try = Timestamp(parts.next()?.parse().ok()?);
        let strikes = parts.next()?.parse().ok()?;
        let unique_id = UniqueId::new(&Percent::decode(parts.next()?)?).ok()?;
        Some(Self {
            unique_id,
            strikes,
            next_try,
        })
    }
}

impl StruckNumber {
    /// Whether its time has not come. No wait is longer than a day: a time further ahead was set by
    /// a wrong clock.
    pub fn waits(&self, now: Timestamp) -> bool {
        (1..=DAY_SECONDS).contains(&self.next_try.since(now))
    }

    fn to_word(self) -> String {
        let Self {
            number,
            octets,
            strikes,
            next_try,
        } = self;
        format!("{number}:{octets}:{strikes}:{}", next_try.0)
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let struck = Self {
            number: parts.next()?.parse().ok()?,
            octets: parts.next()?.parse().ok()?,
            strikes: parts.next()?.parse().ok()?,
            next_try: Timestamp(parts.next()?.parse().ok()?),
        };
        parts.next().is_none().then_some(struck)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        any::<u32>().prop_map(|seconds| Timestamp(seconds.into()))
    }

    fn any_last_capa() -> impl Strategy<Value = LastCapa> {
        let fields = (
            any::<(bool, bool, bool)>(),
            proptest::option::of(any::<u64>()),
            proptest::collection::vec("[A-Z0-9_-]{1,8}", 0..3),
        );
        fields.prop_map(|(flags, login_delay_seconds, sasl)| LastCapa {
            hides_retrieved: flags.0,
            resp_codes: flags.1,
            auth_resp_code: flags.2,
            login_delay_seconds,
            sasl,
        })
    }

    pub fn any_oddities() -> impl Strategy<Value = Oddities> {
        let struck = (any::<u32>(), any::<u64>(), any::<u32>(), any_time());
        let struck = struck.prop_map(|(number, octets, strikes, next_try)| StruckNumber {
            number,
            octets,
            strikes,
            next_try,
        });
        let name = proptest::collection::vec(0x21_u8..=0xFF, 1..6);
        let struck_delete = (name, any::<u32>(), any_time());
        let struck_delete = struck_delete.prop_map(|(name, strikes, next_try)| StruckDelete {
            unique_id: UniqueId::new(&name).unwrap(),
            strikes,
            next_try,
        });
        let fields = (
            any::<bool>(),
            proptest::collection::vec(struck, 0..3),
            proptest::option::of(any_time()),
            proptest::option::of((any::<u32>(), any_time())),
            [
                proptest::option::of(any_time()),
                proptest::option::of(any_time()),
                proptest::option::of(any_time()),
                proptest::option::of(any_time()),
                proptest::option::of(any_time()),
            ],
            proptest::option::of(any_last_capa()),
            proptest::collection::vec(struck_delete, 0..3),
            any::<u32>(),
            proptest::option::of((any::<[u32; 3]>(), any_time())),
        );
        fields.prop_map(|fields| Oddities {
            leaves_out_struck: fields.0,
            struck: fields.1,
            lock_step_until: fields.2,
            in_use: fields.3.map(|(times, since)| InUse { times, since }),
            capa_left_out_until: fields.4[0],
            list_left_out_until: fields.4[1],
            noop_left_out_until: fields.4[2],
            list_one_left_out_until: fields.4[3],
            stat_left_out_until: fields.4[4],
            last_capa: fields.5,
            struck_deletes: fields.6,
            deletes_struck_in_a_row: fields.7,
            session_limit: fields.8.map(|([most, losses, well], at)| SessionLimit {
                most,
                losses,
                well,
                at,
                answered: well,
                turn: (losses % 4) as u8,
            }),
        })
    }

    proptest! {
        #[test]
        fn learnt_facts_are_read_back(oddities in any_oddities()) {
            let mut read = Oddities::default();
            for (key, value) in oddities.words() {
                prop_assert!(!value.contains([' ', '\t', '\n']));
                prop_assert_eq!(read.read(key, &value), Some(()));
            }
            prop_assert_eq!(read, oddities);
        }
    }
}

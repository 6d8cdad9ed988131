//! Who gets the messages of a maildrop with mail for many.

use crate::config::error::Complaint;
use crate::config::resolve::{Header, Resolver, built_in, count};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::At;
use crate::config::value::{Count, EnvelopeFields, HostNames, LocalPrefix, MapSetting, Word};
use crate::mail::{EnvelopeRules, EnvelopeSource, Unmatched};

settings! {
    /// The settings of `[account.NAME.envelope]`.
    struct EnvelopeTable {
        /// The names of the fields, tried in this order: the first one that leads to a recipient
        /// counts. Believed are only fields above the topmost Received, which the last server of
        /// the provider added; it must do so for every message. In a message without Received,
        /// nothing is believed.
        header: EnvelopeFields = Without::Default(
            "[\"Delivered-To\", \"X-Original-To\", \"Envelope-To\", \"X-Envelope-To\"]",
        ),
        /// Which of several believed fields with one name counts, from the top: 1 is the topmost.
        position: Count<1, 100> = Without::Default("1"),
        /// Takes the recipient from the `for` of the topmost Received, or of that of a trusted
        /// host. Most servers write it only where a message has one recipient.
        received_for: bool = Without::Others("header and position", "true"),
        /// The hosts after whose Received nothing is believed, as that field names them after
        /// `by`: believed are the fields above the first Received of one of them, and nothing in
        /// a message without it. Name only hosts through which every message comes. For a
        /// provider whose servers hand mail on among each other.
        trusted: HostNames = Without::Otherwise(
            "the host of the topmost Received, whatever its name",
            "[\"mx.provider.example\"]",
        ),
        /// What the server puts in front of each local part, as qmail does for virtual domains:
        /// with "example-", example-jane@example.org becomes jane@example.org.
        strip_prefix: LocalPrefix = Without::Otherwise("none", "\"example-\""),
        /// Where mail for an address goes, most exact first: an address, "@domain", or "*" for
        /// all others; the case of letters makes no difference. The value is an address, "@domain"
        /// (the same local part there), or a list. Mail for an address that the map does not have
        /// is not matched. A long map may be a table: [account.work.envelope.map].
        map: MapSetting = Without::Otherwise(
            "mail goes to the address that was found",
            "{ \"jane@example.org\" = \"jane@home.lan\", \"@example.org\" = \"@home.lan\" }",
        ),
        /// What happens to a message in which no recipient was found: "recipient", it goes to
        /// recipient of the account, which is then required; or "quarantine".
        unmatched: Word<Unmatched> = Without::Default("\"recipient\""),
    }
}

impl EnvelopeTable {
    /// Whether unmatched messages go to the recipient of the account.
    pub(in crate::config) fn uses_recipient(&self) -> bool {
        let unmatched = self.unmatched.get().map(|word| word.0);
        unmatched != Some(Unmatched::Quarantine)
    }
}

impl Resolver<'_> {
    /// Resolves the table of an account.
    pub(in crate::config) fn envelope(
        &mut self,
        account: &Header<'_>,
        At { value, place }: At<EnvelopeTable>,
    ) -> Option<EnvelopeRules> {
        let name = format!("{}.envelope]", account.name.trim_end_matches(']'));
        let header = Header { name: &name, place };
        let source = self.envelope_source(&value);
        let table = value.over(&built_in());
        let names = self.need(&header, "header", table.header);
        let position = self.need(&header, "position", table.position);
        let unmatched = self.need(&header, "unmatched", table.unmatched);
        let trusted = match table.trusted {
            Given::Badly => return None,
            given => given.some().map_or_else(Vec::new, |hosts| hosts.value.0),
        };
        let fields = EnvelopeSource::Fields {
            names: names?.0,
            position: count(position?.0),
        };
        Some(EnvelopeRules {
            source: source?.unwrap_or(fields),
            trusted,
            strip_prefix: table.strip_prefix.some().map(|prefix| prefix.value.0),
            map: table.map.some().map(|map| map.value.0),
            unmatched: unmatched?.0,
        })
    }

    /// The source, if it is not fields by their names; `None` if there are two.
    fn envelope_source(&mut self, table: &EnvelopeTable) -> Option<Option<EnvelopeSource>> {
        let received_for = match &table.received_for {
            Given::Not => return Some(None),
            Given::Badly => return None,
            Given::As(given) => given,
        };
        if !received_for.value {
            return Some(None);
        }
        let other = match (&table.header, &table.position) {
            (Given::As(_), _) => "header",
            (_, Given::As(_)) => "position",
            _ => return Some(Some(EnvelopeSource::ReceivedFor)),
        };
        let rule = format!(
            "`received_for` takes the recipient from a Received field, and `{other}` from another \
             one: remove one of the two. `trusted` chooses between Received fields"
        );
        self.complain(received_for.place, Complaint::Conflict(rule));
        None
    }
}

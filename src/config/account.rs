//! Accounts: their settings, how settings are resolved, and the resolved values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::destinations::Deliveries;
use crate::config::envelope::EnvelopeTable;
use crate::config::error::Complaint;
use crate::config::filter::FilterTables;
use crate::config::resolve::{Header, Resolver, TlsSettings, chosen};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::{At, SourcePlace};
use crate::config::value::{
    Address, CountOr, DeliveryNames, FilePath, FilterNames, Fingerprints, HostName, Interval,
    Keeping, Line, Octets, OctetsOr, Port, SenderSetting, Word, is_loopback,
};
use crate::config::{LOGIN_PORTS, SecretSource};
use crate::mail::{
    AccountName, EnvelopeRules, FirstRun, LoginMethod, PollLimits, Recipient, Retention,
    RetrievalOrder, SenderChoice, TlsMode, TlsPolicy, limits,
};

settings! {
    /// The settings of `[account.NAME]`. `[defaults]` may have all of them except `user` and
    /// `password`.
    struct AccountTable {
        /// Whether the account is polled.
        enabled: bool = Without::Default("true"),
        /// The POP3 server: a name or an address.
        host: HostName = Without::Required("\"pop.example.org\""),
        /// Its port. 995 and 110 lead to the same maildrop. Any other port identifies a maildrop,
        /// like host and user: with another one, the messages are new unless their octets were
        /// delivered before.
        port: Port = Without::Otherwise("995 when tls is \"implicit\", else 110", "995"),
        /// "implicit": TLS from the first octet. "starttls": STLS is required, and no login is sent
        /// to a server without it. "none": anyone on the network path can read everything; requires
        /// allow_cleartext_password = true.
        tls: Word<TlsMode> = Without::Default("\"implicit\""),
        /// The CA certificates to trust, in PEM, instead of the system's: for a server with a
        /// private CA.
        tls_ca_file: FilePath = Without::Otherwise(
            "the system's certificates",
            "\"/etc/mailferry/ca.pem\"",
        ),
        /// SHA-256 of the server's certificate in hexadecimal, with or without colons, or a list of
        /// them. The server must show one of these certificates; its issuer and its name are then
        /// not checked. This prints it (with port 110 and -starttls pop3 for "starttls"):
        /// openssl s_client -connect HOST:995 </dev/null | openssl x509 -noout -fingerprint -sha256
        tls_fingerprint: Fingerprints = Without::Otherwise(
            "any certificate that verifies",
            "\"5E:B6:3B:BB:E0:1E:EE:D0:93:CB:22:BB:8F:5A:CD:C3:\
             A1:D2:4F:7D:18:97:5E:BA:0A:C7:E3:40:3C:F5:9E:A1\"",
        ),
        /// The name in the server's certificate, if it is not host.
        tls_server_name: HostName = Without::Otherwise("host", "\"mail.example.org\""),
        /// A client certificate to show to the server, in PEM, with its intermediate certificates.
        tls_client_cert: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.pem\""),
        /// The private key of tls_client_cert, in PEM (PKCS #8, not encrypted).
        tls_client_key: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.key\""),
        /// Must be true for tls = "none", where anyone on the network path can read the password
        /// and all mail.
        allow_cleartext_password: bool = Without::Default("false"),
        /// The user name from the provider: often the whole address.
        user: Line = Without::Required("\"jane\""),
        /// The password. It is sent exactly as it is stored, except that one line end at its end is
        /// removed. Write where it is stored:
        ///   { file = "/run/secrets/work" }
        ///   { env = "WORK_PASSWORD" }
        ///   { credential = "work" }: LoadCredential= of systemd
        ///   { command = ["pass", "show", "mail/work"] }: its output; no shell is run
        ///   "secret": the password itself, in a file that only you can read (chmod 600)
        /// It is read again for each poll.
        password: SecretSource = Without::Required("{ file = \"/run/secrets/work\" }"),
        /// "auto": SASL PLAIN if the server announces it, else USER and PASS. "user-pass" or
        /// "plain": only that. "apop": APOP; "auto" never tries it.
        auth: Word<LoginMethod> = Without::Default("\"auto\""),
        /// The envelope recipient for lmtp and smtp; {recipient} and $RECIPIENT for an MDA.
        recipient: Address = Without::Otherwise(
            "the account's name. Required for lmtp, smtp, {recipient} of an mda, and \
             {recipient_local}",
            "\"jane@home.lan\"",
        ),
        /// The envelope sender that the destinations are told, as for a delivery.
        sender: SenderSetting = Without::Otherwise("that of the delivery", "\"null\""),
        /// The destination: the NAME of a [delivery.NAME], or a list of several:
        /// ["local", "archive"]. A message is delivered when all of them have accepted it. One that
        /// has it is not offered it again, and the account is polled only while all accept mail.
        delivery: DeliveryNames = Without::Otherwise(
            "the only delivery, if there is just one",
            "\"local\"",
        ),
        /// The NAME of a [delivery.NAME] that takes what another delivery refuses for good: the
        /// message, or its recipient. Without it, or where it refuses too, the message is
        /// quarantined. It may not be in delivery, and best_effort has no effect on it.
        fallback: Line = Without::Otherwise("none", "\"folder\""),
        /// The NAMEs of the [filter.NAME] that see each message before any delivery does, in this
        /// order. A message that one of them does not let pass goes to the quarantine, or waits.
        filter: FilterNames = Without::Otherwise("none", "[\"spam\"]"),
        /// What happens to a message on the server after delivery: "keep", "delete", or a reason to
        /// delete it: "delete after 14d" (counted from delivery), "keep newest 500" (it is none of
        /// the last 500 that the server lists), "delete larger than 20MiB". In a list of them one
        /// is enough. What was not delivered is never deleted.
        retention: Keeping = Without::Default("\"keep\""),
        /// Which new messages a poll retrieves first: "oldest", "newest" or "small_first".
        order: Word<RetrievalOrder> = Without::Default("\"oldest\""),
        /// The time from the start of one poll to the start of the next; at least 60s, unless host
        /// is this machine. If the server announces a longer LOGIN-DELAY, that is used.
        poll_every: Interval = Without::Default("\"5m\""),
        /// Larger messages stay on the server, and are reported once.
        max_message_size: Octets = Without::Default("\"100MiB\""),
        /// How many messages one poll retrieves at most, or "unlimited". The next poll continues.
        max_messages: CountOr<true> = Without::Default("\"unlimited\""),
        /// How many octets one poll retrieves at most, or "unlimited". The next poll continues.
        max_octets: OctetsOr = Without::Default("\"unlimited\""),
        /// After this many deletes, mailferry quits the session and logs in again, or "off".
        /// Servers delete only when a session ends with QUIT, so a lost connection then repeats
        /// fewer deletes.
        commit_every: CountOr<false> = Without::Default("\"off\""),
        /// Whether commands are sent before earlier replies arrive, if the server announces
        /// PIPELINING.
        pipelining: bool = Without::Default("true"),
        /// What to do when an account has no records. "ask": hold it until you decide, if its
        /// maildrop lists more than 500 messages. "all": retrieve all messages. "skip": mark all
        /// listed messages as seen, however few they are, and retrieve only later ones.
        first_run: Word<FirstRun> = Without::Default("\"ask\""),
    }
}

/// The tables of one account.
pub(in crate::config) struct AccountTables {
    /// `[account.NAME]`
    pub(in crate::config) account: AccountTable,
    /// `[account.NAME.envelope]`
    pub(in crate::config) envelope: Option<At<EnvelopeTable>>,
}

/// One maildrop, and what to do with its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name, the key of its records.
    pub name: AccountName,
    /// Whether it is polled.
    pub enabled: bool,
    /// The server: a name in lower case without trailing dot, or an address without brackets.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsPolicy,
    /// The user name.
    pub user: String,
    /// Where the password is stored.
    pub password: SecretSource,
    /// How to log in.
    pub auth: LoginMethod,
    /// The envelope recipient.
    pub recipient: Recipient,
    /// Who gets a message, if that stands in its header.
    pub envelope: Option<Arc<EnvelopeRules>>,
    /// The envelope sender that its destinations are told, if it is not that of each delivery.
    pub sender: Option<SenderChoice>,
    /// The names of the deliveries that its messages go to, keys of
    /// [`crate::config::Config::deliveries`]; never empty, and each once.
    pub deliveries: Vec<String>,
    /// The name of the delivery that takes what one of those refuses for good, another one.
    pub fallback: Option<String>,
    /// The names of the filters that see its messages first, in this order; keys of
    /// [`crate::config::Config::filters`].
    pub filters: Vec<String>,
    /// What happens on the server after delivery.
    pub retention: Retention,
    /// Which new messages come first.
    pub order: RetrievalOrder,
    /// The time from the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// How much one poll may retrieve.
    pub limits: PollLimits,
    /// QUIT and connect again after this many deletes.
    pub commit_every: Option<u64>,
    /// Whether commands are pipelined, if the server announces PIPELINING.
    pub pipelining: bool,
    /// What to do with a large maildrop that was never polled before.
    pub first_run: FirstRun,
}

impl Account {
    /// The names of its deliveries, and then that of its fallback.
    pub fn destinations(&self) -> impl Iterator<Item = &String> {
        self.deliveries.iter().chain(&self.fallback)
    }
}

/// The account that uses a maildrop, the port, and the place of its header in the files.
type MaildropNames = (AccountName, u16, SourcePlace);

impl Resolver<'_> {
    /// Resolves every account; those with errors are left out.
    pub(in crate::config) fn accounts(
        &mut self,
        tables: BTreeMap<AccountName, At<AccountTables>>,
        defaults: &AccountTable,
        places: (&Deliveries, &FilterTables),
    ) -> BTreeMap<AccountName, Account> {
        let mut accounts = BTreeMap::new();
        let mut maildrops: BTreeMap<(String, String), Vec<MaildropNames>> = BTreeMap::new();
        for (name, At { value, place }) in tables {
            let tables = (value.account.over(defaults), value.envelope);
            let Some(account) = self.account(&name, tables, place, places) else {
                continue;
            };
            if account.enabled {
                let maildrop = (account.host.clone(), account.user.clone());
                let others = maildrops.entry(maildrop).or_default();
                let twin = |(_, port, _): &&MaildropNames| same_server(*port, account.port);
                if let Some((other, _, at)) = others.iter().find(twin) {
                    self.same_maildrop((&name, place), (other, *at));
                }
                others.push((name.clone(), account.port, place));
            }
            accounts.insert(name, account);
        }
        accounts
    }

    /// Reports two accounts with the same maildrop, at the one that comes later in the files.
    fn same_maildrop(
        &mut self,
        one: (&AccountName, SourcePlace),
        other: (&AccountName, SourcePlace),
    ) {
        let (first, second) = if one.1 < other.1 {
            (one, other)
        } else {
            (other, one)
        };
        let complaint = Complaint::SameMaildrop {
            account: second.0.to_string(),
            other: first.0.to_string(),
            first: self.sources[first.1.source].spot(first.1.offset),
        };
        self.complain(second.1, complaint);
    }

    fn account(
        &mut self,
        name: &AccountName,
        (table, envelope): (AccountTable, Option<At<EnvelopeTable>>),
        place: SourcePlace,
        (deliveries, filters): (&Deliveries, &FilterTables),
    ) -> Option<Account> {
        let title = format!("[account.{name}]");
        let header = Header::new(&title, place);
        let enabled = self.need(&header, "enabled", table.enabled);
        let host = self.need(&header, "host", table.host);
        let host = host.map(|host| host.into_string());
        let user = self.need(&header, "user", table.user);
        let password = self.need_at(&header, "password", table.password);
        let mode = self.need_at(&header, "tls", table.tls);
        let allowed = table.allow_cleartext_password;
        let allowed = self.need(&header, "allow_cleartext_password", allowed);
        let auth = self.need(&header, "auth", table.auth);
        let names = self.delivery_names(&header, table.delivery, deliveries);
        let own = names.as_deref().unwrap_or_default();
        let fallback = self.fallback_name(table.fallback, own, deliveries);
        let told = own.iter().chain(fallback.iter().flatten());
        let needed_by = self.recipient_needed_by(told, envelope.as_ref(), deliveries);
        let recipient = self.recipient(&header, name, table.recipient, needed_by);
        let envelope = envelope.map(|envelope| self.envelope(&header, envelope));
        let filters = self.filter_names(table.filter, filters);
        let retention = self.need(&header, "retention", table.retention);
        let order = self.need(&header, "order", table.order);
        let poll_every = self.need_at(&header, "poll_every", table.poll_every);
        let sizes = (table.max_message_size, table.max_messages, table.max_octets);
        let limits = self.poll_limits(&header, sizes);
        let commit_every = self.need(&header, "commit_every", table.commit_every);
        let pipelining = self.need(&header, "pipelining", table.pipelining);
        let first_run = self.need(&header, "first_run", table.first_run);
        let mode = self.tls_mode(mode, allowed);
        let poll_every = self.poll_every(poll_every, host.as_deref());
        let tls = TlsSettings {
            mode: mode.unwrap_or(TlsMode::Implicit),
            ca_file: table.tls_ca_file,
            fingerprint: table.tls_fingerprint,
            server_name: table.tls_server_name,
            client_cert: table.tls_client_cert,
            client_key: table.tls_client_key,
        };
        let tls = self.tls(tls, host.as_deref().unwrap_or_default());
        Some(Account {
            name: name.clone(),
            enabled: enabled?,
            host: host?,
            port: port(table.port, mode?)?,
            tls,
            user: user?.0,
            password: self.secret(password?),
            auth: auth?.0,
            recipient: recipient?,
            envelope: envelope.map_or(Some(None), |rules| rules.map(Arc::new).map(Some))?,
            sender: table.sender.some().map(|given| given.value.0),
            fallback: fallback?,
            deliveries: names?,
            filters: filters?,
            retention: retention?.0,
            order: order?.0,
            poll_every: poll_every?,
            limits: limits?,
            commit_every: commit_every?.0,
            pipelining: pipelining?,
            first_run: first_run?.0,
        })
    }

    /// How much one poll may retrieve.
    fn poll_limits(
        &mut self,
        header: &Header<'_>,
        (message, messages, octets): (Given<Octets>, Given<CountOr<true>>, Given<OctetsOr>),
    ) -> Option<PollLimits> {
        let message = self.need(header, "max_message_size", message);
        let messages = self.need(header, "max_messages", messages);
        let octets = self.need(header, "max_octets", octets);
        Some(PollLimits {
            message_octets_max: message?.0,
            messages_max: messages?.0,
            octets_max: octets?.0,
        })
    }

    /// The mode, if it is allowed.
    fn tls_mode(
        &mut self,
        mode: Option<At<Word<TlsMode>>>,
        allowed: Option<bool>,
    ) -> Option<TlsMode> {
        let mode = mode?;
        if chosen(&mode) == TlsMode::None && allowed == Some(false) {
            let rule = "`tls` = \"none\" sends the password and all mail unencrypted. If that is \
                        what you want, add `allow_cleartext_password = true`; otherwise remove \
                        `tls`";
            self.complain(mode.place, Complaint::Conflict(rule.to_owned()));
        }
        Some(chosen(&mode))
    }

    fn poll_every(&mut self, given: Option<At<Interval>>, host: Option<&str>) -> Option<Duration> {
        let interval = given?;
        if interval.value.duration() < Duration::from_secs(limits::POLL_SECONDS_MIN)
            && host.is_some_and(|host| !is_loopback(host))
        {
            let rule = "`poll_every` must be at least 60s, because providers lock out clients that \
                        log in more often. Only a server on this machine may be polled more often";
            self.complain(interval.place, Complaint::Conflict(rule.to_owned()));
        }
        Some(interval.value.duration())
    }
}

/// The given port, or the usual one; `None` when the given port is invalid.
fn port(given: Given<Port>, mode: TlsMode) -> Option<u16> {
    match given {
        Given::As(port) => Some(port.value.0),
        Given::Badly => None,
        Given::Not if mode == TlsMode::Implicit => Some(LOGIN_PORTS.0),
        Given::Not => Some(LOGIN_PORTS.1),
    }
}

/// Whether two ports of one host have the same maildrops: the two ports of POP3 do. Other ports of
/// one address count as different servers, as with forwarded ports.
fn same_server(one: u16, other: u16) -> bool {
    let login = |port| port == LOGIN_PORTS.0 || port == LOGIN_PORTS.1;
    one == other || (login(one) && login(other))
}

//! Programs that accept messages (MDAs).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::config::delivery::DeliveryKind;
use crate::config::error::Complaint;
use crate::config::resolve::{Header, Resolver};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::SourcePlace;
use crate::config::value::{
    AddedFields, CommandSetting, Count, ExitCodes, Line, Period, SenderSetting, Word,
    no_placeholder,
};
use crate::mail::{ExitClass, LineEnds};

settings! {
    /// `type = "mda"`
    struct MdaTable {
        /// The program (a path, or a name to find in $PATH) and its arguments; no shell is run.
        /// {sender}, {recipient}, {account} and {unique_id} are replaced; the environment has the
        /// same values as $SENDER, $RECIPIENT, $ACCOUNT and $UNIQUE_ID. If the sender is null or no
        /// valid address, {sender} is MAILER-DAEMON (as Postfix passes it to programs) and $SENDER
        /// is empty. If the sender contains a character that is special to a shell, {sender} is
        /// MAILER-DAEMON and $SENDER is the sender.
        command: CommandSetting = Without::Required(
            "[\"/usr/lib/dovecot/dovecot-lda\", \"-e\", \"-oquota_full_tempfail=yes\", \"-f\", \
             \"{sender}\", \"-d\", \"{recipient}\"]",
        ),
        /// The envelope sender that the program is told: "keep", that of the message; "null", none;
        /// or an address. A program that bounces (Sieve's reject) writes to it, and the message's
        /// own is often forged. After "null" nothing bounces, and vacation replies are not sent
        /// either.
        sender: SenderSetting = Without::Default("\"keep\""),
        /// Whether a message counts as delivered without this delivery. If it refuses a message or
        /// is down, that is logged; it is asked again only while another delivery refuses the
        /// message too. An account needs at least one delivery without this.
        best_effort: bool = Without::Default("false"),
        /// Whether to put a Delivered-To field with the recipient on top. A recipient without
        /// domain gets none.
        delivered_to: bool = Without::Otherwise(
            "true; false for a program named sendmail, as its mail server may take it for a loop",
            "true",
        ),
        /// Whether to put a Received field of mailferry on top. Without it, mail that comes back is
        /// only noticed by the fields of other servers.
        received: bool = Without::Default("true"),
        /// Header fields to put on top, above Received, with {account}, {recipient}, {host} (the
        /// POP3 server) and {unique_id}. One with {recipient} is left out where a message has
        /// several.
        add_header: AddedFields = Without::Otherwise(
            "none",
            "{ X-Fetched-From = \"{account}\" }",
        ),
        /// The user that runs the program, when mailferry runs as root.
        user: Line = Without::Otherwise("the user that runs mailferry", "\"vmail\""),
        /// The group that runs the program.
        group: Line = Without::Otherwise("the groups of user", "\"vmail\""),
        /// How long the program may take for one message. After that, it and all its child
        /// processes are ended.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many programs run at the same time. With 1, messages are delivered in order.
        parallel: Count<1, 1_000> = Without::Default("1"),
        /// Line ends on the program's standard input: "lf" or "crlf".
        line_ends: Word<LineEnds> = Without::Default("\"lf\""),
        /// Whether to put a `From ` line (mbox format) before the message.
        from_line: bool = Without::Default("false"),
        /// The meaning of exit codes, where the program differs from sysexits: "accepted",
        /// "transient" (retry later), "permanent" (quarantine), "recipient" (unknown) or
        /// "destination" (nothing can be delivered now).
        /// 64 and 78 stop delivery only when a second message, of another sender if one waits,
        /// gets the same answer. Until then the message is retried later.
        exit_codes: ExitCodes = Without::Otherwise(
            "0 and 99 accepted; 65 66 68 76 77 100 permanent; 67 recipient; 64 78 126 127 \
             destination; else transient",
            "{ \"77\" = \"transient\" }",
        ),
    }
}

/// A mail delivery agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdaConfig {
    /// The program (an absolute path, or a name to find in `PATH`) and its arguments with
    /// `{sender}`, `{recipient}`, `{account}` and `{unique_id}`.
    pub command: Vec<String>,
    /// The user it runs as; mailferry's own if not given.
    pub user: Option<String>,
    /// The group it runs as; the user's if not given.
    pub group: Option<String>,
    /// How long it may take for one message.
    pub timeout: Duration,
    /// How lines end on its standard input.
    pub line_ends: LineEnds,
    /// Whether a `Delivered-To` field goes on top.
    pub delivered_to: bool,
    /// Whether an mbox `From ` line goes before the message.
    pub from_line: bool,
    /// Exit codes with another meaning than usual.
    pub exit_codes: BTreeMap<i32, ExitClass>,
}

impl Resolver<'_> {
    pub(super) fn mda(
        &mut self,
        header: &Header<'_>,
        table: MdaTable,
    ) -> Option<(u64, DeliveryKind)> {
        let command = self.command(header, table.command);
        let timeout = self.need(header, "timeout", table.timeout);
        let parallel = self.need(header, "parallel", table.parallel);
        let line_ends = self.need(header, "line_ends", table.line_ends);
        let from_line = self.need(header, "from_line", table.from_line);
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let command = command?;
        let delivered_to = table.delivered_to.some().map(|given| given.value);
        let mda = MdaConfig {
            delivered_to: delivered_to.unwrap_or_else(|| !is_sendmail(&command)),
            command,
            user: text(table.user),
            group: text(table.group),
            timeout: timeout?.duration(),
            line_ends: line_ends?.0,
            from_line: from_line?,
            exit_codes: table
                .exit_codes
                .some()
                .map(|codes| codes.value.0)
                .unwrap_or_default(),
        };
        Some((parallel?.0, DeliveryKind::Mda(mda)))
    }

    /// A program and its arguments, relative to the folder of the file that names it.
    pub(in crate::config) fn command(
        &mut self,
        header: &Header<'_>,
        given: Given<CommandSetting>,
    ) -> Option<Vec<String>> {
        let command = self.need_at(header, "command", given)?;
        let folder = self.sources[command.place.source].folder();
        let command = command.map(|command| command.within(&folder));
        self.check_command(&command.value, command.place);
        Some(command.value)
    }

    /// Reports unknown placeholders; otherwise the first message would reveal them.
    fn check_command(&mut self, command: &[String], place: SourcePlace) {
        for (i, word) in command
            .iter()
            .enumerate()
            .flat_map(|(i, a)| braced(a).map(move |w| (i, w)))
        {
            let why = if i == 0 {
                "the program's name cannot contain a placeholder; write the name of one program"
                    .to_owned()
            } else if PLACEHOLDERS.contains(&word) {
                continue;
            } else {
                no_placeholder(word, &PLACEHOLDERS)
            };
            let name = "command".to_owned();
            self.complain(place, Complaint::Value { name, why });
        }
    }
}

/// Whether a program hands mail to a mail server.
fn is_sendmail(command: &[String]) -> bool {
    let program = command.first().map(Path::new);
    let name = program.and_then(Path::file_name);
    name.is_some_and(|name| name == "sendmail")
}

/// The lower-case words in braces of an argument, which look like placeholders. Other braces are
/// plain text.
fn braced(argument: &str) -> impl Iterator<Item = &str> {
    argument.split('{').skip(1).filter_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        let wordy = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (wordy && !word.is_empty()).then_some(word)
    })
}

/// The placeholders in the arguments of an MDA.
const PLACEHOLDERS: [&str; 4] = ["sender", "recipient", "account", "unique_id"];

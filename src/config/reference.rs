//! The reference: every setting with its default and its description, generated from the
//! declarations.

use crate::config::account::AccountTable;
use crate::config::delivery::{LmtpTable, MaildirTable, MdaTable, SmtpTable};
use crate::config::envelope::EnvelopeTable;
use crate::config::filter::FilterTable;
use crate::config::setting::{Setting, Table, Without};
use crate::config::top::{LogTable, TopTable};

/// The text of `config/mailferry.toml`.
///
/// Explanations begin with `# `; settings begin with `#` and no blank, so that both can be
/// distinguished. With the settings uncommented, the file is a valid configuration.
pub fn reference() -> String {
    let mut out = String::from(PREFACE);
    settings::<TopTable>(&mut out);
    table(&mut out, "[log]", "The log.");
    settings::<LogTable>(&mut out);
    table(&mut out, "[defaults]", DEFAULTS);
    out.push_str("\n#poll_every = \"5m\"\n#retention = \"keep\"\n#delivery = \"local\"\n");
    table(&mut out, "[delivery.local]", MDA);
    out.push_str("\n#type = \"mda\"\n");
    settings::<MdaTable>(&mut out);
    table(&mut out, "[delivery.mailbox]", LMTP);
    out.push_str("\n#type = \"lmtp\"\n");
    settings::<LmtpTable>(&mut out);
    table(&mut out, "[delivery.relay]", SMTP);
    out.push_str("\n#type = \"smtp\"\n");
    settings::<SmtpTable>(&mut out);
    table(&mut out, "[delivery.folder]", MAILDIR);
    out.push_str("\n#type = \"maildir\"\n");
    settings::<MaildirTable>(&mut out);
    table(&mut out, "[filter.spam]", FILTER);
    settings::<FilterTable>(&mut out);
    table(&mut out, "[account.work]", ACCOUNT);
    settings::<AccountTable>(&mut out);
    table(&mut out, "[account.work.envelope]", ENVELOPE);
    settings::<EnvelopeTable>(&mut out);
    out
}

fn table(out: &mut String, header: &str, about: &str) {
    out.push_str(&format!("\n\n# {}\n", "-".repeat(98)));
    for line in about.lines() {
        out.push_str(&format!("# {line}\n"));
    }
    out.push_str(&format!("#{header}\n"));
}

fn settings<T: Table>(out: &mut String) {
    for setting in T::SETTINGS {
        one(out, setting);
    }
}

fn one(out: &mut String, setting: &Setting) {
    out.push('\n');
    for line in setting.doc {
        out.push_str(&format!("#{line}\n"));
    }
    let shown = match setting.without {
        Without::Required(example) => {
            out.push_str("# Required.\n");
            example
        }
        Without::Default(value) => value,
        Without::Otherwise(default, example) => {
            out.push_str(&format!("# Default: {default}.\n"));
            example
        }
        // As an explanation, so that the file stays valid when all settings are uncommented.
        Without::Others(others, example) => {
            out.push_str(&format!(
                "# Instead of {others}:\n# {} = {example}\n",
                setting.name
            ));
            return;
        }
    };
    out.push_str(&format!("#{} = {shown}\n", setting.name));
}

const PREFACE: &str = "\
# Every setting of mailferry.
#
# Lines that begin with \"# \" are explanations. Lines that begin with \"#\" and no blank are
# settings. They show the default, or an example where the explanation names the default or says
# \"Required\".
# `mailferry generate-reference` prints this file; config/examples has ready configurations.
#
# mailferry reads the file that --config names, else the one that $MAILFERRY_CONFIG names, else
# /etc/mailferry/mailferry.toml as root, or mailferry/mailferry.toml in $XDG_CONFIG_HOME
# (~/.config). It also reads accounts.d/*.toml beside that file, which may contain only
# [account.NAME], [delivery.NAME] and [filter.NAME] tables. `mailferry check` finds errors.
#
# Write times as \"90s\", \"5m\", \"2h\" or \"14d\"; sizes as \"100MiB\", \"25MB\" or a number of
# octets. A relative path is relative to the file that contains it. Unknown settings are errors.
";

const DEFAULTS: &str = "\
The settings that every account starts with: any setting of [account.NAME] below except user and
password. A setting in an account replaces the one here.";

const MDA: &str = "\
The destinations: [delivery.NAME], as many as you like. This one passes each message to a program
(dovecot-lda, maildrop, procmail, a sieve filter ...) on its standard input. For dovecot-lda, -e
makes it refuse mail instead of bouncing it, and -o quota_full_tempfail=yes makes mail for a
mailbox that is over its quota wait; without it, dovecot-lda exits with 77, and that mail goes to
the quarantine.";

const LMTP: &str = "\
A delivery that passes messages to a mail server which stores them: Dovecot, Cyrus, Stalwart.
Prefer it to a program where the server has it: one connection serves many messages, and
the server answers for each recipient by itself.";

const SMTP: &str = "A delivery that sends messages to a mail server (a relay).";

const MAILDIR: &str = "A delivery that writes messages into a Maildir.";

const ENVELOPE: &str = "\
One maildrop with mail for many (multidrop): a field that the provider adds to the header of each
message says who gets it. Without this table all mail goes to recipient of the account. `mailferry
check --message FILE --account NAME` says who would get a message, and why. In such an account, a
recipient that a destination refuses sends the message to the quarantine, and holds nothing else.";

const FILTER: &str = "\
The filters: [filter.NAME], as many as you like. A filter is a program that sees a message before
any delivery does, once for all its recipients, and again with each try. With exit code 0 the
message goes on; 65, 76, 77 and 100 put it into the quarantine; with any other code, after a signal
or the time-out it is tried again later.";

const ACCOUNT: &str = "\
The maildrops: [account.NAME], as many as you like. The records of an account are stored under
NAME: to rename the account, use `mailferry seen rename`, or the account is held (and if its host,
port or user changes too, everything is delivered again). NAME has 1 to 64 of A-Z a-z 0-9 . _ @
+ - and begins with a letter, a digit or _. Quote a name that has a dot, an @ or a +:
[account.\"jane@example.org\"]. The NAME of a delivery has the same form, without +.";

//! The reference: every setting with its default and its description, made from the declarations.

use crate::config::account::AccountTable;
use crate::config::delivery::{MaildirTable, MdaTable, SmtpTable};
use crate::config::setting::{Setting, Table, Without};
use crate::config::top::{LogTable, TopTable};

/// The text of `config/mailferry.toml`.
///
/// Explanations begin with `# `; settings begin with `#` and no blank, so that they can be told
/// apart, and the file is a configuration once the latter are uncommented.
pub fn reference() -> String {
    let mut out = String::from(PREFACE);
    settings::<TopTable>(&mut out);
    table(&mut out, "[log]", "What is logged.");
    settings::<LogTable>(&mut out);
    table(&mut out, "[defaults]", DEFAULTS);
    out.push_str("\n#poll_every = \"5m\"\n#retention = \"keep\"\n#delivery = \"local\"\n");
    table(&mut out, "[delivery.local]", MDA);
    out.push_str("\n#type = \"mda\"\n");
    settings::<MdaTable>(&mut out);
    table(&mut out, "[delivery.relay]", SMTP);
    out.push_str("\n#type = \"smtp\"\n");
    settings::<SmtpTable>(&mut out);
    table(&mut out, "[delivery.folder]", MAILDIR);
    out.push_str("\n#type = \"maildir\"\n");
    settings::<MaildirTable>(&mut out);
    table(&mut out, "[account.work]", ACCOUNT);
    settings::<AccountTable>(&mut out);
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
    };
    out.push_str(&format!("#{} = {shown}\n", setting.name));
}

const PREFACE: &str = "\
# Every setting of mailferry.
#
# Lines that begin with \"# \" explain. Lines that begin with \"#\" and no blank are settings; they show the default, or an
# example where it says what the default or that the setting is required. This file is made by
# `mailferry generate-reference`, and config/examples has ready configurations.
#
# mailferry reads the file named by --config, else by $MAILFERRY_CONFIG, else /etc/mailferry/mailferry.toml when it is
# root, else mailferry/mailferry.toml in $XDG_CONFIG_HOME (~/.config). It also reads accounts.d/*.toml beside that file,
# which may have [account.NAME] and [delivery.NAME] tables and nothing else. `mailferry check` says what is wrong.
#
# Lengths of time are written \"90s\", \"5m\", \"2h\", \"14d\"; sizes \"100MiB\", \"25MB\", or a number of octets. Relative paths
# are relative to the file they stand in. Unknown settings are errors.
";

const DEFAULTS: &str = "\
What every account starts from: any setting of [account.NAME] below, but for user and password. An account's own
setting wins.";

const MDA: &str = "\
Where messages go: [delivery.NAME], as many as you like. This one gives each message to a program (dovecot-lda,
maildrop, procmail, sieve filters ...) on its standard input. dovecot-lda needs -e: it refuses, and never
bounces; and -o quota_full_tempfail=yes: mail for a mailbox that is over its quota waits, instead of exit code 77.";

const SMTP: &str = "A delivery that relays messages to a mail server.";

const MAILDIR: &str = "A delivery that writes messages into a Maildir.";

const ACCOUNT: &str = "\
The maildrops: [account.NAME], as many as you like. NAME is the key of the account's records: rename it with
`mailferry seen rename`, or the account is held (and if its host, port or user changes too, everything is delivered
again). It is 1 to 64 of A-Z a-z 0-9 . _ @ + - and begins with a letter, a digit or _ (quote it in the header when it
has a dot, an @ or a +: [account.\"jane@example.org\"]). The NAME of a delivery is the same, without +.";

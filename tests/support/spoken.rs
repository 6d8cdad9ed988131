//! Events and commands in the words of a script, and the final dot found without the machine under
//! test.

use mailferry::mail::Secret;
use mailferry::proto::pop3::{
    Capabilities, ClientEvent, ClientState, Command, Expire, Kind, ResponseCode,
};
use mailferry::proto::sasl;

/// Finds the final dot without the machine under test: `.` alone on a line. A reply's own lines
/// show which line ends it has, so here any will do.
pub fn ends_in_a_dot(sent: &[u8]) -> bool {
    sent.ends_with(b"\n.\r\n") || sent.ends_with(b"\n.\n")
}

/// An event in the words of a script.
pub fn words(event: &ClientEvent<'_>, capabilities: &Capabilities) -> Vec<u8> {
    let with = |head: String, text: &[u8]| {
        let mut words = head.into_bytes();
        if !text.is_empty() {
            words.push(b' ');
            words.extend_from_slice(text);
        }
        words
    };
    match event {
        ClientEvent::Greeting {
            text,
            timestamp: None,
        } => with("greeting".into(), text),
        ClientEvent::Greeting {
            text,
            timestamp: Some(stamp),
        } => with(format!("greeting apop={stamp}"), text),
        ClientEvent::Rejected { code, text } => {
            with(format!("rejected{}", code_word(code.as_ref())), text)
        }
        ClientEvent::Ok {
            command, number, ..
        } => about("ok", *command, *number).into_bytes(),
        ClientEvent::Err {
            command,
            number,
            code,
            text,
        } => with(
            about("err", *command, *number) + &code_word(code.as_ref()),
            text,
        ),
        ClientEvent::Challenge(None) => b"challenge not base64".to_vec(),
        ClientEvent::Challenge(Some(challenge)) => {
            [b"challenge \"", &challenge[..], b"\""].concat()
        }
        ClientEvent::Capabilities => capability_words(capabilities).into_bytes(),
        ClientEvent::UniqueId { number, unique_id } => {
            with(format!("unique-id {number}"), unique_id)
        }
        ClientEvent::Size { number, octets } => format!("size {number} {octets}").into_bytes(),
        ClientEvent::Malformed { command, line } => {
            with(format!("malformed {}", command.as_str()), line)
        }
        ClientEvent::ListingEnd { command } => format!("listed {}", command.as_str()).into_bytes(),
        ClientEvent::Body { number, octets } => with(format!("body {number}"), octets),
        ClientEvent::BodyEnd { number, .. } => format!("whole {number}").into_bytes(),
    }
}

fn about(what: &str, command: Kind, number: u32) -> String {
    match number {
        0 => format!("{what} {}", command.as_str()),
        _ => format!("{what} {} {number}", command.as_str()),
    }
}

fn code_word(code: Option<&ResponseCode>) -> String {
    let word = match code {
        None => return String::new(),
        Some(ResponseCode::InUse) => "IN-USE",
        Some(ResponseCode::LoginDelay) => "LOGIN-DELAY",
        Some(ResponseCode::SysTemp) => "SYS/TEMP",
        Some(ResponseCode::SysPerm) => "SYS/PERM",
        Some(ResponseCode::Auth) => "AUTH",
        Some(ResponseCode::Other(other)) => return format!(" other-code={other}"),
    };
    format!(" code={word}")
}

fn capability_words(capabilities: &Capabilities) -> String {
    let mut words = vec!["capabilities".to_owned()];
    for (word, there) in [
        ("nothing", !capabilities.announced),
        ("top", capabilities.top),
        ("user", capabilities.user),
        ("uidl", capabilities.uidl),
        ("resp-codes", capabilities.resp_codes),
        ("auth-resp-code", capabilities.auth_resp_code),
        ("pipelining", capabilities.pipelining),
        ("stls", capabilities.stls),
    ] {
        words.extend(there.then(|| word.to_owned()));
    }
    if !capabilities.sasl.is_empty() {
        words.push(format!("sasl={}", capabilities.sasl.join(",")));
    }
    words.extend(
        capabilities
            .login_delay_seconds
            .map(|seconds| format!("login-delay={seconds}")),
    );
    words.extend(capabilities.expire.map(|expire| match expire {
        Expire::Never => "expire=never".to_owned(),
        Expire::Days(days) => format!("expire={days}"),
    }));
    words.join(" ")
}

/// The command for this line.
pub fn command(line: &[u8], state: ClientState) -> Option<Command> {
    if state == ClientState::Authenticating && line != b"QUIT" {
        return Some(match line {
            b"*" => Command::AuthAbort,
            response => Command::AuthResponse(Secret::new(sasl::decode(response)?)),
        });
    }
    let (verb, rest) = match line.iter().position(|octet| *octet == b' ') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    let text = || std::str::from_utf8(rest?).ok();
    let number = || text()?.parse().ok();
    Some(match verb {
        b"USER" => Command::User(text()?.to_owned()),
        b"PASS" => Command::Pass(Secret::new(rest?.to_vec())),
        b"APOP" => {
            let (user, digest) = text()?.rsplit_once(' ')?;
            Command::Apop {
                user: user.to_owned(),
                digest: Secret::new(digest.into()),
            }
        }
        b"AUTH" => auth(text()?)?,
        b"RETR" => Command::Retr(number()?),
        b"DELE" => Command::Dele(number()?),
        b"TOP" => {
            let (number, lines) = text()?.split_once(' ')?;
            Command::Top {
                number: number.parse().ok()?,
                lines: lines.parse().ok()?,
            }
        }
        _ if rest.is_some() => return None,
        b"CAPA" => Command::Capa,
        b"STLS" => Command::Stls,
        b"STAT" => Command::Stat,
        b"UIDL" => Command::Uidl,
        b"LIST" => Command::List,
        b"NOOP" => Command::Noop,
        b"RSET" => Command::Rset,
        b"QUIT" => Command::Quit,
        _ => return None,
    })
}

fn auth(words: &str) -> Option<Command> {
    let (name, initial) = match words.split_once(' ') {
        Some((name, "=")) => (name, Some(Vec::new())),
        Some((name, initial)) => (name, Some(sasl::decode(initial.as_bytes())?)),
        None => (words, None),
    };
    let known = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "EXTERNAL"];
    let mechanism = known.into_iter().find(|known| *known == name)?;
    Some(Command::Auth {
        mechanism,
        initial: initial.map(Secret::new),
    })
}

//! A relay that sends anything: a message counts as accepted only after a positive reply to its
//! final dot.
//!
//! The relay's data is split at octets 1: the first piece is the greeting, each further one the
//! reply to the next line.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use mailferry::mail::{
    AccountName, Envelope, Origin, Recipient, Sender, TlsMode, TlsPolicy, UniqueId,
};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::smtp::{Smtp, SmtpSettings};
use mailferry::sink::{Offer, Outcome, Sink as _};
use mailferry::spool::{Message, Spool};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// Reading the system's roots takes longer than a whole session.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
});

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\nend\r\n";

pub fn hold(octets: &[u8]) {
    let recipients = 1 + octets.len() % 2;
    let mut told = Told::default();
    // Tasks that a connection leaves running end with its runtime.
    let runtime = Builder::new_current_thread().enable_all().build();
    let outcomes = runtime.unwrap().block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::select! {
            biased;
            outcomes = offer(port, recipients) => outcomes,
            () = relay(listener, octets, &mut told) => unreachable!("it listens as long as anyone \
             may call"),
        }
    });
    assert_eq!(outcomes.len(), recipients, "one outcome a recipient");
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted(words) => {
                let answer = told
                    .to_the_dot
                    .as_deref()
                    .expect("a yes to what was not finished");
                assert!(
                    answer
                        .split(|octet| *octet == b'\n')
                        .any(|line| line.first() == Some(&b'2')),
                    "{answer:?}"
                );
                let message = told.message.strip_suffix(b".\r\n").expect("the final dot");
                assert!(
                    message.ends_with(b"Subject: x\r\n\r\n..dot\r\nend\r\n"),
                    "{message:?}"
                );
                can_be_shown(&words);
            }
            Outcome::Refused(refusal) => {
                assert!(!refusal.code.is_empty());
                can_be_shown(&refusal.words);
            }
        }
    }
}

fn can_be_shown(words: &str) {
    assert!(
        !words.chars().any(mailferry::mail::text::is_hostile),
        "{words:?}"
    );
    assert!(words.chars().count() <= 600, "foreign words are cut");
}

async fn offer(port: u16, recipients: usize) -> Vec<Outcome> {
    let smtp = Smtp::new(SmtpSettings {
        reports: mailferry::mail::Reports::Usual,
        host: Ipv4Addr::LOCALHOST.to_string(),
        port,
        tls: TlsMode::None,
        connector: CONNECTOR.clone(),
        login: None,
        helo: "client.test".to_owned(),
        // The relay is never slow: if it sends nothing, it has nothing to send, and silence is no
        // acceptance.
        timeout: Duration::from_millis(250),
        parallel: 1,
    });
    let recipients = ["jane@home.lan", "june@home.lan"]
        .into_iter()
        .take(recipients);
    let envelope = Envelope {
        sender: Sender::from_path(b"s@x"),
        recipients: recipients
            .map(|name| Recipient::new(name).unwrap())
            .collect(),
    };
    let offer = Offer {
        origin: &Origin {
            account: AccountName::new("work").unwrap(),
            unique_id: UniqueId::new(b"1").unwrap(),
        },
        envelope: &envelope,
        trace: "",
        message: &message().await,
    };
    smtp.offer(offer).await
}

async fn message() -> Message {
    let spool = Spool::new(Path::new("/nonexistent"));
    let mut draft = spool.begin(spool.room_for(Some(MESSAGE.len() as u64)));
    draft.write(MESSAGE).await.unwrap();
    draft.finish().await.unwrap()
}

/// What the relay received, and what it sent after the message.
#[derive(Default)]
struct Told {
    message: Vec<u8>,
    to_the_dot: Option<Vec<u8>>,
}

async fn relay(listener: TcpListener, octets: &[u8], told: &mut Told) {
    let mut answers = octets.split(|octet| *octet == 1);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that closes its connection ends only that session.
        let _ = converse(stream, &mut answers, told).await;
    }
}

async fn converse<'o>(
    stream: TcpStream,
    answers: &mut impl Iterator<Item = &'o [u8]>,
    told: &mut Told,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut asked = Vec::new();
    while let Some(answer) = answers.next() {
        stream.write_all(answer).await?;
        if !is_finished(answer) {
            break;
        }
        if asked.eq_ignore_ascii_case(b"DATA\r\n") && answer.starts_with(b"354") {
            told.message = read_message(&mut stream).await?;
            let Some(answer) = answers.next() else { break };
            told.to_the_dot = Some(answer.to_vec());
            stream.write_all(answer).await?;
            if !is_finished(answer) {
                break;
            }
        }
        asked.clear();
        stream.read_until(b'\n', &mut asked).await?;
        // A message without DATA ends the session; so does the end of the client.
        let verb = asked.get(..4).unwrap_or_default().to_ascii_uppercase();
        if ![
            b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"QUIT",
        ]
        .iter()
        .any(|known| verb == **known)
        {
            break;
        }
    }
    // Unread input would turn the close into a reset, which discards what was sent.
    stream.shutdown().await?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map(drop)
}

/// Whether the client has no reason to wait for more of it.
fn is_finished(answer: &[u8]) -> bool {
    let Some(lines) = answer.strip_suffix(b"\r\n") else {
        return false;
    };
    let last = lines
        .rsplit(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    last.len() >= 3
        && last[..3].iter().all(u8::is_ascii_digit)
        && last.get(3).is_none_or(|octet| *octet == b' ')
}

/// Everything up to the final dot.
async fn read_message(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    while !message.ends_with(b"\r\n.\r\n") && message != b".\r\n" {
        if stream.read_until(b'\n', &mut message).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(message)
}

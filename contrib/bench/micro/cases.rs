//! The hot pieces with fixed inputs: what `cargo bench` times and `contrib/bench/instructions` counts.
#![allow(dead_code)]

use std::error::Error;

use mailferry::mail::{
    AccountName, Digest, Listing, ListingBuilder, PollLimits, Retention, RetrievalOrder, Secret,
    Timestamp, UniqueId,
};
use mailferry::proto::pop3::{Client, ClientEvent, Command};
use mailferry::seen::{Batch, Change, Record, RecordKey, Records, State};
use mailferry::session::judge::disposition::Circumstances;
use mailferry::session::judge::plan::plan;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a socket read of ours brings at most at once.
const READ_OCTETS: usize = 64 * 1024;
const NOW: Timestamp = Timestamp(1_800_000_000);

/// A server's octets: a greeting, a login, and one message of about this many octets with a stuffed dot every 17 lines.
pub fn stream(octets: usize) -> Vec<u8> {
    let mut stream = b"+OK ready\r\n+OK\r\n+OK\r\n+OK follows\r\n".to_vec();
    for line in 0.. {
        if stream.len() >= octets {
            break;
        }
        if line % 17 == 0 {
            stream.extend_from_slice(b"..");
        }
        let width = line * 31 % 76;
        stream.extend(std::iter::repeat_n(b'a', width));
        stream.extend_from_slice(b"\r\n");
    }
    stream.extend_from_slice(b".\r\n");
    stream
}

/// Receives that message as a session does: octets of the body, without the dots of the wire.
pub fn unstuff(stream: &[u8]) -> Outcome<usize> {
    let mut client = Client::new();
    let commands = [
        Command::User("jane".to_owned()),
        Command::Pass(Secret::new(b"secret".to_vec())),
        Command::Retr(1),
    ];
    let mut commands = commands.iter();
    let mut octets = 0;
    for mut input in stream.chunks(READ_OCTETS) {
        while let Some(event) = client.next(&mut input)? {
            match event {
                ClientEvent::Body { octets: body, .. } => octets += body.len(),
                ClientEvent::Greeting { .. } | ClientEvent::Ok { .. } => {
                    if let Some(command) = commands.next() {
                        client.send(command)?;
                        client.output().clear();
                    }
                }
                _ => {}
            }
        }
    }
    Ok(octets)
}

fn unique_id(number: u32) -> Outcome<UniqueId> {
    Ok(UniqueId::new(format!("{number:08x}6b0a5f26").as_bytes())?)
}

fn octets_of(number: u32) -> u64 {
    2000 + u64::from(number * 7 % 4000)
}

/// A maildrop of so many messages, as UIDL and LIST show it.
pub fn listing(count: u32) -> Outcome<Listing> {
    let mut builder = ListingBuilder::default();
    for number in 1..=count {
        builder.add_sized(number, &unique_id(number)?, octets_of(number));
    }
    builder.arrange();
    Ok(builder.build(true))
}

fn account() -> Outcome<AccountName> {
    Ok(AccountName::new("work")?)
}

fn record(number: u32) -> Record {
    Record::new(Some(octets_of(number)), State::Delivered { at: NOW })
}

fn digest(number: u32) -> Option<Digest> {
    Digest::from_hex(&format!("{number:064x}"))
}

/// Records of all of them but the newest hundredth.
pub fn records(count: u32) -> Outcome<Records> {
    let mut records = Records::begin(&account()?);
    for number in 1..=count - count / 100 {
        records.push(&unique_id(number)?, digest(number), record(number));
    }
    Ok(records)
}

/// How many of them are to be retrieved.
pub fn planned(listing: &Listing, records: &Records) -> usize {
    let limits = PollLimits {
        message_octets_max: 100 << 20,
        messages_max: None,
        octets_max: None,
    };
    let circumstances = Circumstances {
        retention: Retention::Keep,
        order: RetrievalOrder::Oldest,
        limits,
        comparing: limits,
        now: NOW,
        clock_trusted: true,
        pops: false,
        names: mailferry::session::judge::disposition::Names::default(),
        leaves_out_struck: false,
        retry_first: false,
    };
    plan(listing, records, &circumstances).retrievals.len()
}

/// What a group commit of so many deliveries writes.
pub fn batch(first: u32, count: u32) -> Outcome<Batch> {
    let mut batch = Batch::new(&account()?);
    for number in first..first + count {
        let key = RecordKey::new(unique_id(number)?, digest(number));
        batch.changes.push(Change::Put(key, record(number)));
    }
    Ok(batch)
}

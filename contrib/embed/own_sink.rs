//! An agent with a destination of its own, which prints the subject of each message.
//!
//!     cargo run --example own_sink
//!
//! The configuration is mailferry's, in the usual place, with
//!
//!     [delivery.subjects]
//!     type = "own"

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::config::Environment;
use mailferry::net::SystemRoots;
use mailferry::operator::{Failure, Operator, Process, Setup};
use mailferry::sink::{Fault, Offer, Outcome, Refusal, Sink};
use mailferry::telemetry::Reporter;

struct Subjects;

impl Sink for Subjects {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let outcome = match offer.message.head(64 * 1024) {
                Ok(head) => {
                    let head = String::from_utf8_lossy(&head);
                    let mut lines = head.lines().take_while(|line| !line.is_empty());
                    let subject = lines.find(|line| line.starts_with("Subject:"));
                    println!("{:?}", subject.unwrap_or("no subject"));
                    Outcome::Accepted("printed".to_owned())
                }
                // It is offered again later.
                Err(error) => Outcome::Refused(Refusal::new(
                    Fault::MessageTransient,
                    "not_read",
                    error.to_string(),
                )),
            };
            vec![outcome; offer.envelope.recipients.len()]
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let process = Process {
        environment: Environment::current(),
        roots: SystemRoots::find(),
        helper: None,
    };
    let operator = Operator::new(Setup::read(None, process)?, Reporter::log(), |_| ());
    let operator = operator.with_sink("subjects", Arc::new(Subjects));
    operator.run().await
}

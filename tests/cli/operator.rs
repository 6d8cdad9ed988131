//! Requests and responses as values, without a command line.

use std::fmt::Debug;
use std::time::Duration;

use mailferry::config::Environment;
use mailferry::mail::{
    AccountName, Digest, LoginMethod, Retention, RetrievalOrder, Timestamp, TlsMode, UniqueId,
};
use mailferry::net::SystemRoots;
use mailferry::operator::{
    Answer, Changes, Checked, CheckedAccount, CheckedDelivery, CheckedDestination, CheckedEnvelope,
    CheckedFilter, CheckedKind, CheckedMessage, CheckedPassword, CheckedServer, Copies, DryRun,
    DryRunCounts, DryRunFate, DryRunMessage, Exit, Failure, MessageFate, Operator, PollCounts,
    PollFailure, PollReport, PollRequest, PollWaiting, Process, QuarantineCopy, QuarantineRequest,
    QuarantineResponse, RecordState, Request, Response, RetryOutcome, SeenRecord, SeenRequest,
    SeenResponse, Setup, Which,
};
use mailferry::telemetry::Reporter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::place::Place;

fn work() -> AccountName {
    AccountName::new("work").unwrap()
}

fn id(id: &str) -> UniqueId {
    UniqueId::new(id.as_bytes()).unwrap()
}

fn ids(count: usize) -> Vec<UniqueId> {
    (0..count).map(|n| id(&format!("{n:06}"))).collect()
}

fn place() -> Place {
    Place::with(
        "state_dir = \"{here}/state\"\n\
         [delivery.local]\ntype = \"maildir\"\npath = \"{here}/out\"\n\
         [account.work]\nhost = \"127.0.0.1\"\nuser = \"jane\"\npassword = \"x\"\n",
    )
}

fn operator(place: &Place) -> Operator {
    let process = Process {
        environment: Environment::new([], false),
        roots: SystemRoots::find(),
        helper: None,
    };
    let setup = Setup::read(Some(&place.path("mailferry.toml")), process).unwrap();
    Operator::new(setup, Reporter::log(), |_| ())
}

/// All responses.
async fn answers(operator: &Operator, request: Request) -> Result<Vec<Response>, Failure> {
    let (answer, mut responses) = Answer::new();
    let asked = async {
        let answer = answer;
        operator.answer(request, &answer).await
    };
    let heard = async {
        let mut heard = Vec::new();
        while let Some(response) = responses.recv().await {
            heard.push(response);
        }
        heard
    };
    let (asked, heard) = tokio::join!(asked, heard);
    asked.map(|()| heard)
}

fn mark(unique_ids: Vec<UniqueId>) -> Request {
    Request::Seen(SeenRequest::Mark {
        account: work(),
        unique_ids,
        as_delivered: false,
        force: true,
    })
}

fn list() -> Request {
    Request::Seen(SeenRequest::List { account: work() })
}

#[tokio::test]
async fn marks_can_be_listed_exported_and_forgotten() {
    let place = place();
    let operator = operator(&place);
    let marked = answers(&operator, mark(ids(2))).await.unwrap();
    let counts = Changes {
        changed: 2,
        left: 0,
    };
    assert_eq!(marked, [Response::Seen(SeenResponse::Marked(counts))]);
    let listed = answers(&operator, list()).await.unwrap();
    let [Response::Seen(SeenResponse::Record(first)), _] = &listed[..] else {
        unreachable!("two records are not {listed:?}")
    };
    assert_eq!(first.unique_id, id("000000"));
    assert!(matches!(&first.state, RecordState::Marked { by, .. } if by == "operator"));
    let export = Request::Seen(SeenRequest::Export { account: None });
    let lines = answers(&operator, export).await.unwrap();
    assert_eq!(
        lines[0],
        Response::Seen(SeenResponse::Exported("mailferry seen export 1".into()))
    );
    let forget = Request::Seen(SeenRequest::Forget {
        account: work(),
        which: Which::These(ids(1)),
        force: false,
    });
    let forgotten = answers(&operator, forget).await.unwrap();
    assert_eq!(
        forgotten,
        [Response::Seen(SeenResponse::Forgotten { records: 1 })]
    );
    operator.close().await.unwrap();
}

#[tokio::test]
async fn the_state_directory_is_opened_once_and_given_back_by_close() {
    let place = place();
    let (first, second) = (operator(&place), operator(&place));
    for _ in 0..2 {
        answers(&first, mark(ids(1))).await.unwrap();
    }
    let refused = answers(&second, list()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::TempFail);
    assert!(
        matches!(&refused, Failure::Said { code, .. } if code == "store_in_use"),
        "{refused}"
    );
    first.close().await.unwrap();
    assert_eq!(answers(&second, list()).await.unwrap().len(), 1);
    second.close().await.unwrap();
}

#[tokio::test]
async fn a_request_that_only_looks_makes_no_state_directory() {
    let place = place();
    let operator = operator(&place);
    let refused = answers(&operator, list()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Config);
    let copies = QuarantineRequest::List { account: None };
    let copies = answers(&operator, Request::Quarantine(copies)).await;
    assert_eq!(copies.unwrap(), []);
    answers(&operator, Request::Check).await.unwrap();
    let reference = answers(&operator, Request::Reference).await;
    assert_eq!(reference.unwrap(), [Operator::reference()]);
    assert!(!place.path("state").exists());
}

#[tokio::test]
async fn an_answer_waits_for_its_receiver_and_ends_when_the_receiver_is_gone() {
    let place = place();
    let operator = operator(&place);
    answers(&operator, mark(ids(500))).await.unwrap();
    let (answer, mut responses) = Answer::new();
    let asked = operator.answer(list(), &answer);
    let heard = async {
        assert!(responses.recv().await.is_some());
        tokio::task::yield_now().await;
        assert!(responses.len() < 100, "{} wait", responses.len());
        drop(responses);
    };
    let (asked, ()) = tokio::join!(asked, heard);
    assert_eq!(asked.unwrap_err(), Failure::Unheard);
    operator.close().await.unwrap();
}

#[tokio::test]
async fn the_findings_of_check_are_a_value() {
    let place = place();
    let parts = answers(&operator(&place), Request::Check).await.unwrap();
    let [
        Response::Checked(Checked::Whole {
            state_dir_exists: false,
            ..
        }),
        Response::Checked(Checked::Account(account)),
        Response::Checked(Checked::Delivery(_)),
        Response::Checked(Checked::Findings { problems, .. }),
    ] = &parts[..]
    else {
        unreachable!("{parts:?}")
    };
    assert_eq!(account.retention, Retention::Keep);
    assert!(account.password.can_be_read);
    assert_eq!(*problems, Vec::<String>::new());
    let worst = parts.iter().map(Response::exit).max();
    assert_eq!(worst, Some(Exit::Done));
}

/// Converts a value to text and back.
fn carried<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    #[derive(Serialize, Deserialize)]
    struct Message<V> {
        value: V,
    }
    let text = toml::to_string(&Message { value: &value }).unwrap();
    let back: Message<T> = toml::from_str(&text).unwrap();
    assert_eq!(back.value, value, "{text}");
}

#[test]
fn every_request_can_be_carried_as_text() {
    let account = work();
    for request in [
        SeenRequest::List {
            account: account.clone(),
        },
        SeenRequest::Forget {
            account: account.clone(),
            which: Which::These(vec![id("a b"), UniqueId::new(b"\xE4%").unwrap()]),
            force: true,
        },
        SeenRequest::MarkListed {
            account: account.clone(),
            as_delivered: true,
        },
        SeenRequest::Adopt {
            account: account.clone(),
            as_delivered: false,
            rest_is_new: true,
        },
        SeenRequest::Export { account: None },
        SeenRequest::Import {
            text: "line 1\nline 2\n".into(),
            as_delivered: true,
        },
        SeenRequest::Rename {
            old: account.clone(),
            new: account.clone(),
        },
        SeenRequest::SameMaildrop {
            account: account.clone(),
        },
        SeenRequest::SameMaildropsOf {
            host: "pop.example.org".into(),
        },
    ] {
        carried(Request::Seen(request));
    }
    for request in [
        QuarantineRequest::List {
            account: Some(account.clone()),
        },
        QuarantineRequest::Show { file: "f".into() },
        QuarantineRequest::Retry {
            copies: Copies::OfAccount(account.clone()),
            unfiltered: false,
        },
        QuarantineRequest::Retry {
            copies: Copies::All,
            unfiltered: true,
        },
        QuarantineRequest::Drop {
            file: "f".into(),
            delete: true,
            even_last: false,
        },
    ] {
        carried(Request::Quarantine(request));
    }
    carried(mark(ids(3)));
    carried(Request::Poll(PollRequest::Due));
    let accounts = vec![account];
    carried(Request::Poll(PollRequest::DryRun {
        accounts: accounts.clone(),
    }));
    carried(Request::Poll(PollRequest::Now { accounts }));
    carried(Request::CheckMessage {
        account: work(),
        head: vec![b'x', 0, 255],
        octets: 3,
    });
    carried(Request::Check);
    carried(Request::Reference);
}

#[test]
fn every_response_can_be_carried_as_text() {
    for state in [
        RecordState::Delivered { at: Timestamp(1) },
        RecordState::Marked {
            at: Timestamp(2),
            by: "operator".into(),
        },
        RecordState::Oversized {
            at: Timestamp(3),
            octets: 1,
        },
        RecordState::Quarantined {
            at: Timestamp(4),
            code: "mda_refused".into(),
            file: "f".into(),
        },
        RecordState::Deferred {
            code: "mda_tempfail".into(),
            tries: 1,
            strikes: 2,
            next_try: Timestamp(5),
        },
    ] {
        carried(Response::Seen(SeenResponse::Record(SeenRecord {
            unique_id: id("a%b c"),
            state,
            octets: None,
            copies: 2,
            absent_since: Some(Timestamp(6)),
            digest: Some(Digest::new([7; 32])),
        })));
    }
    carried(Operator::reference());
    carried(Response::Quarantine(QuarantineResponse::Octets(vec![
        0, 10, 255,
    ])));
    carried(Response::Quarantine(QuarantineResponse::Retried {
        file: "f".into(),
        outcome: RetryOutcome::NoRecord,
    }));
    carried(Response::Quarantine(QuarantineResponse::Copy(
        QuarantineCopy {
            file: "f".into(),
            account: work(),
            unique_id: id("1"),
            octets: 3,
            at: Timestamp(1),
            code: "mda_refused".into(),
            sender: String::new(),
            recipients: vec!["jane@home.lan".into()],
            words: "no".into(),
        },
    )));
    for fate in [
        MessageFate::Offered {
            recipients: vec!["jane@home.lan".into()],
            is_matched: true,
        },
        MessageFate::NoRecipient,
        MessageFate::Loops(51),
        MessageFate::TooLarge(1),
    ] {
        carried(Response::MessageChecked(Box::new(CheckedMessage {
            account: work(),
            octets: 3,
            sender: String::new(),
            fate,
            looked_at: Some(vec!["X-Original-To".into()]),
            filters: vec!["spam".into()],
            destinations: Vec::new(),
            fallback: None,
        })));
    }
    for fate in [DryRunFate::New, DryRunFate::LimitReached] {
        carried(Response::Foreseen(DryRun::Message(DryRunMessage {
            account: work(),
            number: 1,
            unique_id: Some(id("a b")),
            octets: None,
            fate,
            next_try: Some(Timestamp(7)),
            then_deleted: true,
        })));
    }
    carried(Response::Foreseen(DryRun::Account(DryRunCounts {
        account: work(),
        listed: 3,
        retrieved: 2,
        octets: 9,
        deleted: 1,
        without_unique_id: 0,
        filters: vec!["spam".into()],
        deliveries: vec!["box".into()],
        fallback: Some("folder".into()),
        recipient: None,
        failure: None,
    })));
    carried(Response::Polled(PollReport {
        account: work(),
        counts: PollCounts::default(),
        failure: Some(PollFailure {
            who: "server".into(),
            code: "connect".into(),
            words: "no".into(),
            exit: Exit::TempFail,
        }),
        stopped: false,
        undeleted_why: Some("the server ignores deletes".into()),
        waiting: PollWaiting::default(),
        duration: Duration::from_millis(1500),
    }));
    carried(Failure::said(Exit::Usage, "no_account", "there is none"));
    carried(Failure::Configuration(vec!["one".into(), "two".into()]));
}

#[test]
fn every_part_of_a_check_can_be_carried_as_text() {
    let server = || CheckedServer {
        host: "pop.example.org".into(),
        port: 995,
        tls: TlsMode::StartTls,
        is_pinned: true,
        certificate_name: "example.org".into(),
    };
    let password = || CheckedPassword {
        source: "the configuration file".into(),
        can_be_read: true,
    };
    carried(Response::Checked(Checked::Account(Box::new(
        CheckedAccount {
            name: work(),
            enabled: true,
            server: server(),
            user: "jane".into(),
            login: LoginMethod::UserPass,
            password: password(),
            destinations: vec![CheckedDestination {
                name: "local".into(),
                sender: "null".into(),
                best_effort: true,
            }],
            fallback: None,
            envelope: Some(CheckedEnvelope {
                fields: vec!["X-Original-To".into()],
                trusted: vec!["mx.example.org".into()],
                map_lines: Some(2),
                quarantines: true,
            }),
            filters: vec!["spam".into()],
            recipient: "jane@home.lan".into(),
            retention: Retention::after(60),
            order: RetrievalOrder::SmallFirst,
            poll_every: Duration::from_secs(300),
            message_octets_max: 1,
            messages_max: None,
            octets_max: Some(2),
            commit_every: None,
        },
    ))));
    carried(Response::Checked(Checked::Filter(CheckedFilter {
        name: "spam".into(),
        command: vec!["rspamc".into(), "--mime".into()],
        user: None,
        timeout: Duration::from_secs(300),
        parallel: 1,
        replaces: true,
    })));
    carried(Response::Checked(Checked::Delivery(CheckedDelivery {
        name: "relay".into(),
        kind: CheckedKind::Smtp {
            server: server(),
            login: Some(("jane".into(), password())),
        },
        parallel: 1,
    })));
}

//! Names of certificates, and the first messages of a handshake.

use mailferry::mail::TlsPolicy;
use mailferry::net::{Connector, IoStream, NetError, Roots, SystemRoots};
use tokio::io::{AsyncReadExt, DuplexStream};

use crate::support::certificates::{Certificates, Pair};

/// Trusts only the authority of the test.
fn connector(certificates: &Certificates) -> Connector {
    let policy = TlsPolicy {
        ca_file: Some(certificates.authority()),
        ..TlsPolicy::default()
    };
    Connector::new(&policy, &Roots::new(SystemRoots::find())).unwrap()
}

/// A server with this certificate starts TLS on the connection.
async fn accept(pair: Pair, stream: DuplexStream) {
    let read = |path| std::fs::read(path).unwrap();
    let identity =
        native_tls::Identity::from_pkcs8(&read(&pair.certificate), &read(&pair.key)).unwrap();
    let acceptor = native_tls::TlsAcceptor::new(identity).unwrap();
    // The client may refuse the certificate; the client's error shows that.
    let _ = async_native_tls::TlsAcceptor::from(acceptor)
        .accept(stream)
        .await;
}

async fn reach(connector: &Connector, pair: &Pair, host: &str) -> Result<(), NetError> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(accept(pair.clone(), far));
    let reached = connector.connect(host, Box::new(near)).await.map(drop);
    server.await.unwrap();
    reached
}

#[tokio::test]
async fn a_certificate_counts_for_the_host_that_was_configured_and_for_no_other() {
    let certificates = Certificates::new();
    let connector = connector(&certificates);
    for (at, (names, good, bad)) in [
        (
            "DNS:pop.example.org",
            &["pop.example.org", "POP.Example.ORG", "pop.example.org."][..],
            &[
                "example.org",
                "a.pop.example.org",
                "pop.example.com",
                "192.0.2.7",
            ][..],
        ),
        (
            "DNS:*.example.org",
            &["pop.example.org"],
            &["example.org", "a.pop.example.org", "*.example.com"],
        ),
        ("DNS:pop.*.org", &[], &["pop.example.org"]),
        ("DNS:p*.example.org", &[], &["pop.example.org"]),
        ("DNS:*", &[], &["org", "pop.example.org"]),
        (
            "DNS:xn--bcher-kva.example",
            &["xn--bcher-kva.example"],
            &["bcher.example"],
        ),
        (
            "IP:192.0.2.7",
            &["192.0.2.7"],
            &["192.0.2.8", "[2001:db8::7]"],
        ),
        (
            "IP:2001:db8::7",
            &["[2001:db8::7]", "2001:db8:0::7"],
            &["[2001:db8::8]"],
        ),
        ("DNS:192.0.2.7", &[], &["192.0.2.7"]),
    ]
    .into_iter()
    .enumerate()
    {
        let pair = certificates.signed(&format!("pair{at}"), names, 30);
        for host in good {
            let reached = reach(&connector, &pair, host).await;
            assert!(reached.is_ok(), "{names} for {host}: {reached:?}");
        }
        for host in bad {
            let code = reach(&connector, &pair, host)
                .await
                .err()
                .map(|error| error.code());
            assert_eq!(code, Some("tls_name_mismatch"), "{names} for {host}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_reported_with_its_names() {
    let certificates = Certificates::new();
    let connector = connector(&certificates);
    let many: Vec<String> = (0..200)
        .map(|at| format!("DNS:h{at}.example.org"))
        .collect();
    for (at, (names, said)) in [
        (
            "DNS:pop.example.org,IP:192.0.2.7",
            "; it is for pop.example.org, 192.0.2.7.",
        ),
        (
            "DNS:*.example.org,IP:2001:db8::7",
            "; it is for *.example.org, 2001:db8::7.",
        ),
        (&many.join(","), "h7.example.org and more."),
    ]
    .into_iter()
    .enumerate()
    {
        let pair = certificates.signed(&format!("named{at}"), names, 30);
        let error = reach(&connector, &pair, "other.example").await.unwrap_err();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = tokio::spawn(accept(pair.clone(), far));
        let again = async { Some(Box::new(near) as Box<dyn IoStream>) };
        let error = connector.name_them("other.example", error, again).await;
        server.await.unwrap();
        assert_eq!(error.code(), "tls_name_mismatch");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().len() < 1500, "{error}");
    }
}

/// If no second connection is possible, the first error stays unchanged; and no other error opens
/// one.
#[tokio::test]
async fn an_error_that_no_second_look_can_name_stays_as_it_is() {
    let certificates = Certificates::new();
    let connector = connector(&certificates);
    let pair = certificates.signed("server", "DNS:pop.example.org", 30);
    let error = reach(&connector, &pair, "other.example").await.unwrap_err();
    let before = error.to_string();
    let error = connector.name_them("h", error, async { None }).await;
    assert_eq!(error.to_string(), before);
    let alone = certificates.self_signed("alone", "DNS:pop.example.org");
    let error = reach(&connector, &alone, "pop.example.org")
        .await
        .unwrap_err();
    let again = async { panic!("a certificate that no authority signed is not looked at again") };
    let error = connector.name_them("h", error, again).await;
    assert_eq!(error.code(), "tls_certificate");
}

/// Holds CVE-2011-3389.
#[tokio::test]
async fn the_handshake_names_the_host_and_offers_nothing_older_than_tls_1_2() {
    let connector = connector(&Certificates::new());
    for (host, named) in [("pop.example.org", true), ("192.0.2.7", false)] {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let client = connector.clone();
        let client =
            tokio::spawn(async move { client.connect(host, Box::new(near)).await.map(drop) });
        let hello = record(&mut far).await;
        drop(far);
        assert!(client.await.unwrap().is_err());
        let extensions = extensions(&hello);
        let of = |kind: u16| {
            extensions
                .iter()
                .find(|(found, _)| *found == kind)
                .map(|(_, octets)| octets.clone())
        };
        let versions = of(SUPPORTED_VERSIONS).expect("TLS 1.3 is offered");
        let versions: Vec<&[u8]> = versions[1..].chunks(2).collect();
        assert_eq!(versions, [[3, 4], [3, 3]], "TLS 1.3 and TLS 1.2");
        let name = of(SERVER_NAME).map(|octets| octets[5..].to_vec());
        assert_eq!(
            name,
            named.then(|| host.as_bytes().to_vec()),
            "RFC 6066 section 3: names, and no addresses"
        );
    }
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;

/// The body of the first record.
async fn record(stream: &mut DuplexStream) -> Vec<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).await.unwrap();
    body
}

/// The extensions of a ClientHello (RFC 8446 section 4.1.2).
fn extensions(hello: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let long = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    // Type and length, version, random; then session, ciphers and compressions, each with its
    // length.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + long(at);
    at += 1 + usize::from(hello[at]);
    let end = at + 2 + long(at);
    at += 2;
    let mut found = Vec::new();
    while at < end {
        let octets = hello[at + 4..at + 4 + long(at + 2)].to_vec();
        found.push((u16::try_from(long(at)).unwrap(), octets));
        at += 4 + long(at + 2);
    }
    found
}

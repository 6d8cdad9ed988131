//! What one TLS connection costs, in CPU and memory: async-native-tls as it comes, with a fresh connector each time, against
//! `mailferry::net`. `cargo run --release --example tls_cost [CONNECTIONS]`; it ends with 1 when the goal is missed.
//!
//! One process serves on loopback; each way is measured in a process of its own, so that neither the server's work nor what
//! another way left in the allocator counts. All trust the same: the system's roots and an authority made for this run.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use mailferry::mail::TlsPolicy;
use mailferry::net::{Connector, Roots, SystemRoots, Wire, dial};

#[allow(clippy::unwrap_used, clippy::panic, dead_code)]
#[path = "../../tests/support/certificates.rs"]
mod certificates;

use certificates::{Certificates, Pair};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["measure", way, port, connections] => {
            let (way, port, connections) = (Way::named(way)?, port.parse()?, connections.parse()?);
            let (octets_and_ticks, first) = measure(way, port, connections)?;
            println!("{} {} {first}", octets_and_ticks.0, octets_and_ticks.1);
            Ok(ExitCode::SUCCESS)
        }
        [] => compare(CONNECTIONS),
        [connections] => compare(connections.parse()?),
        _ => Err("usage: tls_cost [CONNECTIONS]".into()),
    }
}

/// How a connection is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A connector for each, as the documentation of async-native-tls shows it.
    Naive,
    /// As `src/main.rs` and `src/net` do it.
    Ours,
    /// The same, with the greeting read, and so with the buffer of a session.
    OursReading,
}

impl Way {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Naive, "naive"),
        (Self::Ours, "ours"),
        (Self::OursReading, "ours-reading"),
    ];

    fn named(name: &str) -> Outcome<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        Ok(found.ok_or("no such way")?.0)
    }
}

/// What one connection cost.
struct Cost {
    cpu_ms: f64,
    memory_kb: f64,
    /// CPU of the first connection, which reads the roots.
    first_ms: f64,
}

fn compare(connections: usize) -> Outcome<ExitCode> {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "IP:127.0.0.1", 2);
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("roots.pem");
    let roots = write_bundle(&bundle, &certificates.authority())?;
    let port = serve(&pair)?;
    println!("{connections} connections each, kept open; {roots} trusted roots");
    println!(
        "{:14} {:>9} {:>12} {:>10}",
        "", "CPU ms", "memory kB", "first ms"
    );
    let mut costs = Vec::new();
    for (_, name) in Way::ALL {
        let cost = measured(name, port, connections, &bundle)?;
        println!(
            "{name:14} {:9.2} {:12.1} {:10.0}",
            cost.cpu_ms, cost.memory_kb, cost.first_ms
        );
        costs.push(cost);
    }
    let [naive, ours, _] = &*costs else {
        return Err("a way was not measured".into());
    };
    println!(
        "naive costs {:.0} times the CPU and {:.0} times the memory",
        naive.cpu_ms / ours.cpu_ms,
        naive.memory_kb / ours.memory_kb
    );
    let met = ours.cpu_ms <= CPU_MS_MAX && ours.memory_kb <= MEMORY_KB_MAX;
    let verdict = if met { "met" } else { "missed" };
    println!("goal of at most {CPU_MS_MAX} ms and {MEMORY_KB_MAX} kB: {verdict}");
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The system's roots and one more in one file. Answers with how many there are.
fn write_bundle(path: &Path, authority: &Path) -> Outcome<usize> {
    let system = openssl_probe::probe().cert_file;
    let system = system.ok_or("this system has no bundle of roots: install ca-certificates")?;
    let mut bundle = std::fs::read(system)?;
    bundle.extend(std::fs::read(authority)?);
    std::fs::write(path, &bundle)?;
    Ok(native_tls::Certificate::stack_from_pem(&bundle)?.len())
}

/// Greets everybody over TLS and keeps all connections until the program ends.
fn serve(pair: &Pair) -> Outcome<u16> {
    let (chain, key) = (std::fs::read(&pair.certificate)?, std::fs::read(&pair.key)?);
    let identity = native_tls::Identity::from_pkcs8(&chain, &key)?;
    let acceptor = native_tls::TlsAcceptor::new(identity)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            // Whoever fails here fails at the other end, too, and says so there.
            if let Ok(mut stream) = acceptor.accept(stream) {
                let _ = stream.write_all(b"+OK ready\r\n");
                open.push(stream);
            }
        }
    });
    Ok(port)
}

/// Has another process measure one way.
fn measured(way: &str, port: u16, connections: usize, bundle: &Path) -> Outcome<Cost> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", way, &port.to_string(), &connections.to_string()])
        .env("SSL_CERT_FILE", bundle)
        .env_remove("SSL_CERT_DIR")
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{way}: {said}").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [memory_kb, ticks, first] = *numbers else {
        return Err(format!("{way} said: {text}").into());
    };
    let each = connections as f64;
    Ok(Cost {
        cpu_ms: ticks * TICK_MS / each,
        memory_kb: memory_kb / each,
        first_ms: first * TICK_MS,
    })
}

/// Opens the connections and says what they cost together: kB, clock ticks, and the ticks of one more before them.
fn measure(way: Way, port: u16, connections: usize) -> Outcome<((u64, u64), u64)> {
    // What main.rs does: the roots are found, and then OpenSSL finds nothing to read for each connection.
    let roots = SystemRoots::find();
    if way != Way::Naive {
        for (name, value) in SystemRoots::REDIRECTED {
            // SAFETY: no other thread has been started yet.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var(name, value);
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = async {
        let before = cpu_ticks()?;
        let connector = match way {
            Way::Naive => None,
            Way::Ours | Way::OursReading => {
                let policy = TlsPolicy::default();
                Some(Connector::new(&policy, &Roots::new(roots))?)
            }
        };
        let reads = way == Way::OursReading;
        let mut open = vec![connect(connector.as_ref(), reads, port).await?];
        let (ticks, memory) = (cpu_ticks()?, memory_kb()?);
        for _ in 0..connections {
            open.push(connect(connector.as_ref(), reads, port).await?);
        }
        let cost = (memory_kb()?.saturating_sub(memory), cpu_ticks()? - ticks);
        drop(open);
        Ok((cost, ticks - before))
    };
    let limit = Duration::from_secs(SECONDS_MAX);
    runtime.block_on(async { tokio::time::timeout(limit, work).await? })
}

/// One connection, by us or, without a connector of ours, by a fresh one.
async fn connect(ours: Option<&Connector>, reads: bool, port: u16) -> Outcome<Wire> {
    let stream = dial(HOST, port).await?;
    let Some(connector) = ours else {
        let stream = async_native_tls::TlsConnector::new()
            .connect(HOST, stream)
            .await?;
        return Ok(Wire::new(Box::new(stream)));
    };
    let mut wire = Wire::new(connector.connect(HOST, Box::new(stream)).await?);
    if reads {
        wire.exchange(&mut Vec::new()).await?;
    }
    Ok(wire)
}

/// CPU of this process, its own and the system's on its behalf, in clock ticks (proc_pid_stat(5)).
fn cpu_ticks() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(") ").next().unwrap_or_default();
    let numbers = fields.split(' ').skip(11).take(2);
    Ok(numbers.filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// Resident memory of this process.
fn memory_kb() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS in /proc/self/status")?.parse()?)
}

const HOST: &str = "127.0.0.1";

/// Enough for clock ticks to measure 0.05 ms each.
const CONNECTIONS: usize = 200;

/// The kernel tells CPU in hundredths of a second, on every architecture that Rust runs on.
const TICK_MS: f64 = 10.0;

/// Five times what the naive way needs on a slow machine.
const SECONDS_MAX: u64 = 120;

const CPU_MS_MAX: f64 = 3.0;

const MEMORY_KB_MAX: f64 = 64.0;

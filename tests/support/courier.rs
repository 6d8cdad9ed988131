//! Another real POP3 server: Courier on loopback, in a temporary directory. It ends with the test.
//!
//! Courier looks for its password daemon at one path below `/run`. So it gets a mount namespace in
//! which `/run` is a folder of ours, with a socket at which this file answers. The machine's own
//! `/run` and `/etc` are not touched. That, and its logins, need root.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::certificates::Certificates;
use super::dovecot::Owner;
use super::port::{free_port, wait_for};

/// Where `contrib/setup test` unpacks it: Debian allows only one installed POP3 server.
const ROOT: &str = "/usr/local/lib/mailferry-test/courier";

/// A running Courier with one maildrop: user `jane`, password `secret`.
pub struct Courier {
    directory: tempfile::TempDir,
    certificates: Certificates,
    servers: Vec<Child>,
    plain: u16,
    implicit: u16,
}

impl Courier {
    /// Starts it with these messages. A line end in a file is LF, for which Courier sends CRLF.
    pub fn with(messages: &[Vec<u8>]) -> Self {
        let tcpd = format!("{ROOT}/usr/sbin/couriertcpd");
        assert!(
            Path::new(&tcpd).exists(),
            "{tcpd} is missing: run contrib/setup test, and the tests by contrib/with-servers"
        );
        // A user namespace would be enough for the mount, but there the groups of a login cannot be
        // set.
        assert!(
            Owner::we_are_root(),
            "Courier changes user and groups at each login: run the tests as root, for example in \
             a container"
        );
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::set_permissions(at, PermissionsExt::from_mode(0o755)).unwrap();
        for folder in ["home", "home/Maildir", "run", "run/courier"] {
            std::fs::create_dir(at.join(folder)).unwrap();
        }
        for folder in ["cur", "new", "tmp"] {
            std::fs::create_dir(at.join("home/Maildir").join(folder)).unwrap();
        }
        for (number, message) in messages.iter().enumerate() {
            let name = format!("{}.M{number}.test:2,", 1_000_000_000 + number);
            std::fs::write(at.join("home/Maildir/cur").join(name), message).unwrap();
        }
        let owner = Owner::of_the_server();
        owner.give(&at.join("home"));
        std::fs::create_dir(at.join("run/courier/authdaemon")).unwrap();
        let socket = UnixListener::bind(at.join("run/courier/authdaemon/socket")).unwrap();
        // The thread sleeps in accept until the test program ends.
        let answer = owner.account(&at.join("home"));
        std::thread::spawn(move || answer_questions(&socket, &answer));

        // Before TLS it becomes the user of its package. That user does not exist if its files are
        // only unpacked.
        for (file, line) in [
            ("passwd", "courier:x:65534:65534::/:/bin/false\n"),
            ("group", "courier:x:65534:\n"),
        ] {
            let known = std::fs::read_to_string(Path::new("/etc").join(file)).unwrap();
            std::fs::write(at.join(file), line.to_owned() + &known).unwrap();
        }

        let certificates = Certificates::new();
        let pair = certificates.signed("server", "DNS:localhost,IP:127.0.0.1", 30);
        let both = [pair.key, pair.certificate].map(|path| std::fs::read(path).unwrap());
        std::fs::write(at.join("server.pem"), both.concat()).unwrap();
        owner.give(&at.join("server.pem"));
        let mut courier = Self {
            directory,
            certificates,
            servers: Vec::new(),
            plain: free_port(),
            implicit: free_port(),
        };
        let login = format!("{ROOT}/usr/lib/courier/courier/courierpop3login");
        let session = format!("{ROOT}/usr/lib/courier/courier/courierpop3d");
        let tls = format!("{ROOT}/usr/bin/couriertls");
        let (plain, implicit) = (courier.plain, courier.implicit);
        courier.serve(&tcpd, plain, &[&login, &session, "Maildir"]);
        let behind_tls = [&*tls, "-server", "-tcpd", &login, &session, "Maildir"];
        courier.serve(&tcpd, implicit, &behind_tls);
        courier
    }

    /// One listener, and the programs that it starts for each connection.
    fn serve(&mut self, tcpd: &str, port: u16, programs: &[&str]) {
        let at = self.directory.path();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(at.join("log"));
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(
                "for file in passwd group; do mount --bind \"$1/$file\" /etc/$file || exit; done; \
                 mount --bind \"$1/run\" /run && shift && exec \"$@\"",
            )
            .arg("sh")
            .arg(at)
            .arg(tcpd)
            .args(["-address=127.0.0.1", "-nodnslookup", "-noidentlookup"])
            .args(["-maxprocs=40", "-maxperip=40", &port.to_string()])
            .args(programs)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("POP3_STARTTLS", "YES")
            .env("POP3_TLS_REQUIRED", "0")
            .env("COURIERTLS", format!("{ROOT}/usr/bin/couriertls"))
            .env("TLS_CERTFILE", at.join("server.pem"))
            .env("TLS_VERIFYPEER", "NONE")
            .env("MAILDIRPATH", "Maildir")
            .env("MIME_UNICODE_MESSAGE_TYPE", "message/global")
            .stdin(Stdio::null())
            .stderr(log.unwrap())
            // When couriertcpd ends, it signals its process group, which must not be that of the
            // tests.
            .process_group(0)
            .spawn();
        self.servers.push(child.unwrap());
        wait_for(port, 60, |is_early| {
            let last = self.servers.last_mut();
            let ended = last.and_then(|child| child.try_wait().unwrap());
            let is_up = is_early && ended.is_none();
            assert!(is_up, "no Courier ({ended:?}): {}", self.log());
        });
    }

    pub fn plain_port(&self) -> u16 {
        self.plain
    }

    pub fn implicit_port(&self) -> u16 {
        self.implicit
    }

    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The files that remain in the maildrop.
    pub fn left(&self) -> Vec<PathBuf> {
        let maildir = self.directory.path().join("home/Maildir");
        let folder = |name: &str| std::fs::read_dir(maildir.join(name)).unwrap();
        folder("cur")
            .chain(folder("new"))
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    /// Courier answers QUIT first and deletes after that, so a client that is told "deleted" can be
    /// ahead of the last file.
    pub fn wait_until_empty(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.left().is_empty() {
            assert!(Instant::now() < until, "left: {:?}", self.left());
            std::thread::yield_now();
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Courier's log: {}", self.log());
        }
        for server in &mut self.servers {
            let _ = Command::new("kill").arg(server.id().to_string()).status();
            let _ = server.wait();
        }
    }
}

/// What Courier sends for a file: CRLF for each LF, also for one after a CR, and one more line end
/// if the last line has none (so that an empty file is an empty line). NUL, bare CR and everything
/// else are sent unchanged. But for a client that has not sent UTF8 (RFC 6856), a message with
/// 8-bit octets in its header is sent as the attachment of a notice; see [`unwrapped`].
pub fn on_the_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(file.len() + 16);
    if !header(file).is_ascii() {
        wire.extend_from_slice(ATTACHED);
    }
    for octet in file {
        if *octet == b'\n' {
            wire.push(b'\r');
        }
        wire.push(*octet);
    }
    if !wire.ends_with(b"\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// Everything before the first empty line.
fn header(file: &[u8]) -> &[u8] {
    let empty = |pair: &[u8]| pair == b"\n\r" || pair == b"\n\n";
    let end = file.windows(2).position(empty);
    &file[..end.unwrap_or(file.len())]
}

/// Marks a message that came as the attachment of a notice.
const ATTACHED: &[u8] = b"X-Courier: attached\r\n";

/// A delivered message without Courier's notice around it, if there is one. The notice's boundary
/// contains a process and a time, so it is read from the message.
pub fn unwrapped(delivered: &[u8]) -> Vec<u8> {
    const BOUNDARY: &[u8] = b"\nContent-Type: multipart/mixed; boundary=\"";
    let find = |octets: &[u8], what: &[u8]| {
        let found = octets.windows(what.len()).position(|here| here == what);
        found.map(|at| at + what.len())
    };
    if !delivered.starts_with(b"From: Mail Delivery Subsystem <postmaster>\n") {
        return delivered.to_vec();
    }
    let boundary = &delivered[find(delivered, BOUNDARY).unwrap()..];
    let boundary = &boundary[..find(boundary, b"\"").unwrap() - 1];
    let before = [b"--", boundary, b"\nContent-Type: message/global\n\n"].concat();
    let after = [b"\n--", boundary, b"--\n"].concat();
    let message = &delivered[find(delivered, &before).unwrap()..];
    let message = message.strip_suffix(&*after).unwrap();
    let mark = ATTACHED.strip_suffix(b"\r\n").unwrap();
    [mark, b"\n", message].concat()
}

/// Answers a question for `jane` with `secret` with the place of her mail, and any other question
/// with `FAIL`.
fn answer_questions(socket: &UnixListener, account: &str) {
    for stream in socket.incoming() {
        // A login that ends in the middle of its question needs no answer.
        let _ = stream.and_then(|stream| answer(stream, account));
    }
}

/// A question consists of lines about the client, `AUTH` with the number of octets that follow, and
/// in these one line each for the service, `login`, the user and the password.
fn answer(stream: UnixStream, account: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut octets = None;
    while octets.is_none() {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        octets = line.trim().strip_prefix("AUTH ").map(str::to_owned);
    }
    let octets = octets.and_then(|octets| octets.parse().ok()).unwrap_or(0);
    let mut question = vec![0; octets];
    reader.read_exact(&mut question)?;
    let right = question == b"pop3\nlogin\njane\nsecret\n";
    let answer = if right { account } else { "FAIL\n" };
    reader.get_mut().write_all(answer.as_bytes())
}

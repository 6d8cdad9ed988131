"""The servers for the agents: Dovecot and a relay, on loopback or at the far end of the slow
line.
"""

import collections
import grp
import json
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time

import measure

HOME = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HOME / "target")) / "release"
EXAMPLES = TARGET / "examples"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(is_so, what, seconds=60):
    """Waits for one of our programs, for a limited time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"bench: waited {seconds} s for {what}")
        time.sleep(0.02)


class Certificates:
    """An authority, and a server certificate for every address of the server."""

    def __init__(self, place, addresses):
        self.ca, self.cert, self.key = place / "ca.pem", place / "server.pem", place / "server.key"
        names = ",".join(["DNS:localhost", *(f"IP:{address}" for address in addresses)])
        (place / "names").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

        def openssl(*words):
            subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

        openssl(
            "req",
            "-x509",
            *curve,
            "-keyout",
            place / "ca.key",
            "-out",
            self.ca,
            "-days",
            30,
            "-subj",
            "/CN=bench CA",
        )
        openssl(
            "req",
            *curve,
            "-keyout",
            self.key,
            "-out",
            place / "server.csr",
            "-subj",
            "/CN=localhost",
        )
        openssl(
            "x509",
            "-req",
            "-in",
            place / "server.csr",
            "-CA",
            self.ca,
            "-CAkey",
            place / "ca.key",
            "-CAcreateserial",
            "-out",
            self.cert,
            "-days",
            30,
            "-extfile",
            place / "names",
        )


class Dovecot:
    """Any user with password secret; a user's maildrop is the directory of that name in `drops`."""

    def __init__(self, place, drops, certificates, address="127.0.0.1", prefix=()):
        self.address, self.log = address, place / "log"
        self.plain, self.tls = free_port(), free_port()
        (place / "run").mkdir(parents=True)
        place.chmod(0o755)
        if os.getuid() == 0:
            uid, gid = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
            # If Dovecot was only unpacked, its own users do not exist.
            own = any(user.pw_name == "dovenull" for user in pwd.getpwall())
            login, internal = ("dovenull", "dovecot") if own else ("daemon", "mail")
            internal_group = internal
        else:
            uid, gid = os.getuid(), os.getgid()
            login = internal = pwd.getpwuid(uid).pw_name
            internal_group = grp.getgrgid(gid).gr_name
        (place / "dovecot.conf").write_text(f"""
base_dir = {place}/run
state_dir = {place}/run
log_path = {self.log}
log_timestamp = "%s "
protocols = pop3
listen = {address}
ssl = yes
ssl_cert = <{certificates.cert}
ssl_key = <{certificates.key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{drops}/%u
first_valid_uid = 0
mail_max_userip_connections = 0
pop3_fast_size_lookups = yes
pop3_no_flag_updates = yes
maildir_very_dirty_syncs = yes
mail_fsync = never
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {internal_group}
default_client_limit = 4200
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={drops}/%u allow_all_users=yes
}}
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  client_limit = 2000
  inet_listener pop3 {{
    port = {self.plain}
  }}
  inet_listener pop3s {{
    port = {self.tls}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 0
  process_limit = 1100
  process_min_avail = 8
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        self.process = subprocess.Popen(
            [*prefix, "/usr/sbin/dovecot", "-F", "-c", place / "dovecot.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self.answers, "Dovecot")

    def answers(self):
        if self.process.poll() is not None:
            raise SystemExit(
                f"bench: Dovecot ended: {self.log.read_text() if self.log.exists() else ''}"
            )
        return self.log.exists() and "starting up" in self.log.read_text()

    def logins(self):
        """(second, user) of each login so far."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            if "pop3-login: Info: Login: user=<" in line:
                found.append(
                    (int(line.split(" ", 1)[0]), line.split("user=<", 1)[1].split(">", 1)[0])
                )
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Relay:
    """Accepts everything, and writes the digest of each message."""

    def __init__(self, place, pipelining=True):
        self.port, self.taken = free_port(), place / "taken"
        words = [EXAMPLES / "bench_relay", str(self.port), self.taken]
        self.process = subprocess.Popen(words if pipelining else [*words, "plain"])

        def listens():
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", self.port)) == 0

        until(listens, "the relay")

    def digests(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return collections.Counter(self.taken.read_text().split())


class LongLine:
    """Two network namespaces joined by two tun devices and a process that delays every packet."""

    FAR, NEAR = "10.231.77.1", "10.231.77.2"

    def __init__(self, delay_ms=25):
        self.delay_ms, self.line = delay_ms, None
        self.far, self.near = (f"mailferry-{end}-{os.getpid()}" for end in ("far", "near"))

    def __enter__(self):
        try:
            return self._join()
        except BaseException:
            self.__exit__()
            raise

    def _join(self):
        ends = []
        for name, device, address, peer in (
            (self.far, "mfb0", self.FAR, self.NEAR),
            (self.near, "mfb1", self.NEAR, self.FAR),
        ):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            ends.append(measure.in_namespace(name, lambda device=device: measure.tun(device)))
            ip("-n", name, "addr", "add", f"{address}/32", "peer", f"{peer}/32", "dev", device)
            ip("-n", name, "link", "set", device, "txqueuelen", "20000", "up")
        # Its standard input and output are the ends, so that it needs no unsafe code to own them.
        self.line = subprocess.Popen(
            ["nice", "-n", "-10", EXAMPLES / "bench_line", str(self.delay_ms)],
            stdin=ends[0],
            stdout=ends[1],
        )
        for end in ends:
            os.close(end)
        return self

    def at_far(self):
        return ["nsenter", f"--net=/run/netns/{self.far}", "--"]

    def at_near(self):
        return ["nsenter", f"--net=/run/netns/{self.near}", "--"]

    def round_trip_ms(self, port):
        """(smallest, mean, largest) of some connections to a server at the far end: each takes
        one round trip.
        """

        def once():
            began = time.monotonic()
            socket.create_connection((self.FAR, port), 5).close()
            return 1000 * (time.monotonic() - began)

        trips = measure.in_namespace(self.near, lambda: [once() for _ in range(20)])
        return min(trips), sum(trips) / len(trips), max(trips)

    def __exit__(self, *_):
        if self.line:
            self.line.terminate()
            self.line.wait()
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def machine():
    """The conditions of the results: sizes, never names."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in open("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        "?",
    )
    memory = int(open("/proc/meminfo").readline().split()[1]) // 1024 // 1024
    uname = os.uname()
    where = json.loads(
        subprocess.run(
            ["findmnt", "-J", "-T", os.environ.get("TMPDIR", "/tmp"), "-o", "FSTYPE"],
            capture_output=True,
            text=True,
        ).stdout
        or '{"filesystems":[{"fstype":"?"}]}'
    )
    return (
        f"{os.cpu_count()} processors ({model}), {memory} GiB, Linux {uname.release}, "
        f"{where['filesystems'][0]['fstype']}"
    )

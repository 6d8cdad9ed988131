"""How each agent is told to do one job: its configuration, its command, and what differs from
its defaults.
"""

import dataclasses
import pathlib
import shutil

from servers import EXAMPLES, TARGET


@dataclasses.dataclass
class Job:
    """One poll: of which users, to which destination, and in which directory."""

    place: pathlib.Path
    out: pathlib.Path
    host: str
    port: int
    users: list
    sink: str = "maildir"
    ca: pathlib.Path = None
    relay_port: int = 0
    delete: bool = False
    parallel: int = 1
    at_once: int = 0
    raw: tuple = ()
    programs: pathlib.Path = EXAMPLES

    @property
    def mda(self):
        return self.programs / "bench_mda"


@dataclasses.dataclass
class Told:
    command: list
    environment: dict = dataclasses.field(default_factory=dict)


def written(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def mailferry_config(job, further=""):
    """The README's configuration, with nothing added but the settings that the work names."""
    delivery = {
        "maildir": f'type = "maildir"\npath = "{job.out}"',
        "mda": f'type = "mda"\ncommand = ["{job.mda}", "{job.out}/new"]\nparallel = {job.parallel}',
        "smtp": f'type = "smtp"\nhost = "127.0.0.1"\nport = {job.relay_port}\ntls = "none"',
    }[job.sink]
    tls = f'tls_ca_file = "{job.ca}"' if job.ca else 'tls = "none"\nallow_cleartext_password = true'
    retention = 'retention = "delete"\n' if job.delete else ""
    sessions = (
        f"max_sessions = {job.at_once}\nmax_sessions_per_host = {job.at_once}\n"
        if job.at_once
        else ""
    )
    accounts = "".join(
        f'[account.{user}]\nuser = "{user}"\npassword = "secret"\n' for user in job.users
    )
    return written(
        job.place / "mailferry.toml",
        f"""state_dir = "{job.place}/state"
{sessions}[defaults]
host = "{job.host}"
port = {job.port}
{tls}
recipient = "jane@home.lan"
first_run = "all"
{retention}{further}[delivery.it]
{delivery}
{accounts}""",
    )


def mailferry(job):
    return Told([job.programs / "mailferry", "--config", mailferry_config(job), "poll"])


def before(job):
    """Another build of mailferry, to measure the cost of a change: `contrib/bench/run
    --against`.
    """
    return Told([job.programs / BEFORE, "--config", mailferry_config(job), "poll"])


def fetchmail(job):
    # It cannot write a Maildir itself: it runs a program that writes one.
    delivery = (
        f'smtphost "127.0.0.1/{job.relay_port}" smtpname "jane@home.lan"'
        if job.sink == "smtp"
        else f'mda "{job.mda} {job.out}/new"'
    )
    tls = (
        f'ssl sslcertck sslcertfile "{job.ca}" sslcommonname "localhost"'
        if job.ca
        else 'sslproto ""'
    )
    keep = "nokeep" if job.delete else "keep"
    # Each user has one server: it polls one after the other either way.
    polls = "".join(
        f"poll s{at} via {job.host} protocol pop3 port {job.port} uidl auth password\n"
        f'  user "{user}" password "secret" {tls} {keep} no rewrite {delivery}\n'
        for at, user in enumerate(job.users)
    )
    rc = written(job.place / "fetchmailrc", f'set idfile "{job.place}/ids"\n{polls}')
    return Told(["fetchmail", "-f", rc, "--nosyslog"], {"FETCHMAILHOME": job.place})


def getmail(job):
    if job.sink == "smtp":
        return None
    destination = (
        f"type = Maildir\npath = {job.out}/"
        if job.sink == "maildir"
        else f"type = MDA_external\npath = {job.mda}\n"
        f'arguments = ("{job.out}/new",)\nunixfrom = false'
    )
    kind = (
        f"type = SimplePOP3SSLRetriever\nca_certs = {job.ca}"
        if job.ca
        else "type = SimplePOP3Retriever"
    )
    words = ["getmail", "-q", f"--getmaildir={job.place}"]
    for user in job.users:
        written(
            job.place / f"rc-{user}",
            f"""[retriever]
{kind}
server = {job.host}
port = {job.port}
username = {user}
password = secret
[destination]
{destination}
[options]
read_all = false
delete = {str(job.delete).lower()}
""",
        )
        words.append(f"--rcfile=rc-{user}")
    return Told(words)


def mpop(job):
    if job.sink == "smtp":
        return None
    delivery = (
        f"delivery maildir {job.out}"
        if job.sink == "maildir"
        else f"delivery mda {job.mda} {job.out}/new"
    )
    tls = f"tls on\ntls_starttls off\ntls_trust_file {job.ca}" if job.ca else "auth user\ntls off"
    accounts = "".join(
        f"account {user}\nuser {user}\nuidls_file {job.place}/uidls-{user}\n" for user in job.users
    )
    rc = written(
        job.place / "mpoprc",
        f"""defaults
host {job.host}
port {job.port}
password secret
{tls}
keep {"off" if job.delete else "on"}
{delivery}
{accounts}""",
    )
    return Told(["mpop", "-q", "-C", rc, "-a"])


def fdm(job):
    action = {
        "maildir": f'maildir "{job.out}"',
        "mda": f'pipe "{job.mda} {job.out}/new"',
        "smtp": f'smtp server "127.0.0.1" port {job.relay_port} to "jane@home.lan"',
    }[job.sink]
    kind, keep = ("pop3s" if job.ca else "pop3"), ("" if job.delete else "keep")
    verify = "set verify-certificates\n" if job.ca else ""
    accounts = "".join(
        f'account "{user}" {kind} server "{job.host}" port {job.port} user "{user}" pass "secret"'
        f' new-only cache "{job.place}/cache-{user}" no-apop {keep}\n'
        for user in job.users
    )
    rc = written(
        job.place / "fdm.conf",
        f"""set maximum-size 200M
set lock-file "{job.place}/lock"
{verify}{accounts}action "it" {action}
match all action "it"
""",
    )
    return Told(["fdm", "-q", "-f", rc, "fetch"], {"TMPDIR": job.place, **trusted(job)})


def raw(job):
    """The baseline. The work defines what it does."""
    words = [
        word.format(
            host=job.host,
            port=job.port,
            user=job.users[0],
            out=job.out,
            mda=job.mda,
            relay=job.relay_port,
        )
        for word in job.raw
    ]
    tls = [f"ca={job.ca}"] if job.ca else []
    return Told([job.programs / "bench_raw", *words, *tls], trusted(job))


def trusted(job):
    """For programs that use OpenSSL's own settings of trusted certificates."""
    return {"SSL_CERT_FILE": job.ca, "SSL_CERT_DIR": job.place / "none"} if job.ca else {}


BEFORE = "before"
AGENTS = {
    "mailferry": mailferry,
    BEFORE: before,
    "fetchmail": fetchmail,
    "getmail": getmail,
    "mpop": mpop,
    "fdm": fdm,
    "raw": raw,
}
PEERS = ("fetchmail", "getmail", "mpop", "fdm")

DIFFERS = {
    "mailferry": 'first_run = "all"',
    BEFORE: "the build that --against names",
    "fetchmail": (
        "uidl, keep, no rewrite; sslcommonname with TLS, as it knows no addresses in "
        "certificates; Maildir through the small MDA"
    ),
    "getmail": "read_all = false, delete = false",
    "mpop": "auth user without TLS",
    "fdm": "new-only cache, maximum-size 200M, no-apop",
}


def installed(name):
    return name in ("mailferry", BEFORE, "raw") or shutil.which(name) is not None


def copied(place, against=None):
    """Our own programs where no other user may start them; `against` is the build to compare
    with.
    """
    programs = place / "programs"
    programs.mkdir()
    for source in (
        TARGET / "mailferry",
        TARGET.parent / "bench/bench_mda",
        EXAMPLES / "bench_raw",
        EXAMPLES / "bench_sled",
    ):
        if source.exists():
            shutil.copy2(source, programs)
    if against:
        shutil.copy2(against, programs / BEFORE)
    return programs

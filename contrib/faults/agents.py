"""How each agent is set up for one cell of the table, and run. Nothing is tuned: all differences
from the defaults are here.
"""

import os
import pathlib
import pwd
import resource
import shutil
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/mailferry"
PASSWORD = "canary-41c7e2"
POLL_DEADLINE_S = 240
MOST_FILE_OCTETS = 16 * 1024 * 1024


class Cannot(Exception):
    """The agent has no such feature."""


def mailferry(cell):
    kind, option = cell.kind, cell.option
    delivery = {
        "mda": lambda: f'type = "mda"\ncommand = ["{cell.sink.program}", "{cell.sink.place}"]',
        "maildir": lambda: f'type = "maildir"\npath = "{cell.sink.path}"',
        "relay": lambda: (
            f'type = "smtp"\nhost = "127.0.0.1"\nport = {cell.sink.port}\ntls = "none"'
        ),
    }[kind]()
    tls = option("tls", "none")
    text = (
        f'state_dir = "{cell.home}/state"\n[log]\nlevel = "{option("level", "info")}"\n'
        f"[delivery.it]\n{delivery}\n[account.{option('account', 'jane')}]\n"
        f'host = "127.0.0.1"\nport = {cell.server.port}\ntls = "{tls}"\nuser = '
        f'"{option("user", "jane")}"\npassword = "{PASSWORD}"\n'
        f'recipient = "jane@home.lan"\nretention = "{option("retention", "delete")}"\n'
    )
    text += "allow_cleartext_password = true\n" if tls == "none" else ""
    text += f'tls_ca_file = "{option("ca")}"\n' if option("ca") else ""
    text += f'first_run = "{option("first_run")}"\n' if option("first_run") else ""
    text += 'poll_every = "1s"\n' if cell.daemon else ""
    if cell.beside:
        text += (
            f'[account.beside]\nhost = "127.0.0.1"\nport = {cell.beside.port}\ntls = "none"\nuser '
            f'= "beside"\npassword = "{PASSWORD}"\n'
            'recipient = "jane@home.lan"\nretention = "delete"\nallow_cleartext_password = true\n'
        )
    rc = cell.write("mailferry.toml", text)
    return [cell.programs["mailferry"], "--config", rc, "run" if cell.daemon else "poll"], {}


def fetchmail(cell):
    option = cell.option
    delivery = {
        "mda": lambda: f'mda "{cell.sink.program} {cell.sink.place}"',
        "relay": lambda: f'smtphost "127.0.0.1/{cell.sink.port}" smtpname "jane@home.lan"',
    }.get(cell.kind)
    if not delivery:
        raise Cannot
    tls = {"none": 'sslproto ""', "implicit": "ssl", "starttls": ""}[option("tls", "none")]
    tls += f' sslcertck sslcertfile "{option("ca")}"' if option("ca") else ""
    poll = f"{option('account')} via 127.0.0.1" if option("account") else "127.0.0.1"
    text = (
        f'set idfile "{cell.home}/ids"\npoll {poll} protocol pop3 port {cell.server.port} '
        f"{'no uidl' if option('no_uidl') else 'uidl'} "
        f'auth password\n  user "{option("user", "jane")}" password "{PASSWORD}" {tls} '
        f"{option('retention', 'delete').replace('delete', 'nokeep')} {delivery()}\n"
    )
    if cell.beside:
        text += (
            f"poll beside via 127.0.0.1 protocol pop3 port {cell.beside.port} uidl auth password\n"
            f'  user "beside" password "{PASSWORD}" sslproto "" nokeep {delivery()}\n'
        )
    rc = cell.write("fetchmailrc", text)
    loud = ["-v", "-v"] if option("level") else []
    return [
        "fetchmail",
        "-f",
        rc,
        "--nosyslog",
        *loud,
        *(["--nodetach", "-d", "1"] if cell.daemon else []),
    ], {"FETCHMAILHOME": cell.home}


def getmail(cell):
    option = cell.option
    delivery = {
        "mda": lambda: (
            f'type = MDA_external\npath = {cell.sink.program}\narguments = ("{cell.sink.place}",)'
        ),
        "maildir": lambda: f"type = Maildir\npath = {cell.sink.path}/",
    }.get(cell.kind)
    tls = option("tls", "none")
    if not delivery or tls == "starttls":
        raise Cannot
    cell.write(
        option("account", "getmailrc"),
        f"[retriever]\ntype = "
        f"{'SimplePOP3SSLRetriever' if tls == 'implicit' else 'SimplePOP3Retriever'}\nserver = "
        f"127.0.0.1\n"
        f"port = {cell.server.port}\nusername = {option('user', 'jane')}\npassword = {PASSWORD}\n"
        f"[destination]\n{delivery()}\n[options]\n"
        f"delete = {'true' if option('retention', 'delete') == 'delete' else 'false'}\nread_all = "
        f"false\nverbose = {2 if option('level') else 1}\n",
    )
    return ["getmail", "--getmaildir", cell.home, "--rcfile", option("account", "getmailrc")], {}


def mpop(cell):
    option = cell.option
    delivery = {
        "mda": lambda: f"delivery mda {cell.sink.program} {cell.sink.place}",
        "maildir": lambda: f"delivery maildir {cell.sink.path}",
    }.get(cell.kind)
    if not delivery:
        raise Cannot
    tls = {
        "none": "tls off",
        "implicit": "tls on\ntls_starttls off",
        "starttls": "tls on\ntls_starttls on",
    }[option("tls", "none")]
    tls += f"\ntls_trust_file {option('ca')}" if option("ca") else ""
    rc = cell.write(
        "mpoprc",
        f"account {option('account', 'default')}\nhost 127.0.0.1\nport {cell.server.port}\nuser "
        f"{option('user', 'jane')}\npassword {PASSWORD}\nauth user\n{tls}\n"
        f"keep {'off' if option('retention', 'delete') == 'delete' else 'on'}\n{delivery()}\n"
        f"uidls_file {cell.home}/uidls\n",
    )
    return [
        "mpop",
        *(["--debug"] if option("level") else ["-q"]),
        "-C",
        rc,
        *([option("account")] if option("account") else []),
    ], {}


def fdm(cell):
    option = cell.option
    action = {
        "mda": lambda: f'pipe "{cell.sink.program} {cell.sink.place}"',
        "maildir": lambda: f'maildir "{cell.sink.path}"',
        "relay": lambda: (
            f'smtp server "127.0.0.1" port {cell.sink.port} from "sender@example.org" to '
            f'"jane@home.lan"'
        ),
    }[cell.kind]()
    tls = option("tls", "none")
    which = f'cache "{cell.home}/cache"'
    words = "no-apop no-uidl" if option("no_uidl") else f"new-only {which} no-apop"
    words += (" starttls" if tls == "starttls" else "") + (
        " keep" if option("retention", "delete") == "keep" else ""
    )
    beside = ""
    if cell.beside:
        beside = (
            f'account "beside" pop3 server "127.0.0.1" port {cell.beside.port} user "beside" '
            f'pass "{PASSWORD}" new-only cache "{cell.home}/beside" no-apop\n'
        )
    rc = cell.write(
        "fdm.conf",
        # Its lock would be in the home directory of the user database, which the user of these runs
        # does not have.
        f'set lock-file "{cell.home}/fdm.lock"\naccount "{option("account", "it")}" '
        f'{"pop3s" if tls == "implicit" else "pop3"} server "127.0.0.1" port {cell.server.port} '
        f'user "{option("user", "jane")}" '
        f'pass "{PASSWORD}" {words}\n{beside}action "it" {action}\nmatch all action "it"\n',
    )
    return ["fdm", "-vvvv" if option("level") else "-q", "-f", rc, "fetch"], {}


AGENTS = {
    "mailferry": mailferry,
    "fetchmail": fetchmail,
    "getmail": getmail,
    "mpop": mpop,
    "fdm": fdm,
}
# These agents try a message that was refused for now again only after a minute: only they need the
# wait.
WAITS_S = {"mailferry": 66}
# Set when the whole program must end: then every cell ends its agent and starts no other.
STOPPED = threading.Event()
DAEMONS = {"mailferry", "fetchmail"}


def installed(name):
    return BUILT.exists() if name == "mailferry" else shutil.which(name) is not None


def version(name):
    """The version, as the program or its package says."""
    if name == "mailferry":
        return subprocess.run([BUILT, "--version"], capture_output=True, text=True).stdout.strip()
    package = {"getmail": "getmail6"}.get(name, name)
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True
    ).stdout
    return f"{package} {said or 'not from a Debian package'}"


def user():
    """Agents never run as root: some refuse it, and none should."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def limits():
    """Runs before the agent's program begins; Python ignores SIGXFSZ, and its children would
    inherit that.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_OCTETS, MOST_FILE_OCTETS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Process:
    """One run of an agent, in its own process group, so that it can be ended with its children."""

    def __init__(self, command, environment, place, log):
        who = user()
        drop = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}
        self.log = open(log, "ab")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=place,
            # On some machines this user cannot make files in /tmp, which fdm needs.
            env={
                **kept,
                "HOME": str(place),
                "TMPDIR": str(place),
                **{k: str(v) for k, v in environment.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limits,
            **drop,
        )

    def kill(self, signal_number=signal.SIGKILL):
        """Until the process is waited for, its number and that of its group cannot belong to
        another process.
        """
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, signal_number)
            except ProcessLookupError:
                pass

    def wait(self, sink, seconds=POLL_DEADLINE_S):
        """Its exit code; or "killed", if the sink asked for it; or "ran away" and "hung"."""
        until = time.monotonic() + seconds
        why = None
        while True:
            try:
                # Checked without reaping, so that the group can still be ended after its leader.
                if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    break
            except ChildProcessError:
                break
            if (sink.place / "runaway").exists():
                why = "ran away"
            elif (sink.place / "kill").exists() and not (sink.place / "killed").exists():
                (sink.place / "killed").touch()
                why = "killed"
            elif time.monotonic() > until or STOPPED.is_set():
                why = "hung"
            if why:
                self.kill()
            time.sleep(0.02)
        self.kill()
        code = self.process.wait()
        self.log.close()
        # SIGXFSZ: it wrote a file larger than the limit.
        return why or ("ran away" if code == -signal.SIGXFSZ else code)

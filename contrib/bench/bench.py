#!/usr/bin/env python3
"""Polls the same maildrop with mailferry and its peers in turn, checks what arrived, and prints how they compare.

Run by contrib/bench/run, which installs and builds what this needs. See contrib/bench/README.md.
"""

import argparse
import collections
import hashlib
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
Run = collections.namedtuple("Run", "wall cpu peak_mib verdict")


# --- messages -------------------------------------------------------------------------------------------------------------

def message(number, octets):
    """A message of about this size: headers, text, lines that begin with a dot or with From."""
    rng = random.Random(number)
    octets += rng.randint(-octets // 7, octets // 7)
    head = (
        f"Return-Path: <sender{number % 97}@example.org>\n"
        f"Received: from mx{number % 9}.example.org by pop.example.org; Mon, 23 Nov 2026 12:00:00 +0000\n"
        f"From: Sender {number % 97} <sender{number % 97}@example.org>\nTo: jane@home.lan\n"
        f"Subject: message {number}\nMessage-ID: <{number}.bench@example.org>\nX-Bench-Id: {number}\n\n"
    )
    lines = [head]
    size = len(head)
    while size < octets:
        line = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz      .", k=rng.randint(0, 76)))
        line = {0: ".", 1: "From here on ", 2: ".."}.get(rng.randint(0, 40), "") + line + "\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def digest(octets):
    """Of everything from X-Bench-Id on, whatever line ends it has."""
    at = octets.find(b"X-Bench-Id:")
    return hashlib.sha256(octets[at:].replace(b"\r", b"")).hexdigest() if at >= 0 else "no X-Bench-Id"


# --- servers --------------------------------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(port, process):
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("bench: a server did not start")


class Dovecot:
    """One maildrop, user jane, password secret."""

    def __init__(self, place, count, octets):
        self.place, self.port = place, free_port()
        mail = place / "mail"
        for folder in ("cur", "new", "tmp"):
            (mail / folder).mkdir(parents=True)
        (place / "run").mkdir()
        self.digests = collections.Counter()
        self.octets = 0
        for number in range(count):
            text = message(number, octets)
            wire = len(text) + text.count(b"\n")
            name = f"{1_000_000_000 + number}.M{number}.bench,S={len(text)},W={wire}:2,"
            (mail / "cur" / name).write_bytes(text)
            self.digests[digest(text)] += 1
            self.octets += wire
        root = os.getuid() == 0
        user = "nobody" if root else subprocess.check_output(["id", "-un"], text=True).strip()
        if root:
            subprocess.run(["chown", "-R", "nobody:", mail], check=True)
            place.chmod(0o755)
        ids = [subprocess.check_output(["id", flag, user], text=True).strip() for flag in ("-u", "-g")]
        login, internal, group = ("dovenull", "dovecot", "dovecot") if root else (user, user, ids[1])
        (place / "dovecot.conf").write_text(f"""
base_dir = {place}/run
state_dir = {place}/run
log_path = {place}/log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{mail}
first_valid_uid = 0
pop3_fast_size_lookups = yes
pop3_no_flag_updates = yes
maildir_very_dirty_syncs = yes
mail_fsync = never
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={ids[0]} gid={ids[1]} home={mail}
}}
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", place / "dovecot.conf"], stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Relay:
    """Takes everything, and writes down the digest of each message."""

    def __init__(self, place):
        self.port, self.taken = free_port(), place / "taken"
        self.process = subprocess.Popen([TARGET / "examples/bench_relay", str(self.port), self.taken])
        wait_for(self.port, self.process)

    def digests(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return collections.Counter(self.taken.read_text().split())


# --- agents ---------------------------------------------------------------------------------------------------------------

MDA = TARGET / "examples/bench_mda"


def mailferry(place, out, pop3_port, sink, relay_port):
    delivery = {
        "maildir": f'type = "maildir"\npath = "{out}"',
        "mda": f'type = "mda"\ncommand = ["{MDA}", "{out}/new"]',
        "relay": f'type = "smtp"\nhost = "127.0.0.1"\nport = {relay_port}\ntls = "none"',
    }[sink]
    (place / "mailferry.toml").write_text(
        f'state_dir = "{place}/state"\n[delivery.it]\n{delivery}\n[account.jane]\nhost = "127.0.0.1"\nport = {pop3_port}\n'
        'tls = "none"\nallow_cleartext_password = true\nuser = "jane"\npassword = "secret"\nrecipient = "jane@home.lan"\n'
        'first_run = "all"\n'
    )
    (place / "mailferry.toml").chmod(0o600)
    return [TARGET / "mailferry", "--config", place / "mailferry.toml", "poll"], {}


def fetchmail(place, out, pop3_port, sink, relay_port):
    delivery = {
        # It has no Maildir of its own: it drives a program that writes one.
        "maildir": f'mda "{MDA} {out}/new"',
        "mda": f'mda "{MDA} {out}/new"',
        "relay": f'smtphost "127.0.0.1/{relay_port}" smtpname "jane@home.lan"',
    }[sink]
    rc = place / "fetchmailrc"
    rc.write_text(
        f'set idfile "{place}/ids"\npoll 127.0.0.1 protocol pop3 port {pop3_port} uidl auth password\n'
        f'  user "jane" password "secret" sslproto "" keep no rewrite {delivery}\n'
    )
    rc.chmod(0o600)
    return ["fetchmail", "-f", rc, "--nosyslog"], {"FETCHMAILHOME": place}


def mpop(place, out, pop3_port, sink, relay_port):
    if sink == "relay":
        return None
    delivery = {"maildir": f"delivery maildir {out}", "mda": f"delivery mda {MDA} {out}/new"}[sink]
    rc = place / "mpoprc"
    rc.write_text(
        f"account default\nhost 127.0.0.1\nport {pop3_port}\nuser jane\npassword secret\nauth user\ntls off\nkeep on\n"
        f"{delivery}\nuidls_file {place}/uidls\n"
    )
    rc.chmod(0o600)
    return ["mpop", "-q", "-C", rc], {}


def fdm(place, out, pop3_port, sink, relay_port):
    action = {
        "maildir": f'maildir "{out}"',
        "mda": f'pipe "{MDA} {out}/new"',
        "relay": f'smtp server "127.0.0.1" port {relay_port} to "jane@home.lan"',
    }[sink]
    rc = place / "fdm.conf"
    rc.write_text(
        f'set maximum-size 200M\naccount "it" pop3 server "127.0.0.1" port {pop3_port} user "jane" pass "secret"'
        f' new-only cache "{place}/cache" no-apop keep\naction "it" {action}\nmatch all action "it"\n'
    )
    rc.chmod(0o600)
    return ["fdm", "-q", "-f", rc, "-l", "fetch"], {"HOME": place}


AGENTS = {"mailferry": mailferry, "fetchmail": fetchmail, "mpop": mpop, "fdm": fdm}


def run(agent, sink, work, server):
    """One poll of one agent with a fresh state and a fresh destination."""
    place = pathlib.Path(tempfile.mkdtemp(dir=work))
    out = place / "out"
    for folder in ("cur", "new", "tmp"):
        (out / folder).mkdir(parents=True)
    relay = Relay(place) if sink == "relay" else None
    told = AGENTS[agent](place, out, server.port, sink, relay.port if relay else None)
    if told is None:
        return None
    command, environment = told
    os.sync()
    # Its report goes to standard error: with -o, every program below would inherit a descriptor that it did not ask for.
    done = subprocess.run(
        ["/usr/bin/time", "-f", "%e %U %S %M", *command],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    wall, user, system, peak = done.stdout.split("\n")[-2].split()
    if relay:
        found = relay.digests()
    else:
        found = collections.Counter(digest(file.read_bytes()) for file in (out / "new").iterdir())
    lost, more = (server.digests - found).total(), (found - server.digests).total()
    verdict = "ok" if not (lost or more or done.returncode) else f"exit {done.returncode}, {lost} lost, {more} doubled or altered"
    if done.returncode:
        print(f"--- {agent} {sink}: {done.stdout[-600:]}", file=sys.stderr)
    shutil.rmtree(place)
    return Run(float(wall), float(user) + float(system), int(peak) / 1024, verdict)


# --- the table ------------------------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sinks", default="maildir,mda,relay")
    parser.add_argument("--agents", default="mailferry,fetchmail,mpop")
    asked = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="mailferry-bench-"))
    work.chmod(0o755)
    (work / "server").mkdir()
    server = Dovecot(work / "server", asked.messages, asked.octets)
    agents = [name for name in asked.agents.split(",") if name == "mailferry" or shutil.which(name)]
    try:
        print(f"{asked.messages} messages of about {asked.octets} octets from Dovecot, {os.cpu_count()} processors, "
              f"median of {asked.rounds} rounds in turn; everything is kept on the server")
        print(f"{'sink':8} {'agent':10} {'wall s':>8} {'range':>15} {'messages/s':>11} {'CPU s':>7} {'peak MiB':>9} "
              f"{'wall against mailferry':>23}  check")
        for sink in asked.sinks.split(","):
            runs = {name: [] for name in agents}
            for _ in range(asked.rounds):
                for name in agents:
                    one = run(name, sink, work, server)
                    if one:
                        runs[name].append(one)
            ours = statistics.median(one.wall for one in runs["mailferry"]) if runs.get("mailferry") else None
            for name in agents:
                if not runs[name]:
                    print(f"{sink:8} {name:10} {'cannot':>8}")
                    continue
                wall = statistics.median(one.wall for one in runs[name])
                spread = f"{min(one.wall for one in runs[name]):.2f}..{max(one.wall for one in runs[name]):.2f}"
                verdicts = sorted({one.verdict for one in runs[name]})
                ratio = f"{wall / ours:.2f}" if ours else "-"
                print(f"{sink:8} {name:10} {wall:8.2f} {spread:>15} {asked.messages / wall:11.0f} "
                      f"{statistics.median(one.cpu for one in runs[name]):7.2f} "
                      f"{max(one.peak_mib for one in runs[name]):9.1f} {ratio:>23}  {'; '.join(verdicts)}", flush=True)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

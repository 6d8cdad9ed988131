"""One cell of the table: one agent, one row, with its own server, destination and home
directory.
"""

import os
import time

import agents
import corpus
import pop3
import sinks


class Failed(Exception):
    """The agent did not end by itself, or wrote without limit."""


class Cell:
    def __init__(self, agent, row, place, programs, certificates):
        self.agent, self.row, self.kind, self.place = agent, row, row.sink, place
        self.programs, self.certificates = programs, certificates
        self.home = place / "home"
        place.mkdir()
        self.home.mkdir()
        self.sink = sinks.make(row.sink, place / "sink")
        self.server, self.process, self.daemon = None, None, False
        # The server of a second account, where there is one.
        self.beside = None
        self.options, self.codes, self.details = {}, [], []

    # --- setting up ---

    def option(self, name, default=None):
        return self.options.get(name, default)

    def set(self, **options):
        self.options.update(options)

    def serve(self, messages, **faults):
        self.server = pop3.Server(messages, pop3.Faults(**faults))
        self.server.before_fault = self.sink.before_fault = self.settle
        if self.kind == "relay" and not self.option("relay_down"):
            self.sink.up()
        return self.server

    def serve_beside(self, messages):
        """A second account, at a server of its own and with the same destination."""
        self.beside = pop3.Server(messages, pop3.Faults())
        return self.beside

    def write(self, name, text):
        file = self.home / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def give_away(self):
        """Gives everything in the cell's place to the user of the agents."""
        who = agents.user()
        if who:
            for folder, _, files in os.walk(self.place):
                for name in [folder, *(os.path.join(folder, file) for file in files)]:
                    try:
                        os.chown(name, who.pw_uid, who.pw_gid)
                    except FileNotFoundError:
                        pass

    # --- running ---

    def start(self):
        if agents.STOPPED.is_set():
            raise Failed("was interrupted")
        command, environment = agents.AGENTS[self.agent](self)
        self.give_away()
        self.process = agents.Process(command, environment, self.home, self.place / "output")

    def poll(self, times=1):
        for _ in range(times):
            self.start()
            self.end(self.process.wait(self.sink))

    def end(self, code):
        self.codes.append(code)
        if code in ("hung", "ran away"):
            raise Failed(code)

    def kill(self):
        """kill -9, once the destination has been quiet for a second: everything before is then
        as durable as it will be.
        """
        self.settle()
        self.process.kill()

    def settle(self):
        until, count, since = time.monotonic() + 15, -1, time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < 1:
            now = len(self.sink.taken())
            if now != count:
                count, since = now, time.monotonic()
            time.sleep(0.05)

    def later(self, done, polls=3):
        """Polls until `done()`, and waits as long as an agent does between two tries of a
        message.
        """
        for n in range(polls):
            if n and self.agent in agents.WAITS_S:
                agents.STOPPED.wait(agents.WAITS_S[self.agent])
            self.poll()
            if done():
                return

    def intervals(self, count):
        """This many seconds as a daemon that polls every second; other agents are started that
        often.
        """
        if self.agent not in agents.DAEMONS:
            return self.poll(count)
        self.daemon = True
        self.start()
        agents.STOPPED.wait(count)
        self.process.kill(15)
        self.end(self.process.wait(self.sink, 20))
        self.daemon = False

    # --- judging ---

    def left(self, gone):
        """Words for those of these messages that are still on the server, although they were
        delivered and should be deleted.
        """
        left = sorted(set(gone) & {one.number for one in self.server.on_server()})
        if left:
            self.details.append(
                f"still on the server: {left}; exit codes {self.codes}; logins {self.server.logins}"
            )
        return [f"left {len(left)}"] if left else []

    def output(self):
        return (self.place / "output").read_bytes()

    def count(self):
        return corpus.Count(self.server.messages, self.sink.taken())

    def arrived(self, number=None):
        """Whether the message, or every message, has arrived in some form."""
        count = self.count()
        return all(
            count.copies(one.number) for one in self.server.messages if number in (None, one.number)
        )

    def emptied(self):
        """Whether the server has no message any more."""
        return not self.server.on_server()

    def verdict(self, wanted=None, doubles=0):
        """`wanted` are the numbers that must have arrived, all of them by default; this many
        extra copies are allowed.
        """
        messages, count, words = self.server.messages, self.count(), []
        gone = self.server.gone | self.server.hidden
        wanted = {one.number for one in messages} if wanted is None else set(wanted)
        missing = [one.number for one in messages if not count.copies(one.number)]
        lost = [number for number in missing if number in gone]
        blocked = [number for number in missing if number in wanted and number not in gone]
        doubled = sum(count.copies(one.number) - 1 for one in messages if count.copies(one.number))
        for word, number in (
            ("lost", len(lost)),
            ("blocked", len(blocked)),
            ("doubled", doubled if doubled > doubles else 0),
            ("altered", sum(1 for n in count.altered.values() if n)),
        ):
            if number:
                words.append(f"{word} {number}")
        if count.cut:
            words.append("cut-off delivered")
        if words:
            copies = {one.number: count.copies(one.number) for one in messages}
            odd = {number: times for number, times in copies.items() if times != 1}
            self.details.append(
                f"exit codes {self.codes}; logins {self.server.logins}; lost {lost}, "
                f"blocked {blocked}; copies {odd if len(messages) < 50 else '...'}"
            )
            self.details += count.samples[:2]
        return words

    def stop(self):
        if self.process and self.process.process.returncode is None:
            self.process.kill()
            self.process.process.wait()
        for server in (self.server, self.beside):
            if server:
                server.stop()
        self.sink.stop()

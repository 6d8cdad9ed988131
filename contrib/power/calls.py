"""The effects of a program on its disk and its server, from strace's record, call by call."""

import re

from disk import File, Folder, Length, Write

FILES = (
    "openat write writev pwrite64 fsync fdatasync sync syncfs rename renameat renameat2 unlink "
    "unlinkat rmdir ftruncate fallocate mkdir "
    "mkdirat lseek"
).split()
WRITES = ("write", "writev", "pwrite64")
# If one of these touches a tree, the record would be wrong.
UNKNOWN = (
    "open creat truncate pwritev pwritev2 link linkat symlink symlinkat copy_file_range sendfile "
    "splice mmap mknod mknodat "
    "io_uring_setup open_by_handle_at"
).split()
NETWORK = "sendto sendmsg recvfrom".split()
TRACED = sorted({*FILES, *UNKNOWN, *NETWORK})

LINE = re.compile(r"^(\d+)\s+(.*)$")
ENTRY = re.compile(r"^(\w+)\((.*)$", re.S)
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
ENDED = re.compile(r"^(.*)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(.*)$", re.S)
FD = re.compile(r"^(\d+|AT_FDCWD)<([^>]*)>")
TEXT = re.compile(r'"([^"]*)"(\.\.\.)?')


class Unknown(Exception):
    """The record contains a call that the model does not know."""


def octets(text):
    return bytes.fromhex(text.replace("\\x", ""))


def texts(arguments):
    found = []
    for text, cut in TEXT.findall(arguments):
        if cut:
            raise Unknown(f"strace cut the data of a call short: {arguments[:80]}")
        found.append(octets(text))
    return found


def path_of(decoration):
    path = octets(decoration).decode() if decoration.startswith("\\x") else decoration
    return path.removesuffix(" (deleted)").removesuffix("(deleted)")


class Call:
    def __init__(self, thread, name, arguments):
        self.thread, self.name, self.arguments, self.result, self.memo = (
            thread,
            name,
            arguments,
            None,
            None,
        )

    @property
    def fd(self):
        found = FD.match(self.arguments)
        return path_of(found.group(2)) if found else ""

    def paths(self):
        """The paths that a call names, made absolute."""
        folders = [
            path_of(found) for found in re.findall(r"(?:\d+|AT_FDCWD)<([^>]*)>", self.arguments)
        ]
        named = [text.decode("utf-8", "surrogateescape") for text in texts(self.arguments)]
        folders += folders[:1] * (len(named) - len(folders)) or [""] * len(named)
        return [
            name if name.startswith("/") else f"{folder}/{name}"
            for folder, name in zip(folders, named)
        ]

    def __str__(self):
        by_path = self.name in ("rename", "mkdir", "unlink", "openat")
        return f"{self.name}({', '.join(self.paths()) if by_path else self.fd})"


def read(record):
    """Yields ("begins" or "ends", call) in the order of strace's record."""
    begun = {}
    for line in record:
        thread, rest = LINE.match(line.rstrip("\n")).groups()
        resumed = RESUMED.match(rest)
        if resumed:
            call = begun.pop(thread)
            tail = ENDED.match(resumed.group(2))
        else:
            entry = ENTRY.match(rest)
            if not entry:
                continue  # a signal or an end
            name, arguments = entry.groups()
            call = Call(thread, name, arguments)
            if arguments.endswith("<unfinished ...>"):
                call.arguments = arguments.removesuffix("<unfinished ...>").rstrip()
                begun[thread] = call
                yield "begins", call
                continue
            tail = ENDED.match(arguments)
            if tail:
                call.arguments = tail.group(1)
            yield "begins", call
        if not tail:
            raise Unknown(f"a line of strace's: {line[:200]}")
        if resumed:
            call.arguments += tail.group(1)
        call.result = None if tail.group(2) == "?" else int(tail.group(2), 0)
        yield "ends", call


class Replay:
    """Applies calls to a disk and to the sessions of a POP3 server."""

    def __init__(self, disk, sessions):
        self.disk, self.sessions, self.links = disk, sessions, {}

    def apply(self, when, call):
        """Whether a cut after this call may leave another state than one before it."""
        return (self.begins if when == "begins" else self.ends)(call)

    def begins(self, call):
        name, node = call.name, None
        if name in (*WRITES, "fsync", "fdatasync", "syncfs", "ftruncate"):
            node = self.disk.find(call.fd)
        if name in WRITES and isinstance(node, File):
            data = b"".join(texts(call.arguments))
            offset = (
                int(call.arguments.rsplit(",", 1)[1])
                if name.startswith("p")
                else len(node.live)
                if node.appends
                else node.at
            )
            call.memo = node.change(Write(offset, data))
            if not name.startswith("p"):
                node.at = offset + len(data)
            return True
        if name in ("fsync", "fdatasync") and node:
            call.memo = self.disk.snapshot([node])
        elif name in ("syncfs", "sync"):
            trees = [self.disk.tree_of(call.fd)] if name == "syncfs" and node else []
            if name == "sync":
                trees = [self.disk.root]
            call.memo = self.disk.snapshot(
                [node for tree in trees for node in self.disk.below(tree)]
            )
        elif name == "sendto" and "TCP" in call.arguments:
            return self.sent(call.fd, b"".join(texts(call.arguments)))
        return False

    def ends(self, call):
        name, failed = call.name, call.result is None or call.result < 0
        if isinstance(call.memo, Write):
            if failed or call.result != len(call.memo.data):
                raise Unknown(f"a write that was not whole: {call}")
            call.memo.done = True
            return False
        if name == "recvfrom" and "TCP" in call.arguments and not failed:
            return self.received(call.fd, b"".join(texts(call.arguments)))
        if failed or name in (*WRITES, *NETWORK):
            return False
        if call.memo:
            self.disk.settle(call.memo)
            return True
        change = getattr(self, "on_" + name, None)
        if change:
            return change(call)
        if name in UNKNOWN and self.is_ours(call):
            raise Unknown(f"{name} on the trees: {call.arguments[:200]}")
        return False

    def is_ours(self, call):
        if name_is_mmap(call) and not (
            "MAP_SHARED" in call.arguments and "PROT_WRITE" in call.arguments
        ):
            return False
        if call.name == "io_uring_setup":
            return True
        places = [path_of(found) for found in re.findall(r"\d+<([^>]*)>", call.arguments)]
        places += call.paths() if not name_is_mmap(call) else []
        return any(place.startswith(self.disk.root_path + "/") for place in places)

    def on_openat(self, call):
        path = call.paths()[0]
        place = self.disk.split(path)
        if not place:
            return False
        folder, name = place
        node, changed = folder.live.get(name), False
        if "O_TMPFILE" in call.arguments:
            # without a name it is gone after a cut; giving it one is a call that the model does not
            # know
            return False
        if node is None:
            if "O_CREAT" not in call.arguments:
                raise Unknown(f"a file is opened that the model does not have: {path}")
            node, changed = File(), True
            self.disk.rename(None, (folder, name, node))
        if isinstance(node, File) and ("O_WRONLY" in call.arguments or "O_RDWR" in call.arguments):
            node.at, node.appends = 0, "O_APPEND" in call.arguments
            if "O_TRUNC" in call.arguments and node.live:
                node.change(Length(0))
                changed = True
        return changed

    def on_mkdir(self, call):
        place = self.disk.split(call.paths()[0])
        if place:
            self.disk.rename(None, (*place, Folder()))
        return bool(place)

    on_mkdirat = on_mkdir

    def on_unlink(self, call):
        place = self.disk.split(call.paths()[0])
        if place:
            self.disk.rename(place, None)
        return bool(place)

    on_unlinkat = on_rmdir = on_unlink

    def on_rename(self, call):
        old, new = (self.disk.split(path) for path in call.paths()[:2])
        if not old and not new:
            return False
        if not old or not new or "RENAME_EXCHANGE" in call.arguments:
            raise Unknown(f"a rename into or out of the trees: {call}")
        self.disk.rename(old, (*new, old[0].live[old[1]]))
        return True

    on_renameat = on_renameat2 = on_rename

    def on_ftruncate(self, call):
        node = self.disk.find(call.fd)
        length = int(call.arguments.rsplit(",", 1)[1])
        if not isinstance(node, File) or len(node.live) == length:
            return False
        node.change(Length(length))
        return True

    def on_fallocate(self, call):
        if "FALLOC_FL_KEEP_SIZE" not in call.arguments and self.disk.find(call.fd):
            raise Unknown(f"fallocate that changes a size: {call}")
        return False

    def on_lseek(self, call):
        node = self.disk.find(call.fd)
        if isinstance(node, File):
            node.at = call.result
        return False

    # The server

    def link(self, name):
        if name not in self.links:
            self.links[name] = (
                self.sessions[len(self.links)] if len(self.links) < len(self.sessions) else None
            )
        return self.links[name]

    def sent(self, link, data):
        session = self.link(link)
        for command in data.split(b"\r\n") if session else []:
            word, _, number = command.partition(b" ")
            if word == b"DELE" or (word == b"RETR" and session.hides):
                session.asked.add(session.table[int(number)])
            elif word == b"QUIT":
                session.may_have_ended = True
        return bool(session and session.may_have_ended)

    def received(self, link, data):
        session = self.link(link)
        if session and b"+OK committed" in data:
            session.has_ended = True
        return bool(session and session.has_ended)

    def servers(self):
        """The sets of unique-ids that the server may have removed by now."""
        surely, maybe = set(), set()
        for session in self.links.values():
            if session and session.has_ended:
                surely |= session.asked
            elif session and session.may_have_ended:
                maybe |= session.asked
        return [surely, surely | maybe] if maybe else [surely]


def name_is_mmap(call):
    return call.name == "mmap"

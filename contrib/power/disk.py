"""Disks that a power cut may leave: a model of files and folders in which only synced data is
certain.

The assumptions, and no others:
- `fsync` and `fdatasync` of a file make its content durable, and not its name. `fsync` of a folder
  makes the names in it durable, and not the content of the files, nor the folder's own name in the
  folder above.
- `syncfs` makes everything below that one of the two trees (state directory, Maildir) durable, as
  if each had a file system of its own. `sync_file_range` makes nothing durable.
- A write that was not synced may be absent, whole or torn (a beginning of it), each write of a file
  apart from the others. If an earlier one is absent, its place contains zeros.
- Names in one folder change in the order of the calls; folders do not wait for each other. A rename
  happens as a whole.
- A call covers what had ended before it began. A write may be on disk from the moment it began.
"""


class File:
    def __init__(self):
        self.live = b""  # what the program reads
        self.durable = b""
        self.pending = []  # operations not synced yet, in order
        self.at = 0  # the position of the next write()
        self.appends = False

    def change(self, operation):
        self.live = operation.on(self.live)
        self.pending.append(operation)
        return operation


class Write:
    def __init__(self, offset, data):
        self.offset, self.data, self.done = offset, data, False

    def on(self, content, octets=None):
        data = self.data if octets is None else self.data[:octets]
        if not data:
            return content
        content = content.ljust(self.offset, b"\0")
        return content[: self.offset] + data + content[self.offset + len(data) :]

    def zeros(self, content):
        """The size arrived, the data did not."""
        return (
            Write(self.offset, b"\0" * len(self.data)).on(content)
            if len(content) < self.offset + len(self.data)
            else content
        )


class Length:
    def __init__(self, length):
        self.length, self.done, self.data = length, True, b""

    def on(self, content, octets=None):
        return content[: self.length].ljust(self.length, b"\0")

    def zeros(self, content):
        return content


class Folder:
    def __init__(self):
        self.live, self.durable = {}, {}


class Rename:
    """A change of names: `gone` is (folder, name) or None, `new` is (folder, name, node) or
    None.
    """

    def __init__(self, gone, new):
        self.gone, self.new = gone, new
        self.home = new[0] if new else gone[0]

    def touches(self, folder):
        return folder is self.home or bool(self.gone and self.gone[0] is folder)

    def on(self, names):
        if self.gone:
            folder, name = self.gone
            # Another file may have this name by now.
            if not self.new or names(folder).get(name) is self.new[2]:
                names(folder).pop(name, None)
        if self.new:
            folder, name, node = self.new
            names(folder)[name] = node


class Disk:
    """The trees below a root, each its own file system."""

    def __init__(self, root):
        self.root_path, self.root, self.names = root, Folder(), []

    # What the program does

    def split(self, path):
        """Folder and name of a path below the root; None for any other path."""
        if not path.startswith(self.root_path + "/"):
            return None
        parts = [
            part for part in path[len(self.root_path) + 1 :].split("/") if part not in ("", ".")
        ]
        folder = self.root
        for part in parts[:-1]:
            folder = folder.live.get(part)
            if not isinstance(folder, Folder):
                return None
        return (folder, parts[-1]) if parts else None

    def find(self, path):
        if path.rstrip("/") == self.root_path:
            return self.root
        place = self.split(path)
        return place[0].live.get(place[1]) if place else None

    def rename(self, gone, new):
        change = Rename(gone, new)
        change.on(lambda folder: folder.live)
        self.names.append(change)

    def below(self, node):
        yield node
        if isinstance(node, Folder):
            for child in {id(n): n for n in [*node.live.values(), *node.durable.values()]}.values():
                yield from self.below(child)

    def tree_of(self, path):
        return self.root.live.get(path[len(self.root_path) + 1 :].split("/")[0])

    # What becomes durable

    def snapshot(self, nodes):
        """The changes that a sync which begins now makes durable when it ends."""
        files = [
            (node, [p for p in node.pending if p.done]) for node in nodes if isinstance(node, File)
        ]
        folders = [node for node in nodes if isinstance(node, Folder)]
        changes = [c for c in self.names if any(c.touches(folder) for folder in folders)]
        return files, changes

    def settle(self, snapshot):
        files, changes = snapshot
        for file, operations in files:
            # Data that something not yet durable overwrote goes first; the order of calls stays.
            for operation in operations:
                if operation in file.pending:
                    file.durable = operation.on(file.durable)
                    file.pending.remove(operation)
        for change in changes:
            if change in self.names:
                self.names.remove(change)
                change.on(lambda folder: folder.durable)
                if change.gone:
                    # A file that has left a folder does not enter it later.
                    self.names = [
                        c
                        for c in self.names
                        if not (
                            c.new
                            and c.new[:2] == change.gone
                            and (not change.new or c.new[2] is change.new[2])
                        )
                    ]

    def settle_all(self):
        for node in list(self.below(self.root)):
            if isinstance(node, File):
                node.durable, node.pending = node.live, []
            else:
                node.durable = dict(node.live)
        self.names = []

    def after_live(self):
        """The state that the program sees, in the form of `after_cut`."""
        return self.after_cut(lambda _, changes: len(changes), lambda file, _: file.live)

    # What a cut may leave

    def after_cut(self, choose_names, choose_data):
        """One disk: `choose_names(folder, changes)` says how many of a folder's changes happened,
        `choose_data(file, path)` gives the content of a file. The result maps paths below the
        root to octets, or None for a folder.
        """
        homes = {id(change.home): change.home for change in self.names}
        happened = set()
        for home in homes.values():
            own = [change for change in self.names if change.home is home]
            happened.update(id(change) for change in own[: choose_names(home, own)])
        names = {}

        def of(folder):
            return names.setdefault(id(folder), dict(folder.durable))

        for change in self.names:
            if id(change) in happened:
                change.on(of)
        found = {}

        def walk(folder, path):
            for name, node in of(folder).items():
                place = f"{path}/{name}" if path else name
                if isinstance(node, Folder):
                    found[place] = None
                    walk(node, place)
                else:
                    found[place] = choose_data(node, place)

        walk(self.root, "")
        return found

    def disks(self, random, torn):
        """The disks that a cut now may leave: the plain ones, and `torn` chosen at random."""
        none, every = (lambda _, changes: 0), (lambda _, changes: len(changes))
        old, new = (lambda file, _: file.durable), (lambda file, _: file.live)

        def zeros(file, _):
            content = file.durable
            for operation in file.pending:
                content = operation.zeros(content)
            return content

        def without_index(file, path):
            return file.durable if "/index/" in path else file.live

        plain = [
            ("nothing unsynced", none, old),
            ("everything", every, new),
            ("names without data", every, old),
            ("data without names", none, new),
            ("names and sizes, data zeros", every, zeros),
            ("everything but what sled wrote", every, without_index),
        ]
        for what, names, data in plain:
            yield what, self.after_cut(names, data)
        unsynced = self.names or any(
            isinstance(n, File) and n.pending for n in self.below(self.root)
        )
        for _ in range(torn if unsynced else 0):
            yield (
                "torn",
                self.after_cut(
                    lambda _, changes: random.randint(0, len(changes)),
                    lambda file, _: tear(file, random),
                ),
            )


def tear(file, random):
    content = file.durable
    for operation in file.pending:
        how = random.choice(("absent", "whole", "torn", "zeros"))
        if how == "whole":
            content = operation.on(content)
        elif how == "torn":
            content = operation.on(content, random.randint(0, len(operation.data)))
        elif how == "zeros":
            content = operation.zeros(content)
    return content

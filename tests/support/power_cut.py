"""What a disk may hold after the power failed, by a log of what a program did to its files.

Until something is synced, nobody knows what of it gets to the disk, in which order or in what
pieces. Of a file this is content, and of a folder its entries: each is synced by itself.
"""

import os
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = dict[str, bytes | None]
"""What is in a folder: content of files by relative path, and `None` for folders."""

ORDERS = ("journal", "any")
"""How entries of folders get to the disk: those that were made first do first, or any of them."""

FATES = ("all", "none", "zeros", "beginning", "blocks")
"""What becomes of content that was not synced. The file may have grown all the same, by zeros."""

# ── what was done ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Write:
    """Bytes were written to a file."""

    time: float
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    """A file was cut, or grown."""

    time: float
    file: int
    size: int


@dataclass(frozen=True)
class Enter:
    """A folder got an entry, in the place of what had the name.

    Attributes:
        what: file or folder.
        is_folder: which of them.
        source: folder and name that the entry had before, if it was moved.
    """

    time: float
    folder: int
    name: str
    what: int
    is_folder: bool
    source: tuple[int, str] | None = None


@dataclass(frozen=True)
class Leave:
    """A folder lost an entry."""

    time: float
    folder: int
    name: str


@dataclass(frozen=True)
class Sync:
    """A file or a folder is on the disk as it was after the first `until` steps."""

    time: float
    what: int
    until: int


Step = Write | Truncate | Enter | Leave | Sync


@dataclass
class Log:
    """What was done to the files in a folder, in order.

    Attributes:
        root: the folder.
        before: what was in it, all of it synced.
        steps: what was done then.
        end: when nothing more was done, by `time.monotonic`.
    """

    root: str
    before: Tree
    steps: list[Step] = field(default_factory=list[Step])
    end: float = float("inf")

    def all_synced(self) -> "Log":
        """The same, and then everything was synced."""
        done = len(self.steps)
        known = {step.what for step in self.steps if isinstance(step, Enter)}
        known |= {step.folder for step in self.steps if isinstance(step, Enter | Leave)}
        known |= set(names_of(self.before).values())
        synced = [Sync(self.end, number, done) for number in sorted(known)]
        return Log(self.root, self.before, [*self.steps, *synced], self.end)

    def time(self, cut: int) -> float:
        """The latest moment at which the first `cut` steps, and no others, were done."""
        return self.steps[cut].time if cut < len(self.steps) else self.end


def tree(root: str) -> Tree:
    """What is in a folder."""
    found: Tree = {}
    for folder, names, files in os.walk(root):
        for name in names:
            found[os.path.relpath(f"{folder}/{name}", root)] = None
        for name in files:
            with open(f"{folder}/{name}", "rb") as file:
                found[os.path.relpath(f"{folder}/{name}", root)] = file.read()
    return found


def names_of(content: Tree) -> dict[str, int]:
    """A number for everything in a folder, and for itself."""
    return {path: number for number, path in enumerate(["", *sorted(content)])}


def put(content: Tree, root: str) -> None:
    """Make a folder that holds this."""
    os.makedirs(root)
    for path, data in sorted(content.items()):
        if data is None:
            os.makedirs(f"{root}/{path}", exist_ok=True)
        else:
            os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
            with open(f"{root}/{path}", "wb") as file:
                file.write(data)


# ── what may be left of it ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Cut:
    """A moment, and what of the steps before it that were not synced is on the disk.

    Attributes:
        moment: how much of the log was done when the power failed, in millionths.
        order: one of `ORDERS`.
        fate: one of `FATES`; of each file another one if empty.
        block: bytes that get to the disk whole or not at all.
        seed: of what is left to chance.
    """

    moment: int
    order: str = "any"
    fate: str = ""
    block: int = 512
    seed: int = 0

    def steps(self, log: Log) -> int:
        """How many steps were done before."""
        return round(self.moment * len(log.steps) / 1_000_000)


def left(log: Log, cut: Cut) -> Tree:
    """What a disk may hold after the power failed."""
    drawn = random.Random(cut.seed)
    steps = log.steps[: cut.steps(log)]
    synced: dict[int, int] = {}
    for step in steps:
        if isinstance(step, Sync):
            synced[step.what] = max(synced.get(step.what, 0), step.until)
    content = _content(log, steps, synced, cut, drawn)
    return _entered(log, steps, synced, cut, drawn, content)


def _entered(
    log: Log,
    steps: list[Step],
    synced: Mapping[int, int],
    cut: Cut,
    drawn: random.Random,
    content: Mapping[int, bytes],
) -> Tree:
    """The tree that folders' entries make of contents."""
    numbers = names_of(log.before)
    folders: dict[int, dict[str, int]] = {}
    for path, number in numbers.items():
        if path:
            parent, name = os.path.split(path)
            folders.setdefault(numbers[parent], {})[name] = number
    # A journal that has a step has all those before it.
    committed = drawn.randint(max(synced.values(), default=0), len(steps))
    likely = drawn.random()
    for position, step in enumerate(steps):
        if not isinstance(step, Enter | Leave):
            continue
        certain = position < synced.get(step.folder, 0)
        by_chance = position < committed if cut.order == "journal" else drawn.random() < likely
        if not certain and not by_chance:
            continue
        entries = folders.setdefault(step.folder, {})
        if isinstance(step, Leave):
            entries.pop(step.name, None)
            continue
        entries[step.name] = step.what
        if step.source is not None:
            folder, name = step.source
            if folders.get(folder, {}).get(name) == step.what:
                del folders[folder][name]

    found: Tree = {}

    def gather(folder: int, path: str) -> None:
        for name, number in folders.get(folder, {}).items():
            if number in content:
                found[path + name] = content[number]
            else:
                found[path + name] = None
                gather(number, f"{path}{name}/")

    gather(numbers[""], "")
    return found


def _content(
    log: Log, steps: list[Step], synced: Mapping[int, int], cut: Cut, drawn: random.Random
) -> dict[int, bytes]:
    """What files hold, by number."""
    numbers = names_of(log.before)
    content = {
        numbers[path]: bytearray(data) for path, data in log.before.items() if data is not None
    }
    unsure: dict[int, list[Write | Truncate]] = {}
    for position, step in enumerate(steps):
        if not isinstance(step, Write | Truncate):
            continue
        data = content.setdefault(step.file, bytearray())
        if position < synced.get(step.file, 0):
            _apply(data, step)
        else:
            unsure.setdefault(step.file, []).append(step)
    for step in steps:
        if isinstance(step, Enter) and not step.is_folder:
            content.setdefault(step.what, bytearray())  # nothing was ever written to it
    for file, waiting in sorted(unsure.items()):
        _spoil(content[file], waiting, cut.fate or drawn.choice(FATES), cut.block, drawn)
    return {file: bytes(data) for file, data in content.items()}


def _apply(data: bytearray, step: Write | Truncate, piece: slice | None = None) -> None:
    if isinstance(step, Truncate):
        _resize(data, step.size)
        return
    begin, end, _ = (piece or slice(None)).indices(len(step.data))
    _resize(data, max(len(data), step.offset + end))
    data[step.offset + begin : step.offset + end] = step.data[begin:end]


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


def _spoil(
    data: bytearray,
    waiting: list[Write | Truncate],
    fate: str,
    block: int,
    drawn: random.Random,
) -> None:
    """Do to a file what has become of steps that were not synced."""
    if fate == "all":
        for step in waiting:
            _apply(data, step)
    elif fate == "zeros":
        ends = [step.offset + len(step.data) for step in waiting if isinstance(step, Write)]
        _resize(data, max([len(data), drawn.choice(ends)] if ends else [len(data)]))
    elif fate == "beginning":
        whole = drawn.randint(0, len(waiting))
        for step in waiting[:whole]:
            _apply(data, step)
        if whole < len(waiting) and isinstance(waiting[whole], Write):
            _apply(data, waiting[whole], slice(0, _torn_at(waiting[whole], block, drawn)))
    elif fate == "blocks":
        likely = drawn.random()
        for step in waiting:
            if isinstance(step, Truncate):
                if drawn.random() < likely:
                    _apply(data, step)
                continue
            if drawn.random() < 0.5:
                _resize(data, max(len(data), step.offset + len(step.data)))
            for piece in _blocks(step, block):
                if drawn.random() < likely:
                    _apply(data, step, piece)


def _blocks(step: Write, block: int) -> Generator[slice]:
    """The parts of a write that are in one block of the file each."""
    begin = 0
    while begin < len(step.data):
        end = min(len(step.data), begin + block - (step.offset + begin) % block)
        yield slice(begin, end)
        begin = end


def _torn_at(step: Any, block: int, drawn: random.Random) -> int:
    return drawn.choice([0, *(piece.stop for piece in _blocks(step, block))])

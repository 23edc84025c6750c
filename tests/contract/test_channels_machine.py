"""Anything in any order, cuts included, against a plain list of frames.

The model is the longest prefix of whole frames; after a cut it is found from the bytes on disk with
the standard library.
"""

import pickle
import queue
import shutil
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.channels import CASES, Array, Case, LocalPlace, whole_frames

NAME = "channel"
COUNTS = st.integers(0, 4)
INDICES = st.integers(-12, 12)
BOUNDS = st.none() | INDICES
STEPS = st.none() | st.integers(-4, 4).filter(bool)
PARTS = st.floats(0, 1)


class ChannelMachine(RuleBasedStateMachine):
    """One channel, a reader that has it open all the time, and the numbers of its frames."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.place = LocalPlace(tempfile.mkdtemp(prefix="roverd-machine-"))
        self.channel = case.open(self.place.path(NAME))
        self.reader = case.open(self.place.path(NAME))
        self.there: list[int] = []
        self.exists = False
        self.number = 0

    def teardown(self) -> None:
        shutil.rmtree(self.place.root)

    def new(self, count: int) -> list[int]:
        self.number += count
        return list(range(self.number - count, self.number))

    def frames(self, numbers: list[int]) -> Array:
        return self.case.frames(*numbers)

    def took(self, numbers: list[int], append: bool) -> None:
        self.there = [*self.there, *numbers] if append else numbers
        self.exists = True

    @initialize(count=COUNTS)
    def begin(self, count: int) -> None:
        self.write(count, append=False)

    @rule(count=COUNTS, append=st.booleans())
    def write(self, count: int, append: bool) -> None:
        numbers = self.new(count)
        self.channel.write(self.frames(numbers), append=append)
        self.took(numbers, append)

    @rule(count=COUNTS)
    def append(self, count: int) -> None:
        self.write(count, append=True)

    @rule(count=COUNTS, kind=st.sampled_from(["iterator", "queue", "thread"]), append=st.booleans())
    def consume(self, count: int, kind: str, append: bool) -> None:
        numbers = self.new(count)
        frames = self.frames(numbers)
        source: Any = iter(frames)
        if kind == "queue":
            source = queue.Queue()
            for item in [*frames, None]:
                source.put(item)
        options: Any = {"append": append}
        handle = self.channel.consume(source, thread=kind == "thread", **options)
        if handle is not None:
            handle.join()
        self.took(numbers, append)

    @rule()
    def refuse(self) -> None:
        with pytest.raises(ValueError, match=NAME):
            self.channel.write(np.zeros((2, 9), "f8"), append=True)

    @rule(via=st.sampled_from(["new", "like", "pickle"]))
    def reopen(self, via: str) -> None:
        if via == "new":
            self.channel = self.case.open(self.place.path(NAME))
        elif via == "like":
            self.channel = self.reader.open_like(self.place.path(NAME))
        else:
            self.channel = pickle.loads(pickle.dumps(self.reader))  # noqa: S301 - our own

    @rule()
    def swap(self) -> None:
        self.channel, self.reader = self.reader, self.channel

    @rule(start=st.integers(0, 12), samples=st.integers(-1, 6))
    def read(self, start: int, samples: int) -> None:
        stop = len(self.there) if samples == -1 else start + samples
        if start > len(self.there) or stop > len(self.there):
            if samples == 0:
                return
            with pytest.raises(IndexError):
                self.reader.read(start, samples)
        else:
            got = self.reader.read(start, samples)
            self.case.check(got, self.frames(self.there[start:stop]))

    @rule(index=INDICES)
    def item(self, index: int) -> None:
        if -len(self.there) <= index < len(self.there):
            self.case.check(self.reader[index], self.frames([self.there[index]]))
        else:
            with pytest.raises(IndexError):
                self.reader[index]

    @rule(start=BOUNDS, stop=BOUNDS, step=STEPS)
    def slice(self, start: int | None, stop: int | None, step: int | None) -> None:
        wanted = self.frames(self.there[start:stop:step])
        self.case.check(self.reader[start:stop:step], wanted)

    @rule(batch=st.integers(0, 5), ahead=st.booleans())
    def stream(self, batch: int, ahead: bool) -> None:
        stream = self.reader.stream_prefetch if ahead else self.reader.stream
        pieces = [piece if batch else piece[None] for piece in stream(batch=batch)]
        assert all(len(piece) == max(batch, 1) for piece in pieces[:-1])
        got = np.concatenate([self.frames([]), *pieces])
        self.case.check(got, self.frames(self.there))

    @precondition(lambda self: not self.case.folder)
    @rule(part=PARTS, whole=st.booleans())
    def cut_data(self, part: float, whole: bool) -> None:
        size = len(self.place.files(self.channel.path)[NAME])
        # Half of the cuts are within the last few bytes, where most can go wrong.
        kept = int(part * size) if whole else max(0, size - int(part * 40))
        self.place.cut(self.channel.path, kept)
        self.recount()

    @precondition(lambda self: self.case.indexed)
    @rule(part=PARTS, gone=st.booleans())
    def cut_index(self, part: float, gone: bool) -> None:
        path = f"{self.channel.path}_i"
        size = len(self.place.files(self.channel.path).get(f"{NAME}_i", b""))
        if gone and size:
            self.place.remove(path)
        elif size:
            self.place.cut(path, int(part * size))
        self.recount()

    @precondition(lambda self: self.case.folder and self.there)
    @rule(part=PARTS)
    def remove_last_files(self, part: float) -> None:
        names = [name for name in self.place.files(self.channel.path) if "/" in name]
        for name in sorted(names)[int(part * len(names)) :]:
            self.place.remove(self.place.path(name))
        self.recount()

    def recount(self) -> None:
        whole = whole_frames(self.case, self.place.files(self.channel.path), NAME)
        assert whole <= len(self.there)
        self.there = self.there[:whole]

    @invariant()
    def the_number_of_frames_is_right(self) -> None:
        assert len(self.reader) == len(self.channel) == len(self.there)
        if self.exists:
            self.case.check(self.reader.read(), self.frames(self.there))
            files = self.place.files(self.channel.path)
            assert whole_frames(self.case, files, NAME) == len(self.there)
            assert self.reader.filesize == sum(map(len, files.values()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [20, pytest.param(250, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_any_order_of_operations_gives_what_a_list_would(case: Case, examples: int) -> None:
    run_state_machine_as_test(
        lambda: ChannelMachine(case),
        settings=settings(max_examples=examples, stateful_step_count=20),
    )


@pytest.mark.parametrize("case", [case for case in CASES if not case.folder], ids=str)
def test_cut_at_every_byte_the_whole_frames_are_read_and_appending_goes_on(
    case: Case, tmp_path: Any
) -> None:
    place = LocalPlace(str(tmp_path))
    whole = case.open(place.path("whole"))
    for count in (2, 1):
        whole.write(case.upto(count, len(whole)), append=True)
    files = {name.replace("whole", NAME): data for name, data in place.files(whole.path).items()}
    data = files[NAME]
    # Every byte of the last frames and of what follows them, and some of the long AVI header.
    cuts = [
        *range(0, len(data), 97),
        *range(max(0, len(data) - 3000), len(data) + 1, 3 if case.lossy else 1),
    ]
    reader = case.open(place.path(NAME))
    for cut in cuts:
        for name, content in files.items():
            place.put(place.path(name), content)
        place.cut(reader.path, cut)
        left = whole_frames(case, place.files(reader.path), NAME)
        assert len(reader) == left
        case.check(reader.read(), case.upto(left))
        if cut % 7 == 0:
            reader.write(case.upto(1, 9), append=True)
            case.check(reader.read(), np.concatenate([case.upto(left), case.upto(1, 9)]))

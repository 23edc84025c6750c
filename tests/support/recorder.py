"""A recorder, for tests that let its process end in one way or another.

`python recorder.py HOW FILE…`: each FILE is JSON, a channel and the `.npy` file of its frames. HOW:

- `queue`: fills a queue, has it consumed in a thread, and exits at once.
- `process-queue`: the same with a queue of `multiprocessing`.
- `slow`: the same, and each item takes long to bring into the channel's layout.
- `iterator`: has an iterator consumed that waits after its last frame, and exits.
- `endless`: as `queue`, and a thread goes on filling the queue without a pause.
- `endless-iterator`: has an iterator consumed that repeats the last frame for ever, and exits.
- `crash`: raises after filling the queue.
- `wait`: fills the queue and waits to be killed.
"""

import json
import multiprocessing
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from roverd import channels


def _source(frames: Any, endless: bool, given: threading.Event) -> Iterator[Any]:
    yield from frames
    given.set()
    while endless:
        yield frames[-1]
    threading.Event().wait()


def _fill(items: "queue.Queue[Any]", frame: Any) -> None:
    while True:
        items.put(frame)


def _record(how: str, channel: channels.Channel, frames: Any) -> None:
    if how in ("iterator", "endless-iterator"):
        given = threading.Event()
        channel.consume(_source(frames, how != "iterator", given), thread=True)
        given.wait()
    else:
        if how == "slow":
            frames = [np.asfortranarray(frame.astype(">f8")) for frame in frames]
        items: Any = queue.Queue(200)
        if how == "process-queue":
            items = multiprocessing.get_context("spawn").Queue()
        for frame in frames:
            items.put(frame)
        if how == "endless":
            threading.Thread(target=_fill, args=(items, frames[-1]), daemon=True).start()
        channel.consume(items, thread=True)


def _main(how: str, files: list[str]) -> None:
    for name in files:
        with open(name, encoding="utf-8") as file:
            description = json.load(file)
        frames = np.load(description.pop("frames"))
        _record(how, channels.from_config(**description), frames)
    if how == "crash":
        raise RuntimeError("the recorder's own error")
    if how == "wait":
        threading.Event().wait()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])

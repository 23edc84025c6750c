"""Records in child processes of `multiprocessing` whose functions return without `join`.

`python child_recorder.py METHOD SOURCE FOLDER`: METHOD is how children start; SOURCE is `queue`,
or `iterator`, which waits after its last frame. Each child records one format, as
`support.channels` names them. The parent has a recording of its own going on meanwhile, of which
none of the children may complete the file; it prints `done` when all is as it should be.
"""

import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

from support.channels import BY_NAME, CASES, Case, wait_until

COUNT = 20
LIMIT = 60.0  # seconds


def _endless(frames: Any, given: threading.Event) -> Iterator[Any]:
    yield from frames
    given.set()
    threading.Event().wait()


def _consume(case: Case, path: str, source: str) -> Any:
    channel: Any = case.open(path)
    if source == "iterator":
        given = threading.Event()
        handle = channel.consume(_endless(case.upto(COUNT), given), thread=True)
        assert given.wait(LIMIT)
        return handle
    items: queue.Queue[Any] = queue.Queue()
    for frame in case.upto(COUNT):
        items.put(frame)
    return channel.consume(items, thread=True)


def record(name: str, source: str, folder: str) -> None:
    """What a child does."""
    _consume(BY_NAME[name], os.path.join(folder, name), source)


def main(method: str, source: str, folder: str) -> None:
    case = BY_NAME["mjpg"]
    own = os.path.join(folder, "parent")
    items: queue.Queue[Any] = queue.Queue()
    items.put(case.upto(1)[0])
    channel: Any = case.open(own)
    handle = channel.consume(items, thread=True)
    wait_until(lambda: len(channel) == 1, LIMIT)
    with open(own, "rb") as file:
        before = file.read()

    context: Any = multiprocessing.get_context(method)
    children = [context.Process(target=record, args=(case.name, source, folder)) for case in CASES]
    for child in children:
        child.start()
    for child in children:
        child.join(LIMIT)
        assert child.exitcode == 0, child

    with open(own, "rb") as file:
        assert file.read() == before, "a child has changed its parent's file"
    items.put(case.upto(1, 1)[0])
    items.put(None)
    handle.join(LIMIT)
    case.check(channel.read(), case.upto(2))
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])

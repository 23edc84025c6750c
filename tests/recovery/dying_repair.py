"""Repairs a trace again and again, and is killed at one write after the other.

`python dying_repair.py TRACE WORK EVERY`: for n = 0, EVERY, 2·EVERY, … a copy of TRACE is repaired
by a process that ends, without a word to anybody, at its n-th change of a file (half of what it was
to write being written), and then by one that lives. Prints, for each, whether what is there then is
what one repair alone makes of it; and where there was no such change any more.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roverd.ops import repair as mend
from roverd.storage import local


def dying_at(last: int) -> None:
    """Let this process end at a change."""
    left = [last]

    def counts(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return function(*arguments, **options)

        return counted

    write = local.LocalAppender.write_at

    def write_at(self: local.LocalAppender, offset: int, data: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            half = memoryview(data).cast("B")
            write(self, offset, half[: len(half) // 2])
            os._exit(9)
        write(self, offset, data)

    local.LocalAppender.write_at = write_at  # type: ignore[method-assign]
    for name in ("truncate",):
        setattr(local.LocalAppender, name, counts(getattr(local.LocalAppender, name)))
    for name in ("append_to", "move", "remove", "remove_folder", "make_folder"):
        setattr(local.LocalStorage, name, counts(getattr(local.LocalStorage, name)))
    os.replace = counts(os.replace)  # type: ignore[assignment]


def in_a_process(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a process of its own ends here
            print(f"failed: {error!r}", flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _do_not_wait(path: str) -> None:
    """What a kill leaves does not depend on what is on the disk."""
    os.stat(path)


def repair(trace: Path, last: int | None = None) -> Callable[[], None]:
    def work() -> None:
        local._sync_path = _do_not_wait
        if last is not None:
            dying_at(last)
        mend(trace)

    return work


def content(trace: Path) -> dict[str, bytes]:
    """All that a trace holds but for what was rescued."""
    return {
        str(path.relative_to(trace)): path.read_bytes() if path.is_file() else b""
        for path in trace.rglob("*")
        if "_scratch" not in path.relative_to(trace).parts
    }


def main(trace: Path, work: Path, every: int) -> None:
    once = work / "once"
    shutil.copytree(trace, once)
    assert in_a_process(repair(once)) == 0
    wanted = content(once)
    assert wanted != content(trace)
    step = 0
    while True:
        copy = work / f"{step}"
        shutil.copytree(trace, copy)
        status = in_a_process(repair(copy, step))
        if status == 0:
            break
        assert status == 9, status
        assert in_a_process(repair(copy)) == 0
        found = content(copy)
        same = found == wanted
        odd = sorted(n for n in found.keys() | wanted if found.get(n) != wanted.get(n))
        print(step, "same" if same else f"differs: {odd}", flush=True)
        shutil.rmtree(copy)
        step += every
    print("end", step)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

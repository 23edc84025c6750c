"""Measuring that something costs little."""

import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


def _peak() -> int | None:
    """Bytes of memory that this process has had at most since `_forget_peak`, where known."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) << 10
    except (OSError, KeyError):
        return None


def _forget_peak() -> bool:
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


@contextmanager
def cheap(seconds: float = 1.0, megabytes: int = 32) -> Iterator[None]:
    """Fail when what is within takes more processor time, or more memory, than that.

    Memory is what the operating system gave the process, C libraries included, where Linux tells,
    and otherwise what Python and NumPy asked for.
    """
    resident = _forget_peak() and os.path.exists("/proc/self/status")
    before = (_peak() or 0) if resident else 0
    if not resident:
        tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        took = time.process_time() - begin
        used = ((_peak() or 0) if resident else tracemalloc.get_traced_memory()[1]) - before
    finally:
        if not resident:
            tracemalloc.stop()
    assert took < seconds, f"took {took:.2f} s"
    assert used < megabytes << 20, f"took {used >> 20} MiB"

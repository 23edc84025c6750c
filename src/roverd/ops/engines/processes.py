"""Processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, cast

from roverd.ops.engines.abstract import Died, Item, ItemProgress, Result
from roverd.ops.engines.surroundings import Surroundings, surroundings
from roverd.ops.progress import Progress


class ProcessEngine:
    """Does the work in processes of their own, whatever happens to those.

    The calling program is imported by them: it needs `if __name__ == "__main__":` around what it
    does.

    Args:
        width: how many processes.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def run(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        progress: ItemProgress,
    ) -> list[Result | Died]:
        """Call a function on every item; see `Engine.run`."""
        return _Run(function, items, progress).all(self._width)


class _Run:
    """Items that are worked on by processes."""

    def __init__(
        self,
        function: Callable[[Any, Progress], Any],
        items: Sequence[Any],
        progress: ItemProgress,
    ) -> None:
        self._function = function
        self._items = items
        self._progress = progress
        self._results: dict[int, Any] = {}

    def all(self, width: int) -> list[Any]:
        waiting = deque(range(len(self._items)))
        while waiting:
            # When a process dies, all of its pool fail: the item that kills it is found out by
            # working on those that were being worked on one by one.
            for suspect in self._work(waiting, min(width, len(self._items))):
                if self._work(deque([suspect]), 1):
                    self._finish(suspect, Died())
        return [self._results[number] for number in range(len(self._items))]

    def _finish(self, number: int, result: Any) -> None:
        self._results[number] = result
        self._progress(number, 1, 1)

    def _work(self, waiting: deque[int], width: int) -> list[int]:
        """Work on those that wait; gives those that were being worked on when a process died."""
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            width, multiprocessing.get_context("spawn"), _prepare, (surroundings(),)
        )
        running: dict[Future[Any], int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < width:
                    future = pool.submit(_call, self._function, self._items[waiting[0]])
                    running[future] = waiting.popleft()
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    result = future.result()
                    self._finish(running.pop(future), result)
        except BrokenProcessPool:
            return list(running.values())
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return []


def _call(function: Callable[[Any, Progress], Any], item: Any) -> Any:
    return function(item, cast(Progress, _tell_nobody))


def _tell_nobody(done: int, total: int) -> None:
    """Progress within an item, which is told to no other process."""


def _prepare(around: Surroundings) -> None:
    """Make a process ready: it knows the user's formats, and dies of Ctrl-C without a word.

    It ends when the process that asks for its work has been killed: nobody else would end it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    around.take_up()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)

"""Threads of this process."""

from collections.abc import Callable, Sequence

from roverd.ops.engines.abstract import Died, Item, ItemProgress, Result
from roverd.ops.progress import Progress
from roverd.parallel import map_all, thread_count


class _Stopped(BaseException):
    """Another thread was interrupted."""


class ThreadEngine:
    """Does the work in threads of this process.

    Args:
        width: how many items are worked on side by side; as many as there are cores if `None`.
    """

    def __init__(self, width: int | None = None) -> None:
        self._width = width

    def run(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        progress: ItemProgress,
    ) -> list[Result | Died]:
        """Call a function on every item; see `Engine.run`."""
        interrupt: BaseException | None = None

        def work(number: int) -> Result | Died:
            nonlocal interrupt

            def tell(done: int, total: int) -> None:
                # A thread in the middle of a trace ends here when another one has.
                if interrupt is not None:
                    raise _Stopped
                progress(number, done, total)

            try:
                if interrupt is not None:
                    raise _Stopped
                result = function(items[number], tell)
            except BaseException as error:
                interrupt = interrupt or error
                raise
            progress(number, 1, 1)
            return result

        width = thread_count() if self._width is None else self._width
        try:
            return map_all(work, range(len(items)), width)
        except _Stopped:
            assert interrupt is not None
            raise interrupt from None
        except BaseException as error:
            interrupt = interrupt or error  # for those that still run
            raise

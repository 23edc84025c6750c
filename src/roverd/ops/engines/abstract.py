"""What an engine is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from roverd.ops.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

ItemProgress = Callable[[int, int, int], None]
"""Called with the number of an item, and what is done of it and what there is to do."""


@dataclass(frozen=True)
class Died:
    """Stands for the result of an item whose process died each time that it was tried."""

    @staticmethod
    def describe(doing: str) -> str:
        """What to say about it.

        Args:
            doing: what the process was to do, as "checks this trace".
        """
        return (
            f"expected the process that {doing} to finish, found it dead (killed, out of memory, "
            f"or crashed)"
        )


class Engine(Protocol):
    """Where many pieces of work are done; most are a trace each.

    The work is the same function whatever the engine, so that its results are the same.
    """

    def run(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        progress: ItemProgress,
    ) -> list[Result | Died]:
        """Call a function on every item.

        Args:
            function: called with an item, and with whom to tell how far it is. It may be called
                again for an item whose process died. For engines other than `ThreadEngine`, it and
                the items pickle.
            items: what to call it on.
            progress: told how far each item is, and when it is done (1 of 1), by any thread. What
                happens in other processes is told when it is done.

        Returns:
            The results in the order of the items.

        Raises:
            BaseException: what `function` raised; nothing is being worked on any more then.
        """
        ...

"""Machines of a Ray cluster."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Any, Self

from roverd.errors import RoverdWarning
from roverd.ops.engines.abstract import Died, Item, ItemProgress, Result
from roverd.ops.engines.ray_cluster import connect
from roverd.ops.engines.surroundings import Surroundings, surroundings
from roverd.ops.progress import Progress
from roverd.parallel import set_threads

_RETRIES = 3
_UNDERWAY = 1000  # tasks that Ray is told of at a time: it schedules them, and may add machines
_SECONDS_TO_END = 10.0


class RayEngine:
    """Does the work in a Ray cluster, a task for each item.

    All machines need roverd, and the same files at the same paths, or URLs. A task whose process
    or machine died is tried again, three times. Each has its share of the cluster's cores.

    The cluster is connected to when there is work; a program that is connected already stays so.
    As a context, the engine disconnects at its end, and ends the cluster that it has started.

    Args:
        address: of the cluster, as `ray.init` takes it. If `None`, the one that the environment
            variable `RAY_ADDRESS` names, one that runs on this machine, or one that is started
            here.
        width: how many items are worked on at a time; as many as there are cores if `None`.
    """

    def __init__(self, address: str | None = None, width: int | None = None) -> None:
        self._address = address
        self._width = width
        self._ray: Any = None
        self._ours = False  # whether we have connected

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, if the engine has connected."""
        if self._ours:
            self._ray.shutdown()
        self._ray, self._ours = None, False

    def run(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        progress: ItemProgress,
    ) -> list[Result | Died]:
        """Call a function on every item; see `Engine.run`.

        Raises:
            ImportError: Ray is not installed.
            ConnectionError: the cluster cannot be reached.
        """
        if not items:
            return []
        if self._ray is None:
            self._ray, self._ours = connect(self._address)
        return _Run(self._ray, function, items, progress, self._width).all()


class _Run:
    """Items that are worked on by tasks of Ray."""

    def __init__(
        self,
        ray: Any,
        function: Callable[[Any, Progress], Any],
        items: Sequence[Any],
        progress: ItemProgress,
        width: int | None,
    ) -> None:
        self._ray = ray
        self._items = items
        self._progress = progress
        self._underway = width or _UNDERWAY
        cores = _share(ray, min(len(items), self._underway))
        # Errors are the function's own affair; what is tried again is what died.
        options = {"num_cpus": cores, "max_retries": _RETRIES, "retry_exceptions": False}
        self._task = ray.remote(**options)(_work)
        self._arguments = ray.put(function), ray.put(surroundings()), cores
        self._results: dict[int, Any] = {}

    def all(self) -> list[Any]:
        # Waiting for futures, unlike `ray.wait`, leaves alone what a signal's handler raises.
        pending: dict[Future[Any], tuple[Any, int]] = {}
        try:
            for number, item in enumerate(self._items):
                if len(pending) >= self._underway:
                    self._take(pending)
                reference = self._task.remote(*self._arguments, item)
                pending[reference.future()] = reference, number
            while pending:
                self._take(pending)
        except BaseException:
            # What is half made is removed by those that made it.
            for reference, _ in pending.values():
                self._ray.cancel(reference)
            wait(pending, _SECONDS_TO_END)
            raise
        return [self._results[number] for number in range(len(self._items))]

    def _take(self, pending: dict[Future[Any], tuple[Any, int]]) -> None:
        """Wait for tasks to end, and take their results."""
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            _, number = pending.pop(future)
            self._results[number] = self._result(future)
            self._progress(number, 1, 1)

    def _result(self, future: Future[Any]) -> Any:
        exceptions = self._ray.exceptions
        try:
            result, texts = future.result()
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
        ):
            return Died()
        for text in texts:
            warnings.warn(text, RoverdWarning, stacklevel=2)
        return result


def _share(ray: Any, tasks: int) -> int:
    """How many cores a task has, so that few tasks use all of them."""
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cores = [count for count in nodes if count]
    return max(1, min(min(cores), sum(cores) // tasks)) if cores else 1


def _work(
    function: Callable[[Any, Progress], Any], around: Surroundings, cores: int, item: Any
) -> tuple[Any, list[str]]:
    """Call a function in a process of the cluster; gives its warnings, too."""
    around.take_up()
    set_threads(cores)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RoverdWarning)
        result = function(item, _tell_nobody)
    texts = [str(one.message) for one in caught if issubclass(one.category, RoverdWarning)]
    return result, texts


def _tell_nobody(done: int, total: int) -> None:
    """Progress within an item, which is told to no other process."""

"""Work side by side: how wide, in which order errors count, and that it always ends."""

import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Generator, Iterator

import pytest

import roverd
from roverd.parallel import for_each, map_all, run_ahead, thread_count

LIMIT = 30.0  # seconds that anything here may take on a slow machine

# What some of these tests are about is waiting that never ends.
pytestmark = pytest.mark.timeout(90)


class OwnError(Exception):
    """An error that a call raises."""


class Counter:
    """Counts calls, and how many there are at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.calls = 0

    def __call__(self, item: int) -> int:
        with self._lock:
            self._now += 1
            self.calls += 1
            self.most = max(self.most, self._now)
        # Long enough for others to come, and without the GIL.
        checksum = zlib.crc32(bytes(1 << 20), item)
        with self._lock:
            self._now -= 1
        return checksum


@pytest.mark.parametrize("width", [2, 16, 32])
def test_calls_that_wait_for_each_other_run_all_at_once(width: int) -> None:
    barrier = threading.Barrier(width, timeout=LIMIT)
    for _ in range(3):
        for_each(lambda _: barrier.wait(), range(width), limit=width)


def test_two_of_them_at_a_time_do_not_wait_for_each_other() -> None:
    barriers = [threading.Barrier(8, timeout=LIMIT) for _ in range(2)]
    in_threads(lambda number: for_each(lambda _: barriers[number].wait(), range(8), 8), 2)


@pytest.mark.parametrize("limit", [None, 1, 3, 16, 1000])
def test_never_more_run_at_once_than_the_limit(limit: int | None) -> None:
    counter = Counter()
    for_each(counter, range(200), limit)
    assert counter.calls == 200
    assert counter.most <= (thread_count() if limit is None else min(limit, 32))


@pytest.mark.parametrize("limit", [None, 1, 4, 16])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_results_come_in_the_order_of_the_items(limit: int | None, count: int) -> None:
    assert map_all(lambda item: item * item, range(count), limit) == [n * n for n in range(count)]


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Do `work` in threads; fail when they do not end, or one of them fails."""
    ended: list[int] = []

    def run(number: int) -> None:
        work(number)
        ended.append(number)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(ended) == list(range(count))


@pytest.mark.parametrize("limits", [[None] * 4, [4] * 4, [None, 4, None, 40]], ids=str)
def test_work_within_work_within_work_ends(limits: list[int | None]) -> None:
    lock = threading.Lock()
    leaves: list[tuple[int, ...]] = []

    def descend(place: tuple[int, ...]) -> None:
        depth = len(place) - 1
        if depth == len(limits):
            with lock:
                leaves.append(place)
            return
        for_each(lambda item: descend((*place, item)), range(4), limits[depth])

    in_threads(lambda number: descend((number,)), 8)
    assert len(leaves) == len(set(leaves)) == 8 * 4**4


def test_the_first_failure_in_order_is_raised_not_the_first_in_time() -> None:
    barrier = threading.Barrier(8, timeout=LIMIT)
    failed = threading.Event()
    running: set[int] = set()

    def call(item: int) -> None:
        running.add(item)
        barrier.wait()
        try:
            if item == 6:
                failed.set()
                raise OwnError("6")
            if item in (2, 4):
                assert failed.wait(LIMIT)
                raise OwnError(str(item))
        finally:
            running.discard(item)

    with pytest.raises(OwnError, match="2"):
        for_each(call, range(8), limit=8)
    assert not running


@pytest.mark.parametrize("limit", [None, 1, 4])
@pytest.mark.parametrize("error", [OwnError, KeyboardInterrupt, SystemExit])
def test_after_a_failure_nothing_is_begun(limit: int | None, error: type[BaseException]) -> None:
    begun: list[int] = []

    def call(item: int) -> None:
        begun.append(item)
        raise error

    with pytest.raises(error):
        for_each(call, range(1000), limit)
    assert len(begun) <= max(4, thread_count())
    counter = Counter()
    for_each(counter, range(10), limit)
    assert counter.calls == 10


FORKING = """
import os, signal, threading
from roverd.parallel import for_each, map_all

started = [threading.Semaphore(0), threading.Semaphore(0)]
leave = threading.Event()

def wait(kind):
    started[kind].release()
    leave.wait(30)

# Both pools are at work, and will be for as long as the child lives.
busy = [
    threading.Thread(target=for_each, args=(lambda _: wait(0), range(2), None), daemon=True),
    threading.Thread(target=for_each, args=(lambda _: wait(1), range(16), 16), daemon=True),
]
for thread in busy:
    thread.start()
started[0].acquire()
for _ in range(16):
    assert started[1].acquire(timeout=20)

child = os.fork()
if child == 0:
    signal.alarm(20)
    barrier = threading.Barrier(16, timeout=15)
    for_each(lambda _: barrier.wait(), range(16), 16)
    assert map_all(lambda item: map_all(lambda n: n + item, range(9)), range(9)) == [
        list(range(item, item + 9)) for item in range(9)
    ]
    os._exit(7)
status = os.waitpid(child, 0)[1]
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7, status
leave.set()
for thread in busy:
    thread.join(20)
    assert not thread.is_alive()
barrier = threading.Barrier(16, timeout=15)
for_each(lambda _: barrier.wait(), range(16), 16)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_while_the_pools_are_busy_works_too() -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    # Since Python 3.12, forking a process that has threads warns; that is what is tried here.
    ignore = "ignore:This process (pid:DeprecationWarning"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-W", ignore, "-c", FORKING],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "done\n", "")


# ── how many threads ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def default_threads() -> Generator[int]:
    yield thread_count()
    roverd.set_threads(None)


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_a_program_can_say_how_many_threads_work(default_threads: int, threads: int) -> None:
    roverd.set_threads(threads)
    barrier = threading.Barrier(threads, timeout=LIMIT)
    for_each(lambda _: barrier.wait(), range(threads))
    counter = Counter()
    for_each(counter, range(100))
    assert counter.most <= threads
    roverd.set_threads(None)
    assert thread_count() == default_threads


@pytest.mark.parametrize("threads", [0, -1])
def test_less_than_one_thread_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 thread, got {threads}"):
        roverd.set_threads(threads)


# A stand-in for a worker of PyTorch's, which need not be installed.
WORKER = """
import sys, types
torch_data = types.ModuleType("torch.utils.data")
torch_data.get_worker_info = lambda: types.SimpleNamespace(num_workers={workers})
sys.modules["torch.utils.data"] = torch_data
"""


def threads_of(environment: dict[str, str], before: str = "") -> str:
    """How many threads another process uses, or why it cannot say."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    program = f"{before}\nfrom roverd.parallel import thread_count\nprint(thread_count())"
    process = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path} | environment,
        timeout=60,
        check=False,
    )
    return process.stdout.strip() or process.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("threads", ["1", "7"])
def test_the_environment_can_say_how_many_threads_work(threads: str) -> None:
    assert threads_of({"ROVERD_THREADS": threads}) == threads
    assert threads_of({"ROVERD_THREADS": threads}, WORKER.format(workers=2)) == threads


@pytest.mark.parametrize("text", ["0", "-2", "all", "1.5"])
def test_what_the_environment_says_must_be_a_number_of_threads(text: str) -> None:
    message = threads_of({"ROVERD_THREADS": text})
    assert message.startswith("ValueError: environment variable ROVERD_THREADS: expected a number")
    assert repr(text) in message


@pytest.mark.parametrize(
    "environment, before",
    [
        ({}, "import sys, types; sys.modules['torch.utils.data'] = types.ModuleType('data')"),
        ({"LOCAL_WORLD_SIZE": "0"}, WORKER.format(workers=1)),
    ],
    ids=["half imported", "no ranks"],
)
def test_what_is_odd_about_torch_leaves_all_cores(environment: dict[str, str], before: str) -> None:
    assert threads_of(environment, before) == threads_of({})


@pytest.mark.parametrize("workers", [1, 2, 1000])
@pytest.mark.parametrize("ranks", ["", "2"])
def test_workers_of_a_dataloader_share_the_cores(workers: int, ranks: str) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cores is not None
    expected = max(1, cores // (workers * int(ranks or 1)))
    found = threads_of({"LOCAL_WORLD_SIZE": ranks}, WORKER.format(workers=workers))
    assert found == str(expected)


def test_what_is_run_ahead_comes_in_order_and_is_begun_as_it_is_needed() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    gates = [threading.Event() for _ in range(10)]

    def wait_for_the_next(number: int) -> int:
        # Each waits for the one behind it: two must be underway at a time.
        gates[number].set()
        if number % 2 == 0:
            assert gates[number + 1].wait(10)
        return number * number

    results = run_ahead(wait_for_the_next, numbers(), 2)
    assert next(results) == 0
    assert taken == [0, 1]
    assert list(results) == [number * number for number in range(1, 10)]


def test_an_error_of_what_is_run_ahead_comes_in_its_place() -> None:
    results = run_ahead(lambda number: 6 // (2 - number), range(5), 2)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)

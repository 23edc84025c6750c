"""Processes that read random ranges through one tiny cache, and are killed at random.

`python -m support.cache_torture FOLDER KILLS SEED`: prints, as JSON, how many reads there were, and
the most bytes that the cache had whenever one was killed. Exit status 1 when a read was wrong.
"""

import json
import os
import random
import signal
import sys
import traceback
from typing import NoReturn

from roverd.storage.cache import BlockCache
from support.cached import Store, total

PROCESSES = 8
BLOCK_SIZE = 16 << 10
SIZE = 20 * BLOCK_SIZE


def stores() -> list[Store]:
    names = [("memory://a", "1"), ("memory://a", "2"), ("memory://b", "1"), ("memory://c", "1")]
    return [Store(300_000 + 7 * number, *name) for number, name in enumerate(names)]


def read_random(cache: BlockCache, among: list[Store], draw: random.Random) -> None:
    store = draw.choice(among)
    # Some ranges are wanted more often than others.
    offset = int(draw.random() ** 3 * len(store.content))
    store.check(cache, offset, draw.choice([1, 1000, 20_000, 70_000]))


def _work(folder: str, among: list[Store], seed: int, reads: int) -> NoReturn:
    try:
        cache = BlockCache(folder, SIZE, BLOCK_SIZE)
        draw = random.Random(seed)
        while True:
            read_random(cache, among, draw)
            os.write(reads, b".")
    except BaseException:  # noqa: BLE001 - it must not become a second parent
        traceback.print_exc()
    os._exit(1)


def main(folder: str, kills: int, seed: int) -> int:
    draw = random.Random(seed)
    among = stores()
    done, reads = os.pipe()
    workers: set[int] = set()
    count = largest = 0

    def start() -> None:
        number = draw.randrange(1 << 60)
        process = os.fork()
        if process == 0:
            os.close(done)  # so that they end with their parent
            _work(folder, among, number, reads)
        workers.add(process)

    def kill(process: int) -> bool:
        os.kill(process, signal.SIGKILL)
        workers.discard(process)
        return os.waitpid(process, 0)[1] == signal.SIGKILL

    for _ in range(PROCESSES):
        start()
    sound = True
    for _ in range(kills):
        wanted = draw.randrange(1, 60)
        while wanted > 0 and sound:
            got = len(os.read(done, wanted))
            wanted -= got
            count += got
        largest = max(largest, total(folder))
        sound = kill(draw.choice(sorted(workers))) and sound
        start()
    for process in sorted(workers):
        sound = kill(process) and sound
    print(json.dumps({"reads": count, "largest": largest}))
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

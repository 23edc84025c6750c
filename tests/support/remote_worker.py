"""Reads a trace in a store as a training program does; exits with 0 if all workers see the same.

Run as a program: `remote_worker.py METHOD URL`, with the storage options as JSON on stdin. The
parent reads first; then come workers with the loop of `torch.utils.data.DataLoader`.
"""

import faulthandler
import json
import multiprocessing
import sys
from typing import Any

from abstract_dataloader import generic

from roverd import Dataset
from support.pool_worker import digest

WORKERS = 2
WORKER_LIMIT = 30.0  # seconds, after which a worker that hangs shows where, and ends
LIMIT = 40.0


def work(dataset: Dataset[Any], asked: Any, answers: Any) -> None:
    """The loop of a worker."""
    faulthandler.dump_traceback_later(WORKER_LIMIT, exit=True)
    while (indices := asked.get()) is not None:
        try:
            answers.put([digest(sample) for sample in dataset.__getitems__(indices)])
        except Exception as error:  # noqa: BLE001 - the parent fails with it
            answers.put([repr(error)] * len(indices))


def main(method: str, url: str) -> None:
    options = json.load(sys.stdin)
    kinds = {"radar": "radar", "lidar": "lidar", "camera": "camera", "pose": "pose"}
    sync = generic.Nearest("lidar")
    dataset = Dataset.from_config(url, sync, kinds, storage_options=options)
    count = len(dataset)
    expected = [digest(sample) for sample in dataset.__getitems__(range(count))]
    assert len(set(expected)) == count > 30

    context = multiprocessing.get_context(method)
    asked, answers = context.Queue(), context.Queue()
    processes = [
        context.Process(target=work, args=(dataset, asked, answers), daemon=True)
        for _ in range(WORKERS)
    ]
    for process in processes:
        process.start()
    for first in range(0, count, 4):
        asked.put(list(range(first, min(first + 4, count))))
    got = [one for _ in range(0, count, 4) for one in answers.get(timeout=LIMIT)]
    assert sorted(got) == sorted(expected), set(got) - set(expected)
    for _ in processes:
        asked.put(None)
    for process in processes:
        process.join(LIMIT)
        assert process.exitcode == 0, process
    # The parent reads on as before.
    assert digest(dataset[0]) == expected[0]
    print("the same samples")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

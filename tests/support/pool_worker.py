"""Reads a dataset as a training program does, and exits with 0 if all workers see the same.

Run as a program: `pool_worker.py METHOD FOLDER...`. The parent reads everything first, in every
way that leaves something behind in the process: the thread pool, OpenCV, a video decoder, open
files, a prefetching thread in the middle of its work. Then come worker processes with the loop of
`torch.utils.data.DataLoader`: an index queue for each, one queue for what they read.
"""

import dataclasses
import faulthandler
import hashlib
import multiprocessing
import sys
from functools import partial
from typing import Any

import numpy as np
from abstract_dataloader import generic

from roverd import Dataset, sensors
from roverd.sync import Interpolate, Synchronization, Window

WORKERS = 2
EPOCHS = 2
WORKER_LIMIT = 30.0  # seconds, after which a worker that hangs shows where, and ends
LIMIT = 40.0  # seconds, after which the parent waits no longer


def digest(sample: Any) -> str:
    """A fingerprint of all arrays and texts of a sample."""
    found = hashlib.sha256()

    def add(value: Any) -> None:
        if dataclasses.is_dataclass(value):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, dict):
            for key in sorted(value):
                found.update(key.encode())
                add(value[key])
        elif isinstance(value, np.ndarray):
            found.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
        else:
            found.update(str(value).encode())

    add(sample)
    return found.hexdigest()


def open_dataset(folders: list[str]) -> Dataset[Any]:
    kinds = {
        "radar": sensors.XWRRadar,
        "lidar": sensors.OSLidar,
        "imu": partial(sensors.IMU, correction="auto"),
        "camera": partial(sensors.Camera, resolution=(20, 14), interp="linear"),
        "other": partial(sensors.Camera, key="mpeg4.avi"),
    }
    rules = {"radar": Window(frames=2), "imu": Interpolate(0.05), "camera": Window(seconds=0.1)}
    plain = Dataset.from_config(folders[:1], generic.Nearest("lidar"), kinds)
    ours = Dataset.from_config(folders[1:], Synchronization("lidar", rules), kinds)
    return Dataset([*plain.traces, *ours.traces])


def work(dataset: Dataset[Any], asked: Any, answers: Any) -> None:
    """The loop of a worker."""
    # Not in the parent, too: a forked child would wait for ever for its parent's watchdog thread.
    faulthandler.dump_traceback_later(WORKER_LIMIT, exit=True)
    while (index := asked.get()) is not None:
        try:
            answers.put((index, digest(dataset[index])))
        except Exception as error:  # noqa: BLE001 - the parent fails with it
            answers.put((index, repr(error)))


def main(method: str, folders: list[str]) -> None:
    dataset = open_dataset(folders)
    expected = {index: digest(sample) for index, sample in enumerate(dataset)}
    assert len(set(expected.values())) == len(dataset) > 10
    ahead = dataset.traces[0]["radar"]["iq"].stream_prefetch(size=2)
    next(ahead)

    context = multiprocessing.get_context(method)
    asked = [context.Queue() for _ in range(WORKERS)]
    answers = context.Queue()
    processes = [
        context.Process(target=work, args=(dataset, queue, answers), daemon=True) for queue in asked
    ]
    for process in processes:
        process.start()
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(dataset))
        for position, index in enumerate(order.tolist()):
            asked[position % WORKERS].put(index)
        got = dict(answers.get(timeout=LIMIT) for _ in order)
        assert got == expected, {i: got[i] for i in got if got[i] != expected[i]}
    for queue in asked:
        queue.put(None)
    for process in processes:
        process.join(LIMIT)
        assert process.exitcode == 0, process
    # The parent reads on as before.
    assert digest(dataset[0]) == expected[0]
    assert len(list(ahead)) == len(dataset.traces[0]["radar"]) - 1
    print("the same samples")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

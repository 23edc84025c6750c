"""What reading many samples takes of memory, in a process of its own."""

import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from roverd import Dataset
from roverd.channels import LzmaFrameChannel
from roverd.errors import RoverdWarning
from roverd.parallel import thread_count
from support.traces import record_trace

SAMPLES = """
import random, sys
from roverd import Dataset
from abstract_dataloader import generic

dataset = Dataset.from_config(sys.argv[1].split(":"), generic.Nearest("lidar"), "auto")
drawn = random.Random(0)

def held():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
    return int(line.split()[1]) << 10

count = int(sys.argv[2])
after = []
for part in range(4):
    for _ in range(count // 4 // 8):
        for _ in range(4):
            dataset[drawn.randrange(len(dataset))]
        dataset.__getitems__([drawn.randrange(len(dataset)) for _ in range(4)])
    after.append(held())
print(*after)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize("count", [800, pytest.param(10_000, marks=pytest.mark.slow)])
def test_memory_stays_flat_over_many_samples(tmp_path: Path, count: int) -> None:
    for number in range(3):
        record_trace(tmp_path / f"trace{number}", 1.2, seed=number)
    paths = ":".join(str(tmp_path / f"trace{number}") for number in range(3))
    search = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", SAMPLES, paths, str(count)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
        timeout=100,
        check=True,
    )
    first, *later = [int(word) for word in done.stdout.split()]
    assert max(later) - first < 2 << 20


def test_a_batch_takes_its_result_and_a_frame_per_thread(tmp_path: Path) -> None:
    channel = LzmaFrameChannel(str(tmp_path / "rng"), "u2", (128, 1024))
    channel.write(np.random.default_rng(0).integers(0, 4000, (24, 128, 1024)).astype("u2"))
    channel.read_many([0])
    tracemalloc.start()
    frames = channel.read_many(range(24))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The decoder, which has no way to decompress into a given place and to check it, needs a frame.
    assert peak < frames.nbytes + thread_count() * 2 * channel.size + (1 << 20)


def test_a_pickled_dataset_is_small_and_reads_the_same(tmp_path: Path) -> None:
    truth = record_trace(tmp_path / "trace", 30)
    dataset = Dataset.from_config(str(tmp_path / "trace"), None, {"imu": "imu"})
    assert len(dataset) == 3000
    pickled = pickle.dumps(dataset)
    assert len(pickled) < truth["imu"].stamps.nbytes / 4
    with open(truth["imu"].path / "ts", "ab") as file:
        file.write(np.array([2e9]).tobytes())
    other = pickle.loads(pickled)  # noqa: S301 - made here
    assert len(other) == 3000
    np.testing.assert_array_equal(other.traces[0]["imu"].timestamps, truth["imu"].stamps)
    np.testing.assert_array_equal(other[-1]["imu"].acc[0, 0], truth["imu"].frames["acc"][-1])
    with pytest.warns(RoverdWarning, match="ts 3001, acc 3000"):
        assert len(other.traces[0]["imu"].refresh()) == 3000

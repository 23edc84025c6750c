"""Many processes in one tiny cache, killed at any moment."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from roverd.storage.cache import BlockCache
from support.cache_torture import BLOCK_SIZE, SIZE, read_random, stores
from support.cached import files, temporaries, total

TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")


SLOW = (pytest.mark.slow, pytest.mark.timeout(600))


@pytest.mark.parametrize("kills", [100, pytest.param(2000, marks=SLOW)])
def test_processes_that_are_killed_leave_a_sound_cache(tmp_path: Path, kills: int):
    folder = tmp_path / "cache"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "support.cache_torture", str(folder), str(kills), "1"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reads"] > 10 * kills
    assert SIZE / 2 < found["largest"] <= SIZE
    assert total(folder) <= SIZE

    # Nothing is left of those that died once it is old, and the cache is as good as new.
    for left in temporaries(folder):
        os.utime(left, (10**9, 10**9))
    cache = BlockCache(folder, SIZE, BLOCK_SIZE)
    draw, among = random.Random(2), stores()
    for _ in range(300):
        read_random(cache, among, draw)
        assert total(folder) <= SIZE
    assert total(folder) > SIZE / 2
    assert temporaries(folder) == []
    others = [
        entry for entry in folder.rglob("*") if entry.is_file() and entry not in files(folder)
    ]
    assert sorted(entry.name for entry in others) == ["CACHEDIR.TAG", "evicting", "usage"]

"""A repair that is killed at any of its changes, and made again."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recovery.mending import KINDS, SIZE, add_sums, make, write_log
from support.damage import cut
from support.traces import Recorded, numbered

COUNT = 5
Damage = Callable[[Recorded], None]
PROGRAM = Path(__file__).with_name("dying_repair.py")


def torn(made: Recorded) -> None:
    """All files are cut off somewhere."""
    for kind in ("lzma", "lzmaf", "mjpg"):
        cut(made.path / kind, -1)
    (made.path / "lzmaf_i").unlink()
    cut(made.path / "raw", 3 * SIZE + 7)


def torn_with_sums(made: Recorded) -> None:
    """All are cut off, and the check sums end elsewhere."""
    add_sums(made)
    write_log(made.path.parent, "start")
    torn(made)
    for number, kind in enumerate(("lzma", "lzmaf", "npz", "ts")):
        cut(made.path / f"{kind}_x", 8 * number + 3)


def dropped_and_mislabelled(made: Recorded) -> None:
    """Entries without data, a wrong format, and what was left behind."""
    made.meta["lzma"]["format"] = "lzmaf"
    made.write_meta()
    (made.path / "lzma_i").write_bytes(bytes(8))
    (made.path / "raw").unlink()
    (made.path / "raw_x").write_bytes(bytes(8))
    os.truncate(made.path / "lzmaf", 0)
    (made.path / ".meta.json.0a1b2c3d.tmp").write_text("{")
    (made.path.parent / ".config.yaml.0a1b2c3d.tmp").write_text("comment: ")
    (made.path.parent / "begun").mkdir()
    (made.path.parent / "begun" / "ts").write_bytes(b"")


def replaced(published: int) -> Damage:
    """The replacement of blobs was interrupted; `published` of the new ones are in place."""

    def damage(made: Recorded) -> None:
        folder = made.path / "npz"
        old, new = folder / ".0a1b2c3d.old", folder / ".0a1b2c3d.tmp"
        old.mkdir()
        new.mkdir()
        first = 0 if published else 2  # of the old ones, the last are moved first
        for number in range(first, COUNT):
            os.rename(folder / f"{number:06d}.npz", old / f"{number:06d}.npz")
        for number, frame in enumerate(numbered(4, (3, 5), "i2", 9)):
            place = folder if number < published else new
            np.savez(place / f"{number:06d}.npz", data=frame)
        (folder / ".11111111.tmp").mkdir()
        cut(made.path / "ts", 8 * 4)

    damage.__name__ = f"replaced_{published}"
    return damage


@pytest.mark.parametrize(
    "damage",
    [torn, torn_with_sums, dropped_and_mislabelled, replaced(0), replaced(1), replaced(3)],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that are killed are forked")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 13])
def test_killed_anywhere_and_made_again_a_repair_ends_the_same(
    tmp_path: Path, damage: Damage, every: int
):
    kinds = ["npz", "raw"] if "replaced" in damage.__name__ else KINDS
    made = make(tmp_path / "t", kinds, COUNT)
    damage(made)
    (tmp_path / "work").mkdir()
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path / "t"), str(tmp_path / "work"), str(every)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *steps, last = done.stdout.splitlines()
    what, end = last.split()
    assert what == "end"
    assert int(end) >= 8
    assert steps == [f"{number} same" for number in range(0, int(end), every)]

"""What a consumer writes is synced to the disk while the stream goes on."""

import os
import queue
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.channels import CASES, Case, wait_until

PROMISE = 2.0  # seconds

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds out in /proc what is synced"
)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the files and folders that were synced, in order."""
    paths: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", noting)
    return paths


# Those left to CI are written by the same code as one that is not.
_ALIKE = ("npz-deflated", "jpg", "pcof", "zstdf", "zstdf-delta")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] * (case.name in _ALIKE))
        for case in CASES
    ],
)
def test_frames_are_synced_while_the_stream_goes_on(
    case: Case, tmp_path: Path, synced: list[str]
) -> None:
    channel = case.open(str(tmp_path / "x"))
    frames: queue.Queue[Any] = queue.Queue()
    consumer = channel.consume(frames, thread=True)
    for number in range(2):
        before = len(synced)
        frames.put(case.frames(number)[0])
        wait_until(lambda number=number: len(channel) > number)
        data = (
            [f"{tmp_path}/x/{number:06d}.{case.format}"] if case.folder else [str(tmp_path / "x")]
        )
        index = [f"{tmp_path}/x_i"] if case.indexed else []
        folder = [str(tmp_path / "x")] if case.folder else []
        wanted = [*data, *index, *folder]
        wait_until(
            lambda wanted=wanted, before=before: set(wanted) <= set(synced[before:]), PROMISE
        )
        first = [synced.index(path, before) for path in wanted]
        assert first == sorted(first), "data before index, content before name"
    assert str(tmp_path) in synced, "the name of a new file or folder"
    frames.put(None)
    consumer.join()


def test_a_folder_that_was_removed_is_an_error_soon(tmp_path: Path) -> None:
    folder = tmp_path / "sensor"
    folder.mkdir()
    case = CASES[0]
    channel = case.open(str(folder / "x"))
    frames: queue.Queue[Any] = queue.Queue()
    consumer = channel.consume(frames, thread=True)
    frames.put(case.frames(0)[0])
    wait_until(lambda: len(channel) == 1)
    shutil.rmtree(folder)
    wait_until(lambda: frames.put(case.frames(1)[0]) or not consumer.is_alive(), 2 * PROMISE)
    with pytest.raises(FileNotFoundError, match="sensor/x"):
        consumer.join()

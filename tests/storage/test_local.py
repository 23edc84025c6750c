"""Local files: open handles are few, let go in time, and never show a file that is gone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from roverd.channels import RawChannel
from roverd.storage import LocalStorage

LIMIT = 60  # seconds
SHAPE = (3,)

pytest.importorskip("resource", reason="this system has no limit of open files")

PROGRAM = """
import os, resource, sys, threading
folder, when = sys.argv[1:]

def limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

if when == "before":
    limit()
import numpy as np
import numpy.random  # loaded when first used, which takes a file
from roverd.channels import RawChannel
if when == "after":  # and the program itself takes most of them
    limit()
    own = [open(f"{folder}/0") for _ in range(40)]

channels = [RawChannel(f"{folder}/{number}", "<i4", (3,)) for number in range(600)]

def read(order):
    for number in order:
        assert channels[number][1].tolist() == [[number, 1, 1]], number
        assert len(channels[number]) == 2

for _ in range(2):
    read(range(600))
failed = []

def run(order):
    try:
        read(order)
    except BaseException as error:
        failed.append(error)

threads = [
    threading.Thread(target=run, args=(np.random.default_rng(seed).permutation(600)[:200],))
    for seed in range(4)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
if when == "after":
    for file in own:
        file.close()
print("done")
"""

GONE = """
import os, sys
from roverd.channels import RawChannel
folder = sys.argv[1]

def read(numbers):
    for number in numbers:
        assert RawChannel(f"{folder}/{number}", "<i4", (3,))[1].tolist() == [[number, 1, 1]]

def deleted():
    kept = []
    for name in os.listdir("/proc/self/fd"):
        try:
            kept.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return [path for path in kept if path.startswith(folder) and path.endswith(" (deleted)")]

read(range(30))
for number in range(30):
    os.unlink(f"{folder}/{number}")
assert len(deleted()) > 20, "no files are kept open: this program tries nothing"
read(range(30, 100))
assert deleted() == [], deleted()
print("done")
"""


def run(program: str, *arguments: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        timeout=LIMIT,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "done\n", "")


def frames(number: int) -> np.ndarray:
    return np.array([[number, 0, 1], [number, 1, 1]], "<i4")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(600):
        frames(number).tofile(folder / str(number))
    return folder


@pytest.mark.parametrize("when", ["before", "after"])
def test_600_channels_are_read_where_64_files_may_be_open(when: str, many: Path) -> None:
    run(PROGRAM, str(many), when)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells of open files")
def test_files_that_another_deleted_are_not_kept_open(tmp_path: Path) -> None:
    for number in range(100):
        frames(number).tofile(tmp_path / str(number))
    run(GONE, str(tmp_path))


def open_of(folder: Path) -> list[str]:
    paths: list[str] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            paths.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return [path for path in paths if path.startswith(str(folder))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells of open files")
def test_files_that_we_delete_or_replace_are_closed_at_once(tmp_path: Path) -> None:
    storage = LocalStorage()
    (tmp_path / "folder").mkdir()
    channels = [RawChannel(tmp_path / name, "<i4", SHAPE) for name in ("a", "b", "folder/c")]
    for channel in channels:
        channel.write(frames(1))
        assert len(channel.read()) == 2
    channels[0].write(frames(2))
    assert not [path for path in open_of(tmp_path) if path.endswith("(deleted)")]
    storage.remove(str(tmp_path / "b"))
    storage.remove_folder(str(tmp_path / "folder"))
    assert open_of(tmp_path) == []
    np.testing.assert_array_equal(channels[0].read(), frames(2))


ELSEWHERE = {
    "replaced": "import os, sys; open(sys.argv[1] + 'n', 'wb').write(bytes.fromhex(sys.argv[2])); "
    "os.replace(sys.argv[1] + 'n', sys.argv[1])",
    "deleted and made again": "import os, sys; os.unlink(sys.argv[1]); "
    "open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))",
    "rewritten in place": "import sys; open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))",
    "added to": "import sys; open(sys.argv[1], 'ab').write(bytes.fromhex(sys.argv[2]))",
}


@pytest.mark.parametrize("how", ELSEWHERE)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_another_process_does_to_a_file_is_noticed(
    how: str, count: int, tmp_path: Path
) -> None:
    channel = RawChannel(tmp_path / "x", "<i4", SHAPE)
    frames(1).tofile(tmp_path / "x")
    np.testing.assert_array_equal(channel.read(), frames(1))
    fresh = np.arange(3 * count, dtype="<i4").reshape(count, 3) + 1000
    subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE[how], str(tmp_path / "x"), fresh.tobytes().hex()],
        timeout=LIMIT,
        check=True,
    )
    expected = np.concatenate([frames(1), fresh]) if how == "added to" else fresh
    assert len(channel) == len(expected)
    np.testing.assert_array_equal(channel.read(), expected)
    np.testing.assert_array_equal(channel[-1], expected[-1:])


def test_a_file_that_another_process_deleted_is_missing(tmp_path: Path) -> None:
    channel = RawChannel(tmp_path / "x", "<i4", SHAPE)
    frames(1).tofile(tmp_path / "x")
    assert len(channel.read()) == 2
    program = "import os, sys; os.unlink(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / "x")], timeout=LIMIT, check=True
    )
    assert len(channel) == 0
    with pytest.raises(FileNotFoundError, match="x: no such file"):
        channel.read()

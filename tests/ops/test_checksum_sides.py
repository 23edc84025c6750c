"""`ops.checksum` of folders and CSVs, against hashlib, xxhash, md5sum and the files themselves."""

import csv
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from roverd import ops
from roverd.errors import MissingFileError, UnsupportedError
from support.limits import cheap
from support.permissions import without_privileges
from support.traces import SHORT, link

HASHES = {
    "md5": hashlib.md5,
    "sha256": hashlib.sha256,
    "xxh3_128": xxhash.xxh3_128,
}
ODD_NAMES = [
    "with,comma",
    'with "quotes"',
    "with\nnewline",
    "with\rreturn",
    "with\r\nboth",
    " spaces at the ends ",
    "ünïcödé/雷达",
    "back\\slash",
    "=formula",
    "#comment",
    "-flag",
    os.fsdecode(b"no utf-8 \xff\xfe"),
]


def write(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    shutil.copytree(SHORT, tmp_path / "walk")
    return tmp_path / "walk"


@pytest.mark.parametrize("workers", [None, 1, 3, 50])
@pytest.mark.parametrize("algorithm", [None, *HASHES])
def test_a_csv_has_the_sums_that_others_compute(walk: Path, algorithm, workers):
    csv_path = walk.parent / "new.csv"
    report = ops.checksum(walk, csv_path, algorithm=algorithm, workers=workers)
    name = algorithm or "md5"
    expected = [
        [file, HASHES[name]((walk / file).read_bytes()).hexdigest()] for file in names_in(walk)
    ]
    assert rows_of(csv_path) == [["file", name], *expected]
    assert report.sound
    assert not report.compared
    assert (report.algorithm, report.count, report.written) == (name, 23, str(csv_path))
    assert report.size == sum((walk / file).stat().st_size for file in names_in(walk))


@pytest.mark.skipif(not shutil.which("md5sum"), reason="there is no md5sum on this machine")
def test_md5sum_agrees(walk: Path):
    ops.checksum(walk, walk.parent / "new.csv")
    sums = "".join(f"{digest}  {file}\n" for file, digest in rows_of(walk.parent / "new.csv")[1:])
    command = ["md5sum", "--check", "--strict"]
    done = subprocess.run(command, input=sums, text=True, capture_output=True, cwd=walk)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 23


def test_rows_are_text_lines_that_end_in_a_newline_alone(tmp_path: Path):
    write(tmp_path / "x", b=b"2", a=b"1", B=b"3")
    ops.checksum(tmp_path / "x", tmp_path / "x.csv")
    lines = [
        f"{name},{hashlib.md5(data).hexdigest()}"
        for name, data in zip("Bab", (b"3", b"1", b"2"), strict=True)
    ]
    assert (tmp_path / "x.csv").read_bytes() == "\n".join(["file,md5", *lines, ""]).encode()


def test_names_of_any_kind_survive(tmp_path: Path):
    folder = write(
        tmp_path / "x", **{name: name.encode(errors="surrogateescape") for name in ODD_NAMES}
    )
    ops.checksum(folder, tmp_path / "x.csv")
    expected = {
        name: hashlib.md5(name.encode(errors="surrogateescape")).hexdigest() for name in ODD_NAMES
    }
    found = rows_of(tmp_path / "x.csv")[1:]
    assert dict(found) == expected
    assert [name for name, _ in found] == sorted(ODD_NAMES)
    assert ops.checksum(tmp_path / "x.csv", folder).sound
    assert ops.checksum(folder, tmp_path / "x.csv").count == len(ODD_NAMES)
    for name in ODD_NAMES:
        (folder / name).write_bytes(b"changed")
    assert ops.checksum(folder, tmp_path / "x.csv").mismatched == sorted(ODD_NAMES)


def test_a_csv_of_more_than_a_megabyte_is_whole(tmp_path: Path):
    names = [os.fsdecode(b"\xff" * 200 + b"%04d" % number) for number in range(2000)]
    folder = write(tmp_path / "x", **{name: b"%d" % n for n, name in enumerate(names)})
    long = folder / ("y" * 200) / ("y" * 200)
    long.mkdir(parents=True)
    for name in names[:1500]:
        os.link(folder / name, long / name)
    report = ops.checksum(folder, tmp_path / "x.csv", algorithm="xxh3_128")
    assert (tmp_path / "x.csv").stat().st_size > 1 << 20
    assert report.count == 3500
    found = dict(rows_of(tmp_path / "x.csv")[1:])
    assert set(found) == {*names, *(f"{'y' * 200}/{'y' * 200}/{n}" for n in names[:1500])}
    for number, name in enumerate(names):
        assert found[name] == xxhash.xxh3_128_hexdigest(b"%d" % number)


CHANGES = ["delete", "flip", "truncate", "grow", "empty", "swap", "rename", "touch"]


def change(folder: Path, name: str, kind: str, number: int) -> None:
    """Do one thing to one file."""
    path = folder / name
    data = path.read_bytes() if path.exists() else b""
    match kind:
        case "delete":
            path.unlink(missing_ok=True)
        case "flip" if data:
            position = number % len(data)
            flipped = data[position] ^ (1 << number % 8)
            path.write_bytes(data[:position] + bytes([flipped]) + data[position + 1 :])
        case "truncate" if data:
            path.write_bytes(data[: number % len(data)])
        case "grow":
            path.write_bytes(data + b"\0")
        case "empty":
            path.write_bytes(b"")
        case "swap":
            others = names_in(folder)
            other = folder / others[number % len(others)]
            content = other.read_bytes()
            other.write_bytes(data)
            path.write_bytes(content)
        case "rename" if path.exists():
            path.rename(f"{path}.{number}")
        case "touch" if path.exists():
            os.utime(path, (number, number))
        case _:
            pass


@settings(max_examples=25)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(names_in(SHORT)), st.sampled_from(CHANGES), st.integers(0, 1 << 20)
        ),
        max_size=8,
    )
)
def test_all_changes_are_found_and_nothing_else(changes: list[tuple[str, str, int]]):
    with tempfile.TemporaryDirectory() as scratch:
        sound, copy = Path(scratch) / "sound", Path(scratch) / "copy"
        shutil.copytree(SHORT, sound)
        shutil.copytree(SHORT, copy)
        for name, kind, number in changes:
            change(copy, name, kind, number)
        for folder in (sound, copy):
            ops.checksum(folder, f"{folder}.csv", algorithm="xxh3_128")
        before, after = set(names_in(sound)), set(names_in(copy))
        both = before & after
        differ = {n for n in both if (sound / n).read_bytes() != (copy / n).read_bytes()}
        expected = (sorted(differ), sorted(before - after), sorted(after - before))
        for src in (sound, f"{sound}.csv"):
            for dst in (copy, f"{copy}.csv"):
                found = ops.checksum(src, dst)
                assert (found.mismatched, found.missing, found.extra) == expected
                assert found.sound is not any(expected)
                assert found.count == len(before | after)
                assert (found.unreadable, found.written) == ({}, None)


@pytest.mark.parametrize("place", ["walk/sums.csv", "walk/lidar/sums.csv", "walk/sums.CSV"])
def test_a_csv_in_the_folder_is_none_of_its_files(walk: Path, place: str):
    csv_path = walk.parent / place
    assert ops.checksum(walk, csv_path).count == 23
    assert ops.checksum(walk, csv_path).sound
    assert ops.checksum(csv_path, walk).count == 23
    (walk / "again.csv").symlink_to(csv_path)
    assert ops.checksum(csv_path, walk).sound


def test_another_csv_of_that_size_in_the_folder_is_one_of_its_files(walk: Path):
    ops.checksum(walk, walk / "sums.csv")
    shutil.copy(walk / "sums.csv", walk / "copy.csv")
    assert ops.checksum(walk / "sums.csv", walk).extra == ["copy.csv"]


def test_links_are_followed(tmp_path: Path):
    walk = write(tmp_path / "walk", **{"_camera/video.avi": b"video", "lidar/rng": b"range"})
    outside = write(tmp_path / "outside", **{"deep/iq": b"samples"})
    (walk / "camera").mkdir()
    link(walk / "_camera" / "video.avi", walk / "camera" / "video.avi")
    link(outside, walk / "radar")
    link(walk / "lidar", walk / "lidar2")
    ops.checksum(walk, tmp_path / "new.csv")
    names = [name for name, _ in rows_of(tmp_path / "new.csv")[1:]]
    assert names == [
        "_camera/video.avi",
        "camera/video.avi",
        "lidar/rng",
        "lidar2/rng",
        "radar/deep/iq",
    ]
    shutil.copytree(walk, tmp_path / "copy", symlinks=False)
    assert ops.checksum(walk, tmp_path / "copy").sound
    link(tmp_path / "copy", tmp_path / "linked")
    assert ops.checksum(tmp_path / "new.csv", tmp_path / "linked").sound


def test_loops_of_links_end_with_each_path_once(tmp_path: Path):
    walk = write(tmp_path / "walk", **{"a/one": b"1", "b/two": b"2"})
    for place in ("a/up", "a/self", "b/a"):
        target = {"a/up": ".", "a/self": "a", "b/a": "a"}[place]
        link(walk / target, walk / place)
    with cheap(10.0):
        ops.checksum(walk, tmp_path / "new.csv")
    names = [name for name, _ in rows_of(tmp_path / "new.csv")[1:]]
    assert names == ["a/one", "b/a/one", "b/two"]


def make_dangling(path: Path) -> str:
    path.symlink_to("nowhere/at all")
    return "nowhere/at all"


def make_circular(path: Path) -> str:
    path.symlink_to(path.name)
    return "broken link"


def make_pipe(path: Path) -> str:
    os.mkfifo(path)
    return "neither a file nor a folder"


UNREADABLE = [make_dangling, make_circular, make_pipe]


@pytest.mark.parametrize("make", UNREADABLE)
def test_what_is_no_file_is_named_and_the_rest_is_compared(walk: Path, make):
    shutil.copytree(walk, walk.parent / "copy")
    (walk / "lidar" / "rng").unlink()
    why = make(walk / "lidar" / "rng")
    (walk.parent / "copy" / "radar" / "iq").write_bytes(b"")
    found = ops.checksum(walk, walk.parent / "copy")
    assert list(found.unreadable) == [str(walk / "lidar" / "rng")]
    assert why in found.unreadable[str(walk / "lidar" / "rng")]
    # What it would be is not known: it is neither missing nor extra.
    assert (found.mismatched, found.missing, found.extra) == (["radar/iq"], [], [])
    assert not found.sound


@pytest.mark.parametrize("make", UNREADABLE)
def test_no_csv_is_written_that_would_not_be_complete(walk: Path, make):
    make(walk / "lidar" / "other")
    found = ops.checksum(walk, walk.parent / "new.csv")
    assert list(found.unreadable) == [str(walk / "lidar" / "other")]
    assert (found.sound, found.written, found.size) == (False, None, 0)
    assert sorted(path.name for path in walk.parent.iterdir()) == ["walk"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o777)
        yield Path(scratch)


@pytest.mark.parametrize("name, unknown", [("a/one", ["a/one"]), ("a", ["a/one", "a/two"])])
def test_what_permissions_forbid_is_named_and_the_rest_is_compared(
    open_folder: Path, name: str, unknown: list[str]
):
    files = {"a/one": b"1", "a/two": b"2", "ab": b"3", "b": b"4"}
    walk, copy = (write(open_folder / side, **files) for side in ("walk", "copy"))
    (copy / "ab").write_bytes(b"other")
    (copy / "b").unlink()
    (copy / "c").write_bytes(b"5")
    (walk / name).chmod(0)
    with without_privileges():
        found = ops.checksum(walk, copy)
        assert list(found.unreadable) == [str(walk / name)]
        assert (found.mismatched, found.missing, found.extra) == (["ab"], ["b"], ["c"])
        assert found.count == 5
        backwards = ops.checksum(copy, walk)
        assert (backwards.missing, backwards.extra) == (["c"], ["b"])
        assert not ops.checksum(walk, open_folder / "new.csv").sound
        assert not (open_folder / "new.csv").exists()
    (walk / name).chmod(0o755)
    assert ops.checksum(walk, copy).unreadable == {}


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs Linux's /proc/self/mem")
def test_a_file_that_fails_when_it_is_read_is_named(tmp_path: Path):
    walk = write(tmp_path / "walk", a=b"1", b=b"2")
    (walk / "broken").symlink_to("/proc/self/mem")
    for dst in (tmp_path / "new.csv", walk):
        found = ops.checksum(walk, dst, workers=2)
        assert set(found.unreadable) == {str(walk / "broken")}
        assert found.size > 0
        assert found.written is None


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs Linux's /proc/version")
def test_a_file_that_tells_no_size_is_hashed_to_its_end(tmp_path: Path):
    source = Path("/proc/version")
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "growing").symlink_to(source)
    done: list[tuple[int, int]] = []
    ops.checksum(tmp_path / "walk", tmp_path / "x.csv", progress=lambda *now: done.append(now))
    assert rows_of(tmp_path / "x.csv")[1] == [
        "growing",
        hashlib.md5(source.read_bytes()).hexdigest(),
    ]
    assert done == [(len(source.read_bytes()), 0)]


def test_progress_counts_bytes_up_to_all_of_them(walk: Path):
    (walk / "large").write_bytes(os.urandom(5_000_000))
    shutil.copytree(walk, walk.parent / "copy")
    calls: list[tuple[int, int]] = []
    ops.checksum(walk, walk.parent / "copy", progress=lambda *now: calls.append(now))
    total = 2 * sum((walk / file).stat().st_size for file in names_in(walk))
    assert calls == sorted(calls)
    assert calls[-1] == (total, total)
    assert {whole for _, whole in calls} == {total}
    assert len(calls) > 2 * 24


def test_what_stops_one_thread_stops_all(walk: Path):
    calls: list[int] = []

    def stop(done: int, _: int) -> None:
        calls.append(done)
        if len(calls) == 10:
            raise KeyboardInterrupt

    for number in range(4):
        with (walk / f"large{number}").open("wb") as file:
            file.truncate(1 << 36)
    with cheap(10.0), pytest.raises(KeyboardInterrupt):
        ops.checksum(walk, walk.parent / "new.csv", progress=stop, workers=4)
    assert sorted(path.name for path in walk.parent.iterdir()) == ["walk"]


def test_a_new_csv_is_written_from_a_folder_only(walk: Path):
    ops.checksum(walk, walk.parent / "sums.csv")
    with pytest.raises(MissingFileError, match=r"other\.csv.*from a folder"):
        ops.checksum(walk.parent / "sums.csv", walk.parent / "other.csv")


def test_a_mistyped_folder_is_not_taken_for_a_new_csv(walk: Path):
    with pytest.raises(MissingFileError, match=r"wlak: .*\.csv"):
        ops.checksum(walk, walk.parent / "wlak")
    assert not (walk.parent / "wlak").exists()


@pytest.mark.parametrize(
    "src, dst, named",
    [
        ("nowhere", "walk", "nowhere"),
        ("nowhere", "new.csv", "nowhere"),
        ("walk", "no/folder/new.csv", "no/folder"),
        ("nowhere.csv", "walk", "nowhere.csv"),
    ],
)
def test_what_is_not_there_is_named(walk: Path, src: str, dst: str, named: str):
    with pytest.raises(MissingFileError, match=named):
        ops.checksum(walk.parent / src, walk.parent / dst)
    assert sorted(path.name for path in walk.parent.iterdir()) == ["walk"]


def test_a_pipe_is_no_side(walk: Path):
    os.mkfifo(walk.parent / "pipe.csv")
    for sides in ((walk, walk.parent / "pipe.csv"), (walk.parent / "pipe.csv", walk)):
        with pytest.raises(UnsupportedError, match=r"pipe\.csv"):
            ops.checksum(*sides)


def test_nothing_to_hash_is_an_error(tmp_path: Path):
    for name in ("one/empty", "two"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "none.csv").write_text("file,md5\n")
    for dst in ("new.csv", "two", "none.csv"):
        with pytest.raises(MissingFileError, match=r"one.*no files"):
            ops.checksum(tmp_path / "one", tmp_path / dst)
    assert not (tmp_path / "new.csv").exists()


def test_an_empty_side_lacks_everything(walk: Path):
    (walk.parent / "empty").mkdir()
    assert ops.checksum(walk, walk.parent / "empty").missing == names_in(walk)
    assert ops.checksum(walk.parent / "empty", walk).extra == names_in(walk)


@pytest.mark.parametrize("arguments", [{"workers": 0}, {"workers": -1}, {"algorithm": "crc32"}])
def test_arguments_that_mean_nothing_are_refused(walk: Path, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ops.checksum(walk, walk.parent / "new.csv", **arguments)


def test_a_written_csv_is_compared_with_and_not_replaced(walk: Path):
    csv_path = walk.parent / "sums.csv"
    csv_path.write_text(f"file,md5\ngone,{'0' * 32}\n")
    before = csv_path.read_bytes()
    found = ops.checksum(walk, csv_path)
    assert (found.missing, found.extra) == (names_in(walk), ["gone"])
    assert csv_path.read_bytes() == before


def test_paths_may_be_relative_and_end_in_slashes(walk: Path, monkeypatch):
    monkeypatch.chdir(walk.parent)
    ops.checksum("walk/", "sums.csv")
    assert [name for name, _ in rows_of(Path("sums.csv"))[1:]] == names_in(walk)
    monkeypatch.chdir(walk)
    assert ops.checksum("../sums.csv", ".").sound


def test_a_link_to_a_folder_above_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "in" / "walk").mkdir(parents=True)
    (tmp_path / "in" / "walk" / "ts").write_bytes(b"x")
    (tmp_path / "in" / "other").write_bytes(b"y")
    (tmp_path / "in" / "walk" / "loop").symlink_to("..")
    report = ops.checksum(tmp_path / "in" / "walk", tmp_path / "sums.csv")
    assert report.count == 1

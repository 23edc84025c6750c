"""CSVs of checksums that others wrote, sound and damaged, and which algorithm they decide on."""

import contextlib
import hashlib
from pathlib import Path

import pytest

from roverd import ops
from roverd.errors import CorruptFileError, UnsupportedError
from support.limits import cheap

A, B = (hashlib.md5(data).hexdigest() for data in (b"1", b"2"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_bytes(b"1")
    (tmp_path / "x" / "b c").write_bytes(b"2")
    return tmp_path / "x"


@pytest.mark.parametrize(
    "text",
    [
        f"file,md5\na,{A}\nb c,{B}\n",
        f"file,md5\r\na,{A}\r\nb c,{B}\r\n",
        f"file,md5\ra,{A}\rb c,{B}\r",
        f"file,md5\nb c,{B}\na,{A}",
        f'"file","md5"\n"a","{A}"\n"b c","{B}"\n',
        f"file,md5\n\na,{A.upper()}\n\nb c,{B}\n\n",
        f"\ufefffile,md5\na,{A}\nb c,{B}\n",
    ],
    ids=["plain", "windows", "mac", "unsorted", "quoted", "capitals", "byte order mark"],
)
def test_csvs_of_other_programs_are_read(folder: Path, text: str):
    path = folder.parent / "sums.csv"
    path.write_bytes(text.encode())
    assert ops.checksum(path, folder).sound
    assert ops.checksum(folder, path).sound
    assert ops.checksum(path, path).count == 2


@pytest.mark.parametrize(
    "rows, line, what",
    [
        ([], 1, "header"),
        ([f"a,{A}"], 1, "header"),
        (["file,crc32", "a,00"], 1, "header"),
        (["file", "a"], 1, "header"),
        (["file,md5,sha256"], 1, "header"),
        (["file;md5", f"a;{A}"], 1, "header"),
        ([f"{A}  a"], 1, "header"),
        (["file,md5", "a"], 2, "1 fields"),
        (["file,md5", f"a,{A}", f"b,{B},more"], 3, "3 fields"),
        (["file,md5", f"a,{A}", f"b,c,{B}"], 3, "3 fields"),
        (["file,md5", f"a,{A}", f"a,{A}"], 3, "'a'"),
        (["file,md5", f"a,{A[:-1]}"], 2, "32 hexadecimal"),
        (["file,md5", f"a,{A}0"], 2, "32 hexadecimal"),
        (["file,md5", f"a,g{A[1:]}"], 2, "32 hexadecimal"),
        (["file,md5", "a,"], 2, "32 hexadecimal"),
        (["file,md5", f"a, {A[1:]}"], 2, "32 hexadecimal"),
        (["file,sha256", f"a,{A}"], 2, "64 hexadecimal"),
        (["file,xxh3_128", f"a,{A}{A}"], 2, "32 hexadecimal"),
        (["file,md5", f'"x\ny",{A}', f",{A}"], 4, "''"),
        (["file,md5", f"/etc/passwd,{A}"], 2, "/etc/passwd"),
        (["file,md5", f"../up,{A}"], 2, "../up"),
        (["file,md5", f"a/../../up,{A}"], 2, "up"),
        (["file,md5", f"a/..,{A}"], 2, "a/.."),
        (["file,md5", f"./a,{A}"], 2, "./a"),
        (["file,md5", f"a//b,{A}"], 2, "a//b"),
        (["file,md5", f"a/,{A}"], 2, "a/"),
        (["file,md5", f'"a,{A}', f"b,{B}"], 2, "CSV"),
        (["file,md5", f'"a"b,{A}'], 2, "CSV"),
        (["file,md5", f"a\0b,{A}"], 2, "zero byte"),
    ],
)
def test_a_damaged_csv_is_refused_by_file_and_line(folder: Path, rows: list[str], line, what):
    path = folder.parent / "sums.csv"
    path.write_text("".join(f"{row}\n" for row in rows))
    for sides in ((path, folder), (folder, path), (path, path)):
        with pytest.raises(CorruptFileError) as caught:
            ops.checksum(*sides)
        assert str(caught.value).startswith(f"{path}: line {line}: ")
        assert what in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [b"", b"file,md5\n", b'file,md5\n"', b'file,md5\n"a\n'],
    ids=["nothing", "header", "quote", "quoted lines"],
)
@pytest.mark.parametrize("byte", [b"\0", b"x", b"\n"])
def test_a_recording_given_for_a_csv_costs_no_memory(folder: Path, head: bytes, byte: bytes):
    path = folder.parent / "sums.csv"
    with path.open("wb") as file:
        file.write(head + byte * 1_000_000)
        file.truncate(1 << 36)
    with cheap(10.0), pytest.raises(CorruptFileError, match=r"sums\.csv: line"):
        ops.checksum(path, folder)


def test_a_truncated_csv_is_refused_or_says_what_is_extra(folder: Path):
    path = folder.parent / "sums.csv"
    text = f"file,md5\na,{A}\nb c,{B}\n"
    for size in range(len(text) - 1):
        path.write_text(text[:size])
        with contextlib.suppress(CorruptFileError):
            assert not ops.checksum(path, folder).sound


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "xxh3_128"])
def test_the_csv_decides_on_the_algorithm(folder: Path, algorithm):
    path = folder.parent / "sums.csv"
    ops.checksum(folder, path, algorithm=algorithm)
    for sides in ((path, folder), (folder, path), (path, path)):
        assert ops.checksum(*sides).algorithm == algorithm
        assert ops.checksum(*sides, algorithm=algorithm).sound
        other = "sha256" if algorithm == "md5" else "md5"
        with pytest.raises(UnsupportedError, match=rf"{other}.*sums\.csv: {algorithm}"):
            ops.checksum(*sides, algorithm=other)


def test_csvs_of_different_algorithms_are_not_compared(folder: Path):
    paths = [folder.parent / f"{name}.csv" for name in ("md5", "sha256")]
    for path in paths:
        ops.checksum(folder, path, algorithm=path.stem)
    with pytest.raises(UnsupportedError, match=r"md5\.csv: md5, .*sha256\.csv: sha256"):
        ops.checksum(*paths)


@pytest.mark.slow
def test_a_csv_of_a_hundred_thousand_files_is_compared_at_once(tmp_path: Path):
    digests = {f"trace/radar/iq/{n:06d}.npz": f"{n:032x}" for n in range(100_000)}
    changed = dict(reversed(digests.items()))
    changed["trace/radar/iq/070000.npz"] = f"{1:032x}"
    changed["trace/radar/iq/100000.npz"] = changed.pop("trace/radar/iq/000005.npz")
    for name, table in (("one.csv", digests), ("two.csv", changed)):
        rows = "".join(f"{file},{digest}\n" for file, digest in table.items())
        (tmp_path / name).write_text("file,md5\n" + rows)
    with cheap(20.0, 200):
        found = ops.checksum(tmp_path / "one.csv", tmp_path / "two.csv")
    assert found.count == 100_001
    assert found.mismatched == ["trace/radar/iq/070000.npz"]
    assert found.missing == ["trace/radar/iq/000005.npz"]
    assert found.extra == ["trace/radar/iq/100000.npz"]

"""`validate` compares frames with the check sums that are kept beside them."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import xxhash

from roverd import ops
from support.channels import avi_chunks, stream_ends
from support.traces import record_trace

IQ = 256  # bytes of a radar frame
COUNTS = {"radar/iq": 20, "lidar/rng": 10, "camera/video.avi": 30}


def stored(trace: Path, name: str) -> list[bytes]:
    """The bytes of each frame that its check sum is of."""
    data = (trace / name).read_bytes()
    if name == "camera/video.avi":
        return [data[offset : offset + size] for offset, size in avi_chunks(data)]
    ends = stream_ends(data) if name == "lidar/rng" else range(IQ, len(data) + 1, IQ)
    return [data[start:end] for start, end in itertools.pairwise([0, *ends])]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace with check sums, made without roverd."""
    folder = tmp_path / "walk"
    record_trace(folder)
    for name, count in COUNTS.items():
        frames = stored(folder, name)
        assert len(frames) == count
        sums = [xxhash.xxh3_64_intdigest(frame) for frame in frames]
        np.array(sums, "<u8").tofile(f"{folder / name}_x")
        meta = folder / name.split("/")[0] / "meta.json"
        entries = json.loads(meta.read_text())
        entries[name.split("/")[1]]["checksum"] = "xxh3_64"
        meta.write_text(json.dumps(entries))
    return folder


def kinds(trace: Path, deep: bool = True) -> list[tuple[str, str]]:
    (report,) = ops.validate([trace], deep=deep).traces
    quiet = ("timestamps-gap", "timestamps-irregular", "bad-intrinsics")
    return [(p.kind, p.file) for p in report.problems if p.kind not in quiet]


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_trace_with_sums_has_no_problem(trace: Path, deep: bool):
    assert kinds(trace, deep) == []


def test_a_flipped_bit_in_raw_is_found(trace: Path):
    with (trace / "radar/iq").open("r+b") as file:
        file.seek(5 * IQ + 17)
        byte = file.read(1)[0]
        file.seek(5 * IQ + 17)
        file.write(bytes([byte ^ 4]))
    assert kinds(trace, deep=False) == []
    (report,) = ops.validate([trace], deep=True).traces
    (problem,) = [p for p in report.problems if p.kind == "bad-checksum"]
    assert problem.file == "radar/iq"
    assert "1 of 20 that have others: 5" in problem.message


def test_a_jpeg_that_is_another_picture_is_found(trace: Path):
    video = trace / "camera/video.avi"
    data = bytearray(video.read_bytes())
    (first, size), (second, other) = avi_chunks(bytes(data))[:2]
    both = min(size, other)
    swapped = data[second : second + both]
    data[first : first + both] = swapped
    video.write_bytes(data)
    assert ("bad-checksum", "camera/video.avi") in kinds(trace)


def test_sums_that_are_missing_or_too_many_are_told_of(trace: Path):
    (trace / "lidar/rng_x").write_bytes((trace / "lidar/rng_x").read_bytes()[:-8])
    (trace / "radar/iq_x").unlink()
    expected = [("checksum-count", "lidar/rng_x"), ("checksum-count", "radar/iq_x")]
    assert sorted(kinds(trace)) == expected
    assert ops.validate([trace], deep=True).ok


def test_a_channel_called_like_sums_is_a_channel(trace: Path):
    meta = trace / "radar/meta.json"
    entries = json.loads(meta.read_text())
    entries["iq_x"] = {"format": "raw", "type": "u8", "shape": []}
    meta.write_text(json.dumps(entries))
    (trace / "radar/iq_x").write_bytes(np.arange(20, dtype="<u8").tobytes())
    assert kinds(trace) == []


def test_an_extract_keeps_the_sums_of_its_frames(trace: Path, tmp_path: Path):
    sums = {name: np.fromfile(f"{trace / name}_x", "<u8") for name in COUNTS}
    ops.extract(trace, tmp_path / "all", 0, 1, relative=True)
    ops.extract(trace, tmp_path / "part", 0.25, 0.75, relative=True)
    for name, known in sums.items():
        np.testing.assert_array_equal(np.fromfile(f"{tmp_path / 'all' / name}_x", "<u8"), known)
        part = np.fromfile(f"{tmp_path / 'part' / name}_x", "<u8")
        assert 0 < len(part) < len(known)
        assert part.tolist() in [known[k : k + len(part)].tolist() for k in range(len(known))]
    assert kinds(tmp_path / "all") == kinds(tmp_path / "part") == []


def test_what_was_damaged_before_an_extract_is_still_found_after(trace: Path, tmp_path: Path):
    with (trace / "radar/iq").open("r+b") as file:
        file.write(b"xxxx")
    ops.extract(trace, tmp_path / "all", 0, 1, relative=True)
    assert kinds(tmp_path / "all") == [("bad-checksum", "radar/iq")]


def test_blobs_and_back_have_sums_of_their_own(trace: Path, tmp_path: Path):
    ops.blobify(trace, tmp_path / "blobs")
    assert kinds(tmp_path / "blobs") == []
    blobs = sorted((tmp_path / "blobs/lidar/rng").glob("*.npz"))
    expected = [xxhash.xxh3_64_intdigest(blob.read_bytes()) for blob in blobs]
    found = np.fromfile(tmp_path / "blobs/lidar/rng_x", "<u8").tolist()
    assert found == expected
    ops.unblobify(tmp_path / "blobs", tmp_path / "back")
    assert kinds(tmp_path / "back") == []


def test_what_was_damaged_before_is_not_encoded_anew(trace: Path, tmp_path: Path):
    size = 5000  # bytes of a frame, enough to become files
    frames = np.arange(5 * size, dtype="<u4").view("u1").reshape(-1, size)
    sums = [xxhash.xxh3_64_intdigest(frame.tobytes()) for frame in frames]
    meta = trace / "radar/meta.json"
    entries = json.loads(meta.read_text())
    entries["large"] = {"format": "raw", "type": "u1", "shape": [size], "checksum": "xxh3_64"}
    meta.write_text(json.dumps(entries))
    frames.tofile(trace / "radar/large")
    np.array(sums, "<u8").tofile(trace / "radar/large_x")
    ops.blobify(trace, tmp_path / "blobs")
    with (trace / "radar/large").open("r+b") as file:
        file.seek(7 * size)
        file.write(b"x")
    with pytest.raises(ValueError, match="radar/large: frame 7 is not what was recorded"):
        ops.blobify(trace, tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()

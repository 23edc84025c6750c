"""`pcof` and `zstdf`: against plain pcodec, zstandard and NumPy, and whatever may be in a file."""

import gc
import itertools
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pcodec import ChunkConfig, standalone

from roverd import ops
from roverd.channels import Channel, from_config
from roverd.errors import CorruptFileError, MetadataError, UnsupportedError
from roverd.sensors import DynamicSensor
from support.channels import ENDS, Array, values
from support.limits import cheap
from support.plain import decode_plainly, encode_plainly

DATA = Path(__file__).parents[1] / "data" / "formats"
FORMATS = ("pcof", "zstdf")
FILTERS = ("none", "planes", "centered-planes", "delta-planes")
SHAPE = (3, 40)
COUNT = 6


def smooth(count: int = COUNT, dtype: str = "u2", shape: tuple[int, ...] = SHAPE) -> Array:
    """Frames of a random walk, which compresses, and wraps around now and then."""
    steps = np.random.default_rng([count, *shape]).integers(-40, 40, (count, *shape))
    return np.cumsum(steps, axis=-1).astype(dtype)


def stored(channel: Channel) -> list[bytes]:
    """The encoded frames, by the index."""
    data = Path(channel.path).read_bytes()
    ends = np.fromfile(f"{channel.path}_i", "<u8").tolist()
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


def put(path: Path, frames: list[bytes], index: bool = True) -> None:
    path.write_bytes(b"".join(frames))
    Path(f"{path}_i").unlink(missing_ok=True)
    if index:
        np.cumsum([0, *map(len, frames)]).astype("<u8").tofile(f"{path}_i")


# ── written once, by the first version ───────────────────────────────────────────────────────────

ENTRIES: dict[str, Any] = json.loads((DATA / "meta.json").read_text())


@pytest.mark.parametrize("name", [name for name in ENTRIES if name != "ts"])
def test_files_of_the_first_version_are_read_by_roverd_and_by_plain_libraries(name: str) -> None:
    entry = ENTRIES[name]
    frames = np.load(DATA / "frames.npz")[name]
    channel = from_config(DATA / name, **entry)
    np.testing.assert_array_equal(channel.read(), frames)
    for data, frame in zip(stored(channel), frames, strict=True):
        kind = entry.get("args", {}).get("filter")
        plain = decode_plainly(data, entry["format"], entry["type"], entry["shape"], kind)
        np.testing.assert_array_equal(plain, frame)


def test_the_example_in_the_description_of_the_format_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (DATA.parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "zstand" in code]
    monkeypatch.chdir(DATA)
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        # It leaves files to be closed by Python, as one does in ten lines.
        warnings.simplefilter("ignore", ResourceWarning)
        exec(code, names)
        gc.collect()
    frame = np.load(DATA / "frames.npz")["rng4_zstd"][1]
    assert names["frame"].dtype == frame.dtype
    np.testing.assert_array_equal(names["frame"], frame)


# ── filters and types ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [(), (1,), (9,), (4, 1), (2, 3, 5)], ids=str)
@pytest.mark.parametrize("dtype", ["b1", "u1", "i1", "u2", "i4", "u8", "f2", "f8", "c8", "c16"])
@pytest.mark.parametrize("filter", [None, *FILTERS])
def test_every_filter_is_what_the_format_says(
    filter: str | None, dtype: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    args = {} if filter is None else {"filter": filter}
    if filter in FILTERS[2:] and np.dtype(dtype).kind not in "ui":
        with pytest.raises(MetadataError, match=f"x: unknown filter '{filter}'.*none, planes$"):
            from_config(tmp_path / "x", "zstdf", dtype, shape, args=args)
        return
    frames = values(range(3), dtype, shape)
    channel = from_config(tmp_path / "x", "zstdf", dtype, shape, args=args)
    channel.write(frames)
    for data, frame in zip(stored(channel), frames, strict=True):
        np.testing.assert_array_equal(decode_plainly(data, "zstdf", dtype, shape, filter), frame)
    put(tmp_path / "x", [encode_plainly(frame, "zstdf", filter) for frame in frames])
    np.testing.assert_array_equal(channel.read(), frames)


@pytest.mark.parametrize("dtype", ["u2", "i8", "f2", "f4", "f8", "c8", "c16"])
def test_pco_files_are_those_of_pcodec(dtype: str, tmp_path: Path) -> None:
    frames = values(range(3), dtype, (4, 5))
    channel = from_config(tmp_path / "x", "pcof", dtype, (4, 5))
    channel.write(frames)
    for data, frame in zip(stored(channel), frames, strict=True):
        np.testing.assert_array_equal(decode_plainly(data, "pcof", dtype, (4, 5)), frame)
    put(tmp_path / "x", [encode_plainly(frame, "pcof") for frame in frames])
    np.testing.assert_array_equal(channel.read(), frames)


@pytest.mark.parametrize("filter", ["delta", "", 3, ["planes"], {"planes": 1}], ids=str)
def test_an_unknown_filter_is_an_error_that_names_the_file_and_those_known(
    filter: Any, tmp_path: Path
) -> None:
    entry = {"format": "zstdf", "type": "u2", "shape": [3], "args": {"filter": filter}}
    with pytest.raises(MetadataError, match="path: unknown filter") as caught:
        from_config("path", **entry)
    assert all(name in str(caught.value) for name in FILTERS)
    (tmp_path / "meta.json").write_text(json.dumps({"x": entry}))
    with pytest.raises(MetadataError, match=str(tmp_path)):
        DynamicSensor(tmp_path)


@pytest.mark.parametrize("kind, levels", [("pcof", (-1, 13)), ("zstdf", (0, 20))])
def test_a_level_that_is_none_is_refused_and_leaves_the_frames(
    kind: str, levels: tuple[int, int], tmp_path: Path
) -> None:
    channel: Any = from_config(tmp_path / "x", kind, "u2", SHAPE)
    channel.write(smooth())
    for level in levels:
        for write in (
            lambda level=level: channel.write(smooth(2), level=level),
            lambda level=level: channel.write(smooth(2), append=True, level=level),
            lambda level=level: channel.consume(iter(smooth(2)), level=level),
        ):
            with pytest.raises(ValueError, match="x: level must be"):
                write()
    np.testing.assert_array_equal(channel.read(), smooth())


def test_meta_json_keeps_the_filter_and_copies_between_filters_are_encoded_anew(
    tmp_path: Path,
) -> None:
    sensor = DynamicSensor(tmp_path / "s", create=True)
    entry = {"format": "zstdf", "type": "i2", "shape": SHAPE}
    one = sensor.create("one", {**entry, "args": {"filter": "none"}})
    other = sensor.create("other", entry)
    frames = smooth(dtype="i2")
    one.write(frames)
    again = DynamicSensor(tmp_path / "s").channels
    np.testing.assert_array_equal(again["one"].read(), frames)
    other.copy_from(one)
    np.testing.assert_array_equal(again["other"].read(), frames)
    plain = [decode_plainly(data, "zstdf", "i2", SHAPE) for data in stored(other)]
    np.testing.assert_array_equal(plain, frames)
    same = from_config(tmp_path / "same", "zstdf", "i2", SHAPE, args={"filter": "none"})
    same.copy_from(one)
    assert stored(same) == stored(one) != stored(other)


def test_blobs_come_back_in_the_format_and_with_the_filter_that_they_had(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    sensor = DynamicSensor(trace / "s", create=True)
    entry = {"format": "zstdf", "type": "u2", "shape": SHAPE, "args": {"filter": "planes"}}
    sensor.create("x", entry).write(smooth())
    sensor.channels["ts"].write(np.arange(6.0))
    (trace / "config.yaml").write_text("")
    ops.blobify(trace, tmp_path / "blobs")
    ops.unblobify(tmp_path / "blobs", tmp_path / "back")
    meta = json.loads((tmp_path / "back" / "s" / "meta.json").read_text())
    assert (meta["x"]["format"], meta["x"]["args"]) == ("zstdf", {"filter": "planes"})
    for name in ("x", "x_i"):
        assert (tmp_path / "back/s" / name).read_bytes() == (trace / "s" / name).read_bytes()


# ── damage ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("index", [True, False])
def test_whatever_byte_of_zstdf_is_wrong_it_is_an_error_or_changes_nothing(
    index: bool, tmp_path: Path
) -> None:
    frames = smooth(3, shape=(2, 9))
    channel = from_config(tmp_path / "x", "zstdf", "u2", (2, 9))
    channel.write(frames)
    encoded = stored(channel)
    wrong = bytearray(encoded[1])
    for position, mask in itertools.product(range(len(wrong)), (1, 4, 0x20, 0x41, 0xFF)):
        wrong[position] ^= mask
        put(tmp_path / "x", [encoded[0], bytes(wrong), encoded[2]], index)
        wrong[position] ^= mask
        np.testing.assert_array_equal(channel.read(0, 1), frames[:1])
        if index:
            np.testing.assert_array_equal(channel.read(2), frames[2:])
        try:
            got = channel.read()
        except CorruptFileError as error:
            assert "x: frame 1 (" in str(error)
        else:
            np.testing.assert_array_equal(got, frames[: len(got)])
            assert len(got) == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_a_frame_that_was_cut_off_anywhere_is_an_error_that_names_it(
    kind: str, tmp_path: Path
) -> None:
    frames = smooth(3)
    encoded = [encode_plainly(frame, kind) for frame in frames]
    channel = from_config(tmp_path / "x", kind, "u2", SHAPE)
    for size in range(1, len(encoded[1])):
        put(tmp_path / "x", [encoded[0], encoded[1][:size], encoded[2]])
        np.testing.assert_array_equal(channel.read(2), frames[2:])
        with pytest.raises(CorruptFileError, match=rf"x: frame 1 \({size} bytes from byte"):
            channel[1]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("index", [True, False])
def test_cut_off_anywhere_and_followed_by_zeros_the_whole_frames_are_there(
    kind: str, index: bool, tmp_path: Path
) -> None:
    frames = smooth(3)
    encoded = [encode_plainly(frame, kind) for frame in frames]
    channel = from_config(tmp_path / "x", kind, "u2", SHAPE)
    whole = b"".join(encoded)
    starts = np.cumsum([0, *map(len, encoded)]).tolist()
    for cut in range(0, len(whole), 3):
        put(tmp_path / "x", encoded, index)
        os.truncate(tmp_path / "x", cut)
        # Pages are lost as a whole: never within the first header of a file.
        for zeros in (0, 5000) if cut == 0 or cut > 32 else (0,):
            os.truncate(tmp_path / "x", cut + zeros)
            found = whole[:cut] + bytes(zeros)
            expected = sum(found[:end] == whole[:end] for end in starts[1:])
            there = len(channel)
            if kind == "zstdf" or not zeros:
                assert there == expected
            # A pco file has no check sum: zeros may decode.
            assert there in (expected, expected + 1)
            np.testing.assert_array_equal(channel.read(0, expected), frames[:expected])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("index", [True, False])
def test_frames_of_another_size_than_meta_json_says_are_an_error(
    kind: str, index: bool, tmp_path: Path
) -> None:
    for count in (1, 3):
        put(tmp_path / "x", [encode_plainly(frame, kind) for frame in smooth(count)], index)
        before = (tmp_path / "x").read_bytes()
        for dtype, shape in (("u2", (3, 41)), ("u4", SHAPE), ("u2", (3, 39))):
            wrong = from_config(tmp_path / "x", kind, dtype, shape)
            with pytest.raises(CorruptFileError, match=r"x: expected .*meta\.json fit"):
                wrong.read()
            with pytest.raises((CorruptFileError, UnsupportedError)):
                wrong.write(np.zeros((1, *shape), dtype), append=True)
        assert (tmp_path / "x").read_bytes() == before


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_something_else_is_an_error_that_names_it(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"this is no such file at all" * 40)
    with pytest.raises(CorruptFileError, match=r"x: at byte 0: expected a"):
        from_config(tmp_path / "x", kind, "u2", SHAPE).read()


@pytest.mark.parametrize("kind", FORMATS)
def test_appending_behind_damage_is_refused_where_frames_would_be_lost(
    kind: str, tmp_path: Path
) -> None:
    encoded = [encode_plainly(frame, kind) for frame in smooth()]
    put(tmp_path / "x", [*encoded[:2], b"\xff" * 9 + encoded[2][9:], *encoded[3:]], index=False)
    before = (tmp_path / "x").read_bytes()
    with pytest.raises(CorruptFileError, match="x: damaged at byte"):
        from_config(tmp_path / "x", kind, "u2", SHAPE).write(smooth(1), append=True)
    assert (tmp_path / "x").read_bytes() == before


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


def zstd_frame(content: int, check: bool = True, blocks: bytes = b"\x01\0\0", tail: int = 4) -> Any:
    """A zstd frame whose header promises so many bytes."""
    descriptor = 0xE0 | (4 if check else 0)
    head = bytes.fromhex("28b52ffd") + bytes([descriptor]) + content.to_bytes(8, "little")
    return head + blocks + bytes(tail)


LIES = {
    "a size beyond all memory": zstd_frame(2**60),
    "the right size, and no block": zstd_frame(240),
    "blocks without end": zstd_frame(240, blocks=b"\x02\0\0\0" * 5000),
    "empty blocks": zstd_frame(240, blocks=bytes(3 * 50_000)),
    "one byte, repeated": zstd_frame(240, blocks=b"\x03\xff\x0f\x07"),
    "no check sum": zstd_frame(240, False, b"\x83\x07\0\x05", 0),
    "a skippable frame": b"\x50\x2a\x4d\x18\xff\0\0\0" + bytes(255),
    "no size": zstandard.ZstdCompressor(write_content_size=False).compress(bytes(240)),
    "two frames": 2 * zstandard.ZstdCompressor(write_checksum=True).compress(bytes(120)),
    "more": zstandard.ZstdCompressor(write_checksum=True).compress(bytes(100_000_000)),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("index", [True, False])
def test_a_frame_that_lies_costs_nothing(name: str, index: bool, tmp_path: Path) -> None:
    channel = from_config(tmp_path / "x", "zstdf", "u2", SHAPE)
    put(tmp_path / "x", [LIES[name]], index)
    with cheap():
        try:
            assert len(channel.read()) == 0
        except CorruptFileError as error:
            assert str(tmp_path / "x") in str(error)


def test_a_pco_file_of_millions_of_numbers_is_not_decoded(tmp_path: Path) -> None:
    data = standalone.simple_compress(np.zeros(10_000_000, "u2"), ChunkConfig())
    channel = from_config(tmp_path / "x", "pcof", "u2", SHAPE)
    for index in (False, True):
        put(tmp_path / "x", [data], index)
        with cheap(), pytest.raises(CorruptFileError, match="10000000 numbers of type u2"):
            channel.read()


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_changed_in_a_pco_file_it_is_an_error_or_a_frame(data: st.DataObject) -> None:
    from roverd.formats import pco

    frame = smooth(1)[0]
    encoded = bytearray(encode_plainly(frame, "pcof"))
    flips = st.dictionaries(st.integers(0, len(encoded) - 1), st.integers(1, 255), max_size=5)
    for position, mask in data.draw(flips).items():
        encoded[position] ^= mask
    del encoded[data.draw(st.integers(1, len(encoded))) :]
    out = np.empty_like(frame)
    try:
        pco.decode_into(bytes(encoded), out)
    except CorruptFileError as error:
        assert "pco" in str(error)


FUZZ = """
import resource, sys
import numpy as np
from roverd.channels import from_config
from roverd.errors import CorruptFileError

folder, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
# What would be made room for because of a lie does not fit.
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
random = np.random.default_rng(7)
seen = {"error": 0, "same": 0, "wrong": 0}
for dtype, shape in (("u2", (9, 30)), ("i4", (40,)), ("f4", (7, 7)), ("f8", (3,))):
    frame = random.integers(-9, 9, shape).cumsum(axis=-1).astype(dtype)
    channel = from_config(f"{folder}/{kind}-{dtype}", kind, dtype, shape)
    channel.write(frame[None])
    whole = open(channel.path, "rb").read()
    out = np.empty_like(frame)
    for number in range(count // 4):
        data = bytearray(whole)
        match number % 4:
            case 0:
                del data[random.integers(len(data)) :]
            case 1:
                data[random.integers(len(data))] ^= 1 << random.integers(8)
            case 2:
                data[random.integers(min(40, len(data)))] = random.integers(256)
            case _:
                at = random.integers(len(data))
                data[at : at + 8] = random.bytes(min(8, len(data) - at))
        try:
            channel._decode_into(bytes(data), out)
        except CorruptFileError:
            seen["error"] += 1
        else:
            seen["same" if out.tobytes() == frame.tobytes() else "wrong"] += 1
print(seen["error"], seen["same"], seen["wrong"])
"""


@pytest.mark.parametrize("count", [4_000, pytest.param(200_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", FORMATS)
def test_no_damage_ends_the_process(kind: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FUZZ, str(tmp_path), kind, str(count)]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    errors, same, wrong = map(int, done.stdout.split())
    assert errors > count // 4
    assert errors + same + wrong == count
    if kind == "zstdf":
        assert wrong == 0


def test_the_truth_about_pco_files_is_that_of_their_magic() -> None:
    encoded = [encode_plainly(frame, "pcof") for frame in smooth()]
    assert ENDS["pcof"](b"".join(encoded)) == np.cumsum([*map(len, encoded)]).tolist()

"""Damaged files and descriptions: what is there stays there, and every error is one of ours."""

import bz2
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from roverd.channels import (
    Channel,
    JPEGBlobChannel,
    LzmaChannel,
    LzmaFrameChannel,
    NPZBlobChannel,
    VideoChannel,
    from_config,
)
from roverd.errors import CorruptFileError, MetadataError
from roverd.sensors import DynamicSensor
from roverd.storage.local import LocalFile
from support.avi import load
from support.channels import BY_NAME, CASES, Array, Case, stream_ends, values
from support.limits import cheap

LZMA, LZMAF = BY_NAME["lzma"], BY_NAME["lzmaf"]
COUNT = 9
FRAME_SIZE = 30  # bytes

Streams = list[bytes]


# ── xz: appending ────────────────────────────────────────────────────────────────────────────────


def streams_of(count: int = COUNT, size: int = FRAME_SIZE) -> Streams:
    """One xz stream for each of `count` frames, of noise: their chunks are stored as they are."""
    frames = [values([number], "u1", (size,)).tobytes() for number in range(count)]
    return [lzma.compress(frame, preset=0) for frame in frames]


def xz_channel(tmp_path: Path, case: Case, streams: Streams, index: bytes | None = None) -> Channel:
    (tmp_path / "x").write_bytes(b"".join(streams))
    (tmp_path / "x_i").unlink(missing_ok=True)
    if index is not None:
        (tmp_path / "x_i").write_bytes(index)
    return from_config(tmp_path / "x", case.format, "u1", [FRAME_SIZE])


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def one_more(channel: Channel) -> Array:
    return values([77], "u1", channel.shape)


def appends(channel: Channel) -> list[Callable[[], object]]:
    more = one_more(channel)
    return [
        lambda: channel.write(more, append=True),
        lambda: channel.consume(iter(more), append=True),  # type: ignore[call-arg]
        lambda: channel.consume(iter(more), thread=True, append=True).join(),
    ]


def damaged(stream: bytes, position: int) -> bytes:
    wrong = bytearray(stream)
    wrong[position] ^= 0x41
    return bytes(wrong)


# A solid file whose indexes are sound is not walked: a wrong chunk header ends nothing there.
@pytest.mark.parametrize("case, position", [(LZMA, 0), (LZMA, -1), (LZMAF, -1), (LZMAF, 24)])
@pytest.mark.parametrize("number", [0, 4])
def test_nothing_is_appended_where_that_would_destroy_frames(
    case: Case, position: int, number: int, tmp_path: Path
) -> None:
    streams = streams_of()
    streams[number] = damaged(streams[number], position)
    for index in (None, b"") if case is LZMAF else (None,):
        channel = xz_channel(tmp_path, case, streams, index)
        before = bytes_in(tmp_path)
        for append in appends(channel):
            with pytest.raises(CorruptFileError) as caught:
                append()
            assert str(caught.value).count(str(tmp_path / "x")) == 1
            assert bytes_in(tmp_path) == before


@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
def test_whatever_byte_is_wrong_appending_keeps_all_that_was_there_or_is_refused(
    case: Case, tmp_path: Path
) -> None:
    streams = streams_of(5)
    for position in range(len(streams[2])):
        wrong = [*streams[:2], damaged(streams[2], position), *streams[3:]]
        channel = xz_channel(tmp_path, case, wrong)
        before = bytes_in(tmp_path)
        try:
            channel.write(one_more(channel), append=True)
        except CorruptFileError:
            assert bytes_in(tmp_path) == before
        else:
            assert (tmp_path / "x").read_bytes().startswith(before["x"])
            np.testing.assert_array_equal(channel[-1], one_more(channel))


@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
def test_a_tail_torn_at_any_byte_is_dropped_and_appending_goes_on(
    case: Case, tmp_path: Path
) -> None:
    streams = streams_of(3)
    data = b"".join(streams)
    for cut in range(len(data)):
        channel = xz_channel(tmp_path, case, [data[:cut]])
        there = len(channel)
        assert there >= len(stream_ends(data[:cut]))
        channel.write(one_more(channel), append=True)
        assert len(channel) == there + 1
        expected = np.concatenate([values(range(there), "u1", (FRAME_SIZE,)), one_more(channel)])
        assert lzma.decompress((tmp_path / "x").read_bytes()) == expected.tobytes()


@pytest.mark.parametrize("size", [FRAME_SIZE - 1, FRAME_SIZE + 1, 2 * FRAME_SIZE])
@pytest.mark.parametrize("with_index", [True, False])
def test_frames_of_another_size_are_not_added_to_a_file(
    size: int, with_index: bool, tmp_path: Path
) -> None:
    streams = streams_of(4, size)
    offsets = np.cumsum([0, *map(len, streams)]).astype("<u8").tobytes()
    channel = xz_channel(tmp_path, LZMAF, streams, offsets if with_index else None)
    before = bytes_in(tmp_path)
    for append in appends(channel):
        with pytest.raises(ValueError, match=rf"\b{size}\b") as caught:
            append()
        assert str(tmp_path / "x") in str(caught.value)
        assert bytes_in(tmp_path) == before


# ── xz: reading ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, FRAME_SIZE - 1, FRAME_SIZE + 1, 5000])
def test_a_frame_of_another_size_ends_a_file_without_index_and_errors_say_so(
    size: int, tmp_path: Path
) -> None:
    streams = streams_of()
    streams[5] = lzma.compress(bytes(size))
    channel = xz_channel(tmp_path, LZMAF, streams)
    end = sum(map(len, streams[:5]))
    behind = sum(map(len, streams[5:]))
    assert len(channel) == 5
    np.testing.assert_array_equal(channel.read(), values(range(5), "u1", (FRAME_SIZE,)))
    for read in (lambda: channel[5], lambda: channel.read(5, 1), lambda: channel.read(0, 9)):
        with pytest.raises(IndexError, match=rf"\b{behind} bytes from byte {end} on\b"):
            read()


@pytest.mark.parametrize("size", [1, FRAME_SIZE - 1, FRAME_SIZE + 1, 5000])
def test_a_first_frame_of_another_size_is_an_error_that_names_the_file_once(
    size: int, tmp_path: Path
) -> None:
    channel = xz_channel(tmp_path, LZMAF, [lzma.compress(bytes(size)), *streams_of(3)])
    with pytest.raises(CorruptFileError, match=rf"\b{FRAME_SIZE} bytes\b") as caught:
        channel.read()
    assert str(caught.value).count(str(tmp_path / "x")) == 1


@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
@pytest.mark.parametrize(
    "data", [b"no stream at all, and long enough", b"\xfd7zXZ\x00\x00\xff" * 9]
)
def test_what_is_no_xz_file_is_an_error_that_names_the_file_once(
    case: Case, data: bytes, tmp_path: Path
) -> None:
    channel = xz_channel(tmp_path, case, [data])
    try:
        assert len(channel) == 0
    except CorruptFileError as error:
        assert str(error).count(str(tmp_path / "x")) == 1
    else:
        with pytest.raises(IndexError):
            channel[0]


@pytest.mark.parametrize("position", [0, -1])
def test_what_is_behind_damage_in_a_solid_file_is_told_of(position: int, tmp_path: Path) -> None:
    streams = streams_of()
    begin = sum(map(len, streams[:5]))
    streams[5] = damaged(streams[5], position)
    channel = xz_channel(tmp_path, LZMA, streams)
    there = len(channel)
    assert there in (5, 6)  # the content of a stream with a wrong end can be read
    np.testing.assert_array_equal(channel.read(), values(range(there), "u1", (FRAME_SIZE,)))
    with pytest.raises(IndexError, match=rf"byte {begin}\b"):
        channel[there]


ZEROS = 20 << 20


@pytest.mark.parametrize("case", [LZMA, LZMAF], ids=str)
@pytest.mark.parametrize("zeros", [ZEROS, ZEROS + 1])
@pytest.mark.parametrize("whole", [True, False])
def test_zeros_at_the_end_of_a_file_cost_little(
    case: Case, zeros: int, whole: bool, tmp_path: Path
) -> None:
    streams = streams_of()
    offsets = np.cumsum([0, *map(len, streams)]).astype("<u8").tobytes()
    if not whole:
        streams[-1] = streams[-1][:-7]
    for index in (None, offsets, offsets + bytes(800)) if case is LZMAF else (None,):
        channel = xz_channel(tmp_path, case, streams, index)
        os.truncate(tmp_path / "x", sum(map(len, streams)) + zeros)
        with cheap(seconds=2):
            there = len(channel)
        # Of a solid file, the content of a last stream that lacks its end may be read, too.
        assert there == COUNT if whole else there in (COUNT - 1, COUNT)
        assert whole or case is LZMA or there == COUNT - 1
        np.testing.assert_array_equal(channel[-1], values([there - 1], "u1", (FRAME_SIZE,)))


@pytest.mark.parametrize("claim", [1 << 16, 1 << 29, (1 << 30) - 4096, (1 << 34)])
def test_an_xz_footer_that_claims_a_huge_index_of_a_sparse_file(claim: int, tmp_path: Path) -> None:
    streams = streams_of(3)
    channel = xz_channel(tmp_path, LZMA, streams)
    size = 1 << 30
    with (tmp_path / "x").open("r+b") as file:
        begin = size - 12 - claim
        if begin > 4096:  # an index that lists 2**62 blocks
            file.seek(begin)
            file.write(b"\0" + b"\x80" * 8 + b"\x40" + b"\x04\x01" * 1000)
        file.seek(sum(map(len, streams)))
        file.write(streams[0][:12])  # where a torn stream begins, and not a GiB of padding
        file.seek(size - 12)
        file.write(bytes(4) + (claim // 4 - 1).to_bytes(4, "little") + b"\0\x04YZ")
    with cheap(seconds=2):
        assert len(channel) == 3
        np.testing.assert_array_equal(channel.read(), values(range(3), "u1", (FRAME_SIZE,)))


def test_a_solid_file_that_grows_is_not_read_again_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = [0]
    plain = LocalFile.read

    def read(self: LocalFile, offset: int, size: int) -> bytes:
        data = plain(self, offset, size)
        counted[0] += len(data)
        return data

    monkeypatch.setattr(LocalFile, "read", read)
    writer, reader = (from_config(tmp_path / "x", "lzma", "u1", [20_000]) for _ in range(2))
    sizes: list[int] = []
    costs: list[int] = []
    for number in range(20):
        writer.write(values([number], "u1", (20_000,)), append=True)
        counted[0] = 0
        assert len(reader) == number + 1
        costs.append(counted[0])
        np.testing.assert_array_equal(reader[-1], values([number], "u1", (20_000,)))
        sizes.append(counted[0])
    assert max(costs[1:]) <= 2 * costs[1] < 4096
    assert max(sizes) < 2 * 20_000


# ── arguments ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("preset", [99, -1, 10])
@pytest.mark.parametrize("append", [False, True])
def test_a_preset_that_is_none_is_refused_and_leaves_the_frames(
    preset: int, append: bool, tmp_path: Path
) -> None:
    channel = LzmaFrameChannel(tmp_path / "x", "<i2", LZMAF.shape)
    channel.write(LZMAF.upto(3))
    before = bytes_in(tmp_path)
    for write in (
        lambda: channel.write(LZMAF.upto(2), append=append, preset=preset),
        lambda: channel.consume(iter(LZMAF.upto(2)), preset=preset, append=append),
        lambda: channel.consume(iter(LZMAF.upto(2)), True, preset, append=append).join(),
    ):
        with pytest.raises(ValueError, match="preset"):
            write()
        assert bytes_in(tmp_path) == before


@pytest.mark.parametrize("fps", [0, -1.0, float("nan")])
def test_a_frame_rate_that_is_none_is_refused_in_a_thread_too(fps: float, tmp_path: Path) -> None:
    case = BY_NAME["mjpg"]
    channel = VideoChannel(tmp_path / "x", "u1", case.shape)
    channel.write(case.upto(3))
    before = bytes_in(tmp_path)
    for thread in (False, True):
        with pytest.raises(ValueError, match="x"):
            channel.consume(iter(case.upto(2)), thread, fps).join()
        assert bytes_in(tmp_path) == before
    case.check(channel.read(), case.upto(3))


TYPES = ["O", "(2,)f4", "f4,f4", "", " ", "V8", "U", "S3", "M8[s]", "m8", "u3", "f4" * 5000, "f\0"]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: repr(kind)[:12])
def test_a_type_that_is_none_is_an_error_that_names_the_file(kind: str, tmp_path: Path) -> None:
    check_entry_refused(tmp_path, {"format": "raw", "type": kind, "shape": []})


SHAPES: list[list[Any]] = [[10**30], [2] * 65, [2**31] * 3, [0], [-1], [1.5], ["3"], [None], [[]]]
SHAPES += [[1] * 64, [2**63], [float("inf")], [10**400]]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: repr(shape)[:12])
@pytest.mark.parametrize("kind", ["raw", "lzma", "lzmaf", "npz"])
def test_a_shape_that_is_none_is_an_error_that_names_the_file(
    kind: str, shape: list[Any], tmp_path: Path
) -> None:
    check_entry_refused(tmp_path, {"format": kind, "type": "u1", "shape": shape})


ARGUMENTS: list[dict[str, Any]] = [{"length": 1.5}, {"length": "3"}, {"length": [1]}]
ARGUMENTS += [{"workers": 2.5}, {"workers": "8"}, {"workers": None}]


@pytest.mark.parametrize("args", ARGUMENTS, ids=str)
@pytest.mark.parametrize("kind", ["npz", "jpg"])
def test_an_argument_of_another_type_is_an_error_that_names_the_file(
    kind: str, args: dict[str, Any], tmp_path: Path
) -> None:
    check_entry_refused(tmp_path, {"format": kind, "type": "u1", "shape": [8, 8, 3], "args": args})


def check_entry_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    """No channel can be made, and no sensor opened, that is described so."""
    with cheap(), pytest.raises(MetadataError, match="channel-path"):
        from_config("channel-path", **entry)
    (tmp_path / "meta.json").write_text(json.dumps({"x": entry}), encoding="utf-8")
    with cheap(), pytest.raises(MetadataError) as caught:
        DynamicSensor(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_a_meta_json_of_brackets_is_an_error_that_names_it(opening: str, tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(opening * 20_000, encoding="utf-8")
    with cheap(), pytest.raises(MetadataError, match=r"meta\.json"):
        DynamicSensor(tmp_path)


# ── npz ──────────────────────────────────────────────────────────────────────────────────────────

FRAME = values([3], "<i2", (3, 5))[0]
COMPRESSIONS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def npz(compression: int, version: tuple[int, int]) -> bytes:
    array, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(array, FRAME, version)
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("data.npy", array.getvalue())
    return file.getvalue()


def npz_channel(tmp_path: Path, data: bytes) -> NPZBlobChannel:
    (tmp_path / "x").mkdir(exist_ok=True)
    (tmp_path / "x" / "000000.npz").write_bytes(data)
    return NPZBlobChannel(tmp_path / "x", "<i2", FRAME.shape)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_npz_files_of_every_compression_are_read_and_damage_is_an_error(
    compression: str, version: tuple[int, int], tmp_path: Path
) -> None:
    data = npz(COMPRESSIONS[compression], version)
    np.testing.assert_array_equal(npz_channel(tmp_path, data)[0][0], FRAME)

    @settings(max_examples=40)
    @given(st.dictionaries(st.integers(0, len(data) - 1), st.integers(1, 255), min_size=1))
    def flip(flips: dict[int, int]) -> None:
        wrong = bytearray(data)
        for position, mask in flips.items():
            wrong[position] ^= mask
        try:
            got = npz_channel(tmp_path, bytes(wrong)).read()
        except CorruptFileError as error:
            assert "000000.npz" in str(error)
        else:
            assert got.shape == (1, *FRAME.shape)

    flip()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_wrong_byte_within_the_compressed_array_is_an_error(
    compression: str, tmp_path: Path
) -> None:
    data = npz(COMPRESSIONS[compression], (1, 0))
    begin = 30 + len("data.npy")
    end = data.index(b"PK\x01\x02")
    if compression == "stored":  # not checked: its bytes are read in place, as those of `raw`
        end = begin + 100
    for position in range(begin, end):
        channel = npz_channel(tmp_path, damaged(data, position))
        try:
            got = channel.read()
        except CorruptFileError as error:
            assert "000000.npz" in str(error)
        else:
            np.testing.assert_array_equal(got[0], FRAME)


def test_compressions_that_this_python_has_not_are_an_error(tmp_path: Path) -> None:
    data = bytearray(npz(zipfile.ZIP_DEFLATED, (1, 0)))
    for place in (8, data.index(b"PK\x01\x02") + 10):
        data[place] = 98  # PPMd
    with pytest.raises(CorruptFileError, match=r"000000\.npz"):
        npz_channel(tmp_path, bytes(data)).read()
    assert bz2.compress(b"")  # this Python has what the tests above are about


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("left", [0, 100, 200, 290])
def test_a_file_that_is_cut_while_it_is_read_is_an_error(
    save: Callable[..., None], left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = values([0], "<f8", (64, 64))[0]
    (tmp_path / "x").mkdir()
    path = tmp_path / "x" / "000000.npz"
    save(path, data=frame)
    plain = LocalFile.__init__

    def open_and_cut(self: LocalFile, path: str, keep: bool) -> None:
        plain(self, path, keep)
        head = plain_read(self, 0, 512)
        monkeypatch.setattr(
            LocalFile,
            "read",
            lambda self, offset, size: head if size == 512 else plain_read(self, offset, size),
        )
        os.truncate(path, left)

    plain_read = LocalFile.read
    monkeypatch.setattr(LocalFile, "__init__", open_and_cut)
    with pytest.raises(CorruptFileError, match=r"000000\.npz"):
        NPZBlobChannel(tmp_path / "x", "<f8", frame.shape).read()


# ── JPEG ─────────────────────────────────────────────────────────────────────────────────────────

EOI = b"\xff\xd9"


def photo(height: int = 61, width: int = 83) -> Array:
    """Edges and colours in every direction, in odd dimensions."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + y / 11), np.cos(x * y / 300), np.sign(np.sin((x + 2 * y) / 9))]
    return (np.stack(waves, axis=-1) * 120 + 128).clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    assert file.getvalue().endswith(EOI)
    return file.getvalue()


def jpg_channel(tmp_path: Path, data: bytes, **options: Any) -> JPEGBlobChannel:
    (tmp_path / "x").mkdir(exist_ok=True)
    (tmp_path / "x" / "000000.jpg").write_bytes(data)
    return JPEGBlobChannel(tmp_path / "x", "u1", photo().shape, **options)


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 7, b"\0" * 4096, b"\xff" * 5, b"\x55" * 32])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str
)
@pytest.mark.parametrize("resolution", [None, (20, 16)])
def test_bytes_between_the_last_pixel_and_the_end_marker_change_nothing(
    padding: bytes, options: dict[str, Any], resolution: tuple[int, int] | None, tmp_path: Path
) -> None:
    data = saved(Image.fromarray(photo()), **options)
    wanted = jpg_channel(tmp_path, data, resolution=resolution).read()
    padded = data[:-2] + padding + EOI
    got = jpg_channel(tmp_path, padded, resolution=resolution).read()
    np.testing.assert_array_equal(got, wanted)


def test_a_padded_jpeg_in_an_avi_decodes(tmp_path: Path) -> None:
    data = load("idx1_missing.avi")
    begin = data.index(b"\xff\xd8\xff")
    size = int.from_bytes(data[begin - 4 : begin], "little")
    (tmp_path / "x").write_bytes(data)
    channel = VideoChannel(tmp_path / "x", "u1", (272, 640, 3))
    wanted = channel.read(0, 3)
    jpeg = data[begin : begin + size].rstrip(b"\0")
    assert jpeg.endswith(EOI)
    padded = jpeg[:-2] + bytes(10 + size % 2 + len(jpeg) % 2) + EOI
    padded += bytes(len(padded) % 2)
    rest = data[begin + size + size % 2 :]
    (tmp_path / "x").write_bytes(
        data[: begin - 4] + len(padded).to_bytes(4, "little") + padded + rest
    )
    np.testing.assert_array_equal(channel.read(0, 3), wanted)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_a_jpeg_cut_in_the_middle_and_ended_is_what_libjpeg_says_of_it(
    options: dict[str, Any], tmp_path: Path
) -> None:
    data = saved(Image.fromarray(photo()), **options)
    whole = jpg_channel(tmp_path, data).read()
    start = data.index(b"\xff\xda") + 2 + 12
    refused = 0
    for cut in range(start, len(data) - 2, 11):
        torn = data[:cut] + EOI
        try:
            got = jpg_channel(tmp_path, torn).read()
        except CorruptFileError as error:
            refused += 1
            assert "000000.jpg" in str(error)
        else:
            # What libjpeg has no objection to, or nothing that matters is missing.
            if not np.array_equal(got, whole):
                wanted = simplejpeg.decode_jpeg(torn, strict=True)
                np.testing.assert_array_equal(got[0], wanted)
    # Of a progressive image, what is missing may only be detail, to which libjpeg objects not.
    assert refused > 20 or options


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_colour_spaces_decode_as_pillow_does(mode: str, progressive: bool, tmp_path: Path) -> None:
    data = saved(Image.fromarray(photo()).convert(mode), progressive=progressive, quality=90)
    wanted = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    got = jpg_channel(tmp_path, data).read()[0]
    # From CMYK, Pillow and libjpeg-turbo round otherwise.
    assert np.abs(got - wanted).max() <= (1 if mode == "CMYK" else 0)


def test_a_solid_stream_whose_end_is_filled_with_zeros_keeps_every_frame(tmp_path: Path) -> None:
    frames = np.arange(3000, dtype="u1").reshape(-1, 3)
    whole = lzma.compress(frames.tobytes())
    channel = LzmaChannel(tmp_path / "x", "u1", (3,))
    for lost in (1, 12, 20):
        (tmp_path / "x").write_bytes(whole[:-lost] + bytes(lost))
        np.testing.assert_array_equal(channel.read(), frames)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("case", [case for case in CASES if not case.folder], ids=lambda c: c.name)
def test_a_pipe_in_place_of_a_file_is_an_error_at_once(case: Case, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError, match="pipe") as caught:
        case.open(str(tmp_path / "x")).read()
    assert caught.value.filename == str(tmp_path / "x")


@pytest.mark.parametrize("case", [case for case in CASES if case.folder], ids=lambda c: c.name)
def test_an_empty_file_is_not_taken_for_a_repeated_frame(case: Case, tmp_path: Path) -> None:
    source = case.open(str(tmp_path / "x"))
    source.write(case.frames(0, 1, 2))
    name = f"{1:06d}.{case.format}"
    (tmp_path / "x" / name).write_bytes(b"")
    with pytest.raises(ValueError, match=name):
        case.open(str(tmp_path / "y")).copy_from(source)

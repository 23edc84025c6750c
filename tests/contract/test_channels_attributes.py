"""What a channel says about itself, and what it is made of."""

import inspect
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from roverd import channels
from roverd.channels import Channel, RawChannel
from roverd.errors import MetadataError
from support.channels import BY_NAME, CASES, IMAGE_SHAPE, Case, MakeChannel, Place, values

ARGUMENTS = {
    "raw": {},
    "lzma": {},
    "lzmaf": {},
    "pcof": {},
    "zstdf": {"filter": "planes"},
    "npz": {"workers": 3, "length": 2, "compress": True},
    "mjpg": {"resolution": (32, 8), "interp": "linear"},
    "jpg": {"workers": 3, "length": 2},
}


def test_the_formats_have_the_classes_that_the_api_names() -> None:
    assert {name: kind.__name__ for name, kind in channels.CHANNEL_TYPES.items()} == {
        "raw": "RawChannel",
        "lzma": "LzmaChannel",
        "lzmaf": "LzmaFrameChannel",
        "pcof": "PcoFrameChannel",
        "zstdf": "ZstdFrameChannel",
        "mjpg": "VideoChannel",
        "npz": "NPZBlobChannel",
        "jpg": "JPEGBlobChannel",
    }
    assert issubclass(channels.NPZBlobChannel, channels.abstract.BlobChannel)
    assert issubclass(channels.abstract.BlobChannel, Channel)


def test_an_unknown_format_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="flac") as caught:
        channels.from_config("x", "flac", "u1", [1])
    assert all(name in str(caught.value) for name in channels.CHANNEL_TYPES)


def test_a_format_of_ones_own_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(RawChannel):
        """A format of one's own."""

    monkeypatch.setitem(channels.CHANNEL_TYPES, "mine", Mine)
    assert type(channels.from_config("x", "mine", "u1", [1])) is Mine


def test_a_description_may_be_called_desc_or_description() -> None:
    for word in ("desc", "description"):
        made = channels.from_config("x", format="raw", type="u1", shape=[], **{word: "words"})
        assert made.shape == ()


def test_attributes(case: Case, place: Place) -> None:
    path = place.path("channel")
    made = channels.CHANNEL_TYPES[case.format](Path(path), case.dtype, list(case.shape))
    assert made.path == path
    assert type(made.path) is str
    assert made.type == np.dtype(case.dtype)
    assert isinstance(made.type, np.dtype)
    assert made.shape == case.shape
    assert type(made.shape) is tuple
    assert made.size == int(np.prod(case.shape)) * np.dtype(case.dtype).itemsize


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("O", [1]), ("U4", [1]), ("nonsense", [1]), ("u1", [-1]), ("u1", [0]), ("u1", [2, 0])],
)
def test_a_type_or_shape_that_no_frame_can_have_is_refused(dtype: str, shape: list[int]) -> None:
    with pytest.raises(ValueError, match="channel-path"):
        RawChannel("channel-path", dtype, shape)


def test_filesize_is_the_bytes_of_all_files_now(
    case: Case, place: Place, make_channel: MakeChannel
) -> None:
    channel = make_channel()
    assert channel.filesize == 0
    for count in (1, 2):
        channel.write(case.upto(1, count), append=True)
        files = place.files(channel.path)
        assert channel.filesize == sum(map(len, files.values()))
        assert len(files) == (2 if case.indexed else count if case.folder else 1)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_open_like_keeps_class_and_every_argument(name: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.format == name)
    arguments = ARGUMENTS[name]
    kind = channels.CHANNEL_TYPES[name]
    first = kind(str(tmp_path / "a"), case.dtype, case.shape, **arguments)
    first.write(case.upto(2))
    assert len(first) == 2
    direct = kind(str(tmp_path / "b"), case.dtype, case.shape, **arguments)
    for path in (direct.path, Path(direct.path)):
        other = first.open_like(path)
        assert type(other) is kind
        assert vars(other) | {"decoder": 0, "_decoder": 0} == vars(direct) | {
            "decoder": 0,
            "_decoder": 0,
        }
        assert len(other) == (arguments.get("length") or 0)
    other = first.open_like(direct.path)
    other.write(case.upto(2, 7))
    np.testing.assert_array_equal(other.read(), kind(other.path, *_of(case), **arguments).read())
    assert other.read().shape == first.read().shape
    assert not np.array_equal(other.read(), first.read())


def _of(case: Case) -> tuple[str, tuple[int, ...]]:
    return case.dtype, case.shape


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RawChannel", "path dtype shape"),
        ("LzmaChannel", "path dtype shape"),
        ("LzmaFrameChannel", "path dtype shape"),
        ("PcoFrameChannel", "path dtype shape"),
        ("ZstdFrameChannel", "path dtype shape filter=None"),
        ("VideoChannel", "path dtype shape resolution=None interp='area'"),
        ("NPZBlobChannel", "path dtype shape workers=8 length=None compress=False"),
        ("JPEGBlobChannel", "path dtype shape workers=8 length=None"),
    ],
)
def test_constructors_begin_with_the_arguments_of_the_api(name: str, expected: str) -> None:
    assert _signature(getattr(channels, name).__init__, skip=1).startswith(expected)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("Channel.open_like", "path"),
        ("Channel.buffer_to_array", "data batch=True final=True"),
        ("Channel.read", "start=0 samples=-1"),
        ("Channel.stream", "transform=None batch=0"),
        ("Channel.stream_prefetch", "transform=None size=64 batch=0"),
        ("Channel.write", "data append=False"),
        ("Channel.consume", "stream thread=False"),
        ("LzmaFrameChannel.write", "data append=False preset=0"),
        ("LzmaFrameChannel.consume", "stream thread=False preset=0 batch=8"),
        ("PcoFrameChannel.write", "data append=False level=8"),
        ("PcoFrameChannel.consume", "stream thread=False level=8 batch=8"),
        ("ZstdFrameChannel.write", "data append=False level=1"),
        ("ZstdFrameChannel.consume", "stream thread=False level=1 batch=8"),
        ("VideoChannel.consume", "stream thread=False fps=10.0"),
        ("NPZBlobChannel.consume", "stream thread=False append=False"),
        ("JPEGBlobChannel.consume", "stream thread=False append=False"),
    ],
)
def test_methods_begin_with_the_arguments_of_the_api(method: str, expected: str) -> None:
    kind, name = method.split(".")
    assert _signature(getattr(getattr(channels, kind), name), skip=1).startswith(expected)


def test_from_config_has_the_arguments_of_the_api() -> None:
    expected = "path format type shape description=None desc=None args={}"
    assert _signature(channels.from_config).startswith(expected)


def _signature(function: object, skip: int = 0) -> str:
    assert callable(function)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    empty = inspect.Parameter.empty
    return " ".join(
        item.name if item.default is empty else f"{item.name}={item.default!r}"
        for item in parameters
    )


def test_buffer_to_array_shares_memory_that_may_be_written_to(case: Case) -> None:
    frames = case.upto(3)
    data = bytearray(frames.tobytes())
    channel = case.open("nowhere")
    array = channel.buffer_to_array(data)
    assert array.shape == (3, *case.shape)
    assert array.dtype == channel.type
    np.testing.assert_array_equal(array, frames)
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    array[:] = 0
    assert not any(data)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_buffer_to_array_is_writable_unless_it_is_not_final(case: Case, wrap: type) -> None:
    channel = case.open("nowhere")
    data = wrap(case.upto(2).tobytes())
    array = channel.buffer_to_array(data)
    array[:] = 0
    assert array.flags.writeable
    shared = channel.buffer_to_array(data, final=False)
    assert np.shares_memory(shared, np.frombuffer(data, np.uint8))


def test_buffer_to_array_of_one_frame(case: Case) -> None:
    channel = case.open("nowhere")
    frames = case.upto(2)
    one = channel.buffer_to_array(frames[:1].tobytes(), batch=False)
    assert one.shape == case.shape
    assert one.flags.writeable
    np.testing.assert_array_equal(one, frames[0])
    for wrong in (b"", frames.tobytes(), frames.tobytes()[:-1]):
        with pytest.raises(ValueError, match="nowhere"):
            channel.buffer_to_array(wrong, batch=False)


def test_buffer_to_array_of_one_value_is_an_array_of_no_dimensions() -> None:
    one = RawChannel("x", "f8", []).buffer_to_array(np.float64(2.5).tobytes(), batch=False)
    assert isinstance(one, np.ndarray)
    assert one.shape == ()
    one[...] = 3
    assert one == 3


def test_buffer_to_array_of_nothing_is_an_empty_batch(case: Case) -> None:
    assert case.open("x").buffer_to_array(b"").shape == (0, *case.shape)


def test_buffer_to_array_refuses_part_of_a_frame(case: Case) -> None:
    channel = case.open("nowhere")
    with pytest.raises(ValueError, match=str(channel.size)):
        channel.buffer_to_array(bytes(2 * channel.size + 1))


def test_a_pickle_made_after_use_is_small_and_opens_the_same_channel(
    case: Case, make_channel: MakeChannel
) -> None:
    channel = make_channel(40)
    channel.read()
    for _ in channel.stream_prefetch():
        pass
    data = pickle.dumps(channel)
    assert len(data) < 1000
    other: Channel = pickle.loads(data)  # noqa: S301 - our own
    assert type(other) is type(channel)
    case.check(other.read(), case.upto(40))
    channel.write(case.upto(1, 40), append=True)
    assert len(other) == len(channel) == 41


def test_memmap_is_all_whole_frames_to_read(tmp_path: Path) -> None:
    case = BY_NAME["raw"]
    channel = RawChannel(str(tmp_path / "x"), *_of(case))
    channel.write(case.upto(5))
    os.truncate(channel.path, channel.size * 4 + 3)
    mapped = channel.memmap()
    assert isinstance(mapped, np.memmap)
    case.check(np.asarray(mapped), case.upto(4))
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0


def test_memmap_of_no_frames_is_empty_and_of_no_file_an_error(tmp_path: Path) -> None:
    channel = RawChannel(str(tmp_path / "x"), "f4", [2])
    with pytest.raises(FileNotFoundError, match="x"):
        channel.memmap()
    (tmp_path / "x").write_bytes(b"1234567")
    mapped = channel.memmap()
    assert mapped.shape == (0, 2)
    assert not mapped.flags.writeable


DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16", "b1"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["raw", "lzma", "lzmaf", "pcof", "zstdf", "npz"])
def test_every_type_and_number_of_dimensions_reads_back(
    name: str, dtype: str, tmp_path: Path
) -> None:
    if name == "pcof" and dtype[1:] == "1":
        with pytest.raises(MetadataError, match=r"x: format 'pcof' .*'zstdf' takes every type"):
            channels.from_config(tmp_path / "x", name, dtype, (2,))
        return
    for shape in ((), (1,), (2, 1, 3)):
        frames = values(range(4), dtype, shape)
        channel = channels.from_config(tmp_path / str(len(shape)), name, dtype, shape)
        channel.write(frames)
        channel.consume(iter(frames), append=True)
        got = channel.read()
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(got, np.concatenate([frames, frames]))
        for streamed, frame in zip(channel.stream(), frames, strict=False):
            assert isinstance(streamed, np.ndarray)
            assert streamed.shape == shape
            np.testing.assert_array_equal(streamed, frame)


@pytest.mark.parametrize("shape", [(*IMAGE_SHAPE[:2], 1), IMAGE_SHAPE[:2]], ids=str)
@pytest.mark.parametrize("name", ["mjpg", "jpg"])
def test_grey_images_read_back(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    case = Case("grey", name, "u1", shape, lossy=True)
    channel = case.open(str(tmp_path / "x"))
    channel.write(case.upto(3))
    case.check(channel.read(), case.upto(3))

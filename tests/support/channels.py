"""What the channel tests share: formats, numbered frames, files at rest, independent truths.

Nothing here goes through roverd except `Case.open`: the truth about a file is computed with the
standard library.
"""

import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from lzma import FORMAT_XZ, LZMADecompressor
from typing import Any, Protocol

import imageio_ffmpeg
import numpy as np
import zstandard
from numpy.typing import NDArray
from pcodec import standalone

from roverd import channels

Array = NDArray[Any]
MakeChannel = Callable[..., channels.Channel]

# ── numbered frames ──────────────────────────────────────────────────────────────────────────────

IMAGE_SHAPE = (16, 64, 3)
_BLOCK = 8  # one DCT block: black or white all over, it survives any JPEG quality


def image(number: int, shape: tuple[int, ...] = IMAGE_SHAPE) -> Array:
    """An image that shows `number` (16 bits) as two rows of black and white blocks.

    Larger shapes show it in their upper left corner, on grey.
    """
    bits = (number >> np.arange(16)) & 1
    code = np.kron(bits.reshape(2, 8), np.ones((_BLOCK, _BLOCK))).astype(np.uint8) * 255
    picture = np.full(shape, 128, np.uint8)
    picture[:16, :64] = code if len(shape) == 2 else code[..., None]
    return picture


def shown_number(picture: Array) -> int:
    """The number that an image shows, whatever a codec did to it."""
    plane = np.asarray(picture, float)
    plane = plane.mean(axis=2) if plane.ndim == 3 else plane
    blocks = plane[:16, :64].reshape(2, _BLOCK, 8, _BLOCK).mean(axis=(1, 3)).ravel()
    assert np.all((blocks < 60) | (blocks > 195)), f"no number: {blocks}"
    return sum(1 << int(bit) for bit in np.flatnonzero(blocks > 127))


def images(numbers: Iterable[int], shape: tuple[int, ...] = IMAGE_SHAPE) -> Array:
    """Numbered images `(n, *shape)`."""
    found = [image(number, shape) for number in numbers]
    return np.stack(found) if found else np.empty((0, *shape), np.uint8)


def values(numbers: Iterable[int], dtype: Any = "<i2", shape: tuple[int, ...] = (3, 5)) -> Array:
    """Frames `(n, *shape)` of noise, each of which only its number brings about."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize * int(np.prod(shape))
    found: list[Array] = []
    for number in numbers:
        noise = np.random.default_rng(number)
        if dtype.kind in "fc":
            real = noise.standard_normal((int(np.prod(shape)), 2))
            frame = real[:, 0] + (1j * real[:, 1] if dtype.kind == "c" else 0)
            found.append(frame.astype(dtype).reshape(shape))
        elif dtype.kind == "b":
            found.append((noise.integers(0, 2, shape) == 1).reshape(shape))
        else:
            found.append(np.frombuffer(noise.bytes(size), dtype).reshape(shape))
    return np.stack(found) if found else np.empty((0, *shape), dtype)


# ── formats ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    """A format as the contract tests try it.

    Attributes:
        name: of the case.
        format: its name in `meta.json`.
        dtype: type of the values.
        shape: shape of one frame.
        args: constructor arguments.
        lossy: whether frames come back only nearly as they were.
        groups: whether `consume` takes batches and lists, too.
        raw_bytes: whether `write` takes bytes, too.
        folder: whether the channel is a folder of files.
    """

    name: str
    format: str
    dtype: str = "<i2"
    shape: tuple[int, ...] = (3, 5)
    args: Mapping[str, Any] = field(default_factory=dict)
    lossy: bool = False
    groups: bool = False
    raw_bytes: bool = False
    folder: bool = False

    @property
    def indexed(self) -> bool:
        """Whether frames are encoded one by one, with their offsets in a file of their own."""
        return self.format in INDEXED

    def open(self, path: str) -> channels.Channel:
        """The channel at a path."""
        return channels.from_config(path, self.format, self.dtype, self.shape, args=self.args)

    def frames(self, *numbers: int) -> Array:
        """Numbered frames `(n, *shape)`."""
        if self.lossy:
            return images(numbers, self.shape)
        return values(numbers, self.dtype, self.shape)

    def upto(self, count: int, first: int = 0) -> Array:
        """`count` numbered frames from `first` on."""
        return self.frames(*range(first, first + count))

    def check(self, got: Any, wanted: Array) -> None:
        """Fail unless `got` is an array of the frames that are wanted."""
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.dtype(self.dtype)
        assert got.shape == wanted.shape
        if self.lossy:
            # Blocks are 255 apart: within 40 there is one number that it can be.
            worst = np.abs(got.astype(int) - wanted.astype(int)).max(initial=0)
            assert worst <= 40, f"pixels are off by {worst}"
        else:
            np.testing.assert_array_equal(got, wanted)

    def __str__(self) -> str:
        return self.name


INDEXED = ("lzmaf", "pcof", "zstdf")
"""Formats with an index `_i`."""

CASES = [
    Case("raw", "raw", groups=True, raw_bytes=True),
    Case("lzma", "lzma", groups=True, raw_bytes=True),
    Case("lzmaf", "lzmaf", groups=True),
    Case("pcof", "pcof", groups=True),
    Case("zstdf", "zstdf", groups=True),
    Case("zstdf-delta", "zstdf", args={"filter": "delta-planes"}, groups=True),
    Case("npz", "npz", folder=True),
    Case("npz-deflated", "npz", args={"compress": True}, folder=True),
    Case("mjpg", "mjpg", "u1", IMAGE_SHAPE, lossy=True),
    Case("jpg", "jpg", "u1", IMAGE_SHAPE, lossy=True, folder=True),
]
BY_NAME = {case.name: case for case in CASES}


# ── bytes at rest ────────────────────────────────────────────────────────────────────────────────

Files = dict[str, bytes]


class Place(Protocol):
    """Somewhere that channels are kept; another storage is another one of these."""

    def path(self, name: str) -> str:
        """The path of a channel of that name."""
        ...

    def files(self, path: str) -> Files:
        """Everything that is kept for the channel at a path: name → bytes."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Make `data` the content of a file, its folder with it where need be."""
        ...

    def cut(self, path: str, size: int) -> None:
        """Cut a file to its first `size` bytes."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...


class RemotePlace:
    """A store: what is to be read there is written to local files and uploaded."""

    def __init__(
        self,
        url: str,
        upload: Callable[[str, bytes], object],
        download: Callable[[str], Mapping[str, bytes]],
    ) -> None:
        self.url = url
        self._upload = upload
        self._download = download

    def path(self, name: str) -> str:
        """The URL of a channel of that name."""
        return f"{self.url}/{name}"

    def files(self, path: str) -> Files:
        """Everything that is kept for the channel at a URL."""
        names = self._download(path)
        start = len(self.url) + 1
        own = {url[start:]: data for url, data in names.items()}
        name = path[start:]
        return {
            key: data
            for key, data in sorted(own.items())
            if key.split("/")[0] in (name, f"{name}_i")
        }

    def put(self, path: str, data: bytes) -> None:
        """Make an object, without roverd."""
        self._upload(path, data)

    def cut(self, path: str, size: int) -> None:
        """Refuse: objects are not cut."""
        raise NotImplementedError(path, size)

    def remove(self, path: str) -> None:
        """Refuse: nobody needs it yet."""
        raise NotImplementedError(path)


class LocalPlace:
    """Local files under a folder."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        """The path of a channel of that name."""
        return os.path.join(self.root, name)

    def files(self, path: str) -> Files:
        """Everything that is kept for the channel at a path."""
        found: Files = {}
        folder, start = os.path.split(path)
        for name in sorted(os.listdir(folder)):
            if name in (start, f"{start}_i"):
                self._gather(os.path.join(folder, name), name, found)
        return found

    def _gather(self, path: str, name: str, found: Files) -> None:
        if not os.path.isdir(path):
            with open(path, "rb") as file:
                found[name] = file.read()
            return
        for entry in sorted(os.listdir(path)):
            self._gather(os.path.join(path, entry), f"{name}/{entry}", found)

    def put(self, path: str, data: bytes) -> None:
        """Make `data` the content of a file."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def cut(self, path: str, size: int) -> None:
        """Cut a file to its first `size` bytes."""
        os.truncate(path, size)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)


# ── truths, found without roverd ─────────────────────────────────────────────────────────────────


def decodable(data: bytes) -> bytes:
    """All that the standard library decompresses of concatenated xz streams, cut off anywhere."""
    found = b""
    while data:
        decoder = LZMADecompressor(FORMAT_XZ)
        found += decoder.decompress(data)
        if not decoder.eof:
            break
        data = decoder.unused_data
    return found


def stream_ends(data: bytes) -> list[int]:
    """Where each whole one of concatenated xz streams ends."""
    ends: list[int] = []
    total = len(data)
    while data:
        decoder = LZMADecompressor(FORMAT_XZ)
        decoder.decompress(data)
        if not decoder.eof:
            break
        data = decoder.unused_data
        ends.append(total - len(data))
    return ends


def zstd_ends(data: bytes) -> list[int]:
    """Where each whole one of concatenated zstd frames ends."""
    ends: list[int] = []
    total = len(data)
    while data:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        decoder.decompress(data)
        if not decoder.eof:
            break
        data = decoder.unused_data
        ends.append(total - len(data))
    return ends


def pco_ends(data: bytes) -> list[int]:
    """Where each whole one of concatenated pco files ends. (None of ours has its magic inside.)"""
    ends: list[int] = []
    for piece in data.split(b"pco!")[1:]:
        try:
            standalone.simple_decompress(b"pco!" + piece)
        except RuntimeError:
            break
        ends.append(len(piece) + 4 + (ends[-1] if ends else 0))
    return ends


ENDS = {"lzmaf": stream_ends, "pcof": pco_ends, "zstdf": zstd_ends}
"""By format with an index: where the whole frames in the data end."""


def avi_chunks(data: bytes, name: bytes = b"00dc") -> list[tuple[int, int]]:
    """Offset and size of the whole payloads of an AVI, found by going from chunk to chunk."""
    found: list[tuple[int, int]] = []
    position = data.find(b"movi") + 4 if b"movi" in data else len(data)
    while position + 8 <= len(data):
        chunk, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        if chunk in (b"LIST", b"RIFF"):
            position += 12
            continue
        if position + 8 + size > len(data):
            break
        if chunk == name:
            found.append((position + 8, size))
        position += 8 + size + size % 2
    return found


def whole_frames(case: Case, files: Files, name: str) -> int:
    """How many frames are whole at the beginning of what is kept for a channel."""
    size = np.dtype(case.dtype).itemsize * int(np.prod(case.shape))
    if case.folder:
        count = 0
        while f"{name}/{count:06d}.{case.format}" in files:
            count += 1
        return count
    data = files.get(name, b"")
    if case.format == "raw":
        return len(data) // size
    if case.format == "lzma":
        return len(decodable(data)) // size
    if case.indexed:
        return len(ENDS[case.format](data))
    return len(avi_chunks(data))


# ── programs and time ────────────────────────────────────────────────────────────────────────────


def ffmpeg(*arguments: str, data: bytes = b"") -> bytes:
    """Run ffmpeg; give what it writes to stdout."""
    program = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-hide_banner", "-loglevel", "error", "-y", *arguments]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Return as soon as the condition holds; fail when it still does not."""
    never = threading.Event()
    for _ in range(int(seconds * 1000)):
        if condition():
            return
        never.wait(0.001)
    raise AssertionError(f"still not so after {seconds} s")


class SmallestQueue:
    """An object that has `get` and `empty` and nothing else."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: Iterator[Any] = iter(items)
        self._next: list[Any] = []

    def get(self) -> Any:
        """The next item."""
        return self._next.pop() if self._next else next(self._items)

    def empty(self) -> bool:
        """Whether none is left."""
        if not self._next:
            self._next.extend(item for item in [next(self._items, self)] if item is not self)
        return not self._next

"""What the AVI tests share: data with its truth, files in memory, frames that carry a number."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import simplejpeg

from roverd.formats.avi import AviIndex, AviWriter

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "avi")

with open(os.path.join(DATA, "expected.json"), encoding="utf-8") as _file:
    EXPECTED = json.load(_file)

NAMES = sorted(name for name in EXPECTED if os.path.exists(os.path.join(DATA, name)))
MJPG_ALONE = [name for name in NAMES if "audio" not in name]

Pairs = list[tuple[int, int]]


def load(name: str) -> bytes:
    with open(os.path.join(DATA, name), "rb") as file:
        return file.read()


def truth(name: str, size: int) -> Pairs:
    """Offset and size of the frames that are whole in the first `size` bytes, by expected.json."""
    return [
        (offset, length)
        for i, (offset, length) in enumerate(EXPECTED[name]["offset_size"])
        if i not in EXPECTED[name]["incomplete"] and offset + length <= size
    ]


def pairs(index: AviIndex) -> Pairs:
    return list(zip(index.offsets.tolist(), index.sizes.tolist(), strict=True))


def reading(data: bytes | bytearray) -> Callable[[int, int], bytes]:
    """A `read_at` over bytes that refuses what no file would be asked."""

    def read_at(offset: int, size: int) -> bytes:
        assert offset >= 0
        assert 0 <= size <= 1 << 20
        return bytes(data[offset : offset + size])

    return read_at


class MemoryFile:
    """A file that an `AviWriter` fills."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)

    def apply(self, writes: list[tuple[int, bytes]]) -> None:
        for offset, data in writes:
            assert offset <= len(self.data), "a write leaves a hole"
            self.data[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        assert size <= len(self.data)
        del self.data[size:]


class SparseFile:
    """A file of which only some bytes exist; the rest reads as zeros."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.size = 0
        self.reads = 0

    def put(self, offset: int, data: bytes) -> None:
        """Later pieces lie over earlier ones."""
        self.pieces.append((offset, data))
        self.size = max(self.size, offset + len(data))

    def __call__(self, offset: int, size: int) -> bytes:
        assert size <= 1 << 20
        self.reads += 1
        size = max(0, min(size, self.size - offset))
        out = bytearray(size)
        for start, data in self.pieces:
            begin, end = max(start, offset), min(start + len(data), offset + size)
            if begin < end:
                out[begin - offset : end - offset] = data[begin - start : end - start]
        return bytes(out)


# ── frames that tell their number ────────────────────────────────────────────────────────────────

WIDTH, HEIGHT, BLOCK, BITS = 128, 32, 16, 8


def image(number: int) -> np.ndarray:
    """An image whose upper row of blocks is `number` in binary, black and white."""
    bits = np.array([(number >> i) & 1 for i in range(BITS)], np.uint8) * 255
    row = np.repeat(bits, BLOCK)
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    picture[:BLOCK] = row[None, :, None]
    return picture


def number_of(gray: np.ndarray) -> int:
    """The number in an image, gray or colour."""
    assert gray.shape[:2] == (HEIGHT, WIDTH)
    plane = gray if gray.ndim == 2 else gray.mean(axis=2)
    blocks = plane[:BLOCK].reshape(BLOCK, BITS, BLOCK).mean(axis=(0, 2))
    assert np.all((blocks < 40) | (blocks > 215)), blocks
    return sum(1 << i for i in range(BITS) if blocks[i] > 127)


def jpeg(number: int) -> bytes:
    # The comment segment makes odd and even lengths alternate.
    data = simplejpeg.encode_jpeg(image(number), 90, "RGB", "420")
    comment = b"\xff\xfe" + (2 + number % 2).to_bytes(2, "big") + b"." * (number % 2)
    return data[:2] + comment + data[2:]


JPEGS = [jpeg(number) for number in range(40)]
# One frame in the first RIFF (its header alone is larger than this), about five in each other.
SMALL_SEGMENT = 5 * len(JPEGS[0])


def recorded(count: int = 40, **options: int) -> tuple[MemoryFile, AviWriter]:
    """A file that is being written and has `count` numbered frames, and its writer."""
    file = MemoryFile()
    writer = AviWriter(WIDTH, HEIGHT, 25.0, **options)
    file.apply(writer.start())
    for number in range(count):
        file.apply(writer.add(JPEGS[number]))
    return file, writer


def finished(count: int = 40, **options: int) -> bytes:
    """A complete file of `count` numbered frames."""
    file, writer = recorded(count, **options)
    file.apply(writer.finish())
    return bytes(file.data)


# ── independent readers ──────────────────────────────────────────────────────────────────────────


def _ffmpeg() -> str:
    import imageio_ffmpeg

    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def frames_of_ffmpeg(path: str, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """All frames as ffmpeg decodes them, gray u1 [n, height, width]."""
    command = [_ffmpeg(), "-v", "error", "-i", path, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width)


def by_ffmpeg(path: str) -> list[int]:
    return [number_of(frame) for frame in frames_of_ffmpeg(path)]


def by_opencv(path: str) -> list[int]:
    import cv2

    capture = cv2.VideoCapture(path)
    numbers: list[int] = []
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        numbers.append(number_of(frame))
    capture.release()
    return numbers


def by_pyav(path: str) -> list[int]:
    import av

    with av.open(path) as container:
        return [number_of(f.to_ndarray(format="gray")) for f in container.decode(video=0)]


READERS = {"ffmpeg": by_ffmpeg, "opencv": by_opencv, "pyav": by_pyav}

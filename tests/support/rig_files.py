"""A trace of the rig of `support.rig`, read by anything but roverd."""

import io
import json
import lzma
import os
import subprocess
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from shutil import which

import numpy as np

from support.channels import ffmpeg
from support.plain import decode_plainly
from support.rig import RIG, Array, ChannelOfRig, check_numbers

Numbers = Mapping[str, Sequence[int]]
"""Numbers of the frames of each sensor, in order."""


def check_files(path: str, numbers: Numbers, tools: bool = True) -> None:
    """Fail unless a trace holds exactly the frames of these numbers, as other programs read it.

    Args:
        path: of the trace.
        numbers: of each sensor.
        tools: whether to run programs; otherwise libraries do.
    """
    for name, rig in RIG.items():
        folder = f"{path}/{name}"
        if not os.path.exists(f"{folder}/meta.json"):
            assert not numbers[name]
            continue
        with open(f"{folder}/meta.json", encoding="utf-8") as file:
            meta = json.load(file)
        for channel in ["ts", *rig.channels]:
            if channel not in meta:  # its consumer had not begun
                continue
            spec = ChannelOfRig(0, "raw", "f8", ()) if channel == "ts" else rig.channels[channel]
            file = f"{folder}/{channel}"
            frames, stored = _plain(file, spec, tools)
            check_numbers(name, channel, frames, numbers[name])
            if "checksum" in meta[channel]:
                _check_sums(file, stored)


def _check_sums(file: str, stored: Iterable[bytes]) -> None:
    import xxhash

    if not os.path.exists(f"{file}_x"):  # killed before there was a frame
        assert not list(stored)
        return
    assert np.fromfile(f"{file}_x", "<u8").tolist() == [
        xxhash.xxh3_64_intdigest(data) for data in stored
    ]


def _plain(file: str, spec: ChannelOfRig, tools: bool) -> tuple[Array, list[bytes]]:
    """Frames `(n, *shape)` as NumPy, lzma, ffmpeg, zipfile or Pillow read them, and their bytes."""
    size = np.dtype(spec.type).itemsize * int(np.prod(spec.shape))

    def shaped(content: bytes) -> Array:
        assert len(content) % size == 0
        return np.frombuffer(content, f"<{spec.type}").reshape(-1, *spec.shape)

    if spec.format in ("raw", "lzma"):
        with open(file, "rb") as opened:
            content = opened.read()
        if spec.format == "lzma":
            _test_xz(file, tools)
            content = _decompressed(content)
        return shaped(content), [content[i : i + size] for i in range(0, len(content), size)]
    if spec.format == "lzmaf":
        streams = _streams(file)
        _test_xz(file, tools)
        return shaped(b"".join(map(lzma.decompress, streams))), streams
    if spec.format in ("pcof", "zstdf"):
        frames = _streams(file)
        kind = spec.args.get("filter")
        plain = [decode_plainly(one, spec.format, spec.type, spec.shape, kind) for one in frames]
        return np.stack([np.empty(spec.shape, spec.type), *plain])[1:], frames
    if spec.format == "mjpg":
        images = _jpegs(file)
        content = _decoded(file, len(images)) if images and tools else None
        frames = _pictures(images, spec) if content is None else shaped(content)
        return frames, images
    names = sorted(name for name in os.listdir(file) if not name.startswith("."))
    assert names == [f"{i:06d}.{spec.format}" for i in range(len(names))]
    blobs: list[bytes] = []
    for name in names:
        with open(f"{file}/{name}", "rb") as opened:
            blobs.append(opened.read())
    if spec.format == "jpg":
        return _pictures(blobs, spec), blobs
    return np.stack([np.empty(spec.shape, spec.type), *map(_array, blobs)])[1:], blobs


def _decompressed(data: bytes) -> bytes:
    """The content of concatenated xz streams, which nothing may follow."""
    found = b""
    while data:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        found += decoder.decompress(data)
        assert decoder.eof
        data = decoder.unused_data
    return found


def _streams(file: str) -> list[bytes]:
    offsets = np.fromfile(f"{file}_i", "<u8").tolist()
    with open(file, "rb") as opened:
        content = opened.read()
    if not offsets:
        assert not content
        return []
    assert offsets[0] == 0 and offsets[-1] == len(content)
    return [content[a:b] for a, b in pairwise(offsets)]


def _test_xz(file: str, tools: bool) -> None:
    if tools and which("xz") and os.path.getsize(file):
        with open(file, "rb") as opened:
            subprocess.run(["xz", "-t"], stdin=opened, check=True)


def _array(blob: bytes) -> Array:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        assert archive.testzip() is None
    with np.load(io.BytesIO(blob), allow_pickle=False) as loaded:
        return loaded["data"]


def _pictures(images: Sequence[bytes], spec: ChannelOfRig) -> Array:
    from PIL import Image

    made = [np.asarray(Image.open(io.BytesIO(data))) for data in images]
    return np.stack([np.empty(spec.shape, spec.type), *made])[1:]


def _jpegs(file: str) -> list[bytes]:
    """The images of a finished AVI, as its AVI 1.0 index has them."""
    with open(file, "rb") as opened:
        content = opened.read()
    assert content[:4] == b"RIFF" and content[8:12] == b"AVI "
    assert int.from_bytes(content[4:8], "little") + 8 == len(content)
    movi = content.index(b"movi")
    index = content.find(b"idx1", movi + int.from_bytes(content[movi - 4 : movi], "little") - 8)
    if index < 0:
        return []
    size = int.from_bytes(content[index + 4 : index + 8], "little")
    found: list[bytes] = []
    for entry in range(index + 8, index + 8 + size, 16):
        offset = movi + int.from_bytes(content[entry + 8 : entry + 12], "little")
        length = int.from_bytes(content[entry + 12 : entry + 16], "little")
        assert content[offset : offset + 4] == b"00dc"
        assert int.from_bytes(content[offset + 4 : offset + 8], "little") == length
        found.append(content[offset + 8 : offset + 8 + length])
    return found


_FFPROBE = [
    *("ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0"),
    *("-show_entries", "stream=nb_read_packets,nb_frames", "-of", "csv=p=0"),
]


def _decoded(file: str, count: int) -> bytes:
    if which("ffprobe"):
        counted = subprocess.run(
            [*_FFPROBE, file],
            check=True,
            capture_output=True,
            text=True,
        )
        assert counted.stderr == ""
        assert counted.stdout.strip() == f"{count},{count}"
    # Frames as they are stored; the rate of the file says nothing about which ones to leave out.
    arguments = ["-i", file, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return ffmpeg(*arguments)

"""The .xz parser: little is read, and little time spent, whatever a file claims."""

import lzma
import struct
import zlib

import pytest

from roverd.errors import CorruptFileError
from roverd.formats import xz
from support.limits import cheap

GIB = 1 << 30
STREAM = lzma.compress(b"thirty bytes of anything here.", preset=0)


class Sparse:
    """A file of zeros with something in some places, which counts what is read of it."""

    def __init__(self, size: int, places: dict[int, bytes]) -> None:
        self.size = size
        self._places = places
        self.bytes_read = 0
        self.reads = 0

    def read_at(self, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert 0 <= size <= 1 << 20, "a claim decides how much is read"
        out = bytearray(max(0, min(size, self.size - offset)))
        for start, data in self._places.items():
            begin, end = max(start, offset), min(start + len(data), offset + len(out))
            if begin < end:
                out[begin - offset : end - offset] = data[begin - start : end - start]
        self.bytes_read += len(out)
        self.reads += 1
        return bytes(out)


def footer(index_size: int) -> bytes:
    fields = struct.pack("<I", index_size // 4 - 1) + STREAM[6:8]
    return struct.pack("<I", zlib.crc32(fields)) + fields + b"YZ"


INDICES: dict[str, bytes] = {
    "zeros": b"",
    "2**62 blocks": b"\0" + b"\x80" * 8 + b"\x40" + b"\x04\x01" * 100_000,
    "blocks that lie before the file": b"\0" + b"\xff" * 8 + b"\x3f" + b"\xff" * 8 + b"\x3f\1",
    "a number without an end": b"\0" + b"\xff" * 100,
    "no index": b"\1",
}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("claim", [1 << 20, 1 << 28, GIB - 4096, 1 << 34])
def test_an_index_that_is_said_to_be_huge_is_not_read(name: str, claim: int) -> None:
    begin = GIB - 12 - claim
    index = {begin: INDICES[name]} if begin > 0 else {}
    file = Sparse(GIB, {0: STREAM, **index, GIB - 12: footer(claim)})
    with cheap(seconds=0.5, megabytes=16):
        assert xz.streams_from_end(file.read_at, file.size) is None
        assert xz.stream_ending_at(file.read_at, file.size) is None
    assert file.bytes_read < 1 << 20


def test_the_index_of_many_blocks_is_read_as_far_as_it_is_one() -> None:
    packer = lzma.LZMACompressor(preset=0)
    data = packer.compress(bytes(50_000)) + packer.flush()
    assert xz.streams_from_end(Sparse(len(data), {0: data}).read_at, len(data)) == [
        xz.Stream(0, len(data), 50_000, whole=True)
    ]


@pytest.mark.parametrize("zeros", [0, 4, 8, 1024, 20 << 20])
@pytest.mark.parametrize("between", [0, 4, 4096])
def test_padding_is_passed_in_few_reads(zeros: int, between: int) -> None:
    second = len(STREAM) + between
    file = Sparse(second + len(STREAM) + zeros, {0: STREAM, second: STREAM})
    for find in (
        lambda: xz.streams_from_end(file.read_at, file.size),
        lambda: [stream for stream in xz.walk(file.read_at, 0, file.size) if stream.content],
    ):
        file.reads = 0
        with cheap(seconds=0.5, megabytes=16):
            found = find()
        assert found is not None
        assert [(stream.content, stream.whole) for stream in found] == [(30, True)] * 2
        assert file.reads < 1000


@pytest.mark.parametrize("zeros", [1, 2, 3, (20 << 20) + 1])
def test_zeros_that_are_no_padding_are_no_stream(zeros: int) -> None:
    file = Sparse(len(STREAM) + zeros, {0: STREAM})
    with cheap(seconds=0.5, megabytes=16):
        assert xz.streams_from_end(file.read_at, file.size) is None
        found = list(xz.walk(file.read_at, 0, file.size))
    assert [stream.content for stream in found if stream.whole] == [30]


def test_a_header_before_a_hole_ends_the_walk_at_once() -> None:
    with cheap(seconds=0.5, megabytes=16):
        found = list(xz.walk(Sparse(GIB, {0: STREAM[:12]}).read_at, 0, GIB))
    assert not any(stream.whole for stream in found)
    with cheap(seconds=0.5, megabytes=16), pytest.raises(CorruptFileError, match="expected an xz"):
        list(xz.walk(Sparse(GIB, {0: b"no stream"}).read_at, 0, GIB))

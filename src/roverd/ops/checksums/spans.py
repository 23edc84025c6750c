"""Hashing files in other processes, many at a time."""

from collections.abc import Iterator, Sequence
from functools import partial

from roverd.ops.checksums.digests import Algorithm, FileToHash, hash_files
from roverd.ops.engines import Died, Engine
from roverd.ops.progress import Progress, Shares

# A piece of work: long against what handing it over takes, short against all there is.
_BYTES = 1 << 28
_FILES = 1000


def hash_elsewhere(
    files: Sequence[FileToHash],
    algorithm: Algorithm,
    engine: Engine,
    progress: Progress | None = None,
) -> None:
    """Hash files by an engine, and note in each what came of it; see `hash_files`.

    Args:
        files: the files.
        algorithm: what to compute.
        engine: where they are hashed, a span of them at a time.
        progress: told of bytes.
    """
    spans = list(_spans(files))
    shares = Shares([sum(file.size for file in span) for span in spans], progress)
    results = engine.run(partial(_hash_span, algorithm), spans, shares.tell)
    for span, hashed in zip(spans, results, strict=True):
        if isinstance(hashed, Died):
            for file in span:
                file.problem = Died.describe("reads it")
            continue
        for file, done in zip(span, hashed, strict=True):
            file.read, file.digest, file.problem = done.read, done.digest, done.problem


def _hash_span(
    algorithm: Algorithm, span: list[FileToHash], progress: Progress
) -> list[FileToHash]:
    hash_files(span, algorithm, progress=progress)
    return span


def _spans(files: Sequence[FileToHash]) -> Iterator[list[FileToHash]]:
    span: list[FileToHash] = []
    size = 0
    for file in files:
        if span and (size + file.size > _BYTES or len(span) == _FILES):
            yield span
            span, size = [], 0
        span.append(file)
        size += file.size
    if span:
        yield span

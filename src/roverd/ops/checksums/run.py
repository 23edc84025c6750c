"""`roverd checksum`, for programs."""

import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from roverd.errors import MissingFileError, UnsupportedError
from roverd.ops.checksums.digests import ALGORITHMS, Algorithm, FileToHash, hash_files
from roverd.ops.checksums.listing import list_files, list_objects
from roverd.ops.checksums.patterns import Patterns
from roverd.ops.checksums.spans import hash_elsewhere
from roverd.ops.checksums.table import Table, read_table, write_table
from roverd.ops.engines import Engine
from roverd.ops.progress import Progress
from roverd.storage import as_path, is_url
from roverd.storage.paths import expect_local

__all__ = ["ChecksumReport", "checksum"]


@dataclass
class ChecksumReport:
    """What `checksum` found. Names are paths relative to the folder, with `/` between their parts.

    Attributes:
        algorithm: what was computed or compared: `md5`, `sha256` or `xxh3_128`.
        compared: whether two sides were compared; otherwise one was to be written.
        count: files that one side or both have.
        size: bytes that were read.
        written: path of the CSV that was written; `None` if none was.
        mismatched: names of files that differ, sorted.
        missing: names of files that the source has and the destination has not, sorted.
        extra: names of files that the destination has and the source has not, sorted.
        unreadable: why by path, of what could not be read: files, folders, broken links. They are
            in none of the three lists.
        unmatched: patterns of the include file that selected no file.
    """

    algorithm: Algorithm
    compared: bool
    count: int
    size: int
    written: str | None
    mismatched: list[str]
    missing: list[str]
    extra: list[str]
    unreadable: dict[str, str]
    unmatched: list[str]

    @property
    def sound(self) -> bool:
        """Whether everything could be read, and no difference was found."""
        return not (self.mismatched or self.missing or self.extra or self.unreadable)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, strings, lists and dictionaries."""
        return asdict(self)


@dataclass
class _Side:
    """A folder or a CSV: names with digests, as far as they are known."""

    path: str
    digests: dict[str, str]
    files: list[FileToHash] = field(default_factory=lambda: list[FileToHash]())
    unreadable: dict[str, str] = field(default_factory=lambda: dict[str, str]())

    def take_digests(self) -> None:
        """Take what came of hashing its files."""
        for file in self.files:
            if file.problem:
                self.unreadable[file.name] = file.problem
            else:
                self.digests[file.name] = file.digest

    def lacks(self, name: str) -> bool:
        """Whether a file without a digest is not there, rather than not to be read."""
        while name and name not in self.unreadable:
            name = name.rpartition("/")[0]
        return name not in self.unreadable


def checksum(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    include: str | os.PathLike[str] | None = None,
    algorithm: Algorithm | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> ChecksumReport:
    """Write checksums of all files under a folder, or compare two sides.

    Each side is a folder, whose files are hashed, or a CSV written before. Where `dst` is not
    there yet, the checksums of `src` are written to it; otherwise `dst` is compared with `src`.
    A CSV that lies in the folder that it is written for, or compared with, does not count as one
    of its files. Links are followed (see `list_files`).

    The CSV has the columns `file` and the algorithm's name, sorted by `file`, in UTF-8 (names that
    are none keep their bytes). It is written when everything could be read, and not otherwise.

    Args:
        src: what should be there: a folder or a CSV.
        dst: what to compare with it, a folder or a CSV, or a new CSV (with the ending `.csv`, so
            that a mistyped folder is not taken for one).
        include: a file of glob patterns, one a line, that restrict both sides; see `Patterns`.
        algorithm: what to compute; if `None`, what the CSV has that is compared with, or else
            MD5, as in published data sets.
        workers: how many files to hash at a time; as many as there are cores if `None`.
        progress: told of bytes.
        engine: where files are hashed instead of in `workers` threads, such as
            `roverd.ops.engines.RayEngine()`.

    Returns:
        What was found.

    Raises:
        MissingFileError: a side is not there, or no file is selected on either.
        UnsupportedError: the sides, or they and `algorithm`, are not of the same algorithm.
        InvalidDataError: the include file has no pattern.
        CorruptFileError: a CSV is damaged, or the include file is not text.
        ValueError: there is no such algorithm, or `workers` is below 1.
    """
    source, target = as_path(src), as_path(dst)
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected 1 or more, got {workers}")
    writing = _expect_sides(source, target)
    patterns = None if include is None else Patterns(os.fspath(include))
    paths = [source] if writing else [source, target]
    tables = {path: read_table(path) for path in paths if not _is_folder(path)}
    chosen = _choose_algorithm(algorithm, tables)
    csv = target if not writing and target in tables else source if source in tables else None
    sides = [_open_side(path, tables.get(path), patterns, csv) for path in paths]
    if not any(side.digests or side.files or side.unreadable for side in sides):
        where = " and ".join(dict.fromkeys(paths))
        what = "no files" if include is None else f"no files that a pattern in {include} matches"
        raise MissingFileError(f"{where}: {what}; expected at least one")
    # What cannot be written in the end need not be computed.
    if not (writing and sides[0].unreadable):
        files = [file for side in sides for file in side.files]
        if engine is None:
            hash_files(files, chosen, workers, progress)
        else:
            hash_elsewhere(files, chosen, engine, progress)
        for side in sides:
            side.take_digests()
    report = ChecksumReport(
        algorithm=chosen,
        compared=not writing,
        count=len(_names(sides)),
        size=sum(file.read for side in sides for file in side.files),
        written=None,
        mismatched=[],
        missing=[],
        extra=[],
        unreadable={
            os.path.join(side.path, name) if name else side.path: problem
            for side in sides
            for name, problem in sorted(side.unreadable.items())
        },
        unmatched=patterns.unmatched if patterns else [],
    )
    if not writing:
        _compare(sides[0], sides[1], report)
    elif not report.unreadable:
        write_table(target, Table(chosen, sides[0].digests))
        report.written = target
    return report


def _expect_sides(source: str, target: str) -> bool:
    """Check that the sides are there; whether the target is to be written."""
    for path in (source, target):
        if is_url(path) and path.lower().endswith(".csv"):
            expect_local(path, "tables of checksums are local files")
        if os.path.exists(path) and not (os.path.isdir(path) or os.path.isfile(path)):
            raise UnsupportedError(f"{path}: neither a folder nor a file; expected one of them")
    if not (is_url(source) or os.path.exists(source)):
        raise MissingFileError(f"{source}: no such folder or CSV; expected one with what to hash")
    if is_url(target) or os.path.exists(target):
        return False
    if not _is_folder(source):
        raise MissingFileError(
            f"{target}: no such folder or CSV; expected one to compare with {source} (a new CSV "
            f"is written from a folder, not from another CSV)"
        )
    if not target.lower().endswith(".csv"):
        raise MissingFileError(
            f"{target}: no such folder or CSV; expected one to compare with {source}, or the "
            f"name of a new CSV, ending in .csv"
        )
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise MissingFileError(f"{target}: cannot be written, since there is no folder {folder}")
    return True


def _is_folder(path: str) -> bool:
    return is_url(path) or os.path.isdir(path)


def _choose_algorithm(asked: Algorithm | None, tables: dict[str, Table]) -> Algorithm:
    wanted: dict[str, Algorithm] = {} if asked is None else {"asked for": asked}
    wanted |= {path: table.algorithm for path, table in tables.items()}
    if len(set(wanted.values())) > 1:
        found = ", ".join(f"{where}: {algorithm}" for where, algorithm in wanted.items())
        raise UnsupportedError(f"checksums of different algorithms cannot be compared ({found})")
    return next(iter(wanted.values())) if wanted else "md5"


def _open_side(path: str, table: Table | None, patterns: Patterns | None, csv: str | None) -> _Side:
    select = patterns.select if patterns else None
    if table is None:
        listing = list_objects(path, select) if is_url(path) else list_files(path, select, csv)
        return _Side(path, {}, listing.files, listing.unreadable)
    digests = table.digests
    if select is not None:
        digests = {name: digest for name, digest in digests.items() if select(name)}
    return _Side(path, digests)


def _names(sides: Collection[_Side]) -> set[str]:
    return {name for side in sides for name in side.digests} | {
        file.name for side in sides for file in side.files
    }


def _compare(source: _Side, target: _Side, report: ChecksumReport) -> None:
    for name in sorted(_names((source, target))):
        ours, theirs = source.digests.get(name), target.digests.get(name)
        if ours is not None and theirs is not None:
            if ours != theirs:
                report.mismatched.append(name)
        elif ours is not None and target.lacks(name):
            report.missing.append(name)
        elif theirs is not None and source.lacks(name):
            report.extra.append(name)

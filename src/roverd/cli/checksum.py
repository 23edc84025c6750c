"""`roverd checksum`."""

from typing import TYPE_CHECKING, Annotated, Literal, Optional, get_args

import tyro

from roverd.cli.arguments import NO_DEFAULT, Json, one_of, text, whole
from roverd.cli.engines import Address, EngineName, chosen_engine
from roverd.cli.messages import print_errors, warn
from roverd.cli.progress import progress_bar
from roverd.cli.reading import with_cache
from roverd.cli.text import bytes_text, json_text, printable

if TYPE_CHECKING:
    from roverd.ops import ChecksumReport

_Algorithm = Literal["md5", "sha256", "xxh3_128"]


@with_cache
def checksum(
    src: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SRC")],
    dst: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DST")],
    include: Annotated[Optional[str], text("FILE"), NO_DEFAULT] = None,
    algorithm: Annotated[Optional[_Algorithm], one_of(*get_args(_Algorithm)), NO_DEFAULT] = None,
    workers: Annotated[Optional[int], whole("N", 1), NO_DEFAULT] = None,
    as_json: Json = False,
    engine: EngineName = None,
    address: Address = None,
) -> int:
    """Write checksums of all files under a folder, or compare two sides.

    Each side is a folder or a CSV of checksums. Where DST is a CSV that is not there yet, it is
    written; otherwise every file that is mismatched, missing (in SRC, not in DST) or extra (in
    DST, not in SRC) is printed on a line, then a summary. Links are followed. The exit status is
    1 when anything differs or cannot be read.

    Example: `roverd checksum walk walk.csv`, and later, on the other machine, `roverd checksum
    walk.csv /data/walk`.

    Args:
        src: what should be there: a folder or a CSV.
        dst: what to compare with it: a folder or a CSV. Or the name of a new CSV.
        include: a file of glob patterns, one a line, that restrict both sides; * matches / too.
        algorithm: what to compute; else what the CSV has, or md5 where there is none.
        workers: how many files to hash at a time; else one for each core.
        as_json: print one JSON object instead.
        engine: where the work is done: local, or in a Ray cluster; local by default.
        address: of the Ray cluster; else RAY_ADDRESS, one on this machine, or one that is started.
    """
    from roverd import ops

    with (
        chosen_engine(engine, address, workers) as chosen,
        progress_bar("hashing") as progress,
    ):
        report = ops.checksum(src, dst, include, algorithm, workers, progress, chosen)
    for pattern in report.unmatched:
        warn(f"{include}: no file matches {pattern}")
    print_errors(f"{path}: {problem}" for path, problem in report.unreadable.items())
    if as_json:
        print(json_text(report.to_dict()))
    else:
        print("\n".join(_lines(report, dst)))
    return 0 if report.sound else 1


def _lines(report: "ChecksumReport", dst: str) -> list[str]:
    found = {
        "mismatched": report.mismatched,
        "missing": report.missing,
        "extra": report.extra,
    }
    lines = [f"{what}: {printable(name)}" for what, names in found.items() for name in names]
    files = f"{report.count} file{'' if report.count == 1 else 's'}"
    if report.written is not None:
        what = f"{files}, {bytes_text(report.size)}, written to {printable(report.written)}"
    elif not report.compared:
        what = f"{printable(dst)} not written, since {len(report.unreadable)} could not be read"
    else:
        counts = [f"{len(names)} {what}" for what, names in found.items()]
        counts.append(f"{len(report.unreadable)} unreadable")
        what = f"{files}, {bytes_text(report.size)} read, {', '.join(counts)}"
    return [*lines, f"Checksum ({report.algorithm}): {what}."]

"""`roverd demo`."""

from typing import Annotated

import tyro

from roverd.cli.arguments import number, whole
from roverd.cli.info import info_text
from roverd.cli.text import bytes_text, table
from roverd.cli.usage import UsageError


def demo(
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[OUT]")] = "demo",
    seconds: Annotated[float, number("S")] = 5.0,
    seed: Annotated[int, whole("N", 0)] = 0,
) -> int:
    """Simulate a rig of radar, lidar, camera and IMU, record it, and load it again.

    Prints what `roverd info` prints, then how many random samples a second load, and draws an
    overview picture (which needs matplotlib: `pip install 'roverd[plot]'`).

    Example: `roverd demo /tmp/demo --seconds 10`.

    Args:
        out: folder of the recording; an earlier demo there is replaced, anything else is not.
        seconds: length of the recording, 1 to 600.
        seed: of the drive and of all noise; one seed gives one recording.
    """
    from tqdm import tqdm

    from roverd import ops
    from roverd.ops.demo import LIMITS
    from roverd.ops.demo import demo as run

    if not LIMITS[0] <= seconds <= LIMITS[1]:
        low, high = LIMITS
        raise UsageError(f"--seconds: expected {low:g} to {high:g}, got {seconds:g}")

    # The delay keeps the bar from showing when `out` is refused.
    layout = "{desc} {percentage:3.0f}% |{bar}| {n:.1f} of {total:.1f} s, {remaining} left"
    with tqdm(
        desc="recording", total=seconds, bar_format=layout, delay=0.5, leave=False, disable=None
    ) as bar:

        def show_progress(recorded: float) -> None:
            bar.update(recorded - bar.n)

        def show_info(path: str) -> None:
            bar.close()
            print(info_text(ops.info(path)))

        found = run(out, seconds, seed, progress=show_progress, recorded=show_info)
    rows = [["random samples of", "samples/s", "ms/sample", "decoded"]]
    rows += [
        [
            rate.name,
            f"{rate.samples:,.0f}",
            f"{1000 / rate.samples:.2f}",
            f"{bytes_text(rate.bytes)}/s",
        ]
        for rate in found.rates
    ]
    rows[-1][0] = f"all, synchronised ({found.synchronised})"
    print("", *table(rows, right=range(1, 4)), sep="\n")
    if found.picture is None:
        print("\npicture  none: matplotlib is missing (pip install 'roverd[plot]')")
    else:
        print(f"\npicture  {found.picture}")
    return 0

"""Checks of the check sums that are kept beside a channel."""

import numpy as np

from roverd.channels import Channel
from roverd.ops.validation.report import Findings

_AT_ONCE = 256  # frames
_NAMED = 5


def check_sums(channel: Channel, count: int, findings: Findings, deep: bool) -> None:
    """Compare the check sums of a channel with its frames.

    Args:
        channel: the channel, which has sums.
        count: how many frames it has.
        findings: takes the problems.
        deep: whether to compare all; otherwise only whether there is one for each frame.
    """
    stored = channel.checksums.read()
    if len(stored) != count:
        findings.add(
            "checksum-count",
            channel.checksums.path,
            f"expected the check sums of {count} frames, found {len(stored)}",
        )
    if not deep:
        return
    wrong: list[int] = []
    common = min(count, len(stored))
    for first in range(0, common, _AT_ONCE):
        stop = min(first + _AT_ONCE, common)
        try:
            found = channel.compute_checksums(first, stop)
        except Exception:  # noqa: BLE001 - frames that cannot be read are told of as such
            continue
        wrong += (first + np.flatnonzero(found != stored[first:stop])).tolist()
    if wrong:
        named = ", ".join(map(str, wrong[:_NAMED]))
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        findings.add(
            "bad-checksum",
            channel.path,
            f"expected frames with the check sums that were recorded, found {len(wrong)} of "
            f"{common} that have others: {named}{more}",
        )

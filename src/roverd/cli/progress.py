"""Progress bars, on stderr and only on a terminal."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roverd.ops.progress import Progress


@contextmanager
def progress_bar(what: str, unit: str = "B") -> Generator["Progress"]:
    """A bar that goes when the work is done, and does not come for work that is done at once.

    Args:
        what: is being done.
        unit: of what is counted; bytes are shown with decimal prefixes.

    Yields:
        What to give to an operation as its `progress`.
    """
    from tqdm import tqdm

    with tqdm(
        desc=what,
        unit=unit if unit == "B" else f" {unit}",
        unit_scale=unit == "B",
        delay=0.5,
        leave=False,
        disable=None,
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show

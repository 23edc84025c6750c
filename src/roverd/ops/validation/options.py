"""What is asked of a check, as it is handed from trace to sensor to channel."""

from dataclasses import dataclass

from roverd.ops.progress import Tally
from roverd.ops.validation.schema import Schema


@dataclass(frozen=True)
class Options:
    """How traces are checked.

    Attributes:
        schema: what every trace must hold.
        fix_errors: whether entries without data are dropped from `meta.json`.
        deep: whether every frame is read.
        wide: whether this process has the cores to itself, so that threads help.
        tally: told the bytes that were read, where `deep`; nobody is if `None`.
    """

    schema: Schema
    fix_errors: bool = False
    deep: bool = False
    wide: bool = True
    tally: Tally | None = None

    def count(self, amount: int) -> None:
        """Count bytes that were read."""
        if self.tally is not None and self.deep:
            self.tally.add(amount)

"""Arguments that several commands take."""

from typing import Annotated

import tyro

TracePath = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
"""A folder, given first and without a flag."""

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""A switch that is off unless named."""

NewTrace = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DST")]
"""The folder of a trace that is to be made, given second."""

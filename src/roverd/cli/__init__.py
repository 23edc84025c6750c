"""The command line, `roverd`: one file per command, thin over `roverd.ops`."""

from roverd.cli.main import main

__all__ = ["main"]

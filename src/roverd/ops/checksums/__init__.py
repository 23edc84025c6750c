"""Checksums of all files under a folder: a CSV of them, and comparing two sides."""

from roverd.ops.checksums.run import ChecksumReport, checksum

__all__ = ["ChecksumReport", "checksum"]

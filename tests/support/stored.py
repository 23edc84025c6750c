"""What is in a store below a URL, and what is in a folder, to be compared."""

from pathlib import Path

from support.stores import S3


def key_of(url: str) -> str:
    """The key of an object in the tests' bucket."""
    return url.removeprefix("s3://bucket/")


def stored(s3: S3, url: str) -> dict[str, bytes]:
    """The objects below a URL, by their names there."""
    start = key_of(url) + "/"
    return {key.removeprefix(start): data for key, data in s3.objects(start).items()}


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their paths there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""Nothing waits for the disk, but where a test asks for it."""

import os

import pytest

from roverd.storage import local


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of what was made to survive a loss of power, in order."""
    paths: list[str] = []

    def sync(path: str) -> None:
        os.stat(path)  # raises where there is nothing
        paths.append(os.path.realpath(path))

    monkeypatch.setattr(local, "_sync_path", sync)
    return paths


@pytest.fixture(autouse=True)
def _no_waiting(synced: list[str]) -> None:
    """In most tests, nobody looks at what was synced."""
    del synced

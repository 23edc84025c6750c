"""What README, guide and docs/sync.md show runs as it stands, in order, on a demo."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.cli.commands import COMMANDS
from roverd.ops.demo import demo
from roverd.ops.validation.report import KINDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    demo(str(folder / "demo"), seconds=1.5)
    return folder


def blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


CLAIM = re.compile(r"^(\S.*?)\s+# (IndexError|\d+|\([\d, ]+\))(?:[,:].*)?$", re.MULTILINE)


def run(code: str, names: dict[str, Any]) -> None:
    """Run a block, and compare what its comments claim."""
    claims = CLAIM.findall(code)
    failing = tuple(line for line, claim in claims if claim == "IndexError")
    exec("\n".join(line for line in code.splitlines() if not line.startswith(failing)), names)
    for line, claim in claims:
        if claim == "IndexError":
            with pytest.raises(IndexError):
                eval(line, names)
            continue
        name, _, value = line.partition(" = ")
        found = eval(value or name, names)
        found = found.shape if isinstance(found, np.ndarray) else found
        assert found == eval(claim), line


@pytest.mark.parametrize(
    "document", ["README.md", "docs/guide.md", "docs/sync.md", "docs/training.md"]
)
def test_examples_run_as_they_stand(
    document: str, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Not a link: `find_traces` follows none unless asked.
    shutil.copytree(place / "demo", tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "documentation"}
    shown = blocks(document)
    assert shown
    for code in shown:
        run(code, names)


@pytest.mark.slow
def test_examples_with_ray_run_as_they_stand(
    place: Path, ray_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    names: dict[str, Any] = {"__name__": "documentation"}
    for code in blocks("docs/ray.md"):
        run(code, names)
    assert names["report"].ok


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "docs/ray.md",
        "docs/guide.md",
        "docs/training.md",
        "docs/format.md",
        "docs/formats-for-speed.md",
        "docs/cli.md",
        "docs/design.md",
        "docs/sync.md",
    ],
)
def test_links_lead_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text()):
        assert (here / target).exists(), target


def test_every_kind_of_problem_is_documented_with_its_severity() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (error|warning|fixed) \|", (ROOT / "docs/cli.md").read_text(), re.M
    )
    assert dict(rows) == dict(KINDS)


def test_every_command_is_documented() -> None:
    headings = re.findall(r"^## roverd (\S+)", (ROOT / "docs/cli.md").read_text(), re.M)
    assert sorted(headings) == sorted(COMMANDS)

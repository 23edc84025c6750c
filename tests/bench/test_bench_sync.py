import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
)


def test_a_quick_run_has_a_row_for_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    from bench import sync

    assert sync.main(["--quick"]) == 0
    rows = re.findall(r"^\| (\w+)\(.* \| ([\d.]+) \|$", capsys.readouterr().out, re.M)
    names = ["Nearest", "Previous", "Next", "Window", "Window", "Interpolate", "Nearest"]
    assert [name for name, _ in rows] == names
    assert all(float(ratio) > 0 for _, ratio in rows)

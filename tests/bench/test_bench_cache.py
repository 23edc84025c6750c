import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "bench").is_dir(), reason="a source distribution comes without bench/"
)


def test_a_quick_run_prints_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    from bench import cache

    assert cache.main(["--quick", "--size", "12"]) == 0
    rows = re.findall(r"^\| ([\d.]+ \w+) \| .+ \| ([\d.]+) \|", capsys.readouterr().out, re.M)
    assert [name for name, _ in rows] == ["12 B", "4 KiB", "100 KiB", "512 KiB", "768 KiB", "8 MiB"]
    assert all(float(ratio) > 0 for _, ratio in rows)

import re

import pytest

from bench import codecs


def test_the_codecs_are_compared_on_the_recordings_of_the_tests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert codecs.main(["--rounds", "1", "--only", "frames of 1280 B"]) == 0
    printed = capsys.readouterr().out
    assert "### radar I/Q i2, frames of 1280 B: 80 frames" in printed
    rows = dict(re.findall(r"^\| (\S+ .+?) \| ([\d.]+) \|", printed, re.M))
    assert len(rows) == 1 + 3 + 4 * 4
    assert float(rows["zstdf centered-planes level 1"]) > float(rows["lzmaf preset 0"]) > 1

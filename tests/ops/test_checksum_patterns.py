"""Which files an include file selects."""

import hashlib
from pathlib import Path

import pytest

from roverd import ops
from roverd.errors import CorruptFileError, InvalidDataError, MissingFileError
from support.limits import cheap

FILES = [
    "config.yaml",
    "top.json",
    "radar/iq",
    "radar/meta.json",
    "walk/config.yaml",
    "walk/radar/iq/000000.npz",
    "walk/radar/iq/000001.npz",
    "walk/radar/meta.json",
    "walk/_radar/pose.npz",
    "walk/lidar/rng",
    "walk/lidar/rng_i",
    "walk/lidar/odd [name].json",
    "deep/er/walk/radar/ts",
    "#notes",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "x"


def selected(folder: Path, text: str) -> list[str]:
    include = folder.parent / "include.txt"
    include.write_text(text)
    csv_path = folder.parent / "new.csv"
    csv_path.unlink(missing_ok=True)
    ops.checksum(folder, csv_path, include=include)
    return [line.rpartition(",")[0] for line in csv_path.read_text().splitlines()[1:]]


JSON = [name for name in FILES if name.endswith(".json")]
RADAR = [name for name in FILES if "/radar/" in f"/{name}"]


@pytest.mark.parametrize(
    "pattern, names",
    [
        ("*", FILES),
        ("**", FILES),
        ("*.json", JSON),
        ("**/*.json", JSON),
        ("*/radar/*", [name for name in RADAR if not name.startswith("radar/")]),
        ("**/radar/*", RADAR),
        ("**/radar/**", RADAR),
        ("**/**/radar/*", RADAR),
        ("radar/*", ["radar/iq", "radar/meta.json"]),
        ("walk/**/pose.npz", ["walk/_radar/pose.npz"]),
        ("walk/**/config.yaml", ["walk/config.yaml"]),
        ("**/walk/**/ts", ["deep/er/walk/radar/ts"]),
        ("**/config.yaml", ["config.yaml", "walk/config.yaml"]),
        ("config.yaml", ["config.yaml"]),
        ("walk/lidar/rng", ["walk/lidar/rng"]),
        ("*/00000[!0].npz", ["walk/radar/iq/000001.npz"]),
        ("*/00000[0-9].npz", ["walk/radar/iq/000000.npz", "walk/radar/iq/000001.npz"]),
        ("walk/lidar/rng??", ["walk/lidar/rng_i"]),
        ("*odd [[]name].json", ["walk/lidar/odd [name].json"]),
        ("walk/lidar/odd [name].json", ["walk/lidar/odd [name].json"]),
        ("[#]*", ["#notes"]),
    ],
)
def test_a_pattern_selects(folder: Path, pattern: str, names: list[str]):
    assert selected(folder, pattern) == sorted(names)


@pytest.mark.parametrize("pattern", ["*.JSON", "radar", "adar/*", "walk/lidar/rn", "/radar/*"])
def test_a_pattern_selects_whole_paths_in_their_case(folder: Path, pattern: str):
    with pytest.raises(MissingFileError, match=r"include\.txt"):
        selected(folder, pattern)


def test_patterns_add_up_and_comments_and_empty_lines_are_none(folder: Path):
    text = "# all poses\n\n  *pose.npz  \r\n   # and\n#*\nradar/iq\n\nradar/iq\n"
    assert selected(folder, text) == ["radar/iq", "walk/_radar/pose.npz"]


@pytest.mark.parametrize("text", ["", "\n\n", "# *\n\n  # more\n"])
def test_a_file_without_patterns_is_an_error(folder: Path, text: str):
    with pytest.raises(InvalidDataError, match=r"include\.txt"):
        selected(folder, text)


def test_a_recording_given_for_patterns_costs_nothing(folder: Path):
    include = folder.parent / "include.txt"
    with include.open("wb") as file:
        file.truncate(1 << 36)
    with cheap(10.0), pytest.raises(CorruptFileError, match=r"include\.txt"):
        ops.checksum(folder, folder.parent / "new.csv", include=include)


def test_an_include_file_that_is_not_there_is_an_error(folder: Path):
    with pytest.raises(FileNotFoundError, match=r"include\.txt"):
        ops.checksum(folder, folder.parent / "new.csv", include=folder.parent / "include.txt")


def test_both_sides_are_restricted(folder: Path):
    include = folder.parent / "include.txt"
    include.write_text("*.json\n*.yaml\n")
    csv_path = folder.parent / "sums.csv"
    ops.checksum(folder, csv_path)
    (folder / "walk" / "lidar" / "rng").write_text("changed, but not asked for")
    (folder / "walk" / "radar" / "iq" / "000000.npz").unlink()
    (folder / "new.bin").write_text("extra, but not asked for")
    for sides in ((csv_path, folder), (folder, csv_path), (csv_path, csv_path), (folder, folder)):
        found = ops.checksum(*sides, include=include)
        assert (found.sound, found.count) == (True, 6)
    (folder / "top.json").write_text("changed")
    (folder / "radar" / "meta.json").unlink()
    (folder / "walk" / "more.yaml").write_text("extra")
    found = ops.checksum(csv_path, folder, include=include)
    assert found.mismatched == ["top.json"]
    assert found.missing == ["radar/meta.json"]
    assert found.extra == ["walk/more.yaml"]


def test_patterns_that_select_nothing_are_told(folder: Path):
    include = folder.parent / "include.txt"
    include.write_text("*.json\n*/lidra/*\nradar/iq\nradar/qi\n")
    found = ops.checksum(folder, folder, include=include)
    assert found.sound
    assert found.unmatched == ["*/lidra/*", "radar/qi"]


def test_a_pattern_that_selects_on_one_side_only_is_no_error(folder: Path):
    include = folder.parent / "include.txt"
    include.write_text("gone/*\n")
    (folder.parent / "sums.csv").write_text(f"file,md5\ngone/x,{hashlib.md5().hexdigest()}\n")
    found = ops.checksum(folder.parent / "sums.csv", folder, include=include)
    assert (found.missing, found.unmatched) == (["gone/x"], [])


def test_broken_links_that_are_not_selected_do_no_harm(folder: Path):
    (folder / "walk" / "video.avi").symlink_to("nowhere")
    assert selected(folder, "*.yaml") == ["config.yaml", "walk/config.yaml"]


def test_a_list_of_many_names_is_quick(folder: Path):
    (folder.parent / "include.txt").write_text("\n".join([*FILES[:-1], *map(str, range(50_000))]))
    with cheap(10.0):
        found = ops.checksum(folder, folder, include=folder.parent / "include.txt")
    assert found.count == len(FILES) - 1
    assert len(found.unmatched) == 50_000

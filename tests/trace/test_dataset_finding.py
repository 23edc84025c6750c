"""Finding traces below folders."""

import os
from pathlib import Path

import numpy as np
import pytest

from roverd import Dataset
from support.traces import record_imu, record_trace


def make_traces(root: Path, *names: str) -> list[str]:
    """Folders with a config.yaml; their paths, sorted."""
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "config.yaml").write_text("")
    return sorted(str(root / name) for name in names)


def test_traces_are_found_at_any_depth_and_sorted(tmp_path: Path):
    names = ["z", "a/b/c/d/e", "a/b2", "m/one", "m/two", "Z", "a0", "10", "9"]
    expected = make_traces(tmp_path, *names)
    (tmp_path / "a" / "empty").mkdir()
    (tmp_path / "m" / "config.yml").write_text("")
    assert Dataset.find_traces(tmp_path) == expected
    assert Dataset.find_traces(str(tmp_path)) == expected


def test_a_trace_may_lie_in_a_trace_and_be_the_root_itself(tmp_path: Path):
    expected = make_traces(tmp_path / "t", "", "inner", "inner/most")
    assert expected[0].rstrip("/") == str(tmp_path / "t")
    found = Dataset.find_traces(tmp_path / "t")
    assert [os.path.normpath(path) for path in found] == [os.path.normpath(p) for p in expected]


def test_a_trace_with_recorded_sensors_is_found_once(tmp_path: Path):
    record_trace(tmp_path / "x" / "t", 0.2)
    assert Dataset.find_traces(tmp_path) == [str(tmp_path / "x" / "t")]


def test_a_meta_json_of_somebody_else_hides_no_traces(tmp_path: Path):
    expected = make_traces(tmp_path, "set/one", "set/two", "three")
    (tmp_path / "meta.json").write_text('{"licence": "CC0"}')
    (tmp_path / "set" / "meta.json").write_text("{}")
    (tmp_path / "three" / "meta.json").write_text("{}")
    assert Dataset.find_traces(tmp_path) == expected


def test_several_folders_are_one_sorted_list_without_repetition(tmp_path: Path):
    expected = make_traces(tmp_path, "b/1", "a/2", "c/3")
    paths = [tmp_path / "c", tmp_path / "b", tmp_path / "a"]
    assert Dataset.find_traces(*paths) == expected
    assert Dataset.find_traces(*paths, tmp_path / "b") == expected
    assert Dataset.find_traces() == []


def test_a_folder_without_traces_has_none(tmp_path: Path):
    record_imu(tmp_path / "imu", 3)
    assert Dataset.find_traces(tmp_path) == []


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Dataset.find_traces(tmp_path / "nowhere")


def test_relative_paths_stay_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_traces(tmp_path, "data/one")
    monkeypatch.chdir(tmp_path)
    assert Dataset.find_traces("data") == ["data/one"]


def test_links_are_followed_only_when_asked(tmp_path: Path):
    make_traces(tmp_path, "elsewhere/one", "here/two")
    (tmp_path / "here" / "link").symlink_to("../elsewhere")
    here = tmp_path / "here"
    assert Dataset.find_traces(here) == [str(here / "two")]
    assert Dataset.find_traces(here, follow_symlinks=True) == [
        str(here / "link" / "one"),
        str(here / "two"),
    ]


def test_a_loop_of_links_ends(tmp_path: Path):
    expected = make_traces(tmp_path, "a/one", "b/two")
    (tmp_path / "a" / "one" / "self").symlink_to(".")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "b" / "two" / "root").symlink_to(tmp_path)
    (tmp_path / "a" / "to_itself").symlink_to("to_itself")
    (tmp_path / "b" / "to_nothing").symlink_to("nothing")
    assert Dataset.find_traces(tmp_path) == expected
    found = Dataset.find_traces(tmp_path, follow_symlinks=True)
    assert sorted(os.path.realpath(path) for path in found) == expected
    assert len(found) == 2
    assert found == sorted(found)


def test_a_link_that_is_given_is_looked_into(tmp_path: Path):
    make_traces(tmp_path, "data/one")
    (tmp_path / "link").symlink_to("data")
    assert Dataset.find_traces(tmp_path / "link") == [str(tmp_path / "link" / "one")]


def test_the_folders_of_sensors_cost_no_time_per_blob(tmp_path: Path, monkeypatch):
    record_trace(tmp_path / "t", 0.2)
    blobs = tmp_path / "t" / "camera" / "frames"
    blobs.mkdir()
    np.savez(blobs / "000000.npz", data=np.zeros(1))
    scanned: list[str] = []
    scandir = os.scandir

    def watched(path: str) -> object:
        scanned.append(os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    assert len(Dataset.find_traces(tmp_path)) == 1
    assert str(blobs) not in scanned

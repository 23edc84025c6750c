"""Intrinsics by path: read once, shared by content, read anew when the file has changed."""

import json
import os
import pickle
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.errors import RoverdError
from roverd.transforms.ouster import ConfigCache, Destagger, LidarIntrinsics, PointCloud
from transforms.ouster_captures import DATA, LIDAR_JSON, METADATA, sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copyfile(LIDAR_JSON, tmp_path / "lidar.json"))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was given to `LidarIntrinsics.from_json`."""
    texts: list[Any] = []
    original = LidarIntrinsics.from_json

    def from_json(text: str | bytes) -> LidarIntrinsics:
        texts.append(text)
        return original(text)

    monkeypatch.setattr(LidarIntrinsics, "from_json", from_json)
    return texts


def lidar_json(columns: int, beams: int = 2) -> str:
    """Metadata of as many characters for any four digits of columns."""
    return json.dumps(
        {
            "pixels_per_column": beams,
            "columns_per_frame": columns,
            "pixel_shift_by_row": list(range(beams)),
            "beam_altitude_angles": [1.0] * beams,
            "beam_azimuth_angles": [2.0] * beams,
            "beam_to_lidar_transform": np.eye(4).ravel().tolist(),
            "lidar_to_sensor_transform": np.eye(4).ravel().tolist(),
        }
    )


def outlast_the_clock(cache: ConfigCache, path: Path) -> None:
    """Look a file up until it has been the same for longer than file systems need to tell."""
    end = time.monotonic() + 0.12
    while time.monotonic() < end:
        cache[path]


def test_a_file_is_parsed_once_however_often_it_is_asked_for(path: Path, parsed: list[Any]) -> None:
    cache = ConfigCache()
    first = cache[str(path)]
    assert first == LidarIntrinsics.from_json(path.read_text())
    parsed.clear()
    outlast_the_clock(cache, path)
    assert cache[path] is first
    assert cache(str(path)) is first
    assert parsed == []


def test_files_of_the_same_content_share_one_entry(path: Path, tmp_path: Path) -> None:
    cache = ConfigCache()
    other = shutil.copyfile(path, tmp_path / "other.json")
    assert cache[path] is cache[other]
    assert cache[path] is not ConfigCache()[path]


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_changed_file_is_read_again(path: Path, how: str, settled: bool) -> None:
    cache = ConfigCache()
    path.write_text(lidar_json(1024))
    assert cache[path].columns_per_frame == 1024
    if settled:
        outlast_the_clock(cache, path)
    if how == "in place":
        path.write_text(lidar_json(2048))  # as many bytes as before
    else:
        new = path.with_name("new.json")
        new.write_text(lidar_json(2048))
        new.replace(path)
    assert cache[path].columns_per_frame == 2048


def test_a_change_within_one_tick_of_the_clock_is_noticed(path: Path) -> None:
    cache = ConfigCache()
    for columns in (1024, 2048, 4096, 1024):
        path.write_text(lidar_json(columns))
        os.utime(path, ns=(10**18, 10**18))
        assert cache[path].columns_per_frame == columns


def test_a_file_that_is_gone_is_missing(path: Path) -> None:
    cache = ConfigCache()
    assert cache[path]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"lidar\.json"):
        cache[path]


@pytest.mark.parametrize("name", ["nothing.json", "nothing/lidar.json", "lidar.json/more"])
def test_a_missing_file_is_named(path: Path, name: str) -> None:
    missing = f"{path.parent}/{name}"
    with pytest.raises(FileNotFoundError, match=missing) as error:
        ConfigCache()[missing]
    assert isinstance(error.value, RoverdError)


def test_an_empty_path_says_that_lidar_json_is_missing() -> None:
    with pytest.raises(ValueError, match=r"no lidar\.json"):
        ConfigCache()[""]


@pytest.mark.parametrize("text", ["", "[]", "{}", LIDAR_JSON.read_text()[:500]])
def test_a_damaged_file_is_named_and_asked_again_when_it_is_mended(path: Path, text: str) -> None:
    cache = ConfigCache()
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(ValueError, match=str(path)) as error:
            cache[path]
        assert isinstance(error.value, RoverdError)
    shutil.copyfile(LIDAR_JSON, path)
    assert cache[path] == ConfigCache()[LIDAR_JSON]


def test_a_huge_file_is_refused_unread(path: Path) -> None:
    os.truncate(path, 1 << 40)
    with pytest.raises(ValueError, match=r"expected the metadata JSON .* got 1099511627776 bytes"):
        ConfigCache()[path]


def test_no_more_is_kept_than_asked_for(tmp_path: Path, parsed: list[Any]) -> None:
    cache = ConfigCache(size=2)
    paths = [tmp_path / f"{columns}.json" for columns in (16, 32, 64)]
    for path in paths:
        path.write_text(lidar_json(int(path.stem)))
    for path in paths:
        assert cache[path].columns_per_frame == int(path.stem)
    parsed.clear()
    cache[paths[1]], cache[paths[2]]
    assert parsed == []
    for path in paths:
        assert cache[path].columns_per_frame == int(path.stem)
    assert parsed
    with pytest.raises(ValueError, match="size"):
        ConfigCache(size=0)


def test_a_cache_is_no_sequence() -> None:
    with pytest.raises(TypeError):
        iter(ConfigCache())


def test_everything_pickles_small_and_works_after(path: Path) -> None:
    cache = ConfigCache(size=3)
    transforms = Destagger(cache), PointCloud(1.5, config=cache)
    data = sample(np.full((1, 1, 128, 1024), 5000, np.uint16), str(path))
    before = [transform(data) for transform in transforms]
    pickled = pickle.dumps(transforms)
    assert len(pickled) < 400
    destagger, points = pickle.loads(pickled)  # noqa: S301 - our own
    assert destagger.config is points.config
    np.testing.assert_array_equal(destagger(data).rng, before[0].rng)
    np.testing.assert_array_equal(points(data).xyz, before[1].xyz)
    assert points.min_range == 1.5


def test_threads_share_a_cache(tmp_path: Path) -> None:
    """Some look up, while others change the file under the same name and cause evictions."""
    cache = ConfigCache(size=2)
    points = PointCloud(config=cache)
    shapes = {path: (LidarIntrinsics.from_json(path.read_bytes())) for path in METADATA}
    changing = tmp_path / "lidar.json"
    changing.write_text(lidar_json(1024))
    start = threading.Barrier(4)

    def look_up(seed: int) -> None:
        generator = np.random.default_rng(seed)
        start.wait()
        for index in generator.integers(len(METADATA), size=60).tolist():
            path = METADATA[index]
            assert cache[path] == shapes[path]
            assert cache[changing].columns_per_frame in (1024, 2048)

    def change() -> None:
        start.wait()
        for turn in range(60):
            new = tmp_path / "new.json"
            new.write_text(lidar_json((1024, 2048)[turn % 2]))
            new.replace(changing)

    def compute() -> None:
        start.wait()
        path = DATA / "os0-8_fw3.2_2048x10_10frames_no_nir" / "lidar.json"
        data = sample(np.full((1, 1, 8, 2048), 5000, np.uint16), path)
        expected = PointCloud()(data).xyz
        for _ in range(10):
            np.testing.assert_array_equal(points(data).xyz, expected)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(look_up, 0), pool.submit(look_up, 1)]
        jobs += [pool.submit(change), pool.submit(compute)]
        for job in jobs:
            job.result()

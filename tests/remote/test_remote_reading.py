"""Traces in an object store: the same samples, and no more requests and bytes than they need."""

import io
import warnings
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from abstract_dataloader import generic
from PIL import Image

from roverd import Dataset, Trace, channels, ops, sensors
from roverd.errors import MissingFileError, UnsupportedError
from roverd.sync import Interpolate, Previous, Synchronization, Window
from support.samples import check_same
from support.traces import RADAR_JSON, START, decoded, record

PLAIN = {"radar": "radar", "lidar": "lidar", "camera": "camera"}
KINDS = {"radar": sensors.XWRRadar, "lidar": sensors.OSLidarDepth, "camera": sensors.Camera}


def open_remote(uploaded, s3, kinds: Any = KINDS, sync: Any = None) -> Trace[Any]:
    sync = sync or generic.Nearest("lidar")
    return Trace.from_config(uploaded.url, sync, kinds, storage_options=s3.options)


def noise_jpegs(count: int, height: int, width: int) -> list[bytes]:
    rng = np.random.default_rng(5)
    jpegs: list[bytes] = []
    for _ in range(count):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(file, "JPEG")
        jpegs.append(file.getvalue())
    return jpegs


def test_a_batch_is_one_request_a_frame_and_no_more_bytes_than_frames_have(s3, proxy, tmp_path):
    count = 60
    stamps = START + np.arange(count) / 10
    rng = np.random.default_rng(2)
    iq = rng.integers(-(2**15), 2**15, (count, 65, 2, 2, 256)).astype("i2")
    rng_image = rng.integers(0, 2**16, (count, 64, 600)).astype("u2")
    jpegs = noise_jpegs(count, 240, 400)
    radar = {"iq": ("raw", iq), "valid": ("raw", iq[:, 0, 0, 0, 0])}
    record(tmp_path / "t" / "radar", stamps, radar, {"radar.json": RADAR_JSON})
    record(tmp_path / "t" / "lidar", stamps, {"rng": ("lzmaf", rng_image)}, {"lidar.json": "{}"})
    record(tmp_path / "t" / "camera", stamps, {"video.avi": ("mjpg", jpegs)})
    streams = np.diff(np.fromfile(tmp_path / "t" / "lidar" / "rng_i", "<u8").astype(int))
    url = s3.upload(tmp_path / "t", "data/large")
    trace = Trace.from_config(url, generic.Nearest("lidar"), PLAIN, storage_options=s3.options)
    # Opened, as in any batch but the first.
    trace[0]
    proxy.clear()
    numbers = rng.permutation(len(trace))[:32].tolist()
    samples = trace.__getitems__(numbers)
    needed = 32 * (iq[0].nbytes + 2) + sum(len(jpegs[n]) + streams[n] for n in numbers)
    assert needed > 32 * 3 * (64 << 10)  # so that skipped frames do not pay
    assert {(request.method, request.status) for request in proxy.requests} == {("GET", 206)}
    assert len(proxy.requests) <= 96 + 1  # and one for all of `valid`
    assert proxy.received <= 1.1 * needed
    assert 8 < proxy.most <= 64
    for sample, number in zip(samples, numbers, strict=True):
        np.testing.assert_array_equal(sample["radar"].iq[0, 0], iq[number])
        np.testing.assert_array_equal(sample["lidar"].rng[0, 0], rng_image[number])
        np.testing.assert_array_equal(
            sample["camera"].image[0], decoded(jpegs[number : number + 1])
        )


def test_a_batch_of_small_frames_has_the_samples_of_the_files(uploaded, s3):
    trace = open_remote(uploaded, s3)
    numbers = np.random.default_rng(1).permutation(len(trace))[:32].tolist()
    local = Trace.from_config(uploaded.local, generic.Nearest("lidar"), KINDS)
    for got, number in zip(trace.__getitems__(numbers), numbers, strict=True):
        expected = local[number]
        got["lidar"].intrinsics = expected["lidar"].intrinsics = ""
        check_same(got, expected)


def test_opening_is_a_handful_of_requests_most_of_them_at_once(uploaded, s3, proxy):
    proxy.latency = 0.02
    trace = open_remote(uploaded, s3)
    assert len(trace) > 30
    # For each sensor a listing, meta.json, ts, and for each channel its index and ends.
    assert len(proxy.requests) <= 20
    assert "HEAD" not in {request.method for request in proxy.requests}
    assert proxy.most >= 6


def test_nothing_is_asked_twice(uploaded, s3, proxy):
    trace = open_remote(uploaded, s3)
    trace.__getitems__([0, 1])
    proxy.clear()
    trace.__getitems__([5, 20])
    assert {request.method for request in proxy.requests} == {"GET"}
    proxy.clear()
    assert len(trace) < len(trace["radar"].metadata.timestamps)
    assert proxy.requests == []


def test_all_sensors_are_found_by_listing(uploaded, s3):
    assert Trace.find_sensors(uploaded.url) == ["camera", "imu", "lidar", "radar"]
    trace = Trace.from_config(uploaded.url, sensors="auto", storage_options=s3.options)
    assert sorted(trace.sensors) == ["camera", "imu", "lidar", "radar"]


def test_traces_are_found_in_pages_not_folder_by_folder(s3, proxy, uploaded):
    for name in ("a", "b/c", "b/d/deep"):
        s3.put(f"many/{name}/config.yaml", b"")
        s3.put(f"many/{name}/radar/meta.json", b"{}")
        s3.put(f"many/{name}/radar/config.yaml", b"")  # is a trace, too, as in folders
        s3.put(f"many/{name}/lidar/meta.json", b"{}")
        s3.put(f"many/{name}/lidar/old/config.yaml", b"")  # in a sensor
        s3.put(f"many/{name}/_scratch/config.yaml", b"")
    proxy.clear()
    found = Dataset.find_traces("s3://bucket/many", storage_options=s3.options)
    expected = [f"s3://bucket/many/{name}" for name in ("a", "b/c", "b/d/deep")]
    assert found == sorted([*expected, *(f"{path}/radar" for path in expected)])
    assert len(proxy.requests) == 1
    with pytest.raises(MissingFileError, match="s3://bucket/nothing"):
        Dataset.find_traces("s3://bucket/nothing", storage_options=s3.options)


def test_operations_that_read_take_urls(uploaded, s3):
    Trace.from_config(uploaded.url, sensors={}, storage_options=s3.options)
    found, expected = ops.info(uploaded.url), ops.info(uploaded.local)
    assert (found.size, found.start, found.length) == (
        expected.size,
        expected.start,
        expected.length,
    )
    report = ops.validate(uploaded.url)
    assert [trace.problems for trace in report.traces] == [[]]
    assert report.traces[0].path == uploaded.url


def test_extracting_from_a_store_gives_what_extracting_from_files_does(uploaded, s3, tmp_path):
    Trace.from_config(uploaded.url, sensors={}, storage_options=s3.options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.extract(uploaded.url, tmp_path / "remote", start=1.0, length=2.0)
        ops.extract(uploaded.local, tmp_path / "local", start=1.0, length=2.0)
    expected = {p.relative_to(tmp_path / "local"): p for p in (tmp_path / "local").rglob("*")}
    got = {p.relative_to(tmp_path / "remote"): p for p in (tmp_path / "remote").rglob("*")}
    assert got.keys() == expected.keys()
    for name, path in expected.items():
        if path.is_file():
            assert got[name].read_bytes() == path.read_bytes(), name


def test_prefetched_samples_are_those_asked_for_in_order(uploaded, s3):
    dataset = Dataset.from_config(
        uploaded.url, generic.Nearest("lidar"), {"lidar": "lidar"}, storage_options=s3.options
    )
    numbers = [5, 3, 3, 30, 0]
    got = list(dataset.prefetch(iter(numbers), batch=2))
    for sample, number in zip(got, numbers, strict=True):
        check_same(sample, dataset[number])


def test_urls_of_files_are_paths(uploaded, tmp_path):
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "trace").symlink_to(uploaded.local)
    url = f"file://{quote(str(folder))}"
    assert Dataset.find_traces(url, follow_symlinks=True) == [f"{folder}/trace"]
    trace = Trace.from_config(f"{url}/trace", generic.Nearest("lidar"), KINDS)
    local = Trace.from_config(uploaded.local, generic.Nearest("lidar"), KINDS)
    got, expected = trace[3], local[3]
    got["lidar"].intrinsics = expected["lidar"].intrinsics = ""
    check_same(got, expected)
    assert ops.info(f"{url}/trace").size == ops.info(uploaded.local).size
    ops.extract(f"{url}/trace", f"{url}/new", start=1.0, length=1.0)
    assert len(Trace.from_config(folder / "new", sensors="auto")["radar"]) == 20
    channel = channels.RawChannel(f"{url}/x", "i2", ())
    channel.write(np.arange(5, dtype="i2"))
    channel.write(np.arange(5, dtype="i2"), append=True)
    assert (folder / "x").stat().st_size == 20


def test_chains_of_fsspec_are_read_through(uploaded, s3, tmp_path):
    url = f"simplecache::{uploaded.url}"
    store = {"s3": s3.options, "simplecache": {"cache_storage": str(tmp_path / "whole")}}
    trace = Trace.from_config(url, sensors="auto", storage_options=store)
    local = Trace.from_config(uploaded.local, sensors="auto")
    for sensor in ("radar", "lidar", "camera"):
        for name, channel in local[sensor].channels.items():
            np.testing.assert_array_equal(trace[sensor][name].read(2, 3), channel.read(2, 3))
    assert any((tmp_path / "whole").iterdir())
    with pytest.raises(UnsupportedError, match="folders in archives are not read from"):
        Trace.from_config(f"zip://trace::{uploaded.url}.zip", sensors="auto")


def test_copying_a_video_asks_for_many_frames_at_a_time(uploaded, s3, proxy, tmp_path):
    remote = Trace.from_config(uploaded.url, sensors={"camera": None}, storage_options=s3.options)
    here = Trace.from_config(uploaded.local, sensors={"camera": None})["camera"]["video.avi"]
    video = remote["camera"]["video.avi"]
    assert len(video) == len(here) > 100
    proxy.clear()
    copy = channels.JPEGBlobChannel(tmp_path / "copy", "u1", here.shape)
    copy.copy_from(video)
    assert len(proxy.requests) <= 10
    np.testing.assert_array_equal(copy.read(), here.read())


def test_windows_and_interpolated_values_are_read_with_all_else(uploaded, s3, proxy):
    rules = {
        "imu": Window(seconds=0.2),
        "radar": Interpolate(0.1, {"iq": "nearest", "valid": "nearest"}),
        "camera": Previous(),
        "pose": Window(frames=2),
    }
    kinds: Any = {**dict.fromkeys(("imu", "lidar", "camera"), "auto"), "radar": None}
    kinds["pose"] = "pose"
    sync = Synchronization("lidar", rules)
    remote = open_remote(uploaded, s3, kinds, sync)
    local = Trace.from_config(uploaded.local, sync, kinds)
    assert remote.alignment is not None and local.alignment is not None
    assert remote.alignment.report() == local.alignment.report()
    assert len(remote) == len(local) > 30
    numbers = [0, 20, len(local) - 1]
    remote[5]
    proxy.clear()
    for got, expected in zip(
        remote.__getitems__(numbers), local.__getitems__(numbers), strict=True
    ):
        for part in (got["lidar"], expected["lidar"]):
            part.intrinsics = ""
        check_same(got, expected)
    # Eight channels: a window of each is one range, and so are two frames to interpolate between.
    assert len(proxy.requests) <= 8 * len(numbers)

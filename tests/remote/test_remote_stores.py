"""What holds for every kind of store: S3, Azure, Google's, and plain HTTP servers."""

import re
from typing import Any

import numpy as np
import pytest
from abstract_dataloader import generic

from roverd import Dataset, Trace, channels, sensors
from roverd.errors import (
    MissingFileError,
    ObjectReplacedError,
    StoreAccessError,
    StoreError,
    UnsupportedError,
)
from roverd.storage.options import remember
from support.channels import values
from support.samples import check_same
from support.stores import ObjectServer, cut_short, hang_up, refuse, upload
from support.traces import record_poses, record_radar, record_trace

KINDS: Any = {
    "radar": sensors.XWRRadar,
    "lidar": sensors.OSLidarDepth,
    "camera": sensors.Camera,
    "imu": "imu",
    "pose": "pose",
}
FRAMES = values(range(50), "<i4", (100,))


@pytest.fixture
def channel(server: ObjectServer, request: pytest.FixtureRequest) -> channels.Channel:
    key = f"stores/{request.node.originalname}"
    server.put(key, FRAMES.tobytes())
    remember(server.url(key), server.options)
    made = channels.RawChannel(server.url(key), "i4", (100,))
    assert len(made) == 50
    server.proxy.clear()
    return made


def test_samples_are_those_of_the_files(server, tmp_path):
    record_trace(tmp_path / "trace", 2.0)
    record_poses(tmp_path / "trace", 40)
    url = upload(server, tmp_path / "trace", "same/trace")
    sync = generic.Nearest("lidar")
    remote = Trace.from_config(url, sync, KINDS, storage_options=server.options)
    local = Trace.from_config(tmp_path / "trace", sync, KINDS)
    assert len(remote) == len(local) > 15
    for number in (0, 7, len(local) - 1):
        got, expected = remote[number], local[number]
        for part in (got["lidar"], expected["lidar"]):
            assert part.intrinsics.endswith("/lidar/lidar.json")
            part.intrinsics = ""
        check_same(got, expected)
    found = Dataset.find_traces(url.rpartition("/")[0], storage_options=server.options)
    assert found == [url]
    assert Trace.find_sensors(url) == ["camera", "imu", "lidar", "radar"]


def test_a_read_is_one_request_for_its_bytes(channel, server):
    np.testing.assert_array_equal(channel[7], FRAMES[7:8])
    (request,) = server.proxy.requests
    assert (request.method, request.range, request.size) == ("GET", "bytes=2800-3199", 400)


def test_what_passes_is_tried_again_by_one_policy(channel, server):
    server.proxy.faults(hang_up, cut_short, refuse(503))
    np.testing.assert_array_equal(channel.read(3, 2), FRAMES[3:5])
    # The one that was hung up on is not counted; no library sends any again by itself.
    assert [request.status for request in server.proxy.requests][-1] == 206
    assert len(server.proxy.requests) <= 3


@pytest.mark.parametrize(("status", "kind"), [(403, StoreAccessError), (400, StoreError)])
def test_what_is_refused_stays_refused_and_shows_no_secrets(channel, server, status, kind):
    server.proxy.faults(*[refuse(status, " ".join(server.secrets))] * 9)
    with pytest.raises(kind, match=re.escape(f"{channel.path}: ")) as caught:
        channel[0]
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert not any(secret in shown for secret in server.secrets)
    # Signed another way, it may be asked for a second time.
    assert len(server.proxy.requests) <= 2


def test_what_is_not_there_is_missing(server):
    remember(server.url("nowhere"), server.options)
    with pytest.raises(MissingFileError, match="nowhere/x"):
        channels.RawChannel(server.url("nowhere/x"), "i4", (100,)).read()
    with pytest.raises(MissingFileError, match=r"nowhere/radar/meta\.json"):
        Trace.from_config(server.url("nowhere"), sensors={"radar": None})


def test_an_object_that_was_replaced_is_an_error_and_then_the_new_one(channel, server):
    new = values(range(100, 150), "<i4", (100,))  # as many bytes
    server.put(f"stores/{channel.path.rpartition('/')[2]}", new.tobytes())
    with pytest.raises(ObjectReplacedError, match=f"{channel.path}: replaced"):
        channel.read_many([1, 40])
    np.testing.assert_array_equal(channel.read_many([1, 40]), new[[1, 40]])


@pytest.mark.parametrize("server", ["s3", "http"], indirect=True)
def test_a_server_that_heeds_no_condition_gives_no_mixture(channel, server):
    def forget(handler, body):
        del handler.headers["If-Match"]

    np.testing.assert_array_equal(channel[40], FRAMES[40:41])
    new = values(range(100, 150), "<i4", (100,))
    server.put(f"stores/{channel.path.rpartition('/')[2]}", new.tobytes())
    server.proxy.interposed = forget
    with pytest.raises(ObjectReplacedError, match=f"{channel.path}: replaced"):
        channel[1]
    np.testing.assert_array_equal(channel[1], new[1:2])


def test_bytes_of_which_nobody_says_where_they_are_from_are_no_frame(channel, server):
    def unnamed(number, answer, body):
        headers = {k: v for k, v in answer.getheaders() if k.lower() != "content-range"}
        return status, headers, bytes(len(body))

    for status in (206, 200):
        server.proxy.faults(unnamed)
        if status == 200 and channel.path.startswith("http"):
            with pytest.raises(UnsupportedError, match="sends no ranges"):
                channel[7]
        np.testing.assert_array_equal(channel[7], FRAMES[7:8])


@pytest.mark.parametrize("server", ["s3", "azure", "gcs"], indirect=True)
def test_a_long_listing_is_waited_for_page_by_page(server, monkeypatch):
    monkeypatch.setattr("roverd.storage.remote.azure.PAGE", 2)
    monkeypatch.setattr(server, "page", 2, raising=False)
    monkeypatch.setattr("roverd.storage.remote.retry.Policy.patience", 0.8)
    for number in range(24):
        server.put(f"long/{number:02}/config.yaml", b"")
    server.proxy.clear()
    server.proxy.added, server.proxy.latency = "&max-keys=2", 0.1
    found = Dataset.find_traces(server.url("long"), storage_options=server.options)
    assert len(found) == 24
    assert len(server.proxy.requests) in (12, 13)  # none of which was sent again


@pytest.mark.parametrize("server", ["s3", "azure", "gcs"], indirect=True)
def test_listings_of_many_pages_are_read_to_their_end(server, tmp_path, monkeypatch):
    monkeypatch.setattr("roverd.storage.remote.azure.PAGE", 2)
    monkeypatch.setattr(server, "page", 2, raising=False)
    radar = record_radar(tmp_path / "radar", 5)
    for number in range(5):
        server.put(f"pages/{number}/config.yaml", b"")
        upload(server, radar.path, f"pages/{number}/radar")
    server.proxy.clear()
    server.proxy.added = "&max-keys=2"
    url = server.url("pages")
    found = Dataset.find_traces(url, storage_options=server.options)
    assert found == [f"{url}/{number}" for number in range(5)]
    assert len(server.proxy.requests) >= 10
    trace = Trace.from_config(found[0], sensors="auto", storage_options=server.options)
    assert len(trace["radar"]) == 5

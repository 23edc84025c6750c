"""Object stores with a cache on the local disk: the second epoch asks the store for nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from abstract_dataloader import generic

import roverd
from roverd import Dataset, Trace, channels
from roverd.storage import remote_storage
from roverd.storage.options import remember
from support.channels import BY_NAME, CASES
from support.interrupted import Gate, running
from support.stores import BUCKET, proxy_of, serving_files, upload

META = b"""{
    "ts": {"format": "raw", "type": "f8", "shape": [], "desc": ""},
    "x": {"format": "raw", "type": "i4", "shape": [4], "desc": ""}
}"""
KINDS = {"radar": "radar", "lidar": "lidar", "camera": "camera"}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a cache that is in use."""
    for name in ("ROVERD_CACHE", "ROVERD_CACHE_SIZE"):
        monkeypatch.setenv(name, "")  # brought back afterwards
    roverd.cache(tmp_path / "cache", size="50MB")
    yield tmp_path / "cache"
    roverd.cache(None)


def test_the_second_epoch_needs_no_data_of_the_store(uploaded, s3, proxy, cached: Path) -> None:
    dataset = Dataset.from_config(
        uploaded.url, generic.Nearest("lidar"), KINDS, storage_options=s3.options
    )
    local = Dataset.from_config(str(uploaded.local), generic.Nearest("lidar"), KINDS)
    order = np.random.default_rng(0).permutation(len(local)).tolist()
    first = dataset.__getitems__(order)
    assert any(cached.rglob("*"))
    proxy.clear()
    second = [dataset[number] for number in order]
    assert not proxy.requests
    for epoch in (first, second):
        for sample, number in zip(epoch, order, strict=True):
            expected = local[number]
            np.testing.assert_array_equal(sample["radar"].iq, expected["radar"].iq)
            np.testing.assert_array_equal(sample["lidar"].rng, expected["lidar"].rng)
            np.testing.assert_array_equal(sample["camera"].image, expected["camera"].image)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_format_asks_the_store_for_data_twice(case, s3, proxy, cached, tmp_path):
    local = case.open(str(tmp_path / "x"))
    local.write(case.upto(7))
    upload(s3, tmp_path, f"formats/{case}")
    url = s3.url(f"formats/{case}")
    remember(url, s3.options)
    channel = case.open(f"{url}/x")
    proxy.clear()
    for numbers in ([6, 0, 3], range(7)):
        case.check(channel.read_many(numbers), local.read_many(numbers))
    assert len(proxy.data) <= (7 if case.folder else 4)
    proxy.clear()
    for numbers in ([1, 5], range(7)):
        case.check(channel.read_many(numbers), local.read_many(numbers))
    assert not proxy.requests
    # Looked at again, it is still the same object.
    remote_storage().forget(url)
    channel = case.open(f"{url}/x")
    assert len(channel) == 7
    case.check(channel.read_many(range(7)), local.read_many(range(7)))
    assert not proxy.data


def test_files_that_no_listing_tells_of_are_kept_too(tmp_path, cached):
    frames = BY_NAME["npz"].upto(5)
    BY_NAME["npz"].open(str(tmp_path / "served" / "x")).write(frames)
    with serving_files(tmp_path / "served") as address, proxy_of(address) as proxy:
        url = f"http://{proxy.address}/x"
        channel = channels.NPZBlobChannel(url, frames.dtype, frames.shape[1:], length=5)
        np.testing.assert_array_equal(channel.read(), frames)
        assert len(proxy.requests) == 5
        np.testing.assert_array_equal(channel.read_many([4, 0]), frames[[4, 0]])
        np.testing.assert_array_equal(channel[2], frames[2:3])
        assert len(proxy.requests) == 5


def test_ctrl_c_waits_for_no_answer(uploaded, s3, proxy, cached, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    gate = Gate(lambda handler: handler.command == "GET" and "/iq" in handler.path)
    proxy.interposed = gate
    with running("validate", uploaded.url) as process:
        assert gate.reached.wait(60)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == 130
        finally:
            gate.open()


def test_a_replaced_file_is_not_mixed_with_what_is_cached(s3, proxy, cached, tmp_path):
    case = BY_NAME["npz"]
    old, new = case.open(str(tmp_path / "old")), case.open(str(tmp_path / "new"))
    old.write(case.upto(3))
    new.write(case.upto(3, first=100))
    url = upload(s3, tmp_path / "old", "replaced/x")
    remember(url, s3.options)
    channel = case.open(url)
    np.testing.assert_array_equal(channel.read(), old.read())
    upload(s3, tmp_path / "new", "replaced/x")
    remote_storage().forget(url)
    np.testing.assert_array_equal(case.open(url).read(), new.read())


def test_a_replaced_object_is_not_mixed_with_what_is_cached(s3, cached: Path) -> None:
    assert not cached.exists()
    frames = np.arange(40, dtype="<i4").reshape(10, 4)
    for number in (0, 1000):
        s3.put("replaced/sensor/x", (frames + number).tobytes())
        s3.put("replaced/sensor/ts", np.arange(10.0).tobytes())
        s3.put("replaced/sensor/meta.json", META)
        url = f"s3://{BUCKET}/replaced"
        trace = Trace.from_config(url, None, {"sensor": None}, storage_options=s3.options)
        trace["sensor"].refresh()
        np.testing.assert_array_equal(trace["sensor"]["x"].read(), frames + number)
    assert any(cached.rglob("*"))

"""Object stores with a cache on the local disk: the second epoch asks the store for nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from abstract_dataloader import generic

import roverd
from roverd import Dataset, Trace
from support.stores import BUCKET

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

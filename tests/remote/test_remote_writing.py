"""Writing to a store: whole objects, by the formats that have one for each frame."""

import io

import numpy as np
import pytest

from roverd import Recorder, channels, ops
from roverd.errors import UnsupportedError
from roverd.sensors import DynamicSensor
from roverd.storage.options import remember
from support.channels import values

FRAMES = values(range(9), "<i2", (4, 5))


@pytest.fixture
def url(s3, request):
    url = f"s3://bucket/writing/{request.node.name}"
    remember(url, s3.options)
    return url


def stored(s3, url):
    objects = s3.objects(url.removeprefix("s3://bucket/") + "/")
    return {
        key.rpartition("/")[2]: np.load(io.BytesIO(data))["data"] for key, data in objects.items()
    }


def test_frames_are_written_replaced_and_added_each_as_an_object(s3, url):
    channel = channels.NPZBlobChannel(url, "i2", (4, 5))
    channel.write(FRAMES[:6])
    assert list(stored(s3, url)) == [f"{n:06d}.npz" for n in range(6)]
    channel.write(FRAMES[6:8])
    channel.write(FRAMES[:1], append=True)
    channel.consume(iter(FRAMES[8:]), append=True)
    found = stored(s3, url)
    assert list(found) == [f"{n:06d}.npz" for n in range(4)]
    expected = FRAMES[[6, 7, 0, 8]]
    np.testing.assert_array_equal(np.stack(list(found.values())), expected)
    np.testing.assert_array_equal(channel.read(), expected)


def test_what_is_there_stays_when_writing_is_refused(s3, url):
    key = url.removeprefix("s3://bucket/")
    s3.put(key, FRAMES.tobytes())
    s3.put(f"{key}_i", b"index")
    for kind in (channels.RawChannel, channels.LzmaChannel, channels.LzmaFrameChannel):
        channel = kind(url, "i2", (4, 5))
        for write in (channel.write, lambda frames, to=channel: to.consume(iter(frames))):
            with pytest.raises(UnsupportedError):
                write(FRAMES[:2])
    assert s3.objects(key) == {key: FRAMES.tobytes(), f"{key}_i": b"index"}


def test_what_grows_is_refused_with_what_to_use(s3, url, tmp_path):
    raw = channels.RawChannel(url, "i2", (4, 5))
    sound = channels.LzmaFrameChannel(tmp_path / "x", "i2", (4, 5))
    sound.write(FRAMES)
    for write in (
        lambda: raw.write(FRAMES),
        lambda: raw.write(FRAMES, append=True),
        lambda: raw.consume(iter(FRAMES)),
        lambda: channels.LzmaFrameChannel(url, "i2", (4, 5)).copy_from(sound),
        lambda: DynamicSensor(url, create=True),
    ):
        with pytest.raises(UnsupportedError, match=r"npz or jpg.*local path.*roverd upload"):
            write()
    for make in (
        lambda: Recorder(url),
        lambda: ops.repair(url),
        lambda: ops.validate(url, fix_errors=True) and ops.repair(url),
        raw.memmap,
    ):
        with pytest.raises((UnsupportedError, FileNotFoundError)):
            make()
    assert s3.objects(url.removeprefix("s3://bucket/")) == {}

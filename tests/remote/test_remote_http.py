"""Traces on a plain HTTP server."""

import numpy as np
import pytest
from abstract_dataloader import generic

from roverd import Dataset, Trace, channels
from roverd.errors import MissingFileError, ObjectReplacedError, StoreError, UnsupportedError
from support.channels import values
from support.stores import Handler, hang_up, proxy_of, refuse, serving, serving_files
from support.traces import decoded, record, record_trace

KINDS = {"radar": "radar", "lidar": "lidar", "camera": "camera"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("http")
    record_trace(root / "data" / "one trace", 2.0)
    record_trace(root / "data" / "more" / "two", 1.0)
    return root


@pytest.fixture
def proxy(root):
    with serving_files(root) as address, proxy_of(address) as proxy:
        yield proxy


def test_named_sensors_need_no_listing(root, proxy):
    url = f"http://{proxy.address}/data/one trace"
    remote = Trace.from_config(url, generic.Nearest("lidar"), KINDS)
    local = Trace.from_config(root / "data" / "one trace", generic.Nearest("lidar"), KINDS)
    for got, expected in zip(remote, local, strict=True):
        np.testing.assert_array_equal(got["radar"].iq, expected["radar"].iq)
        np.testing.assert_array_equal(got["lidar"].rng, expected["lidar"].rng)
        np.testing.assert_array_equal(got["camera"].image, expected["camera"].image)
    assert all(not request.path.endswith("/") for request in proxy.requests)


def test_without_a_listing_finding_sensors_says_to_name_them(proxy):
    with pytest.raises(UnsupportedError, match="name what is there: the sensors with sensors="):
        Trace.from_config(f"http://{proxy.address}/data/one trace")


def test_with_a_listing_sensors_and_traces_are_found(root):
    with serving_files(root, lists=True) as address:
        found = Dataset.find_traces(f"http://{address}/data")
        assert found == [f"http://{address}/data/{name}" for name in ("more/two", "one trace")]
        assert sorted(Trace.from_config(found[0]).sensors) == ["camera", "imu", "lidar", "radar"]


def test_what_is_not_there_is_missing(proxy):
    with pytest.raises(MissingFileError, match=r"nothing/meta\.json"):
        Trace.from_config(f"http://{proxy.address}/nothing", sensors={"nothing": None})


def test_blobs_with_a_length_need_no_listing(root, proxy):
    images = [bytes(data) for data in _jpegs()]
    record(root / "blobs", np.arange(3.0), {"image": ("jpg", images)})
    channel = channels.JPEGBlobChannel(
        f"http://{proxy.address}/blobs/image", "u1", decoded(images).shape[1:], length=3
    )
    np.testing.assert_array_equal(channel.read_many([2, 0]), decoded(images)[[2, 0]])
    assert [request.method for request in proxy.requests] == ["GET", "GET"]


def _jpegs():
    from support.traces import pictures

    return pictures(3, 16, 16)


def test_a_replaced_file_is_noticed(root, proxy):
    frames = values(range(6), "<i2", (50,))
    (root / "raw").write_bytes(frames.tobytes())
    channel = channels.RawChannel(f"http://{proxy.address}/raw", "i2", (50,))
    np.testing.assert_array_equal(channel[2][0], frames[2])
    (root / "raw").write_bytes(frames[::-1].tobytes())
    with pytest.raises(ObjectReplacedError, match="/raw: replaced"):
        channel[2]
    np.testing.assert_array_equal(channel[2][0], frames[3])


def test_what_passes_is_tried_again(root, proxy):
    (root / "raw").write_bytes(values(range(6), "<i2", (50,)).tobytes())
    channel = channels.RawChannel(f"http://{proxy.address}/raw", "i2", (50,))
    len(channel)
    proxy.faults(hang_up, refuse(503), refuse(429, Retry_After="0"))
    np.testing.assert_array_equal(channel.read(), values(range(6), "<i2", (50,)))


def test_a_server_without_ranges_is_said_to_be_one(root):
    (root / "raw").write_bytes(values(range(6), "<i2", (50,)).tobytes())
    with serving_files(root, ranges=False) as address:
        channel = channels.RawChannel(f"http://{address}/raw", "i2", (50,))
        np.testing.assert_array_equal(channel.read(), values(range(6), "<i2", (50,)))
        with pytest.raises(UnsupportedError, match="/raw: the server sends no ranges"):
            channel[1]


def test_a_large_file_is_not_fetched_to_learn_that_there_are_no_ranges():
    size, sent = 64 << 20, []

    class Whole(Handler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            for _ in range(64) if self.command == "GET" else ():
                self.wfile.write(bytes(1 << 20))
                sent.append(1)

        do_HEAD = do_GET  # noqa: N815

    with serving(Whole) as address:
        channel = channels.RawChannel(f"http://{address}/raw", "i2", (50,))
        with pytest.raises(UnsupportedError, match="/raw: the server sends no ranges"):
            channel[1]
    assert len(sent) < 32


def test_user_password_and_signature_get_there_and_are_never_shown(root, proxy):
    (root / "secret" / "s").mkdir(parents=True, exist_ok=True)
    signed = f"http://someone:hushhush@{proxy.address}/secret/x?sig=verysecret&se=2030"
    channel = channels.RawChannel(signed, "i2", (50,))
    seen = []

    def look(number, answer, body):
        seen.append(number)
        return 403, {}, b"someone:hushhush may not, sig=verysecret"

    proxy.fault = look
    (root / "secret" / "x").write_bytes(values(range(6), "<i2", (50,)).tobytes())
    len(channel)
    with pytest.raises(StoreError) as caught:
        channel.read()
    assert "sig=verysecret" in proxy.requests[-1].path
    shown = f"{channel!r} {channel.path} {caught.value} {caught.value!r}"
    assert "hushhush" not in shown
    assert "verysecret" not in shown
    assert seen == [0]

"""What goes wrong between a store and its readers: mended, or said; wrong bytes are no frames."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest

from roverd import Trace, channels
from roverd.errors import (
    CorruptFileError,
    MissingFileError,
    ObjectReplacedError,
    StoreAccessError,
    StoreError,
)
from roverd.storage.options import remember
from roverd.storage.ranges import Merging
from roverd.storage.remote.file import RemoteFile
from roverd.storage.remote.retry import Fault, Policy, wait_before_next
from support.channels import values
from support.stores import (
    KEY,
    SECRET,
    cut_short,
    hang_up,
    longer,
    refuse,
    serving_files,
    shorter,
    silence,
)

FRAMES = values(range(50), "<i4", (100,))
NOT_FOUND = "<Error><Code>NoSuchKey</Code><Message>The key is not there.</Message></Error>"
EXPIRED = "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"


@pytest.fixture
def channel(s3, request):
    key = f"faults/{request.node.name}"
    s3.put(key, FRAMES.tobytes())
    url = f"s3://bucket/{key}"
    remember(url, s3.options)
    made = channels.RawChannel(url, "i4", (100,))
    assert len(made) == 50
    s3.proxy.clear()
    return made


PASSING = {
    "connection closed": hang_up,
    "cut short": cut_short,
    "a byte less": shorter,
    "a byte more": longer,
    "internal error": refuse(500),
    "busy": refuse(503, "<Error><Code>SlowDown</Code></Error>"),
    "too many": refuse(429, Retry_After="0"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(channel, proxy, fault):
    proxy.faults(fault, fault)
    np.testing.assert_array_equal(channel.read(3, 2), FRAMES[3:5])
    assert 1 <= len(proxy.requests) <= 3
    np.testing.assert_array_equal(channel.read_many([0, 49]), FRAMES[[0, 49]])


def test_what_does_not_pass_is_an_error_that_says_all(channel, proxy):
    # Six requests, three seconds: as a user would wait.
    proxy.faults(*[refuse(503, "<Error><Code>SlowDown</Code></Error>")] * 10)
    with pytest.raises(StoreError) as caught:
        channel[7]
    for part in (channel.path, "bytes 2800 to 3199", "503", "SlowDown"):
        assert part in str(caught.value)
    assert len(proxy.requests) == Policy().attempts


def test_a_server_that_never_answers_is_asked_again_and_then_said(channel, proxy, monkeypatch):
    monkeypatch.setattr("roverd.storage.remote.retry.Policy.patience", 0.3)
    monkeypatch.setattr("roverd.storage.remote.retry.Policy.attempts", 2)
    with silence() as no_answer:
        proxy.faults(no_answer)
        np.testing.assert_array_equal(channel.read(3, 2), FRAMES[3:5])
        proxy.faults(*[no_answer] * 4)
        with pytest.raises(StoreError, match="bytes 2800 to 3199; TimeoutError") as caught:
            channel[7]
    assert channel.path in str(caught.value)


@pytest.mark.parametrize(("hours", "passes"), [(-1, True), (1, False)])
def test_a_date_to_come_back_at_is_kept_to(channel, proxy, hours, passes):
    after = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    busy = refuse(503, "<Error><Code>SlowDown</Code></Error>", Retry_After=after)
    proxy.faults(busy, busy)
    if passes:
        np.testing.assert_array_equal(channel[7][0], FRAMES[7])
    else:  # longer than anybody waits
        with pytest.raises(StoreError, match="SlowDown"):
            channel[7]
    assert len(proxy.requests) == (3 if passes else 1)


def test_expired_credentials_are_not_tried_again(channel, proxy):
    proxy.faults(refuse(403, EXPIRED), refuse(403, EXPIRED))
    with pytest.raises(StoreAccessError, match=r"bytes 0 to 399.*ExpiredToken: The token has exp"):
        channel[0]
    # Once more by way of the client, which may have got new ones meanwhile.
    assert len(proxy.requests) == 2


def test_a_store_that_takes_no_signed_addresses_is_asked_in_the_other_way(channel, s3):
    # Options of its own: what is found out about the store is kept.
    remember(channel.path, {**s3.options, "default_block_size": 1 << 20})
    s3.proxy.faults(refuse(403, "<Error><Code>AccessDenied</Code></Error>"))
    for frame in (3, 8, 20):
        np.testing.assert_array_equal(channel.read(frame, 1), FRAMES[frame : frame + 1])
    signed = ["X-Amz-Signature" in request.path for request in s3.proxy.data]
    assert signed == [True, False, False, False]


@pytest.mark.parametrize("fault", [hang_up, cut_short, refuse(403, EXPIRED)])
def test_signatures_are_in_no_error(channel, proxy, fault):
    proxy.faults(*[fault] * 20)
    with pytest.raises(StoreError) as caught:
        channel[7]
    error = caught.value
    while error is not None:
        assert "X-Amz" not in str(error)
        error = error.__cause__ or error.__context__


def test_an_object_that_has_gone_is_missing(channel, proxy):
    proxy.faults(refuse(404, NOT_FOUND))
    with pytest.raises(MissingFileError, match=channel.path):
        channel[0]


def test_a_file_and_its_index_that_were_replaced_are_seen_together(s3):
    case = channels.LzmaFrameChannel
    local_frames = values(range(8), "<i2", (30,)), values(range(90, 97), "<i2", (30,))
    import lzma

    def upload(frames):
        streams = [lzma.compress(frame.tobytes()) for frame in frames]
        s3.put("faults/pair/x", b"".join(streams))
        s3.put("faults/pair/x_i", np.cumsum([0, *map(len, streams)]).astype("<u8").tobytes())

    upload(local_frames[0])
    remember("s3://bucket/faults/pair", s3.options)
    channel = case("s3://bucket/faults/pair/x", "i2", (30,))
    np.testing.assert_array_equal(channel.read(), local_frames[0])
    upload(local_frames[1])
    with pytest.raises(ObjectReplacedError):
        channel.read()
    np.testing.assert_array_equal(channel.read(), local_frames[1])


def test_refresh_looks_again(s3, tmp_path):
    from support.traces import record_radar

    url = s3.upload(record_radar(tmp_path / "a" / "radar", 5).path, "faults/refreshed/radar")
    trace = Trace.from_config(url.rpartition("/")[0], sensors="auto", storage_options=s3.options)
    radar = trace["radar"]
    assert len(radar) == 5
    radar[4]
    longer_one = record_radar(tmp_path / "b" / "radar", 9)
    s3.upload(longer_one.path, "faults/refreshed/radar")
    assert len(radar.refresh()) == 9
    np.testing.assert_array_equal(radar[8].iq[0, 0], longer_one.frames["iq"][8])


def test_wrong_bytes_from_a_store_that_lies_are_no_frame(s3, proxy):
    import lzma

    stream = lzma.compress(FRAMES[0].tobytes())
    s3.put("faults/lies/x", stream * 3)
    s3.put("faults/lies/x_i", (np.arange(4, dtype="<u8") * len(stream)).tobytes())
    remember("s3://bucket/faults/lies", s3.options)
    channel = channels.LzmaFrameChannel("s3://bucket/faults/lies/x", "i4", (100,))
    np.testing.assert_array_equal(channel[0][0], FRAMES[0])
    proxy.faults(lambda number, answer, body: (206, dict(answer.getheaders()), bytes(len(body))))
    with pytest.raises(CorruptFileError, match="faults/lies/x"):
        channel[1]


def secrets_in(error: BaseException) -> bool:
    """Whether an error, or any that it came from, shows a secret."""
    while error is not None:
        if any(secret in f"{error} {error!r}" for secret in (KEY, SECRET)):
            return True
        error = error.__cause__ or error.__context__
    return False


@pytest.mark.parametrize("code", [403, 400, 404])
def test_errors_do_not_show_secrets_even_if_the_store_does(channel, proxy, code):
    said = f"<Error><Code>Odd</Code><Message>{KEY}:{SECRET} is no good</Message></Error>"
    proxy.faults(refuse(code, said), refuse(code, said))
    with pytest.raises(OSError, match=re.escape(channel.path)) as caught:
        channel[0]
    assert not secrets_in(caught.value)
    assert SECRET not in repr(channel)


def test_a_server_that_cannot_be_reached_is_said_without_secrets(monkeypatch, s3):
    with serving_files("/nowhere") as address:
        closed = address
    monkeypatch.setattr("roverd.storage.remote.retry.Policy.attempts", 2)
    url = "s3://bucket/unreachable/x"
    remember(url, s3.options_at(closed))
    with pytest.raises(StoreError, match="unreachable/x: failed several times") as caught:
        channels.RawChannel(url, "i4", ()).read()
    assert not secrets_in(caught.value)


@pytest.mark.parametrize(
    ("fault", "attempts", "waited", "expected"),
    [
        (Fault("passing", ""), 1, 0.0, 0.1),
        (Fault("passing", ""), 3, 0.0, 0.4),
        (Fault("passing", ""), 6, 0.0, None),
        (Fault("passing", "", retry_after=7.0), 1, 0.0, 7.0),
        (Fault("passing", "", retry_after=61.0), 1, 0.0, None),
        (Fault("passing", ""), 2, 59.9, None),
        (Fault("missing", ""), 1, 0.0, None),
        (Fault("refused", ""), 1, 0.0, None),
        (Fault("replaced", ""), 1, 0.0, None),
        (Fault("lasting", ""), 1, 0.0, None),
    ],
)
def test_how_long_is_waited(fault, attempts, waited, expected):
    assert wait_before_next(fault, attempts, waited, chance=1.0) == expected
    if expected is not None and fault.retry_after is None:
        assert wait_before_next(fault, attempts, waited, chance=0.0) == expected / 2


def test_a_damaged_frame_ends_a_batch_of_which_hardly_any_is_underway(s3, monkeypatch):
    import lzma

    monkeypatch.setattr("roverd.channels.fetching.WAITING_BYTES", 1)
    monkeypatch.setattr(RemoteFile, "merging", Merging(gap=0, most=512))
    streams = [lzma.compress(frame.tobytes()) for frame in FRAMES]
    broken = [bytes(len(stream)) if n == 3 else stream for n, stream in enumerate(streams)]
    s3.put("faults/window/x_i", np.cumsum([0, *map(len, streams)]).astype("<u8").tobytes())
    s3.put("faults/window/x", b"".join(broken))
    remember("s3://bucket/faults/window", s3.options)
    channel = channels.LzmaFrameChannel("s3://bucket/faults/window/x", "i4", (100,))
    with pytest.raises(CorruptFileError, match="frame 3"):
        channel.read_many(range(50))
    np.testing.assert_array_equal(channel.read_many(range(4, 50)), FRAMES[4:])

"""`upload`: files as they are, whole or not at all, read again with boto3."""

import base64
import hashlib
import signal
import threading
from concurrent.futures import Future

import fsspec
import numpy as np
import pytest

from roverd import Trace, ops
from roverd.errors import (
    AlreadyExistsError,
    CorruptFileError,
    MissingFileError,
    StoreAccessError,
    StoreError,
    UnsupportedError,
)
from roverd.recorder.claim import Claim
from roverd.storage.remote.uploading import Stop, StoppedError, put_file
from support.command_line import expect_one_line_error, run_roverd
from support.interrupted import Gate, running
from support.stored import files_of, key_of, stored
from support.stores import hang_up, refuse, serving_files
from support.traces import numbered, record, record_poses, record_trace, ticks

PART = 16 << 20
LARGE = 2 * PART + 12_345


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A small trace; those who change it copy it."""
    folder = tmp_path_factory.mktemp("upload") / "walk"
    record_trace(folder, 0.5)
    record_poses(folder, 10)
    (folder / "radar" / "über 100%#?.txt").write_text("an odd name")
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A trace with a file that is sent in parts."""
    folder = tmp_path_factory.mktemp("upload") / "large"
    data = np.random.default_rng(4).integers(0, 256, LARGE, "u1")
    record(folder / "sensor", ticks(1, 1.0), {"large": ("raw", data[None])})
    (folder / "config.yaml").write_text("{}")
    return folder


def written(proxy, url):
    """Names of what was sent, in order."""
    start = f"/bucket/{key_of(url)}/"
    sent = [r.path for r in proxy.requests if r.method in ("PUT", "POST")]
    return [path.removeprefix(start).partition("?")[0] for path in sent]


def is_part(handler):
    return handler.command == "PUT" and "partNumber=" in handler.path


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────


def test_a_trace_is_there_byte_for_byte_and_its_config_came_last(s3, proxy, url, trace):
    calls = []
    found = ops.upload(trace, url, progress=lambda done, total: calls.append((done, total)))
    expected = files_of(trace)
    assert stored(s3, url) == expected
    order = written(proxy, url)
    assert order[-1] == "config.yaml"
    assert {name.rpartition("/")[2] for name in order[-5:-1]} == {"meta.json"}
    (made,) = found.traces
    size = sum(map(len, expected.values()))
    assert (found.ok, made.state, made.files, made.sent_files) == (
        True,
        "uploaded",
        len(expected),
        len(expected),
    )
    assert (made.size, made.sent) == (size, size)
    assert calls[-1] == (size, size)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    opened = Trace.from_config(url, sensors="auto", storage_options=s3.options)
    np.testing.assert_array_equal(
        opened.sensors["lidar"].channels["rng"].read(),
        Trace.from_config(trace, sensors="auto").sensors["lidar"].channels["rng"].read(),
    )


def test_hidden_and_temporary_files_stay_here_and_links_are_followed(s3, url, tmp_path, trace):
    folder = tmp_path / "walk"
    record_trace(folder, 0.1)
    expected = files_of(folder)
    for name in (
        ".hidden",
        "radar/.iq.0123abcd.tmp",
        "_scratch/bag/x",
        "_recorder/lock",
        ".lidar.0123abcd.tmp/rng",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not to be seen")
    (folder / "_recorder" / "log.jsonl").write_bytes(b"log")
    (folder / "linked.txt").symlink_to(trace / "config.yaml")
    found = ops.upload(folder, url)
    expected |= {
        "_recorder/log.jsonl": b"log",
        "linked.txt": (trace / "config.yaml").read_bytes(),
    }
    assert stored(s3, url) == expected
    assert len(found.traces[0].left_out) == 5


def test_a_large_file_goes_in_parts_each_with_its_check_sum(s3, proxy, url, large):
    wrong, parts = [], []

    def look(handler, body):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        if handler.command == "PUT":
            digest = base64.b64encode(hashlib.md5(body).digest()).decode()
            if headers.get("content-md5") != digest:
                wrong.append(handler.path)
            wrong.extend(name for name in headers if "trailer" in name or "x-amz-check" in name)
        if is_part(handler):
            parts.append(len(body))

    proxy.interposed = look
    assert ops.upload(large, url).ok
    assert wrong == []
    assert sorted(parts) == [12_345, PART, PART]
    assert stored(s3, url) == files_of(large)
    head = s3.client.head_object(Bucket="bucket", Key=f"{key_of(url)}/sensor/large")
    assert head["ETag"].strip('"').endswith("-3")
    assert s3.unfinished(key_of(url)) == []


def test_folders_of_traces_keep_their_places(s3, url, tmp_path):
    tree = tmp_path / "tree"
    for number, name in enumerate(("a", "day/b", "day/b/inner")):
        record(
            tree / name / "sensor", ticks(3, 1.0), {"x": ("raw", numbered(3, (2,), "i2", number))}
        )
        (tree / name / "config.yaml").write_text(name)
    (tree / "notes.txt").write_text("of no trace")
    assert ops.upload(tree, f"{url}/one/").ok
    expected = {name: data for name, data in files_of(tree).items() if name != "notes.txt"}
    assert stored(s3, f"{url}/one") == expected
    assert ops.upload([tree / "a", tree / "day"], f"{url}/two").ok
    assert stored(s3, f"{url}/two") == expected
    with pytest.raises(ValueError, match="called a;"):
        ops.upload([tree / "a", tmp_path / "other" / "a"], f"{url}/three")
    # One that is broken does not keep the others.
    (tree / "a" / "broken").symlink_to("nowhere")
    found = ops.upload(tree, f"{url}/four")
    assert [trace.state for trace in found.traces] == ["failed", "uploaded", "uploaded"]
    assert "a/broken" in found.traces[0].problem and "nowhere" in found.traces[0].problem
    assert not found.ok
    assert stored(s3, f"{url}/four/a") == {}


# `local://` stands for those whose files are in folders, which have to be made: `sftp://`, ….
@pytest.mark.parametrize("protocol", ["memory", "local"])
def test_any_store_of_fsspec_takes_traces(trace, large, tmp_path, protocol):
    filesystem = fsspec.filesystem(protocol)
    for folder in (trace, large):
        place = f"{tmp_path}/uploads/{folder.name}"
        url = f"{protocol}://{place}"
        assert ops.upload(folder, url, verify=True).traces[0].state == "uploaded"
        found = {
            path.removeprefix(f"{place}/"): filesystem.cat_file(path)
            for path in filesystem.find(place)
        }
        assert found == files_of(folder)
        assert ops.upload(folder, url).traces[0].state == "there"


# ── going on ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_there_is_not_sent_again(s3, proxy, url, trace, large):
    for folder, lost in ((trace, ["radar/iq", "config.yaml"]), (large, ["sensor/ts"])):
        place = f"{url}/{folder.name}"
        ops.upload(folder, place)
        proxy.clear()
        assert ops.upload(folder, place).traces[0].state == "there"
        assert written(proxy, place) == []
        assert proxy.data == []  # told by their tags
        for name in lost:
            s3.client.delete_object(Bucket="bucket", Key=f"{key_of(place)}/{name}")
        again = ops.upload(folder, place, dry_run=True).traces[0]
        assert (again.state, again.sent_files) == ("planned", len(lost))
        assert written(proxy, place) == []
        assert ops.upload(folder, place).traces[0].sent_files == len(lost)
        assert written(proxy, place) == lost
        assert stored(s3, place) == files_of(folder)


@pytest.mark.slow
def test_what_others_have_sent_in_other_parts_is_compared(s3, proxy, url, large):
    from boto3.s3.transfer import TransferConfig

    ops.upload(large, url)
    config = TransferConfig(multipart_threshold=1, multipart_chunksize=5 << 20)
    key = f"{key_of(url)}/sensor/large"
    s3.client.upload_file(str(large / "sensor" / "large"), "bucket", key, Config=config)
    proxy.clear()
    assert ops.upload(large, url).traces[0].state == "there"
    assert (written(proxy, url), proxy.received) == ([], LARGE)
    changed = bytearray((large / "sensor" / "large").read_bytes())
    changed[-1] ^= 1
    s3.put(key, bytes(changed))
    with pytest.raises(AlreadyExistsError, match="sensor/large"):
        ops.upload(large, url)


def test_what_differs_is_refused_or_replaced(s3, proxy, url, trace):
    ops.upload(trace, url)
    key = key_of(url)
    other = bytes(len((trace / "radar" / "iq").read_bytes()))
    s3.put(f"{key}/radar/iq", other)
    s3.client.delete_object(Bucket="bucket", Key=f"{key}/imu/ts")
    before = stored(s3, url)
    proxy.clear()
    with pytest.raises(AlreadyExistsError, match=r"radar/iq: is there and differs.*--overwrite"):
        ops.upload(trace, url)
    assert written(proxy, url) == []
    assert stored(s3, url) == before
    configs = []

    def look(handler, body):
        if handler.command == "PUT":
            configs.append("config.yaml" in stored(s3, url))

    proxy.interposed = look
    assert ops.upload(trace, url, overwrite=True).traces[0].sent_files == 3
    # There was no trace as long as it was of two.
    assert configs == [False] * 3
    assert stored(s3, url) == files_of(trace)


def test_sensors_of_another_recording_are_not_mixed_with(s3, url, trace):
    ops.upload(trace, url)
    s3.put(f"{key_of(url)}/radar/more", b"of another recording")
    s3.put(f"{key_of(url)}/gps/meta.json", b"{}")
    with pytest.raises(AlreadyExistsError, match="radar/more: is there, but not in"):
        ops.upload(trace, url, overwrite=True)
    s3.client.delete_object(Bucket="bucket", Key=f"{key_of(url)}/radar/more")
    assert ops.upload(trace, url).traces[0].state == "there"


# ── faults ───────────────────────────────────────────────────────────────────────────────────────


def test_a_part_that_fails_is_sent_again(s3, proxy, url, large):
    failed = []

    def fail(handler, body):
        number = handler.path.rpartition("=")[2]
        if is_part(handler) and failed.count(number) < 2:
            failed.append(number)
            return (503, "busy") if number == "2" else (500, "")
        return None

    proxy.interposed = fail
    assert ops.upload(large, url).ok
    assert sorted(failed) == ["1", "1", "2", "2", "3", "3"]
    assert stored(s3, url) == files_of(large)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, StoreAccessError), (400, StoreError), (503, StoreError)]
)
def test_when_a_part_cannot_be_sent_nothing_is_left_of_the_object(
    s3, proxy, url, large, status, kind
):
    proxy.interposed = lambda handler, body: (
        (status, "<Error><Code>No</Code><Message>not today</Message></Error>")
        if is_part(handler) and "partNumber=2" in handler.path
        else None
    )
    with pytest.raises(kind, match=r"sensor/large.*writing bytes 16777216 to") as caught:
        ops.upload(large, url)
    assert "thesecretkey" not in str(caught.value)
    assert set(stored(s3, url)) <= {"sensor/ts"}
    assert s3.unfinished(key_of(url)) == []


@pytest.mark.parametrize("lost", ["?uploadId=", "config.yaml"])
def test_an_answer_that_is_lost_does_no_harm(s3, proxy, url, large, lost):
    # That of the request which puts the parts together, or which makes a whole object.
    method = "POST" if lost == "?uploadId=" else "PUT"
    proxy.faults(hang_up, refuse(503))
    proxy.disturbed = lambda request: request.method == method and lost in request.path
    assert ops.upload(large, url).ok
    assert stored(s3, url) == files_of(large)
    assert s3.unfinished(key_of(url)) == []


def test_an_upload_that_waits_for_room_is_given_up_at_once(s3, proxy, url, large, monkeypatch):
    monkeypatch.setattr("roverd.storage.remote.uploading._IN_MEMORY", PART)
    stop, gate, ended = Stop(), Gate(is_part), Future()
    proxy.interposed = gate

    def send():
        with pytest.raises(StoppedError):
            put_file(str(large / "sensor" / "large"), f"{url}/x", stop=stop)
        ended.set_result(True)

    threading.Thread(target=send, daemon=True).start()
    assert gate.reached.wait(30)
    stop.set(KeyboardInterrupt())
    try:
        assert ended.result(10)
    finally:
        gate.open()
    assert stored(s3, url) == {}
    assert s3.unfinished(key_of(url)) == []


def test_the_size_that_the_store_states_is_compared(s3, proxy, url, trace):
    # As of a store whose tags are no MD5, and which has lost a byte.
    def other(number, answer, body):
        headers = dict(answer.getheaders()) | {"ETag": '"a tag"'}
        if answer.getheader("Content-Length") != "0":
            headers["Content-Length"] = str(int(answer.getheader("Content-Length")) - 1)
        return answer.status, headers, body

    proxy.fault = other
    proxy.disturbed = lambda request: (
        request.method in ("PUT", "HEAD") and request.path.endswith("radar/iq")
    )
    with pytest.raises(StoreError, match=r"radar/iq: expected the store to have \d+ bytes"):
        ops.upload(trace, url)
    assert not {"radar/iq", "config.yaml"} & set(stored(s3, url))


def test_verify_reads_everything_back(s3, proxy, url, trace):
    size = sum(map(len, files_of(trace).values()))
    assert ops.upload(trace, url, verify=True).ok
    assert proxy.received == size
    proxy.clear()
    assert ops.upload(trace, url, verify=True).traces[0].state == "there"
    assert proxy.received == size
    s3.remove(key_of(url))

    def flipped(number, answer, body):
        return answer.status, dict(answer.getheaders()), bytes([body[0] ^ 1]) + body[1:]

    proxy.fault = flipped
    # Addresses may be signed: then a query follows.
    proxy.disturbed = lambda request: request.is_data and "/radar/iq" in request.path
    with pytest.raises(StoreError, match="radar/iq: read back, it is not what was sent"):
        ops.upload(trace, url, verify=True)
    assert not {"radar/iq", "config.yaml"} & set(stored(s3, url))


def test_a_file_that_changes_meanwhile_is_no_part_of_a_trace(s3, proxy, url, tmp_path):
    folder = tmp_path / "walk"
    record(folder / "sensor", ticks(1, 1.0), {"x": ("raw", np.zeros((1, LARGE), "u1"))})
    (folder / "config.yaml").write_text("{}")

    def change(handler, body):
        if is_part(handler):
            with (folder / "sensor" / "x").open("ab") as file:
                file.write(b"more")

    proxy.interposed = change
    with pytest.raises(CorruptFileError, match=r"sensor/x: .*changed"):
        ops.upload(folder, url)
    assert set(stored(s3, url)) <= {"sensor/ts"}
    assert s3.unfinished(key_of(url)) == []


# ── refused ──────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_uploaded_is_refused(s3, url, trace, tmp_path):
    folder = tmp_path / "walk"
    record_trace(folder, 0.1)
    with pytest.raises(UnsupportedError, match="expected the URL of a store"):
        ops.upload(folder, str(tmp_path / "new"))
    with pytest.raises(UnsupportedError, match="only what is on this machine"):
        ops.upload(url, url)
    with pytest.raises(MissingFileError, match="no trace found"):
        ops.upload(tmp_path / "walk" / "radar", url)
    with pytest.raises(ValueError, match="got none"):
        ops.upload([], url)
    (folder / "_recorder").mkdir()
    claim = Claim(str(folder))
    try:
        with pytest.raises(UnsupportedError, match="is being recorded"):
            ops.upload(folder, url)
    finally:
        claim.release()
    (folder / "config.yaml").unlink()
    with pytest.raises(MissingFileError, match=r"expected a config\.yaml"):
        ops.upload(folder, url)
    assert stored(s3, url) == {}
    with (
        serving_files(tmp_path) as address,
        pytest.raises(UnsupportedError, match="only read from"),
    ):
        ops.upload(trace, f"http://{address}/new")


# ── the command ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def environment(s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


def test_the_command_says_what_it_did(s3, url, trace, environment):
    s3.put(f"{key_of(url)}/radar/iq", b"another")
    failed = run_roverd("upload", trace, url)
    expect_one_line_error(failed, f"{url}/radar/iq")
    done = run_roverd("upload", trace, url, "--overwrite")
    assert (done.status, done.err) == (0, "")
    assert done.lines[-1].startswith("Upload: 1 uploaded; ")
    assert stored(s3, url) == files_of(trace)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_was_ended_is_gone_on_with(s3, proxy, url, large, environment, how):
    gate = Gate(lambda handler: is_part(handler) and "partNumber=2" in handler.path)
    proxy.interposed = gate
    with running("upload", large, url) as process:
        assert gate.reached.wait(60)
        process.send_signal(how)
        if how == signal.SIGINT:
            assert process.wait(60) == 130
            assert s3.unfinished(key_of(url)) == []
        process.wait(60)
        gate.open()
    proxy.clear()
    assert set(stored(s3, url)) <= {"sensor/ts"}
    assert ops.upload(large, url).ok
    assert stored(s3, url) == files_of(large)

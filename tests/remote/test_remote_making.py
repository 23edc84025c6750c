"""`extract`, `blobify`, `unblobify`, `transcode` into a store: what they make, and nothing else."""

import json
import shutil
import signal
import tempfile
import threading
from collections import Counter

import fsspec
import pytest

from roverd import Dataset, ops
from roverd.errors import (
    AlreadyExistsError,
    MissingFileError,
    StoreAccessError,
    StoreError,
    UnsupportedError,
)
from roverd.storage.options import remember
from support.interrupted import Gate, running
from support.stored import files_of, key_of, stored
from support.stores import serving_files
from support.traces import record_poses, record_trace

MARKER = ".roverd-unfinished"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("make") / "walk"
    record_trace(folder, 0.5)
    record_poses(folder, 10)
    (folder / "notes.txt").write_text("of the trace")
    return folder


@pytest.fixture(scope="module")
def blobs(trace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("make") / "blobs"
    ops.blobify(trace, folder)
    return folder


@pytest.fixture
def staging(tmp_path, monkeypatch):
    """Where parts of a trace are made before they are uploaded."""
    folder = tmp_path / "staging"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def extract(source, target):
    return ops.extract(source, target, start=0.1, length=0.3)


def transcode(source, target):
    return ops.transcode(source, target, {"lidar/*": "zstdf"}, preset="compatible")


MAKERS = [extract, ops.blobify, ops.unblobify, transcode]


def in_memory(url):
    memory = fsspec.filesystem("memory")
    top = "/" + url.removeprefix("memory://") + "/"
    return {path.removeprefix(top): memory.cat_file(path) for path in memory.find(top)}


# ── what is made ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_same_is_made_as_on_the_local_disk(
    s3, proxy, url, trace, blobs, staging, tmp_path, make
):
    source = blobs if make is ops.unblobify else trace
    make(source, tmp_path / "local")
    expected = files_of(tmp_path / "local")
    most, modes = 0, set()

    def look(handler, body):
        nonlocal most
        kept = [path.stat() for path in staging.rglob("*") if path.is_file()]
        most = max(most, sum(stat.st_size for stat in kept))
        modes.update(folder.stat().st_mode & 0o777 for folder in staging.iterdir())

    proxy.interposed = look
    make(source, url)
    assert stored(s3, url) == expected
    assert list(staging.iterdir()) == []
    assert modes == {0o700}
    # A channel at a time.
    sizes = Counter()
    for name, data in expected.items():
        sizes["/".join(name.split("/")[:2]).removesuffix("_i")] += len(data)
    assert most == max(sizes.values())
    start = f"/bucket/{key_of(url)}/"
    order = [r.path.removeprefix(start) for r in proxy.requests if r.method in ("PUT", "DELETE")]
    assert (order[0], order[-2:]) == (MARKER, ["config.yaml", MARKER])
    for sensor in ("radar", "lidar", "camera", "imu"):
        names = [name for name in order if name.startswith(f"{sensor}/")]
        assert names[-1] == f"{sensor}/meta.json"
    make(source, "memory://made/" + make.__name__)
    assert in_memory("memory://made/" + make.__name__) == expected


@pytest.mark.slow
def test_from_store_to_store(s3, url, trace, staging, tmp_path):
    ops.upload(trace, f"{url}/source")
    extract(trace, tmp_path / "local")
    extract(f"{url}/source", f"{url}/new")
    assert stored(s3, f"{url}/new") == files_of(tmp_path / "local")
    calls = []
    report = ops.transcode(
        f"{url}/source",
        f"{url}/all",
        {"lidar/*": "zstdf"},
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1][0] == calls[-1][1]
    sizes = {channel.name: channel.size_after for channel in report.traces[0].channels}
    found = stored(s3, f"{url}/all")
    assert sizes["lidar/rng"] == len(found["lidar/rng"]) + len(found["lidar/rng_i"])


def test_a_trace_that_is_there_is_compared_and_left_alone(s3, proxy, url, trace):
    assert transcode(trace, url).traces[0].state == "made"
    before = stored(s3, url)
    proxy.clear()
    assert transcode(trace, url).traces[0].state == "there"
    with pytest.raises(AlreadyExistsError, match="is not what would be made"):
        ops.transcode(trace, url, {"lidar/*": "raw"})
    assert {request.method for request in proxy.requests} <= {"GET", "HEAD"}
    assert stored(s3, url) == before
    # Nothing is made in what is read.
    for target in (url, f"{url}/day"):
        with pytest.raises(ValueError, match="lies in"):
            transcode(url, target)


@pytest.mark.slow
def test_a_tree_of_traces_is_gone_on_with(s3, proxy, url, tmp_path, staging):
    tree = tmp_path / "tree"
    for name in ("a", "day/b"):
        record_trace(tree / name, 0.2)
    assert transcode(tree, url).ok
    transcode(tree, tmp_path / "local")
    assert stored(s3, url) == files_of(tmp_path / "local")
    s3.remove(f"{key_of(url)}/a/")
    proxy.clear()
    again = transcode(tree, url)
    assert [trace.state for trace in again.traces] == ["made", "there"]
    sent = [request.path for request in proxy.requests if request.method == "PUT"]
    assert all("/a/" in path for path in sent)
    assert stored(s3, url) == files_of(tmp_path / "local")
    # Another one is none of ours.
    before = stored(s3, url)
    other = ops.transcode(tree, url, {"lidar/*": "raw"})
    assert {trace.state for trace in other.traces} == {"failed"}
    assert all("is not what would be made" in trace.problem for trace in other.traces)
    assert stored(s3, url) == before
    planned = ops.transcode(tree / "a", f"{url}/new", {"lidar/*": "raw"}, dry_run=True)
    assert planned.traces[0].state == "planned"
    assert stored(s3, f"{url}/new") == {}


# ── refused ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", MAKERS[:3], ids=lambda make: make.__name__)
def test_what_is_there_stays_as_it_is(s3, url, trace, make):
    for key in ("/radar/iq", ""):
        s3.put(f"{key_of(url)}{key}", b"of somebody")
        for target in (url, url + "/"):
            with pytest.raises(AlreadyExistsError, match=url):
                make(trace, target)
        assert s3.objects(key_of(url)) == {f"{key_of(url)}{key}": b"of somebody"}
        s3.remove(key_of(url))


def test_a_trace_is_not_made_where_it_is_read(s3, url, trace):
    ops.upload(trace, url)
    s3.put(f"{key_of(url)}/{MARKER}", b"{}")
    before = stored(s3, url)
    for source in (url, f"{url}/"):
        with pytest.raises(AlreadyExistsError):
            extract(source, url)
    assert stored(s3, url) == before


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_servers_that_are_only_read_from_are_refused(make, trace, tmp_path):
    with (
        serving_files(tmp_path) as address,
        pytest.raises(UnsupportedError, match=r"/new: HTTP servers are only read from"),
    ):
        make(trace, f"http://{address}/new")


@pytest.mark.parametrize("other", ["config.yaml", MARKER])
def test_a_trace_below_what_a_dead_process_left_is_not_removed_with_it(s3, url, trace, other):
    key = key_of(url)
    for name in (MARKER, "radar/iq", f"day/walk/{other}", "day/walk/radar/iq"):
        s3.put(f"{key}/{name}", b"{}")
    before = stored(s3, url)
    with pytest.raises(AlreadyExistsError, match=r"day/walk in it is another trace"):
        ops.blobify(trace, url)
    assert stored(s3, url) == before


# ── errors, Ctrl-C, and the end of a process ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        (MARKER, 403, StoreAccessError),
        ("lidar/rng", 403, StoreAccessError),
        ("config.yaml", 400, StoreError),
    ],
)
def test_after_an_error_nothing_is_left(s3, proxy, url, trace, staging, name, status, kind):
    proxy.interposed = lambda handler, body: (
        (status, "no") if handler.command == "PUT" and handler.path.endswith(name) else None
    )
    with pytest.raises(kind, match=f"{url}/{name}"):
        ops.blobify(trace, url) if name == MARKER else transcode(trace, url)
    assert stored(s3, url) == {}
    assert list(staging.iterdir()) == []
    proxy.clear()
    transcode(trace, url)


def test_a_source_that_is_damaged_leaves_nothing(s3, url, trace, staging, tmp_path):
    shutil.copytree(trace, tmp_path / "damaged")
    with (tmp_path / "damaged" / "radar" / "iq").open("r+b") as file:
        file.truncate(10)
    with (tmp_path / "damaged" / "lidar" / "nir").open("r+b") as file:
        file.seek(100)
        file.write(bytes(100))
    with pytest.raises(ValueError, match="nir") as caught, pytest.warns(UserWarning):
        transcode(tmp_path / "damaged", url)
    assert str(staging) not in str(caught.value)
    assert stored(s3, url) == {}


@pytest.fixture
def environment(s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


def test_a_process_that_was_killed_leaves_no_trace_and_another_goes_on(
    s3, proxy, url, trace, staging, environment, tmp_path
):
    gate = Gate(lambda handler: handler.path.endswith("radar/meta.json"))
    proxy.interposed = gate
    with running("blobify", trace, url) as process:
        assert gate.reached.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        gate.open()
    proxy.clear()
    left = stored(s3, url)
    assert MARKER in left and "config.yaml" not in left and "camera/meta.json" in left
    assert Dataset.find_traces(url) == []
    assert len(list(staging.iterdir())) == 1
    with pytest.raises(AlreadyExistsError, match="another command makes a trace there"):
        ops.upload(trace, url)
    # Another command: what the first one left is of no use to it.
    extract(trace, url)
    extract(trace, tmp_path / "local")
    assert stored(s3, url) == files_of(tmp_path / "local")
    assert list(staging.iterdir()) == []


def test_ctrl_c_leaves_nothing(s3, proxy, url, trace, staging, environment):
    gate = Gate(lambda handler: handler.path.endswith("radar/meta.json"))
    proxy.interposed = gate
    with running("transcode", trace, url, "--preset", "fast") as process:
        assert gate.reached.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        gate.open()
    assert stored(s3, url) == {}
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("how", ["goes on", "fails"])
def test_what_another_process_makes_is_left_to_it(s3, proxy, url, trace, staging, how):
    gate = Gate(lambda handler: handler.path.endswith("radar/meta.json"), fails=how == "fails")
    proxy.interposed = gate
    errors = []

    def first():
        try:
            extract(trace, url)
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert gate.reached.wait(60)
    before = stored(s3, url)
    with pytest.raises(AlreadyExistsError, match="is being made by another process"):
        ops.blobify(trace, url)
    assert stored(s3, url) == before
    # One on another machine, who cannot know, takes it over.
    marker = json.loads(before[MARKER]) | {"host": "another", "token": "another"}
    s3.put(f"{key_of(url)}/{MARKER}", json.dumps(marker).encode())
    gate.open()
    thread.join(60)
    ((error,),) = [errors]
    expected = "held back" if how == "fails" else "another process has begun to make it"
    assert expected in str(error)
    after = stored(s3, url)
    assert before.keys() <= after.keys()
    assert "config.yaml" not in after


def test_nothing_is_looked_for_where_there_is_no_bucket(s3, trace):
    remember("s3://nobody", s3.options)
    with pytest.raises(MissingFileError, match="NoSuchBucket"):
        extract(trace, "s3://nobody/new")

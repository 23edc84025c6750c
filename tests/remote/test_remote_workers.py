"""Datasets in an object store, in worker processes, after their parent has read from it."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys

import pytest
from abstract_dataloader import generic

from roverd import Trace, channels
from roverd.storage.options import options_for, remember
from support import remote_worker
from support.stores import KEY, SECRET, clean_environment, upload

LIMIT = 60  # seconds; the program ends itself before that, and shows where it hung
EXPECTED_WARNING = "ignore:This process (pid:DeprecationWarning"


@pytest.mark.parametrize(
    ("method", "server"),
    [
        ("fork", "s3"),
        ("fork", "azure"),
        pytest.param("forkserver", "s3", marks=pytest.mark.slow),
        pytest.param("spawn", "s3", marks=pytest.mark.slow),
    ],
    indirect=["server"],
)
def test_workers_read_the_same_samples_after_their_parent_has_read(uploaded, server, method: str):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    url = server.url("workers/trace")
    upload(server, uploaded.local, "workers/trace")
    command = [sys.executable, "-W", "error", "-W", EXPECTED_WARNING, remote_worker.__file__]
    process = subprocess.Popen(
        [*command, method, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=clean_environment(),
    )
    try:
        out, err = process.communicate(json.dumps(server.options), timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"hung for {LIMIT} s\n{err}")
    assert (err, out, process.returncode) == ("", "the same samples\n", 0)


def test_pickles_know_how_to_reach_the_store_and_nothing_else_shows_it(uploaded, s3):
    trace = Trace.from_config(
        uploaded.url, generic.Nearest("lidar"), "auto", storage_options=s3.options
    )
    trace[0]
    data = pickle.dumps(trace)
    # Once, not for every channel.
    assert data.count(SECRET.encode()) == 1
    parts = [trace, *trace.sensors.values()]
    parts += [c for sensor in trace.sensors.values() for c in sensor.channels.values()]
    shown = " ".join(f"{part!r} {part}" for part in parts)
    assert KEY not in shown
    assert SECRET not in shown
    code = "import pickle, sys; print(len(pickle.load(sys.stdin.buffer)[3]['radar'].iq))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=data,
        capture_output=True,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"1\n", b"")


def test_options_are_those_of_the_longest_url_above():
    remember("s3://elsewhere/a", {"key": "of a"})
    remember("s3://elsewhere/a/b/c", {"key": "of c"})
    assert options_for("s3://elsewhere/a/b/x") == ("s3://elsewhere/a", {"key": "of a"})
    assert options_for("s3://elsewhere/a/b/c/x") == ("s3://elsewhere/a/b/c", {"key": "of c"})
    assert options_for("s3://elsewhere/ab") is None
    assert "of a" not in repr(channels.RawChannel("s3://elsewhere/a/x", "i2", ()))


def test_what_is_missing_is_said_with_the_command_that_installs_it():
    code = (
        "import sys; sys.modules['gcsfs'] = None\n"
        "from roverd import Trace\n"
        "try: Trace.from_config('gs://bucket/trace')\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert "pip install 'roverd[gcs]'" in done.stdout
    assert done.stderr == ""


def test_reading_files_loads_nothing_for_stores(uploaded):
    code = (
        "import sys; from roverd import Trace\n"
        f"Trace.from_config({str(uploaded.local)!r})['radar'][0]\n"
        "print({'fsspec', 's3fs', 'aiohttp', 'roverd.storage.remote'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")

"""How a store is reached: profiles, fsspec's configuration, and commands that are given a URL."""

import json
import os
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from roverd import Trace, channels
from roverd.errors import UnsupportedError
from roverd.storage.options import remember
from support.command_line import run_roverd
from support.stores import KEY, S3, SECRET, Proxy, upload
from support.traces import record_trace

PROFILE_KEY, PROFILE_SECRET = "keyoftheprofile", "secretoftheprofile"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that knows one profile, in a file of credentials, and nothing else."""
    for name in os.environ:
        if name.startswith(("AWS_", "FSSPEC_", "ROVERD_")):
            monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    keys = f"aws_access_key_id = {PROFILE_KEY}\naws_secret_access_key = {PROFILE_SECRET}\n"
    file.write_text(f"[recordings]\nregion = us-east-1\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def keys_used(proxy: Proxy) -> set[str]:
    """The access keys that requests were signed with, in a header or in their address."""
    signed = (f"{request.authorization} {unquote(request.path)}" for request in proxy.requests)
    return {text.partition("Credential=")[2].partition("/")[0] for text in signed}


def test_a_profile_is_where_the_keys_are_from(uploaded, s3, proxy, environment):
    url = upload(s3, uploaded.local / "radar", "profile/radar").rpartition("/")[0]
    proxy.clear()
    store = {
        "profile": "recordings",
        "client_kwargs": {"endpoint_url": f"http://{proxy.address}"},
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    trace = Trace.from_config(url, sensors={"radar": None}, storage_options=store)
    local = Trace.from_config(uploaded.local, sensors={"radar": None})
    np.testing.assert_array_equal(trace["radar"]["iq"].read(), local["radar"]["iq"].read())
    assert keys_used(proxy) == {PROFILE_KEY}
    assert PROFILE_SECRET not in f"{trace!r} {store!r}"


@pytest.fixture(scope="module")
def short(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A trace of two seconds, here and in the store."""
    local = tmp_path_factory.mktemp("short") / "trace"
    record_trace(local, 2.0)
    return local, upload(s3_server, local, "commands/trace")


def test_commands_take_a_profile_from_the_environment(short, proxy, environment):
    local, url = short
    environment.setenv("AWS_PROFILE", "recordings")
    environment.setenv("FSSPEC_S3_ENDPOINT_URL", f"http://{proxy.address}")
    proxy.clear()
    done = run_roverd("list", url.rpartition("/")[0])
    assert (done.status, done.out, done.err) == (0, f"{local.name}\n", "")
    assert keys_used(proxy) == {PROFILE_KEY}


def test_options_that_are_changed_afterwards_are_others(s3, proxy):
    frames = np.arange(5.0)
    store = {**s3.options, "default_block_size": 3 << 20}  # as no other test has them
    for name, address in (("one", proxy.address), ("two", s3.direct)):
        proxy.clear()
        store["client_kwargs"]["endpoint_url"] = f"http://{address}"
        s3.put(f"changed/{name}//x", frames.tobytes())  # below, whatever names there are
        remember(f"s3://bucket/changed/{name}", store)
        channel = channels.RawChannel(f"s3://bucket/changed/{name}//x", "f8", ())
        np.testing.assert_array_equal(channel.read(), frames)
        assert bool(proxy.requests) == (address == proxy.address)


@pytest.mark.parametrize("protocol", ["s3", "gs"])
def test_keys_in_a_url_that_would_be_overlooked_are_refused_and_not_shown(protocol):
    url = f"{protocol}://{PROFILE_KEY}:{PROFILE_SECRET}@bucket/overlooked"
    with pytest.raises(UnsupportedError, match="no user and password in its URL") as caught:
        Trace.from_config(url, sensors={"radar": None})
    assert PROFILE_SECRET not in str(caught.value)
    assert PROFILE_KEY not in str(caught.value)


@pytest.fixture
def configured(s3: S3, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What fsspec reads when it is loaded says how to get to the store."""
    folder = tmp_path / "fsspec"
    folder.mkdir()
    (folder / "stores.json").write_text(json.dumps({"s3": s3.options}))
    environment.setenv("FSSPEC_CONFIG_DIR", str(folder))


@pytest.mark.slow
def test_transcoding_from_a_store_asks_it_once_with_a_cache(short, configured, proxy, tmp_path):
    local, url = short
    proxy.clear()
    received = []
    for place in ("first", "second"):
        done = run_roverd(
            *("transcode", url, tmp_path / place, "--preset", "fast"),
            *("--cache", tmp_path / "cache", "--cache-size", "50MB"),
        )
        assert (done.status, done.err) == (0, "")
        received.append(proxy.received)
        proxy.clear()
    assert keys_used(proxy) <= {KEY}
    # What is left is meta.json, of which nothing is known before.
    assert received[0] > 50_000 > 5_000 > received[1]
    for sensor, channel in (("radar", "iq"), ("lidar", "rng"), ("camera", "video.avi")):
        got, expected = (
            Trace.from_config(path, sensors={sensor: None})[sensor][channel].read()
            for path in (tmp_path / "second", local)
        )
        np.testing.assert_array_equal(got, expected)


COMMANDS = {
    "info": ["info", "URL", "--json"],
    "validate": ["validate", "URL"],
    "checksum": ["checksum", "URL", "LOCAL"],
    "extract": ["extract", "URL", "NEW", "--start", "0.5", "--length", "1"],
    "blobify": ["blobify", "URL", "NEW"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_do_with_a_url_what_they_do_with_a_path(
    short, configured, proxy, tmp_path, command
):
    local, url = short
    found = []
    for source, new in ((url, tmp_path / "new"), (local, tmp_path / "expected")):
        given = {"URL": source, "LOCAL": local, "NEW": new}
        done = run_roverd(*(given.get(word, word) for word in COMMANDS[command]))
        assert (done.status, done.err) == (0, "")
        out = done.out.replace(str(source), "SOURCE").replace(str(new), "NEW")
        files = [path for path in sorted(new.rglob("*")) if path.is_file()]
        found.append((out, {path.relative_to(new): path.read_bytes() for path in files}))
        if command != "checksum":  # which shows how many bytes it has read, if nothing else
            assert proxy.data or source == local
    assert found[0] == found[1]


def test_what_fails_shows_no_secret_of_the_configuration(short, configured, proxy):
    said = f"<Error><Code>AccessDenied</Code><Message>not you, {KEY}:{SECRET}</Message></Error>"
    proxy.fault = lambda number, answer, body: (403, {}, said.encode())
    done = run_roverd("info", short[1])
    assert done.status == 1
    assert "AccessDenied: not you" in done.err
    assert KEY not in done.err
    assert SECRET not in done.err

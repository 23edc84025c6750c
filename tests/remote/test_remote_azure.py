"""What only Azure has: accounts in URLs, folders that are blobs, and keys in the environment."""

import numpy as np
import pytest

from roverd import Trace, channels
from roverd.errors import StoreError
from roverd.storage import remote_storage
from roverd.storage.options import remember
from roverd.storage.remote.uploading import put_file
from support.azure_server import ACCOUNT, ACCOUNT_KEY, CONTAINER
from support.channels import BY_NAME, values
from support.command_line import run_roverd
from support.stores import upload
from support.traces import record_radar

LARGE = (16 << 20) + 12_345  # sent in two blocks; what is read back comes with one request
FRAMES = values(range(5), "<i2", (40,))


def test_the_account_may_be_in_the_url(azure_server):
    azure_server.put("account/x", FRAMES.tobytes())
    url = f"abfs://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/account"
    remember(url, azure_server.options)
    channel = channels.RawChannel(f"{url}/x", "i2", (40,))
    np.testing.assert_array_equal(channel.read(), FRAMES)


def test_folders_of_hierarchical_accounts_are_no_files(azure_server, tmp_path):
    radar = record_radar(tmp_path / "radar", 5).path
    upload(azure_server, radar, "folders/trace/radar")
    case = BY_NAME["npz"]
    case.open(str(tmp_path / "npz")).write(case.upto(3))
    upload(azure_server, tmp_path / "npz", "folders/trace/npz")
    for name in ("trace", "trace/radar", "trace/npz"):
        blob = azure_server.container.get_blob_client(f"folders/{name}")
        blob.upload_blob(b"", metadata={"hdi_isfolder": "true"})
    url = azure_server.url("folders/trace")
    remember(url, azure_server.options)
    assert Trace.find_sensors(url) == ["radar"]
    np.testing.assert_array_equal(case.open(f"{url}/npz").read(), case.upto(3))
    files = [f"npz/{n:06d}.npz" for n in range(3)] + [
        f"radar/{path.name}" for path in radar.iterdir()
    ]
    assert sorted(name for name, _ in remote_storage().walk(url)) == sorted(files)


def test_large_files_go_in_blocks_each_tried_again_by_itself(azure_server, tmp_path):
    (tmp_path / "large").write_bytes(np.random.default_rng(5).bytes(LARGE))
    url, sent = azure_server.url("blocks/large"), []
    remember(azure_server.url("blocks"), azure_server.options)

    def busy(handler, body):
        if "comp=block" not in handler.path:
            return None
        sent.append(handler.path)
        return (503, "busy") if sent.count(handler.path) < 3 else None

    azure_server.proxy.interposed = busy
    try:
        put_file(str(tmp_path / "large"), url)
        # Two blocks, and the list of them.
        assert sorted(map(sent.count, set(sent))) == [3] * 3
        azure_server.proxy.interposed = lambda handler, body: (
            (400, "no") if "comp=block" in handler.path else None
        )
        with pytest.raises(StoreError, match=r"blocks/other: failed \(writing bytes"):
            put_file(str(tmp_path / "large"), azure_server.url("blocks/other"))
    finally:
        azure_server.proxy.clear()
    stored = azure_server.objects("blocks")
    assert stored == {"blocks/large": (tmp_path / "large").read_bytes()}


def test_commands_take_what_the_environment_says(azure_server, tmp_path, monkeypatch):
    azure_server.put("listed/trace/config.yaml", b"")
    azure_server.put("listed/trace/radar/meta.json", b"{}")
    connection = azure_server.options["connection_string"]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    done = run_roverd("list", azure_server.url("listed"))
    assert (done.status, done.out, done.err) == (0, "trace\n", "")
    refused = f"<Error><Code>Odd</Code><Message>{ACCOUNT_KEY} is no good</Message></Error>"
    azure_server.proxy.fault = lambda number, answer, body: (403, {}, refused.encode())
    done = run_roverd("info", azure_server.url("listed/trace"))
    azure_server.proxy.clear()
    assert done.status == 1
    assert ACCOUNT_KEY not in done.err

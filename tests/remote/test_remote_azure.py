"""What only Azure has: accounts in URLs, folders that are blobs, and keys in the environment."""

import numpy as np

from roverd import Trace, channels
from roverd.storage import remote_storage
from roverd.storage.options import remember
from support.azure_server import ACCOUNT, ACCOUNT_KEY, CONTAINER
from support.channels import BY_NAME, values
from support.command_line import run_roverd
from support.stores import upload
from support.traces import record_radar

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

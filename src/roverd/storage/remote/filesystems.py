"""Which store a URL belongs to. Stores are made when first needed, in each process for itself."""

import asyncio
import base64
import importlib
from typing import Any
from urllib.parse import unquote

from roverd.errors import UnsupportedError
from roverd.storage.options import PRIVATE_QUERY, PRIVATE_USER, Options, options_for, redacted
from roverd.storage.paths import protocol_of
from roverd.storage.remote.loop import io_loop, when_forked
from roverd.storage.remote.stores import Store

_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
    "http": "http",
    "https": "http",
}
# An address within one file: what is below would have to be put before the `::`.
_ARCHIVES = ("zip", "tar", "libarchive", "reference")

_PLACELESS = ("s3", "s3a", "gs", "gcs", "http", "https", "memory")
_KEYED = ("s3", "s3a", "gs", "gcs")  # whose libraries overlook a user in a URL
_AZURE = ("az", "abfs", "abfss")
_NO_OPTIONS: Options = {}

_Key = tuple[str, str, int]
_stores: dict[_Key, "asyncio.Task[Store]"] = {}
_kept: list[Any] = []  # of the parent of a forked process: nothing of it may be closed


def _forget() -> None:
    _kept.append(dict(_stores))
    _stores.clear()


when_forked(_forget)


async def store_for(url: str) -> Store:
    """The store that a URL belongs to, opened if it is not yet. Runs in the event loop.

    Raises:
        UnsupportedError: there is none for this protocol, or its library is not installed.
    """
    found = options_for(url)
    options = _NO_OPTIONS if found is None else found[1]
    protocol = protocol_of(url)
    # One client for all buckets. Of other protocols, a URL may name the machine.
    place = "" if protocol in _PLACELESS else url[len(protocol) + 3 :].partition("/")[0]
    if protocol in _AZURE:
        place = place.partition("@")[2]  # before it is a container
    # Options that are equal are one object, which is never changed.
    key = (protocol, place, id(options))
    task = _stores.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = asyncio.get_running_loop().create_task(_open(url, protocol, dict(options)))
        _stores[key] = task
    return await asyncio.shield(task)


async def _open(url: str, protocol: str, options: dict[str, Any]) -> Store:
    query = str(options.pop(PRIVATE_QUERY, ""))
    user = str(options.pop(PRIVATE_USER, ""))
    filesystem = _filesystem(url, protocol, options, user)
    innermost = protocol.rpartition("::")[2]
    if protocol in ("s3", "s3a"):
        from roverd.storage.remote.s3 import S3Store

        store: Store = await S3Store.opened(filesystem)
    elif protocol in ("http", "https"):
        from roverd.storage.remote.http import HTTPStore

        store = await HTTPStore.opened(filesystem)
        store.query = query
    elif protocol in _AZURE:
        from roverd.storage.remote.azure import AzureStore

        store = await AzureStore.opened(filesystem)
    elif protocol in ("gs", "gcs"):
        from roverd.storage.remote.gcs import GCSStore

        store = await GCSStore.opened(filesystem)
    elif query:
        raise UnsupportedError(f"{innermost}: takes no query in its URL")
    else:
        store = await Store.opened(filesystem)
    io_loop().closing.append(store.close)
    return store


def _filesystem(url: str, protocol: str, options: dict[str, Any], user: str) -> Any:
    library: Any = importlib.import_module("fsspec")  # without types

    chain = protocol.split("::")
    if set(chain) & set(_ARCHIVES):
        raise UnsupportedError(
            f"{redacted(url, url)}: folders in archives are not read from; unpack it, or name the "
            f"store that its content is in"
        )
    if user and protocol in _KEYED:
        raise UnsupportedError(
            f"{protocol}://: takes no user and password in its URL; give them with "
            f"storage_options=, a profile or the environment"
        )
    try:
        kinds = [library.get_filesystem_class(name) for name in chain]
    except (ImportError, ValueError) as error:
        raise _not_there(chain[-1], error) from None
    common: dict[str, Any] = {"skip_instance_cache": True}
    if len(chain) == 1 and getattr(kinds[0], "async_impl", False):
        loop = asyncio.get_running_loop()
        common |= {"asynchronous": True, "loop": loop, "use_listings_cache": False}
    if protocol in ("s3", "s3a"):
        # The retries are ours: a policy, in one place, for all stores.
        config = dict(options.get("config_kwargs", {}))
        config.setdefault("retries", {"max_attempts": 0})
        config.setdefault("max_pool_connections", 64)
        config.setdefault("signature_version", "s3v4")  # of addresses, too
        # What is sent has its MD5. By default botocore appends check sums of another kind, in a
        # way that many a server other than Amazon's does not understand.
        known: Any = importlib.import_module("botocore.config").Config.OPTION_DEFAULTS
        for name in ("request_checksum_calculation", "response_checksum_validation"):
            if name in known:  # older ones do not do so
                config.setdefault(name, "when_required")
        options["config_kwargs"] = config
    elif protocol in ("http", "https") and user:
        token = base64.b64encode(unquote(user).encode()).decode()
        options["headers"] = {"Authorization": f"Basic {token}", **options.get("headers", {})}
    elif user:
        start = url.index("://") + 3
        url = f"{url[:start]}{user}@{url[start:]}"
    return library.core.url_to_fs(url, **{**common, **options})[0]


def _not_there(protocol: str, error: Exception) -> UnsupportedError:
    extra = _EXTRAS.get(protocol)
    if extra is None:
        return UnsupportedError(f"{protocol}://: fsspec knows no such protocol ({error})")
    return UnsupportedError(
        f"{protocol}://: the library for it is not installed; pip install 'roverd[{extra}]'"
    )

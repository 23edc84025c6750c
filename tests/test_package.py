"""What `import roverd` gives, and what it costs."""

import inspect
import json
import pkgutil
import subprocess
import sys

import pytest
from abstract_dataloader import generic

import roverd
from roverd import Dataset, Trace, ops, split

# What is large or slow to load and only some users need.
HEAVY = ["cv2", "av", "torch", "fsspec", "s3fs", "matplotlib", "scipy", "rosbags", "PIL", "tqdm"]
NOT_FOR_NAMES = [*HEAVY, "tyro"]


def modules_after(statements: str) -> set[str]:
    """Names of the modules that a new interpreter has loaded after running `statements`."""
    code = f"{statements}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_the_package_exports_what_is_specified():
    assert set(roverd.__all__) == {
        "channels",
        "sensors",
        "timestamps",
        "types",
        "Trace",
        "Dataset",
        "split",
        "Recorder",
        "cache",
        "set_threads",
    }
    assert set(roverd.__all__) <= set(dir(roverd))
    assert all(hasattr(roverd, name) for name in roverd.__all__)


def test_modules_are_reached_as_attributes_of_the_package():
    code = (
        "import roverd\n"
        "roverd.channels.RawChannel, roverd.channels.utils.Prefetch, roverd.types.Pose\n"
        "roverd.channels.abstract.BlobChannel, roverd.sensors.Camera, roverd.timestamps.smooth\n"
        "roverd.Trace, roverd.Dataset, roverd.split, roverd.Recorder\n"
    )
    modules_after(code)
    modules_after("import roverd\nroverd.sync.Synchronization")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = roverd.nothing_of_the_kind
    with pytest.raises(ImportError):
        from roverd import nothing_of_the_kind  # noqa: F401


def test_star_import_gives_every_public_name():
    modules_after("from roverd import *\nTrace, Dataset, split, channels, sensors, types")


@pytest.mark.parametrize(
    "statement",
    [
        "import roverd",
        "from roverd import channels, sensors, timestamps, types, Trace, Dataset, split, Recorder",
    ],
)
def test_importing_loads_no_library_that_is_not_needed_yet(statement: str):
    loaded = modules_after(statement)
    assert not loaded & set(NOT_FOR_NAMES)


def test_reading_raw_frames_loads_no_codec(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(12))
    loaded = modules_after(
        "from roverd import channels\n"
        f"assert len(channels.RawChannel({str(path)!r}, 'i4', ()).read()) == 3"
    )
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "words",
    [
        ["list", "."],
        ["checksum", ".", "../sums.csv"],
        ["validate", "--help"],
        ["extract", "--help"],
    ],
)
def test_commands_that_need_no_arrays_do_not_load_them(tmp_path, monkeypatch, words: list[str]):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "config.yaml").touch()
    monkeypatch.chdir(tmp_path / "t")
    silent = "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()):"
    loaded = modules_after(f"from roverd.cli.main import run\n{silent} assert run({words}) == 0")
    assert not loaded & {"numpy", "typeguard"}


def test_no_module_takes_the_place_of_an_operation():
    modules = {module.name for module in pkgutil.iter_modules(ops.__path__)}
    assert not modules & set(ops.__all__)
    assert all(callable(getattr(ops, name)) for name in ops.__all__)
    modules_after("from roverd.ops import *\nvalidate, info, checksum")


def parameters(function: object, *, skip: int = 0) -> list[tuple[str, object]]:
    found = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(parameter.name, parameter.default) for parameter in found][skip:]


NONE_GIVEN = inspect.Parameter.empty


def test_signatures_of_traces_are_those_specified():
    assert [name for name, _ in parameters(Trace)[:3]] == ["sensors", "sync", "name"]
    assert parameters(Trace.find_sensors)[:2] == [("path", NONE_GIVEN), ("virtual", False)]
    (path, (sync, default), *rest) = parameters(Trace.from_config)
    assert path == ("path", NONE_GIVEN)
    assert sync == "sync"
    assert type(default) is generic.Empty
    assert rest[:3] == [("sensors", None), ("include_virtual", False), ("name", None)]


def test_signatures_of_datasets_are_those_specified():
    assert parameters(Dataset)[:1] == [("traces", NONE_GIVEN)]
    assert parameters(Dataset.from_config)[:5] == [
        ("paths", NONE_GIVEN),
        ("sync", NONE_GIVEN),
        ("sensors", None),
        ("include_virtual", False),
        ("workers", 0),
    ]
    found = inspect.signature(Dataset.find_traces).parameters
    assert found["paths"].kind is inspect.Parameter.VAR_POSITIONAL
    assert found["follow_symlinks"].default is False


def test_signature_of_split_is_that_specified():
    assert parameters(split)[:3] == [("dataset", NONE_GIVEN), ("start", 0.0), ("end", 1.0)]

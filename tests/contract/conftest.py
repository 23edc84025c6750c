"""Every contract test runs for every format and in every place that channels can be kept.

In stores, what is read was written to local files and uploaded; and only the formats with an object
for each frame are written to directly.
"""

import itertools
from pathlib import Path as LocalPath

import pytest

from roverd.channels import Channel
from roverd.storage import remote_storage
from roverd.storage.options import remember
from support.channels import CASES, Case, LocalPlace, MakeChannel, Place, RemotePlace
from support.stores import ObjectServer

READING = {"test_channels_reading", "test_channels_read_many"}
WRITING = {"test_channels_writing"}
SERVERS = ("s3", "azure", "http")
# A request to the tests' servers takes milliseconds: there, what tells most.
ON_SERVERS = {
    "test_an_index_keeps_the_leading_axis_and_counts_from_either_end": SERVERS,
    "test_any_sequence_of_integers_will_do": ("s3",),
    # That nothing is in a folder can be told only by those who list folders.
    "test_reading_what_is_not_there_names_the_file": ("s3", "azure"),
    "test_no_frames_are_a_channel_too": SERVERS,
}
# They append, cut or link, or are about what only a local disk can hold.
LOCAL_ONLY = {
    "test_len_and_reads_follow_what_others_add",
    "test_a_folder_in_place_of_a_file_and_the_other_way_round_is_an_error",
    "test_frames_that_were_added_meanwhile_are_there",
    "test_a_damaged_frame_is_an_error_that_names_the_file",
    "test_replacing_through_links_replaces_what_they_point_to",
    "test_a_dangling_link_is_where_the_file_will_be",
    # Many objects are not replaced at once; each of them is.
    "test_a_reader_never_sees_half_of_a_replacement",
    "test_refused_data_leaves_what_was_there_untouched",
    # A store has no folders, and so none without frames.
    "test_replacing_leaves_none_of_the_old",
    # Hundreds of reads, each of which is a round trip; what they are about is not where files are.
    "test_numpy_integers_of_every_width_are_numbers",
    "test_offsets_of_narrow_integers_do_not_overflow",
    "test_slices_are_those_of_an_array",
    "test_negative_numbers_are_refused",
    "test_what_is_no_index_is_a_type_error",
    "test_a_mask_is_refused",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    own = any("case" in str(mark.args[0]).replace(" ", "").split(",") for mark in marks)
    if "place" not in metafunc.fixturenames:
        if "case" in metafunc.fixturenames and not own:
            metafunc.parametrize("case", CASES, indirect=True, ids=str)
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    name = metafunc.function.__name__
    places = ["local"]
    if own:
        metafunc.parametrize("place", places, indirect=True)
        return
    if module in READING | WRITING and name not in LOCAL_ONLY:
        places += ["memory", *ON_SERVERS.get(name, ())]
    if "case" not in metafunc.fixturenames:
        metafunc.parametrize("place", places, indirect=True)
        return
    pairs = [
        pytest.param(case, place, id=f"{case}-{place}")
        for case, place in itertools.product(CASES, places)
        if place == "local" or module in READING or case.folder
    ]
    metafunc.parametrize(("case", "place"), pairs, indirect=True)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: LocalPath) -> Place:
    if request.param == "memory":
        return memory_place(tmp_path.name)
    if request.param in SERVERS:
        return server_place(request.getfixturevalue(f"{request.param}_server"), tmp_path.name)
    return LocalPlace(str(tmp_path))


def memory_place(name: str) -> RemotePlace:
    import fsspec

    memory = fsspec.filesystem("memory")

    def download(url: str) -> dict[str, bytes]:
        top = url.removeprefix("memory:/").rpartition("/")[0]
        return {f"memory:/{path}": memory.cat_file(path) for path in memory.find(top)}

    return RemotePlace(f"memory://{name}", memory.pipe_file, download)


def server_place(server: ObjectServer, name: str) -> RemotePlace:
    top = server.url(name)
    server.proxy.clear()
    remember(top, server.options)
    start = len(top) - len(name)

    def download(url: str) -> dict[str, bytes]:
        return {server.url(key): data for key, data in server.objects(f"{name}/").items()}

    def upload(url: str, data: bytes) -> None:
        server.put(url[start:], data)

    return RemotePlace(top, upload, download)


@pytest.fixture
def make_channel(
    request: pytest.FixtureRequest, case: Case, place: Place, tmp_path: LocalPath
) -> MakeChannel:
    """`make_channel(5)` is a channel with the frames 0 to 4, `make_channel()` one without data."""

    def make(count: int | None = None, name: str = "channel", first: int = 0) -> Channel:
        channel = case.open(place.path(name))
        if count is None:
            return channel
        writing = request.module.__name__.rpartition(".")[2] in WRITING
        if isinstance(place, LocalPlace) or (writing and count):
            channel.write(case.upto(count, first))
            return channel
        here = LocalPlace(str(tmp_path))
        case.open(here.path(name)).write(case.upto(count, first))
        for file, data in here.files(here.path(name)).items():
            place.put(place.path(file), data)
        if case.folder:
            # Without a file in it, there is no folder.
            place.put(f"{channel.path}/notes.txt", b"")
        remote_storage().forget(place.path(name).rpartition("/")[0])
        return channel

    return make

"""Every contract test runs for every format and in every place that channels can be kept."""

from pathlib import Path as LocalPath

import pytest

from roverd.channels import Channel
from support.channels import CASES, Case, LocalPlace, MakeChannel, Place


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(params=["local"])
def place(request: pytest.FixtureRequest, tmp_path: LocalPath) -> Place:
    assert request.param == "local"
    return LocalPlace(str(tmp_path))


@pytest.fixture
def make_channel(case: Case, place: Place) -> MakeChannel:
    """`make_channel(5)` is a channel with the frames 0 to 4, `make_channel()` one without data."""

    def make(count: int | None = None, name: str = "channel", first: int = 0) -> Channel:
        channel = case.open(place.path(name))
        if count is not None:
            channel.write(case.upto(count, first))
        return channel

    return make

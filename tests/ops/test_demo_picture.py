"""The overview picture is drawn whatever the recording's length, without pyplot's global state."""

import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from roverd.ops.demo.picture import Overview, draw


def overview(samples: int) -> Overview:
    generator = np.random.default_rng(0)
    curves = generator.normal(0, 1, (3, samples, 3)).astype("f4")
    stamps = {
        name: 1.76e9 + offset + np.arange(samples) / rate
        for name, offset, rate in (("imu", 0.0, 100), ("lidar", 0.05, 10), ("camera", 0.01, 30))
    }
    return Overview(
        title="a trace",
        image=generator.integers(0, 255, (90, 160, 3), "u1"),
        range_image=generator.integers(0, 9000, (16, 128), "u2"),
        azimuth=183.2,
        elevation=(22.5, -22.5),
        range_doppler=generator.normal(70, 3, (16, 32)).astype("f4"),
        range_resolution=0.05,
        doppler_resolution=0.06,
        acc=curves[0],
        avel=curves[1],
        rot=curves[2],
        timestamps=stamps,
        shown={name: float(times[samples // 2]) for name, times in stamps.items()},
    )


@pytest.mark.parametrize("samples", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_draws_a_picture(tmp_path, samples):
    path = tmp_path / "overview.png"
    pyplot_loaded = "matplotlib.pyplot" in sys.modules
    draw(overview(samples), str(path))
    with Image.open(path) as image:
        assert image.size == (1600, 1200)
        assert np.asarray(image.convert("RGB")).std() > 20
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_loaded

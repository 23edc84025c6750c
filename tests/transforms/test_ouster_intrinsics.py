"""Every layout of metadata is read; what is missing follows from the rest or is named."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roverd.errors import RoverdError
from roverd.transforms.ouster import LidarIntrinsics
from transforms.ouster_captures import DATA, LIDAR_JSON, METADATA

FIELDS = {
    "pixels_per_column": "lidar_data_format",
    "columns_per_frame": "lidar_data_format",
    "pixel_shift_by_row": "lidar_data_format",
    "beam_altitude_angles": "beam_intrinsics",
    "beam_azimuth_angles": "beam_intrinsics",
    "beam_to_lidar_transform": "beam_intrinsics",
    "lidar_origin_to_beam_origin_mm": "beam_intrinsics",
    "lidar_to_sensor_transform": "lidar_intrinsics",
    "prod_line": "sensor_info",
    "image_rev": "sensor_info",
    "lidar_mode": "config_params",
}
FIRST_GENERATION = [18, 12, 6, 0] * 16
OLD = sorted(DATA.glob("metadata/1_12_*.json"))

every_file = pytest.mark.parametrize(
    "path", METADATA, ids=[str(path.relative_to(DATA)) for path in METADATA]
)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def section_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Where a field stands, or would."""
    if isinstance(section := document.get(FIELDS[name]), dict):
        return section
    if FIELDS[name] == "lidar_data_format":
        return document.get("data_format", {})
    return document


def stated(document: dict[str, Any], name: str) -> Any:
    return section_of(document, name).get(name)


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    document = copy.deepcopy(document)
    for name in names:
        section_of(document, name).pop(name, None)
    return document


def parse(document: Any) -> LidarIntrinsics:
    return LidarIntrinsics.from_json(json.dumps(document))


@every_file
def test_what_a_file_states_is_what_is_read(path: Path) -> None:
    document = read(path)
    found = LidarIntrinsics.from_json(path.read_text())
    beams = len(stated(document, "beam_altitude_angles"))
    assert type(found.pixels_per_column) is type(found.columns_per_frame) is int
    assert found.pixels_per_column == beams
    assert f"{found.columns_per_frame}x10" == stated(document, "lidar_mode")
    shapes = {
        "pixel_shift_by_row": (beams,),
        "beam_altitude_angles": (beams,),
        "beam_azimuth_angles": (beams,),
        "beam_to_lidar_transform": (4, 4),
        "lidar_to_sensor_transform": (4, 4),
    }
    for name, shape in shapes.items():
        array = getattr(found, name)
        assert array.shape == shape
        assert array.dtype == (np.int64 if name == "pixel_shift_by_row" else np.float64)
        if (value := stated(document, name)) is not None:
            np.testing.assert_array_equal(array, np.reshape(value, shape))
    offset = stated(document, "lidar_origin_to_beam_origin_mm")
    if offset is not None:
        np.testing.assert_array_equal(found.beam_to_lidar_transform[:3, 3], [offset, 0, 0])


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.name)
def test_first_generation_sensors_that_state_no_format_have_the_documented_one(path: Path) -> None:
    found = LidarIntrinsics.from_json(path.read_text())
    assert (found.pixels_per_column, found.columns_per_frame) == (64, 1024)
    assert found.pixel_shift_by_row.tolist() == FIRST_GENERATION
    # What the same sensor stated later, with firmware 2.0.
    later = LidarIntrinsics.from_json(
        (DATA / "metadata/2_0_0_os1-991913000010-64.json").read_text()
    )
    np.testing.assert_array_equal(found.beam_to_lidar_transform, later.beam_to_lidar_transform)
    assert np.ptp(found.pixel_shift_by_row - later.pixel_shift_by_row) <= 2


@pytest.mark.parametrize("columns", [512, 1024, 2048])
def test_documented_shifts_go_with_the_columns(columns: int) -> None:
    document = read(OLD[0])
    document["config_params"]["lidar_mode"] = f"{columns}x10"
    expected = np.array(FIRST_GENERATION) * columns // 1024
    np.testing.assert_array_equal(parse(document).pixel_shift_by_row, expected)


def test_older_hardware_takes_a_missing_origin_from_its_product_line() -> None:
    seen: set[float] = set()
    for path in METADATA:
        document = read(path)
        offset = stated(document, "lidar_origin_to_beam_origin_mm")
        if offset is None or "bootes" in stated(document, "image_rev"):
            continue
        seen.add(offset)
        names = ("lidar_origin_to_beam_origin_mm", "beam_to_lidar_transform")
        assert parse(without(document, *names)) == LidarIntrinsics.from_json(path.read_text())
    assert seen == {12.163, 15.806, 27.67}


@pytest.mark.parametrize(
    ("line", "offset"), [("OS-2-128", 13.762), ("OS-1-16", 12.163), ("OS-0-64", 27.67)]
)
def test_origins_of_product_lines_without_a_sample(line: str, offset: float) -> None:
    names = ("lidar_origin_to_beam_origin_mm", "beam_to_lidar_transform")
    document = without(read(LIDAR_JSON), *names)
    document["sensor_info"]["prod_line"] = line
    assert parse(document).beam_to_lidar_transform[:3, 3].tolist() == [offset, 0, 0]


def test_older_hardware_takes_a_missing_sensor_transform_from_its_product_line() -> None:
    seen = 0
    for path in METADATA:
        document = read(path)
        if "bootes" not in stated(document, "image_rev"):
            seen += 1
            expected = LidarIntrinsics.from_json(path.read_text())
            assert parse(without(document, "lidar_to_sensor_transform")) == expected
    assert seen == 17


@every_file
def test_missing_counts_follow_from_the_angles_and_the_mode(path: Path) -> None:
    document = without(read(path), "pixels_per_column", "columns_per_frame")
    assert parse(document) == LidarIntrinsics.from_json(path.read_text())


@every_file
def test_missing_shifts_follow_from_the_azimuth_angles_but_for_a_turn_of_the_image(
    path: Path,
) -> None:
    expected = LidarIntrinsics.from_json(path.read_text()).pixel_shift_by_row
    found = parse(without(read(path), "pixel_shift_by_row")).pixel_shift_by_row
    if path.name.startswith("1_14"):  # a beta whose stated shifts are not those of its angles
        assert np.ptp(found - expected) == 16
    elif len(expected) == 64:
        assert found.tolist() == FIRST_GENERATION
        assert np.ptp(found - expected) <= 2
    else:
        assert np.ptp(found - expected) == 0


def test_shifts_of_the_first_generation_are_those_the_manufacturer_uses() -> None:
    document = read(DATA / "os1-64_fw2.0_1024x10_1frame_legacy" / "lidar.json")
    assert stated(document, "pixel_shift_by_row") == FIRST_GENERATION
    assert parse(without(document, "pixel_shift_by_row")) == parse(document)


@pytest.mark.parametrize("names", [("beam_to_lidar_transform",), ("lidar_to_sensor_transform",)])
@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("sensor_info", "image_rev", "ousteros-image-prod-bootes-v3.0.1"),
        ("sensor_info", "prod_line", "OS-DOME-128"),
        ("sensor_info", "prod_line", ""),
    ],
)
def test_other_hardware_has_no_defaults(
    names: tuple[str, ...], section: str, name: str, value: str
) -> None:
    document = without(read(LIDAR_JSON), *names, "lidar_origin_to_beam_origin_mm")
    document[section][name] = value
    with pytest.raises(ValueError, match=f"lack {names[0]},"):
        parse(document)


@pytest.mark.parametrize("name", ["beam_altitude_angles", "beam_azimuth_angles"])
@every_file
def test_what_does_not_follow_is_named(path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name) as error:
        parse(without(read(path), name))
    assert isinstance(error.value, RoverdError)


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError) as error:
        parse({})
    for name in LidarIntrinsics.__dataclass_fields__:
        assert name in str(error.value)
    document = without(read(LIDAR_JSON), "beam_altitude_angles", "columns_per_frame", "lidar_mode")
    with pytest.raises(ValueError, match="lack columns_per_frame, beam_altitude_angles, and"):
        parse(document)


def test_angles_alone_are_no_sensor_of_the_first_generation() -> None:
    document = without(read(OLD[1]), "prod_line", "lidar_to_sensor_transform", "image_rev")
    assert parse(document) == LidarIntrinsics.from_json(OLD[1].read_text())
    document["beam_azimuth_angles"] = [4.2, 1.4, -1.4, -4.2] * 16
    with pytest.raises(ValueError, match="lack beam_to_lidar_transform, lidar_to_sensor_transform"):
        parse(document)


NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400
DAMAGE: list[tuple[str, Any]] = [
    *(("pixels_per_column", x) for x in (127, 0, -128, 10**12, HUGE, 1.5, NAN, True, "128", [128])),
    *(("columns_per_frame", x) for x in (0, -1024, 10**9, HUGE, 1e300, INFINITE, "1024", {}, [])),
    *(
        ("pixel_shift_by_row", x)
        for x in (0, [], [0] * 127, [[0] * 128], [0.5] * 128, [HUGE] * 128)
    ),
    *(("pixel_shift_by_row", x) for x in (["0"] * 128, [None] * 128, [NAN] * 128, [2**63] * 128)),
    *(("beam_altitude_angles", x) for x in (1.0, [1.0], [NAN] * 128, [INFINITE] * 128, {"0": 1.0})),
    *(("beam_azimuth_angles", x) for x in ("up", [[]], [1, [2]], [True] * 128, [1.0] * 127)),
    *(
        ("beam_to_lidar_transform", x)
        for x in (1.0, [0.0] * 15, [0.0] * 16, [NAN] * 16, ["1"] * 16)
    ),
    *(("lidar_to_sensor_transform", x) for x in ([], [[1.0] * 4] * 3, [[1.0] * 4] * 4, "none")),
]


@pytest.mark.parametrize(("name", "value"), DAMAGE, ids=lambda x: f"{x!r:.24}")
def test_damaged_fields_are_named(name: str, value: Any) -> None:
    document = read(LIDAR_JSON)
    section_of(document, name)[name] = value
    with pytest.raises(ValueError, match=name) as error:
        parse(document)
    assert isinstance(error.value, RoverdError)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("value", ["error: Command not recognized.", HUGE, NAN, [15.8], None])
def test_a_damaged_origin_is_named(value: Any) -> None:
    document = without(read(LIDAR_JSON), "beam_to_lidar_transform")
    document["beam_intrinsics"]["lidar_origin_to_beam_origin_mm"] = value
    if value is None:
        assert parse(document) == parse(read(LIDAR_JSON))
        return
    with pytest.raises(ValueError, match="lidar_origin_to_beam_origin_mm"):
        parse(document)


@pytest.mark.parametrize("mode", ["MODE_1024x10", "1024", 1024, "x10", "-1x10", "９x10", "9" * 99])
def test_a_damaged_mode_is_named(mode: Any) -> None:
    document = without(read(LIDAR_JSON), "columns_per_frame")
    document["config_params"]["lidar_mode"] = mode
    with pytest.raises(ValueError, match="lidar_mode"):
        parse(document)


@pytest.mark.parametrize("mode", ["0x10", "999999999x10"])
def test_a_mode_of_impossible_columns_is_refused(mode: str) -> None:
    document = without(read(LIDAR_JSON), "columns_per_frame", "pixel_shift_by_row")
    document["config_params"]["lidar_mode"] = mode
    with pytest.raises(ValueError, match="columns_per_frame: expected 1 to 65536"):
        parse(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"lidar"',
        "12",
        "{",
        LIDAR_JSON.read_text()[:-1],
        "[" * 100_000,
        '{"a":' * 100_000,
        "\0",
        b"\xff\xfe\xfd",
        LIDAR_JSON.read_bytes() + b"\x80",
        '{"pixels_per_column": ' + "9" * 10_000 + "}",
    ],
    ids=lambda text: f"{text!r:.16}",
)
def test_other_text_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="lidar metadata"):
        LidarIntrinsics.from_json(text)


def test_extrinsics_change_nothing() -> None:
    path = DATA / "os0-8_fw3.2_2048x10_10frames_no_nir" / "lidar.json"
    document = read(path)
    assert document["ouster-sdk"]["extrinsic"][0] != 1.0
    assert parse({k: v for k, v in document.items() if k != "ouster-sdk"}) == parse(document)


def made(**changes: Any) -> LidarIntrinsics:
    fields: dict[str, Any] = {
        "pixels_per_column": 2,
        "columns_per_frame": 8,
        "pixel_shift_by_row": [0, 1],
        "beam_altitude_angles": [10, -10],
        "beam_azimuth_angles": [0.0, 3.5],
        "beam_to_lidar_transform": np.eye(4),
        "lidar_to_sensor_transform": np.eye(4).tolist(),
    }
    return LidarIntrinsics(**(fields | changes))


def test_intrinsics_are_made_of_lists_and_arrays() -> None:
    found = made()
    assert found.pixel_shift_by_row.dtype == np.int64
    assert found.beam_altitude_angles.dtype == np.float64
    assert found == made(beam_altitude_angles=np.array([10, -10], np.float32))
    assert found != made(columns_per_frame=16)
    assert found != made(beam_azimuth_angles=[0.0, 3.25])
    assert found != "intrinsics"
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own


def test_intrinsics_cannot_be_changed_and_are_no_part_of_what_they_were_made_of() -> None:
    shifts = np.array([0, 1])
    found = made(pixel_shift_by_row=shifts)
    shifts[:] = 5
    assert found.pixel_shift_by_row.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        found.pixel_shift_by_row[0] = 1
    with pytest.raises(AttributeError):
        found.columns_per_frame = 4  # pyright: ignore[reportAttributeAccessIssue]

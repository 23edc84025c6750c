"""What is known of a lidar from its metadata."""

import json
import re
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from roverd.errors import MetadataError
from roverd.transforms.ouster import defaults

_MOST = 1 << 16  # columns are numbered with 16 bits


@dataclass(frozen=True, eq=False)
class LidarIntrinsics:
    """Geometry of an Ouster lidar.

    The arrays may be given as lists; they are copied, and cannot be written to.

    Attributes:
        pixels_per_column: number of beams, which are the rows of an image.
        columns_per_frame: number of columns of an image, one revolution.
        pixel_shift_by_row: columns to move each row to the right by, to destagger an image.
        beam_altitude_angles: elevation of each beam, degrees.
        beam_azimuth_angles: offset of each beam about the axis, degrees, clockwise from above.
        beam_to_lidar_transform: homogeneous, mm: where the beams of the column that the encoder
            counts as 0 start, in the lidar's frame.
        lidar_to_sensor_transform: homogeneous, mm: from the lidar's frame to the sensor's.

    Raises:
        MetadataError: a `ValueError`: counts, shapes or values make no sense; the message names
            the field.
    """

    pixels_per_column: int
    columns_per_frame: int
    pixel_shift_by_row: Int64[np.ndarray, " beam"]
    beam_altitude_angles: Float64[np.ndarray, " beam"]
    beam_azimuth_angles: Float64[np.ndarray, " beam"]
    beam_to_lidar_transform: Float64[np.ndarray, "4 4"]
    lidar_to_sensor_transform: Float64[np.ndarray, "4 4"]

    def __post_init__(self) -> None:
        for name in ("pixels_per_column", "columns_per_frame"):
            object.__setattr__(self, name, _count(name, getattr(self, name)))
        beams = (self.pixels_per_column,)
        shifts = _whole("pixel_shift_by_row", self.pixel_shift_by_row, beams)
        object.__setattr__(self, "pixel_shift_by_row", shifts)
        for name in ("beam_altitude_angles", "beam_azimuth_angles"):
            object.__setattr__(self, name, _finite(name, getattr(self, name), beams))
        for name in ("beam_to_lidar_transform", "lidar_to_sensor_transform"):
            object.__setattr__(self, name, _transform(name, getattr(self, name)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LidarIntrinsics):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @classmethod
    def from_json(cls, text: str | bytes) -> "LidarIntrinsics":
        """Read the sensor's metadata, as any firmware or version of the manufacturer's SDK has it.

        Both layouts are read: in sections (`lidar_data_format`, `beam_intrinsics`,
        `lidar_intrinsics`, `config_params`, `sensor_info`), and the older flat one. What firmware
        before 2.0 did not state follows from the rest (see `roverd.transforms.ouster.defaults`):

        | field | follows from |
        |---|---|
        | `pixels_per_column` | the number of beam angles |
        | `columns_per_frame` | `lidar_mode`, such as `1024x10` |
        | `pixel_shift_by_row` | columns per frame and `beam_azimuth_angles` |
        | `beam_to_lidar_transform` | `lidar_origin_to_beam_origin_mm`, or the product line |
        | `lidar_to_sensor_transform` | the product line |

        Args:
            text: of `lidar.json`.

        Raises:
            MetadataError: a `ValueError`: not JSON, or fields that are missing and do not follow
                from others (all of them are named), or that make no sense.
        """
        document = _Document(text)
        found: dict[str, Any] = {
            "pixels_per_column": document.format("pixels_per_column"),
            "columns_per_frame": document.format("columns_per_frame"),
            "pixel_shift_by_row": document.format("pixel_shift_by_row"),
            "beam_altitude_angles": document.value("beam_intrinsics", "beam_altitude_angles"),
            "beam_azimuth_angles": document.value("beam_intrinsics", "beam_azimuth_angles"),
            "beam_to_lidar_transform": document.value("beam_intrinsics", "beam_to_lidar_transform"),
            "lidar_to_sensor_transform": document.value(
                "lidar_intrinsics", "lidar_to_sensor_transform"
            ),
        }
        _derive(found, document)
        missing = [name for name, value in found.items() if value is None]
        if missing:
            raise MetadataError(
                f"lidar metadata lack {', '.join(missing)}, and what is there does not tell "
                f"{'it' if len(missing) == 1 else 'them'}; expected the metadata JSON of an Ouster "
                f"sensor"
            )
        return cls(**found)


def _derive(found: dict[str, Any], document: "_Document") -> None:
    """Fill in what follows from other fields."""
    azimuths = found["beam_azimuth_angles"]
    if azimuths is not None:
        azimuths = _finite("beam_azimuth_angles", azimuths, (None,))
        if found["pixels_per_column"] is None:
            found["pixels_per_column"] = len(azimuths)
    mode = document.value("config_params", "lidar_mode")
    if found["columns_per_frame"] is None and mode is not None:
        found["columns_per_frame"] = _columns(mode)
    if found["pixel_shift_by_row"] is None and azimuths is not None:
        columns = found["columns_per_frame"]
        if columns is not None:
            columns = _count("columns_per_frame", columns)
            found["pixel_shift_by_row"] = defaults.pixel_shifts(azimuths, columns)
    line, image = (document.text("sensor_info", name) for name in ("prod_line", "image_rev"))
    if found["beam_to_lidar_transform"] is None:
        offset = document.value("beam_intrinsics", "lidar_origin_to_beam_origin_mm")
        if offset is None and azimuths is not None:
            offset = defaults.beam_origin(line, image, azimuths)
        if offset is not None:
            transform = np.eye(4)
            transform[0, 3] = _finite("lidar_origin_to_beam_origin_mm", offset, ())
            found["beam_to_lidar_transform"] = transform
    if found["lidar_to_sensor_transform"] is None and azimuths is not None:
        found["lidar_to_sensor_transform"] = defaults.lidar_to_sensor(line, image, azimuths)


class _Document:
    """Metadata of either layout."""

    def __init__(self, text: str | bytes) -> None:
        try:
            document: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MetadataError(f"lidar metadata are not valid JSON ({error})") from error
        if not isinstance(document, dict):
            raise MetadataError(
                f"lidar metadata: expected a JSON object, got {type(document).__name__}"
            )
        self._document = cast(dict[str, Any], document)

    def value(self, section: str, name: str) -> Any:
        """A field, of its section or at the top; `None` if there is none."""
        # Firmware that does not know a section has a line of text in its place.
        inside = self._document.get(section)
        if isinstance(inside, dict):
            value = cast(dict[str, Any], inside).get(name)
            if value is not None:
                return value
        return self._document.get(name)

    def format(self, name: str) -> Any:
        """A field of the data format, which has another name in each layout."""
        value = self.value("lidar_data_format", name)
        return self.value("data_format", name) if value is None else value

    def text(self, section: str, name: str) -> str:
        """A text, empty if there is none."""
        value = self.value(section, name)
        return value if isinstance(value, str) else ""


def _columns(mode: Any) -> int:
    match = re.fullmatch(r"(\d{1,9})x\d{1,9}", mode, re.ASCII) if isinstance(mode, str) else None
    if match is None:
        raise MetadataError(
            f"lidar_mode: expected columns and rate such as '1024x10', got {mode!r:.40}"
        )
    return int(match[1])


def _numbers(name: str, value: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """An array of integers or finite floats; `None` in the shape stands for any length."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError, RecursionError):
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise MetadataError(f"{name}: expected {_wanted(shape)}, got {value!r:.60}")
    if len(array.shape) != len(shape) or any(
        expected not in (None, size) for expected, size in zip(shape, array.shape, strict=True)
    ):
        raise MetadataError(f"{name}: expected {_wanted(shape)}, got {_size(array.shape)}")
    if not np.isfinite(array).all():
        raise MetadataError(f"{name}: expected finite numbers, got {value!r:.60}")
    return array


def _wanted(shape: tuple[int | None, ...]) -> str:
    if not shape:
        return "a number"
    if None in shape:
        return "numbers"
    beams = " (as pixels_per_column says)" if len(shape) == 1 else ""
    return _size(cast(tuple[int, ...], shape)) + beams


def _size(shape: tuple[int, ...]) -> str:
    return f"{' × '.join(map(str, shape))} numbers" if shape else "a single number"


def _finite(name: str, value: Any, shape: tuple[int | None, ...]) -> Float64[np.ndarray, "..."]:
    return _frozen(_numbers(name, value, shape).astype(np.float64))


def _whole(name: str, value: Any, shape: tuple[int | None, ...]) -> Int64[np.ndarray, "..."]:
    array = _numbers(name, value, shape)
    if np.any(array != np.rint(array)) or np.any(np.abs(array.astype(np.float64)) >= 2**53):
        raise MetadataError(f"{name}: expected integers, got {value!r:.60}")
    return _frozen(array.astype(np.int64))


def _count(name: str, value: Any) -> int:
    count = int(_whole(name, value, ()))
    if not 0 < count <= _MOST:
        raise MetadataError(f"{name}: expected 1 to {_MOST}, got {count}")
    return count


def _transform(name: str, value: Any) -> Float64[np.ndarray, "4 4"]:
    """A homogeneous matrix, given as such or as its 16 numbers, row by row."""
    if isinstance(value, list) and len(cast(list[Any], value)) == 16:
        value = [value[row : row + 4] for row in range(0, 16, 4)]
    matrix = _finite(name, value, (4, 4))
    if matrix[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
        raise MetadataError(f"{name}: expected a last row of 0, 0, 0, 1, got {matrix[3].tolist()}")
    return matrix


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array

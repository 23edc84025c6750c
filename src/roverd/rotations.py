"""Rotations as quaternions, matrices and Euler angles, and what lies between two of them.

Quaternions are unit quaternions in the order x, y, z, w (Hamilton's). What is no rotation (numbers
that are none, a quaternion of zeros, a matrix that is not orthogonal or mirrors) becomes NaN.
"""

import numpy as np
from jaxtyping import Float, Float64

_ORTHOGONAL = 1e-2  # how far from it a matrix may be: float32, and averages of neighbours, are less
_POLE = 1e-7  # cosine of the middle angle, below which the other two turn about the same axis


def euler_to_quaternion(angles: Float[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 4"]:
    """Orientations as unit quaternions.

    The angles a, b, c are intrinsic: turned first by a about x, then by b about the y axis as it
    is by then, then by c about the z axis as it is by then. The quaternion is Hamilton's product
    q_x(a) q_y(b) q_z(c) of those of the three turns, `(sin(a/2), 0, 0, cos(a/2))` and so on,
    multiplied out. It is that of `scipy.spatial.transform.Rotation.from_euler("XYZ", angles)`.

    Args:
        angles: about x, y and z, in radians.

    Returns:
        The quaternions, in the order x, y, z, w. Angles that are no numbers give none.
    """
    with np.errstate(invalid="ignore"):
        half = np.asarray(angles, np.float64) / 2
        sine, cosine = np.sin(half), np.cos(half)
    sx, sy, sz = sine[..., 0], sine[..., 1], sine[..., 2]
    cx, cy, cz = cosine[..., 0], cosine[..., 1], cosine[..., 2]
    return np.stack(
        [
            sx * cy * cz + cx * sy * sz,
            cx * sy * cz - sx * cy * sz,
            cx * cy * sz + sx * sy * cz,
            cx * cy * cz - sx * sy * sz,
        ],
        axis=-1,
    )


def quaternion_to_euler(
    quaternions: Float64[np.ndarray, "*batch 4"],
) -> Float64[np.ndarray, "*batch 3"]:
    """Unit quaternions as the angles that `euler_to_quaternion` takes.

    Args:
        quaternions: in the order x, y, z, w.

    Returns:
        Angles about x, y and z, in radians: the middle one from -π/2 to π/2. Where it is one of
        these, only the sum or difference of the others is known, and the last is given as 0.
    """
    matrix = quaternion_to_matrix(quaternions)
    # Of R = Rx(a) Ry(b) Rz(c), multiplied out.
    cosine = np.hypot(matrix[..., 0, 0], matrix[..., 0, 1])
    middle = np.arctan2(matrix[..., 0, 2], cosine)
    pole = cosine < _POLE
    first = np.where(
        pole,
        np.arctan2(matrix[..., 2, 1], matrix[..., 1, 1]),
        np.arctan2(-matrix[..., 1, 2], matrix[..., 2, 2]),
    )
    last = np.where(pole, 0.0, np.arctan2(-matrix[..., 0, 1], matrix[..., 0, 0]))
    return np.stack([first, middle, last], axis=-1)


def quaternion_to_matrix(
    quaternions: Float64[np.ndarray, "*batch 4"],
) -> Float64[np.ndarray, "*batch 3 3"]:
    """Unit quaternions as rotation matrices.

    Args:
        quaternions: in the order x, y, z, w.

    Returns:
        The matrices, which turn column vectors.
    """
    vector, w = quaternions[..., :3], quaternions[..., 3]
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    # R = (w² - v·v) I + 2 v vᵀ + 2 w [v]×
    matrix = 2 * vector[..., :, None] * vector[..., None, :]
    matrix += ((w * w - (vector * vector).sum(-1))[..., None, None]) * np.eye(3)
    for row, column, part in ((2, 1, x), (0, 2, y), (1, 0, z)):
        matrix[..., row, column] += 2 * w * part
        matrix[..., column, row] -= 2 * w * part
    return matrix


def matrix_to_quaternion(
    matrices: Float[np.ndarray, "*batch 3 3"],
) -> Float64[np.ndarray, "*batch 4"]:
    """Rotation matrices as unit quaternions.

    The quaternion is that of the rotation that is nearest to the matrix: the eigenvector of the
    largest eigenvalue of a symmetric matrix (I. Y. Bar-Itzhack, "New method for extracting the
    quaternion from a rotation matrix", J. Guidance, Control, and Dynamics 23(6), 2000).

    Args:
        matrices: that turn column vectors.

    Returns:
        The quaternions, in the order x, y, z, w; NaN for a matrix that is none of a rotation.
    """
    given = np.asarray(matrices, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(given @ np.swapaxes(given, -1, -2) - np.eye(3)).max((-1, -2), initial=0)
        sound = error < _ORTHOGONAL
    matrix = np.where(sound[..., None, None], given, np.eye(3))
    sound &= np.linalg.det(matrix) > 0
    trace = np.trace(matrix, axis1=-2, axis2=-1)
    symmetric = np.empty((*matrix.shape[:-2], 4, 4))
    symmetric[..., :3, :3] = (
        matrix + np.swapaxes(matrix, -1, -2) - trace[..., None, None] * np.eye(3)
    )
    for place, (row, column) in enumerate(((2, 1), (0, 2), (1, 0))):
        part = matrix[..., row, column] - matrix[..., column, row]
        symmetric[..., place, 3] = symmetric[..., 3, place] = part
    symmetric[..., 3, 3] = trace
    quaternions = np.linalg.eigh(symmetric).eigenvectors[..., -1]
    return np.where(sound[..., None], quaternions, np.nan)


def slerp(
    start: Float[np.ndarray, "*batch 4"],
    end: Float[np.ndarray, "*batch 4"],
    weight: float,
) -> Float64[np.ndarray, "*batch 4"]:
    """Rotations on the way from some to others, at a constant angular velocity, the shorter way.

    `(sin((1 - w) θ) q + sin(w θ) r) / sin θ` with θ the angle between the quaternions q and r
    (K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985), of the two that stand
    for the same rotation the r that is nearer to q. Of rotations that are half a turn apart, both
    ways are equally long, and one is taken.

    Args:
        start: quaternions, in whatever order of their parts, of any length but 0.
        end: the same.
        weight: 0 for the start to 1 for the end.

    Returns:
        Unit quaternions; NaN where one of the two is no quaternion.
    """
    first, second = _normalised(start), _normalised(end)
    second = np.where((first * second).sum(-1, keepdims=True) < 0, -second, second)
    # More precise than the arc cosine of a product that is nearly 1.
    angle = 2 * np.arctan2(_length(second - first), _length(second + first))
    with np.errstate(invalid="ignore", divide="ignore"):
        near = angle < 1e-8
        sine = np.sin(angle)
        a = np.where(near, 1 - weight, np.sin((1 - weight) * angle) / sine)
        b = np.where(near, weight, np.sin(weight * angle) / sine)
    return _normalised(a * first + b * second)


def _length(vectors: Float64[np.ndarray, "*batch n"]) -> Float64[np.ndarray, "*batch 1"]:
    return np.sqrt((vectors * vectors).sum(-1, keepdims=True))


def _normalised(quaternions: Float[np.ndarray, "*batch 4"]) -> Float64[np.ndarray, "*batch 4"]:
    values = np.asarray(quaternions, np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        unit = values / _length(values)
    return np.where(np.isfinite(unit).all(-1, keepdims=True), unit, np.nan)

"""The room that lidar, camera and radar look at: furniture, and people walking about.

One ray caster serves lidar and camera, so what they show agrees.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from roverd.ops.demo.motion import Wave


@dataclass(frozen=True)
class Box:
    """A box with its edges along the axes of the room.

    Attributes:
        low: corner with the smallest coordinates, metres.
        high: opposite corner, metres.
        colour: RGB, 0-255.
        reflectivity: at the lidar's wavelength, 0-1.
        cross_section: radar cross section, m², of its centre.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: tuple[int, int, int]
    reflectivity: float
    cross_section: float


@dataclass(frozen=True)
class Person:
    """A person walking: an upright cylinder.

    Attributes:
        x: position along the room as a function of time, metres.
        y: position across the room, metres.
        colour: RGB of the clothes, 0-255.
        reflectivity: at the lidar's wavelength, 0-1.
        height: metres.
        radius: metres.
        cross_section: radar cross section, m².
    """

    x: Wave
    y: Wave
    colour: tuple[int, int, int]
    reflectivity: float
    height: float = 1.75
    radius: float = 0.22
    cross_section: float = 0.6

    def position(self, t: Float64[np.ndarray, "*n"], order: int = 0) -> Float64[np.ndarray, "*n 3"]:
        """Middle of the body in the world (m), or its velocity (m/s) with order 1."""
        z = np.full(np.shape(t), self.height / 2 if order == 0 else 0.0)
        return np.stack([self.x(t, order), self.y(t, order), z], axis=-1)


@dataclass(frozen=True)
class Hits:
    """Where rays end.

    Attributes:
        distance: metres from the origin of the ray.
        point: in the world, metres.
        surface: 0-5 the room (x-, x+, y-, y+, floor, ceiling), then the boxes, then the people.
        facing: cosine between the ray and the surface's normal.
    """

    distance: Float32[np.ndarray, " n"]
    point: Float32[np.ndarray, "3 n"]
    surface: UInt8[np.ndarray, " n"]
    facing: Float32[np.ndarray, " n"]


ROOM_COLOURS = (
    (206, 196, 176),
    (176, 192, 206),
    (196, 206, 180),
    (206, 184, 184),
    (150, 118, 86),
    (236, 236, 232),
)
ROOM_REFLECTIVITIES = (0.55, 0.6, 0.5, 0.6, 0.25, 0.8)


@dataclass(frozen=True)
class Scene:
    """A closed room with things in it.

    Attributes:
        low: corner of the room with the smallest coordinates, metres; the floor is at z = 0.
        high: opposite corner, metres.
        boxes: furniture.
        people: walkers.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    boxes: tuple[Box, ...]
    people: tuple[Person, ...]

    @property
    def colours(self) -> Float32[np.ndarray, "surface 3"]:
        """RGB of every surface, 0-255."""
        things = [thing.colour for thing in (*self.boxes, *self.people)]
        return np.array([*ROOM_COLOURS, *things], dtype=np.float32)

    @property
    def reflectivities(self) -> Float32[np.ndarray, " surface"]:
        """Lidar reflectivity of every surface, 0-1."""
        things = [thing.reflectivity for thing in (*self.boxes, *self.people)]
        return np.array([*ROOM_REFLECTIVITIES, *things], dtype=np.float32)

    def cast(
        self,
        origin: Float32[np.ndarray, "3 n"],
        direction: Float32[np.ndarray, "3 n"],
        time: Float64[np.ndarray, " n"],
    ) -> Hits:
        """Follow rays to the first surface.

        Args:
            origin: start of each ray inside the room, metres.
            direction: unit vectors.
            time: when each ray looks, seconds; people move.
        """
        # A component of exactly zero would make 0 * inf in the slab tests below.
        safe = np.where(np.abs(direction) < 1e-9, np.float32(1e-9), direction)
        inverse = 1 / safe
        distance, axis = self._cast_walls(origin, inverse)
        upper = np.take_along_axis(safe, axis[None], axis=0)[0] > 0
        surface = (2 * axis + upper).astype(np.uint8)
        facing = np.abs(np.take_along_axis(safe, axis[None], axis=0)[0])

        for number, box in enumerate(self.boxes, start=6):
            first = (np.array(box.low, np.float32)[:, None] - origin) * inverse
            second = (np.array(box.high, np.float32)[:, None] - origin) * inverse
            entries = np.minimum(first, second)
            near = entries.max(axis=0)
            far = np.maximum(first, second).min(axis=0)
            (hit,) = np.nonzero((near <= far) & (near > 0) & (near < distance))
            distance[hit] = near[hit]
            surface[hit] = number
            facing[hit] = np.abs(safe[entries[:, hit].argmax(axis=0), hit])

        for number, person in enumerate(self.people, start=6 + len(self.boxes)):
            near, cosine = _cast_person(person, origin, safe, time)
            hit = near < distance
            distance = np.where(hit, near, distance)
            surface[hit] = number
            facing = np.where(hit, cosine, facing)
        return Hits(distance, origin + distance * safe, surface, facing)

    def _cast_walls(
        self, origin: Float32[np.ndarray, "3 n"], inverse: Float32[np.ndarray, "3 n"]
    ) -> tuple[Float32[np.ndarray, " n"], np.ndarray]:
        """Distance to the room's own surfaces, and the axis that each ray hits them along."""
        low = np.array(self.low, np.float32)[:, None]
        high = np.array(self.high, np.float32)[:, None]
        exits = np.where(inverse > 0, high - origin, low - origin) * inverse
        axis = exits.argmin(axis=0)
        return np.take_along_axis(exits, axis[None], axis=0)[0], axis


def _cast_person(
    person: Person,
    origin: Float32[np.ndarray, "3 n"],
    direction: Float32[np.ndarray, "3 n"],
    time: Float64[np.ndarray, " n"],
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Distance to the side of the upright cylinder (infinite: missed), and cosine at the hit."""
    x, y = origin[0] - person.x(time), origin[1] - person.y(time)
    # |(x, y) + s (dx, dy)|² = radius², solved for the smaller s.
    a = direction[0] ** 2 + direction[1] ** 2
    half_b = x * direction[0] + y * direction[1]
    discriminant = half_b**2 - a * (x**2 + y**2 - person.radius**2)
    with np.errstate(invalid="ignore"):
        near = (-half_b - np.sqrt(discriminant)) / a
        z = origin[2] + near * direction[2]
        hit = (discriminant > 0) & (near > 0) & (z < person.height)
    distance = np.where(hit, near, np.inf).astype(np.float32)
    cosine = np.sqrt(np.clip(discriminant, 0, None)) / person.radius
    return distance, np.minimum(cosine, 1).astype(np.float32)


def living_room(generator: np.random.Generator) -> Scene:
    """A furnished room of 10 x 8 x 2.8 m, two people walking in front of where the rig drives.

    Args:
        generator: chooses where in their walk the people start.
    """
    phase = generator.uniform(0, 2 * np.pi, 4)
    furniture = (
        Box((4.3, 2.2, 0.0), (5.0, 3.9, 1.9), (120, 78, 48), 0.35, 1.0),  # cabinet
        Box((1.0, -3.9, 0.0), (3.2, -3.0, 0.85), (60, 92, 130), 0.3, 0.3),  # sofa
        Box((-0.8, 2.5, 0.70), (0.8, 3.6, 0.76), (190, 150, 96), 0.45, 0.1),  # table top
        Box((-0.75, 2.55, 0.0), (-0.67, 3.55, 0.70), (150, 112, 70), 0.4, 0.1),  # its left side
        Box((0.67, 2.55, 0.0), (0.75, 3.55, 0.70), (150, 112, 70), 0.4, 0.1),  # its right side
        Box((-4.9, -3.5, 0.0), (-4.4, -1.0, 2.1), (104, 88, 76), 0.3, 0.5),  # shelf, behind the rig
        Box((3.4, -2.3, 0.0), (3.8, -1.9, 2.8), (176, 172, 166), 0.65, 1.5),  # pillar
        Box((-0.2, -2.6, 0.0), (0.3, -2.1, 0.5), (204, 160, 72), 0.5, 0.4),  # crate
        Box((4.95, -0.9, 1.1), (5.0, 0.7, 2.0), (28, 30, 36), 0.06, 0.8),  # screen on the wall
    )
    people = (
        Person(  # mostly towards the rig and away from it
            Wave(1.2, 1.3, 0.9, phase[0]), Wave(-0.9, 0.4, 0.5, phase[1]), (196, 62, 56), 0.4
        ),
        Person(  # mostly across
            Wave(2.9, 0.25, 0.7, phase[2]),
            Wave(0.9, 1.1, 0.8, phase[3]),
            (52, 128, 88),
            0.7,
            height=1.65,
        ),
    )
    return Scene((-5.0, -4.0, 0.0), (5.0, 4.0, 2.8), furniture, people)

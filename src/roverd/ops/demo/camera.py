"""Camera of the simulated rig: the room, with the number of the frame written over it.

The number is there twice: for people, in large digits, and for programs, as 16 black or white
blocks in the corner that survive JPEG, so that a test can tell which frame it got.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from roverd.ops.demo.motion import RigMotion
from roverd.ops.demo.scene import Scene

BLOCK = 16
"""Edge of one block of the frame number, pixels."""

BITS = 16
"""Blocks of the frame number, the least significant first."""


@dataclass(frozen=True)
class Camera:
    """Pinhole camera at the origin of the rig, looking ahead.

    Attributes:
        width: pixels; even, as the height.
        height: pixels.
        focal_length: pixels.
    """

    width: int = 640
    height: int = 360
    focal_length: float = 340.0

    def rays(self) -> Float32[np.ndarray, "3 n"]:
        """Unit vectors through every second pixel of every second row, in the rig frame.

        Half the resolution is a quarter of the work; the picture is enlarged afterwards.
        """
        u = (np.arange(0, self.width, 2) + 1 - self.width / 2) / self.focal_length
        v = (np.arange(0, self.height, 2) + 1 - self.height / 2) / self.focal_length
        right, down = np.meshgrid(u, v)
        # Image axes are right and down; those of the rig ahead, left and up.
        ahead = np.stack([np.ones_like(right), -right, -down]).reshape(3, -1)
        return (ahead / np.linalg.norm(ahead, axis=0)).astype(np.float32)

    def take(
        self, scene: Scene, motion: RigMotion, time: float, number: int
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Take a picture.

        Args:
            scene: what there is to see.
            motion: of the rig.
            time: seconds.
            number: written over the picture.

        Returns:
            RGB image.
        """
        import cv2

        now = np.array(time)
        direction = motion.rotation(now).astype(np.float32) @ self.rays()
        origin = np.repeat(motion.position(now).astype(np.float32)[:, None], direction.shape[1], 1)
        hits = scene.cast(origin, direction, np.repeat(now, direction.shape[1]))

        x, y, z = hits.point
        tiles = (np.floor(2 * x) + np.floor(2 * y)) % 2 * (hits.surface == 4)
        panels = (np.floor(x + y) % 2) * (hits.surface < 4) * (z > 0.1)
        light = (0.55 + 0.45 * hits.facing) * (1 - 0.25 * tiles - 0.06 * panels)
        light /= 1 + 0.02 * hits.distance**2
        small = (scene.colours[hits.surface] * (1.15 * light)[:, None]).clip(0, 255)
        small = small.astype(np.uint8).reshape(self.height // 2, self.width // 2, 3)
        image = np.asarray(
            cv2.resize(small, (self.width, self.height), interpolation=cv2.INTER_LINEAR), np.uint8
        )
        label = f"{number:05d}"
        for colour, thickness in ((0, 9), (255, 3)):
            cv2.putText(
                image,
                label,
                (12, self.height - 18),
                cv2.FONT_HERSHEY_SIMPLEX,
                2.0,
                (colour, colour, colour),
                thickness,
                cv2.LINE_AA,
            )
        write_number(image, number)
        return image


def write_number(image: UInt8[np.ndarray, "height width 3"], number: int) -> None:
    """Write a number below 65536 into the top left corner as a row of black and white blocks."""
    bits = (number >> np.arange(BITS)) & 1
    image[:BLOCK, : BITS * BLOCK] = np.repeat(bits * 255, BLOCK)[None, :, None]


def read_number(image: UInt8[np.ndarray, "height width 3"]) -> int:
    """Read the number that `write_number` wrote, lossy compression or not."""
    blocks = image[:BLOCK, : BITS * BLOCK].mean(axis=(0, 2)).reshape(BITS, BLOCK).mean(axis=1)
    return int(np.sum((blocks > 127).astype(np.int64) << np.arange(BITS)))

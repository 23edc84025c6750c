"""FMCW radar with a TDM-MIMO array: I/Q samples of moving point targets.

A chirp sweeps its frequency as `f(t) = f0 + S t`. An echo from range `R` comes back after
`tau = 2 R / c`; mixed with the chirp being sent it leaves the intermediate-frequency signal

    exp(j 2 pi (f0 tau + S tau t))

Three things follow (C. Iovescu and S. Rao, "The fundamentals of millimeter wave radar sensors",
Texas Instruments SPYY005, 2020; TDM-MIMO: S. Rao, "MIMO Radar", Texas Instruments SWRA554A, 2018):

- **Range**: the beat frequency is `S tau = 2 S R / c`, so over a sampled bandwidth
  `B = S N / f_sample` one FFT bin is `c / (2 B)` metres.
- **Doppler**: from one chirp to the next, `T` later, the phase turns by `4 pi v T / lambda`, so
  over a frame of duration `T_frame` one FFT bin is `lambda / (2 T_frame)` metres per second.
- **Angle**: the transmitters take turns, one chirp each. An element displaced by `e` in direction
  of the target `u` shortens the path by `u . e`; transmitter and receiver add up, so the phase is
  that of a virtual element at `e_tx + e_rx`. Transmitter `m` fires `m` chirp times late, which
  turns its phase by the Doppler of that delay as well.

The constant `-pi S tau²` (residual video phase) and the Doppler shift inside one chirp (hundredths
of a range bin at walking speed) are left out.

Positive speed is receding: the range grows, and so does the phase.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int16

SPEED_OF_LIGHT = 299792458.0
"""m/s, exact."""


@dataclass(frozen=True)
class PointTargets:
    """Reflectors as the radar sees them in the middle of a frame.

    Attributes:
        position: in the radar frame (x forward, y left, z up), metres, `[target, 3]`.
        velocity: relative to the radar, m/s, `[target, 3]`.
        cross_section: radar cross section, m², `[target]`.
    """

    position: Float64[np.ndarray, "target 3"]
    velocity: Float64[np.ndarray, "target 3"]
    cross_section: Float64[np.ndarray, " target"]

    @property
    def range(self) -> Float64[np.ndarray, " target"]:
        """Distance from the radar, metres."""
        return np.linalg.norm(self.position, axis=-1)

    @property
    def radial_speed(self) -> Float64[np.ndarray, " target"]:
        """Rate of change of the range, m/s; positive is receding."""
        return np.sum(self.position * self.velocity, axis=-1) / self.range


@dataclass(frozen=True)
class Radar:
    """Chirp, frame and antenna array; the defaults suit a 77-81 GHz automotive part indoors.

    Attributes:
        start_frequency: `f0`, Hz.
        slope: `S`, Hz/s.
        sample_rate: complex samples per second.
        samples: complex samples per chirp.
        loops: loops per frame; in one loop every transmitter sends one chirp.
        loop_period: seconds from one chirp of a transmitter to its next.
        tx: transmitter places (left, up) in half wavelengths, `[tx][2]`.
        rx: receiver places likewise, `[rx][2]`.
        amplitude: of 1 m² at 1 m, in counts of the converter.
        noise: standard deviation of I and of Q, counts.
    """

    start_frequency: float = 77e9
    slope: float = 73.2e12
    sample_rate: float = 6.25e6
    samples: int = 256
    loops: int = 64
    loop_period: float = 500e-6
    tx: tuple[tuple[float, float], ...] = ((0, 0), (2, 1), (4, 0))
    rx: tuple[tuple[float, float], ...] = ((0, 0), (1, 0), (2, 0), (3, 0))
    amplitude: float = 6000.0
    noise: float = 30.0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Complex samples of a frame: slow time, transmitters, receivers, fast time."""
        return self.loops, len(self.tx), len(self.rx), self.samples

    @property
    def bandwidth(self) -> float:
        """Bandwidth swept while sampling, Hz."""
        return self.slope * self.samples / self.sample_rate

    @property
    def wavelength(self) -> float:
        """At the middle of the sampled sweep, metres: the one that sets the Doppler bins."""
        return SPEED_OF_LIGHT / (self.start_frequency + self.bandwidth / 2)

    @property
    def range_resolution(self) -> float:
        """Metres per range bin, `c / (2 B)`."""
        return SPEED_OF_LIGHT / (2 * self.bandwidth)

    @property
    def doppler_resolution(self) -> float:
        """Metres per second per Doppler bin, `lambda / (2 T_frame)`."""
        return self.wavelength / (2 * self.loops * self.loop_period)

    def intrinsics(self) -> dict[str, Any]:
        """Contents of radar.json: bin sizes (m, m/s), shape, and the chirp in SI units."""
        return {
            "shape": list(self.shape),
            "range_resolution": self.range_resolution,
            "doppler_resolution": self.doppler_resolution,
            "start_frequency": self.start_frequency,
            "slope": self.slope,
            "sample_rate": self.sample_rate,
            "loop_period": self.loop_period,
            "tx": [list(place) for place in self.tx],
            "rx": [list(place) for place in self.rx],
        }

    def simulate(
        self, targets: PointTargets, generator: np.random.Generator
    ) -> Int16[np.ndarray, "slow tx rx fast2"]:
        """One frame of raw converter samples.

        Args:
            targets: reflectors, at the middle of the frame.
            generator: source of the noise.

        Returns:
            I/Q counts `[slow, tx, rx, 2 * fast]`. The last axis interleaves the two parts of each
            complex sample as plain pairs: I, Q, I, Q, …
        """
        slow, tx, rx, fast = self.shape
        distance = targets.range
        direction = targets.position / distance[:, None]

        chirp_period = self.loop_period / tx
        loop_time = (np.arange(slow) - (slow - 1) / 2) * self.loop_period
        chirp_time = loop_time[:, None] + (np.arange(tx) - (tx - 1) / 2) * chirp_period
        range_at = distance[:, None, None] + targets.radial_speed[:, None, None] * chirp_time

        half_wave = self.wavelength / 2
        tx_ahead = direction[:, 1:] @ np.array(self.tx).T * half_wave
        rx_ahead = direction[:, 1:] @ np.array(self.rx).T * half_wave
        path = 2 * range_at[..., None] - tx_ahead[:, None, :, None] - rx_ahead[:, None, None, :]
        carrier = np.exp(2j * np.pi * self.start_frequency / SPEED_OF_LIGHT * path)

        # All chirps of a loop share one beat frequency: it moves under a millimetre meanwhile.
        beat = self.slope * 2 * range_at.mean(axis=2) / SPEED_OF_LIGHT
        tone = np.exp(2j * np.pi * beat[..., None] * np.arange(fast) / self.sample_rate)

        echo = self._echo_amplitude(targets)[:, None, None, None] * carrier
        # Per loop, the sum over targets is a matrix product [tx * rx, target] @ [target, fast].
        left = echo.reshape(-1, slow, tx * rx).transpose(1, 2, 0).astype(np.complex64)
        signal = np.ascontiguousarray(left @ tone.transpose(1, 0, 2).astype(np.complex64))
        counts = signal.view(np.float32).reshape(slow, tx, rx, 2 * fast)
        counts += self.noise * generator.standard_normal(counts.shape, dtype=np.float32)
        return np.clip(np.rint(counts), -32768, 32767).astype("<i2")

    def _echo_amplitude(self, targets: PointTargets) -> Float64[np.ndarray, " target"]:
        """Echo in counts: `sqrt(cross section) / R²` (radar equation) times the antenna gain."""
        forward = np.clip(targets.position[:, 0] / targets.range, 0.0, None)
        return self.amplitude * np.sqrt(targets.cross_section) / targets.range**2 * forward**2


def range_doppler(iq: Int16[np.ndarray, "slow tx rx fast2"]) -> Float32[np.ndarray, "doppler fast"]:
    """Range-Doppler map of a frame: power over all antennas, in dB relative to one count.

    Hann windows along both axes, FFT over fast time (range), FFT over slow time (Doppler), then
    the sum of the power over the virtual antennas.

    Args:
        iq: I/Q pairs, as `Radar.simulate` makes them.

    Returns:
        Row `i` is the speed `(i - slow // 2) * doppler_resolution`, positive receding; column `k`
        the range `k * range_resolution`.
    """
    signal = np.ascontiguousarray(iq, dtype=np.float32).view(np.complex64)
    slow, fast = signal.shape[0], signal.shape[-1]
    fast_window = np.hanning(fast).astype(np.float32)
    slow_window = np.hanning(slow).astype(np.float32)[:, None, None, None]
    ranges = np.fft.fft(signal * (fast_window * slow_window), axis=-1)
    spectrum = np.fft.fftshift(np.fft.fft(ranges, axis=0), axes=0)
    power = np.sum(np.abs(spectrum) ** 2, axis=(1, 2))
    return (10 * np.log10(power + 1.0)).astype(np.float32)

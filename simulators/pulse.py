"""The heartbeat: phase as the integral of the pulse rate, and the shape of one pleth wave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

STEP_S = 0.1
_BLOCK = 256
_HISTORY = 1200
"""Grid points that are kept for looking back: two minutes."""

Array = NDArray[np.float64]


class Waves:
    """Slow variations of a vital: a sum of sines, each with a phase drawn at random.

    Args:
        rng: draws the phases.
        of: frequency in Hz and amplitude of each.
    """

    def __init__(self, rng: np.random.Generator, *of: tuple[float, float]) -> None:
        self._hz = np.array([hz for hz, _ in of])
        self._amplitude = np.array([amplitude for _, amplitude in of])
        self._phase = rng.random(len(of))

    def at(self, t_s: Array) -> Array:
        """Their sum at these times."""
        return self._sum(t_s, self._amplitude)

    def averaged(self, t_s: Array, window_s: float) -> Array:
        """Their mean over the `window_s` before these times, as an averaging monitor sees it."""
        return self._sum(t_s - window_s / 2, self._amplitude * np.sinc(self._hz * window_s))

    def _sum(self, t_s: Array, amplitude: Array) -> Array:
        turns = self._hz * t_s[..., np.newaxis] + self._phase
        total: Array = np.sum(amplitude * np.sin(2 * np.pi * turns), axis=-1)
        return total


class Pulse:
    """Counts heartbeats on a fixed grid of time, so that no way of asking changes the answer.

    Args:
        rate: times in seconds -> pulse rate in beats per minute at each.
    """

    def __init__(self, rate: Callable[[Array], Array]) -> None:
        self._rate = rate
        self._first = 0
        self._beats = [0.0]

    def beats(self, t_s: float) -> float:
        """Beats since time 0, with fraction; the fraction is the phase of the present beat."""
        x = t_s / STEP_S if t_s > 0 else 0.0
        index = int(x)
        while index + 1 - self._first >= len(self._beats):
            self._extend()
        j = index - self._first if index > self._first else 0
        here, there = self._beats[j], self._beats[j + 1]
        return here + (there - here) * (x - index)

    def changed(self, now_s: float) -> None:
        """Forgets what was counted ahead of now, because the rate will be another one."""
        keep = int(now_s / STEP_S) + 1 - self._first
        del self._beats[max(1, keep) :]

    def _extend(self) -> None:
        if len(self._beats) > _HISTORY + _BLOCK:
            gone = len(self._beats) - _HISTORY
            del self._beats[:gone]
            self._first += gone
        start = self._first + len(self._beats) - 1
        middles = (start + np.arange(_BLOCK, dtype=np.float64) + 0.5) * STEP_S
        rate = np.maximum(self._rate(middles), 10.0)
        self._beats.extend((self._beats[-1] + np.cumsum(rate) * STEP_S / 60).tolist())


def _one_wave(points: int) -> tuple[float, ...]:
    """Systolic peak, dicrotic notch and wave, scaled to 0..1; starts at the foot."""
    x = np.arange(points) / points
    wave = np.exp(-(((x - 0.20) / 0.095) ** 2)) + 0.38 * np.exp(-(((x - 0.50) / 0.13) ** 2))
    wave = wave - np.interp(x, np.array([0.0, 1.0]), wave[[0, -1]])
    return tuple(((wave - wave.min()) / np.ptp(wave)).tolist())


_WAVE = _one_wave(256)


def shape(beats: float) -> float:
    """Pleth of a perfect pulse, 0..1, at this many beats."""
    return _WAVE[int(beats % 1.0 * 256) & 255]

"""What goes wrong on a wire: damaged, lost, doubled and late bytes, seeded.

Each fault strikes at random moments, on average `per_minute` times; between them the bytes pass
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from devices.registry import did_you_mean
from vitals.errors import ConfigError

STALL_S = 5.0
"""How long a stall holds everything back before it bursts."""


@dataclass(frozen=True, slots=True)
class ByteFault:
    """One kind of fault, a key of `KINDS` or `"stall"`, and how often it strikes."""

    kind: str
    per_minute: float = 6.0

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            raise ConfigError(
                f"there is no fault {self.kind!r}{did_you_mean(self.kind, NAMES)}; known are "
                f"{', '.join(NAMES)}",
                key="fault",
            )
        if not 0 < self.per_minute <= 6000:
            raise ConfigError(
                f"fault {self.kind}: it can strike up to 6000 times a minute, not "
                f"{self.per_minute:g}",
                key="fault",
            )


def _bit_flip(data: bytearray, rng: np.random.Generator) -> None:
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def _dropped(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data))]


def _doubled(data: bytearray, rng: np.random.Generator) -> None:
    at = rng.integers(len(data))
    data.insert(at, data[at])


def _break(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = bytes(int(rng.integers(1, 40)))


def _noise(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = rng.bytes(int(rng.integers(1, 20)))


def _half(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data))) :]


KINDS: dict[str, Callable[[bytearray, np.random.Generator], None]] = {
    "bit-flip": _bit_flip,
    "dropped-byte": _dropped,
    "doubled-byte": _doubled,
    "break": _break,
    "noise": _noise,
    "half-packet": _half,
}
"""Fault -> what it does to the bytes on their way (there is at least one): one bit turned, one
byte lost, one byte sent twice, a run of 0x00, a run of random bytes, the rest of a packet lost."""
NAMES = (*KINDS, "stall")


class Line:
    """A wire with faults.

    Args:
        faults: what can happen.
        seed: the same seed and bytes give the same damage.
    """

    def __init__(self, faults: Sequence[ByteFault], *, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 3])
        self._now_s = 0.0
        self._next = [(fault, self._gap(fault)) for fault in faults]
        self._held = bytearray()
        self._stalled_until_s = 0.0

    def carry(self, data: bytes, dt_s: float) -> bytes:
        """What comes out when this goes in over the next `dt_s` seconds."""
        self._now_s += dt_s
        if not self._next:
            return data
        out = bytearray(data)
        for i, (fault, at_s) in enumerate(self._next):
            if self._now_s >= at_s and out:
                self._next[i] = (fault, self._now_s + self._gap(fault))
                if fault.kind != "stall":
                    KINDS[fault.kind](out, self._rng)
                elif self._now_s >= self._stalled_until_s:
                    self._stalled_until_s = self._now_s + STALL_S
        self._held += out
        if self._now_s < self._stalled_until_s:
            return b""
        burst, self._held = bytes(self._held), bytearray()
        return burst

    def _gap(self, fault: ByteFault) -> float:
        return float(self._rng.exponential(60.0 / fault.per_minute))

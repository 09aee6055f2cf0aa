"""What goes wrong on a wire: damaged, lost, doubled and late bytes, a device that reboots, seeded.

Each fault strikes at random moments, on average `per_minute` times; between them the bytes pass
unchanged. A fault waits for something to damage. `KINDS` says what each does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from devices.registry import did_you_mean
from vitals.errors import ConfigError

STALL_S = 5.0
"""How long a stall holds everything back before it bursts."""
BREAK_OFF_S = 1.0
"""After half a packet so much is lost: the rest of it."""
WRONG_BAUD_S = 2.0
REBOOT_S = 4.0
REPLUG_S = 6.0
"""How long the plug is out."""
BANNER = b"\x00\xff\r\nMONITOR 2.31 (C) 2004 ROM 1F2E RAM OK\r\nSELF TEST PASSED\r\n"
"""What a device says that reboots; no protocol's own."""

KINDS: dict[str, str] = {
    "bit-flip": "one bit turned",
    "dropped-byte": "one byte lost",
    "doubled-byte": "one byte sent twice",
    "break": "a run of 0x00",
    "noise": "a run of random bytes",
    "line-ends": "CR LF becomes CR, LF, CR CR LF or the like, as in a terminal in the wrong mode",
    "half-packet": f"the line breaks off, the next {BREAK_OFF_S:g} s are lost",
    "wrong-baud": f"for {WRONG_BAUD_S:g} s as read at another speed",
    "stall": f"nothing for {STALL_S:g} s, then everything at once",
    "reboot": f"a power-on text, then nothing for {REBOOT_S:g} s, and all settings are forgotten",
    "replug": f"unplugged for {REPLUG_S:g} s, then there under another name",
}
"""Faults of one line, and what each does."""
NAMES = tuple(KINDS)
SWAP = "swap"
"""A fault of a bed: two monitors change their places; see `simulators.bedside`."""
OFTEN, HIGHEST = 6.0, 6000.0
"""How often a minute a fault strikes when nobody says, and at most."""

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class LineFault:
    """One kind of fault, a key of `KINDS`, and how often it strikes."""

    kind: str
    per_minute: float = OFTEN

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"there is no fault {self.kind!r}{did_you_mean(self.kind, NAMES)}; known are "
                f"{', '.join(NAMES)}",
                key="fault",
            )
        check_rate(self.kind, self.per_minute)


def check_rate(kind: str, per_minute: float) -> float:
    """The rate itself.

    Raises:
        ConfigError: it is not above 0, or too high.
    """
    if not 0 < per_minute <= HIGHEST:
        raise ConfigError(
            f"fault {kind}: it can strike up to {HIGHEST:g} times a minute, not {per_minute:g}",
            key="fault",
        )
    return per_minute


class Strikes:
    """Random moments, on average `per_minute` times."""

    def __init__(self, per_minute: float, rng: Rng) -> None:
        self._mean_s = 60.0 / per_minute
        self._rng = rng
        self._next_s = float(rng.exponential(self._mean_s))

    def due(self, now_s: float) -> bool:
        """Whether one has come since this was last answered with yes."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + float(self._rng.exponential(self._mean_s))
        return True


# --- what happens to the bytes on their way (there is at least one) ---------------------------


def _bit_flip(data: bytearray, rng: Rng) -> None:
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def _dropped(data: bytearray, rng: Rng) -> None:
    del data[rng.integers(len(data))]


def _doubled(data: bytearray, rng: Rng) -> None:
    at = rng.integers(len(data))
    data.insert(at, data[at])


def _break(data: bytearray, rng: Rng) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = bytes(int(rng.integers(1, 40)))


def _noise(data: bytearray, rng: Rng) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = rng.bytes(int(rng.integers(1, 20)))


_LINE_END = re.compile(rb"\r\n?|\n")
LINE_ENDS = (b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\r\n\r\n")


def _line_ends(data: bytearray, rng: Rng) -> None:
    end = LINE_ENDS[rng.integers(len(LINE_ENDS))]
    data[:] = _LINE_END.sub(lambda _: end, bytes(data))


def _half(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(len(data))) :]


_DAMAGE: dict[str, Callable[[bytearray, Rng], None]] = {
    "bit-flip": _bit_flip,
    "dropped-byte": _dropped,
    "doubled-byte": _doubled,
    "break": _break,
    "noise": _noise,
    "line-ends": _line_ends,
    "half-packet": _half,
}

SPEEDS = (0.25, 0.5, 2.0, 4.0)
"""The receiver's bit lengths in the sender's."""


def at_wrong_baud(data: bytes, bit: float) -> bytes:
    """What a receiver makes of 8N1 bytes whose bits it takes to be `bit` times as long.

    It begins a byte at each falling edge after a stop bit, and samples in the middle of its own
    bits; a byte without a stop bit is kept, as most drivers do.
    """
    line = "".join(f"0{f'{byte:08b}'[::-1]}1" for byte in data) + "1" * 48
    out, at = bytearray(), 0.0
    while (edge := line.find("0", int(at))) >= 0 and int(edge + 9.5 * bit) < len(line):
        bits = [line[int(edge + (1.5 + i) * bit)] for i in range(8)]
        out.append(int("".join(reversed(bits)), 2))
        idle = line.find("1", int(edge + 9.5 * bit))
        if idle < 0:
            break
        at = idle
    return bytes(out)


# --- the wire ---------------------------------------------------------------------------------


class Line:
    """A wire with faults.

    Args:
        faults: what can happen.
        seed: the same seed and bytes give the same damage.

    Attributes:
        reboots: how often the device has rebooted.
    """

    def __init__(self, faults: Sequence[LineFault], *, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 3])
        self._now_s = 0.0
        self._faults = [(fault.kind, Strikes(fault.per_minute, self._rng)) for fault in faults]
        self._sound = not faults
        self._held = bytearray()
        self._bit = 1.0
        self._until_s = dict.fromkeys(("stalled", "lost", "unplugged", "wrong-baud"), 0.0)
        self.reboots = 0

    @property
    def unplugged(self) -> bool:
        """Whether the plug is out now."""
        return self._during("unplugged")

    @property
    def failing(self) -> bool:
        """Whether a fault that lasts is present now."""
        return bool(self._held) or any(self._now_s < until_s for until_s in self._until_s.values())

    def mend(self) -> None:
        """No further fault strikes; one that is present ends at its time."""
        self._faults = []

    def carry(self, data: bytes, dt_s: float) -> bytes:
        """What comes out when this goes in over the next `dt_s` seconds."""
        self._now_s += dt_s
        if self._sound:
            return data
        out = bytearray(b"" if self._during("lost") else data)
        for kind, strikes in self._faults:
            if out and strikes.due(self._now_s):
                self._strike(kind, out)
        if self._during("wrong-baud"):
            out = bytearray(at_wrong_baud(bytes(out), self._bit))
        self._held += out
        if self._during("stalled"):
            return b""
        burst, self._held = bytes(self._held), bytearray()
        return burst

    def _strike(self, kind: str, out: bytearray) -> None:
        if kind in _DAMAGE:
            _DAMAGE[kind](out, self._rng)
        if kind == "half-packet":
            self._begin("lost", BREAK_OFF_S)
        elif kind == "stall" and not self._held:  # what is held bursts before the next one
            self._begin("stalled", STALL_S)
        elif kind == "wrong-baud":
            self._bit = float(self._rng.choice(SPEEDS))
            self._begin("wrong-baud", WRONG_BAUD_S)
        elif kind == "reboot":
            out[int(self._rng.integers(len(out))) :] = BANNER
            self._begin("lost", REBOOT_S)
            self.reboots += 1
        elif kind == "replug":
            out.clear()
            self._begin("lost", REPLUG_S)
            self._begin("unplugged", REPLUG_S)

    def _begin(self, state: str, length_s: float) -> None:
        self._until_s[state] = self._now_s + length_s

    def _during(self, state: str) -> bool:
        return self._now_s < self._until_s[state]

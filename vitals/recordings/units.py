"""Units of other programs, turned into those of the channels where that is sure.

A unit that is not in the table, and does not belong to the channel, is not guessed.
"""

from __future__ import annotations

from vitals.channels import CHANNELS

KPA = 7.500_615_758_456_563
"""mmHg in a kilopascal: 101.325 kPa are 760 mmHg."""

_SAME: dict[str, frozenset[str]] = {
    "/min": frozenset({"/min", "1/min", "bpm", "/minute", "beats/min", "breaths/min", "rpm",
                       "brpm", "min-1", "min^-1"}),
    "%": frozenset({"%", "percent", "pct", "%spo2"}),
    "mm[Hg]": frozenset({"mmhg", "mm[hg]", "torr"}),
    "mV": frozenset({"mv"}),
    "1": frozenset({"", "1", "nu", "au", "counts", "count", "adu"}),
    "{score}": frozenset({"{score}", "score", "1"}),
}  # fmt: skip
"""Unit of a channel -> how else it is written, in small letters."""

_FACTORS: dict[str, dict[str, float]] = {
    "mm[Hg]": {"kpa": KPA, "hpa": KPA / 10, "mbar": KPA / 10, "cmh2o": KPA * 0.0980665},
    "%": {"fraction": 100.0},
    "mV": {"uv": 0.001, "µv": 0.001, "v": 1000.0},
    "/min": {"hz": 60.0, "/s": 60.0},
}
"""Unit of a channel -> other unit -> what it is multiplied by."""


def factor(channel: str, unit: str) -> float | None:
    """What a value is multiplied by; None where that is not sure. No unit is the channel's own."""
    target = CHANNELS[channel].unit
    word = unit.strip().lower()
    if not word or word in _SAME.get(target, ()):
        return 1.0
    return _FACTORS.get(target, {}).get(word)


def known(channel: str) -> list[str]:
    """Units that are understood for a channel, its own first."""
    target = CHANNELS[channel].unit
    return [target, *sorted(_FACTORS.get(target, {}))]


def suspicious(channel: str, unit: str, highest: float) -> str:
    """Why values without a unit may be in another one; `""` if nothing speaks for that."""
    if unit.strip():
        return ""
    if channel == "spo2" and highest <= 1.0:
        return 'it looks like a fraction; name it with unit = "fraction" in a mapping'
    if channel.startswith("nibp_") and highest < 40.0:
        return 'it looks like kPa; name it with unit = "kPa" in a mapping'
    return ""

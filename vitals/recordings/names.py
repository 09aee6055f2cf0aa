"""What other programs call the channels of this one.

Names of Vital Recorder and VitalDB (Philips IntelliVue and GE Solar 8000 tracks), of WFDB numerics
(MIMIC), of spreadsheets and of our own exports; compared without case and signs. What is not here,
or only looks alike (an arterial pressure is no cuff's), is left out unless a mapping names it.
"""

from __future__ import annotations

import re
from typing import Literal

from vitals.channels import CHANNELS

Kind = Literal["number", "wave"]
_SIGNS = re.compile(r"[^A-Z0-9]")
_BRACKETS = re.compile(r"\s*[\[(][^\])]*[\])]\s*$")
_PREFIXES = ("SOLAR8000", "INTELLIVUE")

_NUMBERS: dict[str, tuple[str, ...]] = {
    "hr": ("HR", "ECGHR", "HEARTRATE", "ECGHEARTRATE"),
    "pr": (
        "PR", "PLETHHR", "PLETHPR", "PULSE", "PULSERATE", "PLETHRATE", "SPO2PR", "SPO2HR",
        "PULSESPO2", "PLETHPULSERATE",
    ),
    "spo2": ("SPO2", "PLETHSPO2", "PLETHSATO2"),
    "nibp_sys": ("NIBPSYS", "NIBPSBP", "NBPSYS", "NIBPSYST", "NIBPSYSTOLIC", "NBPSYSTOLIC"),
    "nibp_dia": ("NIBPDIA", "NIBPDBP", "NBPDIAS", "NIBPDIAS", "NIBPDIASTOLIC", "NBPDIA"),
    "nibp_map": ("NIBPMAP", "NIBPMEAN", "NIBPMBP", "NBPMEAN", "NBPMAP"),
    "pi": ("PI", "PLETHPERFREL", "PERF", "PERFUSIONINDEX", "PLETHPI"),
    "rr": ("RR", "RESPRATE", "RESPIRATORYRATE", "RESPIRATIONRATE", "RESP", "RRCO2", "AWRR"),
    "moaas": ("MOAAS",),
    "cuff": ("CUFF", "CUFFPRESSURE", "NIBPCUFF"),
}  # fmt: skip
_WAVES: dict[str, tuple[str, ...]] = {
    "pleth": ("PLETH", "PLETHWAV", "PLETHWAVE", "PPG"),
    "ecg": ("ECGII", "II", "MLII", "ECG", "ECGI", "I", "ECGV5", "V5", "ECGIII", "III"),
}
"""Channel -> names, the best first: of several tracks of one device only the best is taken."""


def plain(name: str) -> str:
    """A name without what tells programs apart: units in brackets, case, signs."""
    return _SIGNS.sub("", _BRACKETS.sub("", name).upper())


_KNOWN: dict[tuple[Kind, str], tuple[str, int]] = {
    **{("number", n): (key, i) for key, all_ in _NUMBERS.items() for i, n in enumerate(all_)},
    **{("wave", n): (key, i) for key, all_ in _WAVES.items() for i, n in enumerate(all_)},
}


def channel_of(name: str, kind: Kind) -> tuple[str, int] | None:
    """The channel of a track and the rank of its name, 0 the best; None where it is not known."""
    short = plain(name)
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix) or short
    return _KNOWN.get((kind, short))


WAVES = frozenset(_WAVES)
"""Channels that are waveforms."""
assert WAVES | _NUMBERS.keys() == CHANNELS.keys()  # noqa: S101 - a new channel needs its names

"""What each channel is: label, unit, precision, plausible range, nomenclature codes.

Units are UCUM. `mdc` is the 32-bit IEEE 11073-10101 code (partition * 65536 + term code),
`loinc` the LOINC code. Plausible limits: hard rejects, a value outside them is invalid
and never shown (vital ranges of bedside monitors; see docs/alarms.md).
"""

from __future__ import annotations

from vitals.model import Channel

_ALL = (
    Channel("hr", "HR", "/min", 0, 20, 300, 1.0, 147842, "8867-4"),
    Channel("pr", "PR", "/min", 0, 20, 300, 1.0, 149530, "8867-4"),
    Channel("spo2", "SpO2", "%", 0, 1, 100, 1.0, 150456, "59408-5"),
    Channel("nibp_sys", "SYS", "mm[Hg]", 0, 40, 270, None, 150021, "8480-6"),
    Channel("nibp_dia", "DIA", "mm[Hg]", 0, 10, 210, None, 150022, "8462-4"),
    Channel("nibp_map", "MAP", "mm[Hg]", 0, 20, 230, None, 150023, "8478-0"),
    Channel("pi", "PI", "%", 2, 0.02, 20, 1.0, 150448, "61006-3"),
    Channel("rr", "RR", "/min", 0, 2, 80, 1.0, 151562, "9279-1"),
    Channel("moaas", "MOAA/S", "{score}", 0, 0, 5, None, None, None),
    Channel("cuff", "Cuff", "mm[Hg]", 0, 0, 330, 1.0, None, None),
    Channel("pleth", "Pleth", "1", 0, 0, 65535, 60.0, 150452, None),
    Channel("ecg", "ECG", "mV", 2, -10, 10, 200.0, 131328, None),
)

CHANNELS: dict[str, Channel] = {channel.key: channel for channel in _ALL}
NIBP = ("nibp_sys", "nibp_dia", "nibp_map")
"""The three values of one determination; they share `at_us`."""


def plausible(key: str, value: float) -> bool:
    """Whether a value may be shown at all; outside the hard limits it is invalid."""
    channel = CHANNELS[key]
    return channel.plausible_low <= value <= channel.plausible_high

"""The values before the dose, which relative limits count from; frozen at the dose.

Blood pressure: the mean of the last two valid readings at least 5 min apart. Streaming values:
the mean of the last 10 min, at least one minute of them.
"""

from __future__ import annotations

from bisect import insort

from vitals.model import US, Numeric, Quality

APART_US = 300 * US
WINDOW_US = 600 * US
LEAST_SAMPLES = 60
READINGS = ("nibp_sys", "nibp_dia")
STREAMS = ("spo2", "hr", "pr", "rr")
_MINUTE_US = 60 * US


class Baseline:
    """Collects until the dose."""

    def __init__(self) -> None:
        self._readings: dict[str, list[tuple[int, float]]] = {}
        self._minutes: dict[str, dict[int, tuple[int, float]]] = {}

    def add(self, numeric: Numeric) -> None:
        """A valid value that is judged; questionable ones do not count."""
        channel, value = numeric.channel, numeric.value
        if value is None or numeric.quality is not Quality.GOOD:
            return
        if channel in READINGS:
            readings = self._readings.setdefault(channel, [])
            insort(readings, (numeric.at_us, value), key=lambda reading: reading[0])
        elif channel in STREAMS:
            minutes = self._minutes.setdefault(channel, {})
            minute = numeric.at_us // _MINUTE_US
            count, total = minutes.get(minute, (0, 0.0))
            minutes[minute] = (count + 1, total + value)
            if len(minutes) > 2 * WINDOW_US // _MINUTE_US:
                del minutes[min(minutes)]

    def frozen(self, dose_us: int) -> dict[str, float]:
        """Channel -> baseline at the dose; a channel without enough values is absent."""
        found = {}
        for channel, readings in self._readings.items():
            before = [reading for reading in readings if reading[0] <= dose_us]
            if before:
                last_us, last = before[-1]
                earlier = [value for at_us, value in before if at_us <= last_us - APART_US]
                if earlier:
                    found[channel] = (earlier[-1] + last) / 2
        for channel, minutes in self._minutes.items():
            last_minute = dose_us // _MINUTE_US
            first = last_minute - WINDOW_US // _MINUTE_US
            parts = [part for minute, part in minutes.items() if first <= minute <= last_minute]
            count = sum(n for n, _ in parts)
            if count >= LEAST_SAMPLES:
                found[channel] = round(sum(total for _, total in parts) / count, 1)
        return found

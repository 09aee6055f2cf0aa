"""Which device speaks for a channel, since when nobody does, and what looks implausible.

One source a channel: the device named first in the config, while it is fresh. A number that
jumps further than a patient can is kept, and marked questionable until it has lasted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vitals.alarms.technical import Fact
from vitals.alarms.track import Pace
from vitals.channels import NIBP
from vitals.model import US, Numeric, Quality

STEP_US = 5 * US
STEPS: dict[str, tuple[float, float]] = {
    "spo2": (10.0, float("inf")),
    "hr": (30.0, 30.0),
    "pr": (30.0, 30.0),
}
"""Channel -> (fall, rise) within `STEP_US` beyond which a value is questionable."""
STEPPED_US = 30 * US
"""A value that has stepped is questionable until it is back, at most this long."""
PULSES = ("hr", "pr")
_STREAM = Pace()
DIFFER = 10.0
"""HR and PR that differ by more are not one patient's, or one is wrong."""
CUFF_DIFFER, CUFF_TIMES = 15.0, 2
"""The same for the cuff's own pulse rate, at two determinations in a row."""
ONE_DETERMINATION_US = 5 * US


@dataclass(frozen=True, slots=True)
class Last:
    """The newest valid value of a channel's source."""

    device: str
    at_us: int
    value: float


class Sources:
    """The sources of one bed.

    Args:
        devices: device -> its channels, the most trusted first.
        paces: how each device speaks.
        prefer: channel -> devices, the most trusted first, where that is another order.
    """

    def __init__(
        self,
        devices: Mapping[str, tuple[str, ...]],
        paces: Mapping[str, Pace] | None = None,
        prefer: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._devices = devices
        self._prefer = prefer or {}
        self._paces = {} if paces is None else paces
        self._source: dict[str, tuple[str, int]] = {}
        self._entered: dict[str, Last] = {}
        self._last: dict[str, Last] = {}
        self._newest_us: dict[tuple[str, str], int] = {}
        self._recent: dict[str, deque[tuple[int, float]]] = {}
        self._stepped: dict[str, tuple[int, float]] = {}
        self._doubtful: dict[str, tuple[int, int, str]] = {}
        self._differ_us: int | None = None
        self._cuff_pr: dict[str, Last] = {}
        self._cuffed: dict[str, int] = {}
        self._compared: dict[str, int] = {}
        self._cuff_differs = 0
        self._cuff_differs_us = 0
        self.version = 0
        """Counts the changes of `facts`."""

    def of(self, channel: str) -> str:
        """The device whose values count: the present source, else the first that could be it."""
        source = self._source.get(_determined(channel))
        if source is not None:
            return source[0]
        return next(iter(self.order(channel)), "")

    def order(self, channel: str) -> list[str]:
        """Devices that give a channel, the most trusted first."""
        able = [device for device, channels in self._devices.items() if channel in channels]
        first = [device for device in self._prefer.get(channel, ()) if device in able]
        return first + [device for device in able if device not in first]

    def forget(self, device: str) -> None:
        """A device was moved away: it speaks for nothing here, and what it said stays said."""
        self._source = {c: source for c, source in self._source.items() if source[0] != device}
        for known in (self._cuff_pr, self._cuffed, self._compared):
            known.pop(device, None)
        self._differ_us, self._cuff_differs = None, 0
        self.version += 1

    def gives(self, channel: str) -> bool:
        """Whether any device here can give the channel."""
        return any(channel in channels for channels in self._devices.values())

    def last(self, channel: str) -> Last | None:
        """The newest valid value of a channel."""
        return self._last.get(channel)

    def fresh(self, channel: str, now_us: int) -> float | None:
        """The value of a channel if it still speaks for the patient."""
        last = self._last.get(channel)
        if last is None or now_us - last.at_us > self._fresh_us(last.device):
            return None
        return last.value

    def _fresh_us(self, device: str) -> int:
        return self._paces.get(device, _STREAM).fresh_us

    def take(self, now_us: int, numeric: Numeric) -> Numeric | None:
        """A valid value, as it is to be judged and shown; None if another source speaks."""
        if numeric.value is None:
            return None
        if self.outdated(numeric):
            return None
        self._cuff_rate(now_us, numeric, numeric.value)
        channel, device = numeric.channel, numeric.device
        self._newest_us[device, channel] = numeric.at_us
        if channel not in self._devices.get(device, (channel,)):
            return None  # the room's config has it speak for other channels only
        source = _determined(channel)
        current = self._source.get(source)
        if current is not None and current[0] != device:
            stale = now_us - current[1] > self._fresh_us(current[0])
            if not stale and not self._better(channel, device, current[0]):
                return None
        self._source[source] = (device, now_us)
        self._last[channel] = Last(device, now_us, numeric.value)
        why = self._step(now_us, channel, numeric.value)
        if why and numeric.quality is Quality.GOOD:
            numeric = replace(numeric, quality=Quality.QUESTIONABLE)
        self._doubt(now_us, numeric, why)
        if channel in PULSES:
            self._differ(now_us)
        return numeric

    def outdated(self, numeric: Numeric) -> bool:
        """Whether its device has already given a newer one: it says nothing of the present.

        A blood pressure may be told later than it was taken; the cuff's own rules are for that.
        """
        newest_us = self._newest_us.get((numeric.device, numeric.channel), numeric.at_us)
        return numeric.channel not in NIBP and numeric.at_us < newest_us

    def enter(self, now_us: int, numeric: Numeric) -> bool:
        """A value that a person has taken; whether it counts: newest, and no stream speaks."""
        channel = numeric.channel
        known = self.newest(channel)
        if numeric.value is None or (known is not None and numeric.at_us < known.at_us):
            return False
        if channel not in NIBP and self.fresh(channel, now_us) is not None:
            return False
        last = Last(numeric.device, numeric.at_us, numeric.value)
        if channel in NIBP:
            self._source[_determined(channel)] = (numeric.device, now_us)
            self._last[channel] = last
        else:
            self._entered[channel] = last
        return True

    def newest(self, channel: str) -> Last | None:
        """The newest valid value of a channel, from a device or a person."""
        known = [v for v in (self._last.get(channel), self._entered.get(channel)) if v is not None]
        return max(known, key=lambda last: last.at_us, default=None)

    def facts(self) -> Iterator[Fact]:
        """What looks wrong in the values that come; nothing is said of values that do not."""
        if self._doubtful:
            since_us = min(since for since, _, _ in self._doubtful.values())
            until_us = max(
                last + self._fresh_us(self.of(channel))
                for channel, (_, last, _) in self._doubtful.items()
            )
            words = sorted({f"{channel}: {why}" for channel, (*_, why) in self._doubtful.items()})
            text = "Questionable " + ", ".join(words)
            yield Fact("doubtful", since_us, text, until_us=until_us)
        if self._differ_us is not None:
            hr, pr = self._last["hr"].value, self._last["pr"].value
            # without the numbers of this second: they would make it another message each second
            side = "above" if hr > pr else "below"
            both = [self._last[channel] for channel in PULSES]
            until_us = min(last.at_us + self._fresh_us(last.device) for last in both)
            text = f"HR is far {side} PR: check both sensors"
            yield Fact("hr-pr-differ", self._differ_us, text, until_us=until_us)
        if self._cuff_differs >= CUFF_TIMES:
            text = "Cuff's pulse is not the oximeter's: same patient?"
            yield Fact("cuff-pr-differs", self._cuff_differs_us, text)

    def _better(self, channel: str, device: str, than: str) -> bool:
        order = self.order(channel)
        if device not in order:
            return False
        return than not in order or order.index(device) < order.index(than)

    def _step(self, now_us: int, channel: str, value: float) -> str:
        """Why a value is implausible, `""` if it is not.

        Moving hands make steps that no patient makes, and they last some seconds.
        """
        if channel not in STEPS:
            return ""
        fall, rise = STEPS[channel]
        recent = self._recent.setdefault(channel, deque())
        while recent and now_us - recent[0][0] >= STEP_US:
            recent.popleft()
        stepped = self._stepped.get(channel)
        if stepped is not None:
            from_us, before = stepped
            back = before - value <= fall and value - before <= rise
            if back or now_us - from_us >= STEPPED_US:
                del self._stepped[channel]
                recent.clear()  # what came in between is no measure for what follows
        elif recent:
            highest = max(before for _, before in recent)
            lowest = min(before for _, before in recent)
            if highest - value > fall:
                self._stepped[channel] = (now_us, highest)
            elif value - lowest > rise:
                self._stepped[channel] = (now_us, lowest)
        recent.append((now_us, value))
        return "implausible step" if channel in self._stepped else ""

    def _doubt(self, now_us: int, numeric: Numeric, why: str) -> None:
        channel = numeric.channel
        if channel not in STEPS:
            return
        known = self._doubtful.get(channel)
        if numeric.quality is Quality.GOOD:
            if known is not None:
                del self._doubtful[channel]
                self.version += 1
            return
        words = ", ".join(sorted(flag.value.replace("_", " ") for flag in numeric.flags))
        goes_on = known is not None and now_us - known[1] <= self._fresh_us(numeric.device)
        since_us = known[0] if known is not None and goes_on else now_us
        self._doubtful[channel] = (since_us, now_us, why or words or "the device doubts it")
        self.version += 1

    def _differ(self, now_us: int) -> None:
        hr, pr = self.fresh("hr", now_us), self.fresh("pr", now_us)
        before = self._differ_us
        if hr is None or pr is None or abs(hr - pr) <= DIFFER:
            self._differ_us = None
        elif before is None:
            self._differ_us = now_us
        if before is not None or self._differ_us is not None:
            self.version += 1

    def _cuff_rate(self, now_us: int, numeric: Numeric, value: float) -> None:
        """Compares the cuff's pulse rate with the oximeter's, once a determination."""
        device = numeric.device
        if numeric.channel == "nibp_sys":
            self._cuffed[device] = now_us
        elif numeric.channel == "pr" and device != self.of("pr"):
            self._cuff_pr[device] = Last(device, now_us, value)
        else:
            return
        cuffed_us, cuff = self._cuffed.get(device), self._cuff_pr.get(device)
        oximeter = self.fresh("pr", now_us)
        if (
            cuffed_us is None
            or cuff is None
            or oximeter is None
            or abs(cuffed_us - cuff.at_us) > ONE_DETERMINATION_US
            or self._compared.get(device) == cuffed_us
        ):
            return
        self._compared[device] = cuffed_us
        self.version += 1
        if abs(cuff.value - oximeter) > CUFF_DIFFER:
            self._cuff_differs += 1
            self._cuff_differs_us = now_us
        else:
            self._cuff_differs = 0


def _determined(channel: str) -> str:
    """The values of one blood pressure come from one device: they share their source."""
    return NIBP[0] if channel in NIBP else channel

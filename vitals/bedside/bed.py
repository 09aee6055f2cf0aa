"""One bed: sources, cuff, gate, links and notices, taken together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitals.alarms.engine import Engine
from vitals.alarms.technical import EXPLAINS, STATION_EVENTS, Fact, Loss
from vitals.alarms.track import FRESH_US, Pace
from vitals.bedside.cuff import LINK_LOST, NO_VALUE, Cuff
from vitals.bedside.gate import CuffGate
from vitals.bedside.sources import PULSES, Sources
from vitals.model import US, Alarm, Link, Notice, Numeric

HELD = ("spo2", "pr")
"""What an inflated cuff on the oximeter's arm takes away."""
LOSS_US = 2 * US
"""A missing value is looked into after this; no delay of a profile is shorter."""
MOVED = "the monitor was moved to another room"
_NEVER = 2**62


class Bed:
    """What the devices of one room have said.

    Args:
        devices: device -> its channels, the most trusted first.
        slack_us: extra patience of a demo that runs faster than real time.
        paces: how each device speaks; the silence of a spot device means nothing.
        prefer: channel -> devices, the most trusted first, where that is not the order above.
    """

    def __init__(
        self,
        devices: Mapping[str, tuple[str, ...]],
        slack_us: int,
        paces: Mapping[str, Pace],
        prefer: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._devices = dict(devices)
        self._paces = paces
        self._spot: frozenset[str] = frozenset()
        self._prefer = prefer
        self._slack_us = slack_us
        self.sources = self.unheard()
        self.cuff = Cuff()
        self.links: dict[str, Link] = {}
        self.link_since_us: dict[str, int] = {}
        self.notices: dict[tuple[str, str], Notice] = {}
        self._gate = CuffGate()
        self._low: list[Numeric] = []
        self._watched = self._gives_pulse = False
        self._seen_us = _NEVER
        self._awaited_us = 0
        self._explained_us: dict[str, int] = {}
        self._unattended_us: int | None = None
        self._look()

    def _look(self) -> None:
        """What the devices can give; in a session nothing ends what somebody is watched for."""
        self._spot = frozenset(device for device, pace in self._paces.items() if pace.spot)
        given = {
            channel
            for device, channels in self._devices.items()
            if device not in self._spot
            for channel in channels
        }
        self._watched = self._watched or "spo2" in given
        self._gives_pulse = self._gives_pulse or not given.isdisjoint(PULSES)

    def arrange(self, now_us: int, devices: Mapping[str, tuple[str, ...]]) -> None:
        """A device has come or gone; the most trusted first, the paces know it already."""
        watched = self._watched
        self._devices.clear()
        self._devices.update(devices)
        self._look()
        if self._watched and not watched and self._seen_us != _NEVER:
            self.await_from(now_us)

    def forget(self, now_us: int, device: str) -> bool:
        """A device was moved away; True if a blood pressure failed by it."""
        for known in (self.links, self.link_since_us, self._explained_us):
            known.pop(device, None)
        self.notices = {key: said for key, said in self.notices.items() if key[0] != device}
        self.sources.forget(device)
        self._gate.close(now_us)
        if not self.cuff.measures(device):
            return False
        self._fail(now_us, Notice(device, now_us, "nibp_failed", True, MOVED))
        return True

    def unheard(self) -> Sources:
        """The sources of this bed, as if none had spoken yet."""
        return Sources(self._devices, self._paces, self._prefer)

    def speaks(self, numeric: Numeric) -> bool:
        """Whether a device that says it has no value is the one whose word counts."""
        channel, device = numeric.channel, numeric.device
        if channel not in self._devices.get(device, (channel,)):
            return False
        watched = channel == "spo2" or channel in PULSES
        return not watched or self.sources.of(channel) == device

    def begin(self, now_us: int) -> None:
        """A session begins: another patient, of whom nothing has been measured yet."""
        self._watched = self._gives_pulse = False
        self._look()
        self.sources = self.unheard()
        self.cuff.begin()
        self._gate, self._low = CuffGate(), []
        self._unattended_us = None
        self.await_from(now_us)
        for code in STATION_EVENTS:
            self.notices.pop(("", code), None)

    def ended(self) -> None:
        """No session: nobody is watched."""
        self._seen_us, self._unattended_us = _NEVER, None

    def await_from(self, now_us: int) -> None:
        """Values are awaited from now on: a session begins, or the patient is back."""
        self._seen_us = self._awaited_us = now_us + self._patience_us(self.sources.of("spo2"))

    # --- what is missing ------------------------------------------------------------------

    @property
    def lost_us(self) -> int:
        """When a value that does not come will have been missing for long enough for a look."""
        return self._seen_us + LOSS_US if self._watched else _NEVER

    def lost(self, now_us: int) -> bool:
        """Whether SpO2 or pulse has been missing for so long that it is worth a look."""
        return self._watched and now_us - self._seen_us >= LOSS_US

    def loss(self, now_us: int, mattered: bool) -> Loss | None:
        """What is missing of SpO2 and pulse, None while both are there.

        It is missing at once when its device cannot be heard, so that a lost link is one alarm.
        """
        if not self._watched:
            return None
        spo2 = self.sources.last("spo2")
        found = [("SpO2", self.sources.of("spo2"), spo2)]
        if self._gives_pulse:
            known = [p for p in map(self.sources.last, PULSES) if p is not None]
            pulses = [p for p in known if p.device not in self._spot]
            pulse = max(pulses, key=lambda p: (self._heard(p.device), p.at_us), default=None)
            found.append(("PR", pulse.device if pulse else self.sources.of("pr"), pulse))
        lost = self.lost(now_us)
        missing = [one for one in found if lost or not self._heard(one[1])]
        if not missing:
            return None
        label, device, last = min(missing, key=lambda one: 0 if one[2] is None else one[2].at_us)
        since_us = self._awaited_us
        if last is not None:
            since_us = max(last.at_us + self._patience_us(last.device), since_us)
        value = None if last is None else last.value
        explained_us = self._explained_us.get(device, 0)
        return Loss(device, label, since_us, value, mattered, self._gate.end_us, explained_us)

    def _heard(self, device: str) -> bool:
        link = self.links.get(device)
        return link is None or link.state == "streaming"

    def unattended(self) -> Fact | None:
        """Somebody is measured and no session is open; one look at a finger is not that."""
        last = self.sources.last("spo2")
        if self._unattended_us is None or last is None:
            return None
        until_us = last.at_us + FRESH_US + self._slack_us
        return Fact("open-session", self._unattended_us, "Open session?", until_us=until_us)

    # --- inputs ---------------------------------------------------------------------------

    def take(self, now_us: int, numeric: Numeric) -> Numeric | None:
        """A valid value as it is to be judged, None if another source speaks."""
        channel = numeric.channel
        before = self.sources.last(channel)
        judged = self.sources.take(now_us, numeric)
        if judged is None:
            return None
        if channel == "nibp_sys":
            self.cuff.read(now_us, numeric.device, numeric.at_us)
            self._gate.deflated(now_us)
        elif channel == "spo2" or channel in PULSES:
            self._seen()
            gap = before is None or now_us - before.at_us > FRESH_US + self._slack_us
            if channel == "spo2" and gap:
                self._unattended_us = None
            alone = self._seen_us == _NEVER
            if alone and self._unattended_us is None and self._both(now_us):
                self._unattended_us = now_us
        return judged

    def enter(self, now_us: int, numeric: Numeric) -> bool:
        """A value that a person has taken; whether it is the newest that there is.

        It says nothing of what the devices give: a silent oximeter stays missed.
        """
        counts = self.sources.enter(now_us, numeric)
        if numeric.channel == "nibp_sys":
            self.cuff.read(now_us, "", numeric.at_us)
        return counts

    def _seen(self) -> None:
        """Both are there; the older one counts, of the pulses the newest."""
        if self._seen_us == _NEVER:
            return
        last = self.sources.last
        spo2 = last("spo2")
        if spo2 is None:
            return
        seen_us = spo2.at_us + self._patience_us(spo2.device)
        if self._gives_pulse:
            hr, pr = last("hr"), last("pr")
            pulse_us = max(
                hr.at_us + self._patience_us(hr.device) if hr else 0,
                pr.at_us + self._patience_us(pr.device) if pr else 0,
            )
            seen_us = min(seen_us, pulse_us)
        self._seen_us = max(seen_us, self._awaited_us)

    def _patience_us(self, device: str) -> int:
        """How much longer than a stream of one value a second a device may be silent."""
        pace = self._paces.get(device)
        if pace is None:
            return 0
        return 0 if pace.spot else max(0, pace.fresh_us - FRESH_US - self._slack_us)

    def _both(self, now_us: int) -> bool:
        fresh = self.sources.fresh
        return fresh("spo2", now_us) is not None and any(
            fresh(channel, now_us) is not None for channel in PULSES
        )

    def invalid(self, now_us: int, numeric: Numeric) -> bool:
        """A device says that it has no value; True if a blood pressure failed by that."""
        if numeric.channel == "spo2" or numeric.channel in PULSES:
            self._unattended_us = None
        if numeric.channel != "nibp_sys":
            return False
        self._fail(now_us, Notice(numeric.device, now_us, "nibp_failed", True, NO_VALUE))
        return True

    def notice(self, now_us: int, notice: Notice) -> bool:
        """A device's condition; True if a blood pressure failed by it."""
        key = (notice.device, notice.code)
        if notice.code == "cuff_inflating":
            self.cuff.inflating(now_us, notice.device, notice.active)
            if not notice.active:
                self._gate.deflated(now_us)
        elif notice.code == "nibp_failed":
            self._fail(now_us, replace(notice, at_us=now_us))
            return True
        if notice.active and notice.code in STATION_EVENTS and not notice.device:
            self.notices[key] = replace(notice, at_us=now_us)  # each one is news
        elif notice.active:
            self.notices.setdefault(key, replace(notice, at_us=now_us))
        elif self.notices.pop(key, None) is not None and notice.code in EXPLAINS:
            self._explained_us[notice.device] = now_us
        return False

    def _fail(self, now_us: int, notice: Notice) -> None:
        self.cuff.fail(now_us, notice)
        self._gate.deflated(now_us)

    def link(self, now_us: int, link: Link) -> bool:
        """The state of a link; True if a blood pressure failed by it."""
        self.links[link.device] = link
        if link.state == "streaming":
            if self.link_since_us.pop(link.device, None) is not None:
                self._explained_us[link.device] = now_us
            return False
        if link.device not in self._spot:
            self.link_since_us.setdefault(link.device, now_us)
        if link.device == self.sources.of("spo2"):
            self._unattended_us = None
        # A device that cannot be heard reports nothing: what it said last is no longer known.
        for key in [key for key in self.notices if key[0] == link.device]:
            del self.notices[key]
        if not self.cuff.measures(link.device):
            return False
        self._fail(now_us, Notice(link.device, now_us, "nibp_failed", True, LINK_LOST))
        return True

    # --- the cuff on the oximeter's arm -----------------------------------------------------

    def gate_opens(self, now_us: int, engine: Engine) -> None:
        """The cuff inflates on the oximeter's arm: hold, unless something is going on."""
        if not self._watched or self.lost(now_us) or engine.waiting((*HELD, "hr")):
            return
        if not self._gate.holds(now_us):
            self._low = []
            engine.freeze(HELD)
        self._gate.inflated(now_us)

    def gate_closes(self, now_us: int) -> None:
        """Nothing is held any more: another arm, or an emergency."""
        self._gate.close(now_us)

    def held(self, now_us: int, channel: str) -> bool:
        """Whether this channel is held now."""
        return channel in HELD and self._gate.holds(now_us)

    def pierces(self, now_us: int, judged: Numeric, engine: Engine) -> list[Numeric]:
        """The samples that end the hold at once: good ones below the floor; else none."""
        needed = engine.floor(judged)
        if not needed:
            self._low = [] if judged.channel == "spo2" else self._low
            return []
        self._low.append(judged)
        if len(self._low) < needed:
            return []
        self._gate.close(now_us)
        low, self._low = self._low, []
        return low

    # --- restart --------------------------------------------------------------------------

    def resume(self, now_us: int, alarms: Iterable[Alarm], rest_us: int) -> None:
        """After a restart: a failed reading is remembered, and the cuff may still be at it."""
        self.cuff.rest_until_us = now_us + rest_us
        text = "Station restarted: check the monitors"
        self.notices["", "restarted"] = Notice("", now_us, "restarted", True, text)
        self.await_from(now_us)
        for alarm in alarms:
            if alarm.rule == "nibp-failed" and alarm.condition == "active":
                self.cuff.failures = alarm.level + 1
                reason = alarm.text.removeprefix("BP failed: ").removesuffix("; repeat")
                at_us = alarm.onset_us or now_us
                self.cuff.failed = Notice("", at_us, "nibp_failed", detail=reason)

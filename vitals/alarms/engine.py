"""All alarms of one room: rules from the profile, judged on samples, facts and time.

Pure: time is an argument, and every change comes back as an `AlarmChange`. Silence clears
nothing: without a valid sample a physiological alarm stays as it is, and the technical
conditions (`vitals.alarms.technical`) speak up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.limits import Context
from vitals.alarms.technical import OF_DEVICES, Fact
from vitals.alarms.track import Pace, pace
from vitals.channels import NIBP
from vitals.model import Alarm, AlarmChange, Flag, Numeric, Priority, Quality, Rule

_BY_HAND = pace(spot=True)
"""A person measures once, like a device that speaks only when somebody measures."""


class Engine:
    """The alarms of one room during one session."""

    def __init__(
        self,
        room: str,
        rules: Iterable[Rule],
        context: Context | None = None,
        *,
        slack_us: int = 0,
        paces: Mapping[str, Pace] | None = None,
    ) -> None:
        self._room, self._slack_us = room, slack_us
        self._paces = {} if paces is None else paces
        self._alarms = {
            rule.id: RoomAlarm(room, rule, context, slack_us=slack_us) for rule in rules
        }
        self._by_channel: dict[str, list[RoomAlarm]] = {}
        for alarm in self._alarms.values():
            if alarm.rule.side != "technical":
                self._by_channel.setdefault(alarm.rule.channel, []).append(alarm)
        self._next_us = 0
        """When something may next happen by itself; 0 when that has to be looked up."""
        self._vital = [a for a in self._alarms.values() if a.rule.side != "technical"]
        self._technical = [a for a in self._alarms.values() if a.rule.side == "technical"]

    @property
    def alarms(self) -> list[Alarm]:
        """Alarms that are not idle, and rules that are off; worst first."""
        live = [a.alarm for a in self._alarms.values() if a.live]
        return sorted(live, key=lambda a: (-a.priority.rank, a.onset_us or 0))

    def alarm(self, rule: str) -> Alarm:
        """The alarm of one rule, idle or not."""
        return self._alarms[rule].alarm

    def add(self, rules: Iterable[Rule], context: Context) -> None:
        """The technical rules of a device that has come; those it has already stay as they are."""
        for rule in rules:
            if rule.id not in self._alarms:
                alarm = RoomAlarm(self._room, rule, context, slack_us=self._slack_us)
                self._alarms[rule.id] = alarm
                self._technical.append(alarm)

    # --- inputs -------------------------------------------------------------------------------

    def sample(self, at_us: int, numeric: Numeric, by: str = "") -> list[AlarmChange]:
        """Judges a numeric; one without a valid value changes nothing."""
        if numeric.value is None or numeric.quality is Quality.INVALID:
            return []
        good = numeric.quality is Quality.GOOD
        by_hand = Flag.MANUAL in numeric.flags
        spoken = _BY_HAND if by_hand else self._paces.get(numeric.device)
        changes = []
        for alarm in self._by_channel.get(numeric.channel, ()):
            changes += alarm.sample(at_us, numeric.value, good=good, by=by, pace=spoken)
            self._next_us = min(self._next_us, alarm.next_us)
        return changes

    def technical(self, now_us: int, facts: Iterable[Fact]) -> list[AlarmChange]:
        """Judges the technical conditions; one that is not among `facts` is absent."""
        self._next_us = 0
        present = {fact.rule: fact for fact in facts}
        changes = []
        for alarm in self._technical:
            changes += alarm.technical(now_us, present.get(alarm.rule.id))
        return changes

    def advance(self, now_us: int) -> list[AlarmChange]:
        """Lets time pass."""
        if now_us < self._next_us:
            return []
        changes = self._advance(self._alarms.values(), now_us)
        self._next_us = min(alarm.next_us for alarm in self._alarms.values())
        return changes

    def advance_vitals(self, now_us: int) -> list[AlarmChange]:
        """Lets time pass for the alarms of vitals only; technical ones wait for newer facts."""
        return [] if now_us < self._next_us else self._advance(self._vital, now_us)

    @staticmethod
    def _advance(alarms: Iterable[RoomAlarm], now_us: int) -> list[AlarmChange]:
        due = [alarm for alarm in alarms if alarm.next_us <= now_us]
        changes = [change for alarm in due for change in alarm.advance(now_us)]
        return sorted(changes, key=lambda change: change.at_us)

    def retune(self, now_us: int, context: Context) -> list[AlarmChange]:
        """The dose, the phase, the baseline or the patient's limits have changed."""
        self._next_us = 0
        return [c for alarm in self._alarms.values() for c in alarm.retune(now_us, context)]

    def missed_repeat(self, now_us: int) -> list[AlarmChange]:
        """A repeated blood pressure is overdue."""
        self._next_us = 0
        cuffs = [alarm for channel in NIBP for alarm in self._by_channel.get(channel, ())]
        return [c for alarm in cuffs for c in alarm.missed_repeat(now_us)]

    # --- what others ask of it ----------------------------------------------------------------

    def waiting(self, channels: Collection[str]) -> bool:
        """Whether an alarm of these channels is pending or active."""
        return any(a.waiting for channel in channels for a in self._by_channel.get(channel, ()))

    def severity(self, channel: str, value: float) -> Priority | None:
        """The worst priority whose limit a reading is beyond now, None within all limits."""
        out = [
            track.level.priority
            for alarm in self._by_channel.get(channel, ())
            for track in alarm.tracks
            if track.out(value)
        ]
        return max(out, key=lambda priority: priority.rank, default=None)

    def floor(self, numeric: Numeric) -> int:
        """How many good samples like this one raise an alarm at once; 0 = none do."""
        if numeric.value is None or numeric.quality is not Quality.GOOD:
            return 0
        counts = [
            track.level.samples
            for alarm in self._by_channel.get(numeric.channel, ())
            for track in alarm.tracks
            if track.level.samples and track.out(numeric.value)
        ]
        return min(counts, default=0)

    def freeze(self, channels: Collection[str]) -> None:
        """These channels are not judged for a while (the cuff on the oximeter's arm)."""
        self._next_us = 0
        for channel in channels:
            for alarm in self._by_channel.get(channel, ()):
                alarm.freeze()

    # --- acts of people -------------------------------------------------------------------

    def acknowledge(self, now_us: int, rule: str, actor: str) -> list[AlarmChange]:
        """Acknowledges one alarm."""
        return self._one(rule).acknowledge(now_us, actor)

    def acknowledge_all(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Acknowledges whatever is on (an emergency: everybody is there)."""
        return [c for alarm in self._chosen("") for c in alarm.acknowledge(now_us, actor)]

    def pause_audio(self, now_us: int, actor: str, rule: str = "") -> list[AlarmChange]:
        """Pauses exactly the alarms that are sounding now, or one of them."""
        return [c for alarm in self._chosen(rule) for c in alarm.pause(now_us, actor)]

    def resume_audio(self, now_us: int, actor: str, rule: str = "") -> list[AlarmChange]:
        """Cancels the audio pause of one alarm, or of all."""
        return [c for alarm in self._chosen(rule) for c in alarm.unpause(now_us, actor)]

    def switch_off(self, now_us: int, rule: str, actor: str, reason: str) -> list[AlarmChange]:
        """Switches a rule off."""
        return self._one(rule).switch_off(now_us, actor, reason)

    def switch_on(self, now_us: int, rule: str, actor: str) -> list[AlarmChange]:
        """Switches a rule on again."""
        return self._one(rule).switch_on(now_us, actor)

    def finish(
        self, now_us: int, cause: str, actor: str, fresh: Collection[str] = ()
    ) -> list[AlarmChange]:
        """Ends what speaks of devices, and frozen alarms: those of channels that are not fresh."""
        changes = []
        self._next_us = 0
        for alarm in self._alarms.values():
            rule = alarm.rule
            if rule.side == "technical":
                ends = rule.id.partition(":")[0] in OF_DEVICES
            else:
                ends = not rule.by_reading and rule.channel not in fresh
            if ends:
                changes += alarm.close(now_us, cause, actor)
        return changes

    def close(self, now_us: int, cause: str, actor: str) -> list[AlarmChange]:
        """Ends everything, because the session ends."""
        self._next_us = 0
        return [c for a in self._alarms.values() for c in a.close(now_us, cause, actor)]

    def _one(self, rule: str) -> RoomAlarm:
        self._next_us = 0
        return self._alarms[rule]

    def _chosen(self, rule: str) -> Iterable[RoomAlarm]:
        self._next_us = 0
        return [a for a in self._alarms.values() if rule in ("", a.rule.id)]

    # --- restart ------------------------------------------------------------------------------

    def restore(self, alarms: Iterable[Alarm], now_us: int) -> list[AlarmChange]:
        """Takes over recorded states after a restart; rules that are gone are ignored."""
        self._next_us = 0
        known = [alarm for alarm in alarms if alarm.rule in self._alarms]
        return [c for alarm in known for c in self._alarms[alarm.rule].restore(alarm, now_us)]

"""All alarms of one room: rules from the profile, judged on samples, facts and time.

Pure: time is an argument, and every change comes back as an `AlarmChange`. Silence clears
nothing: without a valid sample a physiological alarm stays as it is, and the technical
conditions (`vitals.alarms.technical`) speak up.
"""

from __future__ import annotations

from collections.abc import Iterable

from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.technical import Fact
from vitals.model import Alarm, AlarmChange, Numeric, Quality, Rule


class Engine:
    """The alarms of one room during one session."""

    def __init__(self, room: str, rules: Iterable[Rule], *, slack_us: int = 0) -> None:
        self._alarms = {rule.id: RoomAlarm(room, rule, slack_us=slack_us) for rule in rules}
        self._by_channel: dict[str, list[RoomAlarm]] = {}
        for alarm in self._alarms.values():
            if alarm.rule.side != "technical":
                self._by_channel.setdefault(alarm.rule.channel, []).append(alarm)
        self._technical = [a for a in self._alarms.values() if a.rule.side == "technical"]

    @property
    def alarms(self) -> list[Alarm]:
        """Alarms that are not idle, worst first."""
        live = [a.alarm for a in self._alarms.values() if a.alarm.condition != "idle"]
        return sorted(live, key=lambda a: (-a.priority.rank, a.onset_us or 0))

    def sample(self, at_us: int, numeric: Numeric) -> list[AlarmChange]:
        """Judges a numeric; one without a valid value changes nothing."""
        if numeric.value is None or numeric.quality is Quality.INVALID:
            return []
        good = numeric.quality is Quality.GOOD
        changes = []
        for alarm in self._by_channel.get(numeric.channel, ()):
            changes += alarm.sample(at_us, numeric.value, good=good)
        return changes

    def technical(
        self, now_us: int, facts: Iterable[Fact], *, dose_us: int | None
    ) -> list[AlarmChange]:
        """Judges the technical conditions; one that is not among `facts` is absent."""
        present = {fact.rule: fact for fact in facts}
        changes = []
        for alarm in self._technical:
            changes += alarm.technical(now_us, present.get(alarm.rule.id), dose_us)
        return changes

    def advance(self, now_us: int) -> list[AlarmChange]:
        """Lets time pass."""
        due = [alarm for alarm in self._alarms.values() if alarm.next_us <= now_us]
        if not due:
            return []
        changes = [change for alarm in due for change in alarm.advance(now_us)]
        return sorted(changes, key=lambda change: change.at_us)

    def acknowledge(self, now_us: int, rule: str, actor: str) -> list[AlarmChange]:
        """Acknowledges one alarm."""
        return self._alarms[rule].acknowledge(now_us, actor)

    def pause_audio(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Pauses exactly the alarms that are sounding now."""
        return [c for alarm in self._alarms.values() for c in alarm.pause(now_us, actor)]

    def resume_audio(self, now_us: int, actor: str, rule: str = "") -> list[AlarmChange]:
        """Cancels the audio pause of one alarm, or of all."""
        chosen = [a for a in self._alarms.values() if rule in ("", a.rule.id)]
        return [c for alarm in chosen for c in alarm.unpause(now_us, actor)]

    def restore(self, alarms: Iterable[Alarm]) -> None:
        """Takes over recorded states after a restart; rules that are gone are ignored."""
        for alarm in alarms:
            if alarm.rule in self._alarms:
                self._alarms[alarm.rule].restore(alarm)

    def drop_pending(self) -> None:
        """A restart in the log: pending delays start anew."""
        for alarm in self._alarms.values():
            alarm.restore(alarm.alarm)

    def close(self, now_us: int, cause: str, actor: str) -> list[AlarmChange]:
        """Ends everything, because the session ends."""
        return [c for a in self._alarms.values() for c in a.close(now_us, cause, actor)]

"""Which changes of alarms go out of the pages: escalation steps, and sound on the station's PC."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vitals.errors import CommandError
from vitals.model import Alarm, AlarmChange
from vitals.paging import Pager

NO_SOUND = "no-sound"
AlarmOf = Callable[[str, str], Alarm]
"""(room id, rule id) -> the alarm as it is now."""


class CallOut:
    """Hands on what the engine decides; `labels`: room id -> what people call it."""

    def __init__(self, pager: Pager, labels: Mapping[str, str], alarm_of: AlarmOf) -> None:
        self._pager = pager
        self._labels = labels
        self._alarm_of = alarm_of

    def changed(self, change: AlarmChange) -> None:
        """An alarm has changed; a step of its escalation may be due."""
        alarm = change.after
        if change.cause == "escalated":
            self._pager.page(
                alarm.escalated, self._labels[alarm.room], alarm, lambda: self._waits(alarm)
            )
        self.restored(alarm)

    def restored(self, alarm: Alarm) -> None:
        """An alarm as it is now, also after a restart: one that no page can sound is heard here."""
        if alarm.rule == NO_SOUND and alarm.sounding:
            self._pager.sound_while(NO_SOUND, alarm.text, self._unheard)

    def test(self, step: int) -> str:
        """Tries one step; why it cannot be tried, `""` when it is under way."""
        try:
            self._pager.test(step)
        except CommandError as error:
            return str(error)
        return ""

    async def close(self) -> None:
        """Ends what is under way."""
        await self._pager.close()

    def _waits(self, then: Alarm) -> bool:
        """Whether this very episode still asks for somebody."""
        now = self._alarm_of(then.room, then.rule)
        return (
            now.condition == "active"
            and not now.acked_by
            and now.rule_state == "enabled"
            and (now.onset_us, now.raised_us) == (then.onset_us, then.raised_us)
        )

    def _unheard(self) -> bool:
        found = (self._alarm_of(room, NO_SOUND) for room in self._labels)
        return any(alarm.sounding for alarm in found)

"""One alarm of one room: values, facts, time and acts of people come in, its changes come out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitals.alarms.limits import Context
from vitals.alarms.machine import HEARD, AlarmMachine
from vitals.alarms.technical import Fact
from vitals.alarms.track import Pace
from vitals.model import US, Alarm, AlarmChange

PAUSE_S = 120.0
"""Audio pause; no profile may set a longer one."""
OFF_S = 900.0
"""A rule that is switched off comes back by itself after this."""


class RoomAlarm(AlarmMachine):
    """Folds samples, facts, time and acts of people into one `Alarm` and its changes."""

    # --- inputs ---------------------------------------------------------------------------

    def sample(
        self, at_us: int, value: float, *, good: bool = True, by: str = "", pace: Pace | None = None
    ) -> list[AlarmChange]:
        """A valid value of the rule's channel; `by` names who entered it by hand.

        `pace`: of the device that it comes from, where that is another one than before.
        """
        if self._calm and self.next_us > at_us and self._well_inside(value):
            self._last_us, self._value = at_us, value
            return []
        self._run_until(at_us)
        if self._varies:
            self._limits(at_us)
        if pace is not None:
            for track in self.tracks:
                track.pace = pace
        alarm_before = self.alarm
        again = self.rule.by_reading and alarm_before.condition == "active"
        for track in self.tracks:
            track.sample(at_us, value, self._last_us, good=good)
        self._last_us, self._value, self._by = at_us, value, by
        self._settle(at_us)
        alarm = self.alarm
        if again and alarm.acked_by and not self._alone and self.tracks[alarm.level].out(value):
            # Rule 3 for readings: the same old one never sounds again, a new one does.
            silent = self._silent(alarm.level)
            self._raise(at_us, "new reading", value=value, value_us=at_us, silent=silent)
        self._speak(at_us, "second reading")
        if again and self.alarm is alarm_before:
            self._reread(at_us)
        return self._take()

    def retune(self, now_us: int, context: Context) -> list[AlarmChange]:
        """The dose, the phase, the baseline or the patient's own limits have changed."""
        self._run_until(now_us)
        phase_changed = context.phase != self._context.phase
        self._context = context
        if self.rule.side != "technical":
            self._limits(now_us)
            self._settle(now_us)
            self._speak(now_us, "dose given")
        if phase_changed and self.alarm.signal == "off":
            self._change(now_us, "emergency over", **HEARD)
        if phase_changed and self.alarm.rule_state == "off":
            self._switch_on(now_us, "phase changed")
        return self._take()

    def technical(self, now_us: int, fact: Fact | None) -> list[AlarmChange]:
        """A technical condition that is present; None = absent."""
        dose_us = self._context.marked_us
        if (fact, dose_us) == self._fact and self.next_us > now_us:
            return []
        self._fact = (fact, dose_us)
        self._run_until(now_us)
        if fact is not None and fact.until_us is not None and fact.until_us <= now_us:
            fact = None  # it has ended by itself, and is not news again
        for index, track in enumerate(self.tracks):
            waits = track.level.after_dose and dose_us is None
            if fact is None or index > fact.worst or waits:
                track.condition(now_us, None)
            else:
                dosed_us = dose_us if dose_us and track.level.after_dose else 0
                track.condition(now_us, fact.since_us, max(fact.not_before_us, dosed_us))
        self._until_us = None if fact is None else fact.until_us
        if fact is not None:
            self._text, self._value, self._by = fact.text, fact.value, fact.by
            self._last_us = fact.value_us
        self._schedule()
        self._run_until(now_us)
        self._settle(now_us)
        if fact and self.alarm.condition == "active" and fact.text != self.alarm.text:
            if fact.by:  # somebody has reported something else, which nobody has heard of yet
                more: dict[str, Any] = {"onset_us": now_us, "text": fact.text, **HEARD}
                self._raise(now_us, "reported again", **more)
            else:
                self._change(now_us, "cause changed", text=fact.text)
        return self._take()

    def advance(self, now_us: int) -> list[AlarmChange]:
        """Lets time pass: delays end, an acknowledged alarm sounds again, a pause ends."""
        self._run_until(now_us)
        return self._take()

    def missed_repeat(self, at_us: int) -> list[AlarmChange]:
        """A repeat that a reading had asked for has not come: it sounds again (rule 3)."""
        self._run_until(at_us)
        if self.rule.by_reading and self.alarm.condition == "active" and self.alarm.acked_by:
            self._raise(at_us, "repeat missed")
        return self._take()

    # --- acts of people -------------------------------------------------------------------

    def acknowledge(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Silences this alarm at this level; what only latches ends (rules 3, 5)."""
        alarm = self.alarm
        if alarm.condition == "latched":
            if self._met >= 0:  # only an annotation is left
                self._to_level(now_us, self._met, "acknowledged", actor, keep=True)
            else:
                self._end(now_us, "acknowledged", actor)
        elif alarm.condition == "active" and not alarm.acked_by:
            if self._met < alarm.level:  # a higher level that has ended meanwhile is now seen
                self._to_level(now_us, self._met, "acknowledged", actor, keep=True)
            else:
                self._change(
                    now_us, "acknowledged", actor, acked_by=actor, acked_us=now_us, raised_us=None
                )
        return self._take()

    def pause(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Pauses the sound of this alarm if it is sounding now (rule 4)."""
        if self.alarm.sounding:
            until_us = now_us + round(PAUSE_S * US)
            self._change(now_us, "audio paused", actor, signal="paused", signal_until_us=until_us)
        return self._take()

    def unpause(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Cancels an audio pause."""
        if self.alarm.signal == "paused":
            self._change(now_us, "audio on", actor, **HEARD)
        return self._take()

    def switch_off(self, now_us: int, actor: str, reason: str) -> list[AlarmChange]:
        """Switches the rule off: seen with a crossed bell, not heard, for 15 min (rule 6)."""
        self._change(
            now_us,
            "rule off",
            actor,
            rule_state="off",
            rule_until_us=now_us + round(OFF_S * US),
            rule_by=actor,
            rule_reason=reason,
        )
        return self._take()

    def switch_on(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Switches the rule on again."""
        if self.alarm.rule_state != "enabled":
            self._switch_on(now_us, "rule on", actor)
        return self._take()

    def close(self, now_us: int, cause: str, actor: str = "") -> list[AlarmChange]:
        """Ends the alarm whatever its state, because monitoring or the session ends."""
        if self.alarm.condition != "idle":
            self._end(now_us, cause, actor)
        if self.alarm.rule_state != "enabled":
            self._switch_on(now_us, cause, actor)
        for track in self.tracks:
            track.restart(met=False)
        self._met, self._fact = -1, None
        return self._take()

    def restore(self, alarm: Alarm, now_us: int = 0) -> list[AlarmChange]:
        """After a restart at `now_us`: what was active stays so, pending delays start anew (8)."""
        if alarm.condition == "pending":
            self.alarm, self._value = alarm, alarm.value
            self._end(now_us, "restarted")
            alarm = self.alarm
        if alarm.condition in ("idle", "pending"):
            alarm = replace(
                Alarm(alarm.room, alarm.rule),
                rule_state=alarm.rule_state,
                rule_until_us=alarm.rule_until_us,
                rule_by=alarm.rule_by,
                rule_reason=alarm.rule_reason,
            )
        # The profile may have lost levels meanwhile: the alarm then goes on at the worst one left.
        if alarm.level >= len(self.tracks):
            alarm = replace(alarm, level=len(self.tracks) - 1)
        self.alarm, self._value, self._text = alarm, alarm.value, alarm.text
        self._met = alarm.level if alarm.condition == "active" else -1
        for index, track in enumerate(self.tracks):
            track.restart(met=alarm.condition == "active" and index <= alarm.level)
        self._fact, self._last_us = None, None
        self._calm, self._restored_us, self._sounds_us = False, now_us, now_us
        changes, self._changes = self._changes, []
        self._schedule()
        return changes

    @property
    def live(self) -> bool:
        """Whether there is anything to be seen of it."""
        return self.alarm.condition != "idle" or self.alarm.rule_state != "enabled"

    @property
    def waiting(self) -> bool:
        """Whether a delay runs or the condition is met, at a level that signals."""
        levels = zip(self.rule.levels, self.tracks, strict=True)
        return any(track.state != "idle" and level.priority.rank for level, track in levels)

    def freeze(self) -> None:
        """The source is held for a while: the time until it speaks again is a gap like any."""
        self._last_us = None
        self._schedule()

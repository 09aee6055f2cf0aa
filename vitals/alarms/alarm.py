"""One alarm: the tracks of one rule in one room, and what people have done about it.

The four axes (condition, acknowledgement, signal, rule) and the numbered rules below are those
of docs/alarms.md, section "State machine".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitals.alarms.limits import Context, in_force
from vitals.alarms.technical import Fact
from vitals.alarms.track import Track
from vitals.model import US, Alarm, AlarmChange, Priority, Rule

NEVER = 2**62
PAUSE_S = 120.0
"""Audio pause; no profile may set a longer one."""
OFF_S = 900.0
"""A rule that is switched off comes back by itself after this."""
RESOUND_S = {Priority.MEDIUM: 180.0, Priority.HIGH: 120.0}
"""An acknowledged alarm whose condition lasts sounds again after this."""
_SEEN: dict[str, Any] = {"acked_by": "", "acked_us": None}
_HEARD: dict[str, Any] = {"signal": "on", "signal_until_us": None}


class RoomAlarm:
    """Folds samples, time and acts of people into one `Alarm` and its changes."""

    def __init__(
        self, room: str, rule: Rule, context: Context | None = None, *, slack_us: int = 0
    ) -> None:
        self.rule = rule
        self.alarm = Alarm(room, rule.id)
        self.tracks = [Track(level, rule.side, slack_us) for level in rule.levels]
        self.next_us = NEVER
        """When something will next happen by itself."""
        self._context = context or Context()
        self._varies = any(level.minutes for level in rule.levels)
        self._met = -1
        self._last_us: int | None = None
        self._fact: tuple[Fact | None, int | None] | None = None
        self._value: float | None = None
        self._by = ""
        self._until_us: int | None = None
        self._text = ""
        self._changes: list[AlarmChange] = []
        self._edge: float | None = None
        self._calm = True
        self._restored_us = 0
        self._limits(0)

    # --- inputs ---------------------------------------------------------------------------

    def sample(
        self, at_us: int, value: float, *, good: bool = True, by: str = ""
    ) -> list[AlarmChange]:
        """A valid value of the rule's channel; `by` names who entered it by hand."""
        if self._calm and self.next_us > at_us and self._well_inside(value):
            self._last_us, self._value = at_us, value
            return []
        self._run_until(at_us)
        if self._varies:
            self._limits(at_us)
        again = self.rule.by_reading and self.alarm.condition == "active"
        for track in self.tracks:
            track.sample(at_us, value, self._last_us, good=good)
        self._last_us, self._value, self._by = at_us, value, by
        self._settle(at_us)
        alarm = self.alarm
        if again and alarm.acked_by and self.tracks[alarm.level].out(value):
            # Rule 3 for readings: the same old one never sounds again, a new one does.
            silent = self._silent(alarm.level)
            self._raise(at_us, "new reading", value=value, value_us=at_us, silent=silent)
        self._speak(at_us, "second reading")
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
        if phase_changed and self.alarm.rule_state == "off":
            self._switch_on(now_us, "phase changed")
        return self._take()

    def technical(self, now_us: int, fact: Fact | None) -> list[AlarmChange]:
        """A technical condition that is present; None = absent."""
        dose_us = self._context.dose_us
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
            self._change(now_us, "audio on", actor, **_HEARD)
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
        for track in self.tracks:
            track.restart(met=False)
        self._met, self._fact = -1, None
        return self._take()

    def restore(self, alarm: Alarm, now_us: int = 0) -> None:
        """After a restart at `now_us`: what was active stays so, pending delays start anew (8)."""
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
        self._calm, self._restored_us = False, now_us
        self._schedule()

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

    # --- the state machine ----------------------------------------------------------------

    def _limits(self, now_us: int) -> None:
        if self.rule.side == "technical":
            return
        edge: float | None = None
        high = self.rule.side == "high"
        for index, track in enumerate(self.tracks):
            now = in_force(self.rule, index, self._context, now_us)
            if now != track.now:
                track.retune(now)
            if now is not None and (edge is None or (now.limit < edge) is high):
                edge = now.limit
        self._edge = edge

    def _well_inside(self, value: float) -> bool:
        """Whether a value is inside every limit, the usual case: nothing can change by it."""
        if self._edge is None or self._varies:
            return False
        return value < self._edge if self.rule.side == "high" else value > self._edge

    def _met_level(self) -> int:
        return max((i for i, track in enumerate(self.tracks) if track.met), default=-1)

    def _run_until(self, now_us: int) -> None:
        """Everything that ends by itself up to now, in the order in which it ends.

        So one late call gives the same changes, at the same times, as many early ones.
        """
        while (at_us := self.next_us) <= now_us:
            for track in self.tracks:
                if self._until_us == at_us:
                    track.condition(at_us, None)
                elif track.end_us(self._last_us) == at_us:
                    track.end(at_us)
            if self._until_us == at_us:
                self._until_us = None
            self._settle(at_us)
            if self._pause_end() == at_us:
                self._change(at_us, "pause ended", **_HEARD)
            if self._rule_end() == at_us:
                self._switch_on(at_us, "rule on again")
            if self._resound() == at_us:
                self._raise(at_us, "sounds again")
            if self._escalation() == at_us:
                self._change(at_us, "escalated", escalated=self.alarm.escalated + 1)
            self._schedule()

    def _schedule(self) -> None:
        """Finds out when something will next happen by itself."""
        next_us = NEVER if self._until_us is None else self._until_us
        for track in self.tracks:
            end_us = track.end_us(self._last_us)
            if end_us is not None and end_us < next_us:
                next_us = end_us
        alarm = self.alarm
        if alarm.condition != "idle" or alarm.rule_state != "enabled":
            for at_us in (
                self._pause_end(), self._rule_end(), self._resound(), self._escalation()
            ):  # fmt: skip
                if at_us is not None and at_us < next_us:
                    next_us = at_us
        self.next_us = next_us

    def _pause_end(self) -> int | None:
        return self.alarm.signal_until_us if self.alarm.signal == "paused" else None

    def _rule_end(self) -> int | None:
        return self.alarm.rule_until_us if self.alarm.rule_state == "off" else None

    def _resound(self) -> int | None:
        alarm = self.alarm
        resound_s = RESOUND_S.get(alarm.priority)
        if (
            alarm.condition != "active"
            or alarm.acked_us is None
            or resound_s is None
            or self.rule.by_reading
        ):
            return None
        return alarm.acked_us + round(resound_s * US)

    def _escalation(self) -> int | None:
        """When the next step of the escalation is due (rule 7)."""
        alarm, steps = self.alarm, self._context.escalation_s
        if (
            alarm.raised_us is None
            or alarm.condition != "active"
            or alarm.rule_state != "enabled"
            or alarm.escalated >= len(steps)
            or self._met < 0
            or self.rule.levels[self._met].priority is not Priority.HIGH
        ):
            return None
        # Nobody was told while the program was down: what is late by that is told now.
        return max(alarm.raised_us + round(steps[alarm.escalated] * US), self._restored_us)

    def _settle(self, at_us: int) -> None:
        """Brings the alarm in line with its tracks."""
        before, self._met = self._met, self._met_level()
        if self._met > before and not (self._alone and self.alarm.condition == "latched"):
            # Rule 2: a rise in level cancels acknowledgement and pause, and sounds at once.
            causes = {"active": "level rose", "latched": "condition met again"}
            cause = causes.get(self.alarm.condition, "condition met")
            self._to_level(at_us, max(self._met, self._unseen()), cause)
        elif self._met < before:
            self._fall(at_us)
        if self._alone:
            self._pend(at_us)

    @property
    def _alone(self) -> bool:
        """Whether no level is met that signals anything; an annotation does not."""
        return self._met < 0 or self.rule.levels[self._met].priority is Priority.INFO

    def _unseen(self) -> int:
        """The latching level that nobody has acknowledged yet, -1 when there is none (rule 5)."""
        alarm = self.alarm
        waits = alarm.condition in ("active", "latched") and not alarm.acked_by
        return alarm.level if waits and self.rule.levels[alarm.level].latching else -1

    def _fall(self, at_us: int) -> None:
        """A level has ended; a latching one that nobody has seen keeps its priority."""
        unseen = self._unseen()
        if self._alone and unseen >= 0 and not self.alarm.silent:
            if self.alarm.condition == "active":
                self._change(
                    at_us,
                    "condition ended, latched",
                    condition="latched",
                    raised_us=None,
                    escalated=0,
                )
        elif self._met < 0:
            self._end(at_us, "condition ended")
        else:
            level = self._met if self._alone else max(self._met, unseen)
            self._to_level(at_us, level, "level fell", keep=True)

    def _pend(self, at_us: int) -> None:
        if self.rule.side == "technical":
            return  # waiting is the normal state of a watchdog, not a near miss
        pending = [
            i
            for i, track in enumerate(self.tracks)
            if track.state == "pending" and track.level.priority is not Priority.INFO
        ]
        waits = self.alarm.condition in ("idle", "active")  # active: an annotation
        if pending and waits:
            level = self.rule.levels[pending[-1]]
            self._change(
                at_us,
                "delay started",
                condition="pending",
                level=pending[-1],
                priority=level.priority,
                onset_us=self.tracks[pending[-1]].since_us,
                value=self._value,
                value_us=self._last_us,
                limit=self._limit(pending[-1]),
                text=self._message(pending[-1]),
            )
        elif not pending and self.alarm.condition == "pending":
            if self._met < 0:
                self._end(at_us, "near miss")  # rule 1: a row, no signal
            else:
                self._to_level(at_us, self._met, "near miss")

    def _to_level(
        self, at_us: int, level: int, cause: str, actor: str = "", *, keep: bool = False
    ) -> None:
        """Makes `level` the one in force; `keep` what people have done about the alarm.

        Value, limit and text are those of the level that is met now, which is lower while a
        higher one waits to be seen.
        """
        alarm = self.alarm
        new = alarm.condition in ("idle", "pending") or alarm.priority is Priority.INFO
        priority = self.rule.levels[level].priority
        acts: dict[str, Any] = {**_SEEN, **_HEARD, "escalated": 0, "raised_us": None}
        if priority is Priority.HIGH:
            acts["raised_us"] = at_us
        if keep:
            acts = {"acked_by": alarm.acked_by or actor, "acked_us": alarm.acked_us}
            if actor:
                acts |= {"acked_us": at_us, "raised_us": None}
        says = self._met if self._met >= 0 else level
        self._change(
            at_us,
            cause,
            actor,
            condition="active",
            level=level,
            priority=priority,
            onset_us=at_us if new else alarm.onset_us,
            value=self._value,
            value_us=self._last_us,
            limit=self._limit(says),
            text=self._message(says),
            silent=self._silent(level),
            entered_by=self._by,
            **acts,
        )

    def _silent(self, level: int) -> bool:
        """A medium alarm is a silent hold before the dose, or waits for a second reading."""
        if self.rule.side == "technical" or self.rule.levels[level].priority is not Priority.MEDIUM:
            return False
        needed = self.rule.levels[level].readings if self.rule.by_reading else 1
        return self._context.dose_us is None or self.tracks[level].outs < needed

    def _speak(self, at_us: int, cause: str) -> None:
        """An alarm that was only shown begins to sound."""
        alarm = self.alarm
        if alarm.silent and alarm.condition == "active" and not self._silent(alarm.level):
            self._change(at_us, cause, silent=False, value=self._value, value_us=self._last_us,
                         limit=self._limit(alarm.level), text=self._message(alarm.level),
                         entered_by=self._by)  # fmt: skip

    def _raise(self, at_us: int, cause: str, **fields: Any) -> None:
        """It asks for somebody again."""
        high = self.alarm.priority is Priority.HIGH
        if "value" in fields:
            fields["text"] = self._message(max(self._met, 0))
        self._change(
            at_us, cause, **_SEEN, raised_us=at_us if high else None, escalated=0, **fields
        )

    def _switch_on(self, at_us: int, cause: str, actor: str = "") -> None:
        alarm = self.alarm
        waits = alarm.condition == "active" and not alarm.acked_by
        self._change(
            at_us,
            cause,
            actor,
            rule_state="enabled",
            rule_until_us=None,
            rule_by="",
            rule_reason="",
            escalated=0,
            raised_us=at_us if waits and alarm.priority is Priority.HIGH else None,
        )

    def _end(self, at_us: int, cause: str, actor: str = "") -> None:
        self._change(
            at_us,
            cause,
            actor,
            condition="idle",
            level=-1,
            onset_us=None,
            raised_us=None,
            escalated=0,
            silent=False,
            entered_by="",
            **_SEEN,
            **_HEARD,
        )

    def _limit(self, level: int) -> float | None:
        now = self.tracks[level].now
        return now.limit if now is not None else self.rule.levels[level].limit

    def _message(self, level: int) -> str:
        limit = self._limit(level)
        if self.rule.side == "technical" or limit is None or self._value is None:
            return self._text or self.rule.label
        strict = self.rule.levels[level].strict
        sign = {("low", True): "<", ("low", False): "≤", ("high", True): ">"}.get(
            (self.rule.side, strict), "≥"
        )
        now = self.tracks[level].now
        why = f" ({now.why})" if now is not None and now.why else ""
        return f"{self.rule.label} {self._value:.0f} {sign} {limit:.0f}{why}"

    def _change(self, at_us: int, cause: str, actor: str = "", **fields: Any) -> None:
        before = self.alarm
        self.alarm = replace(before, **fields)
        limit = self.alarm.limit if self.alarm.level >= 0 else before.limit
        self._changes.append(
            AlarmChange(at_us, before, self.alarm, self._value, limit, cause, actor)
        )

    def _take(self) -> list[AlarmChange]:
        """The changes of one input; whatever it was, what comes next may be another time."""
        self._schedule()
        idle = self.alarm.condition == "idle"
        self._calm = idle and all(t.state == "idle" and not t.outs for t in self.tracks)
        changes, self._changes = self._changes, []
        return changes

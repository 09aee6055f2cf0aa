"""The state machine of one alarm: what its tracks and the time make of it.

The four axes (condition, acknowledgement, signal, rule) and the numbered rules below are those
of docs/alarms.md, section "State machine".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vitals.alarms.limits import Context, in_force
from vitals.alarms.technical import Fact
from vitals.alarms.track import Track, pace
from vitals.model import US, Alarm, AlarmChange, Priority, Rule

NEVER = 2**62
RESOUND_S = {Priority.MEDIUM: 180.0, Priority.HIGH: 120.0}
"""An acknowledged alarm whose condition lasts sounds again after this."""
ONCE_S = 5.0
"""In an emergency everybody is there: what begins to sound does so once, for so long."""
_SEEN: dict[str, Any] = {"acked_by": "", "acked_us": None}
HEARD: dict[str, Any] = {"signal": "on", "signal_until_us": None}


class AlarmMachine:
    """One `Alarm`, its tracks, and the transitions that they and time cause."""

    def __init__(
        self, room: str, rule: Rule, context: Context | None = None, *, slack_us: int = 0
    ) -> None:
        self.rule = rule
        self.alarm = Alarm(room, rule.id)
        self.tracks = [Track(level, rule.side, pace(slack_us=slack_us)) for level in rule.levels]
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
        self._sounds_us = 0
        self._limits(0)

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
                self._change(at_us, "pause ended", **HEARD)
            if self._rule_end() == at_us:
                self._switch_on(at_us, "rule on again")
            if self._resound() == at_us:
                self._raise(at_us, "sounds again")
            if self._once_end() == at_us:
                self._change(at_us, "sounded once", signal="off")
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
                self._pause_end(),
                self._rule_end(),
                self._resound(),
                self._once_end(),
                self._escalation(),
            ):
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
            or self._context.phase == "EMERGENCY"  # everybody is there already
        ):
            return None
        return alarm.acked_us + round(resound_s * US)

    def _once_end(self) -> int | None:
        """When it has sounded for long enough in an emergency."""
        if self._context.phase != "EMERGENCY" or not self.alarm.sounding:
            return None
        return self._sounds_us + round(ONCE_S * US)

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
                **self._named(pending[-1]),
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
        acts: dict[str, Any] = {**_SEEN, **HEARD, "escalated": 0, "raised_us": None}
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
            **self._named(says),
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
            self._change(
                at_us, cause, silent=False, **self._named(alarm.level), entered_by=self._by
            )

    def _reread(self, at_us: int) -> None:
        """Another reading at the same level: the message says the newest."""
        says = max(self._met, 0)
        if self.tracks[says].out(self._value or 0.0):
            self._change(
                at_us,
                "another reading",
                value=self._value,
                value_us=at_us,
                limit=self._limit(says),
                text=self._message(says, self._value),
                entered_by=self._by,
            )

    def _raise(self, at_us: int, cause: str, **fields: Any) -> None:
        """It asks for somebody again."""
        high = self.alarm.priority is Priority.HIGH
        if "value" in fields:
            fields["text"] = self._message(max(self._met, 0), self._value)
        raised_us = at_us if high else None
        again = {**_SEEN, "raised_us": raised_us, "escalated": 0, "entered_by": self._by}
        self._change(at_us, cause, **{**again, **fields})

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
            **HEARD,
        )

    def _limit(self, level: int) -> float | None:
        now = self.tracks[level].now
        return now.limit if now is not None else self.rule.levels[level].limit

    def _named(self, level: int) -> dict[str, Any]:
        """Value, limit and text of a level: the newest value that was out, never one inside.

        While a level is released its values are inside already. Nothing (what was named stays)
        when no value is known that is beyond the limit in force.
        """
        track, value, value_us = self.tracks[level], self._value, self._last_us
        if self.rule.side != "technical" and value is not None and not track.out(value):
            if track.last_out is None or not track.out(track.last_out[0]):
                return {}
            value, value_us = track.last_out
        text = self._message(level, value)
        return {"value": value, "value_us": value_us, "limit": self._limit(level), "text": text}

    def _message(self, level: int, value: float | None) -> str:
        limit = self._limit(level)
        if self.rule.side == "technical" or limit is None or value is None:
            return self._text or self.rule.label
        strict = self.rule.levels[level].strict
        sign = {("low", True): "<", ("low", False): "≤", ("high", True): ">"}.get(
            (self.rule.side, strict), "≥"
        )
        now = self.tracks[level].now
        why = f" ({now.why})" if now is not None and now.why else ""
        return f"{self.rule.label} {value:.0f} {sign} {limit:.0f}{why}"

    def _change(self, at_us: int, cause: str, actor: str = "", **fields: Any) -> None:
        before = self.alarm
        self.alarm = replace(before, **fields)
        if self.alarm.sounding and not before.sounding:
            self._sounds_us = at_us
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

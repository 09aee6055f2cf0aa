"""One alarm: the tracks of one rule in one room, and what people have done about it.

The four axes (condition, acknowledgement, signal, rule) and the numbered rules below are those
of docs/alarms.md, section "State machine".
"""

from __future__ import annotations

from dataclasses import replace

from vitals.alarms.technical import Fact
from vitals.alarms.track import Track
from vitals.model import US, Alarm, AlarmChange, Priority, Rule

NEVER = 2**62
PAUSE_S = 120.0
"""Audio pause; no profile may set a longer one."""
RESOUND_S = {Priority.MEDIUM: 180.0, Priority.HIGH: 120.0}
"""An acknowledged alarm whose condition lasts sounds again after this."""


class RoomAlarm:
    """Folds samples, time and acts of people into one `Alarm` and its changes."""

    def __init__(self, room: str, rule: Rule, *, slack_us: int = 0) -> None:
        self.rule = rule
        self.alarm = Alarm(room, rule.id)
        self.tracks = [Track(level, rule.side, slack_us) for level in rule.levels]
        self.next_us = NEVER
        """When something will next happen by itself."""
        self._met = -1
        self._last_us: int | None = None
        self._fact: tuple[Fact | None, int | None] | None = None
        self._value: float | None = None
        self._text = ""
        self._changes: list[AlarmChange] = []

    # --- inputs ---------------------------------------------------------------------------

    def sample(self, at_us: int, value: float, *, good: bool = True) -> list[AlarmChange]:
        """A valid value of the rule's channel."""
        self._run_until(at_us)
        again = self.rule.by_reading and self.alarm.condition == "active"
        for track in self.tracks:
            track.sample(at_us, value, self._last_us, good=good)
        self._last_us, self._value = at_us, value
        self._settle(at_us)
        alarm = self.alarm
        if again and alarm.acked_by and self.tracks[alarm.level].out(value):
            # Rule 3 for readings: the same old one never sounds again, a new one does.
            self._change(at_us, "new reading", acked_by="", acked_us=None, value=value)
        return self._take()

    def technical(self, now_us: int, fact: Fact | None, dose_us: int | None) -> list[AlarmChange]:
        """A technical condition that is present (None = absent); `dose_us`: time of the dose."""
        if (fact, dose_us) == self._fact and self.next_us > now_us:
            return []
        self._fact = (fact, dose_us)
        self._run_until(now_us)
        for index, track in enumerate(self.tracks):
            waits = track.level.after_dose and dose_us is None
            if fact is None or index > fact.worst or waits:
                track.condition(now_us, None)
            else:
                dosed_us = dose_us if dose_us and track.level.after_dose else 0
                track.condition(now_us, fact.since_us, max(fact.not_before_us, dosed_us))
        self._text = "" if fact is None else fact.text
        self._schedule()
        self._run_until(now_us)
        self._settle(now_us)
        if self._text and self.alarm.condition == "active" and self._text != self.alarm.text:
            self._change(now_us, "cause changed", text=self._text)
        return self._take()

    def advance(self, now_us: int) -> list[AlarmChange]:
        """Lets time pass: delays end, an acknowledged alarm sounds again, a pause ends."""
        self._run_until(now_us)
        return self._take()

    # --- acts of people -------------------------------------------------------------------

    def acknowledge(self, now_us: int, actor: str) -> list[AlarmChange]:
        """Silences this alarm at this level; what only latches ends (rules 3, 5)."""
        alarm = self.alarm
        if alarm.condition == "latched":
            self._end(now_us, "acknowledged", actor)
        elif alarm.condition == "active" and not alarm.acked_by:
            if self._met < alarm.level:  # a higher level that has ended meanwhile is now seen
                self._to_level(now_us, self._met, "acknowledged", actor, keep=True)
            else:
                self._change(now_us, "acknowledged", actor, acked_by=actor, acked_us=now_us)
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
            self._change(now_us, "audio on", actor, signal="on", signal_until_us=None)
        return self._take()

    def close(self, now_us: int, cause: str, actor: str = "") -> list[AlarmChange]:
        """Ends the alarm whatever its state, because the session ends."""
        if self.alarm.condition != "idle":
            self._end(now_us, cause, actor)
        for track in self.tracks:
            track.restart(met=False)
        self._met = -1
        return self._take()

    def restore(self, alarm: Alarm) -> None:
        """After a restart: what was active stays so, pending delays start anew (rule 8)."""
        if alarm.condition in ("idle", "pending"):
            alarm = replace(Alarm(alarm.room, alarm.rule), rule_state=alarm.rule_state)
        # The profile may have lost levels meanwhile: the alarm then goes on at the worst one left.
        if alarm.level >= len(self.tracks):
            alarm = replace(alarm, level=len(self.tracks) - 1)
        self.alarm, self._value, self._text = alarm, alarm.value, alarm.text
        self._met = alarm.level if alarm.condition == "active" else -1
        for index, track in enumerate(self.tracks):
            track.restart(met=alarm.condition == "active" and index <= alarm.level)
        self._fact = None
        self._schedule()

    # --- the state machine ----------------------------------------------------------------

    def _met_level(self) -> int:
        return max((i for i, track in enumerate(self.tracks) if track.met), default=-1)

    def _run_until(self, now_us: int) -> None:
        """Everything that ends by itself up to now, in the order in which it ends.

        So one late call gives the same changes, at the same times, as many early ones.
        """
        while (at_us := self.next_us) <= now_us:
            for track in self.tracks:
                if track.end_us(self._last_us) == at_us:
                    track.end(at_us)
            self._settle(at_us)
            if self._pause_end() == at_us:
                self._change(at_us, "pause ended", signal="on", signal_until_us=None)
            if self._resound() == at_us:
                self._change(at_us, "sounds again", acked_by="", acked_us=None)
            self._schedule()

    def _schedule(self) -> None:
        """Finds out when something will next happen by itself."""
        ends = [track.end_us(self._last_us) for track in self.tracks]
        ends += [self._pause_end(), self._resound()]
        self.next_us = min((end for end in ends if end is not None), default=NEVER)

    def _pause_end(self) -> int | None:
        return self.alarm.signal_until_us if self.alarm.signal == "paused" else None

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

    def _settle(self, at_us: int) -> None:
        """Brings the alarm in line with its tracks."""
        before, self._met = self._met, self._met_level()
        if self._met > before:
            # Rule 2: a rise in level cancels acknowledgement and pause, and sounds at once.
            causes = {"active": "level rose", "latched": "condition met again"}
            cause = causes.get(self.alarm.condition, "condition met")
            self._to_level(at_us, max(self._met, self._unseen()), cause)
        elif self._met < before:
            self._fall(at_us)
        elif self._met < 0 and self.alarm.condition in ("idle", "pending"):
            self._pend(at_us)

    def _unseen(self) -> int:
        """The latching level that nobody has acknowledged yet, -1 when there is none (rule 5)."""
        alarm = self.alarm
        waits = alarm.condition in ("active", "latched") and not alarm.acked_by
        return alarm.level if waits and self.rule.levels[alarm.level].latching else -1

    def _fall(self, at_us: int) -> None:
        """A level has ended; a latching one that nobody has seen keeps its priority."""
        unseen = self._unseen()
        if self._met < 0:
            if unseen < 0:
                self._end(at_us, "condition ended")
            else:
                self._change(at_us, "condition ended, latched", condition="latched")
        else:
            self._to_level(at_us, max(self._met, unseen), "level fell", keep=True)

    def _pend(self, at_us: int) -> None:
        if self.rule.side == "technical":
            return  # waiting is the normal state of a watchdog, not a near miss
        pending = [i for i, track in enumerate(self.tracks) if track.state == "pending"]
        if pending and self.alarm.condition == "idle":
            level = self.rule.levels[pending[-1]]
            self._change(
                at_us,
                "delay started",
                condition="pending",
                level=pending[-1],
                priority=level.priority,
                onset_us=self.tracks[pending[-1]].since_us,
                value=self._value,
                limit=level.limit,
                text=self._message(pending[-1]),
            )
        elif not pending and self.alarm.condition == "pending":
            self._end(at_us, "near miss")  # rule 1: a row, no signal

    def _to_level(
        self, at_us: int, level: int, cause: str, actor: str = "", *, keep: bool = False
    ) -> None:
        """Makes `level` the one in force; `keep` what people have done about the alarm.

        Value, limit and text are those of the level that is met now, which is lower while a
        higher one waits to be seen.
        """
        alarm = self.alarm
        new = alarm.condition in ("idle", "pending")
        acts: dict[str, object] = {
            "acked_by": "", "acked_us": None, "signal": "on", "signal_until_us": None,
        }  # fmt: skip
        if keep:
            acts = {"acked_by": alarm.acked_by or actor, "acked_us": alarm.acked_us}
            if actor:
                acts["acked_us"] = at_us
        says = self._met if self._met >= 0 else level
        self._change(
            at_us,
            cause,
            actor,
            condition="active",
            level=level,
            priority=self.rule.levels[level].priority,
            onset_us=at_us if new else alarm.onset_us,
            value=self._value,
            limit=self.rule.levels[says].limit,
            text=self._message(says),
            **acts,
        )

    def _end(self, at_us: int, cause: str, actor: str = "") -> None:
        self._change(
            at_us,
            cause,
            actor,
            condition="idle",
            level=-1,
            acked_by="",
            acked_us=None,
            signal="on",
            signal_until_us=None,
            onset_us=None,
        )

    def _message(self, level: int) -> str:
        limit = self.rule.levels[level].limit
        if limit is None or self._value is None:
            return self._text or self.rule.label
        strict = self.rule.levels[level].strict
        sign = {("low", True): "<", ("low", False): "≤", ("high", True): ">"}.get(
            (self.rule.side, strict), "≥"
        )
        return f"{self.rule.label} {self._value:.0f} {sign} {limit:.0f}"

    def _change(self, at_us: int, cause: str, actor: str = "", **fields: object) -> None:
        before = self.alarm
        self.alarm = replace(before, **fields)  # type: ignore[arg-type]
        limit = self.alarm.limit if self.alarm.level >= 0 else before.limit
        self._changes.append(
            AlarmChange(at_us, before, self.alarm, self._value, limit, cause, actor)
        )

    def _take(self) -> list[AlarmChange]:
        """The changes of one input; whatever it was, what comes next may be another time."""
        self._schedule()
        changes, self._changes = self._changes, []
        return changes

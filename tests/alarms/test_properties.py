"""What holds for every order of samples, silences, facts, acts, phases and restarts.

A stateful test drives one engine with the shipped profile; a model of its own keeps what a page
would know from the `AlarmChange`s alone.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.alarms.notation import RULES, T0_US
from vitals.alarms.engine import Engine
from vitals.alarms.limits import Context
from vitals.alarms.technical import Fact
from vitals.model import US, Alarm, AlarmChange, Numeric, Priority, Quality

VALUES = {
    "spo2": (97.0, 93.0, 91.0, 87.0, 79.0),
    "pr": (72.0, 101.0, 115.0, 135.0, 45.0, 35.0),
    "rr": (15.0, 9.0, 7.0, 31.0),
    "nibp_sys": (120.0, 150.0, 165.0, 185.0, 98.0, 85.0),
    "nibp_dia": (75.0, 102.0, 115.0),
    "moaas": (5.0, 4.0, 3.0, 1.0),
}
TECHNICAL = ("signal-lost", "spo2-no-data", "no-sound", "not-recording", "nibp-failed", "symptom")
ROOM = "room-1"
RULE_IDS = sorted(RULES)
channels = st.sampled_from(sorted(VALUES))
seconds = st.sampled_from([0.0, 0.4, 1.0, 1.0, 1.0, 3.0, 12.0, 61.0, 200.0])


class Wards(RuleBasedStateMachine):
    """One engine, and what its changes say."""

    @initialize(dosed=st.booleans(), based=st.booleans())
    def begin(self, dosed: bool, based: bool) -> None:
        self.now_us = T0_US
        base = {"nibp_sys": 115.0, "nibp_dia": 70.0, "spo2": 97.0} if based else {}
        dose_us = T0_US if dosed else None
        self.context = Context(dose_us, "ONSET_PEAK" if dosed else "CHECK_IN", base)
        self.engine = Engine(ROOM, RULES.values(), self.context)
        self.folded = {rule_id: Alarm(ROOM, rule_id) for rule_id in RULES}
        self.facts: dict[str, Fact] = {}
        self.paused_us: dict[str, int] = {}

    def take(self, changes: list[AlarmChange]) -> list[AlarmChange]:
        for change in changes:
            known = self.folded[change.after.rule]
            assert change.before == known, "a change begins where the last one ended"
            assert change.at_us <= self.now_us
            self.folded[change.after.rule] = change.after
            self.judge(change)
        return changes

    def judge(self, change: AlarmChange) -> None:
        before, after = change.before, change.after
        assert after.rule in RULES
        side = RULES[after.rule].side
        named = after.condition != "idle" and side != "technical" and " " in after.text
        if named and after.value is not None and after.limit is not None:
            beyond = after.value >= after.limit if side == "high" else after.value <= after.limit
            assert beyond, f"what it says is not true: {after.text}"
            assert f" {after.value:.0f} " in after.text
        if after.condition == "active":
            level = RULES[after.rule].levels[after.level]
            assert level.priority is after.priority
        risen = after.condition == before.condition == "active" and after.level > before.level
        if risen and after.rule_state == "enabled" and not after.silent:
            assert after.sounding or after.priority.rank < Priority.MEDIUM.rank
        if before.sounding and not after.sounding:
            seen = change.actor or after.condition in ("idle", "latched")
            assert seen or after.priority.rank < before.priority.rank, change
        ended = before.priority is Priority.HIGH and before.condition in ("active", "latched")
        if ended and after.condition == "idle" and not before.acked_by:
            # an unseen high alarm of a vital ends by a person, or with the session
            technical = RULES[after.rule].side == "technical"
            assert technical or change.actor or change.cause == "session closed"
        if after.escalated > before.escalated:
            assert (after.condition, after.priority, after.acked_by) == (
                "active", Priority.HIGH, "",
            )  # fmt: skip
            assert after.rule_state == "enabled"
        if after.signal == "paused" and before.signal != "paused":
            assert before.sounding
            assert after.signal_until_us is not None
            assert after.signal_until_us - change.at_us <= 120 * US

    # --- inputs -----------------------------------------------------------------------------

    @rule(wait=seconds, channel=channels, pick=st.integers(0, 9), good=st.booleans())
    def sample(self, wait: float, channel: str, pick: int, good: bool) -> None:
        self.now_us += round(wait * US)
        value = VALUES[channel][pick % len(VALUES[channel])]
        quality = Quality.GOOD if good else Quality.QUESTIONABLE
        self.take(
            self.engine.sample(self.now_us, Numeric("d", channel, self.now_us, value, quality))
        )

    @rule(channel=channels, pick=st.integers(0, 9), count=st.integers(2, 35))
    def series(self, channel: str, pick: int, count: int) -> None:
        for _ in range(count):
            self.sample(1.0, channel, pick, True)

    @rule(channel=channels)
    def no_value(self, channel: str) -> None:
        before = self.engine.alarms
        none = Numeric("d", channel, self.now_us, None, Quality.INVALID)
        assert self.engine.sample(self.now_us, none) == []
        assert self.engine.alarms == before

    @rule(wait=seconds)
    def silence(self, wait: float) -> None:
        """Silence raises and clears no alarm of a vital; only what had been measured decides."""
        self.take(self.engine.advance(self.now_us))
        was = {
            r.id: self.engine.alarm(r.id).condition for r in RULES.values() if r.side != "technical"
        }
        self.now_us += round(wait * US)
        changes = self.take(self.engine.advance(self.now_us))
        last_us = self.now_us - round(wait * US)
        for change in changes:
            if change.after.rule in was and change.before.condition != change.after.condition:
                assert change.at_us - last_us <= 3 * US

    @rule(rule_id=st.sampled_from(TECHNICAL), present=st.booleans(), ago=seconds)
    def fact(self, rule_id: str, present: bool, ago: float) -> None:
        if present:
            since_us = max(T0_US, self.now_us - round(ago * US))
            self.facts.setdefault(rule_id, Fact(rule_id, since_us, rule_id))
        else:
            self.facts.pop(rule_id, None)
        self.take(self.engine.advance(self.now_us))
        self.take(self.engine.technical(self.now_us, self.facts.values()))

    @precondition(lambda self: self.context.dose_us is None)
    @rule()
    def dose(self) -> None:
        self.context = replace(self.context, dose_us=self.now_us, phase="ONSET_PEAK")
        self.take(self.engine.retune(self.now_us, self.context))

    @rule(name=st.sampled_from(["DESCENT", "RECOVERY", "DISCHARGE_CHECK"]))
    def phase(self, name: str) -> None:
        self.context = replace(self.context, phase=name)
        self.take(self.engine.retune(self.now_us, self.context))

    # --- people -----------------------------------------------------------------------------

    @rule(rule_id=st.sampled_from(RULE_IDS))
    def acknowledge(self, rule_id: str) -> None:
        self.take(self.engine.advance(self.now_us))
        changes = self.take(self.engine.acknowledge(self.now_us, rule_id, "nurse A"))
        assert {c.after.rule for c in changes} <= {rule_id}
        assert not self.engine.alarm(rule_id).sounding

    @rule()
    def pause(self) -> None:
        self.take(self.engine.advance(self.now_us))
        sounding = {a.rule for a in self.engine.alarms if a.sounding}
        changes = self.take(self.engine.pause_audio(self.now_us, "nurse A"))
        assert {c.after.rule for c in changes} == sounding
        assert not any(a.sounding for a in self.engine.alarms)

    @rule(rule_id=st.sampled_from(["", *RULE_IDS]))
    def unpause(self, rule_id: str) -> None:
        self.take(self.engine.advance(self.now_us))
        self.take(self.engine.resume_audio(self.now_us, "nurse A", rule_id))

    @rule(rule_id=st.sampled_from(RULE_IDS), off=st.booleans())
    def switch(self, rule_id: str, off: bool) -> None:
        self.take(self.engine.advance(self.now_us))
        if off:
            self.take(self.engine.switch_off(self.now_us, rule_id, "nurse A", "why"))
        else:
            self.take(self.engine.switch_on(self.now_us, rule_id, "nurse A"))

    @rule()
    def close(self) -> None:
        self.take(self.engine.advance(self.now_us))
        self.take(self.engine.close(self.now_us, "session closed", "nurse A"))
        self.facts.clear()
        assert all(a.condition == "idle" for a in self.engine.alarms)

    @rule()
    def restart(self) -> None:
        self.take(self.engine.advance(self.now_us))
        recorded = dict(self.folded)
        self.engine = Engine(ROOM, RULES.values(), self.context)
        self.engine.restore(recorded.values(), self.now_us)
        for rule_id, was in recorded.items():
            now = self.engine.alarm(rule_id)
            if was.condition in ("idle", "pending"):
                # a delay that ran starts anew; what an ended alarm last said is forgotten
                assert now.condition == "idle"
                assert (now.rule_state, now.rule_by) == (was.rule_state, was.rule_by)
                self.folded[rule_id] = now
            else:
                assert now == was
        self.take(self.engine.technical(self.now_us, self.facts.values()))

    # --- always -----------------------------------------------------------------------------

    @invariant()
    def the_fold_of_the_changes_is_the_engines_state(self) -> None:
        if hasattr(self, "engine"):
            for rule_id, known in self.folded.items():
                assert self.engine.alarm(rule_id) == known

    @invariant()
    def every_live_alarm_is_listed_once_and_has_a_rule(self) -> None:
        if hasattr(self, "engine"):
            listed = [a.rule for a in self.engine.alarms]
            assert len(listed) == len(set(listed))
            live = {
                a.rule
                for a in self.folded.values()
                if a.condition != "idle" or a.rule_state != "enabled"
            }
            assert set(listed) == live <= set(RULES)

    @invariant()
    def no_two_alarms_share_a_pause_that_only_one_was_given(self) -> None:
        if hasattr(self, "engine"):
            for alarm in self.engine.alarms:
                if alarm.signal == "paused":
                    assert alarm.signal_until_us is not None
                else:
                    assert alarm.signal_until_us is None


TestWards = Wards.TestCase
TestWards.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)

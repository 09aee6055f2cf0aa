"""Technical conditions after a restart: what was active stays so until fresh data says otherwise.

A station that has just begun knows nothing of its devices, its record and its pages. What it
restores counts from its own beginning, with its own words, until something has been heard that
would tell: then it is as present or absent as any other condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitals.alarms.technical import Fact
from vitals.bedside.sources import Sources
from vitals.model import US, Alarm, Audience, Input, Link, Notice, Numeric, Rule, StoreState

KNOWN_US = 5 * US
"""A device that has streamed for so long has said what there is to say."""
_LOSSES = ("spo2-no-data", "signal-lost")
_KEPT = (*_LOSSES, "link-lost", "battery-low", "no-sound", "not-recording", "disk-low",
         "hr-pr-differ", "cuff-pr-differs", "doubtful")  # fmt: skip
"""Rules that are kept here; others follow from the session and its due list."""


class Restored:
    """The conditions of one room that nothing has been heard of yet."""

    def __init__(
        self, alarms: Iterable[Alarm] = (), rules: Mapping[str, Rule] | None = None
    ) -> None:
        self._facts: dict[str, Fact] = {}
        self._confirmed: set[str] = set()
        self._streams_us: dict[str, int] = {}
        for alarm in alarms:
            rule = (rules or {}).get(alarm.rule)
            name = alarm.rule.partition(":")[0]
            if alarm.condition != "active" or alarm.onset_us is None or rule is None:
                continue
            if name in _KEPT:
                since_us = alarm.onset_us - round(rule.levels[0].hold_s * US)
                self._facts[alarm.rule] = Fact(
                    alarm.rule, since_us, alarm.text, value=alarm.value, value_us=alarm.value_us
                )

    def __bool__(self) -> bool:
        return bool(self._facts)

    def heard(self, item: Input, now_us: int, sources: Sources) -> None:
        """An input has come in; it may tell of some of them."""
        body = item.body
        if isinstance(body, Link):
            if body.state == "streaming":
                self._streams_us.setdefault(body.device, now_us)
            else:
                self._streams_us.pop(body.device, None)
        self._confirm(body, now_us, sources)

    def forget(self, device: str) -> None:
        """A device was moved away: nothing will be heard of it here."""
        gone = [rule for rule in self._facts if rule.endswith(f":{device}")]
        for rule in gone:
            del self._facts[rule]
        self._streams_us.pop(device, None)

    def next_us(self, sources: Sources) -> int | None:
        """When something is known by time alone, because a device has streamed for long enough."""
        waits = [
            self._streams_us[device] + KNOWN_US
            for rule in self._facts
            if rule not in self._confirmed
            and (device := self._device(rule, sources)) in self._streams_us
        ]
        return min(waits, default=None)

    def advance(self, now_us: int, sources: Sources) -> None:
        """Lets time pass."""
        self._confirm(None, now_us, sources)

    def _confirm(self, body: object, now_us: int, sources: Sources) -> None:
        for rule in self._facts:
            if rule not in self._confirmed and self._tells(body, rule, now_us, sources):
                self._confirmed.add(rule)

    @staticmethod
    def _device(rule: str, sources: Sources) -> str:
        """The device that has told all about a rule once it has streamed for a while."""
        name, _, device = rule.partition(":")
        if name in _LOSSES:
            return sources.of("spo2")
        return device if name == "battery-low" else ""

    def _tells(self, body: object, rule: str, now_us: int, sources: Sources) -> bool:
        name, _, device = rule.partition(":")
        match name:
            case "no-sound":
                return isinstance(body, Audience)
            case "not-recording" | "disk-low":
                return isinstance(body, StoreState)
            case "link-lost":
                return isinstance(body, Link) and body.device == device
            case "battery-low":
                told = isinstance(body, Notice) and body.device == device
                return told or self._known(device, now_us)
            case "hr-pr-differ":
                return all(sources.fresh(channel, now_us) is not None for channel in ("hr", "pr"))
            case "cuff-pr-differs":
                return isinstance(body, Numeric) and body.channel == "nibp_sys"
            case "doubtful":
                return sources.fresh("spo2", now_us) is not None
            case _:
                source = sources.of("spo2")
                told = isinstance(body, Notice) and body.device == source
                back = sources.fresh("spo2", now_us) is not None
                return told or back or self._known(source, now_us)

    def _known(self, device: str, now_us: int) -> bool:
        since_us = self._streams_us.get(device)
        return since_us is not None and now_us - since_us >= KNOWN_US

    def among(self, facts: Iterable[Fact]) -> list[Fact]:
        """The facts that are present, with what is restored: it counts from its own beginning."""
        present = {fact.rule: fact for fact in facts}
        unheard = [rule for rule in self._facts if rule not in self._confirmed]
        if any(rule in _LOSSES for rule in unheard):
            # Nobody knows yet why there is no value: what was said of it before still holds.
            present = {rule: fact for rule, fact in present.items() if rule not in _LOSSES}
        for rule, was in list(self._facts.items()):
            if rule in present:
                since_us = min(was.since_us, present[rule].since_us)
                present[rule] = replace(present[rule], since_us=since_us)
            elif rule in self._confirmed:
                del self._facts[rule]
                self._confirmed.discard(rule)
            else:
                present[rule] = was
        return list(present.values())

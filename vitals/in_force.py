"""A config and its limits in words: rows of tables, and sentences on what reaches nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vitals.channels import CHANNELS
from vitals.escalation import named, reaches_nobody, where
from vitals.model import Level, Rule

if TYPE_CHECKING:
    from vitals.config import Config, EscalationStep

LIMITS = ("RULE", "PRIORITY", "LIMIT", "DELAY", "CLEARS AT", "COUNTS")
ESCALATION = ("STEP", "AFTER", "TO", "HOW")
_SIGNS = {"high": ("≥", ">"), "low": ("≤", "<"), "technical": ("", "")}
_UNITS = {"mm[Hg]": "mmHg"}
"""UCUM -> as people write it, where that differs."""


def limit_rows(rules: Iterable[Rule]) -> list[tuple[str, ...]]:
    """One row for each level of each rule, under `LIMITS`."""
    rows: list[tuple[str, ...]] = [LIMITS]
    for rule in rules:
        for level in rule.levels:
            row = (
                rule.id,
                level.priority.value,
                _limit(rule, level),
                _delay(rule, level),
                _clears(rule, level),
                _counts(level),
            )
            rows.append(row)
    return rows


def _limit(rule: Rule, level: Level) -> str:
    """Every form of the limit; the strictest counts."""
    sign = _SIGNS[rule.side][level.strict]
    unit = _unit(rule)
    beyond = "-" if rule.side == "low" else "+"
    forms = []
    if level.limit is not None:
        forms.append(f"{level.limit:g} {unit}".rstrip())
    if level.over_baseline is not None:
        forms.append(f"baseline {beyond} {level.over_baseline:g} {unit}".rstrip())
    if level.over_baseline_pct is not None:
        forms.append(f"baseline {beyond} {level.over_baseline_pct:g} %")
    return ", or ".join(f"{sign} {form}".lstrip() for form in forms)


def _unit(rule: Rule) -> str:
    unit = CHANNELS[rule.channel].unit if rule.channel in CHANNELS else ""
    return _UNITS.get(unit, unit)


def _delay(rule: Rule, level: Level) -> str:
    if rule.by_reading:
        if level.readings <= 1:
            return "each reading"
        return f"{_ordinal(level.readings)} reading sounds, the first is shown"
    if level.sat_seconds:
        usual = f"SatSeconds {level.sat_seconds:g}"
    else:
        usual = f"{level.hold_s:g} s" if level.hold_s else "at once"
    return f"{level.samples} good samples, or {usual}" if level.samples else usual


def _clears(rule: Rule, level: Level) -> str:
    if rule.side == "technical":
        return ""
    back = "≤" if rule.side == "high" else "≥"
    if level.clear is None or level.limit is None:
        value = "inside"
    elif level.over_baseline is None and level.over_baseline_pct is None:
        value = f"{back} {level.clear:g}"
    else:
        value = f"{abs(level.limit - level.clear):g} {_unit(rule)}".rstrip() + " inside"
    if rule.by_reading:
        return f"{value}, next reading"
    return f"{value}, {level.release_s:g} s" if level.release_s else value


def _counts(level: Level) -> str:
    """When the level counts at all."""
    when = []
    if level.minutes is not None:
        when.append(f"{level.minutes[0]:g} to {level.minutes[1]:g} min after the dose")
    elif level.after_dose:
        when.append("after the dose")
    if level.phases:
        when.append("in " + ", ".join(level.phases))
    return ", ".join(when) or "always"


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"


def escalation_rows(steps: Sequence[EscalationStep]) -> list[tuple[str, ...]]:
    """One row for each step, under `ESCALATION`; of a webhook its host only."""
    rows: list[tuple[str, ...]] = [ESCALATION]
    for number, step in enumerate(steps, 1):
        how = ["pages"] if number == 1 else []
        if step.command:
            how.append(f"command {step.command[0]}")
        if step.webhook:
            how.append(f"webhook {where(step.webhook)}")
        rows.append((str(number), f"{step.after_s:g} s", step.to, " + ".join(how) or "nobody"))
    return rows


def unreached(config: Config) -> list[str]:
    """A sentence for each way in which a high alarm would reach nobody."""
    found = []
    if not config.escalation:
        found.append("there is no step of escalation: a high alarm reaches the pages only")
    for number, step in enumerate(config.escalation, 1):
        found.append(reaches_nobody(number, step))
        if step.command and shutil.which(step.command[0]) is None:
            found.append(
                f"{named(number, step)}: there is no program {step.command[0]}; "
                "install it, or correct the command"
            )
    alarm = config.station.alarm_command
    if not alarm:
        found.append("no sound on the station PC: set station.alarm_command")
    elif shutil.which(alarm[0]) is None:
        found.append(
            f"no sound on the station PC: there is no program {alarm[0]}; "
            "install it, or correct station.alarm_command"
        )
    return [sentence for sentence in found if sentence]

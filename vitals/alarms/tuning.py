"""One rule moved within the hard bounds, to see what it would have done: pure, changes nothing.

What may be moved of a level is a table; whether the moved rule could be in force is asked of the
profile's own checks, so nothing can be tried that a clinic could not have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from vitals.alarms.profile import (
    BOUNDS,
    MOST_READINGS,
    MOST_SAT_SECONDS,
    Profile,
    check,
    dump,
    longest_hold_s,
    mildest_high,
)
from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.model import Level, Priority, Rule

TRIED = Path("the changed rule")
"""Stands for a file in what is said of a rule that cannot be."""
LONGEST_INFO_S = 300.0
"""An annotation has no longest delay; the page needs one."""
_SIDES = {"high": "too high", "low": "too low", "technical": ""}
_UNITS = {"mm[Hg]": "mmHg", "{score}": ""}
"""UCUM -> as people write it, where that differs."""
_BEYOND = {"over_baseline": 3.0, "over_baseline_pct": 3.0}
"""How many times the present value a distance from the baseline may become."""


@dataclass(frozen=True, slots=True)
class Knob:
    """Something of a level that can be moved.

    Attributes:
        key: of `Level`.
        label: what people call it.
        unit: as people write it, `""` for none.
        value: as it is.
        least: lowest value.
        most: highest value.
        step: least change.
    """

    key: str
    label: str
    unit: str
    value: float
    least: float
    most: float
    step: float


def title(rule: Rule) -> str:
    """A rule in words: "SpO2 too low", "BP overdue"."""
    return f"{rule.label or rule.id} {_SIDES[rule.side]}".rstrip()


def unit_of(rule: Rule) -> str:
    """The unit of a rule's limits as people write it."""
    unit = CHANNELS[rule.channel].unit if rule.channel in CHANNELS else ""
    return _UNITS.get(unit, unit)


def knobs(rule: Rule, level: Level) -> list[Knob]:
    """What of a level can be moved at all, with its hard bounds."""
    found = [*_limits(rule, level), *_delays(rule, level)]
    return [knob for knob in found if knob.least < knob.most]


def _limits(rule: Rule, level: Level) -> list[Knob]:
    if rule.side == "technical":
        return []
    unit, step = unit_of(rule), 10.0 ** -CHANNELS[rule.channel].precision
    found = []
    if level.limit is not None:
        found.append(Knob("limit", "Limit", unit, level.limit, *_range(rule, level), step))
    label = f"{'below' if rule.side == 'low' else 'above'} baseline by"
    label = f"Or {label}" if found else label.capitalize()
    for key, its_unit in (("over_baseline", unit), ("over_baseline_pct", "%")):
        value = getattr(level, key)
        if value is not None:
            most = max(10.0, math.ceil(value * _BEYOND[key]))
            found.append(Knob(key, label, its_unit, value, 0.0, most, 1.0))
    return found


def _range(rule: Rule, level: Level) -> tuple[float, float]:
    """Lowest and highest limit: milder levels stay before the high one's, worse ones behind."""
    channel = CHANNELS[rule.channel]
    least, most = channel.plausible_low, channel.plausible_high
    high = mildest_high(rule)
    if rule.id not in BOUNDS or high is None:
        return least, most
    low_end, high_end = BOUNDS[rule.id]
    if level is high:
        return low_end, high_end
    milder = rule.levels.index(level) < rule.levels.index(high)
    if (rule.side == "high") is milder:
        return least, high_end
    return low_end, most


def _delays(rule: Rule, level: Level) -> list[Knob]:
    if rule.by_reading:
        grave = level.priority is Priority.HIGH
        most = level.readings if grave or level.priority is Priority.INFO else MOST_READINGS
        return [Knob("readings", "Sounds at reading", "", level.readings, 1, most, 1)]
    if level.sat_seconds:
        most_sum = float(MOST_SAT_SECONDS)
        return [Knob("sat_seconds", "SatSeconds", "%·s", level.sat_seconds, 1, most_sum, 1)]
    most_s = min(longest_hold_s(rule, level), LONGEST_INFO_S)
    return [Knob("hold_s", "Delay", "s", level.hold_s, 0.0, most_s, 0.5)]


def changed(rule: Rule, moves: Sequence[Mapping[str, Any]]) -> Rule:
    """A rule with its levels moved.

    A limit takes the value at which the alarm clears along with it.

    Args:
        rule: as it is.
        moves: for each level, mildest first, knob -> new value; what is not named stays.

    Raises:
        ConfigError: there is no such knob, or the moved rule could not be in force.
    """
    if len(moves) != len(rule.levels):
        raise _refused(rule, f"has {len(rule.levels)} levels, not {len(moves)}")
    pairs = zip(rule.levels, moves, strict=True)
    levels = tuple(_moved(rule, level, move) for level, move in pairs)
    if levels == rule.levels:
        raise _refused(rule, "is as it was; move a limit or a delay first")
    tried = replace(rule, levels=levels)
    profile = check(dump("tried", [tried]), TRIED)
    return next(each for each in profile.rules if each.id == rule.id)


def _moved(rule: Rule, level: Level, move: Mapping[str, Any]) -> Level:
    known = {knob.key: knob for knob in knobs(rule, level)}
    values: dict[str, Any] = {}
    for key, value in move.items():
        knob = known.get(key)
        if knob is None:
            have = ", ".join(known) or "nothing"
            raise _refused(rule, f"its {level.priority} level has no {key!r}; can be moved: {have}")
        if type(value) not in (int, float) or not knob.least <= value <= knob.most:
            wanted = f"from {knob.least:g} to {knob.most:g} {knob.unit}".rstrip()
            raise _refused(rule, f"the {level.priority} level's {key} must be {wanted}")
        if key == "readings" and value != int(value):
            raise _refused(rule, "readings are whole")
        values[key] = int(value) if key == "readings" else float(value)
    values = {key: value for key, value in values.items() if value != getattr(level, key)}
    if "limit" in values and level.clear is not None and level.limit is not None:
        values["clear"] = round(level.clear + values["limit"] - level.limit, 6)
    return replace(level, **values)


def _refused(rule: Rule, why: str) -> ConfigError:
    return ConfigError(f"{title(rule)}: {why}", key=f"rule.{rule.id}")


def put_in(profile: Profile, rule: Rule) -> Profile:
    """A profile with this rule instead of its own of that id.

    Raises:
        ConfigError: the profile has no such rule.
    """
    if all(each.id != rule.id for each in profile.rules):
        raise ConfigError(f"the profile {profile.version} has no rule {rule.id}")
    rules = tuple(rule if each.id == rule.id else each for each in profile.rules)
    version = f"{profile.version}, {rule.id} tried"
    return Profile(version, rules, dump(version, rules))


def as_toml(rule: Rule) -> str:
    """A rule as the lines that a clinic's profile would have; it says only what is not usual."""
    lines = ["[[rule]]"]
    lines += [f"{key} = {json.dumps(getattr(rule, key))}" for key in ("id", "channel", "side")]
    lines.append(f"label = {json.dumps(rule.label)}")
    if rule.by_reading:
        lines.append("by_reading = true")
    levels = (f"  {{ {', '.join(_pairs(level))} }}," for level in rule.levels)
    return "\n".join([*lines, "level = [", *levels, "]"]) + "\n"


def _pairs(level: Level) -> Iterator[str]:
    for one in fields(level):
        value = getattr(level, one.name)
        if value is not None and (one.default is MISSING or value != one.default):
            plain = int(value) if isinstance(value, float) and value == int(value) else value
            yield f"{one.name} = {json.dumps(plain)}"

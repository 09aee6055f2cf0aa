"""Reads an alarm profile: rules as data, each with its levels.

The shipped profile is `vitals/profiles/default.toml`. A clinic's own file has the same form and
says only what is different: a rule of a known id replaces that rule whole, one of a new id is
added, and every other rule stays as shipped. `BOUNDS` hold for all that is in force.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.model import Level, Priority, Rule
from vitals.session.phases import PHASE_NAMES

DEFAULT = Path(__file__).parent.parent / "profiles" / "default.toml"

BOUNDS: dict[str, tuple[float, float]] = {
    "spo2-low": (85, 92),
    "sbp-high": (160, 200),
    "hr-high": (110, 150),
    "pr-high": (110, 150),
    "hr-low": (35, 50),
    "pr-low": (35, 50),
    "sbp-low": (70, 100),
}
"""Rule -> lowest and highest limit that its mildest HIGH level may have, in the channel's unit.

A proposal for the clinic's medical director to confirm, like the shipped limits.
"""
LONGEST_HOLD_S = 30
"""Longest `hold_s` of a level of a physiological rule that signals."""
MOST_SAT_SECONDS = 100
"""Largest SatSeconds sum, of a level below high; a high one has a delay."""
MOST_READINGS = 2
"""A medium blood pressure may wait for so many readings, a high one for none."""

_Refuse = Callable[[str], ConfigError]
_NUMBER = (int, float)
_LEVEL_KEYS: dict[str, tuple[type, ...]] = {
    "priority": (str,), "limit": _NUMBER, "hold_s": _NUMBER, "clear": _NUMBER,
    "release_s": _NUMBER, "latching": (bool,), "samples": (int,), "strict": (bool,),
    "after_dose": (bool,), "over_baseline": _NUMBER, "over_baseline_pct": _NUMBER,
    "sat_seconds": _NUMBER, "readings": (int,), "phases": (list,), "minutes": (list,),
}  # fmt: skip
_LEAST: dict[str, float] = {
    "hold_s": 0, "release_s": 0, "samples": 0, "sat_seconds": 0, "readings": 1,
    "over_baseline": 0, "over_baseline_pct": 0,
}  # fmt: skip
_RULE_KEYS: dict[str, tuple[type, ...]] = {
    "id": (str,), "channel": (str,), "side": (str,), "label": (str,), "by_reading": (bool,),
    "level": (list,),
}  # fmt: skip
_PROFILE_KEYS: dict[str, tuple[type, ...]] = {"version": (str,), "rule": (list,)}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Without a colon: a room's `link-lost:<device>` must not be taken by a rule."""
_WORDS = {str: "a text", list: "a list", bool: "true or false", int: "a number"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of rules with the version that is written beside every alarm change.

    Attributes:
        version: of the shipped profile, or of the clinic's on the shipped one
            ("clinic-3 on default-1").
        rules: all that are in force.
        text: all rules that are in force, as the text of a profile.
    """

    version: str
    rules: tuple[Rule, ...]
    text: str


def load(path: Path | None = None) -> Profile:
    """Reads the profile that is to be in force: the shipped one, with a clinic's file over it.

    Raises:
        ConfigError: it cannot be read, says something that cannot be, or passes a hard bound.
    """
    return _shipped() if path is None else check(_read(path), path)


def check(text: str, path: Path) -> Profile:
    """As `load`, of a text; `path` is where it is, or would be.

    Raises:
        ConfigError: see `load`.
    """
    found = parse(text, path)
    _check_bounds(found, path)
    return found


def parse(text: str, path: Path) -> Profile:
    """Reads the text of a profile over the shipped one, without the bounds on what is in force.

    A record keeps the text of its time, which must stay readable when the bounds have changed.

    Raises:
        ConfigError: it says something that cannot be.
    """
    shipped = _shipped()
    if text == shipped.text:
        return shipped
    version, own = _parse(text, path)
    rules = {rule.id: rule for rule in (*shipped.rules, *own)}
    merged = tuple(rules.values())
    return Profile(f"{version} on {shipped.version}", merged, dump(version, merged))


def dump(version: str, rules: Iterable[Rule]) -> str:
    """Rules as the text of a profile: what the record keeps must not need any other file."""
    lines = [f"version = {json.dumps(version)}"]
    for rule in rules:
        lines.append("\n[[rule]]")
        keys = ("id", "channel", "side", "label", "by_reading")
        lines += [f"{key} = {json.dumps(getattr(rule, key))}" for key in keys]
        for level in rule.levels:
            lines.append("  [[rule.level]]")
            for key in _LEVEL_KEYS:
                value = getattr(level, key)
                if value not in (None, ()):
                    lines.append(f"  {key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


@cache
def _shipped() -> Profile:
    text = _read(DEFAULT)
    return Profile(*_parse(text, DEFAULT), text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not UTF-8 text"
        raise ConfigError(
            f"the alarm profile cannot be read ({reason}); check station.profile",
            path=path,
            key="station.profile",
        ) from error


def _parse(text: str, path: Path) -> tuple[str, tuple[Rule, ...]]:
    """The version and the rules of one file."""

    def refuse(message: str) -> ConfigError:
        return ConfigError(message, path=path, key="version")

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    entries = table.get("rule")
    if not isinstance(table.get("version"), str) or not _are_tables(entries):
        raise refuse("needs a version and at least one [[rule]]")
    _check(table, _PROFILE_KEYS, "there is no key", refuse)
    rules = tuple(_rule(entry, path) for entry in entries)
    ids = [rule.id for rule in rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise ConfigError(f"rule {rule_id!r} is there twice", path=path, key="rule.id")
    return table["version"], rules


def _check_bounds(profile: Profile, path: Path) -> None:
    """What no profile may do to the rules of the shipped one, nor with rules of its own."""
    shipped = {rule.id: rule for rule in _shipped().rules}
    for rule in profile.rules:
        why_not = _beyond_bounds(rule, shipped)
        if why_not:
            raise ConfigError(f"rule {rule.id!r}: {why_not}", path=path, key=f"rule.{rule.id}")


def _beyond_bounds(rule: Rule, shipped: dict[str, Rule]) -> str:
    """Why a rule cannot be in force, in words; `""` when it can."""
    known = shipped.get(rule.id)
    high = mildest_high(rule)
    if known is None and rule.side == "technical":
        conditions = [each.id for each in shipped.values() if each.side == "technical"]
        near = difflib.get_close_matches(rule.id, conditions, n=1, cutoff=0.5)
        hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(conditions)}"
        return f"there is no such technical condition; {hint}"
    if known is not None:
        for key in ("side", "channel", "by_reading"):
            mine, theirs = getattr(rule, key), getattr(known, key)
            if mine != theirs:
                return f"{key} is {json.dumps(mine)}; it must stay {json.dumps(theirs)}, as shipped"
        if high is None and mildest_high(known) is not None:
            words = f" with its limit {_range(rule)}" if rule.id in BOUNDS else ""
            return f"has no level of priority high; it must keep one{words}"
    if high is not None and high.limit is not None and rule.id in BOUNDS:
        least, most = BOUNDS[rule.id]
        if not least <= high.limit <= most:
            return (
                f"the mildest level of priority high has its limit at {high.limit:g}; "
                f"it must be {_range(rule)}"
            )
    for level in rule.levels:
        longest_s = LONGEST_HOLD_S if rule.side != "technical" else _hold_s(known, level)
        if level.hold_s > longest_s and level.priority is not Priority.INFO:
            return f"hold_s is {level.hold_s:g}; it must be from 0 to {longest_s:g} s"
        grave = level.priority is Priority.HIGH
        if level.sat_seconds > (0 if grave else MOST_SAT_SECONDS):
            why = "a high level has a delay instead" if grave else f"at most {MOST_SAT_SECONDS}"
            return f"sat_seconds is {level.sat_seconds:g}: {why}"
        if level.readings > (1 if grave else MOST_READINGS):
            return (
                f"readings is {level.readings}: a high level sounds at once, others at the second"
            )
        if grave and (level.phases or level.minutes or level.after_dose) and rule.id in BOUNDS:
            return "a high level holds in all phases, before the dose and after it"
    return ""


def unfit_limits(rule: Rule, own: Sequence[float | None]) -> str:
    """Why a patient's own limits (None = the profile's) cannot be, in words; `""` if they can."""
    if rule.side == "technical" or rule.id not in BOUNDS:
        return f"{rule.id} has no hard bounds within which one patient's limit could be set"
    limits = []
    for level, mine in zip(rule.levels, own, strict=True):
        limit = level.limit if mine is None else mine
        if limit is None:
            continue
        limits.append(limit)
        if level is mildest_high(rule) and not BOUNDS[rule.id][0] <= limit <= BOUNDS[rule.id][1]:
            return f"the limit of the high level must be {_range(rule)}"
        worse = level.priority is Priority.HIGH and level is not mildest_high(rule)
        shipped = level.limit if level.limit is not None else limit
        if worse and (limit > shipped if rule.side == "high" else limit < shipped):
            return f"the worst level must stay at {shipped:g}, or be stricter"
    if limits != sorted(limits, reverse=rule.side == "low"):
        return "the levels must go from the mildest to the worst limit"
    if not all(math.isfinite(limit) for limit in limits):
        return "a limit is a finite number"
    return ""


def longest_hold_s(rule: Rule, level: Level) -> float:
    """The longest delay that a level may have, in seconds; an annotation may have any."""
    if rule.side != "technical":
        return math.inf if level.priority is Priority.INFO else LONGEST_HOLD_S
    return _hold_s(next((each for each in _shipped().rules if each.id == rule.id), None), level)


def _hold_s(shipped: Rule | None, level: Level) -> float:
    """The longest delay of a technical condition: the shipped one of that priority."""
    same = (
        [each.hold_s for each in shipped.levels if each.priority is level.priority]
        if shipped
        else []
    )
    return min(same, default=LONGEST_HOLD_S)


def mildest_high(rule: Rule) -> Level | None:
    """The level that `BOUNDS` hold for; None if the rule has no level of priority high."""
    return next((level for level in rule.levels if level.priority is Priority.HIGH), None)


def _range(rule: Rule) -> str:
    least, most = BOUNDS[rule.id]
    return f"from {least:g} to {most:g} {CHANNELS[rule.channel].unit}"


def _are_tables(entries: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether it is a list of tables, and not an empty one."""
    return isinstance(entries, list) and entries != [] and all(isinstance(e, dict) for e in entries)


def _rule(entry: dict[str, Any], path: Path) -> Rule:
    rule_id = str(entry.get("id", "?"))

    def refuse(message: str) -> ConfigError:
        return ConfigError(f"rule {rule_id!r}: {message}", path=path, key=f"rule.{rule_id}")

    _check(entry, _RULE_KEYS, "there is no key", refuse)
    if not entry.get("id"):
        raise refuse("needs an id")
    if not _ID.fullmatch(rule_id):
        raise refuse("an id has letters, digits, dots, dashes and underscores only")
    side = entry.get("side")
    if side not in ("high", "low", "technical"):
        raise refuse("side must be high, low or technical")
    channel = entry.get("channel", "")
    if side != "technical" and channel not in CHANNELS:
        raise refuse(f"there is no channel {channel!r}; known are {', '.join(CHANNELS)}")
    if not _are_tables(entry.get("level")):
        raise refuse("needs at least one [[rule.level]], mildest first")
    levels = tuple(_level(level, side, refuse) for level in entry["level"])
    limits = [level.limit for level in levels if level.limit is not None]
    if limits != sorted(limits, reverse=side == "low"):
        raise refuse("levels must go from the mildest to the worst limit")
    ranks = [level.priority.rank for level in levels]
    if ranks != sorted(ranks):
        raise refuse("levels must go from the mildest to the worst priority")
    label = entry.get("label") or (CHANNELS[channel].label if channel in CHANNELS else rule_id)
    return Rule(rule_id, channel, side, levels, label, entry.get("by_reading", False))


def _level(level: dict[str, Any], side: str, refuse: _Refuse) -> Level:
    _check(level, _LEVEL_KEYS, "a level has no key", refuse)
    try:
        found = Level(
            **{
                "limit": None,
                **level,
                "priority": Priority(level["priority"]),
                "phases": _phases(level.get("phases", []), refuse),
                "minutes": _minutes(level.get("minutes"), refuse),
            }
        )
    except (KeyError, ValueError):
        raise refuse("each level needs a priority: info, low, medium or high") from None
    relative = found.over_baseline is not None or found.over_baseline_pct is not None
    if side != "technical" and found.limit is None and not relative:
        raise refuse("each level needs a limit, or over_baseline")
    if found.over_baseline is not None and found.over_baseline_pct is not None:
        raise refuse("give over_baseline or over_baseline_pct, not both")
    if relative and found.limit is None and found.priority is Priority.HIGH:
        raise refuse("a high level needs a limit of its own: there may be no baseline")
    if side != "technical" and found.priority is Priority.HIGH:
        found = replace(found, latching=True)  # rule 5 of the state machine: no profile's choice
    if found.limit is not None and found.clear is not None:
        outside = found.clear > found.limit if side == "high" else found.clear < found.limit
        if outside:
            raise refuse(f"clear {found.clear:g} must not be beyond the limit {found.limit:g}")
    return found


def _phases(names: list[object], refuse: _Refuse) -> tuple[str, ...]:
    for name in names:
        if name not in PHASE_NAMES:
            raise refuse(f"there is no phase {name!r}; known are {', '.join(PHASE_NAMES)}")
    return tuple(str(name) for name in names)


def _minutes(given: list[object] | None, refuse: _Refuse) -> tuple[float, float] | None:
    """From, to: minutes since the dose."""
    if given is None:
        return None
    numbers = [float(n) for n in given if type(n) in _NUMBER]  # type: ignore[arg-type]
    if len(given) != 2 or len(numbers) != 2 or not 0 <= numbers[0] < numbers[1] < math.inf:
        raise refuse(f"minutes are two numbers since the dose, from and to, not {given!r}")
    return numbers[0], numbers[1]


def _check(
    table: dict[str, Any], keys: dict[str, tuple[type, ...]], unknown: str, refuse: _Refuse
) -> None:
    """Every key known, every value of its type; a time, count or limit is a finite number."""
    for key, value in table.items():
        if key not in keys:
            raise refuse(f"{unknown} {key!r}; known are {', '.join(sorted(keys))}")
        if type(value) not in keys[key]:
            words = _WORDS[keys[key][0]] if key != "level" else "[[rule.level]] tables"
            raise refuse(f"{key} must be {words}, not {value!r}")
        least = _LEAST.get(key, -math.inf)
        if keys[key][0] is int and not least <= value < math.inf:
            raise refuse(f"{key} cannot be {value}")

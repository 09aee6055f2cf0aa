"""Reads an alarm profile: rules as data, each with its levels.

The shipped profile is `vitals/profiles/default.toml`; a clinic's own file has the same form.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.model import Level, Priority, Rule

DEFAULT = Path(__file__).parent.parent / "profiles" / "default.toml"

_Refuse = Callable[[str], ConfigError]
_NUMBER = (int, float)
_LEVEL_KEYS: dict[str, tuple[type, ...]] = {
    "priority": (str,), "limit": _NUMBER, "hold_s": _NUMBER, "clear": _NUMBER,
    "release_s": _NUMBER, "latching": (bool,), "samples": (int,), "strict": (bool,),
    "after_dose": (bool,),
}  # fmt: skip
_RULE_KEYS: dict[str, tuple[type, ...]] = {
    "id": (str,), "channel": (str,), "side": (str,), "label": (str,), "by_reading": (bool,),
    "level": (list,),
}  # fmt: skip
_WORDS = {str: "a text", list: "[[rule.level]] tables", bool: "true or false", int: "a number"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of rules with the version that is written beside every alarm change."""

    version: str
    rules: tuple[Rule, ...]
    text: str


def load(path: Path | None = None) -> Profile:
    """Reads a profile file, the shipped one by default.

    Raises:
        ConfigError: it cannot be read, or says something that cannot be.
    """
    path = path or DEFAULT
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not UTF-8 text"
        raise ConfigError(
            f"the alarm profile cannot be read ({reason}); check station.profile",
            path=path,
            key="station.profile",
        ) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Profile:
    """Reads the text of a profile.

    Raises:
        ConfigError: see `load`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    entries = table.get("rule")
    if not isinstance(table.get("version"), str) or not _are_tables(entries):
        raise ConfigError("needs a version and at least one [[rule]]", path=path, key="version")
    rules = tuple(_rule(entry, path) for entry in entries)
    ids = [rule.id for rule in rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise ConfigError(f"rule {rule_id!r} is there twice", path=path, key="rule.id")
    return Profile(table["version"], rules, text)


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
    label = entry.get("label") or (CHANNELS[channel].label if channel in CHANNELS else rule_id)
    return Rule(rule_id, channel, side, levels, label, entry.get("by_reading", False))


def _level(level: dict[str, Any], side: str, refuse: _Refuse) -> Level:
    _check(level, _LEVEL_KEYS, "a level has no key", refuse)
    try:
        found = Level(**{"limit": None, **level, "priority": Priority(level["priority"])})
    except (KeyError, ValueError):
        raise refuse("each level needs a priority: info, low, medium or high") from None
    if side != "technical" and found.limit is None:
        raise refuse("each level needs a limit")
    if found.limit is not None and found.clear is not None:
        outside = found.clear > found.limit if side == "high" else found.clear < found.limit
        if outside:
            raise refuse(f"clear {found.clear:g} must not be beyond the limit {found.limit:g}")
    return found


def _check(
    table: dict[str, Any], keys: dict[str, tuple[type, ...]], unknown: str, refuse: _Refuse
) -> None:
    """Every key known, every value of its type; a time, count or limit is a finite number."""
    for key, value in table.items():
        if key not in keys:
            raise refuse(f"{unknown} {key!r}; known are {', '.join(sorted(keys))}")
        if type(value) not in keys[key]:
            raise refuse(f"{key} must be {_WORDS[keys[key][0]]}, not {value!r}")
        least = 0 if key in ("hold_s", "release_s", "samples") else -math.inf
        if keys[key][0] is int and not least <= value < math.inf:
            raise refuse(f"{key} cannot be {value}")

"""Reads an alarm profile: rules as data, each with its levels.

The shipped profile is `vitals/profiles/default.toml`; a clinic's own file has the same form.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.model import Level, Priority, Rule

DEFAULT = Path(__file__).parent.parent / "profiles" / "default.toml"

_LEVEL_KEYS = {
    "priority", "limit", "hold_s", "clear", "release_s", "latching", "samples", "strict",
    "after_dose",
}  # fmt: skip
_RULE_KEYS = {"id", "channel", "side", "label", "by_reading", "level"}


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
        return parse(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ConfigError(
            f"the alarm profile cannot be read ({error.strerror}); check station.profile",
            path=path,
            key="station.profile",
        ) from error


def parse(text: str, path: Path) -> Profile:
    """Reads the text of a profile.

    Raises:
        ConfigError: see `load`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    if not isinstance(table.get("version"), str) or not table.get("rule"):
        raise ConfigError("needs a version and at least one [[rule]]", path=path, key="version")
    rules = tuple(_rule(entry, path) for entry in table["rule"])
    ids = [rule.id for rule in rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise ConfigError(f"rule {rule_id!r} is there twice", path=path, key="rule.id")
    return Profile(table["version"], rules, text)


def _rule(entry: dict[str, Any], path: Path) -> Rule:
    rule_id = str(entry.get("id", "?"))

    def refuse(message: str) -> ConfigError:
        return ConfigError(f"rule {rule_id!r}: {message}", path=path, key=f"rule.{rule_id}")

    for key in entry.keys() - _RULE_KEYS:
        raise refuse(f"there is no key {key!r}; known are {', '.join(sorted(_RULE_KEYS))}")
    side = entry.get("side")
    if side not in ("high", "low", "technical"):
        raise refuse("side must be high, low or technical")
    channel = str(entry.get("channel", ""))
    if side != "technical" and channel not in CHANNELS:
        raise refuse(f"there is no channel {channel!r}; known are {', '.join(CHANNELS)}")
    levels = []
    for level in entry.get("level", ()):
        for key in level.keys() - _LEVEL_KEYS:
            raise refuse(f"a level has no key {key!r}; known are {', '.join(sorted(_LEVEL_KEYS))}")
        try:
            fields = {**level, "priority": Priority(level["priority"])}
        except (KeyError, ValueError):
            raise refuse("each level needs a priority: info, low, medium or high") from None
        if side != "technical" and not isinstance(level.get("limit"), int | float):
            raise refuse("each level needs a limit")
        levels.append(Level(**{"limit": None, **fields}))
    if not levels:
        raise refuse("needs at least one [[rule.level]], mildest first")
    limits = [level.limit for level in levels if level.limit is not None]
    if limits != sorted(limits, reverse=side == "low"):
        raise refuse("levels must go from the mildest to the worst limit")
    label = entry.get("label") or (CHANNELS[channel].label if channel in CHANNELS else rule_id)
    return Rule(rule_id, channel, side, tuple(levels), label, bool(entry.get("by_reading", False)))

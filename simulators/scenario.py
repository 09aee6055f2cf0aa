"""What happens to a simulated patient, and when: a TOML file of events.

    description = "SpO2 falls to 85 % and recovers"
    route = "iv"                # optional, as are the next two
    dose_at_s = 600             # dose by itself, this long after the start
    cuff_arm = "other"          # or "same": the cuff squeezes the oximeter's arm
    [[event]]
    at_s = 90                   # patient seconds since the scenario's start
    kind = "desaturation"
    lasting_s = 120             # until recovery begins
    to = 85                     # the value that is reached
    rise_s = 20                 # how long reaching it takes
    fall_s = 30                 # how long recovery takes

`simulators.events.KINDS` lists every kind with its keys; shipped scenarios lie in `scenarios/`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from devices.registry import did_you_mean
from simulators.course import check_route
from simulators.events import CUFF_REASONS, KINDS, WITHIN, Event
from vitals.errors import ConfigError

CUFF_ARMS = ("other", "same")
_COMMON = ("at_s", "kind", "lasting_s")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named list of events; `None` leaves route, dose or arm to the caller."""

    name: str
    events: tuple[Event, ...] = ()
    description: str = ""
    route: str | None = None
    dose_at_s: float | None = None
    cuff_arm: str | None = None


def check_arm(arm: str) -> str:
    """The arm itself.

    Raises:
        ConfigError: it is neither `"other"` nor `"same"`.
    """
    if arm not in CUFF_ARMS:
        raise ConfigError(f'cuff_arm: must be "other" or "same", not {arm!r}', key="cuff_arm")
    return arm


@cache
def names() -> tuple[str, ...]:
    """Names of the shipped scenarios, sorted."""
    entries = resources.files("simulators.scenarios").iterdir()
    return tuple(sorted(e.name[:-5] for e in entries if e.name.endswith(".toml")))


def load(name_or_path: str | Path) -> Scenario:
    """A shipped scenario by its name, or one from a TOML file.

    Raises:
        ConfigError: there is none, or it says something that cannot be.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in names():
        shipped = resources.files("simulators.scenarios") / f"{name}.toml"
        return parse(shipped.read_text(encoding="utf-8"), path=path)
    if path.suffix != ".toml" and not path.exists():
        raise ConfigError(
            f"there is no scenario {name!r}{did_you_mean(name, names())}; shipped are "
            f"{', '.join(names())}, or name a .toml file",
            key="scenario",
        )
    try:
        return parse(path.read_text(encoding="utf-8"), path=path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot be read ({reason}); check the path", path=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=path) from error


def parse(text: str, *, path: Path | str) -> Scenario:
    """Checks the text of a scenario; `path` is where it came from.

    Raises:
        ConfigError: it is not TOML, or a key or value cannot be.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    try:
        return _scenario(table, Path(path).stem)
    except ConfigError as error:
        raise ConfigError(str(error), path=path, key=error.key) from error


def _scenario(table: dict[str, Any], name: str) -> Scenario:
    known = ("event", *(f.name for f in fields(Scenario) if f.name not in ("name", "events")))
    _refuse_unknown(table, known, "")
    events = table.get("event", [])
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ConfigError("event: write each event as a [[event]] table", key="event")
    route = _text(table, "route", "", None)
    arm = _text(table, "cuff_arm", "", None)
    return Scenario(
        name=name,
        events=tuple(_event(event, f"event {i}") for i, event in enumerate(events, 1)),
        description=_text(table, "description", "", "") or "",
        route=check_route(route) if route is not None else None,
        dose_at_s=_number(table, "dose_at_s", "", None, 0, 86_400),
        cuff_arm=check_arm(arm) if arm is not None else None,
    )


def _event(table: dict[str, Any], where: str) -> Event:
    name = table.get("kind")
    if name not in KINDS:
        known = tuple(KINDS)
        raise ConfigError(
            f"{where}: kind must be one of {', '.join(known)}"
            + (f", not {name!r}{did_you_mean(str(name), known)}" if name is not None else ""),
            key="kind",
        )
    kind, where = KINDS[name], f"{where} ({name})"
    _refuse_unknown(table, (*_COMMON, *kind.defaults), where)
    for key in ("at_s", "lasting_s"):
        if key not in table:
            raise ConfigError(f"{where}: {key} is missing", key=key)
    values: dict[str, Any] = {"kind": name}
    values["at_s"] = _number(table, "at_s", where, None, 0, 86_400)
    values["lasting_s"] = _number(table, "lasting_s", where, None, 0.1, 86_400)
    for key, default in kind.defaults.items():
        if isinstance(default, str):
            values[key] = _text(table, key, where, default)
        else:
            low, high = kind.within if key == "to" else WITHIN[key]
            values[key] = _number(table, key, where, default, low, high)
    if "rise_s" not in table and "rise_s" in values:
        values["rise_s"] = min(values["rise_s"], values["lasting_s"])
    return _consistent(Event(**values), where)


def _consistent(event: Event, where: str) -> Event:
    if event.rise_s > event.lasting_s:
        raise ConfigError(
            f"{where}: rise_s {event.rise_s:g} is longer than lasting_s {event.lasting_s:g}, so "
            "the value would never be reached",
            key="rise_s",
        )
    if event.to_dia is not None and event.to_dia > event.to - 15:
        raise ConfigError(
            f"{where}: to_dia {event.to_dia:g} must be at least 15 below to {event.to:g}",
            key="to_dia",
        )
    if event.reason and event.reason not in CUFF_REASONS:
        raise ConfigError(
            f"{where}: reason {event.reason!r} is not one of {', '.join(CUFF_REASONS)}"
            f"{did_you_mean(event.reason, CUFF_REASONS)}",
            key="reason",
        )
    return event


def _refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or f"; known are {', '.join(known)}"
            raise ConfigError(f"{where or 'the file'}: there is no key {key!r}{hint}", key=key)


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None) -> str | None:
    value = table.get(key, default)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{_named(where, key)} must be text, not {value!r}", key=key)
    return value


def _number(
    table: Mapping[str, Any],
    key: str,
    where: str,
    default: float | None,
    low: float,
    high: float,
) -> float | None:
    value = table.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(
            f"{_named(where, key)} must be a number from {low:g} to {high:g}, not {value!r}",
            key=key,
        )
    return float(value)


def _named(where: str, key: str) -> str:
    return f"{where}: {key}" if where else key

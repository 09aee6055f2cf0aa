"""What a clinic asks, marks, scores and prints in a session: data, read from a file.

The shipped file is `vitals/profiles/care.toml`; a clinic's own (`station.care`) has the same form
and says only what is different. The whole in force is recorded with each session.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from vitals.errors import ConfigError
from vitals.session.phases import BY_TIME, PHASE_NAMES

DEFAULT = Path(__file__).parent.parent / "profiles" / "care.toml"


@dataclass(frozen=True, slots=True)
class Route:
    """How a dose is given, and what follows from that. Minutes count from the dose's start.

    Attributes:
        name: as in the record, e.g. `iv`.
        label: for people.
        nibp_minutes: blood pressures owed.
        phases: (minute, phase that begins by itself).
        infusion_minutes: planned length of an infusion; 0 = none.
        discharge_minutes: earliest discharge after the last dose's start.
        before_discharge: whether a reading is owed in the discharge check.
    """

    name: str
    label: str
    nibp_minutes: tuple[int, ...]
    phases: tuple[tuple[int, str], ...]
    infusion_minutes: int = 0
    discharge_minutes: int = 120
    before_discharge: bool = False


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Pressures (mmHg) and SpO2 (%) before the dose beyond which a prescriber decides."""

    sbp: float = 140
    sbp_over_65: float = 150
    dbp: float = 90
    spo2: float = 93
    override_sbp: float = 180
    override_dbp: float = 110


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the check-in; `concern` is the answer that is shown at the gate."""

    id: str
    label: str
    kind: Literal["flag", "choice", "number", "text"]
    group: str = ""
    options: tuple[str, ...] = ()
    least: float = 0.0
    most: float = 1e6
    required: bool = True
    concern: bool | None = None


@dataclass(frozen=True, slots=True)
class QuickMark:
    """A mark of one tap; `recheck_minutes`: a blood pressure is owed so long after it."""

    id: str
    label: str
    key: str = ""
    recheck_minutes: int = 0
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """A score; `texts` has a word for each step, `fields` > 1: the sum of so many numbers."""

    id: str
    label: str
    least: int
    most: int
    texts: tuple[str, ...] = ()
    fields: int = 1


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the discharge checklist, with its printed numbers (see `care.toml`)."""

    id: str
    label: str
    kind: Literal["minutes", "bp", "spo2", "score", "tick"]
    scale: str = ""
    least: float | None = None
    most: float | None = None
    sys_within: float = 20
    dia_within: float = 10
    sys_most: float = 140
    dia_most: float = 90
    fresh_minutes: float = 30


@dataclass(frozen=True, slots=True)
class Emergency:
    """What the emergency view shows: the clinic's own card, and marks of one tap."""

    nibp_every_s: float = 120
    card: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Care:
    """All of it; `text` is the whole in force as JSON, for the record and the pages."""

    version: str
    routes: Mapping[str, Route]
    gate: GateLimits
    checkin: tuple[Item, ...]
    marks: tuple[QuickMark, ...]
    scales: Mapping[str, Scale]
    discharge: tuple[Criterion, ...]
    emergency: Emergency
    text: str = field(default="", compare=False)

    def route(self, name: str) -> Route:
        """The route of a session; one that the file no longer has is as the first."""
        return self.routes.get(name) or next(iter(self.routes.values()))


_LISTS: dict[str, tuple[type, str]] = {
    "route": (Route, "name"),
    "checkin": (Item, "id"),
    "mark": (QuickMark, "id"),
    "scale": (Scale, "id"),
    "discharge": (Criterion, "id"),
}
_TABLES: dict[str, type] = {"gate": GateLimits, "emergency": Emergency}
_Tables = dict[str, Any]


def load(path: Path | None = None) -> Care:
    """Reads what is in force: the shipped file, with a clinic's over it.

    Raises:
        ConfigError: it cannot be read, or says something that cannot be.
    """
    return _shipped() if path is None else parse(_read(path), path)


def parse(text: str, path: Path) -> Care:
    """Reads the text of a file over the shipped one.

    Raises:
        ConfigError: it says something that cannot be.
    """
    own = _toml(text, path)
    merged = _merge(_toml(_read(DEFAULT), DEFAULT), own)
    return _care(merged, path)


def of_json(text: str) -> Care:
    """What was in force, as a record has it (`Care.text`); `""` is the shipped one."""
    return _care(json.loads(text), Path("the record")) if text else _shipped()


@cache
def _shipped() -> Care:
    return _care(_toml(_read(DEFAULT), DEFAULT), DEFAULT)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is not UTF-8 text"
        raise ConfigError(
            f"cannot be read ({reason}); check station.care", path=path, key="station.care"
        ) from error


def _toml(text: str, path: Path) -> _Tables:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error


def _merge(shipped: _Tables, own: _Tables) -> _Tables:
    """The shipped tables with a clinic's over them, entry by entry."""
    merged = {**shipped, **{k: v for k, v in own.items() if k not in (*_LISTS, *_TABLES)}}
    merged["version"] = f"{own.get('version', '?')} on {shipped['version']}"
    for name in _TABLES:
        if isinstance(own.get(name, {}), dict):
            merged[name] = {**shipped[name], **own.get(name, {})}
    for name, (_, key) in _LISTS.items():
        entries = {entry[key]: entry for entry in shipped[name]}
        for entry in own.get(name, ()):
            known = isinstance(entry, dict) and isinstance(entry.get(key), str)
            entries[entry[key] if known else f"?{len(entries)}"] = entry
        merged[name] = [e for e in entries.values() if not (isinstance(e, dict) and e.get("off"))]
    return merged


def _care(tables: _Tables, path: Path) -> Care:
    known = ("version", *_LISTS, *_TABLES)
    for name in tables:
        if name not in known:
            raise ConfigError(_unknown(name, known), path=path, key=name)
    lists: dict[str, list[Any]] = {}
    for name, (kind, key) in _LISTS.items():
        made = [_entry(kind, name, entry, path) for entry in tables[name]]
        ids = [getattr(each, key) for each in made]
        twice = next((each for each in ids if ids.count(each) > 1), None)
        if twice is not None:
            raise ConfigError(f"{name} {twice!r} is there twice", path=path, key=name)
        lists[name] = made
    care = Care(
        str(tables["version"]),
        {route.name: route for route in lists["route"]},
        _entry(GateLimits, "gate", tables["gate"], path),
        tuple(lists["checkin"]),
        tuple(lists["mark"]),
        {scale.id: scale for scale in lists["scale"]},
        tuple(lists["discharge"]),
        _entry(Emergency, "emergency", tables["emergency"], path),
    )
    why_not = _unfit(care)
    if why_not:
        raise ConfigError(why_not, path=path)
    return replace(care, text=json.dumps(_plain(care), ensure_ascii=False))


def _entry(kind: type, name: str, entry: object, path: Path) -> Any:
    if not isinstance(entry, dict):
        raise ConfigError(f"{name}: each entry is a table", path=path, key=name)
    which = entry.get("id") or entry.get("name") or name
    known = [f.name for f in fields(kind)]
    for key in entry:
        if key not in known:
            raise ConfigError(f"{which}: {_unknown(key, known)}", path=path, key=f"{name}.{key}")
    try:
        # JSON, as a list of TOML is a tuple here and nothing else may be turned into another type
        return TypeAdapter(kind).validate_json(json.dumps(entry), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = f"{which}: {key or name}: {first['msg'].lower()}"
        raise ConfigError(message, path=path, key=f"{name}.{key}") from None
    except TypeError as error:  # a date of TOML is no JSON
        raise ConfigError(f"{which}: {error}", path=path, key=name) from None


def _unfit(care: Care) -> str:
    """Why the whole cannot be, in one sentence; `""` if it can."""
    if not care.routes:
        return "there is no route; add a [[route]]"
    for route in care.routes.values():
        minutes = [minute for minute, _ in route.phases]
        names = [name for _, name in route.phases]
        if not minutes or minutes[0] != 0 or minutes != sorted(set(minutes)):
            return f"route {route.name!r}: phases begin at minute 0 and go on in time"
        for name in names:
            if name not in BY_TIME:
                return f"route {route.name!r}: phases that begin by themselves are {BY_TIME}"
        if list(route.nibp_minutes) != sorted(set(route.nibp_minutes)) or any(
            not 0 <= minute <= 1440 for minute in route.nibp_minutes
        ):
            return f"route {route.name!r}: nibp_minutes go on in time, from 0 to 1440"
    for criterion in care.discharge:
        if criterion.kind == "score" and criterion.scale not in care.scales:
            return f"discharge {criterion.id!r}: there is no scale {criterion.scale!r}"
    keys = [mark.key for mark in care.marks if mark.key]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        return f"the key {twice!r} is two marks' shortcut"
    return ""


def _unknown(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return f"there is no key {word!r}; {hint}"


def _plain(care: Care) -> _Tables:
    """As tables of the same form as the file's."""
    return {
        "version": care.version,
        "route": [asdict(route) for route in care.routes.values()],
        "gate": asdict(care.gate),
        "checkin": [asdict(item) for item in care.checkin],
        "mark": [asdict(mark) for mark in care.marks],
        "scale": [asdict(scale) for scale in care.scales.values()],
        "discharge": [asdict(criterion) for criterion in care.discharge],
        "emergency": asdict(care.emergency),
    }


__all__ = ["PHASE_NAMES", "Care", "Route", "load", "of_json", "parse"]

"""A mapping: which column or track of a file is which channel, in which unit, on which clock.

    separator = ";"                        # of a CSV; found out where it is not named
    decimal = ","
    encoding = "cp1252"
    skip_lines = 2                         # lines before the head

    [time]
    column = "Zeit"
    format = "%d.%m.%Y %H:%M:%S"           # or iso, unix, unix_ms, unix_us, seconds, minutes
    zone = "Europe/Berlin"                 # where times say no offset
    start = "2026-03-01T09:00:00+01:00"    # of seconds and minutes, and of times without a date

    [[track]]
    name = "SpO2 [%]"                      # head of the column; of other formats the track
    channel = "spo2"
    unit = "%"                             # as it is in the file
    device = "monitor"
    no_value = ["---", "127"]              # beside an empty cell and 0

    [[track]]
    name = "Note"
    channel = "remark"                     # texts on the time line

A track that is not named here is left out; without any `[[track]]` names decide, as without a
mapping.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.recordings import units

REMARK = "remark"
"""Stands where a channel would: a column of texts."""
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeColumn(_Table):
    """How a CSV says when."""

    column: _Text
    date_column: str = ""
    """Where date and time of day are in two columns: that of the date."""
    format: _Text = "iso"
    """`iso`, `unix`, `unix_ms`, `unix_us`, `seconds`, `minutes`, or as for strptime."""
    zone: str = ""
    """Of times that say no offset: `Europe/Berlin` or `+01:00`; default UTC."""
    start: str = ""
    """ISO 8601: when `seconds` and `minutes` begin to count; the first day of times alone."""


class TrackMapping(_Table):
    """One column or track."""

    name: _Text
    channel: _Text
    unit: str = ""
    device: str = "recording"
    no_value: list[str] = Field(default_factory=list)


class Mapping(_Table):
    """The whole file."""

    separator: str = Field(default="", max_length=1)
    decimal: str = Field(default="", pattern=r"^[.,]?$")
    encoding: str = ""
    skip_lines: int = Field(default=0, ge=0, le=1000, strict=True)
    time: TimeColumn | None = None
    track: list[TrackMapping] = Field(default_factory=list)

    def of(self, name: str) -> TrackMapping | None:
        """What is said of a track."""
        return next((track for track in self.track if track.name == name), None)


NONE = Mapping()


def load(path: Path) -> tuple[Mapping, str]:
    """Reads a mapping; also its text, for the record.

    Raises:
        ConfigError: it cannot be read, or says something that cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot be read ({reason}); check the path", path=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=path) from error
    return parse(text, path), text


def parse(text: str, path: Path) -> Mapping:
    """Checks the text of a mapping.

    Raises:
        ConfigError: see `load`.
    """
    try:
        mapping = Mapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(
            f"{key}: {message[0].lower()}{message[1:]}", path=path, key=key
        ) from error
    for n, track in enumerate(mapping.track):
        why_not = _unfit(track)
        if why_not:
            key = f"track.{n}.{why_not[0]}"
            raise ConfigError(f"{key}: {why_not[1]}", path=path, key=key)
    if mapping.time is not None:
        why_not = _unfit_time(mapping.time)
        if why_not:
            key = f"time.{why_not[0]}"
            raise ConfigError(f"{key}: {why_not[1]}", path=path, key=key)
    if mapping.encoding and not _knows_encoding(mapping.encoding):
        raise ConfigError(
            f"encoding: {mapping.encoding!r} is not known; utf-8, utf-16, cp1252 and latin-1 are",
            path=path,
            key="encoding",
        )
    return mapping


def _unfit(track: TrackMapping) -> tuple[str, str] | None:
    if track.channel == REMARK:
        return None
    if track.channel not in CHANNELS:
        near = difflib.get_close_matches(track.channel, CHANNELS, n=1, cutoff=0.5)
        hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(CHANNELS)}, remark"
        return "channel", f"there is no channel {track.channel!r}; {hint}"
    if units.factor(track.channel, track.unit) is None:
        known = ", ".join(units.known(track.channel))
        return "unit", f"{track.unit!r} cannot be turned into {track.channel}; known are {known}"
    return None


def _unfit_time(time: TimeColumn) -> tuple[str, str] | None:
    try:
        zone_of(time.zone)
    except ValueError as error:
        return "zone", str(error)
    try:
        start = start_of(time)
    except ValueError:
        return "start", f"{time.start!r} is no time; write it as 2026-03-01T09:00:00+01:00"
    if start is None and time.format in ("seconds", "minutes"):
        return "start", "is needed where times are counted: say when the recording began"
    return None


def zone_of(name: str) -> tzinfo:
    """The zone of that name or offset; UTC for none.

    Raises:
        ValueError: it is not known; a sentence.
    """
    try:
        if name[:1] in ("+", "-"):
            found = datetime.strptime(name, "%z").tzinfo
            return found or UTC
        return ZoneInfo(name) if name else UTC
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"{name!r} is no zone; write it as Europe/Berlin or +01:00") from error


def start_of(time: TimeColumn) -> datetime | None:
    """When counting starts, None where that is not said."""
    if not time.start:
        return None
    found = datetime.fromisoformat(time.start)
    return found if found.tzinfo else found.replace(tzinfo=zone_of(time.zone))


def _knows_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True

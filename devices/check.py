"""One check of `vitals doctor`: how it went, in one sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list.

    Attributes:
        name: what was looked at: `clock`, `store`, a device's id.
        level: `fail` = it cannot work so, `warn` = somebody should know.
        text: one sentence; of a warning or failure with what to do.
    """

    name: str
    level: Level
    text: str


def ok(name: str, text: str) -> Check:
    """All is well."""
    return Check(name, "ok", text)


def warn(name: str, text: str) -> Check:
    """It works, but somebody should know."""
    return Check(name, "warn", text)


def fail(name: str, text: str) -> Check:
    """It cannot work so."""
    return Check(name, "fail", text)

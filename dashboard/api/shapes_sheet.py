"""The REMS sheet as `/api/v1` answers it, as types."""

from __future__ import annotations

from typing import Literal

from dashboard.api.shapes import Mode, Shape


class SheetField(Shape):
    """A field of the REMS sheet with its source; `recorded`: what is known about a judgement."""

    label: str
    kind: Literal["value", "blank", "judgement"]
    value: str
    source: str
    recorded: str
    choices: list[str]
    ticked: str


class SheetSection(Shape):
    """A section of the REMS sheet."""

    title: str
    fields: list[SheetField]


class Sheet(Shape):
    """The REMS sheet; judgements are left to the healthcare provider."""

    session: str
    mode: Mode
    title: str
    note: str
    sections: list[SheetSection]
    unreadable: list[str]
    disclaimer: str

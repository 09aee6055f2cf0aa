"""Parameters of a question, as they were typed into an address: read strictly, refused in words."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request

from vitals.errors import VitalsError

MOST_LETTERS = 200
"""Of one parameter."""
LATEST_US = 2**53 - 1
"""Whole numbers beyond this are no longer exact in JSON."""


class AskedError(VitalsError):
    """The question itself is wrong: answered 400."""


class Asked:
    """The parameters of one request."""

    def __init__(self, request: Request, known: Collection[str]) -> None:
        """Refuses parameters that nobody reads.

        Raises:
            AskedError: one is unknown, given twice, or too long.
        """
        self._given: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in known:
                names = ", ".join(sorted(known)) or "none"
                raise AskedError(f"there is no parameter {name[:40]!r} here; known are: {names}")
            if name in self._given:
                raise AskedError(f"{name} is given twice; give it once")
            if len(value) > MOST_LETTERS:
                raise AskedError(f"{name} is longer than {MOST_LETTERS} letters; shorten it")
            self._given[name] = value

    def text(self, name: str, default: str = "") -> str:
        """As it was given."""
        return self._given.get(name, default)

    def one_of(self, name: str, choices: Collection[str], default: str = "") -> str:
        """One word of a list.

        Raises:
            AskedError: it is another one.
        """
        given = self._given.get(name) or default
        if given and given not in choices:
            raise AskedError(f"{name} is one of {', '.join(choices)}, not {given[:40]!r}")
        return given

    def whole(
        self, name: str, default: int | None = None, *, least: int = 0, most: int = LATEST_US
    ) -> int | None:
        """A whole number within bounds.

        Raises:
            AskedError: it is none, or beyond them.
        """
        given = self._given.get(name, "")
        if not given:
            return default
        digits = given.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
            raise AskedError(f"{name} is a whole number, not {given[:40]!r}")
        value = int(given)
        if not least <= value <= most:
            raise AskedError(f"{name} is a whole number from {least} to {most}, not {value}")
        return value

    def span(self) -> tuple[int | None, int | None]:
        """`from_us` and `to_us`, microseconds UTC: from_us <= t < to_us; None for no limit.

        Raises:
            AskedError: the end lies before the beginning.
        """
        from_us, to_us = self.whole("from_us"), self.whole("to_us")
        if from_us is not None and to_us is not None and to_us < from_us:
            raise AskedError("to_us lies before from_us; exchange them")
        return from_us, to_us

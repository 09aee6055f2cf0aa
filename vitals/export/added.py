"""What was added to a session when it was closed, in the order of the audit chain. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vitals.afterwards import ADDENDUM, KINDS, SIGNATURE
from vitals.export.session_data import Entry


@dataclass(frozen=True, slots=True)
class Addition:
    """An addendum or a signature.

    Attributes:
        n: its place in the audit chain.
        at_us: when it was written.
        kind: `addendum` or `signature`.
        text: what was written, or the words that were signed.
        actor: who.
        role: that person's role.
        identity: how the name is known: `account`, `typed` or `emergency`.
        about_us: the time that an addendum is about, None when it does not say.
        corrects: place of the row that it corrects, None for none.
        comment: what was said beside a signature.
        outdated: something was added that whoever signed had not seen.
    """

    n: int
    at_us: int
    kind: str
    text: str
    actor: str
    role: str
    identity: str
    about_us: int | None = None
    corrects: int | None = None
    comment: str = ""
    outdated: bool = False

    @property
    def authenticated(self) -> bool:
        """Whether the name is that of a person who had signed in."""
        return self.identity == "account"


def additions(entries: Iterable[Entry]) -> tuple[Addition, ...]:
    """All of them, the oldest first."""
    rows = sorted((entry for entry in entries if entry.kind in KINDS), key=lambda one: one.n)
    last_n = max((row.n for row in rows if row.kind == ADDENDUM), default=0)
    return tuple(_addition(row, last_n) for row in rows)


def _addition(row: Entry, last_n: int) -> Addition:
    body = row.body
    return Addition(
        row.n,
        row.at_us,
        row.kind,
        str(body.get("text", "")),
        row.actor,
        row.role,
        str(body.get("identity", "typed")),
        _number(body.get("about_us")),
        _number(body.get("corrects")),
        str(body.get("comment", "")),
        row.kind == SIGNATURE and last_n > (_number(body.get("seen")) or 0),
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

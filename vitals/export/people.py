"""Takes the names of people out of an export: a role and a number stand for each.

The names are those that the audit trail knows. Somebody who only occurs in free text is not
known, and stays; nobody's name belongs there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vitals.store.rows import StoredAudit

_PERSON = frozenset({"by", "witness"})
"""Keys of a body whose value is a person, besides those that end in `_by`."""
_CODES = frozenset(
    {
        "rule", "cause", "phase", "from", "to", "state", "condition", "priority", "kind", "command",
        "code", "device", "channel", "role", "scale", "profile", "signal", "rule_state", "room",
        "route", "id", "care", "criterion", "decision", "statement", "identity",
    }
)  # fmt: skip
"""Keys whose value is the program's own word."""
_SHORTEST = 3


class People:
    """Knows who occurs in a session's audit trail.

    Args:
        rows: the trail, in order.
    """

    def __init__(self, rows: Iterable[StoredAudit]) -> None:
        rows = list(rows)
        roles = {row.actor: row.role for row in rows if row.actor and row.role}
        names: dict[str, None] = {}
        for row in rows:
            if row.actor:
                names[row.actor] = None
            names.update(dict.fromkeys(_named(row.body)))
        counts: dict[str, int] = {}
        self.roles = roles
        self._called: dict[str, str] = {}
        for name in names:
            role = roles.get(name, "person")
            counts[role] = counts.get(role, 0) + 1
            self._called[name.casefold()] = f"{role} {counts[role]}"
        parts = {
            part.casefold(): called
            for name in names
            for part in name.split()
            if len(part) >= _SHORTEST and part[0].isupper()
            for called in (self._called[name.casefold()],)
        }
        self._words = parts | self._called
        longest = sorted(self._words, key=len, reverse=True)
        known = "|".join(re.escape(word) for word in longest)
        self._pattern = re.compile(rf"(?<!\w)(?:{known})(?!\w)", re.IGNORECASE) if known else None

    def role(self, name: str) -> str:
        """The role in which somebody acted, `""` where it is not known."""
        return self.roles.get(name, "")

    def hide(self, row: StoredAudit) -> StoredAudit:
        """A row without names."""
        actor = self._called.get(row.actor.casefold(), row.actor)
        body = {key: self._hidden(key, value) for key, value in row.body.items()}
        return replace(row, actor=actor, body=body)

    def _hidden(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {inner: self._hidden(inner, one) for inner, one in value.items()}
        if isinstance(value, list):
            return [self._hidden(key, one) for one in value]
        if not isinstance(value, str) or key in _CODES or self._pattern is None:
            return value
        return self._pattern.sub(lambda found: self._words[found[0].casefold()], value)


def _named(value: Any, key: str = "") -> Iterable[str]:
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _named(one, "by" if key == "own_alarm_by" else str(inner))
    elif isinstance(value, list):
        for one in value:
            yield from _named(one, key)
    elif isinstance(value, str) and value and (key in _PERSON or key.endswith("_by")):
        yield value

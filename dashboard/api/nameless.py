"""Takes the names of staff out of what is going on just now.

A session's trail gives each person a number; the present state has no trail, so that a number
would be another person's a minute later. It only says that it was somebody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

SOMEBODY = "somebody"
_PERSON = frozenset({"by", "witness", "actor"})
"""Keys whose value is a person, besides those that end in `_by`."""
_PEOPLE = frozenset({"own_alarm_by"})
"""Keys whose values are persons."""


def nameless(body: bytes | str) -> bytes:
    """A JSON text with `somebody` in place of each name, in free text, too."""
    told = orjson.loads(body)
    names = sorted(set(_names(told, "")), key=len, reverse=True)
    if not names:
        return orjson.dumps(told)
    known = "|".join(map(re.escape, names))
    pattern = re.compile(rf"(?<!\w)(?:{known})(?!\w)", re.IGNORECASE)
    return orjson.dumps(_without(told, pattern))


def _names(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _names(one, "by" if key in _PEOPLE else str(inner))
    elif isinstance(value, list):
        for one in value:
            yield from _names(one, key)
    elif isinstance(value, str) and value and (key in _PERSON or key.endswith("_by")):
        yield value


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(one, pattern) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(one, pattern) for one in value]
    return pattern.sub(SOMEBODY, value) if isinstance(value, str) else value

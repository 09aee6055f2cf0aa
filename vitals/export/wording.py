"""An audit row in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Body = Mapping[str, Any]


def describe(kind: str, body: _Body) -> str:
    """What a row says, on one line; a kind that is not known says its plain facts."""
    words = _WORDS.get(kind, _facts)(body)
    return " ".join(words.split())


def _join(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part not in (None, ""))


def _mapping(value: Any) -> _Body:
    return value if isinstance(value, Mapping) else {}


def _alarm(body: _Body) -> str:
    before, after = _mapping(body.get("before")), _mapping(body.get("after"))
    was, now = before.get("condition"), after.get("condition")
    text = after.get("text") or before.get("text") or body.get("rule")
    change = f"{was} → {now}" if was != now else body.get("cause")
    acked = after.get("acked_by")
    new = f"acknowledged by {acked}" if acked and acked != before.get("acked_by") else ""
    return _join(text, f"({after.get('priority')})", change, new)


def _change(body: _Body) -> str:
    cause = body.get("cause")
    phase = body.get("phase") if cause in ("opened", "phase", "dose") else ""
    shown = ("rule", "limit", "device", "reason")
    return _join(cause, phase, *(body.get(key) for key in shown), _facts(body, ("text", "label")))


def _notice(body: _Body) -> str:
    code = str(body.get("code", "")).replace("_", " ")
    return _join(
        body.get("device"), code, "" if body.get("active", True) else "ended", body.get("detail")
    )


def _due(body: _Body) -> str:
    return f"{body.get('label') or body.get('what')}: {body.get('state')}"


def _command(body: _Body) -> str:
    return f"{body.get('command')}: {'done' if body.get('ok') else body.get('error')}"


def _link(body: _Body) -> str:
    return _join(body.get("device"), body.get("state"), body.get("detail"))


def _addendum(body: _Body) -> str:
    corrects = body.get("corrects")
    return _join(f"corrects row {corrects}:" if corrects else "", body.get("text"), _known(body))


def _signature(body: _Body) -> str:
    return _join(body.get("text") or "signed", body.get("comment"), _known(body))


def _forgotten(body: _Body) -> str:
    what = "waveforms" if body.get("what") == "waves" else "vital signs and waveforms"
    return _join(f"{what} deleted:", body.get("reason"))


def _known(body: _Body) -> str:
    """Whether the name that stands beside it is more than what somebody has typed."""
    return "" if body.get("identity") == "account" else "(name not authenticated)"


def _facts(body: _Body, keys: tuple[str, ...] = ()) -> str:
    first = [body[key] for key in ("label", "text") if isinstance(body.get(key), str)]
    if keys or any(first):
        return _join(*dict.fromkeys(first))
    plain = ((key, value) for key, value in body.items() if isinstance(value, (str, int, float)))
    return ", ".join(f"{key} {value}" for key, value in plain)


_WORDS: dict[str, Callable[[_Body], str]] = {
    "alarm": _alarm,
    "session_change": _change,
    "notice": _notice,
    "due": _due,
    "command": _command,
    "link": _link,
    "addendum": _addendum,
    "signature": _signature,
    "forgotten": _forgotten,
}
"""Kinds whose words are more than their text."""

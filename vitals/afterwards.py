"""What may still be said of a session that is closed: addenda and signatures. Pure.

Both are rows of the session's own audit trail, added behind its end. Nothing that was recorded is
changed by them, and no replay sees them. A signature names the last of these rows that the person
who signs had seen, so that it is known what came after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitals.errors import CommandError
from vitals.model import US, Command, Session
from vitals.session.permissions import may

ADDENDUM, SIGNATURE = "addendum", "signature"
KINDS = frozenset({ADDENDUM, SIGNATURE})
"""Kinds of their audit rows."""
SIGN = "sign_record"
ACTS = {"addendum": ADDENDUM, SIGN: SIGNATURE}
"""Command -> kind of its row."""
STATEMENTS = {
    "reviewed": "I have reviewed this record.",
    "countersigned": "I countersign this record.",
    "addenda_seen": "I have seen the addenda to this record.",
}
"""What can be signed, and its words."""
MOST_TEXT, MOST_COMMENT = 4000, 1000
"""Characters of an addendum, and of what is said beside a signature."""
MOST_BYTES = 32 * 1024
"""Of such a command as it is sent."""
EARLIEST_S = 24 * 3600.0
"""An addendum may be about so long before its session."""
WITHOUT_ACCOUNTS = {SIGN: frozenset({"nurse", "demo"})}
"""Command -> roles that may as well where nobody has an account, and everybody is a nurse."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Known:
    """What the record says of the session that is meant.

    Attributes:
        session: None when there is none of that id.
        last_n: number of the last addendum or signature in the audit chain, 0 without one.
        corrected: kind of the row that is corrected, `""` when it is not in this session.
    """

    session: Session | None
    last_n: int = 0
    corrected: str = ""


def clean(text: object) -> str:
    """What somebody has written, with its lines and without control characters."""
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return _CONTROL.sub("", lines).strip()


def row_body(command: Command, identity: str, known: Known, now_us: int) -> dict[str, Any]:
    """The body of the row that a command adds.

    Args:
        command: one of `ACTS`. Its room must be the session's: whoever sees some rooms only adds
            to no other session.
        identity: how the actor's name is known, see `vitals.wire.CommandMsg`.
        known: what the record says.
        now_us: station time.

    Raises:
        CommandError: it may not be, in one sentence.
    """
    kind, args, actor, session = command.kind, command.args, command.actor, known.session
    unnamed = identity == "typed" and actor.role in WITHOUT_ACCOUNTS.get(kind, ())
    if not may(actor, kind) and not unnamed:
        raise CommandError(f"a {actor.role or 'nobody'} may not {kind}")
    if session is None or session.room != command.room:
        raise CommandError(
            f"there is no session {str(args.get('session', ''))[:80]!r} in {command.room!r}"
        )
    if session.ended_us is None:
        raise CommandError("this session is still open; make a note in the room instead")
    body = _MADE[ACTS[kind]](args, session, known, now_us)
    about = {"command": kind, "ok": True, "error": "", "identity": identity}
    return {**about, "session": session.id, **body}


def _addendum(
    args: Mapping[str, Any], session: Session, known: Known, now_us: int
) -> dict[str, Any]:
    text = clean(args.get("text", ""))
    if not text:
        raise CommandError("an addendum needs a text; write what is to be added")
    if len(text) > MOST_TEXT:
        raise CommandError(f"this is {len(text)} characters; write at most {MOST_TEXT}")
    body: dict[str, Any] = {"text": text}
    about_us = _whole(args, "about_us")
    if about_us is not None:
        if not session.started_us - round(EARLIEST_S * US) <= about_us <= now_us:
            raise CommandError(
                "the time that it is about must lie between the day before the session and now"
            )
        body["about_us"] = about_us
    corrects = _whole(args, "corrects")
    if corrects is not None:
        if not known.corrected:
            raise CommandError(f"row {corrects} is no part of this session; choose another one")
        body["corrects"] = corrects
    return body


def _signature(
    args: Mapping[str, Any], session: Session, known: Known, now_us: int
) -> dict[str, Any]:
    statement = str(args.get("statement", ""))
    if statement not in STATEMENTS:
        raise CommandError(f"a statement is one of {', '.join(STATEMENTS)}; choose one")
    comment = clean(args.get("comment", ""))
    if len(comment) > MOST_COMMENT:
        raise CommandError(f"this comment is {len(comment)} characters; write {MOST_COMMENT}")
    seen = _whole(args, "seen")
    if seen is not None and seen < known.last_n:
        raise CommandError(
            "somebody has added to this record since you opened it; look again, then confirm"
        )
    return {
        "statement": statement,
        "text": STATEMENTS[statement],
        "comment": comment,
        "seen": known.last_n if seen is None else min(seen, known.last_n),
    }


def _whole(args: Mapping[str, Any], name: str) -> int | None:
    value = args.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise CommandError(f"{name} is a whole number, not {value!r}")


_MADE = {ADDENDUM: _addendum, SIGNATURE: _signature}

"""What all acts share: how one is refused, and how its arguments are read."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from vitals.model import US, Command, Session

if TYPE_CHECKING:
    from vitals.room import Room

TEXT_MAX = 500


class Refused(Exception):
    """The act is not possible now; the text is one sentence for the person who asked."""


def open_session(room: Room) -> Session:
    """The room's session."""
    if room.session is None:
        raise Refused(f"{room.id} has no session; open one first")
    return room.session


def unseen(session: Session, command: Command, now_us: int) -> str:
    """What somebody else has done since this person's page was drawn; `""` for nothing.

    `seen` is the `rev` of the session that the page showed.
    """
    seen, last = command.args.get("seen"), session.last
    if type(seen) is not int or seen >= session.rev or not last:
        return ""
    if last["by"] == command.actor.name:
        return ""
    ago_s = max(0, now_us - last["at_us"]) // US
    return f"{last['by']}: {last['what']}, {ago_s} s ago. Look again, then confirm"


def text(command: Command, key: str, *, needed: str = "") -> str:
    """A text argument, stripped; `needed` is what is said when it is empty."""
    value = command.args.get(key, "")
    if not isinstance(value, str):
        raise Refused(f"{key} must be a text")
    value = value.strip()
    if len(value) > TEXT_MAX:
        raise Refused(f"the text is longer than {TEXT_MAX} characters; shorten it")
    if needed and not value:
        raise Refused(needed)
    return value


def new_id(command: Command) -> str:
    """The id of what an act makes: derived, so that folding the record again gives the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, command.id))


def moment(session: Session, command: Command, now_us: int, key: str = "at_us") -> int:
    """When something happened: `at_us`, now where it is not given."""
    at_us = command.args.get(key, now_us)
    if type(at_us) is not int or not session.started_us <= at_us <= now_us:
        raise Refused("that cannot be in the future or before the session began")
    return at_us


def flag(command: Command, key: str) -> bool:
    """A yes or no."""
    value = command.args.get(key, False)
    if not isinstance(value, bool):
        raise Refused(f"{key} must be true or false")
    return value


def rule(room: Room, command: Command) -> str:
    """The id of a rule of this room."""
    found = text(command, "rule")
    if found not in room.rules:
        raise Refused(f"there is no alarm {found!r} in {room.id}")
    return found

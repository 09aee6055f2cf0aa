"""Scores that people enter: what scales there are is the clinic's (`care.toml`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.model import Command, Event, Flag, Numeric, Output
from vitals.session.act import Refused, moment, open_session, text
from vitals.session.care import Scale

if TYPE_CHECKING:
    from vitals.room import Room

NOT_ROUSED = "not_roused"
"""A patient who cannot be roused has a score as well: the least of the sedation scale."""
SEDATION = "moaas"
KEPT = 60
"""Scores of one scale that the session keeps; all of them are in the record."""


def _score(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    name = text(command, "scale")
    scale = room.care.scales.get(name)
    if scale is None:
        raise Refused(f"there is no score {name!r}; known are {', '.join(room.care.scales)}")
    at_us = moment(session, command, now_us)
    value, items = _value(scale, command)
    actor = command.actor.name
    words = _words(scale, value)
    known = session.scores.get(name, {"all": []})
    entered = [at_us, value]
    every = sorted([*known["all"], entered], key=lambda one: one[0])[-KEPT:]
    newest = every[-1] is entered
    score = {"value": value, "at_us": at_us, "by": actor, "text": words} if newest else known
    body = {"scale": name, "value": value, "text": words, **({"items": items} if items else {})}
    changed = replace(session, scores={**session.scores, name: {**score, "all": every}})
    outputs: list[Output] = [Event(at_us, "score", body, actor)]
    outputs += room.desk.change(now_us, changed, "score", actor, {"scale": name, "value": value})
    if newest:
        manual = frozenset({Flag.MANUAL})
        numeric = Numeric("", name, now_us, float(value), flags=manual)
        outputs += room.desk.engine.sample(now_us, numeric, by=actor)
    return outputs


def _value(scale: Scale, command: Command) -> tuple[int, list[int]]:
    """The score, and the numbers that it is the sum of, where it is one."""
    names = [f"item{n}" for n in range(1, scale.fields + 1)]
    given = command.args.get("value")
    if scale.fields > 1 and any(name in command.args for name in names):
        least, most = scale.least // scale.fields, scale.most // scale.fields
        items = [command.args.get(name) for name in names]
        numbers = [item for item in items if type(item) is int and least <= item <= most]
        if len(numbers) != scale.fields:
            raise Refused(f"{scale.label}: {scale.fields} numbers from {least} to {most}")
        if given is not None and given != sum(numbers):
            raise Refused(f"{scale.label}: the numbers make {sum(numbers)}, not {given}")
        return sum(numbers), numbers
    if given == NOT_ROUSED and scale.id == SEDATION:
        given = scale.least
    if type(given) is not int or not scale.least <= given <= scale.most:
        raise Refused(f"{scale.label} goes from {scale.least} to {scale.most}")
    return given, []


def _words(scale: Scale, value: int) -> str:
    step = value - scale.least
    word = f": {scale.texts[step]}" if step < len(scale.texts) else ""
    return f"{scale.label} {value}{word}"


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {"score": _score}

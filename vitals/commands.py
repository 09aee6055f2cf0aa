"""What people ask of the station: each command is done at once, recorded, and answered once.

Most are acts in a room. Some are the station's own: a session that goes to another room, a device
that does, what is added to a session that is closed, what the web tells of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from vitals import afterwards, wire
from vitals.answer import MOST_BYTES, Answer, unfit
from vitals.callout import CallOut
from vitals.clock import Clock
from vitals.closed_desk import ClosedDesk
from vitals.device_desk import ACTS, DeviceDesk
from vitals.errors import CommandError
from vitals.hub import Hub
from vitals.model import (
    Actor,
    Command,
    DeviceRequest,
    Event,
    Input,
    Output,
    Result,
)
from vitals.publisher import Publisher
from vitals.record import Record
from vitals.room import Room
from vitals.session.moving import HandOver
from vitals.session.permissions import WEB_EVENT, may
from vitals.station_device import Keeper

ESCALATION_TEST = "escalation_test"
Reply = Callable[[wire.ResultMsg], None]


class Commands:
    """Takes the commands of all pages.

    Attributes:
        done: told of each room in which something may have changed.
    """

    def __init__(
        self,
        rooms: Mapping[str, Room],
        keepers: Mapping[str, Keeper],
        desk: DeviceDesk,
        record: Record,
        out: Publisher,
        callout: CallOut,
        hub: Hub,
        clock: Clock,
    ) -> None:
        self._rooms, self._keepers, self._desk = rooms, keepers, desk
        self._record, self._out, self._callout, self._hub = record, out, callout, hub
        self._clock, self._seq = clock, record.seq
        self._answers: dict[str, Answer] = {}
        self._closed = ClosedDesk(record, clock, self._answers)
        self.done: Callable[[Room], None] = _nothing

    def take(self, message: wire.CommandMsg, reply: Reply, *, unread: str = "") -> None:
        """Does what a person asks; the answer follows the commit, or after 2 s says it did not.

        `unread`: why the record cannot be read, so that nobody knows of open sessions.
        """
        first = self._record.result_of(message)
        its_own = first is None or first.recorded
        if message.id in self._answers and its_own:
            self._answers[message.id].also(reply)
            return
        if first is not None:
            reply(first)
            return
        room = self._rooms.get(message.room)
        added = message.kind in afterwards.ACTS
        refusal = unfit(message, afterwards.MOST_BYTES if added else MOST_BYTES)
        if added and not refusal:
            self._closed.take(message, reply)
            return
        if message.kind == WEB_EVENT and not refusal:
            self._web_event(message, reply)
            return
        if message.kind in ACTS and not refusal:
            self._device_act(message, reply)
            return
        if room is None:
            refusal = f"there is no room {message.room!r} here"
        elif message.kind == "open_session" and unread:
            refusal = "the record cannot be read, and a session may be open in it: " + unread
        elif message.kind == "move_session":
            refusal = self._cannot_move(room, str(message.args.get("to", "")))
        if room is None or refusal:
            reply(wire.ResultMsg(id=message.id, ok=False, error=refusal))
            return
        self._act(room, message, reply)

    async def close(self) -> None:
        """Ends what still waits for the record."""
        await self._closed.close()

    def _act(self, room: Room, message: wire.CommandMsg, reply: Reply) -> None:
        """An act in a room."""
        now_us = self._clock.now_us()
        actor = Actor(message.name or "unknown", message.role)
        args = self._desk.with_reading(message.kind, message.args)
        command = Command(message.id, actor, message.kind, room.id, args)
        seq = next(self._seq)
        before = _session_id(room)
        goes = room.session is not None and command.kind == "move_session"
        hand_over = HandOver(room, str(command.args["to"]), actor.name) if goes else None
        outputs = room.step(Input(seq, now_us, command))
        result = self._result(outputs, command)
        for tested in (o for o in outputs if isinstance(o, Event) and o.kind == ESCALATION_TEST):
            why_not = self._callout.test(tested.body["step"])
            if why_not:
                result = wire.ResultMsg(id=command.id, ok=False, error=why_not)
        answer = Answer(result, reply, asyncio.get_running_loop(), self._answers)
        with self._record.together(answer.committed):
            self._record.command(seq, now_us, before, command, result)
            self._out.outputs(room, outputs, before or _session_id(room))
            if hand_over is not None and result.ok:
                self._move(room, self._rooms[str(command.args["to"])], hand_over, now_us)
        if command.kind == "claim_reading" and result.ok:
            self._desk.claimed(str(command.args["held"]))
        self.done(room)
        answer.wait()

    def _cannot_move(self, room: Room, to: str) -> str:
        """Why a session cannot go to another room, `""` if the room itself may decide."""
        target = self._rooms.get(to)
        if target is None:
            return f"there is no room {to!r} here"
        if target.session is not None and target is not room:
            return f"{to} has a session ({target.session.subject_ref}); close it first"
        return ""

    def _move(self, room: Room, to: Room, hand_over: HandOver, now_us: int) -> None:
        outputs = hand_over.complete(to, next(self._seq), now_us)
        self._out.moved(room, to)
        self._out.outputs(to, outputs, _session_id(to))
        self._hub.follow(room.id, to.id)
        self._out.show_reading(to)
        self._out.whole(to)

    def _web_event(self, message: wire.CommandMsg, reply: Reply) -> None:
        """What the web tells of itself is recorded, and is no input of any room."""
        command = Command(
            message.id, Actor(message.name, message.role), message.kind, "", message.args
        )
        if message.room or not may(command.actor, command.kind):
            error = f"a {message.role or 'nobody'} may not {message.kind}"
            reply(wire.ResultMsg(id=message.id, ok=False, error=error))
            return
        result = wire.ResultMsg(id=message.id, ok=True)
        answer = Answer(result, reply, asyncio.get_running_loop(), self._answers)
        with self._record.together(answer.committed):
            self._record.web_event(next(self._seq), self._clock.now_us(), command)
        answer.wait()

    def _device_act(self, message: wire.CommandMsg, reply: Reply) -> None:
        """An act on a device is no room's: it belongs to no session."""
        now_us, seq = self._clock.now_us(), next(self._seq)
        actor = Actor(message.name or "unknown", message.role)
        command = Command(message.id, actor, message.kind, message.room, message.args)
        plan, error = self._desk.consider(command)
        result = wire.ResultMsg(id=command.id, ok=not error, error=error)
        answer = Answer(result, reply, asyncio.get_running_loop(), self._answers)
        with self._record.together(answer.committed):
            self._record.command(seq, now_us, None, command, result)
            plan(now_us)
        answer.wait()

    def _result(self, outputs: Iterable[Output], command: Command) -> wire.ResultMsg:
        """The room's answer, unless the device itself refuses."""
        result = next(o for o in outputs if isinstance(o, Result))
        for output in outputs:
            if isinstance(output, DeviceRequest) and output.command_id == command.id:
                try:
                    self._keepers[output.device].request(output.request)
                except CommandError as error:
                    return wire.ResultMsg(id=command.id, ok=False, error=str(error))
        return wire.ResultMsg(id=result.id, ok=result.ok, error=result.error)


def _session_id(room: Room) -> str | None:
    return room.session.id if room.session is not None else None


def _nothing(room: Room) -> None:
    """Nobody wants to be told."""

"""A recorded session as the fold that it was: the same inputs through the same room.

The record has every input of a room with the station's counter. Without another profile the
replay gives the very transitions that were recorded; with another one, those that would have
been if everybody had acted just as they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vitals.afterwards import KINDS as AFTERWARDS
from vitals.alarms.profile import Profile, parse
from vitals.channels import NIBP
from vitals.errors import StoreError
from vitals.folded import Folded
from vitals.model import (
    Actor,
    AlarmChange,
    Audience,
    Bind,
    Command,
    Due,
    Input,
    Link,
    Notice,
    Numeric,
    Output,
    Quality,
    Resume,
    StoreState,
    Tick,
    Unbind,
)
from vitals.room import Room
from vitals.room_setup import RoomSetup, device_of
from vitals.session import care
from vitals.session.due import REPEAT
from vitals.session.evidence import kept
from vitals.session.moving import HandOver
from vitals.store.reader import Reader
from vitals.store.rows import FORGOTTEN, SessionRecord, StoredAudit

AROUND = ("link", "notice", "station_event", "command", "bind", "unbind")
IMPORTED = "imported"
"""Key in the opening of a session that was made of a recording (`vitals.importing`)."""
_SEEN = ("level", "onset_us")
"""Of an acknowledgement, what says which alarm the person saw."""
_REASONED = ("close_session", "off_monitor")
"""Acts that a high alarm which is on refuses without a reason."""
_AS_RECORDED = f"{REPEAT}as-recorded-"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One session of a record, ready to be folded again.

    Attributes:
        record: its summary row.
        rows: its audit rows, in order.
        profile: the one it was recorded under.
    """

    record: SessionRecord
    rows: tuple[StoredAudit, ...]
    profile: Profile
    _setup: RoomSetup
    _before: Mapping[int, tuple[Input, ...]]
    _inputs: tuple[Input | StoredAudit, ...]
    _entered: tuple[Input, ...] = ()

    def transitions(self, profile: Profile | None = None) -> list[AlarmChange]:
        """Every change of an alarm, under the recorded profile or another one."""
        return [o for o in self.outputs(profile) if isinstance(o, AlarmChange)]

    @property
    def end_us(self) -> int:
        """Time of the last input."""
        return max(entry.at_us for entry in self._inputs)

    def outputs(self, profile: Profile | None = None) -> Iterator[Output]:
        """All that the room said, under the recorded profile or another one.

        Under another one an act meets whatever it finds: an acknowledgement the alarm of its
        rule that is on then. An act that was refused was not done; one that cannot be done is
        refused (a `Result`). Repeated blood pressures are owed as recorded: nobody took those
        that only the other profile asks for, and they would all be overdue.
        """
        return self._fold(profile or self.profile)

    def _fold(self, profile: Profile) -> Iterator[Output]:
        session = self.record.session
        other = profile.rules != self.profile.rules
        refused = {r.command_id for r in self.rows if r.kind == "command" and not r.body["ok"]}
        opened = next(row for row in self.rows if row.body.get("cause") == "opened")
        room = self._room(profile, self._setup, opened.room)
        for item in self._before[0]:
            room.step(item)
        hand_over: HandOver | None = None
        new = replace(session, phase="CHECK_IN", dose_us=None, resumed=0, ended_us=None)
        folded = Folded(replace(new, room=opened.room))
        resumed = 0
        rows = iter(self.rows)
        row = next(rows, None)
        end_us = 0
        for entry in self._inputs:
            seq = entry.seq or 0
            while row is not None and (row.seq is None or row.seq < seq):
                folded.take(row)
                if other:
                    room.due.add(_repeat(row))
                if row.kind in ("alarm", "session_change"):
                    end_us = max(end_us, row.at_us)
                row = next(rows, None)
            if isinstance(entry, StoredAudit) and entry.body["cause"] == "moved":
                setup = RoomSetup.of_json(entry.body["room"])
                room = self._room(profile, setup, entry.room)
                for item in self._before[seq]:
                    room.step(item)
                if hand_over is not None:
                    yield from hand_over.complete(room, seq, entry.at_us)
                end_us = max(end_us, entry.at_us)
                continue
            if isinstance(entry, StoredAudit):
                # The program was started again: time ran until then, as far as it was recorded,
                # and a new room went on with what was recorded.
                yield from room.step(Input(0, end_us, Tick(end_us)))
                state = Resume(
                    entry.at_us,
                    folded.session,
                    tuple(folded.alarms.values()),
                    tuple(folded.due.values()),
                    marks=tuple(folded.marks.values()),
                )
                if other and room.session is not None:  # what was recorded is another room's
                    told = (tuple(room.alarms), tuple(room.due))
                    state = Resume(entry.at_us, room.session, *told, marks=state.marks)
                setup = self._setup
                if "room" in entry.body:  # as it was then: devices may have changed their rooms
                    setup = RoomSetup.of_json(entry.body["room"])
                room = self._room(profile, setup, entry.room)
                was = replace(state.session, resumed=resumed)
                resumed += 1
                measured = self._measured(seq, was.dose_us)
                state = replace(state, session=was, measured=measured, latest=self._latest(seq))
                item = Input(seq, entry.at_us, state)
            elif other and isinstance(entry.body, Command):
                if entry.body.id in refused:
                    continue
                item = replace(entry, body=_as_done(entry.body))
            else:
                item = entry
            end_us = max(end_us, item.at_us)
            act = item.body
            if isinstance(act, Command) and act.kind == "move_session" and room.session is not None:
                hand_over = HandOver(room, str(act.args.get("to")), act.actor.name)
            outputs = room.step(item)
            if other:
                _without_own_repeats(room, outputs)
            yield from outputs
        if session.ended_us is None:
            yield from room.step(Input(0, end_us, Tick(end_us)))

    def _measured(self, to_seq: int, dose_us: int | None) -> tuple[Numeric, ...]:
        """What the station had recorded of baseline and evidence when it started again."""
        wanted = [n for n in self._numerics(to_seq) if kept(n, dose_us)]
        return tuple(sorted(wanted, key=lambda numeric: numeric.at_us))

    def _latest(self, to_seq: int) -> tuple[Numeric, ...]:
        """The newest blood pressure of then, and what had last been entered by hand."""
        newest: dict[str, Numeric] = {}
        for numeric in self._numerics(to_seq):
            known = newest.get(numeric.channel)
            counts = numeric.channel in NIBP or not numeric.device
            if counts and (known is None or numeric.at_us >= known.at_us):
                newest[numeric.channel] = numeric
        return tuple(newest.values())

    def _numerics(self, to_seq: int) -> Iterator[Numeric]:
        """Valid values that had been recorded by then."""
        given = sorted((*self._inputs, *self._entered), key=lambda entry: entry.seq or 0)
        for entry in given:
            if isinstance(entry, Input) and entry.seq < to_seq and isinstance(entry.body, Numeric):
                numeric = entry.body
                if numeric.value is not None and numeric.quality is not Quality.INVALID:
                    yield numeric

    def _room(self, profile: Profile, setup: RoomSetup, room: str) -> Room:
        session = self.record.session
        return Room(
            room,
            setup.devices,
            profile,
            mode=session.mode,
            auto_nibp=setup.auto_nibp,
            slack_us=setup.slack_us,
            escalation_s=setup.escalation_s,
            prefer=setup.prefer,
            care=care.of_json(setup.care),
        )


def recorded(reader: Reader, session_id: str) -> Recorded:
    """Reads a session for replay.

    Raises:
        StoreError: there is no such session, or it cannot be read, or it was recorded by a
            version that did not yet record all that a replay needs.
    """
    record = reader.session(session_id)
    if record is None:
        raise StoreError(f"there is no session {session_id}; `vitals sessions list` shows them")
    trail = reader.audit(session_id)
    if any(row.kind == FORGOTTEN and row.body.get("what") == "all" for row in trail):
        raise StoreError(f"session {session_id} was forgotten and cannot be replayed")
    rows = tuple(row for row in trail if not _about_record(row))
    opened = next((row for row in rows if row.body.get("cause") == "opened"), None)
    if opened is None or opened.seq is None or "room" not in opened.body:
        raise StoreError(
            f"session {session_id} was recorded by an older version and cannot be replayed"
        )
    last = max(row.seq or 0 for row in rows) + 1
    moves = [row for row in rows if row.kind == "session_change" and row.body["cause"] == "moved"]
    stays = [(opened.room, opened.seq), *((row.room, row.seq or 0) for row in moves)]
    ends = [*(seq for _, seq in stays[1:]), last]
    around = {room: reader.around(room, last, AROUND) for room, _ in stays}
    first = _opening(around[opened.room], record, opened.seq)
    late = {row.body["input"]: row.at_us for row in rows if row.kind == "late_input"}
    inputs: list[Input | StoredAudit] = [_command(first)]
    inputs += [
        Input(seq, late.get(seq, value.at_us), value) for seq, value in reader.inputs(session_id)
    ]
    told = list(rows)
    for (room, from_seq), to_seq in zip(stays, ends, strict=True):
        told += [row for row in around[room] if from_seq < (row.seq or 0) < to_seq]
    for row in told:
        if row.kind == "session_change" and row.body["cause"] in ("resumed", "moved"):
            inputs.append(row)
        else:
            body = _body(row)
            if body is not None:
                inputs.append(Input(row.seq or 0, late.get(row.seq, row.at_us), body))
    inputs.sort(key=lambda entry: entry.seq or 0)
    profile = parse(record.profile_text, Path(f"the profile of session {session_id}"))
    # A recording was folded from nothing: what the station knew when it was imported is of
    # another time.
    known = () if IMPORTED in opened.body else _until(around[opened.room], first.seq or 0)
    before = {0: tuple(_last_known(known))}
    for row in moves:
        before[row.seq or 0] = tuple(_last_known(_until(around[row.room], row.seq or 0)))
    entered = tuple(Input(s, n.at_us, n) for s, n in reader.inputs(session_id, by_hand=True))
    setup = RoomSetup.of_json(opened.body["room"])
    return Recorded(record, rows, profile, setup, before, tuple(inputs), entered)


def _about_record(row: StoredAudit) -> bool:
    """Whether a row tells of the record, not of what went on: who added to it, or read it."""
    return row.kind in AFTERWARDS or row.body.get("event") == "web"


def _until(rows: Iterable[StoredAudit], to_seq: int) -> Iterator[StoredAudit]:
    return (row for row in rows if (row.seq or 0) < to_seq)


def _opening(around: Iterable[StoredAudit], record: SessionRecord, to_seq: int) -> StoredAudit:
    """The command that opened the session."""
    found = [
        row
        for row in around
        if row.kind == "command"
        and row.body["command"] == "open_session"
        and row.body["ok"]
        and (row.seq or 0) < to_seq
    ]
    if not found:
        raise StoreError(f"session {record.session.id} has no row of its opening: verify it")
    return found[-1]


def _last_known(rows: Iterable[StoredAudit]) -> Iterator[Input]:
    """What was known of links, conditions, record and pages before the session."""
    known: dict[tuple[str, ...], Input] = {}
    for row in rows:
        body = _body(row)
        if body is None or isinstance(body, Command | Numeric):
            continue
        match body:
            case Bind():
                continue  # it is among the room's devices
            case Unbind():
                known = {k: v for k, v in known.items() if k[1:2] != (body.device,)}
                continue
            case Link():
                key: tuple[str, ...] = ("link", body.device)
                # a device that cannot be heard reports nothing
                if body.state != "streaming":
                    known = {k: v for k, v in known.items() if k[:2] != ("notice", body.device)}
            case Notice():
                key = ("notice", body.device, body.code)
                known.pop(key, None)
                if not body.active:
                    continue
            case _:
                key = (type(body).__name__,)
        known[key] = Input(row.seq or 0, row.at_us, body)
    yield from sorted(known.values(), key=lambda item: item.seq)


def _command(row: StoredAudit) -> Input:
    body = row.body
    actor = Actor(row.actor, row.role)
    command = Command(row.command_id or "", actor, body["command"], row.room, body["args"])
    return Input(row.seq or 0, row.at_us, command)


def _repeat(row: StoredAudit) -> list[Due]:
    """The repeated reading that a row says is owed now."""
    if (
        row.kind != "due"
        or row.body["state"] != "coming"
        or not row.body["what"].startswith(REPEAT)
    ):
        return []
    due = Due(**row.body)
    return [replace(due, what=due.what.replace(REPEAT, _AS_RECORDED))]


def _without_own_repeats(room: Room, outputs: list[Output]) -> None:
    for due in outputs:
        if isinstance(due, Due) and due.what.startswith(REPEAT) and due.state == "coming":
            room.due.drop_open(due.what)


def _as_done(command: Command) -> Command:
    """An act that was done, freed of what could refuse it where other alarms are on."""
    args = dict(command.args)
    if command.kind == "acknowledge":
        args = {key: value for key, value in args.items() if key not in _SEEN}
    elif command.kind in _REASONED:
        args["reason"] = args.get("reason") or "as recorded"
    return replace(command, args=args)


def _body(
    row: StoredAudit,
) -> Link | Notice | Command | StoreState | Audience | Bind | Unbind | None:
    """The input that an audit row tells of; None if it tells of none."""
    body = row.body
    match row.kind:
        case "link":
            return Link(row.body["device"], row.at_us, body["state"], detail=body["detail"])
        case "bind":
            return Bind(row.at_us, device_of(body["device"]))
        case "unbind":
            return Unbind(row.at_us, body["device"])
        case "notice":
            device, code = body["device"], body["code"]
            return Notice(device, row.at_us, code, body["active"], body["detail"])
        case "command":
            found = _command(row).body
            return found if isinstance(found, Command) and row.session else None
        case "station_event" if body.get("event") == "recording":
            return StoreState(row.at_us, body["recording"], body["detail"])
        case "station_event" if body.get("event") == "audience":
            return Audience(row.at_us, body["armed"])
        case _:
            return None

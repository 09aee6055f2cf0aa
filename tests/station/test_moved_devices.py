"""Whatever moves between two rooms: each room's record folds to the alarms that it had."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.station.clinic import Clinic
from tests.station.test_replay import Computer, Life, by_rule, ids, of_change
from tests.station.two_rooms import CONFIG, DEVICES
from vitals import wire
from vitals.folded import alarm_of
from vitals.model import Link, Numeric, Quality
from vitals.replay import recorded
from vitals.store.reader import Reader

ROOMS = ("room-1", "room-2")


class TwoRooms(Life):
    """Two rooms whose devices are carried about."""

    def start(self) -> None:
        self.clinic = Clinic(self.folder, CONFIG, DEVICES)
        self.clinic.record.start(lambda state: None)
        self.clinic.station._unread = self.clinic.station._resume()
        for device in DEVICES:
            self.link(device, "streaming")

    def restart(self) -> None:
        self.clinic.station.claims.close()
        super().restart()

    def link(self, device: str, state: str) -> None:
        self.clinic.keepers[device].on_link(Link(device, self.now_us, state))  # type: ignore[arg-type]

    def ask(self, kind: str, room: str, **args: object) -> None:
        message = wire.CommandMsg(
            id=f"c{next(ids)}", kind=kind, room=room, name="A", role="prescriber", args=args
        )
        self.clinic.station.on_command(message, lambda result: None)

    def say(self, device: str, channel: str, value: float | None) -> None:
        quality = Quality.INVALID if value is None else Quality.GOOD
        numeric = Numeric(device, channel, self.now_us, value, quality)
        self.clinic.keepers[device].on_events([numeric])


OX, ALL = st.sampled_from(["ox1", "ox2"]), st.sampled_from(sorted(DEVICES))
CUFF = st.sampled_from(["cuff1", "cuff2"])
CODES = st.sampled_from(["sensor_off", "low_battery", "cuff_inflating"])
STEP = st.one_of(
    st.tuples(st.just("stream"), OX, st.sampled_from([97.0, 86.0, 60.0]), st.integers(1, 14)),
    st.tuples(st.just("say"), OX, st.just("spo2"), st.sampled_from([86.0, None])),
    st.tuples(st.just("say"), CUFF, st.just("nibp_sys"), st.sampled_from([120.0, 185.0, None])),
    st.tuples(st.just("say"), CUFF, st.just("pr"), st.sampled_from([70.0, 120.0])),
    st.tuples(st.just("link"), ALL, st.sampled_from(["lost", "silent", "streaming"])),
    st.tuples(st.just("move"), ALL, st.sampled_from(ROOMS)),
    st.tuples(st.just("replace"), ALL, st.sampled_from(ROOMS)),
    st.tuples(st.just("replace"), ALL, st.sampled_from(ROOMS)),
    st.tuples(st.just("notice"), ALL, CODES, st.booleans()),
    st.tuples(st.just("dose"), st.sampled_from(ROOMS)),
    st.tuples(st.just("restart")),
)
STEPS = st.lists(st.tuples(STEP, st.sampled_from([0.0, 0.5, 1.0, 6.0, 12.0])), max_size=40)
Steps = list[tuple[tuple[object, ...], float]]


def take(life: TwoRooms, step: tuple[object, ...]) -> None:
    match step:
        case ("stream", str(device), float(value), int(seconds)):
            for _ in range(seconds):
                life.wait(1, ticks=1)
                life.say(device, "spo2", value)
                life.say(device, "pr", value - 20)
        case ("say", str(device), str(channel), value):
            life.say(device, channel, value)  # type: ignore[arg-type]
        case ("link", str(device), str(state)):
            life.link(device, state)
        case ("move", str(device), str(room)):
            life.ask("rebind_device", room, device=device, to_room=room)
        case ("replace", str(device), str(room)):
            for rival in DEVICES:
                if rival != device and DEVICES[rival].driver == DEVICES[device].driver:
                    life.link(rival, "lost")
            life.ask("rebind_device", room, device=device, to_room=room)
        case ("notice", str(device), str(code), bool(active)):
            life.notice(code, active, device)
        case ("dose", str(room)):
            life.ask("dose", room)
        case _:
            life.restart()


async def live(folder: Path, computer: Computer, steps: Steps) -> None:
    life = TwoRooms(folder, computer)
    for n, room in enumerate(ROOMS, 1):
        life.ask("open_session", room, subject_ref=f"P-{n}", route="im")
        life.say(f"ox{n}", "spo2", 97.0)
        life.say(f"ox{n}", "pr", 70.0)
    life.ask("dose", "room-1")
    for step, wait_s in steps:
        life.wait(wait_s, ticks=2)
        take(life, step)
    life.wait(0.1, ticks=1)
    for room in ROOMS:
        life.ask("close_session", room, reason="done")
    await asyncio.sleep(0)
    life.clinic.station.claims.close()
    assert life.clinic.record.close()


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    found = Computer()
    monkeypatch.setattr("vitals.clock.boottime_ns", found)
    return found


def compare(folder: Path) -> None:
    reader = Reader(folder / "vitals.db")
    records = reader.sessions()
    assert len(records) == len(ROOMS)
    for record in records:
        session = recorded(reader, record.session.id)
        logged = []
        for row in session.rows:
            if row.kind == "alarm":
                before, after = alarm_of(row.body["before"]), alarm_of(row.body["after"])
                told = (row.at_us, before, after, row.body["value"], row.body["limit"])
                logged.append((after.rule, (*told, row.body["cause"], row.actor)))
        replayed = [of_change(c) for c in session.transitions() if c.after.rule != "open-session"]
        again, then = by_rule(replayed), by_rule(logged)
        for rule in again | then:
            assert again.get(rule, []) == then.get(rule, []), (record.session.room, rule)


@pytest.mark.long
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_the_records_of_both_rooms_fold_to_what_was_recorded(
    computer: Computer, steps: Steps
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), computer, steps))
        compare(Path(folder))


def test_a_monitor_that_fails_is_replaced_in_mid_session_and_the_record_folds(
    computer: Computer, tmp_path: Path
) -> None:
    replaced = [
        (("link", "ox1", "lost"), 1.0),
        (("move", "ox2", "room-1"), 8.0),
        (("say", "ox2", "spo2", 97.0), 1.0),
        (("say", "ox2", "pr", 70.0), 0.0),
        (("restart",), 2.0),
        (("say", "ox2", "spo2", 60.0), 1.0),
        (("say", "ox2", "spo2", 60.0), 1.0),
        (("link", "ox2", "lost"), 1.0),
        (("move", "ox1", "room-1"), 40.0),
    ]
    asyncio.run(live(tmp_path, computer, replaced))
    compare(tmp_path)
    reader = Reader(tmp_path / "vitals.db")
    ids_of = {record.session.room: record.session.id for record in reader.sessions()}
    one, two = (
        {row.body["after"]["rule"] for row in reader.audit(ids_of[room]) if row.kind == "alarm"}
        for room in ROOMS
    )
    assert "spo2-low" in one  # of the monitor that came
    assert "signal-lost" in two  # where it went away from, somebody is still watched

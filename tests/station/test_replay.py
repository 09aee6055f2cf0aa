"""Whatever happened in a session: folding its record again gives the transitions in the record."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.station.clinic import Clinic
from vitals import wire
from vitals.alarms.profile import parse
from vitals.errors import StoreError
from vitals.model import US, AlarmChange, Link, Notice, Numeric, Quality, StoreState
from vitals.record import alarm_of
from vitals.replay import recorded
from vitals.store.reader import Reader

ids = itertools.count()


Step = tuple[object, float, int, float]


class Computer:
    """Its monotonic clock, which the test moves."""

    def __init__(self) -> None:
        self.ns = 10**15

    def __call__(self) -> int:
        return self.ns


class Life:
    """A station that is driven by hand, and started again when the test says so."""

    def __init__(self, folder: Path, computer: Computer) -> None:
        self.folder, self.computer = folder, computer
        self.start()

    def start(self) -> None:
        self.clinic = Clinic(self.folder)
        self.clinic.record.start(lambda state: None)
        self.clinic.station._unread = self.clinic.station._resume()
        for keeper in self.clinic.keepers.values():
            keeper.on_link(Link(keeper.device, self.now_us, "streaming"))

    def restart(self) -> None:
        self.clinic.station._ended = True
        self.clinic.record.close()
        self.start()

    @property
    def now_us(self) -> int:
        return self.clinic.clock.now_us()

    def wait(self, seconds: float, *, ticks: int) -> None:
        for _ in range(ticks):
            self.computer.ns += round(seconds * 1e9 / ticks)
            self.clinic.station.tick()

    def act(self, kind: str, **args: object) -> None:
        message = wire.CommandMsg(
            id=f"c{next(ids)}", kind=kind, room="room-1", name="A", role="prescriber", args=args
        )
        self.clinic.station.on_command(message, lambda result: None)

    def value(
        self, channel: str, value: float | None, device: str = "ox", late_s: float = 0
    ) -> None:
        quality = Quality.INVALID if value is None else Quality.GOOD
        at_us = self.now_us - round(late_s * 1e6)
        numeric = Numeric(device, channel, at_us, value, quality)
        self.clinic.keepers[device].on_events([numeric])

    def notice(self, code: str, active: bool, device: str = "ox") -> None:
        self.clinic.keepers[device].on_events([Notice(device, self.now_us, code, active)])


ACTS: dict[str, Callable[[Life], None]] = {
    "ack": lambda life: life.act("acknowledge", rule="spo2-low"),
    "ack bp": lambda life: life.act("acknowledge", rule="sbp-high"),
    "pause": lambda life: life.act("pause_audio"),
    "off": lambda life: life.act("rule_off", rule="pr-high", reason="known"),
    "limit": lambda life: life.act("set_limit", rule="pr-low", level=1, limit=38, reason="athlete"),
    "symptom": lambda life: life.act("symptom", text="chest pain"),
    "seen": lambda life: life.act("acknowledge", rule="symptom"),
    "score": lambda life: life.act("score", scale="moaas", value=3),
    "leave": lambda life: life.act("off_monitor", reason="toilet"),
    "back": lambda life: life.act("on_monitor"),
    "arms": lambda life: life.act("arms", same=True),
    "sensor off": lambda life: life.notice("sensor_off", True),
    "sensor on": lambda life: life.notice("sensor_off", False),
    "inflate": lambda life: life.notice("cuff_inflating", True, "cuff"),
    "deflate": lambda life: life.notice("cuff_inflating", False, "cuff"),
    "failed": lambda life: life.notice("nibp_failed", True, "cuff"),
    "unheard": lambda life: life.clinic.station.watch.on_audience("web", 0, 1),
    "heard": lambda life: life.clinic.station.watch.on_audience("web", 1, 1),
    "not recording": lambda life: life.clinic.station._on_store(
        StoreState(life.now_us, False, "disk")
    ),
    "recording": lambda life: life.clinic.station._on_store(StoreState(life.now_us, True)),
    "late program": lambda life: life.clinic.station.watch.late(2.0),
    "lost": lambda life: life.clinic.keepers["ox"].on_link(Link("ox", life.now_us, "lost")),
    "found": lambda life: life.clinic.keepers["ox"].on_link(Link("ox", life.now_us, "streaming")),
    "part": lambda life: life.act("part", mg=28),
    "booster": lambda life: life.act("booster", mg=20),
    "earlier": lambda life: life.act(
        "correct_dose", n=1, at_us=life.now_us - 300 * US, reason="late"
    ),
    "by hand": lambda life: life.act("reading", nibp_sys=182, nibp_dia=95),
    "spo2 by hand": lambda life: life.act("reading", spo2=87),
    "hold": lambda life: life.act("hold_cuff", reason="asleep"),
    "call": lambda life: life.act("call_nurse"),
    "come": lambda life: life.act("acknowledge", rule="nurse-call"),
    "emergency": lambda life: life.act("emergency"),
    "over": lambda life: life.act("end_emergency", to="DESCENT", reason="over"),
    "cuff off": lambda life: life.act("cuff_off"),
    "restart": Life.restart,
}
VALUES = [("spo2", 97.0), ("spo2", 90.0), ("spo2", 86.0), ("spo2", 78.0), ("spo2", None),
          ("pr", 72.0), ("pr", 118.0), ("pr", 36.0)]  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(VALUES), st.sampled_from([120.0, 165.0, 185.0]),
                  st.sampled_from(sorted(ACTS))),
        st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.0, 6.0, 12.0, 130.0]),
        st.integers(1, 4),
        st.sampled_from([0.0, 0.0, 0.0, 0.8]),
    ),
    max_size=80,
)  # fmt: skip


async def live(folder: Path, computer: Computer, steps: list[Step]) -> None:
    life = Life(folder, computer)
    life.act("open_session", subject_ref="P-1", route="im")
    for second in range(3):
        life.wait(1, ticks=1)
        life.value("spo2", 97.0 - second)
        life.value("pr", 70.0)
    life.act("dose")
    for what, wait_s, ticks, late_s in steps:
        life.wait(wait_s, ticks=ticks)
        if isinstance(what, str):
            ACTS[what](life)
        elif isinstance(what, float):
            life.value("nibp_sys", what, "cuff")
            life.value("nibp_dia", what / 2, "cuff")
        elif isinstance(what, tuple):
            life.value(what[0], what[1], late_s=late_s)
    life.wait(0.1, ticks=1)
    life.act("close_session", reason="done")
    await asyncio.sleep(0)
    assert life.clinic.record.close()


def by_rule(changes: list[tuple[str, object]]) -> dict[str, list[object]]:
    rules: dict[str, list[object]] = {}
    for rule, change in changes:
        rules.setdefault(rule, []).append(change)
    return rules


def of_change(change: AlarmChange) -> tuple[str, object]:
    told = (change.at_us, change.before, change.after, change.value, change.limit, change.cause)
    return change.after.rule, (*told, change.actor)


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    found = Computer()
    monkeypatch.setattr("vitals.clock.boottime_ns", found)
    return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_the_record_folds_to_the_transitions_that_were_recorded(
    computer: Computer, steps: list[Step]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), computer, steps))
        reader = Reader(Path(folder) / "vitals.db")
        (record,) = reader.sessions()
        session = recorded(reader, record.session.id)
        logged = []
        for row in session.rows:
            if row.kind == "alarm":
                before, after = alarm_of(row.body["before"]), alarm_of(row.body["after"])
                told = (row.at_us, before, after, row.body["value"], row.body["limit"])
                logged.append((after.rule, (*told, row.body["cause"], row.actor)))
                assert row.body["profile"] == "default-3"
        replayed = [of_change(c) for c in session.transitions() if c.after.rule != "open-session"]
        again, then = by_rule(replayed), by_rule(logged)
        for rule in again | then:
            assert again.get(rule, []) == then.get(rule, []), rule


def test_under_another_profile_the_same_inputs_ring_otherwise(
    computer: Computer, tmp_path: Path
) -> None:
    steps = [(("spo2", 91.0), 1.0, 1, 0.0), *[(("pr", 70.0), 0.0, 1, 0.0)]] * 20
    asyncio.run(live(tmp_path, computer, steps))
    reader = Reader(tmp_path / "vitals.db")
    session = recorded(reader, reader.sessions()[0].session.id)
    rang = [c for c in session.transitions() if c.after.rule == "spo2-low" and c.after.sounding]
    assert [c.after.text for c in rang] == ["SpO2 91 < 92"]
    lower = parse(
        'version = "low"\n[[rule]]\nid = "spo2-low"\nchannel = "spo2"\nside = "low"\n'
        'level = [{ priority = "high", limit = 88, strict = true, hold_s = 10 }]\n',
        tmp_path / "low.toml",
    )
    assert not [c for c in session.transitions(lower) if c.after.rule == "spo2-low"]


def test_a_session_that_is_not_there_is_said_in_one_sentence(
    computer: Computer, tmp_path: Path
) -> None:
    asyncio.run(live(tmp_path, computer, []))
    with pytest.raises(StoreError, match="there is no session nobody"):
        recorded(Reader(tmp_path / "vitals.db"), "nobody")

"""Whatever happened in a session: folding its record again gives the transitions in the record."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.station.clinic import Clinic
from vitals import wire
from vitals.alarms.profile import parse
from vitals.errors import StoreError
from vitals.folded import alarm_of
from vitals.model import (
    US,
    AlarmChange,
    Due,
    Event,
    Link,
    Notice,
    Numeric,
    Quality,
    SessionChange,
    StoreState,
)
from vitals.record import _STATE
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.store.rows import StoredAudit

pytestmark = pytest.mark.long

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

    def correct_mark(self) -> None:
        """The newest mark was a minute earlier."""
        course = self.clinic.station._rooms["room-1"].course
        for key, mark in list(course.marks.items())[-1:] if course else ():
            self.act("correct_mark", mark=key, at_us=mark.at_us - 60 * US, reason="slip")

    def act(self, kind: str, /, **args: object) -> None:
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


ACTS: dict[str, Callable[[Life], object]] = {
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
    "check in": lambda life: life.act("check_in", opioids=True, cuff_side="left arm"),
    "same limb": lambda life: life.act("check_in", probe_side="left hand"),
    "go": lambda life: life.act("gate", decision="go"),
    "gate": lambda life: life.act("gate", decision="override", reason="as at home"),
    "given": lambda life: life.act("mark", kind="antihypertensive"),
    "given before": lambda life: life.act(
        "mark", kind="antihypertensive", at_us=life.now_us - 900 * US
    ),
    "mark corrected": lambda life: life.correct_mark(),
    "alert": lambda life: life.act("score", scale="moaas", value=5),
    "clear": lambda life: life.act("score", scale="cadss6", **{f"item{n}": 0 for n in range(1, 7)}),
    "scored late": lambda life: life.act(
        "score", scale="moaas", value=1, at_us=life.now_us - 200 * US
    ),
    "adverse": lambda life: life.act("adverse_event", what="Headache", severity="mild"),
    "check": lambda life: life.act("phase", to="DISCHARGE_CHECK"),
    "walks": lambda life: life.act("discharge", criterion="ambulation", met=True),
    "escort": lambda life: life.act("discharge", criterion="escort", met=True),
    "set aside": lambda life: [
        life.act("discharge", criterion=key, met=True, reason="known")
        for key in ("minutes", "bp", "spo2", "sedation", "dissociation")
    ],
    "sign": lambda life: life.act("sign_discharge"),
    "finished": lambda life: life.act("finished"),
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


BY_TIME = ("due", "overdue")
"""What a reading becomes by itself; a tick may see more of it than a replay."""
CARE = st.lists(
    st.tuples(
        st.sampled_from([
            120.0, 120.0, 165.0, ("spo2", 97.0), ("spo2", 90.0), "check in", "same limb", "go",
            "gate", "given", "given before", "mark corrected", "alert", "clear", "scored late",
            "adverse", "check", "check", "walks", "escort", "set aside", "set aside", "sign",
            "finished", "earlier", "booster", "by hand", "spo2 by hand", "hold", "emergency",
            "over", "restart",
        ]),
        st.sampled_from([0.0, 1.0, 6.0, 130.0, 1500.0]),
        st.just(1),
        st.just(0.0),
    ),
    min_size=15,
    max_size=60,
)  # fmt: skip
"""Days on which what is asked, decided and ticked matters more than the alarms."""


async def live(folder: Path, computer: Computer, steps: list[Step], dose: int = 0) -> None:
    """The dose is marked before so many of the steps."""
    life = Life(folder, computer)
    life.act("open_session", subject_ref="P-1", route="im")
    for second in range(3):
        life.wait(1, ticks=1)
        life.value("spo2", 97.0 - second)
        life.value("pr", 70.0)
    for n, (what, wait_s, ticks, late_s) in enumerate([*steps, ("none", 0.0, 1, 0.0)]):
        if n == min(dose, len(steps)):
            life.act("dose")
        life.wait(wait_s, ticks=ticks)
        if isinstance(what, str):
            ACTS.get(what, lambda life: None)(life)
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
@given(st.one_of(STEPS, CARE), st.sampled_from([0, 0, 8, 30]))
def test_the_record_folds_to_the_transitions_that_were_recorded(
    computer: Computer, steps: list[Step], dose: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), computer, steps, dose))
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
        said = list(session.outputs())
        changes = [plain(o) for o in said if isinstance(o, SessionChange)]
        assert changes == [kept(r) for r in session.rows if r.kind == "session_change"]
        paid = [asdict(o) for o in said if isinstance(o, Due)]
        bodies = [r.body for r in session.rows if r.kind == "due"]
        assert [d for d in paid if d["state"] not in BY_TIME] == [
            d for d in bodies if d["state"] not in BY_TIME
        ]


def test_a_visit_with_restarts_folds_to_the_same_gate_signature_and_closing(
    computer: Computer, tmp_path: Path
) -> None:
    words = [120.0, "check in", ("spo2", 97.0), ("pr", 70.0), "restart", "go", 165.0, "given",
             "restart", "mark corrected", ("spo2", 95.0), 120.0, "check", "alert", "clear",
             "walks", "escort", "restart", "set aside", "sign", "restart", "finished"]  # fmt: skip
    asyncio.run(live(tmp_path, computer, [(word, 30.0, 1, 0.0) for word in words], 6))
    reader = Reader(tmp_path / "vitals.db")
    session = recorded(reader, reader.sessions()[0].session.id)
    changes = [o for o in session.outputs() if isinstance(o, SessionChange)]
    assert [plain(change) for change in changes] == [
        kept(row) for row in session.rows if row.kind == "session_change"
    ]
    marks = [o for o in session.outputs() if isinstance(o, Event) and o.kind == "mark"]
    assert [(mark.at_us, mark.body) for mark in marks] == [
        (row.at_us, row.body) for row in session.rows if row.kind == "mark"
    ]
    assert len(marks) == 2
    by_cause = {change.cause: change for change in changes}
    assert by_cause["gate"].session.gate["state"] == "clear"
    met = {line["id"]: line["met"] for line in by_cause["signed"].body["criteria"]}
    assert met == {
        "minutes": False, "bp": True, "spo2": True, "sedation": True, "dissociation": True,
        "ambulation": True, "escort": True,
    }  # fmt: skip
    owed = dict(by_cause["closed"].body["owed"])
    assert "signature" not in owed
    assert owed["nibp+40"] == "BP at 40 min: not taken, and no reason given"


def plain(change: SessionChange) -> object:
    """A change as the record keeps it."""
    body = json.loads(json.dumps(dict(change.body)))
    state = json.loads(json.dumps(asdict(change.session)))
    return change.at_us, change.cause, change.actor, body, {k: state[k] for k in sorted(_STATE)}


def kept(row: StoredAudit) -> object:
    """The same from its row."""
    own = ("cause", "phase", "state", "gap", "room")
    body = {key: value for key, value in row.body.items() if key not in own}
    state = {key: row.body["state"][key] for key in sorted(_STATE)}
    return row.at_us, row.body["cause"], row.actor, body, state


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

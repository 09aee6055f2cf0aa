"""A bedside moves one patient and all monitors together, by hand or in real time."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from devices import registry
from devices.driver import Chunk
from simulators.bedside import LONGEST_S, Bedside
from simulators.endpoints import Endpoint, PtyEndpoint
from simulators.events import Event
from simulators.faults import BANNER, LineFault
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from simulators.scenario import Scenario
from tests.simulators.bed import numerics

Until = Callable[[Callable[[], object]], None]


class FakeEnd:
    """An endpoint that keeps everything."""

    url = "fake://"

    def __init__(self, monitor: SimulatedMonitor) -> None:
        self.monitor = monitor
        self.plugged = True
        self.sent = b""
        self.to_read: list[bytes] = []
        self.history: list[str] = []

    def read(self) -> bytes:
        return self.to_read.pop(0) if self.to_read else b""

    def write(self, data: bytes) -> None:
        if self.plugged:
            self.sent += data

    def unplug(self) -> None:
        self.plugged = False
        self.history.append("unplug")

    def replug(self) -> None:
        self.plugged = True
        self.history.append("replug")

    def stop(self) -> None:
        self.history.append("stop")


def bedside(
    *drivers: str, scenario: Scenario | None = None, **more: Any
) -> tuple[Bedside, list[FakeEnd]]:
    patient = Patient(2)
    ends = [FakeEnd(SimulatedMonitor(registry.get(name), patient)) for name in drivers]
    return Bedside(patient, ends, scenario=scenario, **more), ends


def test_several_monitors_move_the_patient_once() -> None:
    bed, ends = bedside("nonin-df2", "dinamap", "contec-v7")
    for _ in range(50):
        bed.advance(0.02)
    assert bed.patient.now_s == 1
    assert {end.monitor.now_us % 1_000_000_000_000 for end in ends} == {1_000_000}
    assert len(ends[0].sent) == 375


def test_commands_reach_the_monitor_and_answers_come_back() -> None:
    bed, (end,) = bedside("dinamap")
    end.to_read.append(b" NA!2\r")
    bed.advance(0.02)
    assert end.sent.startswith(b" NA")


def test_a_cuff_on_the_same_arm_stops_the_other_monitors_pulse() -> None:
    scenario = Scenario("same arm", cuff_arm="same")
    bed, (oximeter, cuff) = bedside("nonin-df2", "dinamap", scenario=scenario)
    bed.advance(1)
    cuff.to_read.append(b" NC0!E\r")
    while not cuff.monitor.inflating:
        bed.advance(0.1)
    for _ in range(120):
        bed.advance(0.1)
    assert bed.patient.value("spo2") is None
    oximeter.sent = b""
    for _ in range(10):
        bed.advance(0.1)
    events = oximeter.monitor.driver.decoder("d").feed(Chunk(oximeter.sent, 0))
    assert {e.value for e in numerics(events, "spo2")} == {None}
    while cuff.monitor.inflating:
        bed.advance(0.1)
    for _ in range(80):
        bed.advance(0.1)
    assert bed.patient.value("spo2") is not None


def test_a_dropped_link_unplugs_all_monitors_for_its_time() -> None:
    bed, ends = bedside(
        "nonin-df2", "dinamap", scenario=Scenario("drop", (Event(5, "link_drop", 10),))
    )
    history = []
    for _ in range(20):
        bed.advance(1.0)
        history.append([end.plugged for end in ends])
    assert history == [[True, True]] * 4 + [[False, False]] * 10 + [[True, True]] * 6
    assert ends[0].history == ["unplug", "replug"]


def test_a_dropped_link_may_name_one_monitor() -> None:
    event = Event(5, "link_drop", 10, monitor="dinamap")
    bed, (oximeter, cuff) = bedside("nonin-df2", "dinamap", scenario=Scenario("drop", (event,)))
    for _ in range(7):
        bed.advance(1.0)
    assert oximeter.plugged
    assert not cuff.plugged


def test_what_is_pulled_by_hand_stays_out() -> None:
    bed, (end,) = bedside("nonin-df2")
    end.unplug()
    for _ in range(10):
        bed.advance(1.0)
    assert not end.plugged


def test_an_unplugged_monitor_goes_on_but_is_not_heard() -> None:
    bed, (end,) = bedside("nonin-df2")
    end.unplug()
    bed.advance(10)
    assert end.sent == b""
    end.replug()
    bed.advance(1)
    assert len(end.sent) == 375


def test_skipped_time_is_lost_for_the_wire_only() -> None:
    bed, (end,) = bedside("nonin-df2")
    bed.skip(100)
    assert bed.patient.now_s == 100
    bed.advance(1)
    assert len(end.sent) == pytest.approx(375, abs=5)


def test_dose_and_scenario_may_come_later() -> None:
    bed, _ = bedside("nonin-df2")
    bed.advance(50)
    bed.dose(route="im")
    bed.play(Scenario("late", (Event(10, "desaturation", 60, to=80),)))
    bed.advance(30)
    assert bed.patient.value("spo2") == pytest.approx(80, abs=1)
    bed.advance(1350)
    assert bed.patient.effect() == pytest.approx(1, abs=0.02)


def test_everything_on_the_wire_is_logged() -> None:
    lines: list[tuple[float, str, str, bytes]] = []
    bed, (end,) = bedside(
        "dinamap",
        scenario=Scenario("drop", (Event(2, "link_drop", 1),)),
        log=lambda *line: lines.append(line),
    )
    end.to_read.append(b" NA!2\r")
    for _ in range(4):
        bed.advance(1.0)
    assert lines[0] == (1.0, "dinamap", "host", b" NA!2\r")
    assert lines[1][:3] == (1.0, "dinamap", "device")
    assert lines[1][3] == end.sent
    assert [line[2] for line in lines[2:]] == ["link down", "link up"]


def test_in_real_time_it_keeps_the_pace(until: Until) -> None:
    bed, (end,) = bedside("nonin-df2", speed=5.0)
    started = time.monotonic()
    with bed:
        until(lambda: time.monotonic() - started > 1)
        moved, elapsed = bed.patient.now_s, time.monotonic() - started
    assert moved == pytest.approx(5 * elapsed, abs=1.0)
    assert len(end.sent) == pytest.approx(375 * bed.patient.now_s, abs=10)
    assert end.history == ["stop"]


def test_after_a_stall_at_most_a_second_is_sent(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = [0.0]
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + offset[0])
    monkeypatch.setattr("simulators.bedside.time", late)
    bed, (end,) = bedside("nonin-df2")
    bursts: list[int] = []
    end.write = lambda data: bursts.append(len(data))  # type: ignore[method-assign]
    with bed:
        until(lambda: len(bursts) > 3)
        offset[0] = 60.0
        until(lambda: bed.patient.now_s > 61)
    assert max(bursts) <= 375 * LONGEST_S + 5
    assert max(bursts) > 200


def test_what_goes_wrong_while_moving_is_not_lost(until: Until) -> None:
    bed, (end,) = bedside("nonin-df2")

    def broken() -> bytes:
        raise RuntimeError("the plug is on fire")

    end.read = broken  # type: ignore[method-assign]
    bed.start()
    with pytest.raises(RuntimeError, match="on fire"):
        bed.wait(10)
    with pytest.raises(RuntimeError, match="on fire"):
        bed.stop()
    assert end.history == ["stop"]


def test_it_starts_once() -> None:
    bed, _ = bedside()
    with bed, pytest.raises(RuntimeError, match="already"):
        bed.start()


def test_a_scenario_unplugs_a_real_terminal(ending: list[Endpoint], until: Until) -> None:
    patient = Patient(2)
    end = PtyEndpoint(SimulatedMonitor(registry.get("nonin-df2"), patient))
    ending.append(end)
    bed = Bedside(patient, [end], scenario=Scenario("drop", (Event(1, "link_drop", 1),)))
    bed.advance(1.5)
    assert end._ends is None
    bed.advance(1.0)
    assert end._ends is not None


def test_two_monitors_change_their_places_and_back() -> None:
    bed, (left, right) = bedside("nonin-df2", "masimo-ascii1")
    bed.advance(2)
    assert left.sent.startswith(b"\x01")
    assert right.sent.endswith(b"\r\n")
    bed.swap()
    left.sent = right.sent = b""
    bed.advance(2)
    assert left.sent.endswith(b"\r\n")
    assert b"SPO2" not in right.sent
    bed.swap()
    assert left.monitor.name == "nonin-df2"


def test_monitors_are_swapped_about_as_often_as_asked_and_it_is_logged() -> None:
    said: list[str] = []
    bed, _ = bedside(
        "nonin-df1",
        "nonin-df8",
        "masimo-ascii1",
        swaps_per_minute=6,
        log=lambda at_s, monitor, what, data: said.append(what),
    )
    for _ in range(6000):
        bed.advance(0.1)
    swaps = [what for what in said if what.startswith("swapped with ")]
    assert len(swaps) == pytest.approx(60, rel=0.4)
    assert len(set(swaps)) == 3


def test_a_plug_that_a_fault_takes_out_comes_back() -> None:
    patient = Patient(2)
    faults = [LineFault("replug", 4)]
    monitor = SimulatedMonitor(registry.get("nonin-df2"), patient, faults=faults)
    end = FakeEnd(monitor)
    bed = Bedside(patient, [end])
    for _ in range(12_000):
        bed.advance(0.01)
    assert end.history[:4] == ["unplug", "replug", "unplug", "replug"]


def test_a_monitor_that_reboots_forgets_that_it_was_started() -> None:
    patient = Patient(2)
    faults = [LineFault("reboot", 10)]
    monitor = SimulatedMonitor(registry.get("contec-v7"), patient, faults=faults)
    monitor.receive(b"\x7d\x81\xa1" + b"\x80" * 6)
    sent = [monitor.advance(0.1) for _ in range(600)]
    rebooted = next(i for i, piece in enumerate(sent) if BANNER in piece)
    assert rebooted > 5
    assert set(sent[rebooted + 1 :]) == {b""}

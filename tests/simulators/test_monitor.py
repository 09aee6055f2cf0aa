"""A simulated monitor sends what a real one would have, evenly, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from devices import registry
from devices.driver import Chunk, Driver, Values
from simulators.events import Event
from simulators.faults import LineFault
from simulators.monitor import ANCHOR_US, INFLATED_S, SimulatedMonitor
from simulators.patient import Patient
from tests.simulators.bed import Bed, numerics
from vitals.model import Flag, Numeric

START_CONTEC = b"\x7d\x81\xa1" + b"\x80" * 6


class Spy:
    """A driver whose packets are one letter, and what it was asked to encode."""

    def __init__(self, **more: Any) -> None:
        self.asked: list[tuple[Values, Collection[Flag]]] = []
        self.driver: Driver = replace(
            registry.get("nonin-df2"), name="spy", encode=self._encode, encode_s=1.0, **more
        )

    def _encode(self, values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
        self.asked.append((values, frozenset(flags)))
        return [("", b"x")]


def sent(monitor: SimulatedMonitor, patient: Patient, seconds: float, step_s: float) -> list[bytes]:
    pieces = []
    for _ in range(round(seconds / step_s)):
        patient.advance(step_s)
        pieces.append(monitor.advance(step_s))
    return pieces


def monitor_of(driver: str, **more: Any) -> tuple[SimulatedMonitor, Patient]:
    patient = Patient(6)
    return SimulatedMonitor(registry.get(driver), patient, **more), patient


@pytest.mark.parametrize(("driver", "frame", "hz"), [("nonin-df2", 5, 75), ("contec-v7", 9, 60)])
def test_dense_streams_leave_frame_by_frame(driver: str, frame: int, hz: int) -> None:
    monitor, patient = monitor_of(driver)
    monitor.receive(START_CONTEC)
    sent(monitor, patient, 2, 0.02)
    pieces = sent(monitor, patient, 30, 0.02)
    assert {len(piece) % frame for piece in pieces} == {0}
    assert {len(piece) // frame for piece in pieces} <= {1, 2}
    assert sum(map(len, pieces)) == pytest.approx(30 * hz * frame, abs=2 * frame)


@pytest.mark.parametrize("driver", ["nonin-df2", "dinamap", "contec-v7"])
def test_the_same_seeds_and_steps_give_the_same_bytes(driver: str) -> None:
    def run() -> bytes:
        monitor, patient = monitor_of(driver, seed=3, faults=[LineFault("bit-flip", 30)])
        decoder = monitor.driver.decoder("d")
        out = b""
        for _ in range(600):
            patient.advance(0.1)
            monitor.receive(decoder.due(monitor.now_us))
            out += monitor.advance(0.1)
        return out

    first = run()
    assert len(first) > 500
    assert first == run()


def test_the_step_does_not_change_how_much_is_sent() -> None:
    by_tick, by_second = monitor_of("nonin-df2"), monitor_of("nonin-df2")
    small = b"".join(sent(*by_tick, 30, 0.02))
    large = b"".join(sent(*by_second, 30, 1.0))
    assert len(small) == len(large)
    assert small[2::5] == pytest.approx(large[2::5], abs=1)  # the pleth, sample by sample


def test_pleth_in_the_bytes_is_the_patients() -> None:
    monitor, patient = monitor_of("nonin-df2")
    sent(monitor, patient, 10, 0.02)
    stream = b"".join(sent(monitor, patient, 2, 0.02))
    expected = [patient.pleth(-2 + i / 75) * 255 for i in range(150)]
    assert list(stream[2::5]) == pytest.approx(expected, abs=2)


def test_a_contec_asked_rarely_sends_the_same_pleth() -> None:
    often, rarely = monitor_of("contec-v7"), monitor_of("contec-v7")
    for monitor, _ in (often, rarely):
        monitor.receive(START_CONTEC)
    small = b"".join(sent(*often, 10, 0.05))
    large = b"".join(sent(*rarely, 10, 1.0))
    assert len(small) == pytest.approx(len(large), abs=18)
    pleth = [[byte & 0x7F for byte in stream[3::9]] for stream in (small, large)]
    assert pleth[0][-500:] == pytest.approx(pleth[1][-500:], abs=3)


def test_numbers_in_the_bytes_are_the_patients() -> None:
    bed = Bed(Patient(6), "nonin-df2")
    events = bed.run(20)
    last = {e.channel: e.value for e in events if isinstance(e, Numeric)}
    assert last["spo2"] == bed.patient.value("spo2")
    assert last["pr"] == pytest.approx(bed.patient.value("pr"), abs=2)


def test_faults_of_the_sensor_become_flags_and_take_the_numbers_away() -> None:
    spy = Spy()
    patient = Patient(6)
    patient.add(Event(10, "probe_off", 10))
    patient.add(Event(40, "motion", 10, drop=5))
    patient.add(Event(60, "low_perfusion", 10, to=0.2))
    patient.add(Event(80, "low_battery", 10))
    monitor = SimulatedMonitor(spy.driver, patient)
    sent(monitor, patient, 100, 1.0)
    flags = [flags for _, flags in spy.asked]
    values = [values for values, _ in spy.asked]
    assert flags[5] == frozenset()
    assert flags[12] == {Flag.SENSOR_OFF}
    assert values[12]["spo2"] is None
    assert values[12]["pr"] is None
    assert flags[21] == {Flag.SEARCHING}
    assert flags[44] == {Flag.ARTIFACT}
    assert values[44]["spo2"] is not None
    assert flags[64] == {Flag.LOW_PERFUSION}
    assert flags[84] == {Flag.LOW_BATTERY}
    assert flags[95] == frozenset()


def test_a_packet_has_as_many_pleth_samples_as_the_stream() -> None:
    spy = Spy()
    patient = Patient(6)
    sent(SimulatedMonitor(spy.driver, patient), patient, 2, 0.5)
    pleth = spy.asked[0][0]["pleth"]
    assert isinstance(pleth, list)
    assert len(pleth) == 75


def test_a_spot_check_monitor_speaks_only_when_used() -> None:
    spy = Spy(mode="spot", channels=("nibp_sys", "nibp_dia", "nibp_map"))
    patient = Patient(6)
    monitor = SimulatedMonitor(spy.driver, patient, nibp_every_s=60)
    pieces = sent(monitor, patient, 300, 1.0)
    assert b"".join(pieces) == b"xxxxx"
    readings = [values["nibp_sys"] for values, _ in spy.asked]
    assert len(set(map(str, readings))) > 1


def test_a_monitor_that_cannot_be_commanded_gives_each_pressure_once() -> None:
    spy = Spy(channels=("pr", "nibp_sys", "nibp_dia", "nibp_map"))
    patient = Patient(6)
    monitor = SimulatedMonitor(spy.driver, patient, nibp_every_s=120)
    inflated = []
    for _ in range(360):
        patient.advance(1.0)
        inflated.append(monitor.inflating)
        monitor.advance(1.0)
    shown = [values["nibp_sys"] for values, _ in spy.asked]
    assert [i for i in range(360) if shown[i] is not None] == [30, 150, 270]
    assert sum(inflated) == 3 * INFLATED_S
    assert inflated[:30] == [True] * 30


def test_time_that_is_skipped_leaves_no_bytes_behind() -> None:
    monitor, patient = monitor_of("nonin-df2")
    sent(monitor, patient, 10.1, 0.1)  # in the middle of a packet
    patient.advance(3600)
    monitor.skip(3600)
    assert monitor.now_us == ANCHOR_US + 3_610_100_000
    after = b"".join(sent(monitor, patient, 10, 0.1))
    assert after[1] & 0x01  # SYNC: a whole packet comes first
    assert len(after) == pytest.approx(3750, abs=125)
    decoder = monitor.driver.decoder("d")
    assert numerics(decoder.feed(Chunk(after, monitor.now_us)), "spo2")
    assert decoder.rejected == 0


def test_a_responder_that_was_skipped_does_not_burst() -> None:
    monitor, patient = monitor_of("contec-v7")
    monitor.receive(START_CONTEC)
    sent(monitor, patient, 5, 0.1)
    patient.advance(30)
    monitor.skip(30)
    assert len(b"".join(sent(monitor, patient, 1, 0.1))) <= 61 * 9


def test_the_line_may_be_bad() -> None:
    bed = Bed(Patient(6), "nonin-df2", faults=(LineFault("bit-flip", 60),))
    events = bed.run(60)
    assert bed.decoders[0].rejected > 10
    assert len(numerics(events, "spo2")) > 30
    assert {e.value for e in numerics(events, "spo2")} <= {96, 97, 98}


def test_a_monitor_is_called_by_its_driver_unless_named() -> None:
    assert monitor_of("dinamap")[0].name == "dinamap"
    assert monitor_of("dinamap", name="left")[0].name == "left"


@pytest.mark.parametrize(("driver", "baud"), [("masimo-ascii1", 9600), ("ansar-b", 9600)])
def test_a_line_of_text_takes_its_time_on_the_line(driver: str, baud: int) -> None:
    monitor, patient = monitor_of(driver)
    pieces = sent(monitor, patient, 5, 0.02)
    most = baud / 10 * 0.02
    assert max(map(len, pieces)) <= most + 1
    whole = len(b"".join(pieces)) / 5
    assert sum(map(bool, pieces)) == pytest.approx(5 * whole / most, abs=7)

"""Two hours of one patient through the real protocols, from physiology to decoded values."""

from __future__ import annotations

import time

import pytest

from devices import registry
from simulators.patient import Patient
from simulators.scenario import load
from tests.simulators.bed import Bed, notices, numerics
from vitals.model import Flag, Numeric, StartNibp, Waveform


@pytest.fixture(scope="module")
def session() -> tuple[Bed, list[tuple[float, float]]]:
    """Oximeter and cuff, a dose at 10 min, and a reading every 10 min; also the true pressures."""
    bed = Bed(Patient(8), "nonin-df2", "dinamap")
    bed.patient.play(load("calm"))
    bed.patient.dose(600)
    true = []
    began = time.process_time()
    for _ in range(12):
        bed.decoders[1].request(StartNibp(), bed.monitors[1].now_us)
        bed.run(45)
        true.append(bed.patient.pressure())
        bed.run(555)
    assert time.process_time() - began < 15
    return bed, true


@pytest.mark.long
def test_two_hours_arrive_whole(session: tuple[Bed, list[tuple[float, float]]]) -> None:
    bed, _ = session
    oximeter = [e for e in bed.events if e.device == "nonin-df2"]
    assert len(numerics(oximeter, "spo2")) == pytest.approx(7200, abs=5)
    assert sum(len(e.values) for e in oximeter if isinstance(e, Waveform)) == pytest.approx(
        7200 * 75, abs=75
    )
    assert [decoder.rejected for decoder in bed.decoders] == [0, 0]


def test_saturation_and_pulse_stay_as_they_are(
    session: tuple[Bed, list[tuple[float, float]]],
) -> None:
    bed, _ = session
    baseline = bed.patient.physiology.baseline
    for device in ("nonin-df2", "dinamap"):
        events = [e for e in bed.events if e.device == device]
        for channel, about, within in (("spo2", baseline.spo2, 2.5), ("pr", baseline.hr, 25)):
            values = {e.value for e in numerics(events, channel)}
            assert None not in values
            assert all(abs(value - about) < within for value in values if value is not None)


def test_each_commanded_reading_is_the_pressure_of_its_moment(
    session: tuple[Bed, list[tuple[float, float]]],
) -> None:
    bed, true = session
    systolic, diastolic = numerics(bed.events, "nibp_sys"), numerics(bed.events, "nibp_dia")
    assert len(systolic) == len(diastolic) == 12
    for i, (sys, dia) in enumerate(true):
        assert systolic[i].value == pytest.approx(sys, abs=16)
        assert diastolic[i].value == pytest.approx(dia, abs=12)
    assert notices(bed.events, "nibp_failed") == []


def test_the_pressure_rises_and_falls_again(
    session: tuple[Bed, list[tuple[float, float]]],
) -> None:
    bed, _ = session
    readings = [e.value for e in numerics(bed.events, "nibp_sys")]
    peak = bed.patient.physiology.response.sys
    assert readings[5] - readings[0] == pytest.approx(peak, abs=14)  # type: ignore[operator]
    assert readings[11] - readings[0] == pytest.approx(0.12 * peak, abs=14)  # type: ignore[operator]


@pytest.mark.parametrize(
    "driver", [name for name in registry.names() if registry.get(name).transport != "ble"]
)
def test_every_driver_with_a_cable_can_be_simulated(driver: str) -> None:
    bed = Bed(Patient(8), driver)
    if "start_nibp" in registry.get(driver).can:
        bed.decoders[0].request(StartNibp(), bed.monitors[0].now_us)
    events = bed.run(60)
    given = {e.channel for e in events if isinstance(e, Numeric) and e.value is not None}
    assert given & {"spo2", "pr", "hr", "nibp_sys"}
    assert bed.decoders[0].rejected == 0


@pytest.mark.parametrize("driver", ["nonin-df2", "contec-v7"])
def test_a_desaturation_arrives(driver: str) -> None:
    bed = Bed(Patient(8), driver)
    bed.patient.play(load("desaturation"))
    values = [e.value for e in numerics(bed.run(450), "spo2")]
    assert values[60] > 93  # type: ignore[operator]
    assert values[275] == pytest.approx(85, abs=1)
    assert values[-1] > 93  # type: ignore[operator]


@pytest.mark.parametrize("driver", ["nonin-df2", "contec-v7", "dinamap"])
def test_a_probe_that_is_off_gives_no_number(driver: str) -> None:
    bed = Bed(Patient(8), driver)
    bed.patient.play(load("probe-off"))
    bed.run(362)
    off = bed.run(35)
    assert {e.value for c in ("spo2", "pr") for e in numerics(off, c)} == {None}
    if driver != "dinamap":
        assert all(Flag.SENSOR_OFF in e.flags for e in numerics(off, "spo2"))
        assert notices(bed.events, "sensor_off")
    back = bed.run(30)
    assert numerics(back, "spo2")[-1].value is not None


@pytest.mark.parametrize("driver", ["nonin-df2"])
def test_motion_arrives_as_artifact(driver: str) -> None:
    bed = Bed(Patient(8), driver)
    bed.patient.play(load("motion"))
    bed.run(122)
    moving = numerics(bed.run(11), "spo2")
    assert all(Flag.ARTIFACT in e.flags for e in moving)


def test_a_slow_heart_arrives() -> None:
    bed = Bed(Patient(8), "nonin-df2")
    bed.patient.play(load("bradycardia"))
    values = [e.value for e in numerics(bed.run(500), "pr")]
    assert values[440] == pytest.approx(46, abs=3)


def test_a_loose_cuff_fails_and_later_does_not() -> None:
    bed = Bed(Patient(8), "dinamap")
    bed.patient.play(load("cuff-failure"))
    bed.run(430)
    bed.decoders[0].request(StartNibp(), bed.monitors[0].now_us)
    bed.run(60)
    assert notices(bed.events, "nibp_failed")
    assert not any(e.value for e in numerics(bed.events, "nibp_sys"))
    bed.run(480)
    bed.decoders[0].request(StartNibp(), bed.monitors[0].now_us)
    assert numerics(bed.run(60), "nibp_sys")[-1].value is not None


def test_high_pressure_arrives() -> None:
    bed = Bed(Patient(8), "dinamap")
    bed.patient.play(load("hypertension"))
    readings = {}
    for at_s in (1200, 2400):
        bed.run(at_s - bed.patient.now_s, step_s=0.2)
        bed.decoders[0].request(StartNibp(), bed.monitors[0].now_us)
        events = bed.run(60)
        readings[at_s] = tuple(numerics(events, c)[-1].value for c in ("nibp_sys", "nibp_dia"))
    assert readings[1200] == pytest.approx((168, 102), abs=12)
    assert readings[2400] == pytest.approx((190, 115), abs=12)

"""One simulated patient: repeatable, moved by time only, and doing what events say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from devices.driver import PatientView
from simulators import course
from simulators.events import CUFF_REASONS, KINDS, Event
from simulators.patient import DETERMINATION_S, SEARCH_S, Patient
from simulators.scenario import Scenario, load, names
from vitals.errors import ConfigError

NUMBERS = ("pr", "hr", "spo2", "pi", "rr")
NIBP = ("nibp_sys", "nibp_dia", "nibp_map")


def view(patient: PatientView) -> PatientView:
    return patient


def trace(patient: Patient, seconds: float, step_s: float, every_s: float) -> list[object]:
    """What a monitor sees at every `every_s`, moving by `step_s`."""
    seen: list[object] = []
    for i in range(1, round(seconds / step_s) + 1):
        patient.advance(step_s)
        if i % round(every_s / step_s) == 0:
            seen.append(tuple(patient.value(c) for c in (*NUMBERS, *NIBP)))
            seen.append(tuple(patient.fault(c) for c in ("searching", "sensor_off", "artifact")))
            seen.append([patient.pleth(-k / 50) for k in range(25)])
    return seen


def busy(seed: int) -> Patient:
    patient = Patient(seed)
    patient.play(load("mixed"))
    return patient


def at(patient: Patient, second: float) -> Patient:
    patient.advance(second - patient.now_s)
    return patient


def with_event(kind: str, seed: int = 4, **settings: float | str) -> Patient:
    patient = Patient(seed)
    known = {k: v for k, v in KINDS[kind].defaults.items() if v is not None}
    event = Event(at_s=60, kind=kind, lasting_s=120, **{**known, **settings})  # type: ignore[arg-type]
    patient.add(event)
    return patient


def over(patient: Patient, begin: float, end: float, step: float = 1.0) -> Iterator[Patient]:
    at(patient, begin)
    while patient.now_s < end:
        yield patient
        patient.advance(step)


# --- determinism ------------------------------------------------------------------------------


def test_the_same_seed_and_steps_are_identical() -> None:
    assert trace(busy(7), 900, 1.0, 10) == trace(busy(7), 900, 1.0, 10)


def test_other_seeds_are_other_patients() -> None:
    assert trace(Patient(1), 60, 1, 10) != trace(Patient(2), 60, 1, 10)


@pytest.mark.parametrize("step_s", [0.02, 0.1, 10.0])
def test_how_time_is_cut_changes_nothing(step_s: float) -> None:
    assert trace(busy(7), 600, step_s, 10) == trace(busy(7), 600, 1.0, 10)


def test_two_hours_by_seconds_and_by_tens_end_alike() -> None:
    by_one, by_ten = busy(3), busy(3)
    assert trace(by_one, 7200, 1.0, 60) == trace(by_ten, 7200, 10.0, 60)


def test_asking_more_often_changes_no_number() -> None:
    asked, left = Patient(5), Patient(5)
    for _ in range(500):
        asked.advance(0.1)
        asked.value("pr")
        asked.pleth()
        asked.pleth(-1)
    left.advance(50)
    assert asked.value("pr") == left.value("pr")
    assert asked.pleth() == left.pleth()


def test_nothing_moves_without_advance() -> None:
    patient = Patient(5)
    patient.advance(100)
    assert [patient.pleth() for _ in range(5)] == [patient.pleth()] * 5
    assert patient.now_s == 100


def test_time_never_goes_back() -> None:
    patient = Patient(5)
    with pytest.raises(ValueError, match="back in time"):
        patient.advance(-1)
    patient.advance(60)
    with pytest.raises(ValueError, match="in the past"):
        patient.dose(30)
    with pytest.raises(ValueError, match="in the past"):
        patient.add(Event(30, "motion", 5))


def test_unknown_route_or_arm_is_refused() -> None:
    with pytest.raises(ConfigError):
        Patient(1, route="iw")
    with pytest.raises(ConfigError):
        Patient(1, cuff_arm="left")
    with pytest.raises(ConfigError):
        Patient(1).dose(route="oral")


# --- a healthy patient ------------------------------------------------------------------------


def test_it_is_what_monitors_ask_of() -> None:
    patient = view(Patient(1))
    assert patient.value("spo2") is not None
    assert patient.value("etco2") is None
    assert patient.value("cuff") is None


def test_numbers_are_what_monitors_show() -> None:
    patient = Patient(1)
    for _ in over(patient, 0, 300, 7):
        for channel in ("pr", "hr", "spo2", "rr", *NIBP):
            value = patient.value(channel)
            assert value is not None
            assert value == int(value)
        pi = patient.value("pi")
        assert pi is not None
        assert pi == round(pi, 2)
        assert patient.value("spo2") <= 100  # type: ignore[operator]


def test_pulse_rate_varies_but_not_wildly() -> None:
    patient = Patient(2)
    rates = [patient.value("pr") for _ in over(patient, 0, 1200)]
    assert len(set(rates)) > 4
    assert max(rates) - min(rates) < 16  # type: ignore[type-var,operator]


def test_pleth_beats_at_the_pulse_rate() -> None:
    patient = Patient(2)
    at(patient, 120)
    samples = np.array([patient.pleth(-60 + i / 75) for i in range(60 * 75)])
    spectrum = np.abs(np.fft.rfft((samples - samples.mean()) * np.hanning(len(samples))))
    hz = np.fft.rfftfreq(len(samples), 1 / 75)
    rate = hz[spectrum.argmax()] * 60
    shown = np.mean([value for _ in over(Patient(2), 60, 120) if (value := _.value("pr"))])
    assert rate == pytest.approx(shown, abs=3)
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert np.ptp(samples) > 0.5


def test_beats_are_not_all_alike() -> None:
    patient = at(Patient(2), 100)
    beats = [patient._pulse.beats(i / 100) for i in range(10_000)]
    starts = np.flatnonzero(np.diff(np.floor(beats))) / 100
    assert np.diff(starts).std() > 0.01


def test_pressures_of_one_determination_share_their_noise() -> None:
    patient = at(Patient(2), 60)
    first = [patient.value(c) for c in NIBP]
    patient.advance(DETERMINATION_S / 2)
    assert [patient.value(c) for c in NIBP] == first
    sys, dia, mean = first
    assert mean == pytest.approx(dia + (sys - dia) / 3, abs=1)  # type: ignore[operator]


def test_each_determination_has_its_own_noise() -> None:
    patient = Patient(2)
    errors = []
    for _ in over(patient, 0, 60_000, 60):
        sys, dia = patient.pressure()
        errors.append((patient.value("nibp_sys") - sys, patient.value("nibp_dia") - dia))  # type: ignore[operator]
    assert np.std(errors, axis=0) == pytest.approx([4, 3], rel=0.1)
    assert np.mean(errors, axis=0) == pytest.approx([0, 0], abs=0.4)


# --- the dose ---------------------------------------------------------------------------------


@pytest.mark.parametrize("route", course.ROUTES)
def test_a_dose_raises_pressure_by_its_route(route: str) -> None:
    patient = Patient(11, route=route)
    patient.physiology._bp_waves._amplitude[:] = 0
    before = patient.pressure()[0]
    at(patient, 600)
    patient.dose()
    for minutes in (10, 40, 90):
        at(patient, 600 + minutes * 60)
        strength = float(course.effect(route, np.array(minutes, float)))
        assert patient.effect() == pytest.approx(strength)
        assert patient.pressure()[0] - before == pytest.approx(
            strength * patient.physiology.response.sys, abs=0.01
        )


def test_a_further_dose_adds_its_own_course() -> None:
    patient = Patient(11, route="im")
    patient.dose()
    patient.dose(1200, fraction=0.5)
    at(patient, 2400)
    once, again = course.effect("im", np.array([40.0, 20.0]))
    assert patient.effect() == pytest.approx(once + 0.5 * again)


def test_a_scenario_counts_from_when_it_is_played() -> None:
    patient = at(Patient(11), 1000)
    told = Scenario("mine", (Event(90, "desaturation", 60, to=85),), dose_at_s=600)
    patient.play(told)
    at(patient, 1000 + 90 + 30)
    assert patient.value("spo2") == 85
    at(patient, 1000 + 600 + 1200)
    assert patient.effect() == pytest.approx(0.53, abs=0.02)


def test_a_scenario_may_set_route_and_arm() -> None:
    patient = Patient(1, route="im", cuff_arm="other")
    patient.play(load("mixed"))
    assert (patient.route, patient.cuff_arm) == ("iv", "same")
    kept = Patient(1, route="im", cuff_arm="same")
    kept.play(load("calm"))
    assert (kept.route, kept.cuff_arm) == ("im", "same")


# --- events -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "channel", "to", "within"),
    [
        ("desaturation", "spo2", 85, 1),
        ("desaturation", "spo2", 74, 1),
        ("bradycardia", "pr", 36, 2),
        ("tachycardia", "hr", 140, 2),
        ("low_perfusion", "pi", 0.15, 0.011),
    ],
)
def test_an_event_reaches_its_value_and_ends(
    kind: str, channel: str, to: float, within: float
) -> None:
    patient = with_event(kind, to=to)
    before = at(patient, 59).value(channel)
    ramp = KINDS[kind].defaults["rise_s"]
    assert isinstance(ramp, float | int)
    for _ in over(patient, 60 + ramp + 8, 178):
        assert patient.value(channel) == pytest.approx(to, abs=within)
    at(patient, 60 + 120 + 300)
    assert patient.value(channel) == pytest.approx(before, rel=0.15)


def test_an_event_added_now_moves_the_pulse_at_once() -> None:
    patient = at(Patient(4), 30)
    patient.pleth()  # has counted beats ahead by now
    patient.add(Event(30, "tachycardia", 60, to=180))
    at(patient, 40)
    counted = patient._pulse.beats(40) - patient._pulse.beats(30)
    assert counted == pytest.approx(30, abs=1)


def test_an_oximeter_shows_a_fall_late_by_its_averaging() -> None:
    patient = with_event("desaturation", to=80, rise_s=0.0)
    before = at(patient, 59).value("spo2")
    assert at(patient, 63).value("spo2") == pytest.approx(before, abs=1)
    assert at(patient, 65).value("spo2") == pytest.approx(80, abs=1)


def test_a_ramp_is_smooth() -> None:
    patient = with_event("desaturation", to=80)
    shown = [patient.value("spo2") for _ in over(patient, 50, 260)]
    steps = np.abs(np.diff(np.array(shown, float)))
    assert steps.max() <= 3


@pytest.mark.parametrize(("kind", "to"), [("hypertension", 185), ("hypotension", 85)])
def test_pressure_events_move_both_pressures(kind: str, to: float) -> None:
    patient = with_event(kind, to=to)
    before = patient.pressure()
    at(patient, 170)
    sys, dia = patient.pressure()
    assert sys == pytest.approx(to, abs=0.01)
    assert dia - before[1] == pytest.approx(0.6 * (sys - before[0]), abs=4)


def test_a_pressure_event_may_name_the_diastolic() -> None:
    patient = with_event("hypertension", to=190, to_dia=115)
    at(patient, 170)
    assert patient.pressure() == pytest.approx((190, 115), abs=0.01)
    assert patient.value("nibp_sys") == pytest.approx(190, abs=16)


def test_motion_misleads_the_oximeter_and_says_so() -> None:
    patient = with_event("motion", drop=10.0)
    true = at(patient, 59).value("spo2")
    assert true is not None
    shown = [patient.value("spo2") for _ in over(patient, 63, 175) if patient.fault("artifact")]
    assert len(shown) > 100
    assert min(shown) == pytest.approx(true - 10, abs=2)  # type: ignore[type-var]
    assert len(set(shown)) > 4
    calm = at(Patient(4), patient.now_s)
    differs = [abs(patient.pleth(-k / 25) - calm.pleth(-k / 25)) for k in range(25)]
    assert np.mean(differs) > 0.1
    at(patient, 200)
    assert not patient.fault("artifact")
    assert patient.value("spo2") == pytest.approx(true, abs=1)


def test_without_probe_there_is_no_number_and_then_a_search() -> None:
    patient = with_event("probe_off")
    at(patient, 61)
    assert patient.fault("sensor_off")
    assert not patient.fault("searching")
    assert [patient.value(c) for c in ("pr", "spo2", "pi")] == [None] * 3
    assert patient.value("hr") is not None
    assert [patient.pleth(-k / 10) for k in range(10)] == [0.0] * 10
    at(patient, 180 + SEARCH_S - 0.1)
    assert not patient.fault("sensor_off")
    assert patient.fault("searching")
    assert patient.value("spo2") is None
    assert patient.pleth() > 0
    at(patient, 180 + SEARCH_S)
    assert not patient.fault("searching")
    assert patient.value("spo2") is not None


def test_a_cold_finger_has_a_small_pleth() -> None:
    patient = with_event("low_perfusion")
    warm = np.ptp([at(patient, 50).pleth(-k / 50) for k in range(200)])
    at(patient, 120)
    assert patient.fault("low_perfusion")
    assert np.ptp([patient.pleth(-k / 50) for k in range(200)]) < warm / 2


@pytest.mark.parametrize("reason", CUFF_REASONS)
def test_a_failing_cuff_gives_no_pressure_and_its_reason(reason: str) -> None:
    patient = with_event("cuff_failure", reason=reason)
    at(patient, 100)
    assert [patient.value(c) for c in NIBP] == [None] * 3
    assert patient.fault("cuff_failure")
    assert [r for r in CUFF_REASONS if patient.fault(r)] == [reason]
    at(patient, 190)
    assert patient.value("nibp_sys") is not None
    assert not patient.fault(reason)


# --- the cuff on the oximeter's arm -----------------------------------------------------------


def test_a_cuff_on_the_same_arm_takes_the_pulse_away() -> None:
    patient = at(Patient(3, cuff_arm="same"), 60)
    patient.cuff(True)
    patient.advance(4)
    assert patient.fault("low_perfusion")
    assert patient.value("pi") == pytest.approx(0.04)
    assert patient.value("spo2") is not None
    patient.advance(6)
    assert patient.fault("searching")
    assert patient.fault("out_of_track")
    assert patient.value("spo2") is None
    patient.advance(20)
    patient.cuff(False)
    assert patient.fault("searching")
    assert not patient.fault("low_perfusion")
    patient.advance(SEARCH_S)
    assert not patient.fault("searching")
    assert patient.value("spo2") is not None


def test_a_short_squeeze_needs_no_search() -> None:
    patient = at(Patient(3, cuff_arm="same"), 60)
    patient.cuff(True)
    patient.advance(4)
    patient.cuff(False)
    assert not patient.fault("searching")
    assert patient.value("spo2") is not None


def test_a_cuff_on_the_other_arm_does_nothing() -> None:
    patient = at(Patient(3), 60)
    patient.cuff(True)
    patient.advance(20)
    assert not patient.fault("low_perfusion")
    assert patient.value("spo2") is not None


@pytest.mark.parametrize("name", names())
def test_every_scenario_can_be_lived_through(name: str) -> None:
    patient = Patient(9)
    patient.play(load(name))
    for _ in over(patient, 0, 7200, 30):
        for channel in (*NUMBERS, *NIBP):
            value = patient.value(channel)
            assert value is None or math.isfinite(value)
        assert 0 <= patient.pleth() <= 1

"""Whole simulated visits through the real room: their numbers, and what the alarms make of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulators.cohort import CohortSession, below, cohort, run
from simulators.cohort_summary import Tally
from simulators.mishaps import CHALLENGE, RESTLESS
from simulators.visit import DEVICES
from tests.bench.cohort import delayed, heard, room_seconds, tallied
from vitals.alarms.profile import load
from vitals.model import DeviceRequest, Input, Notice, Numeric, Output, Quality
from vitals.room import Room

pytestmark = pytest.mark.long

PROFILE = load()


def error_of_share(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)


@pytest.fixture(scope="module")
def pressures() -> Tally:
    """Intravenous visits of which only the blood pressures are looked at."""
    return tallied(500, PROFILE, oximeter=False)


@pytest.fixture(scope="module")
def ordinary() -> Tally:
    """Whole intravenous visits with everything that may disturb them."""
    return tallied(30, PROFILE)


@pytest.fixture(scope="module")
def visit() -> tuple[CohortSession, list[Input], list[list[Output]]]:
    """One restless visit with its inputs and outputs."""
    inputs: list[Input] = []
    outputs: list[list[Output]] = []

    def keep(item: Input, out: list[Output]) -> None:
        inputs.append(item)
        outputs.append(out)

    return run(4, PROFILE, mishaps=RESTLESS, on_step=keep), inputs, outputs


# --- blood pressure ---------------------------------------------------------------------------


def test_the_peak_rise_is_the_published_one(pressures: Tally) -> None:
    assert pressures.peak_rise == pytest.approx((16, 11), abs=1.5)
    assert 35 <= pressures.peak_minute <= 45
    mean = np.array(pressures.rises).mean(axis=0)
    assert mean[3] == pytest.approx([16, 11], abs=1.5)  # at 40 min, as the source measured
    assert (mean.argmax(axis=0) == 3).all()


def test_high_readings_are_as_frequent_as_expected(pressures: Tally) -> None:
    for count, least, most in (
        (pressures.above_160, 0.10, 0.25),
        (pressures.above_180, 0.01, 0.04),
    ):
        share = count / pressures.sessions
        wide = 2 * error_of_share(share, pressures.sessions)
        assert least - wide <= share <= most + wide


def test_about_a_quarter_of_the_visits_is_held(pressures: Tally) -> None:
    share = pressures.held / (pressures.held + pressures.sessions)
    assert 0.16 <= share <= 0.32


# --- alarms -----------------------------------------------------------------------------------


def test_most_sessions_within_the_limits_are_silent(ordinary: Tally) -> None:
    share = ordinary.within_quiet / ordinary.within
    assert ordinary.within >= 10
    assert share >= 0.80 - 2 * error_of_share(0.80, ordinary.within)


def test_a_delay_of_15_s_halves_the_alarms_of_moving_hands() -> None:
    at_once, later = (
        sum(map(heard, cohort(10, 1, delayed(PROFILE, hold_s), mishaps=RESTLESS)))
        for hold_s in (0.0, 15.0)
    )
    assert at_once > 50
    assert later <= 0.5 * at_once


def test_no_true_desaturation_is_missed() -> None:
    for rules in (delayed(PROFILE, 15.0), PROFILE):
        done = list(cohort(8, 1, rules, mishaps=CHALLENGE))
        assert sum(len(each.desaturations) for each in done) >= 8
        assert not [each.missed() for each in done if each.missed()]


def test_a_desaturation_that_no_alarm_tells_is_missed() -> None:
    deaf = delayed(PROFILE, 10_000.0)
    rules = tuple(rule for rule in deaf.rules if rule.id != "spo2-low")
    silent = type(deaf)(deaf.version, rules, deaf.text)
    done = next(cohort(1, 1, silent, mishaps=CHALLENGE))
    assert done.missed() == list(done.desaturations) != []


# --- a visit ----------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_visit() -> None:
    first, second, other = (run(seed, PROFILE, mishaps=RESTLESS) for seed in (12, 12, 13))
    assert (first.changes, first.readings) == (second.changes, second.readings)
    assert first.changes
    assert (first.changes, first.readings) != (other.changes, other.readings)


def test_folding_the_inputs_again_gives_the_same_alarms(
    visit: tuple[CohortSession, list[Input], list[list[Output]]],
) -> None:
    done, inputs, outputs = visit
    room = Room("room-1", DEVICES, PROFILE, mode="test")
    assert [room.step(item) for item in inputs] == outputs
    assert done.changes


def test_a_session_takes_at_most_a_third_of_a_second_of_the_engine(
    visit: tuple[CohortSession, list[Input], list[list[Output]]],
) -> None:
    done, inputs, _ = visit
    assert len(inputs) > 3 * 7200
    assert min(room_seconds(inputs, done, PROFILE) for _ in range(3)) < 0.3


def test_the_cuff_answers_each_request_within_forty_seconds(
    visit: tuple[CohortSession, list[Input], list[list[Output]]],
) -> None:
    _, inputs, outputs = visit
    asked = [
        item.at_us
        for item, out in zip(inputs, outputs, strict=True)
        if any(isinstance(o, DeviceRequest) for o in out)
    ]
    answers = [
        item.at_us
        for item in inputs
        if (isinstance(item.body, Numeric) and item.body.channel == "nibp_sys")
        or (isinstance(item.body, Notice) and item.body.code == "nibp_failed")
    ]
    took_s = [(b - a) / 1e6 for a, b in zip(asked, answers, strict=True)]
    assert len(took_s) >= 13
    assert all(25 <= s <= 42 for s in took_s)


def test_the_oximeter_marks_some_artifacts_and_not_others(
    visit: tuple[CohortSession, list[Input], list[list[Output]]],
) -> None:
    done, inputs, _ = visit
    start_us = done.session.started_us
    spo2 = {
        (item.at_us - start_us) // 1_000_000: item.body
        for item in inputs
        if isinstance(item.body, Numeric) and item.body.channel == "spo2"
    }
    alone = [
        event
        for before, event, after in zip(done.events, done.events[1:], done.events[2:], strict=False)
        if event.kind == "motion"
        and event.lasting_s > 6
        and before.end_s + 10 < event.at_s
        and event.end_s + 10 < min(after.at_s, len(spo2))
    ]
    assert {event.noticed for event in alone} == {True, False}
    for event in alone:
        second = round(event.at_s) + 4
        value, quality = spo2[second].value, spo2[second].quality
        assert value is not None
        assert value < done.truth.spo2[second] - event.drop / 2
        assert quality is (Quality.QUESTIONABLE if event.noticed else Quality.GOOD)


def test_stretches_below_a_limit() -> None:
    values = np.array([90, 87, 87, 87, 90, 87, 87.0])
    assert [(s.from_s, s.to_s) for s in below(values, 88, 3)] == [(1, 4)]
    assert [(s.from_s, s.to_s) for s in below(values, 88, 2)] == [(1, 4), (5, 7)]
    assert not below(values, 80, 1)

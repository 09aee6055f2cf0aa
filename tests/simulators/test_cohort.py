"""A few hundred simulated sessions against the published numbers they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.patient import Patient

PATIENTS = 400
TIMES = (10, 20, 30, 40, 50, 60, 75, 90, 105, 120)


@pytest.fixture(scope="module")
def sessions() -> dict[str, np.ndarray]:
    """Intravenous sessions: pressures just before the dose and at `TIMES`, as measured."""
    rows: dict[str, list[object]] = {"before": [], "after": [], "true": [], "pr": [], "spo2": []}
    for seed in range(PATIENTS):
        patient = Patient(seed, route="iv", spontaneous=True)
        patient.advance(600)
        rows["before"].append((patient.value("nibp_sys"), patient.value("nibp_dia")))
        start, pr = patient.pressure(), patient.value("pr")
        assert pr is not None
        patient.dose()
        after, spo2 = [], []
        for minutes in TIMES:
            patient.advance(600 + minutes * 60 - patient.now_s)
            after.append((patient.value("nibp_sys"), patient.value("nibp_dia")))
            spo2.append(patient.value("spo2"))
            if minutes == 40:
                now, rate = patient.pressure(), patient.value("pr")
                assert rate is not None
                rows["true"].append((now[0] - start[0], now[1] - start[1]))
                rows["pr"].append(rate - pr)
        rows["after"].append(after)
        rows["spo2"].append(spo2)
    return {key: np.array(value, float) for key, value in rows.items()}


def test_the_rise_at_forty_minutes(sessions: dict[str, np.ndarray]) -> None:
    rise = sessions["true"]
    assert rise.mean(0) == pytest.approx([16, 11], abs=1.5)
    assert rise.std(0) == pytest.approx([11.2, 8.45], rel=0.12)
    assert np.corrcoef(rise.T)[0, 1] == pytest.approx(0.6, abs=0.1)


def test_measuring_adds_its_noise(sessions: dict[str, np.ndarray]) -> None:
    measured = sessions["after"][:, TIMES.index(40)] - sessions["before"]
    assert measured.mean(0) == pytest.approx([16, 11], abs=1.5)
    expected = np.hypot([11.2, 8.45], np.array([4, 3]) * np.sqrt(2))
    assert measured.std(0) == pytest.approx(expected, rel=0.12)


def test_pressure_is_near_baseline_after_two_hours(sessions: dict[str, np.ndarray]) -> None:
    left = sessions["after"][:, -1] - sessions["before"]
    assert np.abs(left.mean(0)).max() < 3


def test_severe_hypertension_is_as_rare_as_published(sessions: dict[str, np.ndarray]) -> None:
    severe = (sessions["after"] >= (180, 110)).any(axis=(1, 2)).mean()
    assert 0.005 <= severe <= 0.035


def test_everybody_would_pass_the_gate(sessions: dict[str, np.ndarray]) -> None:
    true_before = sessions["before"]
    assert true_before.mean(0) == pytest.approx([122.5, 76], abs=2)
    assert (true_before < (140 + 14, 90 + 11)).all()


def test_heart_rate_hardly_moves(sessions: dict[str, np.ndarray]) -> None:
    assert sessions["pr"].mean() == pytest.approx(4, abs=1.2)
    assert sessions["pr"].std() == pytest.approx(6.5, rel=0.2)


def test_saturation_stays_up(sessions: dict[str, np.ndarray]) -> None:
    assert np.median(sessions["spo2"]) in (96, 97)
    assert np.percentile(sessions["spo2"], 1) >= 93


def test_about_one_in_fifty_desaturates() -> None:
    lows = []
    for seed in range(1500):
        patient = Patient(seed, spontaneous=True)
        patient.dose()
        lows += [e.to for e in patient.physiology.events if e.kind == "desaturation"]
    assert len(lows) / 1500 == pytest.approx(0.02, abs=0.008)
    assert 88 <= min(lows) <= max(lows) <= 92


def test_nobody_desaturates_unasked() -> None:
    assert not any(Patient(seed).physiology.after_dose for seed in range(300))

"""Whole sessions from arrival to discharge, in Chromium at speed, and then read in the record.

The station, the web, the devices' protocols and the record are the real ones; a patient's two
hours pass in less than a minute. Nobody acts but the hand at the page.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import OpenPage
from tests.dashboard.whole_bed import CUFF, OXIMETER, whole_clinic
from tests.dashboard.whole_hand import Hand, seen_elsewhere
from tests.dashboard.whole_record import Told

FAST, QUICK = 180.0, 140.0
"""Station seconds a second: of a session with few acts, and of one with many."""
MOST_TAPS = 15
BEFORE, PEAK, AFTER = (124, 78), (146, 86), (128, 82)
"""Systolic and diastolic pressures of the patient."""
Span = tuple[int, int]
"""From and to, microseconds of the station's clock."""


def test_an_uneventful_infusion_takes_fifteen_taps(tmp_path: Path, open_page: OpenPage) -> None:
    with whole_clinic(tmp_path, speed=FAST, route="iv") as (bed, clinic):
        anna = Hand.at(open_page, clinic, "Anna")
        anna.open("iv")
        anna.all_no()
        anna.gate_go()
        bed.dose()
        anna.confirmed("dose")
        anna.until(40)
        anna.confirmed("infusion_end")
        anna.until_done("nibp+120")
        anna.tab("Discharge")
        anna.tap(anna.button("Go to the discharge check"))
        expect(anna.page.locator(".room-phase")).to_have_text("Discharge check")
        anna.confirmed("finished")
        seen_elsewhere(clinic)
        anna.tap(anna.button("Close session…", anna.page.locator(".discharge")))
        anna.press("Close session")
        expect(anna.page.locator(".room-nosession")).to_be_visible()
        clinic.stop()
    told = Told(clinic.store)
    told.check_whole()
    assert set(told.outcomes.values()) == {"done"}
    assert len(anna.taps) <= MOST_TAPS, anna.taps


def test_a_whole_infusion_stands_in_the_record_field_by_field(
    tmp_path: Path, open_page: OpenPage
) -> None:
    with whole_clinic(tmp_path, speed=FAST, route="iv") as (bed, clinic):
        bed.patient.pressure_now = BEFORE
        anna = Hand.at(open_page, clinic, "Anna")
        anna.open("iv")
        for item in ("consent", "escort", "fasting", "labels_checked"):
            anna.answer(item, "Yes")
        sides = {"age_band": "40–64", "cuff_side": "left arm", "probe_side": "right hand"}
        for item, said in sides.items():
            anna.answer(item, said)
        for item, words in {"weight_kg": "70", "drug": "Ketamine", "plan_mg": "35"}.items():
            anna.write(item, words)
        anna.all_no()
        for device in (CUFF, OXIMETER):
            place = anna.page.locator(f'.room-devices [data-device="{device}"]')
            anna.tap(place.get_by_role("button"))
            expect(place.locator(".device-own")).to_contain_text("confirmed by Anna")
        anna.gate_go()

        bed.dose()
        before_us, taps = anna.now_us, len(anna.taps)
        anna.confirmed("dose")
        assert len(anna.taps) - taps == 2
        dosed = (before_us, anna.now_us)
        anna.until(4)
        bed.patient.pressure_now = PEAK
        anna.until(14)
        taps = len(anna.taps)
        anna.tap(anna.button("Severe headache"))
        assert len(anna.taps) - taps == 1
        anna.until_rung("symptom", "high")
        anna.tap(anna.page.locator("[data-alarm=symptom]").get_by_role("button").first)
        anna.tap(anna.page.locator('[data-mark="nausea"]'))
        anna.tab("Scores")
        anna.tap(anna.page.locator('[data-scale="pain"] [data-value="3"]'))
        anna.until(40)
        before_us = anna.now_us
        anna.confirmed("infusion_end")
        ended = (before_us, anna.now_us)
        anna.until(61)
        expect(anna.page.locator(".room-phase")).to_have_text("Descent")
        bed.patient.pressure_now = AFTER
        anna.until(91)
        expect(anna.page.locator(".room-phase")).to_have_text("Recovery")

        anna.until_done("nibp+120")
        anna.tab("Discharge")
        anna.tap(anna.button("Go to the discharge check"))
        expect(anna.page.locator(".room-phase")).to_have_text("Discharge check")
        _score_well(anna)
        anna.tab("Discharge")
        for criterion in ("ambulation", "escort"):
            line = anna.page.locator(f'[data-criterion="{criterion}"]')
            anna.tap(line.get_by_role("button", name="Tick"))
            expect(line).to_have_attribute("data-met", "met")
        summary = anna.page.locator(".discharge-summary")
        expect(summary).to_contain_text("all met at")
        expect(summary).to_contain_text("not a clinical judgement")
        anna.confirmed("sign_discharge")
        expect(anna.page.locator(".signed")).to_contain_text("Signed by Anna")
        anna.confirmed("finished")
        seen_elsewhere(clinic)
        anna.tap(anna.button("Close session…", anna.page.locator(".discharge")))
        expect(anna.form).to_contain_text("Dose 1: lot not entered")
        anna.press("Close session")
        expect(anna.page.locator(".room-nosession")).to_be_visible()
        clinic.stop()
    _check_infusion(Told(clinic.store), dosed, ended)


def _check_infusion(told: Told, dosed: Span, ended: Span) -> None:
    told.check_whole()
    session = told.session
    assert (session.subject_ref, session.route, session.mode) == ("KV-0417", "iv", "test")
    (dose,) = session.doses
    assert (dose.n, dose.kind, dose.drug, dose.mg) == (1, "dose", "Ketamine", 35.0)
    assert (dose.lot, dose.witness, dose.by) == ("", "", "Anna")
    assert dosed[0] <= dose.at_us == dose.marked_us == session.dose_us <= dosed[1]
    assert session.infusion_end_us is not None
    assert ended[0] <= session.infusion_end_us <= ended[1]
    assert {k: session.checkin[k] for k in ("weight_kg", "consent", "opioids", "probe_side")} == {
        "weight_kg": 70, "consent": True, "opioids": False, "probe_side": "right hand",
    }  # fmt: skip
    assert not session.same_arm
    assert session.own_alarm_by == {CUFF: "Anna", OXIMETER: "Anna"}
    gate = session.gate
    assert (gate["decision"], gate["state"], gate["by"]) == ("go", "clear", "Anna")
    assert "BP 124/78 and 124/78" in " ".join(gate["words"])
    assert [phase for phase, _ in told.phases] == [
        "CHECK_IN", "BASELINE", "DOSING", "ONSET_PEAK", "DESCENT", "RECOVERY", "DISCHARGE_CHECK",
        "CLOSED",
    ]  # fmt: skip
    by = dict(told.phases)
    assert (by["DESCENT"], by["RECOVERY"], by["DISCHARGE_CHECK"]) == ("", "", "Anna")
    assert told.phase_at("DESCENT") == pytest.approx(60)
    assert told.phase_at("RECOVERY") == pytest.approx(90)

    minutes = (0, 10, 20, 30, 40, 50, 60, 75, 90, 105, 120)
    owed = ["nibp-baseline-1", "nibp-baseline-2", *(f"nibp+{m}" for m in minutes)]
    assert told.outcomes == dict.fromkeys(owed, "done")
    for minute in minutes:
        reading = told.paid_by(f"nibp+{minute}")
        wanted = BEFORE if minute == 0 else PEAK if minute <= 60 else AFTER
        assert (reading.sys, reading.dia) == wanted, minute
        assert (reading.device, reading.manual, reading.failure) == (CUFF, False, "")
    assert session.baseline["nibp_sys"] == BEFORE[0]

    (mark,) = told.of("mark")
    assert (mark.actor, mark.body["mark"], mark.body["text"]) == ("Anna", "nausea", "Nausea")
    assert 14 <= told.minutes(mark.at_us) < 40
    (symptom,) = told.acted("symptom")
    assert (symptom.actor, symptom.body["args"]["text"]) == ("Anna", "Severe headache")
    rang = [one for one in told.data.alarms if one.rule == "symptom"]
    assert [(one.priority, one.acked_by) for one in rang] == [("high", "Anna")]
    scores = {row.body["scale"]: row for row in told.of("score")}
    assert {scale: row.body["value"] for scale, row in scores.items()} == {
        "pain": 3, "moaas": 5, "cadss6": 0,
    }  # fmt: skip
    assert {row.actor for row in scores.values()} == {"Anna"}

    assert {key: line["met"] for key, line in told.criteria.items()} == dict.fromkeys(
        ("minutes", "bp", "spo2", "sedation", "dissociation", "ambulation", "escort"), True
    )
    assert told.criteria["bp"]["words"].startswith("128/82")
    assert told.change("signed").body["met_us"] is not None
    assert (session.signed["by"], session.signed["role"]) == ("Anna", "nurse")
    assert session.finished_us is not None
    assert session.ended_us is not None
    assert told.owed == {"dose:1": "Dose 1: lot not entered"}
    assert told.data.coverage.off == ()
    assert told.data.coverage.nibp.planned == told.data.coverage.nibp.taken == len(owed)


def test_an_intranasal_session_with_all_that_goes_wrong_stands_in_the_record(
    tmp_path: Path, open_page: OpenPage
) -> None:
    with whole_clinic(tmp_path, speed=QUICK, route="intranasal") as (bed, clinic):
        bed.patient.pressure_now = BEFORE
        anna = Hand.at(open_page, clinic, "Anna")
        page = anna.page
        anna.open("intranasal")
        anna.all_no()
        anna.gate_go()
        bed.dose(0.5)
        anna.tap(anna.act("dose"))
        anna.form.get_by_label("Drug").fill("Esketamine")
        anna.form.get_by_label("Dose (mg)").fill("28")
        anna.form.get_by_label("Lot").fill("L-77")
        anna.press("Dose given now")
        expect(page.locator('[data-dose="1"]')).to_contain_text("Esketamine · 28 mg")
        anna.until(5)
        bed.dose(0.5)
        anna.tap(anna.act("part"))
        anna.form.get_by_label("Dose (mg)").fill("28")
        anna.form.get_by_label("Drug").fill("Esketamine")
        anna.press("Part given now")
        expect(page.locator('[data-dose="2"]')).to_contain_text("28 mg")

        # to the toilet and back
        anna.tap(anna.button("Off monitor…"))
        bed.patient.probe_on = False
        anna.press("Toilet")
        away = page.locator(".room-off")
        expect(away).to_contain_text("OFF MONITOR")
        expect(page.locator('.vital [data-channel="spo2"]')).to_have_text("--")
        expect(away).to_contain_text("Toilet")
        anna.tap(anna.button("Back on monitor"))
        bed.patient.probe_on = True  # with it on, it would have ended by itself in 10 s
        expect(away).to_be_hidden()
        expect(page.locator('.vital [data-channel="spo2"]')).to_have_attribute(
            "data-state", "fresh"
        )

        # the cuff fails twice: by hand
        bed.patient.cuff_works = False
        anna.until_rung("nibp-failed", "medium")
        anna.tap(anna.button("By hand…"))
        anna.form.get_by_label("SYS").fill("138")
        anna.form.get_by_label("DIA").fill("84")
        expect(anna.button("Save reading", anna.form)).to_be_in_viewport(ratio=0.9)
        anna.press("Save reading")
        anna.until_done("nibp+20")
        vital = page.locator('.vital [data-channel="nibp_sys"]')
        expect(vital).to_have_text("138")
        expect(vital).to_have_attribute("data-manual", "M")
        bed.patient.cuff_works = True
        bed.patient.pressure_now = PEAK
        anna.until_done("nibp+40")

        # held once, at its time; refused the next time
        anna.tap(anna.button("Hold cuff…"))
        anna.press("Deep in the experience")
        anna.until_state("nibp+60", "skipped")
        bed.patient.cuff_works = False
        anna.until_state("nibp+90", "due", "overdue")
        anna.tap(page.locator('[data-due="nibp+90"]').get_by_role("button"))
        anna.press("Refused by the patient")
        anna.until_state("nibp+90", "not_obtained")

        bed.patient.pressure_now, bed.patient.cuff_works = AFTER, True
        anna.tab("Discharge")
        anna.tap(anna.button("Go to the discharge check"))
        expect(page.locator(".room-phase")).to_have_text("Discharge check")
        _score_well(anna)
        anna.tab("Discharge")
        for criterion in ("ambulation", "escort"):
            line = page.locator(f'[data-criterion="{criterion}"]')
            anna.tap(line.get_by_role("button", name="Tick"))
        anna.until_done("nibp-discharge")
        minutes = page.locator('[data-criterion="minutes"]')
        anna.tap(minutes.get_by_role("button", name="Set aside"))
        anna.form.get_by_label("Reason").fill("prescriber has agreed")
        anna.press("Set aside")
        expect(minutes).to_have_attribute("data-met", "aside")
        expect(page.locator(".discharge-summary")).to_contain_text("1 set aside")
        anna.confirmed("sign_discharge")
        seen_elsewhere(clinic)
        anna.tap(anna.button("Close session…", page.locator(".discharge")))
        anna.form.get_by_label("Reason").fill("escort is in a hurry")
        anna.press("Close session")
        expect(page.locator(".room-nosession")).to_be_visible()
        clinic.stop()
    _check_intranasal(Told(clinic.store))


def _check_intranasal(told: Told) -> None:
    told.check_whole()
    session = told.session
    first, second = session.doses
    assert [(d.kind, d.drug, d.mg, d.lot) for d in session.doses] == [
        ("dose", "Esketamine", 28.0, "L-77"), ("part", "Esketamine", 28.0, ""),
    ]  # fmt: skip
    assert session.dose_us == first.at_us
    assert 5 <= told.minutes(second.at_us) < 15
    ((from_us, to_us),) = told.data.coverage.off
    gone, back = told.change("off monitor"), told.change("on monitor")
    assert (from_us, to_us) == (gone.at_us, back.at_us)
    assert (gone.actor, gone.body["reason"], back.actor) == ("Anna", "Toilet", "Anna")

    assert told.outcomes == {
        "nibp-baseline-1": "done", "nibp-baseline-2": "done", "nibp+20": "done",
        "nibp+40": "done", "nibp+60": "skipped", "nibp+90": "not_obtained",
        "nibp-discharge": "done",
    }  # fmt: skip
    failed = [one for one in told.data.pressures if one.failure]
    assert len(failed) >= 2
    assert {one.device for one in failed} == {CUFF}
    by_hand = told.paid_by("nibp+20")
    assert (by_hand.sys, by_hand.dia, by_hand.device) == (138, 84, "")
    assert by_hand.manual
    (entered,) = told.acted("reading")
    assert (entered.actor, entered.body["args"]["method"]) == ("Anna", "auscultation")
    for what, wanted in {"nibp+40": PEAK, "nibp-discharge": AFTER}.items():
        reading = told.paid_by(what)
        assert (reading.sys, reading.dia, reading.manual) == (*wanted, False)
    assert 35 <= told.minutes(told.paid_by("nibp+40").at_us) <= 50
    (held,) = told.acted("hold_cuff")
    assert held.body["args"] == {"reason": "Deep in the experience"}
    (refused,) = told.acted("not_obtained")
    assert refused.body["args"] == {"what": "nibp+90", "reason": "Refused by the patient"}

    line = told.criteria["minutes"]
    assert (line["met"], line["override"]) == (False, "prescriber has agreed (Anna)")
    assert [key for key, each in told.criteria.items() if not each["met"]] == ["minutes"]
    assert told.change("signed").body["met_us"] is None
    assert told.change("signed").body["text"] == "1 criteria set aside"
    assert told.change("closed").body["reason"] == "escort is in a hurry"
    assert set(told.owed) == {
        "checkin:patient", "checkin:plan", "checkin:devices", f"own-alarm:{CUFF}",
        f"own-alarm:{OXIMETER}", "dose:2",
    }  # fmt: skip


def _score_well(anna: Hand) -> None:
    """MOAA/S 5 and nothing of CADSS-6."""
    anna.tab("Scores")
    anna.tap(anna.page.locator('[data-scale="moaas"] [data-value="5"]'))
    sums = anna.page.locator('[data-scale="cadss6"]')
    for number in range(6):
        anna.tap(sums.locator('[data-value="0"]').nth(number))
    anna.tap(sums.get_by_role("button", name="Save sum 0"))
    expect(sums.locator(".score-last")).to_contain_text("0")

"""The figure of a session: what is drawn, and that nothing drawn was invented."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from dashboard.chart import Bar, Chart, Failure, LimitLine, Line, Mark, Spot, Strip
from dashboard.figures import session_figure
from dashboard.review.course import chart_of, outside
from dashboard.review.stretches import MOST_BARS, joined
from tests.dashboard import recorded
from tests.export import records
from tests.export.records import at
from vitals.export.session_data import Entry, NumericTrack, SessionData
from vitals.model import US
from vitals.session.expected import bands

START, END = records.START_US, records.START_US + 600 * US


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    return records.read(records.write(tmp_path_factory.mktemp("figure") / "vitals.db"))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    path: Path = tmp_path_factory.mktemp("long") / "ward.db"
    recorded.write(path)
    return records.read(path, uuid=recorded.UUID)


def numbers(column: Any) -> list[float]:
    """Plotly takes lists, and arrays as base64 of their bytes."""
    if isinstance(column, dict):
        raw = base64.b64decode(column["bdata"])
        return np.frombuffer(raw, dtype=column["dtype"]).tolist()  # type: ignore[no-any-return]
    return list(column)


def traces(figure: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace.get("name") == name]


def drawn(data: SessionData) -> dict[str, Any]:
    figure = session_figure(chart_of(data))
    assert orjson.loads(orjson.dumps(figure)) is not None  # it can be sent
    return figure


def line(seconds: int, channel: str = "spo2", device: str = "oxi", **changes: Any) -> Line:
    at_us = START + np.arange(seconds, dtype=np.int64) * US
    columns = {"value": np.full(seconds, 97.0), "doubted": np.zeros(seconds, dtype=bool)}
    return Line(channel, device, at_us, **(columns | changes))


def limit(channel: str, side: str, value: float, words: str = "") -> LimitLine:
    span = {"from_us": START, "to_us": END}
    return LimitLine(channel, side, 2, "high", value, own=False, words=words, **span)


def test_two_hours_are_drawn_second_by_second_without_what_is_invalid(long: SessionData) -> None:
    figure = drawn(long)
    (spo2,) = traces(figure, "SpO2")
    y = numbers(spo2["y"])
    assert np.nanmin(y) == 71
    assert 3 not in y  # an invalid number
    assert 6900 < len(y) < 7200
    (pulse,) = traces(figure, "PR")
    assert 110 not in numbers(pulse["y"])  # the cuff's is no part of the line


def test_a_gap_breaks_the_line_and_is_told(long: SessionData) -> None:
    figure = drawn(long)
    (spo2,) = traces(figure, "SpO2")
    assert np.isnan(numbers(spo2["y"])).sum() == 1
    bands_ = [s for s in figure["layout"]["shapes"] if s["type"] == "rect"]
    assert [round((s["x1"] - s["x0"]) / 1000) for s in bands_] == [240]
    assert "not recorded" in [note["text"] for note in figure["layout"]["annotations"]]


def test_a_hundred_thousand_values_become_few_and_the_extremes_stay() -> None:
    value = np.full(100_000, 97.0)
    value[55_555], value[77_777] = 61.0, 99.0
    chart = Chart(START, START + 100_000 * US, lines=[line(100_000, value=value)])
    y = numbers(traces(session_figure(chart), "SpO2")[0]["y"])
    assert len(y) <= 8000
    assert (min(y), max(y)) == (61, 99)


def test_values_from_another_year_squeeze_nothing(data: SessionData) -> None:
    track = next(t for t in data.numerics if t.channel.key == "spo2")
    late = track.at_us.copy()
    late[-1] += 10**9 * US
    stray = replace(data, numerics=(replace(track, at_us=late),))
    assert outside(stray) == 1
    (spo2,) = traces(drawn(stray), "SpO2")
    assert max(x for x in numbers(spo2["x"])) < END / 1000 + 7200_000
    assert outside(data) == 0


def test_questionable_values_stand_out(data: SessionData) -> None:
    (doubted,) = traces(drawn(data), "SpO2 questionable")
    low, high = ((at(s) // 1000 + 3600_000) for s in (200, 231))
    assert all(low <= x <= high for x in numbers(doubted["x"]))
    assert doubted["mode"] == "markers"


def test_two_devices_of_one_vital_are_two_lines() -> None:
    lines = [line(60), line(30, device="second")]
    found = traces(session_figure(Chart(START, END, lines=lines)), "SpO2")
    assert [trace["line"]["dash"] for trace in found] == ["solid", "dot"]
    assert "second" in found[1]["hovertemplate"]


def test_readings_by_hand_are_open_and_failures_say_why(data: SessionData) -> None:
    figure = drawn(data)
    (systolic,) = traces(figure, "SYS")
    by_hand = numbers(systolic["x"]).index(at(500) // 1000 + 3600_000)
    symbols = systolic["marker"]["symbol"]
    assert symbols[by_hand] == "triangle-down-open"
    assert symbols.count("triangle-down-open") == 1
    assert "131/84 mmHg" in systolic["text"][by_hand]
    assert "by hand" in systolic["text"][by_hand]
    (failed,) = traces(figure, "not obtained")
    assert [words.split(",")[0] for words in failed["text"]] == [
        "cuff leak",
        "the monitor gave no valid pressure",
        "the link was lost while measuring",
    ]


def test_limits_are_drawn_as_long_as_they_were_in_force(data: SessionData) -> None:
    own = {"state": {"limits": {"spo2-low": [None, None, 86, None]}}, "cause": "limit"}
    change = Entry(0, at(200), "session_change", "", "", "", own)
    figure = drawn(replace(data, entries=(*data.entries[:1], change)))
    lines = [t for t in traces(figure, "high limits") if t["yaxis"] == "y"]
    x, y = numbers(lines[0]["x"]), numbers(lines[0]["y"])
    spans = {(y[i], round((x[i] - x[0]) / 1000), round((x[i + 1] - x[0]) / 1000))
             for i in range(0, len(x), 3)}  # fmt: skip
    assert {(88, 0, 200), (86, 200, 600)} <= spans
    assert any("this patient's limit" in words for words in lines[0]["text"])
    right = {n["text"] for n in figure["layout"]["annotations"] if n.get("name") == "limit"}
    assert {"86*", "80", "92", "S 180", "D 110"} <= right


def test_only_an_axis_of_one_vital_is_tinted_beyond_its_limits() -> None:
    limits = [
        LimitLine("spo2", "low", 2, "high", 88, own=False, from_us=START, to_us=END, words=""),
        LimitLine(
            "nibp_sys", "high", 2, "high", 180, own=False, from_us=START, to_us=END, words=""
        ),
    ]
    figure = session_figure(Chart(START, END, limits=limits))
    tinted = [trace for trace in figure["data"] if trace.get("fill") == "toself"]
    assert [trace["yaxis"] for trace in tinted] == ["y"]
    assert set(tinted[0]["y"]) == {88, 78, None}  # to the foot of the axis


def test_of_heart_and_pulse_rate_the_one_that_is_looked_at_has_the_lines() -> None:
    limits = [limit("hr", "high", 130), limit("pr", "high", 131)]
    pulse = line(5, "pr", value=np.full(5, 72.0))
    heart = line(5, "hr", value=np.full(5, 72.0))
    for lines, drawn_at in (([pulse], 131), ([pulse, heart], 130), ([], 131)):
        figure = session_figure(Chart(START, END, lines=lines, limits=limits))
        (trace,) = traces(figure, "high limits")
        assert trace["y"] == [drawn_at, drawn_at, None]


def test_the_expected_course_is_a_band_that_says_it_is_no_limit(data: SessionData) -> None:
    with_baseline = replace(data.session, baseline={"nibp_sys": 120.0, "nibp_dia": 80.0})
    record = replace(data.record, session=with_baseline)
    figure = drawn(replace(data, record=record))
    courses = traces(figure, "expected course – not a limit")
    assert len(courses) == 2
    assert max(courses[0]["y"]) <= max(bands("im", {"nibp_sys": 120.0})["nibp_sys"].high)
    words = [note["text"] for note in figure["layout"]["annotations"]]
    assert "expected course – not a limit" in words
    assert traces(drawn(data), "expected course – not a limit") == []  # no baseline of pressure


def test_phases_alarms_and_devices_stand_on_strips(data: SessionData) -> None:
    strips = {strip.name: strip.bars for strip in chart_of(data).strips}
    assert [(b.text, (b.from_us - START) // US) for b in strips["Phase"]] == [
        ("Check-in", 0),
        ("Onset / peak", 120),
    ]
    (alarm,) = strips["Alarms"]
    assert (alarm.look, alarm.from_us, alarm.to_us) == ("high", at(150), at(170))
    assert "acknowledged by" in alarm.words
    assert [bar.text for bar in strips["BP from"]] == ["by hand", "cuff"] or [
        bar.text for bar in strips["BP from"]
    ] == ["cuff", "by hand"]
    assert [bar.text for bar in strips["Pleth from"]] == ["oxi"]
    assert [bar.text for bar in strips["PR from"]] == ["oxi"]  # the cuff's is no running vital
    figure = drawn(data)
    ticks = figure["layout"]["yaxis4"]["ticktext"]
    assert ticks == list(reversed([*strips, "Events"]))


def test_a_device_that_is_away_for_long_has_two_stretches() -> None:
    at_us = np.array([0, 1, 2, 100, 101], dtype=np.int64) * US
    assert joined(at_us, 60 * US) == [(0, 2 * US), (100 * US, 101 * US)]
    torn = np.arange(5000, dtype=np.int64) * 120 * US
    assert len(joined(torn, 60 * US)) <= MOST_BARS


def test_the_dose_and_marks_have_lines_words_and_signs(data: SessionData) -> None:
    figure = drawn(data)
    (events,) = traces(figure, "Events")
    assert any("score: MOAA/S 4" in words for words in events["text"])
    words = [note["text"] for note in figure["layout"]["annotations"]]
    assert "dose" in words
    paths = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "path"]
    assert len(paths) == 2  # the dose's own
    assert paths[0]["path"].count("M") == 1
    assert paths[1]["path"].count("M") == len(events["x"]) - 1


def test_a_score_is_written_with_its_number(data: SessionData) -> None:
    """What is cut off is the explanation, never the number."""
    told = "Sedation (MOAA/S) 4: lethargic to name"
    score = Entry(1, at(190), "score", told, "Bob", "", {})
    (mark,) = chart_of(replace(data, entries=(score,))).marks
    assert (mark.short, mark.words) == ("MOAA/S 4", f"score: {told} (Bob)")


def test_words_that_find_no_room_are_left_to_the_pointer() -> None:
    marks = [Mark(START + n * US // 10, "mark", f"word {n}", f"word {n}") for n in range(50)]
    figure = session_figure(Chart(START, END, marks=marks))
    assert len([n for n in figure["layout"]["annotations"] if n["name"] == "mark"]) == 3
    assert len(traces(figure, "Events")[0]["x"]) == 50


def test_nothing_that_people_wrote_is_read_as_a_tag() -> None:
    evil = '<a href="javascript:alert(1)">x</a>&<b>\n'
    chart = Chart(
        START,
        END,
        lines=[line(10, device=evil)],
        spots=[Spot("nibp_sys", START, 120, by_hand=True, words=evil)],
        failures=[Failure(START, evil)],
        limits=[limit("spo2", "low", 88, evil)],
        marks=[Mark(START, "mark", evil, evil)],
        strips=[Strip("Phase", [Bar(START, END, evil, "even", evil)])],
    )  # fmt: skip
    sent = orjson.dumps(session_figure(chart)).decode()
    assert "<a" not in sent
    assert "<b>" not in sent
    assert "&lt;a href" in sent


def test_the_axis_is_the_clinics_local_time(long: SessionData) -> None:
    # 1,800,000,000 s is 2027-01-15 08:00 UTC; the record says +0200
    figure = drawn(long)
    assert figure["layout"]["xaxis"]["range"][0] == (1_800_000_000 + 7200) * 1000
    assert figure["axis"]["utc_offset_s"] == 7200


def test_a_session_without_numbers_has_an_empty_figure(data: SessionData) -> None:
    empty = replace(data, numerics=(), waves=(), pressures=(), entries=(), alarms=(), gaps=())
    figure = drawn(empty)
    assert not any(trace.get("name") in ("SpO2", "PR", "SYS") for trace in figure["data"])
    assert session_figure(Chart(START, END))["data"] == []
    assert session_figure(Chart(START, END, lines=[line(0)]))["data"] == []


def test_a_value_beyond_the_usual_widens_its_axis() -> None:
    figure = session_figure(Chart(START, END, lines=[line(5, value=np.full(5, 41.0))]))
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 41
    assert high == 101


def test_breathing_has_a_panel_only_where_it_was_measured() -> None:
    with_rr = session_figure(Chart(START, END, lines=[line(5, "rr", value=np.full(5, 14.0))]))
    assert "RR /min" in str(with_rr["layout"])
    assert "RR /min" not in str(session_figure(Chart(START, END))["layout"])


def test_a_pulse_that_somebody_entered_is_a_spot_and_no_line(data: SessionData) -> None:
    oxi = next(t for t in data.numerics if t.channel.key == "pr" and t.device == "oxi")
    entered = NumericTrack("", oxi.channel, oxi.at_us[:2], oxi.value[:2], oxi.quality[:2],
                           ("manual",) * 2, (None,) * 2)  # fmt: skip
    chart = chart_of(replace(data, numerics=(entered,), pressures=()))
    assert chart.lines == []
    assert [spot.by_hand for spot in chart.spots] == [True, True]

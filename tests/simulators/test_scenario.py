"""Scenario files: what they may say, and how they are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import scenario
from simulators.events import CUFF_REASONS, KINDS, Event
from vitals.errors import ConfigError


def parse(text: str) -> scenario.Scenario:
    return scenario.parse(text, path="mine.toml")


def event(kind: str, more: str = "") -> Event:
    return parse(f'[[event]]\nat_s = 5\nkind = "{kind}"\nlasting_s = 600\n{more}').events[0]


def test_the_shipped_scenarios_load() -> None:
    assert {
        "calm",
        "desaturation",
        "hypertension",
        "bradycardia",
        "motion",
        "probe-off",
        "cuff-failure",
        "link-drop",
        "mixed",
    } <= set(scenario.names())
    for name in scenario.names():
        told = scenario.load(name)
        assert told.name == name
        assert told.description


def test_calm_has_no_events() -> None:
    assert scenario.load("calm").events == ()


def test_mixed_shows_every_kind_and_key() -> None:
    events = scenario.load("mixed").events
    missing = set(KINDS) - {e.kind for e in events}
    assert missing == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_stands_by_its_defaults(kind: str) -> None:
    made = event(kind)
    for key, default in KINDS[kind].defaults.items():
        assert getattr(made, key) == default, key


@pytest.mark.parametrize("reason", CUFF_REASONS)
def test_a_cuff_failure_carries_its_reason(reason: str) -> None:
    assert event("cuff_failure", f'reason = "{reason}"').faults == ("cuff_failure", reason)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('[[event]]\nkind = "desaturated"\nat_s = 1\nlasting_s = 9', "kind", '"desaturation"'),
        ("[[event]]\nat_s = 1\nlasting_s = 9", "kind", "kind must be one of"),
        ('[[event]]\nkind = "motion"\nlasting_s = 9', "at_s", "at_s is missing"),
        ('[[event]]\nkind = "motion"\nat_s = 1', "lasting_s", "lasting_s is missing"),
        ('[[event]]\nkind = "motion"\nat_s = -1\nlasting_s = 9', "at_s", "from 0 to"),
        ('[[event]]\nkind = "motion"\nat_s = true\nlasting_s = 9', "at_s", "number"),
        ('[[event]]\nkind = "motion"\nat_s = 1\nlasting_s = 9\ndrops = 3', "drops", '"drop"'),
        ('[[event]]\nkind = "probe_off"\nat_s = 1\nlasting_s = 9\nto = 3', "to", "no key 'to'"),
        ('[[event]]\nkind = "desaturation"\nat_s = 1\nlasting_s = 9\nto = 8', "to", "50 to 100"),
        (
            '[[event]]\nkind = "desaturation"\nat_s = 1\nlasting_s = 9\nrise_s = 10',
            "rise_s",
            "never be reached",
        ),
        (
            '[[event]]\nkind = "hypertension"\nat_s = 1\nlasting_s = 9\nto = 160\nto_dia = 150',
            "to_dia",
            "15 below",
        ),
        (
            '[[event]]\nkind = "cuff_failure"\nat_s = 1\nlasting_s = 9\nreason = "cuff_lose"',
            "reason",
            '"cuff_loose"',
        ),
        (
            '[[event]]\nkind = "link_drop"\nat_s = 1\nlasting_s = 9\nmonitor = 4',
            "monitor",
            "must be text",
        ),
        ("event = 4", "event", "[[event]]"),
        ("dose_at = 4", "dose_at", '"dose_at_s"'),
        ('dose_at_s = "soon"', "dose_at_s", "number"),
        ('route = "oral"', "route", "known are iv"),
        ('cuff_arm = "left"', "cuff_arm", '"other" or "same"'),
        ("description = 4", "description", "must be text"),
        ("at_s = [", "", "not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(text: str, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.key == key
    assert says in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")


def test_the_message_says_which_event() -> None:
    first = '[[event]]\nkind = "motion"\nat_s = 1\nlasting_s = 9\n'
    with pytest.raises(ConfigError, match=r"event 2 \(motion\)"):
        parse(first + first + "x = 1")


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match='did you mean "desaturation"'):
        scenario.load("desaturations")


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("dose_at_s = 30\n")
    assert scenario.load(path).dose_at_s == 30
    assert scenario.load(str(path)).name == "mine"


def test_a_missing_or_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        scenario.load(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        scenario.load(bad)


def test_a_short_event_reaches_its_value_all_the_same() -> None:
    text = '[[event]]\nat_s = 5\nkind = "hypertension"\nlasting_s = 20\n'
    assert parse(text).events[0].rise_s == 20


@given(
    at=st.floats(0, 1e4),
    rise=st.floats(0, 300),
    more=st.floats(0.1, 300),
    fall=st.floats(0, 300),
)
def test_the_weight_is_one_from_rise_to_end_and_nothing_outside(
    at: float, rise: float, more: float, fall: float
) -> None:
    made = Event(at, "desaturation", rise + more, to=85, rise_s=rise, fall_s=fall)
    grid = np.linspace(at - 10, made.end_s + fall + 10, 500)
    weight = made.weight(grid)
    assert weight.min() >= 0
    assert weight.max() <= 1
    assert np.all(weight[grid < at] == 0)
    assert np.all(weight[grid > made.end_s + fall + 0.01] == pytest.approx(0, abs=1e-9))
    whole = (grid > at + rise + 0.01) & (grid < made.end_s)
    assert np.all(weight[whole] == 1)


def test_delaying_moves_the_whole_event() -> None:
    late = event("motion").delayed(100)
    assert (late.at_s, late.end_s) == (105, 705)
    assert not late.present(104.9)
    assert late.present(105)
    assert not late.present(705)

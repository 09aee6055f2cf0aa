"""A rule moved within the hard bounds: what can be moved, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.alarms import tuning
from vitals.alarms.profile import BOUNDS, LONGEST_HOLD_S, check, load, mildest_high, parse
from vitals.errors import ConfigError
from vitals.model import Rule

RULES = {rule.id: rule for rule in load().rules}
SPO2, SYS = RULES["spo2-low"], RULES["sbp-high"]


def keys(rule: Rule) -> list[list[str]]:
    return [[knob.key for knob in tuning.knobs(rule, level)] for level in rule.levels]


def moved(rule: Rule, level: int, **values: Any) -> Rule:
    moves: list[dict[str, Any]] = [{} for _ in rule.levels]
    moves[level] = values
    return tuning.changed(rule, moves)


def test_limits_delays_and_distances_from_the_baseline_can_be_moved() -> None:
    assert keys(SPO2) == [["over_baseline", "hold_s"], *[["limit", "hold_s"]] * 3]
    assert keys(SYS) == [["over_baseline_pct"], ["limit", "over_baseline", "readings"], ["limit"]]
    assert keys(RULES["nibp-overdue"]) == [["hold_s"], ["hold_s"]]
    assert keys(RULES["symptom"]) == [[]]
    assert tuning.title(SPO2) == "SpO2 too low"
    assert tuning.title(RULES["nibp-overdue"]) == "BP overdue"


def test_a_knob_ends_where_the_hard_bounds_are() -> None:
    medium, high, worst = (tuning.knobs(SPO2, level)[0] for level in SPO2.levels[1:])
    assert (high.least, high.most) == BOUNDS["spo2-low"] == (85, 92)
    assert (medium.least, medium.most) == (85, 100)
    assert (worst.least, worst.most) == (1, 92)
    above = tuning.knobs(SYS, SYS.levels[1])[0]
    assert (above.least, above.most, above.unit) == (40, 200, "mmHg")
    delay = tuning.knobs(SPO2, SPO2.levels[2])[1]
    assert (delay.least, delay.most) == (0, LONGEST_HOLD_S)


def test_a_moved_limit_takes_the_value_at_which_it_clears_along() -> None:
    rule = moved(SPO2, 1, limit=94.0, hold_s=20)
    assert (rule.levels[1].limit, rule.levels[1].clear, rule.levels[1].hold_s) == (94, 96, 20)
    assert rule.levels[2] == SPO2.levels[2]


@pytest.mark.parametrize(
    ("level", "values", "why"),
    [
        (2, {"limit": 84}, "limit must be from 85 to 92 %"),
        (2, {"hold_s": 31}, "hold_s must be from 0 to 30 s"),
        (2, {"limit": math.nan}, "limit must be"),
        (2, {"limit": True}, "limit must be"),
        (2, {"limit": "88"}, "limit must be"),
        (2, {"priority": "low"}, "has no 'priority'; can be moved: limit, hold_s"),
        (1, {"limit": 87}, "from the mildest to the worst limit"),
        (1, {"limit": 92}, "is as it was"),
        (1, {}, "is as it was"),
    ],
)
def test_what_could_not_be_in_force_is_refused_in_a_sentence(
    level: int, values: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        moved(SPO2, level, **values)


def test_moves_are_for_all_levels_of_the_rule() -> None:
    with pytest.raises(ConfigError, match="has 4 levels, not 1"):
        tuning.changed(SPO2, [{"limit": 90}])
    with pytest.raises(ConfigError, match="readings are whole"):
        moved(SYS, 1, readings=1.5)
    assert moved(SYS, 1, readings=1.0).levels[1].readings == 1


def test_the_rule_takes_the_place_of_its_own_in_a_profile() -> None:
    rule = moved(SPO2, 1, hold_s=20)
    profile = tuning.put_in(load(), rule)
    assert [each.id for each in profile.rules] == list(RULES)
    assert {each for each in profile.rules if each not in RULES.values()} == {rule}
    assert parse(profile.text, Path("x")).rules == profile.rules
    with pytest.raises(ConfigError, match="has no rule"):
        tuning.put_in(tuning.put_in(load(), rule), Rule("other", "pr", "high", rule.levels))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_lines_for_a_profile_give_the_very_rule(rule: Rule) -> None:
    profile = check('version = "mine"\n' + tuning.as_toml(rule), Path("mine.toml"))
    assert next(each for each in profile.rules if each.id == rule.id) == rule


@given(data=st.data())
def test_any_knob_within_its_ends_gives_a_rule_within_the_bounds_or_a_sentence(
    data: st.DataObject,
) -> None:
    rule = data.draw(st.sampled_from(list(RULES.values())))
    moves = []
    for level in rule.levels:
        some = data.draw(st.sets(st.sampled_from(tuning.knobs(rule, level) or [None])))
        moves.append(
            {
                knob.key: data.draw(st.floats(knob.least, knob.most))
                for knob in some
                if knob is not None
            }
        )
    try:
        found = tuning.changed(rule, moves)
    except ConfigError:
        return
    high = mildest_high(found)
    if found.id in BOUNDS and high is not None and high.limit is not None:
        assert BOUNDS[found.id][0] <= high.limit <= BOUNDS[found.id][1]
    assert parse(tuning.put_in(load(), found).text, Path("x")).rules

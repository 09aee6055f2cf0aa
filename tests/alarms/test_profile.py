"""A clinic's profile over the shipped one, and the bounds that no profile can pass."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitals.alarms.profile import BOUNDS, DEFAULT, LONGEST_HOLD_S, Profile, load, parse
from vitals.errors import ConfigError
from vitals.model import Priority, Rule

SHIPPED = load()
OUTSIDE = [
    (rule, limit) for rule, (least, most) in BOUNDS.items() for limit in (least - 1, most + 1)
]
INSIDE = [(name, limit) for name, bounds in BOUNDS.items() for limit in bounds]


def by_id(profile: Profile) -> dict[str, Rule]:
    return {rule.id: rule for rule in profile.rules}


def rule(rule_id: str, *levels: str, **changed: object) -> str:
    """A rule as in the shipped profile, with other levels; `changed` keys of the rule."""
    shipped = by_id(SHIPPED).get(rule_id)
    found: dict[str, object] = {"side": "high", "channel": "pi"}
    if shipped is not None:
        found = {"side": shipped.side, "channel": shipped.channel, "by_reading": shipped.by_reading}
    lines = [f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}"
             for k, v in {"id": rule_id, **found, **changed}.items()]  # fmt: skip
    return "[[rule]]\n" + "\n".join(lines) + f"\nlevel = [{', '.join(levels)}]\n"


def level(priority: str, limit: float | None = None, more: str = "") -> str:
    where = "" if limit is None else f", limit = {limit:g}"
    return f'{{ priority = "{priority}"{where}{more} }}'


class Clinic:
    """The file of a clinic."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mine.toml"

    def load(self, *rules: str, head: str = 'version = "clinic-3"\n') -> Profile:
        self.path.write_text(head + "".join(rules), encoding="utf-8")
        return load(self.path)

    def refused(self, *rules: str, head: str = 'version = "clinic-3"\n') -> str:
        """The sentence of the refusal, without the file's name."""
        with pytest.raises(ConfigError) as refusal:
            self.load(*rules, head=head)
        said = str(refusal.value)
        assert said.startswith(f"{self.path}: ")
        assert "\n" not in said
        return said.removeprefix(f"{self.path}: ")


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


# --- over the shipped profile ------------------------------------------------------------------


def test_without_a_file_the_shipped_profile_is_in_force() -> None:
    assert SHIPPED.version == "default-3"
    assert SHIPPED.text == DEFAULT.read_text(encoding="utf-8")
    assert {*BOUNDS} <= {*by_id(SHIPPED)}


def test_a_rule_of_a_known_id_replaces_that_rule_whole_and_no_other(clinic: Clinic) -> None:
    found = clinic.load(rule("spo2-low", level("high", 90)))
    assert [r.id for r in found.rules] == [r.id for r in SHIPPED.rules]
    for new, old in zip(found.rules, SHIPPED.rules, strict=True):
        assert (new == old) == (new.id != "spo2-low")
    (only,) = by_id(found)["spo2-low"].levels
    assert (only.limit, only.hold_s, only.samples) == (90, 0, 0)


def test_a_high_level_of_a_vital_latches_whatever_the_file_says(clinic: Clinic) -> None:
    found = clinic.load(rule("spo2-low", level("high", 90, ", latching = false")))
    assert by_id(found)["spo2-low"].levels[0].latching


def test_a_physiological_rule_of_a_new_id_is_added(clinic: Clinic) -> None:
    found = clinic.load(rule("pi-low", level("low", 0.3, ", hold_s = 30"), side="low"))
    assert found.rules[:-1] == SHIPPED.rules
    assert (found.rules[-1].id, found.rules[-1].channel) == ("pi-low", "pi")


def test_a_technical_rule_may_have_shorter_delays_and_no_longer_ones(clinic: Clinic) -> None:
    with pytest.raises(ConfigError, match="from 0 to 30 s"):
        clinic.load(rule("link-lost", level("medium", None, ", hold_s = 60")))
    found = clinic.load(rule("link-lost", level("medium", None, ", hold_s = 20")))
    assert by_id(found)["link-lost"].levels[0].hold_s == 20
    assert by_id(found)["spo2-no-data"] == by_id(SHIPPED)["spo2-no-data"]


@pytest.mark.parametrize(
    ("rule_id", "hint"),
    [
        ("spo2-nodata", 'did you mean "spo2-no-data"?'),
        ("linklost", 'did you mean "link-lost"?'),
        ("zzz", "known are symptom, nurse-call, spo2-no-data, signal-lost, link-lost"),
    ],
)  # fmt: skip
def test_a_technical_condition_that_nobody_looks_for_is_refused(
    rule_id: str, hint: str, clinic: Clinic
) -> None:
    said = clinic.refused(rule(rule_id, level("low"), side="technical", channel=""))
    assert said.startswith(f"rule '{rule_id}': there is no such technical condition; {hint}")


def test_the_version_names_both_and_the_text_needs_no_other_file(clinic: Clinic) -> None:
    found = clinic.load(rule("pi-low", level("low", 0.3), side="low"))
    assert found.version == "clinic-3 on default-3"
    assert parse(found.text, clinic.path).rules == found.rules
    assert found.text.count("[[rule]]") == len(found.rules)


def test_the_documented_example_is_in_force(clinic: Clinic) -> None:
    page = (Path(__file__).parents[2] / "docs/alarms.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    found = clinic.load(example, head="")
    assert f'"{found.version}"' in example
    assert [each.limit for each in by_id(found)["spo2-low"].levels] == [93, 90]


def test_a_changed_copy_of_the_shipped_file_cannot_pass_for_it(clinic: Clinic) -> None:
    copy = SHIPPED.text.replace("limit = 88", "limit = 87")
    assert clinic.load(copy, head="").version == "default-3 on default-3"
    assert clinic.load(SHIPPED.text, head="") == SHIPPED


@pytest.mark.parametrize(
    ("rule_id", "changed", "words"),
    [
        ("spo2-low", {"channel": "pr"}, 'channel is "pr"; it must stay "spo2"'),
        ("spo2-low", {"side": "high"}, 'side is "high"; it must stay "low"'),
        ("link-lost", {"side": "low", "channel": "pi"}, 'side is "low"; it must stay "technical"'),
        ("sbp-high", {"by_reading": False}, "by_reading is false; it must stay true"),
    ],
)
def test_a_known_rule_goes_on_watching_what_it_watched(
    rule_id: str, changed: dict[str, object], words: str, clinic: Clinic
) -> None:
    said = clinic.refused(rule(rule_id, level("high", 90), **changed))
    assert said == f"rule '{rule_id}': {words}, as shipped"


# --- hard bounds -------------------------------------------------------------------------------


def test_the_shipped_profile_is_within_the_bounds(clinic: Clinic) -> None:
    assert clinic.load(SHIPPED.text, "# a copy", head="").rules == SHIPPED.rules


def test_the_bounds_are_those_of_the_specification() -> None:
    assert BOUNDS == {
        "spo2-low": (85, 92), "sbp-high": (160, 200), "hr-high": (110, 150),
        "pr-high": (110, 150), "hr-low": (35, 50), "pr-low": (35, 50),
        "sbp-low": (70, 100),
    }  # fmt: skip
    assert LONGEST_HOLD_S == 30


@pytest.mark.parametrize(("rule_id", "limit"), OUTSIDE)
def test_a_high_level_beyond_its_bounds_is_refused(
    rule_id: str, limit: float, clinic: Clinic
) -> None:
    least, most = BOUNDS[rule_id]
    unit = {"spo2": "%", "sbp": "mm[Hg]"}.get(rule_id.partition("-")[0], "/min")
    assert clinic.refused(rule(rule_id, level("high", limit))) == (
        f"rule '{rule_id}': the mildest level of priority high has its limit at {limit:g}; "
        f"it must be from {least:g} to {most:g} {unit}"
    )


@pytest.mark.parametrize(("rule_id", "limit"), INSIDE)
def test_a_high_level_at_its_bounds_is_in_force(rule_id: str, limit: float, clinic: Clinic) -> None:
    found = clinic.load(rule(rule_id, level("high", limit)))
    assert by_id(found)[rule_id].levels[0].limit == limit


def test_the_mildest_high_level_counts_not_the_worst_nor_a_medium(clinic: Clinic) -> None:
    levels = (level("medium", 94), level("high", 90), level("high", 70))
    assert len(by_id(clinic.load(rule("spo2-low", *levels)))["spo2-low"].levels) == 3
    levels = (level("medium", 90), level("high", 84), level("high", 70))
    assert "limit at 84; it must be from 85 to 92 %" in clinic.refused(rule("spo2-low", *levels))


def test_a_worse_level_cannot_take_the_high_away(clinic: Clinic) -> None:
    said = clinic.refused(rule("spo2-low", level("high", 90), level("medium", 89.9)))
    assert said == "rule 'spo2-low': levels must go from the mildest to the worst priority"


@pytest.mark.parametrize(
    "rule_id", [r.id for r in SHIPPED.rules if r.levels[-1].priority is Priority.HIGH]
)
def test_a_rule_that_has_a_high_level_keeps_one(rule_id: str, clinic: Clinic) -> None:
    technical = by_id(SHIPPED)[rule_id].side == "technical"
    said = clinic.refused(rule(rule_id, level("medium", None if technical else 90)))
    must = f"rule '{rule_id}': has no level of priority high; it must keep one"
    assert said.startswith(must)
    if rule_id in BOUNDS:
        least, most = BOUNDS[rule_id]
        assert f" with its limit from {least} to {most} " in said
    else:
        assert said == must


@pytest.mark.parametrize("rule_id", ["spo2-low", "rr-low", "of-our-own"])
def test_no_vital_may_be_out_for_longer_than_the_bound(rule_id: str, clinic: Clinic) -> None:
    def asked(hold_s: float) -> str:
        side = "low" if rule_id != "of-our-own" else "high"
        first = level("medium", 91, f", hold_s = {hold_s}")
        last = level("high", 90 if side == "low" else 92)
        return rule(rule_id, first, last, side=side)

    clinic.load(asked(30))
    said = clinic.refused(asked(30.5))
    assert said == f"rule '{rule_id}': hold_s is 30.5; it must be from 0 to 30 s"


def test_the_record_of_another_time_is_readable_beyond_todays_bounds() -> None:
    text = 'version = "old"\n' + rule("spo2-low", level("high", 80))
    text += rule("gone", level("low"), side="technical", channel="")
    found = by_id(parse(text, Path("the record")))
    assert found["spo2-low"].levels[0].limit == 80
    assert "gone" in found


# --- form --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('version = "x"\naudio_pause_s = 600\n' + rule("spo2-low", level("high", 90)),
         "there is no key 'audio_pause_s'; known are rule, version"),
        (rule("spo2-low", level("high", 90)), "needs a version and at least one [[rule]]"),
        ('version = "x"\n', "needs a version and at least one [[rule]]"),
        ('version = "x"\n' + rule("pi", level("low", 1)) * 2, "rule 'pi' is there twice"),
        ('version = "x"\n' + rule("link-lost:ox", level("low", 1)),
         "rule 'link-lost:ox': an id has letters, digits, dots, dashes and underscores only"),
        ('version = "x"\n' + rule("", level("low", 1)), "rule '': needs an id"),
        ('version = "x"\n' + rule("pi", level("low", 1), side="up"),
         "rule 'pi': side must be high, low or technical"),
        ('version = "x"\n' + rule("pi", level("low", 1), channel="po"),
         "rule 'pi': there is no channel 'po'; known are hr, pr, spo2"),
        ('version = "x"\n' + rule("pi", level("low")), "rule 'pi': each level needs a limit"),
        ('version = "x"\n' + rule("pi", level("loud", 1)),
         "rule 'pi': each level needs a priority"),
    ],
)  # fmt: skip
def test_a_file_that_says_what_cannot_be_is_refused(text: str, words: str, clinic: Clinic) -> None:
    assert clinic.refused(text, head="").startswith(words)


def test_a_rule_without_a_label_has_its_channels(clinic: Clinic) -> None:
    found = by_id(clinic.load(rule("spo2-low", level("high", 90))))
    assert found["spo2-low"].label == "SpO2"


LEVELS = st.tuples(st.sampled_from(Priority), st.floats(1, 300), st.floats(0, 60))


@settings(deadline=None)
@given(
    st.sampled_from([r for r in SHIPPED.rules if r.side != "technical"]),
    st.lists(LEVELS, min_size=1, max_size=4),
)
def test_whatever_is_in_force_is_within_the_bounds(
    tmp_path_factory: pytest.TempPathFactory,
    shipped: Rule,
    levels: list[tuple[Priority, float, float]],
) -> None:
    levels = sorted(levels, key=lambda each: each[0].rank)
    limits = sorted((limit for _, limit, _ in levels), reverse=shipped.side == "low")
    made = [
        level(priority, limit, f", hold_s = {hold_s}")
        for (priority, _, hold_s), limit in zip(levels, limits, strict=True)
    ]
    path = tmp_path_factory.mktemp("p") / "mine.toml"
    path.write_text('version = "x"\n' + rule(shipped.id, *made))
    with contextlib.suppress(ConfigError):
        found = by_id(load(path))[shipped.id]
        first = next(each for each in found.levels if each.priority is Priority.HIGH)
        least, most = BOUNDS.get(found.id, (0, 300))
        assert first.limit is not None
        assert least <= first.limit <= most
        signals = [each for each in found.levels if each.priority is not Priority.INFO]
        assert all(each.hold_s <= 30 for each in signals)

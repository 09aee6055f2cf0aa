"""Whatever happened in a session: rules that judge the same would give the same alarms."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.station.test_replay import STEPS, Computer, Step, live
from vitals.alarms.profile import load
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.what_if import of_session

pytestmark = pytest.mark.long

SHIPPED = load()
RENAMED = replace(
    SHIPPED, version="other words", rules=tuple(replace(r, label="X") for r in SHIPPED.rules)
)
"""Another profile, so that every rule is folded anew, of which no limit is different."""


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_other_words_are_no_other_alarms(
    monkeypatch: pytest.MonkeyPatch, steps: list[Step]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr("vitals.clock.boottime_ns", computer := Computer())
        asyncio.run(live(Path(folder), computer, steps))
        reader = Reader(Path(folder) / "vitals.db")
        (record,) = reader.sessions()
        found = of_session(recorded(reader, record.session.id), RENAMED)
    assert len(found.changed) == len(SHIPPED.rules)
    assert found.would_be == found.were
    assert found.refused == 0

"""Taking names out of what was read is the same as reading it without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export import records, whole
from tests.export.records import ANNA
from vitals.export import pdf, rems_pdf
from vitals.export.unnamed import unnamed
from vitals.store.rows import AuditRow


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names also in words, in the reason of a failure, and of people who never did anything."""
    leak = {"device": "cuff", "code": "nibp_failed", "active": True, "detail": f"{ANNA} moved it"}
    rows = [
        AuditRow(90, records.at(260), records.UUID, "room-1", "", "", "notice", leak),
        AuditRow(91, records.at(270), records.UUID, "room-1", "Cleo", "", "mark", {"text": "Bob"}),
    ]
    return records.write(tmp_path_factory.mktemp("unnamed") / "vitals.db", 60 * 10, rows=rows)


def test_it_is_the_same_as_reading_without_names(path: Path) -> None:
    plain, found = records.read(path), unnamed(records.read(path, names=True))
    assert found.entries == plain.entries
    assert found.session == plain.session
    assert found.alarms == plain.alarms
    assert found.pressures == plain.pressures
    assert found.coverage == plain.coverage
    assert found.facts() == plain.facts()


@pytest.mark.parametrize("form", [pdf, rems_pdf])
def test_no_name_is_printed(path: Path, form: whole.Format) -> None:
    named = records.read(path, names=True)
    assert ANNA in " ".join(whole.texts(whole.printed(pdf, named)))
    words = " ".join(whole.texts(whole.printed(form, unnamed(named))))
    for name in (*ANNA.split(), "Bob", "Cleo"):
        assert name not in words


def test_what_has_no_names_stays_as_it_is(path: Path) -> None:
    plain = records.read(path)
    assert unnamed(plain) is plain

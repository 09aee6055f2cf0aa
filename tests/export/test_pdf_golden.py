"""The pages of a whole session look as they did when somebody looked at them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.export import pictures, whole
from vitals.export import pdf, rems_pdf
from vitals.export.session_data import SessionData


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    return whole.read(tmp_path_factory.mktemp("golden") / "whole.db")


@pytest.mark.parametrize("name", pictures.PAGES)
def test_a_page_looks_as_it_did(session: SessionData, name: str, tmp_path: Path) -> None:
    now = pictures.drawn(session, name)
    greatest, mean = pictures.apart(now, pictures.kept(name))
    pictures.save(now, tmp_path / f"{name}.png")
    words = f"{name} differs by {greatest:.0f} at most and {mean:.2f} on average: {tmp_path}"
    assert greatest <= pictures.MOST, words
    assert mean <= pictures.MEAN, words


@pytest.mark.parametrize(("form", "name"), [(pdf, "report"), (rems_pdf, "rems")])
def test_a_page_says_what_it_said(session: SessionData, form: whole.Format, name: str) -> None:
    kept = (pictures.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert whole.texts(whole.printed(form, session)) == kept.strip().split("\n\n")


def test_a_line_that_is_missing_is_noticed(session: SessionData) -> None:
    """The comparison is worth something: without the pulse the page is another one."""
    without = tuple(track for track in session.numerics if track.channel.key != "pr")
    changed = pictures.drawn(replace(session, numerics=without), "report-1")
    assert pictures.apart(changed, pictures.kept("report-1"))[0] > pictures.MOST


def test_a_page_that_is_moved_is_noticed(session: SessionData) -> None:
    kept = pictures.kept("report-2")
    assert pictures.apart(np.roll(kept, 9, axis=0), kept)[0] > pictures.MOST


def test_a_demo_is_another_page(session: SessionData) -> None:
    demo = replace(session.session, mode="demo")
    shown = replace(session, record=replace(session.record, session=demo))
    kept = pictures.kept("report-2")
    assert pictures.apart(pictures.drawn(shown, "report-2"), kept)[1] > 0.3

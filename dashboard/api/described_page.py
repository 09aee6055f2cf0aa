"""Routes of `/api/v1` that the pages use, described; programs may, and may find them grown."""

from __future__ import annotations

from typing import Any

from dashboard.api import shapes_page
from dashboard.api.described import NOW
from dashboard.api.operations import Operation, one_of, text, whole
from dashboard.review.trail import MOST, PAGE
from vitals.export.kinds import KINDS

REVIEW = "Made for the review page"
_STAMP = text("stamp", "`stamp` of the session's page: all parts then tell one moment.")
_NAMES = one_of(
    "names",
    "1: people by name; 0: a role and a number for each. Somebody at a page gets names without "
    "asking; a token gets none, and with 1 only if its role may have them.",
    ("0", "1"),
)

OPERATIONS = (
    Operation(
        "get",
        "/v1/sessions/{uuid}",
        REVIEW,
        "What the page of a session begins with.",
        shapes_page.SessionPage,
        query=(_STAMP, _NAMES),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/figure",
        REVIEW,
        "The trend as a Plotly figure; the lowest and highest value of each stretch survive.",
        dict[str, Any],
        query=(_STAMP, _NAMES),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/audit",
        REVIEW,
        "The audit trail in words, by page.",
        shapes_page.Trail,
        query=(
            whole("offset", "Rows to leave out.", default=0),
            whole("limit", "Rows at most.", least=1, most=MOST, default=PAGE),
            one_of("kind", "Of this kind alone.", KINDS),
            text("q", "Words that all occur in a row."),
            _STAMP,
            _NAMES,
        ),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/addenda",
        REVIEW,
        "Addenda and signatures.",
        shapes_page.Addenda,
        query=(_NAMES,),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/intact",
        REVIEW,
        "Checks a piece of the session's record; `next` says where to go on.",
        shapes_page.Intact,
        query=(
            whole("to_n", "Up to this row of the chain.", least=1),
            whole("seals", "`next.seals` of the piece before.", default=0),
            whole("row", "`next.row` of the piece before.", default=0),
        ),
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/across",
        REVIEW,
        "Sessions of the same patient, from the dose on.",
        shapes_page.Across,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/rules",
        REVIEW,
        "Rules of a session, with what of them can be moved.",
        shapes_page.Rules,
    ),
    Operation(
        "get",
        "/v1/rooms/{room}/expected",
        NOW,
        "The expected course of the session that is open in a room; not a limit.",
        shapes_page.Expected,
    ),
)

"""Every route of `/api/v1` that is for programs, described; `described_page` has those of pages."""

from __future__ import annotations

from dashboard.api import shapes, shapes_sheet
from dashboard.api.data import MOST
from dashboard.api.exports import ExportAsked
from dashboard.api.operations import (
    ANY,
    CSV,
    JSON,
    PDF,
    Operation,
    Parameter,
    one_of,
    text,
    whole,
)
from dashboard.api.waves import MOST_PX, WAVEFORMS
from dashboard.api.what_if import WhatIfAsked
from dashboard.review.index_query import FEW, MODES, MOST_SESSIONS, SORTS, STATES
from vitals import wire
from vitals.channels import CHANNELS
from vitals.export.kinds import KINDS

LIST, SESSION, FILES, NOW = "Sessions", "One session", "Files and long work", "Now"

_SPAN = (
    whole("from_us", "From then on; microseconds UTC.", example=1_800_000_000_000_000),
    whole("to_us", "Before then; microseconds UTC."),
)
_PAGE = (
    whole("offset", "Rows to leave out; `next` of the page before.", default=0),
    whole("limit", "Rows at most.", least=1, most=MOST, default=MOST),
)
_NAMES = one_of(
    "names",
    "1: people by name, for roles that may have them; else a role and a number for each.",
    ("0", "1"),
    "0",
)
_AT_A_PAGE = one_of(
    "names",
    "1: people by name; 0: `somebody` for each. Somebody at a page gets names without asking; a "
    "token gets none, and with 1 only if its role may have them.",
    ("0", "1"),
)
_DATE = {"type": "string", "format": "date"}
_SORTS = tuple(word for name in SORTS for word in (name, f"-{name}"))

OPERATIONS = (
    Operation(
        "get",
        "/v1/sessions",
        LIST,
        "Sessions with their answers, newest first.",
        shapes.SessionList,
        more="New answers are worked out in slices: ask again while `pending` is more than 0.",
        query=(
            text("q", "Words that all occur in what is known of a session by text."),
            text("subject", "The pseudonym, exactly."),
            text("room", "Id of the room."),
            text("route", "The route.", example="im"),
            one_of("mode", "Real sessions, or those that are not a patient's.", MODES),
            one_of("state", "Open, closed, or closed after a restart.", tuple(STATES)),
            Parameter("from", "Not before this day by the clinic's clock.", _DATE),
            Parameter("to", "Not after it.", _DATE),
            one_of("unfinished", "1: open, or closed with something missing.", ("0", "1"), "0"),
            one_of("sort", "A column, with - before it from the largest down.", _SORTS, "-started"),
            whole("offset", "Sessions to leave out.", default=0),
            whole("limit", "Sessions at most.", least=1, most=MOST_SESSIONS, default=FEW),
        ),
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/numerics",
        SESSION,
        "The recorded values, of one channel or of all, in order of time.",
        shapes.Numerics,
        more="As recorded, to the last digit. What is not there was not measured: no value is "
        "repeated or carried forward.",
        query=(one_of("channel", "Of this channel alone.", tuple(CHANNELS)), *_SPAN, *_PAGE),
        media=(JSON, CSV),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/events",
        SESSION,
        "The audit trail: who did what, alarms, links, marks.",
        shapes.Events,
        query=(one_of("kind", "Of this kind alone.", KINDS), _NAMES, *_SPAN, *_PAGE),
        media=(JSON, CSV),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/alarms",
        SESSION,
        "Alarms from their being met to their end.",
        shapes.Alarms,
        query=(_NAMES, *_SPAN, *_PAGE),
        media=(JSON, CSV),
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/wave",
        SESSION,
        "A window of a waveform, as many points as a screen shows; an hour at most.",
        shapes.Wave,
        more="All samples are in the exports.",
        query=(
            one_of("channel", "Which one.", WAVEFORMS, "pleth"),
            whole("from_us", "Beginning, microseconds UTC.", required=True),
            whole("to_us", "End, microseconds UTC.", required=True),
            whole("px", "Points across.", least=1, most=MOST_PX, default=1200),
        ),
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/rems",
        SESSION,
        "The fields of the REMS sheet, each with its source.",
        shapes_sheet.Sheet,
        tagged=True,
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/report.pdf",
        FILES,
        "The report: two A4 pages.",
        query=(_NAMES,),
        media=(PDF,),
    ),
    Operation(
        "get",
        "/v1/sessions/{uuid}/rems.pdf",
        FILES,
        "The REMS sheet: one A4 page.",
        query=(_NAMES,),
        media=(PDF,),
    ),
    Operation("get", "/v1/exports", FILES, "Formats that there are.", shapes.Formats),
    Operation(
        "post",
        "/v1/jobs/export",
        FILES,
        "Begins to write one session as a file.",
        shapes.JobFacts,
        body=ExportAsked,
        status=202,
    ),
    Operation(
        "post",
        "/v1/jobs/what-if",
        FILES,
        "Begins to re-run sessions with one moved rule; never writes anything.",
        shapes.JobFacts,
        body=WhatIfAsked,
        status=202,
    ),
    Operation(
        "get",
        "/v1/jobs/{job_id}",
        FILES,
        "How far a job is, for whoever asked for it.",
        shapes.JobFacts,
    ),
    Operation(
        "delete",
        "/v1/jobs/{job_id}",
        FILES,
        "Cancels a job, or lets go of what it has made.",
        shapes.Dropped,
    ),
    Operation(
        "get",
        "/v1/jobs/{job_id}/file",
        FILES,
        "The file that a job has made, until it expires.",
        media=(ANY,),
    ),
    Operation(
        "get",
        "/v1/state",
        NOW,
        "What is going on in the rooms, as every page begins with it.",
        wire.Snapshot,
        query=(_AT_A_PAGE,),
        more="Judge the age of a value by `beat.now_us`, the station's own time, never by arrival. "
        "The live view itself is the websocket `/live`, which is for signed-in pages alone.",
    ),
)

"""Whatever is asked, the answer is one that the document has, and never a fault of the server.

Requests are made from the OpenAPI document itself: each operation with values that fit, that
nearly fit, and that do not.
"""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dashboard.api import openapi
from dashboard.api.operations import JSON, Operation
from tests.api.conftest import Ask
from tests.api.programs import ONE, TWO, Answer, Program

# The server runs in threads of this process, and some of them draw random numbers.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

OPERATIONS = openapi.operations()
DOCUMENT = openapi.document()
MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NASTY = st.sampled_from(
    ["", "0", "-1", "1e9", "NaN", "null", "true", "9" * 40, "%", "%00", "\x00", "\ud7ff",
     "\U0001f4a9",
     "'; DROP TABLE session; --", "../..", "=cmd|' /C calc'!A0", "<script>", "a\r\nX-Evil: 1",
     "{{7*7}}", "١٢", "0x10", " 1", "1_000", "*", "%s%n", ONE, ONE.upper(), "a" * 300]
)  # fmt: skip
WORDS = st.one_of(NASTY, st.text(max_size=30))
PLACES = st.one_of(st.sampled_from([ONE, TWO, "room-1"]), WORDS)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Values that a schema allows."""
    if "enum" in schema:
        return st.sampled_from([str(word) for word in schema["enum"]])
    if schema["type"] == "integer":
        near = st.integers(1_799_999_999_000_000, 1_800_001_000_000_000)
        low, high = schema["minimum"], schema["maximum"]
        return st.one_of(st.integers(low, high), near).map(lambda n: str(max(low, min(high, n))))
    if schema.get("format") == "date":
        return st.dates().map(str)
    return st.text(max_size=20)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Operation, str]:
    """An operation and the address with which it is asked."""
    one = draw(st.sampled_from([each for each in OPERATIONS if each.method == "get"]))
    path = one.path
    for name in ("uuid", "job_id", "room"):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", urllib.parse.quote(draw(PLACES), safe="") or "x")
    asked = []
    for each in one.query:
        if each.required or draw(st.booleans()):
            wild = draw(st.integers(0, 4)) == 0
            asked.append((each.name, draw(WORDS if wild else fitting(dict(each.schema)))))
    if draw(st.integers(0, 9)) == 0:
        asked.append((draw(WORDS), draw(WORDS)))
    return one, f"/api{path}?{urllib.parse.urlencode(asked, errors='replace')}"


def check(one: Operation | None, answer: Answer) -> None:
    """An answer is one that the operation has."""
    assert answer.status < 500, (answer.status, answer.body[:300])
    media = answer.headers["content-type"].partition(";")[0]
    if answer.status >= 400:
        assert media == JSON
        assert set(answer.json) == {"error"}
        assert str(answer.status) in DOCUMENT["components"]["responses"]
    elif one is not None:
        assert answer.status == one.status
        assert media in one.media
        if media == JSON:
            msgspec.json.decode(answer.body, type=one.answers)
    assert answer.headers["X-Evil"] is None
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@MANY
@given(asked=requests(), csv=st.booleans())
@example(asked=(OPERATIONS[0], f"/api/v1/sessions?q=%00&subject={'a' * 199}"), csv=False)
def test_any_question_is_answered(program: Ask, asked: tuple[Operation, str], csv: bool) -> None:
    one, address = asked
    if ".pdf" in address and ONE in address:
        address = address.replace(ONE, "x")  # drawing it hundreds of times shows nothing new
    accept = "text/csv" if csv else "application/json"
    check(one, program("research").get(address, Accept=accept))


@MANY
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
    path=st.lists(st.one_of(st.sampled_from(["v1", "sessions", "jobs", ONE]), WORDS), max_size=5),
    query=WORDS,
    tag=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)
def test_any_address_and_method_is_answered(
    program: Ask, method: str, path: list[str], query: str, tag: str
) -> None:
    address = "/api/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
    address += "?" + urllib.parse.quote(query)
    answer = program("research").ask(method, address, None, If_None_Match=tag)
    assert answer.status < 500, (method, address, answer.body[:300])
    if answer.status >= 400 and method != "HEAD":
        assert set(answer.json) == {"error"}


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ("session", "format", "names", "rule", "moves", "last")


@MANY
@given(
    path=st.sampled_from(["/api/v1/jobs/export", "/api/v1/jobs/what-if", "/api/v1/jobs/x"]),
    body=st.one_of(
        st.dictionaries(st.sampled_from(FIELDS), ANYTHING).map(json.dumps),
        st.fixed_dictionaries(
            {"session": PLACES, "rule": WORDS, "moves": st.lists(st.dictionaries(WORDS, ANYTHING))}
        ).map(json.dumps),
        ANYTHING.map(json.dumps),
        st.text(),
    ),
)
def test_any_body_is_answered(program: Ask, path: str, body: str) -> None:
    shown: Program = program("research")
    answer = shown.ask("POST", path, body.encode("utf-8", "replace"), Content_Type=JSON)
    assert answer.status < 500, (body, answer.body[:300])
    if answer.status == 202:
        assert shown.ask("DELETE", f"/api/v1/jobs/{answer.json['id']}").status == 200
    else:
        assert set(answer.json) == {"error"}


@MANY
@given(
    shown=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
    kind=st.sampled_from(["Bearer", "bearer", "BEARER", "Bearer\t", "Token", ""]),
)
def test_no_made_up_token_opens_anything(program: Ask, shown: str, kind: str) -> None:
    header = f"{kind} {shown}".strip().encode("latin-1").decode("latin-1")
    answer = program("").get("/api/v1/state", Authorization=header)
    assert answer.status in (400, 401)

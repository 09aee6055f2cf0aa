"""The OpenAPI document against the routes, and the answers against the document."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from fastapi.openapi.utils import get_openapi

from dashboard.api import openapi
from dashboard.api.operations import JSON, Operation
from tests.api.conftest import Ask
from tests.api.programs import ONE, TWO

OPERATIONS = {(one.method, one.path): one for one in openapi.operations()}
QUERIES = {"/v1/sessions/{uuid}/wave": "from_us=1800000000000000&to_us=1800000060000000&px=50"}
"""What must be asked with something."""
PLACES = {"uuid": ONE, "room": "room-1"}


def routes_of(server: Any) -> set[tuple[str, str]]:
    """What the framework itself knows of."""
    paths = get_openapi(title="x", version="1", routes=server.routes)["paths"]
    return {
        (method, path.removeprefix("/api"))
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/v1")
    }


def test_every_route_is_described_and_nothing_else(clinic: Any) -> None:
    server = clinic[1].server.asgi._app._app
    described = set(OPERATIONS) | {("get", path) for path in openapi.OWN}
    assert routes_of(server) == described


def test_the_document_is_whole(program: Ask) -> None:
    answer = program("research").get("/api/v1/openapi.json")
    document = answer.json
    assert document == openapi.document()
    assert document["openapi"] == "3.1.0"
    parts = document["components"]
    for name in re.findall(r'"#/components/([^"]+)"', answer.text):
        kind, _, key = name.partition("/")
        assert key in parts[kind], name
    ids = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(set(ids)) == len(ids) == len(OPERATIONS)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            told = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert told == set(re.findall(r"\{(\w+)\}", path))
            assert operation["summary"].endswith(".")
            assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}
            assert {"400", "401", "403", "404", "429", "503"} <= set(operation["responses"])


def address(one: Operation) -> str:
    query = QUERIES.get(one.path, "")
    return f"/api{one.path.format(**PLACES)}" + (f"?{query}" if query else "")


ASKED = [
    one
    for one in OPERATIONS.values()
    if one.method == "get" and one.answers is not None and "{job_id}" not in one.path
]


@pytest.mark.parametrize("one", ASKED, ids=lambda one: one.id)
def test_an_answer_is_of_its_type_and_has_no_other_field(program: Ask, one: Operation) -> None:
    answer = program("research").get(address(one))
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == JSON
    msgspec.json.decode(answer.text, type=one.answers)
    if one.tagged:
        again = program("research").get(address(one), If_None_Match=answer.headers["ETag"])
        assert (again.status, again.text) == (304, "")
    else:
        assert "ETag" not in answer.headers


def test_also_of_a_session_that_is_open_and_nearly_empty(program: Ask) -> None:
    for one in ASKED:
        if "{uuid}" in one.path:
            answer = program("research").get(address(one).replace(ONE, TWO))
            assert answer.status == 200, (one.path, answer.text)
            msgspec.json.decode(answer.text, type=one.answers)


def test_jobs_are_of_their_type(program: Ask) -> None:
    shown = program("research")
    asked = {"session": ONE, "format": "csv"}
    begun = shown.post("/api/v1/jobs/export", asked, Content_Type=JSON)
    assert begun.status == 202, begun.text
    job = msgspec.json.decode(begun.text, type=OPERATIONS["post", "/v1/jobs/export"].answers)
    known = shown.get(f"/api/v1/jobs/{job.id}")
    msgspec.json.decode(known.text, type=OPERATIONS["get", "/v1/jobs/{job_id}"].answers)
    assert program("one-room").get(f"/api/v1/jobs/{job.id}").status == 404
    gone = shown.ask("DELETE", f"/api/v1/jobs/{job.id}")
    assert gone.status == 200
    msgspec.json.decode(gone.text, type=OPERATIONS["delete", "/v1/jobs/{job_id}"].answers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/sessions/nothing", 404),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?chanel=pr", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?channel=pulse", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?from_us=1&from_us=2", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?from_us=9&to_us=1", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?limit=99999999", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?limit=-1", 400),
        ("GET", f"/api/v1/sessions/{ONE}/numerics?offset=٣", 400),
        ("GET", f"/api/v1/sessions/{ONE}/events?kind={'x' * 300}", 400),
        ("GET", f"/api/v1/sessions?q={'x' * 5000}", 414),
        ("POST", "/api/v1/jobs/export", 400),
    ],
)
def test_a_refusal_is_one_sentence(program: Ask, method: str, path: str, status: int) -> None:
    answer = program("research").ask(method, path.replace("٣", "%D9%A3"), b"{}")
    assert answer.status == status, answer.text
    assert set(answer.json) == {"error"}
    assert "\n" not in answer.error


def test_the_page_for_people_needs_no_script_and_no_other_server(program: Ask) -> None:
    answer = program("research").get("/api/v1/docs", Accept="text/html")
    assert answer.status == 200
    assert "<script" not in answer.text
    assert re.findall(r'(?:src|href)="(https?:[^"]*)"', answer.text) == []
    for one in OPERATIONS.values():
        assert f"<code>/api{one.path}</code>" in answer.text
    anchors = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', answer.text))


def test_a_word_from_a_caller_is_no_html() -> None:
    told = json.loads(json.dumps(openapi.document()))
    told["info"]["title"] = "<img src=x>"
    from dashboard.api.docs_page import page

    assert "<img" not in page(told)

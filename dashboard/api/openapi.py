"""The OpenAPI document of `/api/v1`, and the routes that serve it and its page.

Made of `described` and `described_page`, once; the tests hold it against the routes themselves
and against what they answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dashboard.api import described, described_central, described_page, shapes
from dashboard.api.desk import Desk
from dashboard.api.docs_page import page
from dashboard.api.operations import JSON, Operation, Parameter
from dashboard.review.index_query import Question
from vitals import __version__

ABOUT = """\
Sessions of this station: values, events, alarms, files. Everything is read-only: what is asked
for as a job is worked out, and changes nothing that is recorded. Every session that is read or
exported is a row of the record, with who did it. A staff aid, not a medical device.

Times are whole microseconds UTC by the station's clock; units are UCUM. A program shows a token
(`vitals user token add`) as `Authorization: Bearer kv_…`; it sees the rooms of that token, and a
session of any other room is one that there is not. Answers are compressed for who takes gzip,
and those of one session have an `ETag`. Later versions may add fields: pass over those that are
not known.
"""
REFUSALS: dict[int, str] = {
    400: "The question is wrong; the sentence says how.",
    401: "No token, or not a good one.",
    403: "The token or the person may not do that.",
    404: "There is no such thing, or not in rooms that may be seen.",
    405: "This address is not for that method.",
    413: "The request is too long.",
    414: "The address is too long.",
    423: "The screen is locked (people, not programs).",
    429: "Too many requests; `Retry-After` says for how long.",
    503: "The record cannot be read just now, or the server is stopping; try again.",
}
PATHS: dict[str, str] = {
    "uuid": "The session's id.",
    "job_id": "The job's id.",
    "room": "Id of the room.",
}
"""Parameters within addresses."""
OWN = ("/v1/openapi.json", "/v1/docs")
"""Addresses of the description itself, which it does not describe."""
_documents: dict[type[Question], dict[str, Any]] = {}
_REF = "#/components/schemas/{name}"


def operations(question: type[Question] = Question) -> tuple[Operation, ...]:
    """All of them, where the list of sessions takes `question`: at the centre another one."""
    every = (*described.OPERATIONS, *described_page.OPERATIONS)
    return described_central.with_places(every, question) if question.PLACES else every


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    # Made when somebody first asks, in a thread: it takes about 30 ms; written out each time.
    async def openapi(request: Request) -> Response:
        return Response(await asyncio.to_thread(_encoded, desk.question), media_type=JSON)

    async def docs(request: Request) -> Response:
        return HTMLResponse(await asyncio.to_thread(_for_people, desk.question))

    routes.add_api_route("/v1/openapi.json", openapi)
    routes.add_api_route("/v1/docs", docs)


def document(question: type[Question] = Question) -> dict[str, Any]:
    """The whole document; see `operations`."""
    # not `cache`: for mypy a class whose objects have no hash has none itself
    if question not in _documents:
        _documents[question] = _document(question)
    return _documents[question]


def _document(question: type[Question]) -> dict[str, Any]:
    described_here = operations(question)
    about = ABOUT + (described_central.ABOUT if question.PLACES else "")
    types = [shapes.Error]
    for one in described_here:
        types += [kind for kind in (one.answers, one.body) if kind is not None]
    refs, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    of_type = {id(kind): ref for kind, ref in zip(types, refs, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in described_here:
        paths.setdefault(f"/api{one.path}", {})[one.method] = _operation(one, of_type)
    areas = list(dict.fromkeys(one.area for one in described_here))
    return {
        "openapi": "3.1.0",
        "info": {"title": "kap-vitals", "version": __version__, "description": about},
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"token": []}, {"screen": []}],
        "tags": [{"name": area} for area in areas],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "screen": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "kv-screen",
                    "description": "Of a browser in which somebody has signed in; behind this "
                    "name stands `-` and a mark of the station, and `__Host-` before it under TLS.",
                },
            },
            "schemas": _open(schemas),
            "responses": {
                str(status): {"description": why, "content": {JSON: {"schema": _ref("Error")}}}
                for status, why in REFUSALS.items()
            },
        },
    }


def _encoded(question: type[Question]) -> bytes:
    return orjson.dumps(document(question))


def _for_people(question: type[Question]) -> str:
    return page(document(question))


def _operation(one: Operation, of_type: dict[int, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": one.about, "content": {}}
    for media in one.media:
        binary = {"type": "string", "format": "binary"}
        schema = of_type[id(one.answers)] if media == JSON else binary
        good["content"][media] = {"schema": schema}
    answers: dict[str, Any] = {str(one.status): good}
    if one.tagged:
        good["headers"] = {"ETag": {"schema": {"type": "string"}}}
        answers["304"] = {"description": "Nothing was added to the session since."}
    answers |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in REFUSALS}
    told: dict[str, Any] = {
        "operationId": one.id,
        "tags": [one.area],
        "summary": one.about,
        "responses": answers,
    }
    if one.more:
        told["description"] = one.more
    if parameters := [*_in_path(one.path), *(_told(each, "query") for each in one.query)]:
        told["parameters"] = parameters
    if one.body is not None:
        content = {JSON: {"schema": of_type[id(one.body)]}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    schema = {"type": "string", "minLength": 1}
    return [_told(Parameter(name, PATHS[name], schema, required=True), "path") for name in names]


def _told(one: Parameter, where: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": one.name,
        "in": where,
        "required": one.required,
        "description": one.about,
        "schema": dict(one.schema),
    }
    return told if one.example is None else {**told, "example": one.example}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


def _open(schemas: dict[str, Any]) -> dict[str, Any]:
    """Answers may grow: programs must not count on there being no other field."""
    asked = {one.body.__name__ for one in operations() if one.body is not None}
    for name, schema in schemas.items():
        if name not in asked:
            schema.pop("additionalProperties", None)
    return schemas

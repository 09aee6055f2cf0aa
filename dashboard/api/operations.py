"""How a route of the API is described: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

JSON, CSV, PDF, ANY = "application/json", "text/csv", "application/pdf", "application/octet-stream"
Method = Literal["get", "post", "delete"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as it is given.
        about: what it is, a sentence.
        schema: JSON Schema of its value.
        required: whether it must be given.
        example: a value to try.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    required: bool = False
    example: str | int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Attributes:
        method: of HTTP.
        path: below `/api`; parts in braces are parameters.
        area: where it stands in the description.
        about: one sentence.
        answers: type of the JSON answer, None for a file.
        more: further words.
        query: its parameters.
        body: type of what is sent.
        media: media types of the answer.
        status: of the answer when all is well.
        tagged: whether it has an ETag and answers 304.
        refusals: statuses of its own refusals, besides those of every request.
    """

    method: Method
    path: str
    area: str
    about: str
    answers: Any = None
    more: str = ""
    query: tuple[Parameter, ...] = ()
    body: Any = None
    media: tuple[str, ...] = (JSON,)
    status: int = 200
    tagged: bool = False
    refusals: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Its name for programs: `get_sessions_uuid_numerics`."""
        words = self.path.removeprefix("/v1").translate(str.maketrans("/.-", "___", "{}"))
        return self.method + words


def text(name: str, about: str, *, most: int = 200, example: str | None = None) -> Parameter:
    """A parameter that is text."""
    return Parameter(name, about, {"type": "string", "maxLength": most}, example=example)


def one_of(name: str, about: str, words: tuple[str, ...], default: str = "") -> Parameter:
    """A parameter that is one word of a list."""
    schema: dict[str, Any] = {"type": "string", "enum": list(words)}
    return Parameter(name, about, {**schema, "default": default} if default else schema)


def whole(
    name: str,
    about: str,
    *,
    least: int = 0,
    most: int = 2**53 - 1,
    default: int | None = None,
    required: bool = False,
    example: int | None = None,
) -> Parameter:
    """A parameter that is a whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Parameter(name, about, schema, required, example)

"""`/api/v1/docs`: the OpenAPI document for people, one page without scripts or other servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from dashboard.login_page import DISCLAIMER

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<title>API · kap-vitals</title>
<link rel="icon" href="data:,">
<style>
* { box-sizing: border-box; }
body {
  margin: 0; background: #0b0f14; color: #e8eef4;
  font: 16px/1.5 "DejaVu Sans", "Segoe UI", system-ui, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { margin: 0 0 8px; font-size: 28px; }
h2 { margin: 40px 0 8px; font-size: 22px; border-bottom: 1px solid #243140; }
h3 { margin: 0; font-size: 17px; overflow-wrap: anywhere; }
p { margin: 8px 0; max-width: 80ch; }
a { color: #7cc4ff; }
nav a { display: inline-flex; align-items: center; min-height: 44px; margin-right: 20px; }
article {
  margin: 16px 0; padding: 14px 16px; border: 1px solid #243140; border-radius: 8px;
  background: #111821;
}
code, pre { font-family: "DejaVu Sans Mono", ui-monospace, monospace; font-size: 14px; }
pre {
  margin: 8px 0; padding: 10px 12px; overflow-x: auto; background: #0b0f14; border-radius: 8px;
}
.method { color: #00c896; font-weight: 700; margin-right: 8px; text-transform: uppercase; }
.method.post { color: #facc15; }
.method.delete { color: #ff9a6c; }
table { border-collapse: collapse; width: 100%; margin: 8px 0; }
th, td {
  padding: 6px 12px 6px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #243140;
}
th { color: #a3b3c2; font-weight: 700; }
th:first-child { width: 20%; }
th:nth-child(2):not(:last-child) { width: 45%; }
table { table-layout: fixed; }
td { overflow-wrap: break-word; }
@media (max-width: 700px) {
  thead { display: none; }
  tr { display: block; padding: 6px 0; border-bottom: 1px solid #243140; }
  td { display: block; padding: 0 0 4px; border: 0; }
}
:focus-visible { outline: 3px solid #fff; outline-offset: 2px; }
footer { padding: 8px 16px; border-top: 1px solid #243140; color: #a3b3c2; text-align: center; }
@media print { body { background: #fff; color: #000; } article, pre { background: #fff; } }
</style>
</head>
<body>
<main>
"""


def page(document: Mapping[str, Any]) -> str:
    """The page's HTML."""
    return "".join(_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    yield _HEAD
    info = document["info"]
    yield f"<h1>{escape(info['title'])} API, version {escape(info['version'])}</h1>\n"
    for words in info["description"].strip().split("\n\n"):
        yield f"<p>{_marked(words)}</p>\n"
    yield (
        '<p>For programs: <a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>\n'
        "<pre>curl -H 'Authorization: Bearer kv_…' https://this.server/api/v1/sessions</pre>\n"
    )
    areas = [tag["name"] for tag in document["tags"]]
    links = "".join(f'<a href="#{_anchor(area)}">{escape(area)}</a>' for area in areas)
    yield f'<nav aria-label="Areas">{links}<a href="#answers">Answers</a></nav>\n'
    for area in areas:
        yield f'<section aria-labelledby="{_anchor(area)}">'
        yield f'<h2 id="{_anchor(area)}">{escape(area)}</h2>\n'
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if area in operation["tags"]:
                    yield from _operation(path, method, operation)
        yield "</section>\n"
    yield from _refusals(document)
    yield '<section aria-labelledby="answers"><h2 id="answers">Answers</h2>\n'
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema(name, schema)
    yield f"</section></main>\n<footer>{escape(DISCLAIMER)}</footer>\n</body></html>\n"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article><h3><span class="method {method}">{method}</span>'
    yield f"<code>{escape(path)}</code></h3>\n<p>{_marked(operation['summary'])}"
    yield f" {_marked(operation.get('description', ''))}</p>\n"
    rows = [
        (
            f"<code>{escape(each['name'])}</code>" + (" (needed)" if each["required"] else ""),
            _marked(each["description"]),
            _kind(each["schema"]),
        )
        for each in operation.get("parameters", ())
    ]
    if rows:
        yield _table(("parameter", "what it is", "value"), rows)
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        yield f"<p>Send JSON: {_kind(content['schema'])}</p>\n"
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items():
            what = _kind(content["schema"])
            yield f"<p>{status} <code>{escape(media)}</code>: {what}</p>\n"
    yield "</article>\n"


def _refusals(document: Mapping[str, Any]) -> Iterator[str]:
    yield '<section aria-labelledby="refusals"><h2 id="refusals">Refusals</h2>\n'
    yield f"<p>Always {_kind({'$ref': '#/components/schemas/Error'})}: one sentence.</p>\n"
    rows = [
        (status, _marked(answer["description"]))
        for status, answer in document["components"]["responses"].items()
    ]
    yield _table(("status", "why"), rows) + "</section>\n"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="{_anchor(name)}"><h3>{escape(name)}</h3>\n'
    yield f"<p>{_marked(schema.get('description', ''))}</p>\n"
    fields = schema.get("properties", {})
    rows = [(f"<code>{escape(field)}</code>", _kind(kind)) for field, kind in fields.items()]
    yield _table(("field", "value"), rows) if rows else ""
    yield "</article>\n"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is, in HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f'<a href="#{_anchor(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        inner = schema.get("items") or {}
        return f"list of {_kind(inner)}" if inner else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_kind(schema['additionalProperties'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f", {low} to {high}" if high is not None and high < 2**53 - 1 else ""
    more = f", else {escape(str(schema['default']))}" if "default" in schema else ""
    return f"{escape(str(schema.get('format', kind)))}{bounds}{more}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f'<th scope="col">{escape(word)}</th>' for word in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead>\n<tbody>{lines}</tbody></table>\n"


def _marked(words: str) -> str:
    """Text with `code` in it."""
    parts = escape(words).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name).lower()

"""The Dash application: the frame around every page. Nothing live goes through Dash."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import dash
from dash import dcc, html
from fastapi import FastAPI
from plotly.offline import get_plotlyjs_version

from dashboard.build import ASSETS, BOOT
from dashboard.cookies import CSRF_HEADER
from dashboard.login_page import DISCLAIMER
from dashboard.pages import PAGES

PLOTLY_PATH = f"/vendor/plotly-{get_plotlyjs_version()}.min.js"

_BOOT = BOOT.read_text(encoding="utf-8")

_INDEX = """<!DOCTYPE html>
<html lang="en" data-build="BUILD" data-plotly="PLOTLY" data-csrf="CSRF">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<meta name="theme-color" content="#0b0f14">
<title>{%title%}</title>
<script>BOOT</script>
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
{%css%}
</head>
<body>
<noscript>This page needs JavaScript to show live numbers. Watch the monitors.</noscript>
{%app_entry%}
<footer hidden>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>"""

_NAVIGATION = (("All rooms", "/"), ("Review", "/review"), ("Devices", "/devices"))


_ASSET = re.compile(r"(/assets/[\w.-]+)\?m=[\d.]+")
"""Dash names our files by their time, which two builds may share; we, by what is in them."""

NOT_OURS = ("websocket", "dash_version_url")
"""Of Dash's page configuration: a socket that every page would keep open for nothing, and an
address on the internet."""


class _Dash(dash.Dash):
    build = ""

    def interpolate_index(self, *parts: Any, config: str = "", **named: Any) -> Any:
        """The page, with a configuration that needs nothing but this server."""
        page: Any = super().interpolate_index  # untyped in Dash
        whole: str = page(*parts, config=local_only(config), **named)
        return _ASSET.sub(rf"\1?build={self.build}", whole)

    def csp_hashes(self, hash_algorithm: str = "sha256") -> list[str]:
        """Of all scripts that stand in a page, ours among them."""
        of_dash: Any = super().csp_hashes  # untyped in Dash
        digest = hashlib.new(hash_algorithm, _BOOT.encode()).digest()
        ours = f"'{hash_algorithm}-{base64.b64encode(digest).decode()}'"
        return [*of_dash(hash_algorithm), ours]


def local_only(config: str) -> str:
    """Dash's configuration element (JSON in a script tag) without the keys `NOT_OURS`."""

    def strip(match: re.Match[str]) -> str:
        values = {k: v for k, v in json.loads(match[2]).items() if k not in NOT_OURS}
        return match[1] + json.dumps(values).replace("</", "<\\/") + match[3]

    return re.sub(r"(<script[^>]*>)(.*)(</script>)", strip, config, flags=re.DOTALL)


def mount(server: FastAPI, build: str, csrf_cookie: str) -> Any:
    """Puts the pages on a server; its own routes must have been added before.

    Args:
        server: the FastAPI application.
        build: see `dashboard.build.build_id`; pages of another build reload themselves.
        csrf_cookie: name of the cookie whose value every POST of a page sends as `CSRF_HEADER`.

    Returns:
        The `dash.Dash` application.
    """
    register: Any = dash.register_page  # untyped in Dash
    app = _Dash(
        "dashboard.app",
        server=server,  # type: ignore[arg-type]  # Dash takes it and says bool or callable
        use_pages=True,
        pages_folder="",
        assets_folder=str(ASSETS),
        assets_ignore=r"\.worker\.js$",
        include_pages_meta=False,
        suppress_callback_exceptions=True,
        title="kap-vitals",
        update_title="",
        index_string=_INDEX.replace("BUILD", build)
        .replace("PLOTLY", PLOTLY_PATH)
        .replace("CSRF", csrf_cookie)
        .replace("BOOT", _BOOT),
        csrf_token_name=csrf_cookie,
        csrf_header_name=CSRF_HEADER,
        add_log_handler=False,
    )
    app.build = build
    for order, (name, template, layout) in enumerate(PAGES):
        where = {"path_template": template} if "<" in template else {"path": template}
        register(name, **where, order=order, layout=layout, title="kap-vitals")
    app.layout = _frame()
    return app


def _frame() -> Any:
    links = [dcc.Link(text, href=path, className="nav-link") for text, path in _NAVIGATION]
    brand = html.Span("kap-vitals", className="brand")
    return html.Div(
        [
            dcc.Location(id="kv-url", refresh="callback-nav"),
            html.Header(
                [html.Nav([brand, *links]), html.Div(id="kv-bar", className="bar")],
                id="kv-header",
            ),
            html.Div(id="kv-banners"),
            html.Main(dash.page_container, id="kv-main"),
            html.Div(DISCLAIMER, id="kv-footer", role="contentinfo"),
        ],
        id="kv-frame",
    )

"""The first thing every request meets: may this caller speak to this server at all?

The server is for browsers on this computer. A page of another site could still reach it through
the nurse's own browser, by a foreign Origin (cross-site requests and websockets) or by a host
name that it makes point to this computer (DNS rebinding). Both are refused here, for HTTP and
websockets alike, and every answer carries headers that keep pages and data to themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
DASH_SOCKET = "/_dash-ws-callback"
"""Dash's own websocket for callbacks: no page of ours uses it."""

# Cached by the browser for as long as the address stays the same; all else is never stored.
STATIC = ("/_dash-component-suites/", "/vendor/")
REVALIDATED = ("/assets/",)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def content_policy(script_hashes: Collection[str]) -> str:
    """Everything from this server alone; Plotly and Dash write style attributes themselves."""
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Gate:
    """ASGI wrapper around the whole server.

    Attributes:
        policy: the Content-Security-Policy in force.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOOPBACK) -> None:
        self.policy = content_policy(())
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with 403 and one sentence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        why_not = self._why_not(scope)
        if scope["type"] == "websocket":
            if why_not:
                # A close before the accept is answered with 403.
                await send({"type": "websocket.close", "code": 1008, "reason": why_not})
            else:
                await self._app(scope, receive, send)
            return
        send = self._with_headers(scope["path"], send)
        if why_not:
            await JSONResponse({"error": why_not}, status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _why_not(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _hostname(f"//{host}") not in self._hosts:
            return f"this server is not called {host!r}; open it by the address it printed"
        socket = scope["type"] == "websocket"
        if socket and scope["path"] == DASH_SOCKET:
            return "this websocket is not in use"
        if not socket and scope["method"] in SAFE:
            return ""
        origin = headers.get("origin")
        if origin is None:
            return "a request without an Origin is refused; use a browser page of this server"
        if urlsplit(origin).netloc != host:
            return f"a request from {origin} is refused; use a page of this server"
        return ""

    def _with_headers(self, path: str, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["Content-Security-Policy"] = self.policy
                if path.startswith(REVALIDATED):
                    headers["Cache-Control"] = "no-cache"
                elif not path.startswith(STATIC):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None

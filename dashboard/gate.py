"""The first thing every request meets: may this caller speak to this server at all?

A page of another site could reach this server through a nurse's own browser, by a foreign Origin
(cross-site requests and websockets) or by a host name that it makes point here (DNS rebinding).
Both are refused, for HTTP and websockets alike. Then, where there are accounts, nobody gets past
without having signed in, and no POST without the token that only our own pages know. Every
answer carries headers that keep pages and data to themselves.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.auth import Auth
from dashboard.cookies import CSRF_HEADER, Cookies, csrf_token
from dashboard.who import SCOPE, Viewer

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
DASH_SOCKET = "/_dash-ws-callback"
"""Dash's own websocket for callbacks: no page of ours uses it."""
OPEN = frozenset({"/login", "/healthz"})
"""All that anybody may ask for; whole paths, and the sign-in page needs no other."""

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

    def __init__(
        self,
        app: ASGIApp,
        auth: Auth,
        cookies: Cookies,
        hosts: Collection[str] = LOOPBACK,
    ) -> None:
        self.policy = content_policy(())
        self._app = app
        self._auth = auth
        self._cookies = cookies
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with one sentence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent = cookie_parser(headers.get("cookie", "")).get(self._cookies.screen, "")
        viewer = self._auth.viewer(sent)
        if viewer is not None:
            scope[SCOPE] = viewer
        why_not = self._foreign(scope, headers)
        if scope["type"] == "websocket":
            if why_not or viewer is None:
                # A close before the accept is answered with 403.
                await send({"type": "websocket.close", "code": 1008, "reason": why_not})
            else:
                await self._app(scope, receive, send)
            return
        send = self._with_headers(scope["path"], send)
        answer = _refused(403, why_not) if why_not else self._unknown(scope, headers, viewer, sent)
        await _unless_stopped(answer or self._app, scope, receive, send)

    def _foreign(self, scope: Scope, headers: Headers) -> str:
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
        secure = scope["scheme"] in ("https", "wss")
        if _place(origin) != host or (secure and not origin.startswith("https://")):
            return f"a request from {origin} is refused; use a page of this server"
        return ""

    def _unknown(
        self, scope: Scope, headers: Headers, viewer: Viewer | None, sent: str
    ) -> Response | None:
        """The refusal of somebody who has not signed in, or of a forged request."""
        if scope["path"] in OPEN:
            return None
        if viewer is None:
            if scope["method"] in SAFE and "text/html" in headers.get("accept", ""):
                wanted = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
                where = "/login" + ("" if wanted == "/" else "?next=" + quote(wanted, safe=""))
                return RedirectResponse(where, status_code=303)
            return _refused(401, "sign in first")
        if viewer.screen is not None and scope["method"] not in SAFE:
            token = headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(token.encode(), csrf_token(sent).encode()):
                return _refused(403, "this request lacks its page's token; load the page again")
        return None

    def _with_headers(self, path: str, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if path == "/login":
                    # Without a referrer a browser says "null" for the Origin of a form.
                    headers["Referrer-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = self.policy
                if path.startswith(REVALIDATED):
                    headers["Cache-Control"] = "no-cache"
                elif not path.startswith(STATIC):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


async def _unless_stopped(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The server stops while something is still being built: no fault, and nothing to trace."""
    begun = False

    async def noted(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        await app(scope, receive, noted)
    except asyncio.CancelledError:
        if not begun:
            await _refused(503, "the server is stopping")(scope, receive, send)


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None

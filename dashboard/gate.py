"""The first thing every request meets: may this caller speak to this server at all?

A page of another site could reach this server through a nurse's own browser, by a foreign Origin
(cross-site requests and websockets) or by a host name that it makes point here (DNS rebinding).
Both are refused, for HTTP and websockets alike. Then, where there are accounts, nobody gets past
without having signed in, and no POST without the token that only our own pages know. A program
shows a token of its own instead, for `/api` and `/metrics` alone, and only reads. Nobody asks
more than his share, or sends more than a form. Every answer carries headers that keep pages and
data to themselves.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.app import PLOTLY_PATH
from dashboard.attendance import Refused
from dashboard.auth import Auth
from dashboard.bodies import read_body
from dashboard.cookies import CSRF_HEADER, Cookies, csrf_token
from dashboard.limits import BODY_BYTES, QUERY_BYTES, Limits, cost
from dashboard.tokens import METRICS
from dashboard.who import SCOPE, Viewer

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
DASH_SOCKET = "/_dash-ws-callback"
"""Dash's own websocket for callbacks: no page of ours uses it."""
OPEN = frozenset({"/login", "/healthz"})
"""All that anybody may ask for; whole paths, and the sign-in page needs no other."""
METRICS_PATH = "/metrics"
API = "/api/"
JOBS = "/api/v1/jobs/"
"""Where a token may POST and DELETE, too: what is asked for there changes nothing recorded."""

DRAWN = re.compile(r"/(room|review)/[^/]+")
"""Pages with a chart."""

# Cached by the browser for as long as the address stays the same; all else is never stored.
STATIC = ("/_dash-component-suites/", "/vendor/")
ASSETS = "/assets/"
IMMUTABLE = "public, max-age=31536000, immutable"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # No page of ours needs any of them; what gets into a page shall not have them either.
    "Permissions-Policy": ", ".join(
        f"{what}=()" for what in ("camera", "microphone", "geolocation", "usb", "serial", "payment")
    ),
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
        build: of the pages' own files; what is asked for by it may be kept for good.
        limits: what each caller may ask.
    """

    def __init__(
        self,
        app: ASGIApp,
        auth: Auth,
        cookies: Cookies,
        hosts: Collection[str] = LOOPBACK,
        limits: Limits | None = None,
        build: str = "",
    ) -> None:
        self.policy = content_policy(())
        self.build = build
        self.limits = limits or Limits()
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
        if scope["type"] == "websocket":
            await self._socket(scope, headers, receive, send)
            return
        send = self._with_headers(scope["path"], scope.get("query_string", b""), send)
        answer = self._too_long(scope, headers) or self._why_not(scope, headers)
        if answer is None and scope["method"] not in SAFE:
            body = await read_body(receive)
            if isinstance(body, Response):
                answer = body
            else:
                receive = body
        await _unless_stopped(answer or self._app, scope, receive, send)

    async def _socket(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        viewer = self._auth.viewer(self._cookie(headers))
        if viewer is not None:
            scope[SCOPE] = viewer
        why_not = self._foreign(scope, headers)
        if why_not or viewer is None:
            # A close before the accept is answered with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": why_not})
        else:
            await self._app(scope, receive, send)

    def _cookie(self, headers: Headers) -> str:
        return cookie_parser(headers.get("cookie", "")).get(self._cookies.screen, "")

    def _too_long(self, scope: Scope, headers: Headers) -> Response | None:
        if max(len(scope["path"]), len(scope["query_string"])) > QUERY_BYTES:
            return _refused(414, f"an address has at most {QUERY_BYTES} letters; shorten it")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 12:
            return _refused(400, "the length of this request is not a number")
        if int(length) > BODY_BYTES:
            return _refused(413, f"a request has at most {BODY_BYTES} bytes; send less")
        return None

    def _why_not(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal of a request, None for one that may pass; leaves who asks in its scope."""
        shown = _bearer(headers)
        try:
            # A token is looked at last: whoever may not even ask shall not try one either.
            why_not = self._foreign(scope, headers, by_token=bool(shown))
            if why_not:
                return _refused(403, why_not)
            if shown and scope["path"] not in OPEN:
                viewer = self._auth.let_in(shown, _address(scope))
                scope[SCOPE] = viewer
                refusal = _beyond_token(scope, viewer)
            else:
                refusal = self._unknown(scope, headers, self._cookie(headers))
        except Refused as refused:
            answer = _refused(refused.status, str(refused))
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return refusal or self._too_often(scope)

    def _too_often(self, scope: Scope) -> Response | None:
        path = scope["path"]
        if not path.startswith(API) and path != METRICS_PATH:
            return None
        viewer: Viewer = scope[SCOPE]
        caller = viewer.user or viewer.key or _address(scope)
        wait_s = self.limits.wait_s(caller, cost(scope["method"], path), self._auth.now_us())
        if not wait_s:
            return None
        seconds = max(1, math.ceil(wait_s))
        answer = _refused(429, f"too many requests in a short time; try again in {seconds} s")
        answer.headers["Retry-After"] = str(seconds)
        return answer

    def _foreign(self, scope: Scope, headers: Headers, *, by_token: bool = False) -> str:
        host = ", ".join(headers.getlist("host"))  # of two, whichever reads one sees the other
        if "," in host or _hostname(f"//{host}") not in self._hosts:
            return f"this server is not called {host!r}; open it by the address it printed"
        socket = scope["type"] == "websocket"
        if socket and scope["path"] == DASH_SOCKET:
            return "this websocket is not in use"
        if not socket and scope["method"] in SAFE:
            return ""
        origin = headers.get("origin")
        if origin is None and by_token:
            return ""  # a program; no page of another site could send its token
        if origin is None:
            return "a request without an Origin is refused; use a browser page of this server"
        secure = scope["scheme"] in ("https", "wss")
        if _place(origin) != host or (secure and not origin.startswith("https://")):
            return f"a request from {origin} is refused; use a page of this server"
        return ""

    def _unknown(self, scope: Scope, headers: Headers, sent: str) -> Response | None:
        """The refusal of somebody who has not signed in, or of a forged request."""
        viewer = self._auth.viewer(sent)
        if viewer is not None:
            scope[SCOPE] = viewer
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
        if scope["path"] == METRICS_PATH and viewer.screen is not None:
            return _refused(403, f"{METRICS_PATH} is for programs with a token: {_MAKE_ONE}")
        return None

    def _with_headers(self, path: str, query: bytes, send: Send) -> Send:
        by_build = bool(self.build) and query == f"build={self.build}".encode()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if DRAWN.fullmatch(path):  # its script is large: it need not wait for the others
                    headers["Link"] = f"<{PLOTLY_PATH}>; rel=preload; as=script"
                if path == "/login":
                    # Without a referrer a browser says "null" for the Origin of a form.
                    headers["Referrer-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = self.policy
                if path.startswith(ASSETS):
                    kept = by_build and message["status"] == 200
                    headers["Cache-Control"] = IMMUTABLE if kept else "no-cache"
                elif not path.startswith(STATIC):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


_MAKE_ONE = "`vitals user token add NAME --role metrics`"


def _bearer(headers: Headers) -> str:
    """The token that a program shows, `""` for none."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    return shown.strip() if kind.lower() == "bearer" else ""


def _beyond_token(scope: Scope, viewer: Viewer) -> Response | None:
    """The refusal of what a token is not for."""
    path, method = scope["path"], scope["method"]
    if path == METRICS_PATH:
        if viewer.role == METRICS:
            return None
        return _refused(403, f"{METRICS_PATH} needs a token of the role {METRICS}: {_MAKE_ONE}")
    if not path.startswith(API):
        return _refused(403, "a token is for /api/v1 and /metrics; sign in for the pages")
    if viewer.role == METRICS:
        return _refused(403, f"a token of the role {METRICS} is for {METRICS_PATH} alone")
    if method not in SAFE and not path.startswith(JOBS):
        return _refused(403, "a token only reads; whoever acts has to sign in")
    return None


def _address(scope: Scope) -> str:
    """Where the caller is."""
    return scope["client"][0] if scope.get("client") else ""


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


def _refused(status: int, why: str) -> JSONResponse:
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

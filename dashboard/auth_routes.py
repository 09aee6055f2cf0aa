"""Signing in and out, lock, PIN and emergency access over HTTP.

`/login` is open to everybody; `/auth/...` is behind the gate and its token. What does not work is
answered with one sentence, on the sign-in page itself or as JSON `{"error", "wait_s"}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from dashboard.attendance import Refused
from dashboard.auth import Auth
from dashboard.cookies import Cookies
from dashboard.login_page import local, page
from dashboard.who import SCOPE, Viewer

MOST_BYTES = 8192


def router(auth: Auth, cookies: Cookies) -> APIRouter:
    """The routes; without accounts there is nothing to sign in to."""
    routes = APIRouter()

    async def login_page(request: Request) -> Response:
        after = local(request.query_params.get("next", "/"))
        if SCOPE in request.scope:
            return RedirectResponse(after, status_code=303)
        return HTMLResponse(page(after=after))

    async def login(request: Request) -> Response:
        old: Viewer | None = request.scope.get(SCOPE)
        as_json = "application/json" in request.headers.get("accept", "")
        user, after = "", "/"
        try:
            typed = await _form(request)
            user, after = typed.get("user", ""), local(typed.get("next", "/"))
            if not auth.in_force:
                raise Refused(409, "there are no accounts here; nobody has to sign in")
            signed_in = await auth.sign_in(
                user,
                typed.get("password", ""),
                address=request.client.host if request.client else "",
                device=request.cookies.get(cookies.device, ""),
                old=old,
            )
        except Refused as refused:
            if as_json:
                return _refusal(refused)
            body = page(after=after, wrong=str(refused), user=user)
            return HTMLResponse(body, refused.status, _retry(refused))
        done: Response = (
            JSONResponse({"ok": True}) if as_json else RedirectResponse(after, status_code=303)
        )
        cookies.set(done, signed_in.screen, signed_in.device)
        return done

    async def who(request: Request) -> Response:
        body = msgspec.json.encode(auth.who(request.scope[SCOPE]))
        return Response(body, media_type="application/json")

    async def logout(request: Request) -> Response:
        viewer = _person(request)
        await auth.sign_out(viewer)
        done = JSONResponse({"ok": True})
        cookies.clear(done)
        return done

    async def lock(request: Request) -> Response:
        await auth.lock(_person(request))
        return JSONResponse({"ok": True})

    async def unlock(request: Request) -> Response:
        typed = await _form(request)
        await auth.unlock(_person(request), typed.get("user", ""), typed.get("pin", ""))
        return JSONResponse({"ok": True})

    async def emergency(request: Request) -> Response:
        typed = await _form(request)
        await auth.emergency(_person(request), typed.get("reason", ""))
        return JSONResponse({"ok": True})

    routes.add_api_route("/login", login_page, methods=["GET"])
    routes.add_api_route("/login", login, methods=["POST"])
    routes.add_api_route("/auth/who", who, methods=["GET"])
    for name, act in (
        ("logout", logout),
        ("lock", lock),
        ("unlock", unlock),
        ("emergency", emergency),
    ):
        routes.add_api_route(f"/auth/{name}", _refusing(act), methods=["POST"])
    return routes


def _refusing(act: Callable[[Request], Awaitable[Response]]) -> Callable[..., Any]:
    async def answered(request: Request) -> Response:
        try:
            return await act(request)
        except Refused as refused:
            return _refusal(refused)

    return answered


def _person(request: Request) -> Viewer:
    viewer: Viewer = request.scope[SCOPE]
    if viewer.screen is None:
        raise Refused(409, "there are no accounts here; nobody has signed in")
    return viewer


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that comes twice, the first."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Refused(413, f"this form is longer than {MOST_BYTES} bytes")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise Refused(400, "this is no form") from error
    return {name: values[0] for name, values in fields.items()}


def _refusal(refused: Refused) -> Response:
    body = {"error": str(refused), "wait_s": round(refused.wait_s, 1)}
    return JSONResponse(body, refused.status, _retry(refused))


def _retry(refused: Refused) -> dict[str, str] | None:
    return {"Retry-After": str(round(refused.wait_s) or 1)} if refused.wait_s else None

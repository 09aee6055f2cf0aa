"""What Dash answers to requests that none of its pages sends.

Dash raises at an address of a file that it does not have, and at a body that is none of its own,
and answers 500 as if the server were at fault. None of its callbacks here does more than choose a
page, so whatever it fails at was asked wrongly: that is what it says then.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OF_DASH = "/_dash-"

log = logging.getLogger(__name__)


class WithoutFaults:
    """ASGI wrapper around the framework; all other addresses pass unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._strange = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and a fault of Dash as a refusal."""
        if scope["type"] != "http" or not scope["path"].startswith(OF_DASH):
            await self._app(scope, receive, send)
            return
        failed = False

        async def unless_failed(message: Message) -> None:
            nonlocal failed
            failed = failed or message.get("status") == HTTPStatus.INTERNAL_SERVER_ERROR
            if not failed:
                await send(message)

        await self._app(scope, receive, unless_failed)
        if failed:
            self._tell(scope["method"])
            await _refusal(scope["method"])(scope, receive, send)

    def _tell(self, method: str) -> None:
        self._strange += 1
        if str(self._strange).strip("0") == "1":  # the first, the tenth, the hundredth, …
            log.warning("Dash could not make sense of a %s (%d so far)", method, self._strange)


def _refusal(method: str) -> JSONResponse:
    if method in ("GET", "HEAD"):
        return JSONResponse({"error": "there is nothing here"}, HTTPStatus.NOT_FOUND)
    return JSONResponse({"error": "no page of this server sends that"}, HTTPStatus.BAD_REQUEST)

"""The body of a request, whole before anything is done with it, so that it has a bound and an end.

What answers a request meets it complete; a caller that sends a byte a minute holds up nobody.
"""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive

from dashboard.limits import BODY_BYTES, BODY_S


async def read_body(
    receive: Receive, *, most: int = BODY_BYTES, within_s: float = BODY_S
) -> Receive | Response:
    """Reads it.

    Args:
        receive: of the request.
        most: bytes.
        within_s: seconds until it must be there.

    Returns:
        A `receive` that gives it again, or the refusal of one that is too long, too slow or
        broken off.
    """
    body = b""
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _refused(400, "the request was broken off")  # nobody hears it
                body += message.get("body", b"")
                if len(body) > most:
                    return _refused(413, f"a request has at most {most} bytes; send less")
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        return _refused(408, f"the request was not complete within {within_s:g} s; send it again")
    return _again(body, receive)


def _again(body: bytes, receive: Receive) -> Receive:
    told: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return told.pop() if told else await receive()

    return again


def _refused(status: int, why: str) -> Response:
    answer = JSONResponse({"error": why}, status_code=status)
    answer.headers["Connection"] = "close"
    return answer

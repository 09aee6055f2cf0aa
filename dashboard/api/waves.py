"""Windows of waveforms, as many points as a screen shows."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import Asked, AskedError
from dashboard.api.desk import Desk
from dashboard.api.session import no_session
from dashboard.review import waves
from dashboard.who import Viewer
from vitals.channels import CHANNELS
from vitals.model import US

LONGEST_US = 3600 * US
"""A window is an hour at most: longer ones show nothing that a screen could."""
MOST_PX = 8000
_LEAST_HZ = 10.0
WAVEFORMS = tuple(key for key, one in CHANNELS.items() if (one.rate_hz or 0.0) >= _LEAST_HZ)
"""Channels that have waveforms."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the route."""

    async def wave(request: Request, uuid: str) -> Response:
        async def ask(_viewer: Viewer) -> Response:
            asked = Asked(request, ("channel", "from_us", "to_us", "px"))
            from_us, to_us = asked.span()
            if from_us is None or to_us is None:
                raise AskedError("give from_us and to_us, microseconds UTC, of the window")
            if not 0 < to_us - from_us <= LONGEST_US:
                raise AskedError("a window is longer than nothing and an hour at most")
            channel = asked.one_of("channel", WAVEFORMS, "pleth")
            px = asked.whole("px", 1200, least=1, most=MOST_PX)
            return await desk.built(
                request,
                waves.wave,
                uuid,
                channel,
                from_us,
                to_us,
                px,
                nothing=no_session(uuid),
                reads=uuid,
            )

        return await desk.answered(request, ask)

    routes.add_api_route("/v1/sessions/{uuid}/wave", wave)

"""The station process: record, rooms, keepers and feed, put together and run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from devices import registry
from devices.identity import identity
from devices.keeper import Keeper
from devices.transports.replay import Beginning, ReplayKeeper, is_replay
from vitals import __version__, nightly
from vitals.alarms.profile import Profile
from vitals.claims import claims_of
from vitals.config import Config
from vitals.escalation import without_tokens
from vitals.feed import FeedServer
from vitals.hub import Hub
from vitals.record import Record
from vitals.session.care import Care
from vitals.station import Station
from vitals.station_device import OnEvents, OnLink, StationDevice
from vitals.store.claim import Claim, RecordInUse
from vitals.store.connection import RecordUnavailable
from vitals.store.pace import WriterSettings
from vitals.store.reserve import RESERVE_BYTES

log = logging.getLogger(__name__)


async def serve(
    config: Config,
    profile: Profile,
    care: Care,
    devices: Mapping[str, StationDevice],
    config_text: str,
) -> None:
    """Runs the station of a config until cancelled.

    Raises:
        StoreError: the record cannot be used, or another station uses it.
    """
    _alone(config)
    config_text = without_tokens(config_text, config.escalation)
    station = config.station
    record = Record(
        station.store,
        station.id,
        config_text,
        _settings(config),
        key_source=station.key,
        anchor=station.anchor,
        warn_also=_trouble_around(config),
    )
    clock = record.clock(config.station.speed)
    urls = {device.id: device.url for _, device in config.placed}
    claims = claims_of(config)
    hub = Hub()
    beginning = Beginning()

    def make_keeper(device: str, on_events: OnEvents, on_link: OnLink) -> Keeper | ReplayKeeper:
        if is_replay(urls[device]):
            return ReplayKeeper(device, urls[device], clock, on_events, on_link, beginning)

        async def admit() -> str:
            return claims.admit(device, await asyncio.to_thread(identity, urls[device]))

        driver = registry.get(devices[device].driver)
        return Keeper(device, driver, urls[device], clock, on_events, on_link, admit=admit)

    try:
        running = Station(
            config, profile, devices, make_keeper, hub, record, clock, care, claims=claims
        )
        async with FeedServer(
            hub,
            config.feed_file,
            config.station.id,
            __version__,
            clock,
            config.station.mode,
            running.on_command,
            running.watch.on_audience,
            running.watch.on_gone,
            care.text,
            [(step.after_s, step.to) for step in config.escalation],
        ):
            log.info("station %s: %d rooms", config.station.id, len(config.room))
            await running.run()
    finally:
        if not await asyncio.to_thread(record.close):
            log.error("not everything could be recorded before the end")


def _settings(config: Config) -> WriterSettings:
    """Space is kept free only for what must not be lost."""
    return WriterSettings(reserve_bytes=RESERVE_BYTES if config.station.mode == "real" else 0)


def _trouble_around(config: Config) -> Callable[[], str]:
    """What else people must be warned of, besides the record itself."""
    began_us = time.time_ns() // 1000

    def trouble() -> str:
        if config.backup.to is None:
            return ""
        return nightly.trouble(config.station.store, began_us, time.time_ns() // 1000)

    return trouble


def _alone(config: Config) -> None:
    """Two stations must not share a record, nor the ports of its devices."""
    try:
        Claim(config.station.store).release()
    except RecordInUse:
        raise
    except RecordUnavailable as error:
        log.warning("%s", error)  # no reason to stop; the record tries again

"""Checks of what a config names: record, running station, pages, sound, escalation."""

from __future__ import annotations

import asyncio
import shutil
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from devices.check import Check, fail, ok, warn
from vitals import feed_file, in_force, web_address, wire
from vitals.attempt import attempt
from vitals.command_hook import CommandHook
from vitals.config import Config
from vitals.errors import FeedError, StoreError
from vitals.follower import Follower
from vitals.hub import Hub
from vitals.store.claim import Claim, RecordInUse
from vitals.store.connection import RecordUnavailable, open_for_reading

ANSWER_S = 4.0
SAID = "This is a test of the alarm sound. No patient is in danger."

_LINKS: dict[str, Callable[[str, str], Check]] = {
    "streaming": ok,
    "connecting": warn,
    "silent": fail,
    "lost": fail,
}


class _FirstWord(Hub):
    """Says when the station has answered, or why it does not."""

    def __init__(self, link: Literal["live", "stale"]) -> None:
        super().__init__(link)
        self.said = asyncio.Event()

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        super().reset(snapshot, raw)
        self.said.set()

    def set_link(self, state: Literal["live", "stale"]) -> None:
        super().set_link(state)
        self.said.set()


def store(config: Config) -> Check:
    """Whether the record can be opened, and whether another station has it."""
    path = config.station.store
    if Path(f"{path}.lock").exists():  # none is made here: it would belong to whoever runs this
        try:
            Claim(path).release()
        except RecordInUse as error:
            return warn("store", f"{error}, if this is not the station that should run")
        except RecordUnavailable as error:
            return fail("store", str(error))
    if not path.exists():
        return ok("store", f"{path} will be made at the first start")
    try:
        open_for_reading(path).close()
    except StoreError as error:
        return fail("store", str(error))
    return ok("store", f"{path} can be opened")


async def station(config: Config) -> tuple[Check, wire.Snapshot | None]:
    """Whether a station runs and answers, and what it says of its rooms."""
    try:
        where = feed_file.read(config.feed_file)
    except FeedError as error:
        if not config.feed_file.exists() or not config.feed_file.read_bytes().strip():
            return ok("station", "not running"), None
        return fail("station", str(error)), None
    hub = _FirstWord("stale")
    follower = Follower(config.feed_file, hub)
    following = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(ANSWER_S):
            await hub.said.wait()
    except TimeoutError:
        return fail("station", f"process {where.pid} does not answer within {ANSWER_S:g} s"), None
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    if follower.trouble:
        return fail("station", follower.trouble), None
    snapshot = hub.snapshot()
    beat = snapshot.beat
    if beat is not None and not beat.recording:
        return fail("station", f"runs but does NOT RECORD: {beat.detail}"), snapshot
    return ok("station", f"runs (process {where.pid}) and answers"), snapshot


def links(snapshot: wire.Snapshot) -> list[Check]:
    """The devices of a running station, as it sees them."""
    checks = []
    for room in snapshot.rooms:
        wrong = {n.device: n.detail for n in room.notices if n.code == "wrong_mode" and n.active}
        for device in room.devices:
            if device.id in wrong:
                checks.append(fail(device.id, wrong[device.id]))
                continue
            refused = f", {device.rejected} refused" if device.rejected else ""
            said = device.detail or f"{device.driver}{refused}"
            # a cuff by radio, which is there only when it has measured, says that it waits
            waits = device.state == "connecting" and bool(device.detail)
            level = ok if waits else _LINKS[device.state]
            checks.append(level(device.id, f"{device.state}: {said}"))
    return checks


def web(config: Config, *, expected: bool) -> Check:
    """Whether the pages are served; `expected` when a station runs."""
    url = web_address.address(config.web)
    try:
        trusted = web_address.trust(config.web)
        said = web_address.ask(web_address.local(config.web) + "healthz", trusted, ANSWER_S)
    except urllib.error.HTTPError as error:
        error.close()
        return fail("web", f"{url} is another program's: choose another web.port")
    except (OSError, ValueError):
        if expected:
            return fail("web", f"no pages at {url}: start them with `vitals run`")
        return ok("web", f"not running; will be at {url}")
    if not isinstance(said, dict) or "link" not in said:
        return fail("web", f"{url} is another program's: choose another web.port")
    if said["link"] != "live":
        return fail("web", f"{url} is there, but {said.get('trouble') or 'has no station'}")
    return ok("web", url)


async def sound(config: Config, *, play: bool) -> Check:
    """The alarm command: whether there is one, its program is found, and it runs if asked to."""
    command = config.station.alarm_command
    if not command:
        return warn("sound", "no sound on the station PC: set station.alarm_command")
    if shutil.which(command[0]) is None:
        return fail(
            "sound", f"there is no program {command[0]}: install it, or correct "
            "station.alarm_command",
        )  # fmt: skip
    if not play:
        return ok("sound", f"{command[0]} is there: hear it with `vitals doctor --sound`")
    reason = await attempt(CommandHook(command, SAID))
    if reason:
        return fail("sound", f"{command[0]} failed ({reason}): correct station.alarm_command")
    return ok("sound", f"{command[0]} ran: did you hear it?")


def escalation(config: Config) -> list[Check]:
    """Steps of the escalation that reach nobody."""
    found = [s for s in in_force.unreached(config) if "station.alarm_command" not in s]
    if found:
        return [warn("escalation", sentence) for sentence in found]
    return [ok("escalation", f"{len(config.escalation)} steps, each reaches somebody")]

"""`vitals doctor`: every check of this computer and of a config, in the order of mending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from devices import check_ble, check_computer, check_station, ports
from devices.check import Check, warn
from devices.check_ports import device, listed
from vitals.config import Config

_CONTROL = str.maketrans({c: " " for c in map(chr, (*range(0x20), 0x7F))})


async def examine(config: Config | None, *, sound: bool = False) -> list[Check]:
    """All checks; without a config those of the computer.

    Args:
        config: None when none was named.
        sound: lets the alarm command sound.
    """
    checks = [check_computer.python(), check_computer.clock(), check_computer.time_zone()]
    if config is None:
        checks += [warn("config", "none was named: give --config to check devices and record too")]
        checks += listed([port.device for port in ports.find()])
        checks += await check_ble.bluetooth(())
        return [*checks, check_computer.disk(Path.cwd()), check_computer.browser()]
    checks.append(check_computer.disk(config.station.store.parent))
    running, snapshot = await check_station.station(config)
    if snapshot is None:
        checks.append(check_station.store(config))
    checks.append(running)
    pages = await asyncio.to_thread(check_station.web, config, expected=snapshot is not None)
    checks.append(pages)
    wanted = [one for _, one in config.placed]
    by_radio = [one for one in wanted if check_ble.is_ble(one)]
    checks += await check_ble.bluetooth(by_radio)
    if snapshot is None:
        by_cable = [device(one) for one in wanted if one not in by_radio]
        for found in await asyncio.gather(*by_cable, check_ble.devices(by_radio)):
            checks += found
        if not wanted:
            checks.append(warn("devices", "the config has none: `vitals scan` prints the lines"))
    else:
        checks += check_station.links(snapshot)
    checks.append(await check_station.sound(config, play=sound))
    checks += check_station.escalation(config)
    return [*checks, check_computer.browser()]


def failed(checks: Sequence[Check]) -> bool:
    """Whether anything cannot work so."""
    return any(check.level == "fail" for check in checks)


def table(checks: Sequence[Check]) -> list[str]:
    """A line for each, and a sum."""
    width = max(len(check.name) for check in checks)
    rows = [
        f"{check.level:<4}  {check.name:<{width}}  {check.text.translate(_CONTROL)}"
        for check in checks
    ]
    counts = {level: sum(c.level == level for c in checks) for level in ("fail", "warn", "ok")}
    return [*rows, "", ", ".join(f"{count} {level}" for level, count in counts.items())]


def as_json(checks: Sequence[Check]) -> str:
    """Everything, for programs."""
    facts = [{"name": c.name, "level": c.level, "text": c.text} for c in checks]
    return json.dumps({"ok": not failed(checks), "checks": facts}, indent=2, ensure_ascii=False)

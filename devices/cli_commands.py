"""Commands that need drivers: `station`, `scan`, `doctor`, `drivers`, `check-config`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from devices.ble_scan import Around
    from devices.ports import Port
    from devices.scan import Found
    from vitals.config import Config
    from vitals.station_device import StationDevice

_CONFIG = click.Path(path_type=Path)


@click.command()
@click.option("--config", "path", type=_CONFIG, required=True, help="The clinic's TOML file.")
def station(path: Path) -> None:
    """Devices, alarms, record and feed of one PC (usually started by `vitals run`)."""
    from devices.station_process import serve
    from vitals import config, crash_report
    from vitals.alarms import profile
    from vitals.process import log_to_stderr, run_until_signal, settle
    from vitals.selfcheck import check_install
    from vitals.session import care

    check_install()
    log_to_stderr("station")
    loaded = config.load(path)
    config.check_store(loaded, path)
    rules = profile.load(loaded.station.profile)
    what = care.load(loaded.station.care)
    known = _devices(loaded, path)
    crash_report.watch(loaded.station.store, "station")
    settle()
    run_until_signal(lambda: serve(loaded, rules, what, known, path.read_text(encoding="utf-8")))


@click.command()
@click.option("--port", "patterns", multiple=True, metavar="GLOB", help="Only these ports.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 120),
    default=6.0,
    show_default=True,
    help="Time to listen on each line setting.",
)
@click.option(
    "--ble/--no-ble",
    "ble",
    default=None,
    help="Look for Bluetooth devices, too; by default unless --port is given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def scan(patterns: tuple[str, ...], seconds: float, ble: bool | None, as_json: bool) -> None:
    """Find out which monitor is on which serial port, and which ones are there by Bluetooth.

    Listens first. A port that stays silent is asked: for a state, or to begin its stream. No cuff
    is started, nothing is deleted and no setting of a monitor is changed. Bluetooth devices are
    only listened to.
    """
    from devices import ble_scan, ports, scan_report

    found = ports.find(patterns)
    by_radio = not patterns if ble is None else ble
    if not found and not as_json:
        click.echo("There is no serial port. Plug the adapter in; name others with --port.")
    elif not as_json:
        click.echo(
            f"{len(found)} port{'s' * (len(found) != 1)}, up to {seconds:g} s for each line "
            "setting; no cuff is started and no setting changed.",
            err=True,
        )
    seen, around = asyncio.run(_look(found, seconds, by_radio=by_radio, tell=not as_json))
    if as_json:
        click.echo(scan_report.as_json(seen, ble_scan.facts(around) if by_radio else None))
        return
    radio = ble_scan.config_lines(around)
    wired = scan_report.config_lines(seen)
    if radio or wired:
        click.echo("\nFor the config, below the [[room]] in which the monitor stands:\n")
        click.echo("\n".join([*wired, *([""] * bool(radio and wired)), *radio]))


async def _look(
    found: Sequence[Port], seconds: float, *, by_radio: bool, tell: bool
) -> tuple[list[tuple[Port, Found]], Around]:
    """Ports and air at once."""
    from devices import ble_scan

    async def air() -> Around:
        if not by_radio:
            return ble_scan.Around()
        around = await ble_scan.look(max(seconds, ble_scan.LOOK_S))
        if tell:
            click.echo("\n".join(ble_scan.lines(around)))
        return around

    return await asyncio.gather(_examine(found, seconds, tell=tell), air())


async def _examine(
    found: Sequence[Port], seconds: float, *, tell: bool
) -> list[tuple[Port, Found]]:
    """All ports at once; each is told as soon as it is known."""
    from devices import scan_report
    from devices.scan import examine, serial_drivers

    drivers = serial_drivers()

    async def one(port: Port) -> tuple[Port, Found]:
        seen = await examine(port.url, drivers, listen_s=seconds)
        if tell:
            click.echo("\n".join(scan_report.port_lines(port, seen)))
        return port, seen

    return await asyncio.gather(*(one(port) for port in found))


@click.command()
@click.option("--config", "path", type=_CONFIG, help="The clinic's TOML file.")
@click.option("--sound", is_flag=True, help="Let the alarm command sound.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(path: Path | None, sound: bool, as_json: bool) -> None:
    """Check this computer, its ports and a config: one line each, with what to do.

    Ends with exit code 1 when something fails.
    """
    from devices import doctor as checks_of
    from vitals import config

    loaded = None
    if path is not None:
        loaded = config.load(path)
        config.check_store(loaded, path)
        _devices(loaded, path)
    if loaded is not None and not as_json:
        click.echo(
            "Looking at devices or the running station; a silent port takes half a minute.",
            err=True,
        )
    checks = asyncio.run(checks_of.examine(loaded, sound=sound))
    click.echo(checks_of.as_json(checks) if as_json else "\n".join(checks_of.table(checks)))
    if checks_of.failed(checks):
        sys.exit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drivers(as_json: bool) -> None:
    """List the monitors that can be connected."""
    from devices import registry

    known = [registry.get(name) for name in registry.names()]
    if as_json:
        facts = [
            {
                "name": driver.name,
                "link": driver.transport,
                "mode": driver.mode,
                "channels": driver.channels,
                "can": sorted(driver.can),
                "checksum": driver.checked,
                "own_alarm": driver.own_alarm,
                "evidence": driver.evidence,
                "monitors": driver.title,
            }
            for driver in known
        ]
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    head = ("NAME", "LINK", "MODE", "CHANNELS", "NIBP", "CHECKSUM", "OWN ALARM", "EVIDENCE")
    rows = [(*head, "MONITORS")]
    rows += [
        (
            driver.name,
            driver.transport,
            driver.mode,
            " ".join(driver.channels),
            "start" if "start_nibp" in driver.can else "-",
            "yes" if driver.checked else "no",
            driver.own_alarm,
            driver.evidence,
            driver.title,
        )
        for driver in known
    ]
    _table(rows)


@click.command("check-config")
@click.argument("path", type=_CONFIG)
def check_config(path: Path) -> None:
    """Check a config file; show its rooms, limits and escalation, and what reaches nobody."""
    from vitals import config, in_force
    from vitals.alarms import profile
    from vitals.session import care

    loaded = config.load(path)
    config.check_store(loaded, path)
    known = _devices(loaded, path)
    rules = profile.load(loaded.station.profile)
    what = care.load(loaded.station.care)
    rows = [("ROOM", "DEVICE", "DRIVER", "LINK")]
    names = {room.id: room.name for room in loaded.room}
    rows += [
        (names.get(room, "no room"), d.id, known[d.id].driver, d.url) for room, d in loaded.placed
    ]
    _table(rows)
    routes = ", ".join(route.label for route in what.routes.values())
    click.echo(f"\nCare {what.version}: {routes}")
    click.echo(f"\nAlarm profile {rules.version}")
    _table(in_force.limit_rows(rules.rules))
    click.echo("\nEscalation of a high alarm that nobody acknowledges")
    _table(in_force.escalation_rows(loaded.escalation))
    outside = [step for step in loaded.escalation if step.command or step.webhook]
    if outside:
        click.echo("These commands and webhooks are given the room's label and the alarm's text.")
    click.echo()
    warnings = in_force.unreached(loaded)
    for sentence in warnings:
        click.echo(f"warning: {sentence}")
    found = f"{len(loaded.room)} rooms, {len(known)} devices"
    click.echo(f"{path}: ok, {found}, {len(warnings)} warnings")


def _devices(loaded: Config, path: Path) -> dict[str, StationDevice]:
    """Each device with what its driver says; an unknown driver or link is refused here."""
    from devices import line, registry
    from devices.transports import replay
    from vitals.errors import ConfigError
    from vitals.station_device import StationDevice

    known = {}
    for room, device in loaded.placed:
        try:
            if replay.is_replay(device.url):
                if loaded.station.mode == "real":
                    why = "a recording is no patient: station.mode must be demo or test"
                    raise ConfigError(why, key="station.mode")
                known[device.id] = replay.station_device(device)
                continue
            driver = registry.get(device.driver)
            registry.transport(device.url)
            line.of(device.url, driver.settings)
        except ConfigError as error:
            raise ConfigError(
                f"room {room!r}, device {device.id!r}: {error}", path=path, key=error.key
            ) from error
        known[device.id] = StationDevice(
            device.id,
            driver.name,
            driver.title,
            driver.channels,
            driver.can,
            driver.period_s,
            driver.own_alarm,
            spot=driver.mode == "spot",
        )
    return known


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())

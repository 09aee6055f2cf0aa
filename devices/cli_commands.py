"""Commands that need drivers: `station`, `drivers`, `check-config`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vitals.config import Config
    from vitals.station_device import StationDevice

_CONFIG = click.Path(path_type=Path)


@click.command()
@click.option("--config", "path", type=_CONFIG, required=True, help="The clinic's TOML file.")
def station(path: Path) -> None:
    """Devices, alarms, record and feed of one PC (usually started by `vitals run`)."""
    from devices.station_process import serve
    from vitals import config
    from vitals.alarms import profile
    from vitals.process import log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install

    check_install()
    log_to_stderr("station")
    loaded = config.load(path)
    config.check_store(loaded, path)
    rules = profile.load(loaded.station.profile)
    known = _devices(loaded, path)
    run_until_signal(lambda: serve(loaded, rules, known, path.read_text(encoding="utf-8")))


@click.command()
def drivers() -> None:
    """List the monitors that can be connected."""
    from devices import registry

    rows = [("NAME", "LINK", "CHANNELS", "NIBP", "CHECKSUM", "EVIDENCE", "MONITORS")]
    for name in registry.names():
        driver = registry.get(name)
        rows.append(
            (
                name,
                driver.transport,
                " ".join(driver.channels),
                "start" if "start_nibp" in driver.can else "-",
                "yes" if driver.checked else "no",
                driver.evidence,
                driver.title,
            )
        )
    _table(rows)


@click.command("check-config")
@click.argument("path", type=_CONFIG)
def check_config(path: Path) -> None:
    """Check a config file; show its rooms, limits and escalation, and what reaches nobody."""
    from vitals import config, in_force
    from vitals.alarms import profile

    loaded = config.load(path)
    config.check_store(loaded, path)
    known = _devices(loaded, path)
    rules = profile.load(loaded.station.profile)
    rows = [("ROOM", "DEVICE", "DRIVER", "LINK")]
    for room in loaded.room:
        rows += [(room.name, d.id, known[d.id].driver, d.url) for d in room.device]
    _table(rows)
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
    from devices import registry
    from vitals.errors import ConfigError
    from vitals.station_device import StationDevice

    known = {}
    for room in loaded.room:
        for device in room.device:
            try:
                driver = registry.get(device.driver)
                registry.transport(device.url)
            except ConfigError as error:
                raise ConfigError(
                    f"room {room.id!r}, device {device.id!r}: {error}", path=path, key=error.key
                ) from error
            known[device.id] = StationDevice(
                device.id,
                driver.name,
                driver.title,
                driver.channels,
                driver.can,
                driver.period_s,
                driver.own_alarm,
            )
    return known


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())

"""Commands of the simulators: `vitals simulate`, `vitals demo`, `vitals simulate-cohort`."""

from __future__ import annotations

import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from devices import registry
from devices.driver import Driver
from simulators import ble
from simulators.bedside import Bedside, Log, no_log
from simulators.course import ROUTES
from simulators.endpoints import Endpoint, PtyEndpoint, TcpEndpoint
from simulators.faults import KINDS, OFTEN, SWAP, LineFault, check_rate
from simulators.mllp_caller import MllpCaller
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from simulators.scenario import Scenario, load
from vitals.errors import ConfigError

_CHECK_S = 0.1
_FAULTS = "\b\nFaults of the line (--fault):\n" + "\n".join(
    f"  {kind:<13} {does}" for kind, does in KINDS.items()
)


@click.command(epilog=_FAULTS)
@click.argument("driver")
@click.option("--pty", metavar="PATH", help="Be a pseudo-terminal linked from PATH (default).")
@click.option(
    "--tcp",
    metavar="HOST:PORT",
    help="Listen on a TCP port instead; hl7-oru dials the station's port there.",
)
@click.option(
    "--ble",
    "on_air",
    is_flag=True,
    help="Be a Bluetooth device on simulated air, reached on a port of this computer.",
)
@click.option("--scenario", "story", default="calm", show_default=True, metavar="NAME|FILE")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.01, 600))
@click.option("--route", type=click.Choice(list(ROUTES)), help="Route of the dose.")
@click.option(
    "--dose-at",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="When the dose is given, in patient seconds, unless the scenario says.",
)
@click.option(
    "--fault",
    "kinds",
    multiple=True,
    metavar="KIND[:PER_MINUTE]",
    help="Let the line fail, 6 times a minute or as often as said; may be repeated. See below.",
)
@click.option("--log", "log_path", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so many real seconds.")
def simulate(
    driver: str,
    pty: str | None,
    tcp: str | None,
    on_air: bool,
    story: str,
    seed: int,
    speed: float,
    route: str | None,
    dose_at: float,
    kinds: tuple[str, ...],
    log_path: Path | None,
    seconds: float | None,
) -> None:
    """Run one simulated monitor until Ctrl-C.

    DRIVER is a name from `vitals drivers`. The printed lines go into a config.
    """
    told = _told(story, route, dose_at)
    protocol = _driver(driver)
    patient = Patient(seed, route=told.route or "iv")
    faults, swaps_per_minute = _faults(kinds)
    if swaps_per_minute:
        raise ConfigError("--fault swap takes two monitors; `vitals demo` has them", key="fault")
    if on_air and protocol.transport != "ble":
        raise ConfigError(f"{driver} is no Bluetooth device; leave --ble away", key="ble")
    with ExitStack() as stack:
        asked = stack.enter_context(_asked_to_stop())
        log = _log_to(stack, log_path)
        if protocol.transport == "ble":
            endpoint = _on_air(stack, protocol, patient, seed, faults, pty, tcp)
        else:
            monitor = SimulatedMonitor(protocol, patient, seed=seed, faults=faults)
            endpoint = _plug(monitor, pty, tcp)
        stack.callback(endpoint.stop)
        bedside = Bedside(patient, [endpoint], scenario=told, speed=speed, log=log)
        click.echo(f'driver = "{protocol.name}"\nurl = "{endpoint.url}"')
        about = told.description or told.name
        click.echo(f"Simulating {protocol.title}: {about}. Ctrl-C stops it.", err=True)
        end = math.inf if seconds is None else time.monotonic() + seconds
        with bedside:
            while not asked and (left := end - time.monotonic()) > 0:
                bedside.wait(min(left, _CHECK_S))
        if isinstance(endpoint, MllpCaller):
            click.echo(_answers(endpoint), err=True)


@click.command()
@click.option("--rooms", default=3, show_default=True, type=click.IntRange(1, 32))
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 120))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--scenario", "story", metavar="NAME|FILE", help="One story for all rooms.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the pages [default: 8050].")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep config and record here instead of in a temporary folder.",
)
@click.option(
    "--fault",
    "kinds",
    multiple=True,
    metavar="KIND[:PER_MINUTE]",
    help="Let every line fail, as in `vitals simulate`, or `swap` the monitors of a room.",
)
@click.option("--open/--no-open", "show", default=True, help="Open the page in the browser.")
def demo(
    rooms: int,
    speed: float,
    seed: int,
    story: str | None,
    port: int | None,
    folder: Path | None,
    kinds: tuple[str, ...],
    show: bool,
) -> None:
    """Try everything: simulated rooms, real ports, the real station and pages. Ctrl-C ends it."""
    from simulators.demo import Demo
    from vitals.page_port import free_port, open_page
    from vitals.process import LEVEL, log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install

    check_install()
    os.environ.setdefault(LEVEL, "WARNING")
    log_to_stderr("demo")
    faults, swaps_per_minute = _faults(kinds)
    with ExitStack() as stack:
        if folder is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kap-vitals-")))
        else:
            place = folder
            _make_folder(place)
        made = Demo(
            place.resolve(),
            rooms=rooms,
            seed=seed,
            speed=speed,
            story=story,
            port=free_port(port),
            faults=faults,
            swaps_per_minute=swaps_per_minute,
        )

        def ready(url: str) -> None:
            click.echo(f"kap-vitals demo: {url}")
            click.echo("Simulated patients. A staff aid, not a medical device. Ctrl-C ends it.")
            if show:
                open_page(url)

        run_until_signal(lambda: made.run(ready))


@click.command("simulate-cohort")
@click.option("--sessions", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--route", default="iv", show_default=True, metavar="ROUTE", help=", ".join(ROUTES))
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Alarm limits; default: those that are shipped.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep the sessions in a new record, for review and what-if.",
)
def simulate_cohort(
    sessions: int, seed: int, route: str, profile_path: Path | None, store: Path | None
) -> None:
    """Many simulated two-hour visits through the real alarms, summed up in a table."""
    from simulators import cohort, cohort_summary
    from simulators.cohort_record import CohortRecord
    from simulators.course import check_route
    from vitals.alarms import profile

    check_route(route)
    rules = profile.load(profile_path)
    tally = cohort_summary.Tally()
    with ExitStack() as stack:
        today = datetime.now(UTC).date()
        record = stack.enter_context(CohortRecord(store, rules, today)) if store else None
        visits = cohort.cohort(
            sessions, seed, rules, route=route, record=record, on_held=lambda _: tally.hold()
        )
        with click.progressbar(visits, length=sessions, label="Sessions", file=sys.stderr) as bar:
            for done in bar:
                tally.add(done)
    click.echo(
        f"{sessions} simulated sessions, route {route}, seed {seed}, limits {rules.version}; "
        f"{tally.held} more visits without a dose: above 140/90 before it"
    )
    for line in cohort_summary.lines(tally):
        click.echo(line)
    if store is not None:
        click.echo(f"\nRecorded: vitals sessions list --store {store}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder cannot be made ({error.strerror}); name another", path=folder
        ) from error


def _told(name: str, route: str | None, dose_at_s: float) -> Scenario:
    told = load(name)
    return replace(
        told,
        route=route or told.route,
        dose_at_s=dose_at_s if told.dose_at_s is None else told.dose_at_s,
    )


def _driver(name: str) -> Driver:
    driver = registry.get(name)
    if driver.transport == "ble":
        ble.require()
    return driver


def _faults(texts: tuple[str, ...]) -> tuple[list[LineFault], float]:
    """What `--fault` says: faults of the line, and how often a minute monitors are swapped."""
    faults, swaps_per_minute = [], 0.0
    for text in texts:
        kind, colon, rate = text.partition(":")
        try:
            per_minute = float(rate) if colon else OFTEN
        except ValueError as error:
            raise ConfigError(
                f"--fault {text}: after the colon comes a number, how often a minute", key="fault"
            ) from error
        if kind == SWAP:
            swaps_per_minute = check_rate(kind, per_minute)
        else:
            faults.append(LineFault(kind, per_minute))
    return faults, swaps_per_minute


def _plug(monitor: SimulatedMonitor, pty: str | None, tcp: str | None) -> Endpoint:
    if pty and tcp:
        raise ConfigError("--pty and --tcp exclude each other; choose one", key="tcp")
    if tcp:
        host, port = _host_port(tcp)
        if monitor.driver.transport == "mllp":
            return MllpCaller(monitor, host, port)
        return TcpEndpoint(monitor, host, port)
    if monitor.driver.transport == "mllp":
        raise ConfigError(
            f"{monitor.driver.name} dials a station: name its port with --tcp HOST:PORT", key="tcp"
        )
    if pty is None and sys.platform == "win32":
        return TcpEndpoint(monitor)
    default = Path(tempfile.gettempdir()) / f"kap-vitals-{monitor.name}"
    return PtyEndpoint(monitor, pty or default)


def _on_air(
    stack: ExitStack,
    protocol: Driver,
    patient: Patient,
    seed: int,
    faults: list[LineFault],
    pty: str | None,
    tcp: str | None,
) -> Endpoint:
    if pty:
        raise ConfigError(
            f"{protocol.name} has no cable; leave --pty away (--tcp HOST:PORT fixes its port)",
            key="pty",
        )
    from simulators.ble.device import GattMonitor
    from simulators.ble.endpoint import Air, BleEndpoint

    air = stack.enter_context(Air(*_host_port(tcp or "127.0.0.1:0")))
    return BleEndpoint(GattMonitor(protocol, patient, seed=seed, faults=faults), air)


def _host_port(tcp: str) -> tuple[str, int]:
    host, _, port = tcp.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--tcp {tcp}: write HOST:PORT, for example 127.0.0.1:4001", key="tcp")
    return host.strip("[]") or "127.0.0.1", int(port)


def _answers(caller: MllpCaller) -> str:
    said = f"The station took {caller.accepted} messages and refused {caller.refused}"
    return f"{said}, the last with {caller.last_refusal!r}." if caller.refused else f"{said}."


def _log_to(stack: ExitStack, path: Path | None) -> Log:
    """Writes one line for each piece of bytes: patient seconds, monitor, direction, hex."""
    if path is None:
        return no_log
    try:
        file = stack.enter_context(path.open("w", encoding="utf-8", buffering=1))
    except OSError as error:
        raise ConfigError(
            f"the log cannot be written ({error.strerror}); name another file", path=path
        ) from error

    def log(at_s: float, monitor: str, what: str, data: bytes) -> None:
        file.write(f"{at_s:.3f} {monitor} {what} {data.hex(' ')}".rstrip() + "\n")

    return log


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM, so that the plug is always taken out in the end."""
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

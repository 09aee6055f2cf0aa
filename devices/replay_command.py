"""`vitals replay`: a recording through the real station and the real pages."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)
_UNFIT = re.compile(r"[^A-Za-z0-9._/-]+")


@click.command()
@click.argument("file", type=_FILE)
@click.option("--map", "mapping", type=_FILE, metavar="FILE", help="Which tracks are what.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 60))
@click.option("--route", help="Route of the dose [default: as the recording says, or iv].")
@click.option("--dose-at", metavar="TIME", help="ISO 8601, HH:MM of its clock, or +MM:SS.")
@click.option("--from", "from_", metavar="TIME", help="Begin there.")
@click.option("--to", metavar="TIME", help="End there.")
@click.option("--room", "label", metavar="LABEL", help="What the room is called.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the pages [default: 8050].")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep config and record here instead of in a temporary folder.",
)
@click.option("--stop", is_flag=True, help="End when the recording is over.")
@click.option("--open/--no-open", "show", default=True, help="Open the page in the browser.")
def replay(
    file: Path,
    mapping: Path | None,
    speed: float,
    route: str | None,
    dose_at: str | None,
    from_: str | None,
    to: str | None,
    label: str | None,
    port: int | None,
    folder: Path | None,
    stop: bool,
    show: bool,
) -> None:
    """Play FILE through the real station and pages as if it were live. Ctrl-C ends it.

    FILE is a .vital, EDF, WFDB or CSV file (with --map), or an export of ours. Nothing of it gets
    into a clinic's record; `vitals import` makes a session for review of it.
    """
    from devices.replay import Replay
    from devices.transports.replay import Where
    from vitals.errors import ConfigError
    from vitals.import_command import between, moment, open_recording, said
    from vitals.page_port import free_port, open_page
    from vitals.process import LEVEL, log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install
    from vitals.session import care

    check_install()
    found = between(open_recording(file, mapping, lambda _: None), from_, to)
    routes = care.load().routes
    chosen = route or (found.facts.route if found.facts.route in routes else "iv")
    if chosen not in routes:
        raise click.BadParameter(f"{chosen!r}; known are {', '.join(routes)}", param_hint="--route")
    dose_us = found.facts.dose_us if dose_at is None else moment(dose_at, found, "--dose-at")
    if dose_us is not None and not found.from_us <= dose_us <= found.to_us:
        if dose_at is not None:
            raise click.BadParameter(
                f"{dose_at} is not within the recording", param_hint="--dose-at"
            )
        dose_us = None
    os.environ.setdefault(LEVEL, "WARNING")
    log_to_stderr("replay")
    with ExitStack() as stack:
        if folder is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="kap-vitals-"))
            place = Path(made)
        else:
            place = folder
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"the folder cannot be made ({error.strerror}); name another", path=folder
                ) from error
            if (place / "vitals.db").exists():
                raise ConfigError("has a record already; name an empty folder", path=folder)
        name = _UNFIT.sub("-", file.stem).strip("-./")[:30] or "recording"
        cut = from_ is not None or to is not None
        playing = Replay(
            found,
            Where(
                file.resolve(),
                map=mapping.resolve() if mapping else None,
                from_us=found.from_us if cut else None,
                to_us=found.to_us + 1 if cut else None,
            ),
            place.resolve(),
            speed=speed,
            port=free_port(port),
            subject=f"REPLAY {name}",
            route=chosen,
            dose_us=dose_us,
            label=label or "REPLAY",
        )

        def ready(url: str) -> None:
            for line in said(found):
                click.echo(line)
            click.echo(f"kap-vitals replay: {url}")
            click.echo("A recording, no live patient. A staff aid, not a medical device.")
            if show:
                open_page(url)

        def over() -> None:
            click.echo("The recording is over." + ("" if stop else " Ctrl-C ends the pages."))

        run_until_signal(lambda: playing.run(ready, over, stop=stop))

"""`vitals sender`: what this station records and shows, sent to the central server."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

NICE = 5
"""Below station and pages."""


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True)
def sender(path: Path) -> None:
    """Send this station's record to the centre (usually started by `vitals run`)."""
    if hasattr(os, "nice"):
        os.nice(NICE)  # first: to load the program is the most that it ever asks for
    from vitals import config, crash_report
    from vitals.central.sender import Sender
    from vitals.process import log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install

    check_install()
    log_to_stderr("sender")
    loaded = config.load(path)
    if sys.platform == "win32":  # psycopg cannot wait on the other loop's sockets
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    crash_report.watch(loaded.station.store, "sender")
    run_until_signal(lambda: Sender(loaded).run())

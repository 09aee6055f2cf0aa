"""What `vitals run` makes sure of before it starts anything.

A child that refuses its input would be started again for ever, so that is refused here, once and
in one sentence. Drivers and links are the device package's business: it is asked by command line.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from vitals import people_file, web_config
from vitals.config import Config
from vitals.errors import ConfigError
from vitals.store import keys
from vitals.supervised import vitals_argv


def check(config: Config, path: Path) -> None:
    """Checks everything that a config file says, and the port of the pages.

    Raises:
        ConfigError: the station or the pages would refuse to start with it.
        PeopleError: the accounts cannot be read.
        KeyUnavailable: the record's key is away.
    """
    done = subprocess.run(  # noqa: S603 (this program)
        vitals_argv("check-config", str(path)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(done.stderr.strip().removeprefix("vitals: "))
    accounts = people_file.path_of(config.station.store)
    web_config.check_access(config.web, accounts, path)
    if config.station.key:
        keys.read(config.station.key)
    else:
        keys.key_of(config.station.store)
    _check_port(config.web.host, config.web.port, path)


def _check_port(host: str, port: int, path: Path) -> None:
    why_not = ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # as the web does it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why_not = (
                f"{host} port {port} cannot be used ({error.strerror}); is this program running "
                "already? end what has the port, or choose another"
            )
    if why_not:
        raise ConfigError(f"web.port: {why_not}", path=path, key="web.port")

"""Every error a person may see: what happened, to which device or key, and what to do.

VitalsError
├── ConfigError(path, key)        a config file that cannot be used
├── DeviceError(device)
│   ├── TransportError            the link: retried with back-off, for ever
│   └── CommandError              the device or its protocol cannot do that
├── StoreError                    the record's database
├── FeedError                     the station cannot be reached, or speaks another version
├── CentralError                  the central database cannot be reached, or refuses
└── InstallError                  the installation itself is broken
"""

from __future__ import annotations

from pathlib import Path


class VitalsError(Exception):
    """Base of all errors of this program; `str()` is one sentence for a person."""


class ConfigError(VitalsError):
    """A configuration that cannot be used.

    Attributes:
        path: the file, or None when the text did not come from one.
        key: dotted name of the offending key, `""` for the file as a whole.
    """

    def __init__(self, message: str, *, path: Path | str | None = None, key: str = "") -> None:
        self.path = path
        self.key = key
        super().__init__(f"{path}: {message}" if path else message)


class DeviceError(VitalsError):
    """Something about one device; `device` is its id in the config."""

    def __init__(self, message: str, *, device: str = "") -> None:
        self.device = device
        super().__init__(f"{device}: {message}" if device else message)


class TransportError(DeviceError, OSError):
    """The link to a device failed. The keeper retries with back-off, for ever."""


class CommandError(DeviceError):
    """The device, its protocol or its present state cannot carry out a command."""


class StoreError(VitalsError):
    """The record's database cannot be opened, read or written."""


class FeedError(VitalsError, ConnectionError):
    """The station's feed cannot be reached or used."""


class CentralError(VitalsError):
    """The central database cannot be reached or used, or refuses what is sent."""


class InstallError(VitalsError):
    """The installed packages are not the ones this program was built with."""

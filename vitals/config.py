"""The clinic's configuration: TOML read into checked models, every key with a default.

An unknown key is refused by name, with the nearest right one.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vitals import escalation
from vitals.central import dsn
from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.store import keys
from vitals.web_config import WebConfig, check_host, half_of_tls, web_from

Identifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40)
]


SPARE = "-"
"""Where a device is that is in no room; no room of a config can be called so."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceConfig(_Table):
    """One device: `driver` names the protocol, `url` the link."""

    id: Identifier
    driver: str
    url: str
    channels: list[str] = Field(default_factory=list)
    """Channels that it speaks for in this room; none named = all that its driver gives."""
    mode: Literal["continuous", "spot"] | None = None
    """`spot`: it speaks only when somebody measures, so its silence is no alarm; default: the
    driver's."""


class RoomConfig(_Table):
    """One room and its devices."""

    id: Identifier
    label: str = ""
    device: list[DeviceConfig] = Field(default_factory=list)
    auto_nibp: bool = Field(default=True, strict=True)
    """Devices that can be commanded take the scheduled readings by themselves."""
    prefer: dict[str, list[Identifier]] = Field(default_factory=dict)
    """Channel -> devices, the most trusted first; where a channel is not named, the order of the
    devices counts."""

    @property
    def name(self) -> str:
        """What people call the room."""
        return self.label or self.id


class StationConfig(_Table):
    """The station: its name, its record, its alarm profile."""

    id: Identifier = "station"
    store: Path = Path("vitals.db")
    key: str = ""
    """Where the key of an encrypted record is: `file:/path`, `env:NAME`, `keyring:SERVICE/USER`."""
    profile: Path | None = None
    care: Path | None = None
    """What differs from `vitals/profiles/care.toml`: routes, check-in, marks, discharge, …"""
    mode: Literal["real", "demo", "test"] = "real"
    anchor: Path | None = None
    """A file in a second place that gets the head of the audit chain; see docs/record.md."""
    speed: float = Field(default=1.0, gt=0, le=600, strict=True)
    """Station seconds per real second; other than 1 only in demo and test mode."""
    alarm_command: list[str] = Field(default_factory=list)
    """Sounds on the station's computer; run with one sentence as its last argument.

    By the supervisor when the station is silent, by the station when no page can sound.
    """


class EscalationStep(_Table):
    """Who is told when nobody has acknowledged a high alarm for `after_s`, and how."""

    after_s: float = Field(gt=0, le=3600, strict=True)
    to: str = Field(min_length=1, max_length=80)
    command: list[str] = Field(default_factory=list)
    """Run with one sentence as its last argument (see docs/escalation.md)."""
    webhook: str = ""
    """Is sent the alarm as JSON by POST: https, or http inside the house."""


ESCALATION = (
    EscalationStep(after_s=30, to="all pages"),
    EscalationStep(after_s=60, to="second recipient"),
    EscalationStep(after_s=120, to="prescriber"),
)
"""Steps where the config names none."""


class BackupConfig(_Table):
    """The backup of every night, made while `vitals run` runs."""

    to: Path | None = None
    """A folder, best on another disk; none named: no nightly backup."""
    at: str = Field(default="03:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time, HH:MM."""
    keep: int = Field(default=14, ge=1, le=10_000, strict=True)
    """So many are kept, the oldest are deleted."""


class RetentionConfig(_Table):
    """When samples of closed sessions are deleted, every night; their audit trails stay."""

    numerics_days: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    """Everything that was sampled; default: never."""
    waves_days: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    """Waveforms, which may go earlier; default: with everything else."""


class CentralConfig(_Table):
    """The PostgreSQL that a station sends to, or that a central page reads; see docs/central.md."""

    dsn: str = Field(min_length=1)
    """libpq's keywords, without a password: `host=a,b dbname=kap user=station_north-1`."""
    password: str = ""
    """Where the password is: `file:/path` or `env:NAME`; none: the server asks for none."""
    root_cert: Path | None = None
    """Certificate of the authority that has signed the server's, as PEM."""


class Config(_Table):
    """The whole file."""

    station: StationConfig = StationConfig()
    web: WebConfig = WebConfig()
    room: list[RoomConfig] = Field(default_factory=list)
    device: list[DeviceConfig] = Field(default_factory=list)
    """Devices of no room: a cuff that goes from room to room. Each reading waits until somebody
    says whose it is."""
    escalation: list[EscalationStep] = Field(default_factory=lambda: list(ESCALATION))
    backup: BackupConfig = BackupConfig()
    retention: RetentionConfig = RetentionConfig()
    central: CentralConfig | None = None
    """None: this station stands alone."""

    @property
    def placed(self) -> list[tuple[str, DeviceConfig]]:
        """(room, device) of all devices; the room of one that is in none is `SPARE`."""
        in_rooms = [(room.id, device) for room in self.room for device in room.device]
        return [*in_rooms, *((SPARE, device) for device in self.device)]

    @property
    def nightly(self) -> bool:
        """Whether there is anything to do every night."""
        kept = self.retention
        return any(one is not None for one in (self.backup.to, kept.numerics_days, kept.waves_days))

    @property
    def sender_file(self) -> Path:
        """Where the sender says how it gets on (mode 0600)."""
        return Path(f"{self.station.store}.sender")

    @property
    def feed_file(self) -> Path:
        """Where the station writes its feed's port, token and pid (mode 0600)."""
        return Path(f"{self.station.store}.feed")


def load(path: Path | str) -> Config:
    """Reads a config file; relative paths in it are relative to the file.

    Raises:
        ConfigError: it is missing, not TOML, or says something that cannot be.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot be read ({reason}); check the path", path=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=path) from error
    return parse(text, path=path)


def parse(text: str, *, path: Path) -> Config:
    """Checks the text of a config file; `path` is where it is, or would be.

    Raises:
        ConfigError: see `load`.
    """
    try:
        config = Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    except pydantic.ValidationError as error:
        key, message = _explain(error)
        raise ConfigError(message, path=path, key=key) from error
    _check(config, path)
    base = path.resolve().parent
    station = config.station.model_copy(
        update={
            "store": base / config.station.store,
            "key": keys.resolved(config.station.key, base),
            "profile": base / config.station.profile if config.station.profile else None,
            "care": base / config.station.care if config.station.care else None,
            "anchor": base / config.station.anchor if config.station.anchor else None,
            "alarm_command": _program_from(base, config.station.alarm_command),
        }
    )
    steps = [
        step.model_copy(update={"command": _program_from(base, step.command)})
        for step in config.escalation
    ]
    to = config.backup.to
    backup = config.backup.model_copy(update={"to": base / to if to is not None else None})
    return config.model_copy(
        update={
            "station": station,
            "web": web_from(config.web, base),
            "escalation": steps,
            "backup": backup,
            "central": central_from(config.central, base) if config.central else None,
        }
    )


def central_from(central: CentralConfig, base: Path) -> CentralConfig:
    """The same with paths made absolute, from a folder."""
    root = central.root_cert
    return central.model_copy(
        update={
            "password": keys.resolved(central.password, base),
            "root_cert": base / root if root is not None else None,
        }
    )


def _program_from(base: Path, command: list[str]) -> list[str]:
    """A command whose program, where it is a path and not a name, is found from `base`."""
    if command and ("/" in command[0] or "\\" in command[0]):
        return [str(base / command[0]), *command[1:]]
    return command


def check_store(config: Config, path: Path) -> None:
    """Looks whether the record can be where the config wants it; `path` is the config file.

    Raises:
        ConfigError: its folder is not there, or a folder is where the file should be.
    """
    store = config.station.store
    why_not = ""
    if not store.parent.is_dir():
        why_not = f"there is no folder {store.parent}; make it, or correct the path"
    elif store.is_dir():
        why_not = f"{store} is a folder; name a file in it"
    if why_not:
        raise ConfigError(f"station.store: {why_not}", path=path, key="station.store")


def _check(config: Config, path: Path) -> None:
    def refuse(key: str, message: str) -> None:
        raise ConfigError(f"{key}: {message}", path=path, key=key)

    station = config.station
    if station.speed != 1.0 and station.mode == "real":
        refuse("station.speed", "only a demo or test station may run faster")
    no_place = keys.unfit(station.key) if station.key else ""
    if no_place:
        refuse("station.key", no_place)
    if half := half_of_tls(config.web):
        refuse("web.tls_cert", half)
    # Whether there are accounts is for `web_config.check_access`: this is about the text alone.
    check_host(config.web.host, path=path, tls=config.web.secure, accounts=config.web.secure)
    if config.central is not None and (wrong := dsn.unfit(config.central)):
        refuse(*wrong)
    why = escalation.bad_command(station.alarm_command)
    if why:
        refuse("station.alarm_command", why)
    wrong_step = escalation.refusal(config.escalation)
    if wrong_step:
        refuse(*wrong_step)
    if not config.room:
        refuse("room", "there is none; add a [[room]] with an id")
    devices = [device for _, device in config.placed]
    for room in config.room:
        why_not = _binding(room)
        if why_not:
            refuse("room.prefer" if "prefer" in why_not else "room.device.channels", why_not)
    for key, values, why in (
        ("room.id", [room.id for room in config.room], "ids must differ"),
        ("device.id", [device.id for device in devices], "ids must differ"),
        ("device.url", [device.url for device in devices], "each device needs a link of its own"),
        ("room.label", [_look(room.name) for room in config.room], "people tell rooms apart by it"),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            refuse(key, f"{twice[0]!r} is used twice; {why}")


def _binding(room: RoomConfig) -> str:
    """Why a room's channels and devices do not fit together, `""` if they do."""
    named = [channel for device in room.device for channel in device.channels]
    for channel in (*named, *room.prefer):
        if channel not in CHANNELS:
            near = difflib.get_close_matches(channel, CHANNELS, n=1, cutoff=0.5)
            hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(CHANNELS)}"
            return f"room {room.id!r}: there is no channel {channel!r}; {hint}"
    known = {device.id for device in room.device}
    for channel, ids in room.prefer.items():
        for device in ids:
            if device not in known:
                return f"room {room.id!r} prefers {device!r} for {channel}, but has no such device"
    return ""


def _look(label: str) -> str:
    """A label without what people do not see: case and spaces."""
    return " ".join(label.split()).casefold()


def _explain(error: pydantic.ValidationError) -> tuple[str, str]:
    errors = error.errors()
    # A key that is missing is often one that is there with a slip of the pen.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return key, f"{key or 'the file'}: {first['msg'][0].lower()}{first['msg'][1:]}"
    model: type[BaseModel] = Config
    for part in first["loc"][:-1]:
        if isinstance(part, str):
            model = _model_at(model, part)
    word = str(first["loc"][-1])
    near = difflib.get_close_matches(word, model.model_fields, n=1, cutoff=0.5)
    known = ", ".join(model.model_fields)
    hint = f'did you mean "{near[0]}"?' if near else f"known keys are {known}"
    return key, f"{key}: there is no such key; {hint}"


_TABLES: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
    (Config, "station"): StationConfig,
    (Config, "web"): WebConfig,
    (Config, "room"): RoomConfig,
    (Config, "escalation"): EscalationStep,
    (Config, "backup"): BackupConfig,
    (Config, "retention"): RetentionConfig,
    (RoomConfig, "device"): DeviceConfig,
    (Config, "device"): DeviceConfig,
    (Config, "central"): CentralConfig,
}


def _model_at(model: type[BaseModel], key: str) -> type[BaseModel]:
    return _TABLES.get((model, key), model)

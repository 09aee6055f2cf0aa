"""`central.toml`: which PostgreSQL the central pages read, where they are served.

    [central]
    dsn = "host=pg-1,pg-2 dbname=kap user=viewer_ward"
    password = "file:viewer.password"
    root_cert = "authority.pem"
    folder = "central"            # accounts, notes of reads, copies of sessions
    [web]
    host = "127.0.0.1"
    port = 8050

An unknown key is refused by name, with the nearest right one, as in a station's config.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

import pydantic
from pydantic import BaseModel, ConfigDict

from vitals.central import dsn
from vitals.config import CentralConfig, central_from
from vitals.errors import ConfigError
from vitals.web_config import WebConfig, half_of_tls, web_from


class CentralPages(CentralConfig):
    """The server to read from, and the folder of what is kept here."""

    folder: Path = Path("central")
    """Accounts, notes of who has read what, and copies of sessions that were looked at."""


class CentralFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    central: CentralPages
    web: WebConfig = WebConfig()

    @property
    def base(self) -> Path:
        """What the accounts' file is named by, as by a record: `<base>.people`."""
        return self.central.folder / "central"


def load(path: Path | str) -> CentralFile:
    """Reads the file; relative paths in it are relative to the file.

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
    try:
        found = CentralFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", path=path) from error
    except pydantic.ValidationError as error:
        key, message = _explain(error)
        raise ConfigError(f"{key}: {message}", path=path, key=key) from error
    if wrong := dsn.unfit(found.central):
        raise ConfigError(f"{wrong[0]}: {wrong[1]}", path=path, key=wrong[0])
    if half := half_of_tls(found.web):
        raise ConfigError(f"web.tls_cert: {half}", path=path, key="web.tls_cert")
    return _from(found, path.resolve().parent)


def _from(found: CentralFile, base: Path) -> CentralFile:
    central = central_from(found.central, base)
    return found.model_copy(
        update={
            "central": central.model_copy(update={"folder": base / found.central.folder}),
            "web": web_from(found.web, base),
        }
    )


_TABLES: dict[str, type[BaseModel]] = {"central": CentralPages, "web": WebConfig}


def _explain(error: pydantic.ValidationError) -> tuple[str, str]:
    errors = error.errors()
    # A key that is missing is often one that is there with a slip of the pen.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return key, f"{first['msg'][0].lower()}{first['msg'][1:]}"
    table = _TABLES[str(first["loc"][0])] if len(first["loc"]) > 1 else CentralFile
    near = difflib.get_close_matches(str(first["loc"][-1]), table.model_fields, n=1, cutoff=0.5)
    known = ", ".join(table.model_fields)
    hint = f'did you mean "{near[0]}"?' if near else f"known keys are {known}"
    return key, f"there is no such key; {hint}"

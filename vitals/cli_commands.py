"""Commands of `vitals` that this package owns.

Heavy imports stay inside the commands, so that `--help` is instant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vitals.export import FORMATS

if TYPE_CHECKING:
    from vitals.store.reader import Reader
    from vitals.store.retention import What
    from vitals.store.rows import SessionRecord, StoredAudit

_Command = TypeVar("_Command", bound=Callable[..., None])


@click.group()
def sessions() -> None:
    """List, show, open, close, export, verify sessions."""


def of_a_record(command: _Command) -> _Command:
    """Adds the options of a command that reads a record."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
        click.option(
            "--config", type=click.Path(path_type=Path), help="Use the record this config names."
        ),
        click.option(
            "--store", type=click.Path(path_type=Path), help="The record [default: vitals.db]."
        ),
    ):
        command = option(command)
    return command


def record_path(store: Path | None, config: Path | None) -> Path:
    """The record that `--store` or `--config` names."""
    if store is not None and config is not None:
        raise click.UsageError("--store and --config both name a record; give one of them")
    if config is not None:
        from vitals.config import load

        return load(config).station.store
    return store or Path("vitals.db")


@sessions.command("list")
@of_a_record
def list_sessions(store: Path | None, config: Path | None, as_json: bool) -> None:
    """All sessions in the record, oldest first."""
    from vitals.store.reader import Reader

    found = Reader(record_path(store, config)).sessions()
    if as_json:
        print_json([_facts(record) for record in found])
    elif not found:
        click.echo("No sessions.")
    else:
        head = ("SESSION", "ROOM", "SUBJECT", "MODE", "STARTED", "LENGTH", "PHASE", "STATE")
        table(head, [_line(record) for record in found])


@sessions.command()
@click.argument("session")
@of_a_record
def show(session: str, store: Path | None, config: Path | None, as_json: bool) -> None:
    """Facts, blood pressures and alarms of one SESSION (the first letters of its id will do)."""
    from vitals.store.reader import Reader

    reader = Reader(record_path(store, config))
    record = find_session(reader, session)
    uuid, tz = record.session.id, record.tz
    readings = reader.nibp(uuid)
    trail = reader.audit(uuid)
    alarms = [row for row in trail if row.seq is not None and row.kind.startswith("alarm")]
    channels = reader.channels(uuid)
    gaps = reader.gaps(uuid)
    if as_json:
        print_json(
            {
                **_facts(record),
                "channels": [{"device": device, "channel": key} for device, key in channels],
                "gaps": [{"from_us": start, "to_us": end} for start, end in gaps],
                "nibp": [
                    {
                        "at_us": one.at_us,
                        "device": one.device,
                        "sys": one.sys,
                        "dia": one.dia,
                        "map": one.map,
                        "quality": one.quality,
                    }
                    for one in readings
                ],
                "alarms": [
                    {"at_us": row.at_us, "kind": row.kind, "actor": row.actor, "body": row.body}
                    for row in alarms
                ],
            }
        )
        return
    for name, value in (
        ("Session", uuid),
        ("Room", record.session.room),
        ("Subject", record.session.subject_ref),
        ("Route", record.session.route),
        ("Mode", record.session.mode),
        ("State", f"{record.state}, {record.session.phase}"),
        ("Started", _time(record.session.started_us, tz)),
        ("Dose", _time(record.session.dose_us, tz)),
        ("Ended", _time(record.session.ended_us, tz)),
        ("Restarts", str(record.session.resumed)),
        ("Channels", ", ".join(sorted({key for _, key in channels})) or "none"),
        ("Gaps", ", ".join(f"{(end - start) / 1e6:.0f} s" for start, end in gaps) or "none"),
    ):
        click.echo(f"{name + ':':10}{value}")
    click.echo("\nBlood pressure")
    table(
        ("TIME", "SYS", "DIA", "MAP", "DEVICE", "QUALITY"),
        [
            (
                _time(one.at_us, tz),
                *(_number(value) for value in (one.sys, one.dia, one.map)),
                one.device,
                one.quality.value,
            )
            for one in readings
        ],
    )
    click.echo("\nAlarms")
    table(
        ("TIME", "KIND", "WHO", "WHAT"),
        [(_time(row.at_us, tz), row.kind, row.actor, _said(row)) for row in alarms],
    )


@sessions.command()
@click.argument("session")
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(tuple(FORMATS)),
    help="; ".join(f"{name}: {form.about}" for name, form in FORMATS.items()),
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A file; of csv and parquet a folder, or a name that ends in .zip.",
)
@click.option("--names", is_flag=True, help="People by name, not by role and number.")
@click.option("--config", type=click.Path(path_type=Path), help="Use the record it names.")
@click.option("--store", type=click.Path(path_type=Path), help="The record [default: vitals.db].")
def export(
    session: str, form: str, out: Path, names: bool, store: Path | None, config: Path | None
) -> None:
    """Write one SESSION (the first letters of its id will do) as files for other programs."""
    from vitals.export.command import export_session
    from vitals.store.reader import Reader

    reader = Reader(record_path(store, config))
    record = find_session(reader, session)
    for line in export_session(reader, record, form, out, names=names):
        click.echo(line)


@sessions.command()
@click.option("--head", default="", help="A head seen earlier; it must still be in the chain.")
@click.option(
    "--anchor",
    type=click.Path(path_type=Path),
    help="The file of station.anchor; every line of it must still be true.",
)
@of_a_record
def verify(
    head: str, anchor: Path | None, store: Path | None, config: Path | None, as_json: bool
) -> None:
    """Check that nothing in the record was changed, lost or cut off.

    Exit code 0: nothing was found. 1: the record is broken, and where. 2: it cannot be checked.
    """
    from vitals.status_line import StatusLine
    from vitals.store.verify import verify as check

    path = record_path(store, config)
    with StatusLine() as tell:
        found = check(path, head=head, anchor=anchor, tell=tell)
    if as_json:
        print_json(
            {
                "ok": found.ok,
                "broken": found.broken,
                "head": found.head,
                "audit_rows": found.audit_rows,
                "sealed": found.sealed,
                "unsealed": found.unsealed,
                "anchored": found.anchored,
                "forgotten": list(found.forgotten),
            }
        )
    elif found.ok:
        click.echo(
            f"{path}: nothing was changed: {found.audit_rows} audit rows, {found.sealed} sealed "
            f"samples; {found.unsealed} samples are not sealed yet.\nHead {found.head}"
        )
        for sentence in found.forgotten:
            click.echo(f"{sentence[0].upper()}{sentence[1:]}.")
        if anchor is not None:
            click.echo(f"{anchor}: {found.anchored} lines agree with it.")
    if not found.ok:
        click.echo(found.broken, err=True)
        sys.exit(1)


@sessions.command()
@click.argument("session", nargs=-1)
@click.option("--older-than", "age", default="", metavar="10y", help="All that ended before.")
@click.option("--waves", "only_waves", is_flag=True, help="Only waveforms; vital signs stay.")
@click.option("--reason", required=True, help="Why; it stands in the audit trail.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--config", type=click.Path(path_type=Path), help="Use the record it names.")
@click.option("--store", type=click.Path(path_type=Path), help="The record [default: vitals.db].")
def forget(
    session: tuple[str, ...],
    age: str,
    only_waves: bool,
    reason: str,
    yes: bool,
    store: Path | None,
    config: Path | None,
) -> None:
    """Delete the vital signs and waveforms of closed sessions; their audit trails stay.

    SESSION: the first letters of an id. The station may run meanwhile.
    """
    import time

    from vitals.store.reader import Reader
    from vitals.store.retention import age_us, older
    from vitals.store.retention import forget as forget_them

    if bool(session) == bool(age):
        raise click.UsageError("name sessions, or give --older-than")
    path = record_path(store, config)
    what: What = "waves" if only_waves else "all"
    if age:
        uuids = older(path, time.time_ns() // 1000 - age_us(age), what)
    else:
        uuids = [find_session(Reader(path), each).session.id for each in session]
    if not uuids:
        click.echo("There is nothing to forget.")
        return
    gone = "waveforms" if only_waves else "vital signs and waveforms"
    if not yes:
        click.confirm(f"Delete {gone} of {len(uuids)} sessions for ever?", abort=True)
    for done in forget_them(path, uuids, what=what, reason=reason):
        click.echo(f"{done.uuid}: {done.numerics} values, {done.waves} blocks of waveforms deleted")
    click.echo("Backups keep them until they are deleted, too.")


def find_session(reader: Reader, session: str) -> SessionRecord:
    """The session of an id, or of the first letters of one."""
    found = [record for record in reader.sessions() if record.session.id.startswith(session)]
    exact = [record for record in found if record.session.id == session]
    if len(found) != 1 and not exact:
        many = f"{len(found)} sessions begin" if found else "no session begins"
        raise click.BadParameter(f"{many} with {session!r}; `vitals sessions list` shows all")
    return (exact or found)[0]


def _facts(record: SessionRecord) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(record.session), "tz": record.tz, "state": record.state}


def _line(record: SessionRecord) -> tuple[str, ...]:
    session = record.session
    length = "-"
    if session.ended_us is not None:
        minutes = (session.ended_us - session.started_us) // 60_000_000
        length = f"{minutes // 60}:{minutes % 60:02}"
    return (
        session.id[:8],
        session.room,
        session.subject_ref,
        session.mode,
        _time(session.started_us, record.tz),
        length,
        session.phase,
        record.state,
    )


def _said(row: StoredAudit) -> str:
    after = row.body.get("after")
    text = row.body.get("text") or (after.get("text") if isinstance(after, dict) else "")
    return str(text or json.dumps(row.body, ensure_ascii=False))


def _time(at_us: int | None, tz: str) -> str:
    """In the session's own zone (`Europe/Berlin` or `+0100`) where it is known, else UTC."""
    if at_us is None:
        return "-"
    from vitals.export.times import moment, zone

    return f"{moment(at_us, zone(tz)):%Y-%m-%d %H:%M:%S %Z}"


def _number(value: float | None) -> str:
    return "--" if value is None else f"{value:.0f}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Prints lines under a head, in columns."""
    if not lines:
        click.echo("none")
        return
    rows = [head, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_json(value: object) -> None:
    """Prints a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@sessions.command("open")
@click.argument("room")
@click.argument("subject")
@click.option("--route", required=True, help="iv, im, intranasal or sublingual.")
@click.option("--config", "path", required=True, type=click.Path(path_type=Path))
def open_session(room: str, subject: str, route: str, path: Path) -> None:
    """Open a session in ROOM for SUBJECT (a pseudonym, never a name)."""
    _tell_station(path, room, "open_session", {"subject_ref": subject, "route": route})


@sessions.command("close")
@click.argument("room")
@click.option("--reason", default="", help="Needed while a high alarm is unacknowledged.")
@click.option("--config", "path", required=True, type=click.Path(path_type=Path))
def close_session(room: str, reason: str, path: Path) -> None:
    """Close the session in ROOM."""
    _tell_station(path, room, "close_session", {"reason": reason})


def _tell_station(path: Path, room: str, kind: str, args: dict[str, str]) -> None:
    """One command through the feed, as `operator`; a refusal ends with exit code 1."""
    import asyncio
    import getpass
    import uuid

    from vitals import config, wire
    from vitals.follower import ask

    message = wire.CommandMsg(
        id=str(uuid.uuid4()),
        kind=kind,
        room=room,
        name=getpass.getuser(),
        role="operator",
        args=args,
    )
    (result,) = asyncio.run(ask(config.load(path).feed_file, [message]))
    if not result.ok:
        click.echo(f"vitals: {result.error}", err=True)
        sys.exit(1)
    click.echo("done, recorded" if result.recorded else "done, NOT RECORDED")


@click.command()
@click.option("--config", "path", required=True, type=click.Path(path_type=Path))
def run(path: Path) -> None:
    """Supervise the station and the web pages; Ctrl-C stops both."""
    from vitals import config, crash_report, preflight, sd_notify
    from vitals.process import log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install
    from vitals.supervisor import Supervisor

    check_install()
    log_to_stderr("run")
    manager = sd_notify.from_environment()
    loaded = config.load(path)
    preflight.check(loaded, path)
    crash_report.of_before(crash_report.folder_of(loaded.station.store), "run")
    crash_report.watch(loaded.station.store, "run")
    supervisor = Supervisor(loaded, path.resolve(), on_ready=click.echo, manager=manager)
    run_until_signal(supervisor.run)

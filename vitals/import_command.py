"""`vitals import`: a session for review out of a recording."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vitals.cli_commands import print_json, record_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from vitals.recordings import Recording

MAP_HELP = "Which columns or tracks are which channels; see docs/recordings.md."
_FILE = click.Path(path_type=Path)
_SINCE = re.compile(r"\+(?:(\d{1,2}):)?(\d{1,4}):(\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}")


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--map", "mapping", type=_FILE, metavar="FILE", help=MAP_HELP)
@click.option("--store", type=_FILE, help="The record [default: vitals.db].")
@click.option("--config", type=_FILE, help="Use the record, limits and care that it names.")
@click.option("--subject", metavar="REF", help="A pseudonym, never a name.")
@click.option("--route", help="iv, im, intranasal, … [default: as the recording says, or iv]")
@click.option("--dose-at", metavar="TIME", help="ISO 8601, HH:MM of its clock, or +MM:SS.")
@click.option("--from", "from_", metavar="TIME", help="Leave out what is before.")
@click.option("--to", metavar="TIME", help="Leave out what is after.")
@click.option("--room", default="import", show_default=True, help="Room of the session.")
@click.option("--real", is_flag=True, help="It is of a patient, and counts as real.")
@click.option("--again", is_flag=True, help="Import a file that was imported before.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(
    file: Path,
    mapping: Path | None,
    store: Path | None,
    config: Path | None,
    subject: str | None,
    route: str | None,
    dose_at: str | None,
    from_: str | None,
    to: str | None,
    room: str,
    real: bool,
    again: bool,
    as_json: bool,
) -> None:
    """Make a session of FILE, for review: a .vital, EDF, WFDB or CSV file, or our own export.

    It is judged by the limits as if it had been watched, is marked as imported, and counts as a
    test unless --real says otherwise. A CSV of another program needs --map; without it a mapping
    is proposed.
    """
    from vitals.alarms import profile
    from vitals.importing import import_recording
    from vitals.session import care

    path = record_path(store, config)
    limits, cares = None, None
    if config is not None:
        from vitals.config import load

        station = load(config).station
        limits, cares = station.profile, station.care
    with _Told() as tell:
        recording = open_recording(file, mapping, tell)
        recording = between(recording, from_, to)
        plan = _plan(recording, profile.load(limits), care.load(cares))
        plan = replace(
            plan,
            subject=subject if subject is not None else plan.subject,
            route=route or plan.route,
            dose_us=plan.dose_us if dose_at is None else moment(dose_at, recording, "--dose-at"),
            mode=_mode(recording, real=real),
            room=_room(room),
            again=again,
        )
        done = import_recording(recording, path, plan, tell)
    if as_json:
        print_json(
            {
                "session": done.session,
                "subject": plan.subject,
                "mode": plan.mode,
                "values": done.values,
                "packets": done.packets,
                "alarms": dict(done.alarms),
                "left_out": [{"track": one.name, "why": one.why} for one in recording.left_out],
                "notes": list(recording.notes),
            }
        )
        return
    for line in said(recording):
        click.echo(line)
    rang = ", ".join(f"{n} {priority}" for priority, n in sorted(done.alarms.items())) or "none"
    click.echo(
        f"{plan.mode.upper() if plan.mode != 'real' else 'REAL'} session {done.session} of "
        f"{plan.subject}: {done.values} values, {done.packets} waveform packets; alarms: {rang}.\n"
        f"Look at it: vitals sessions show {done.session[:8]} --store {path}"
    )


def open_recording(file: Path, mapping: Path | None, tell: Callable[[str], None]) -> Recording:
    """Reads a recording with its mapping; for a CSV without one, prints a proposal.

    Raises:
        VitalsError: it cannot be used.
        SystemExit: a mapping was proposed.
    """
    from vitals.recordings import is_plain_csv, read
    from vitals.recordings.csv_proposal import proposal
    from vitals.recordings.mapping import NONE, load

    said, text = (NONE, "") if mapping is None else load(mapping)
    if mapping is None and is_plain_csv(file):
        click.echo(proposal(file), nl=False)
        click.echo(
            f"vitals: {file.name} is a CSV of another program: save the lines above, check them, "
            "and name them with --map",
            err=True,
        )
        sys.exit(2)
    return read(file, said, text, tell)


def said(recording: Recording) -> list[str]:
    """What a person should know of a recording."""
    source = recording.source
    channels: dict[str, list[str]] = {}
    for one in recording.numbers:
        channels.setdefault(one.device, []).append(one.channel)
    for wave in recording.waves:
        known = channels.setdefault(wave.device, [])
        if wave.channel not in known:
            known.append(wave.channel)
    lines = [f"{source.file} ({source.reader}), sha256 {source.sha256[:16]}…"]
    lines += [f"  {device}: {' '.join(found)}" for device, found in channels.items()]
    if recording.left_out:
        lines.append("Left out:")
        lines += [f"  {_line(one.name)}: {one.why}" for one in recording.left_out[:40]]
        if len(recording.left_out) > 40:
            lines.append(f"  and {len(recording.left_out) - 40} more")
    lines += [f"Note: {note}" for note in recording.notes]
    return lines


def between(recording: Recording, from_: str | None, to: str | None) -> Recording:
    """The part of a recording that --from and --to name.

    Raises:
        RecordingError: there is nothing in it.
    """
    from vitals.recordings.assemble import part

    if from_ is None and to is None:
        return recording
    low = None if from_ is None else moment(from_, recording, "--from")
    high = None if to is None else moment(to, recording, "--to")
    return part(recording, low, high)


def moment(text: str, recording: Recording, option: str) -> int:
    """A time on the recording's own clock.

    Raises:
        BadParameter: it is none.
    """
    from vitals.export.times import moment as local
    from vitals.export.times import zone
    from vitals.recordings.csv_times import us_of

    since = _SINCE.fullmatch(text)
    if since is not None:
        hours, minutes, seconds = (int(part or 0) for part in since.groups())
        return recording.from_us + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    where = zone(recording.facts.tz)
    clock = _CLOCK.fullmatch(text)
    try:
        if clock is not None:
            began = local(recording.from_us, where)
            hour, minute, second = (int(part or 0) for part in clock.groups())
            found = began.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return us_of(found if found >= began else found + timedelta(days=1))
        found = datetime.fromisoformat(text)
        return us_of(found if found.tzinfo else found.replace(tzinfo=where))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{option} {text}: write 2026-03-01T09:20:00+01:00, 09:20 by the recording's clock, or "
            "+20:00 since its beginning"
        ) from error


def _plan(recording: Recording, limits: Any, cares: Any) -> Any:
    """What the recording itself says, for what nobody has said."""
    import getpass

    from vitals.importing import Plan
    from vitals.model import Actor

    facts = recording.facts
    fits = _PSEUDONYM.fullmatch(facts.subject) is not None
    subject = facts.subject if fits else f"REC-{recording.source.sha256[:8]}"
    route = facts.route if facts.route in cares.routes else "iv"
    actor = Actor(getpass.getuser(), "operator")
    return Plan(limits, cares, actor, subject, route, facts.dose_us)


def _mode(recording: Recording, *, real: bool) -> Any:
    said = recording.facts.mode
    if real and said not in (None, "real"):
        raise click.UsageError(f"it says that it is {str(said).upper()}, so leave --real away")
    return "real" if real else "test"


def _room(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", name):
        raise click.BadParameter("a room's id is of letters, digits and . _ -", param_hint="--room")
    return name


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:80]


class _Told:
    """Shows on a terminal what is being done, and takes it away again."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Callable[[str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _tell(self, what: str) -> None:
        if self._shown:
            click.echo(f"\r\x1b[K{_line(what)} …", nl=False, err=True)

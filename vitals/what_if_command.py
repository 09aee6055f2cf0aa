"""`vitals what-if`: recorded sessions under other limits, as a table or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitals.cli_commands import find_session, of_a_record, print_json, record_path, table

if TYPE_CHECKING:
    from vitals.store.reader import Reader
    from vitals.what_if import MarkedEvent, RuleWhatIf, WhatIf


@click.command("what-if")
@click.argument("rules", type=click.Path(path_type=Path))
@click.argument("sessions", metavar="[SESSION]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All sessions of the record.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="The last N closed ones.")
@of_a_record
def what_if(
    rules: Path,
    sessions: tuple[str, ...],
    every: bool,
    last: int | None,
    store: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Re-run recorded sessions under other limits and compare the alarms.

    RULES is an alarm profile as a clinic would write it; SESSION the first letters of an id.
    People's acts are replayed as they were; what they would have done instead is not predicted.
    """
    if (len(sessions) > 0) + every + (last is not None) != 1:
        raise click.UsageError("name sessions, or give --all, or --last N")
    from vitals.alarms.profile import load
    from vitals.errors import ConfigError, StoreError
    from vitals.store.reader import Reader
    from vitals.what_if import WhatIf, compare
    from vitals.what_if_facts import facts

    if not rules.is_file():
        raise ConfigError("there is no such file; name an alarm profile", path=rules)
    profile = load(rules)
    reader = Reader(record_path(store, config))
    chosen = _chosen(reader, sessions, last)
    if not chosen:
        raise StoreError("there is no session to compare; `vitals sessions list` shows all")
    with click.progressbar(
        compare(reader, chosen, profile), length=len(chosen), label="Sessions", file=sys.stderr
    ) as bar:
        found = WhatIf.of(profile, bar)
    if as_json:
        print_json(facts(found))
    else:
        for skipped in found.skipped:
            click.echo(f"Skipped: {skipped.why}.")
    if not found.sessions:
        one = len(chosen) == 1
        raise StoreError(f"nothing was compared: {len(chosen)} {_s(chosen)} {_was(one)} skipped")
    if not as_json:
        _print(found)


def _chosen(reader: Reader, prefixes: Sequence[str], last: int | None) -> list[str]:
    if prefixes:
        return list(dict.fromkeys(find_session(reader, each).session.id for each in prefixes))
    found = reader.sessions()
    if last is not None:
        found = [record for record in found if record.state == "closed"][-last:]
    return [record.session.id for record in found]


def _print(found: WhatIf) -> None:
    from vitals.what_if_facts import notes

    simulated = sum(one.mode != "real" for one in found.sessions)
    click.echo(
        f"{len(found.sessions)} {_s(found.sessions)} under {found.profile}"
        + (f"; {simulated} simulated (demo or test)" if simulated else "")
        + (f"; {len(found.skipped)} skipped" if found.skipped else "")
    )
    click.echo(f"Recorded under {', '.join(sorted({one.profile for one in found.sessions}))}")
    differ = sorted(found.changed)
    click.echo(f"Rules that differ: {', '.join(differ) or 'none'}\n")
    head = ("RULE", "", "SHOWN", "SOUNDING", "A SESSION", "SOUNDED", "MEDIAN", "ACTIVE", "MEDIAN")
    rules = [*found.rules, found.all]
    table(head, [line for rule in rules for line in _lines(rule, len(found.sessions))])
    _print_events(found.events)
    click.echo()
    for note in notes(found):
        click.echo(note)


def _lines(rule: RuleWhatIf, sessions: int) -> Iterator[tuple[str, ...]]:
    for name, words, tally in (
        (rule.rule or "all", "were", rule.were),
        ("", "would be", rule.would_be),
    ):
        yield (
            name,
            words,
            str(tally.shown),
            str(tally.sounding),
            f"{tally.sounding / sessions:.2f}",
            _length(tally.sounding_s),
            _length(tally.sounding_median_s),
            _length(tally.active_s),
            _length(tally.active_median_s),
        )


def _print_events(events: Sequence[MarkedEvent]) -> None:
    from vitals.what_if_facts import since

    missed = [event for event in events if event.missed]
    warned = sum(event.warned for event in events)
    new = sum(event.would_be_warned and not event.warned for event in events)
    click.echo(
        f"\nMarked events: {len(events)}; {warned} had an alarm of the patient, active or begun "
        f"within 5 min before; {new} more would have one."
    )
    click.echo(f"Would be missed: {len(missed)}")
    if missed:
        table(
            ("SESSION", "TIME", "KIND", "TEXT"),
            [(each.session[:8], since(each), each.kind, _plain(each.text)) for each in missed],
        )


def _length(seconds: float | None) -> str:
    if seconds is None:
        return "--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _plain(text: str) -> str:
    """In one line, without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _s(many: Sequence[object]) -> str:
    return "session" if len(many) == 1 else "sessions"


def _was(one: bool) -> str:
    return "was" if one else "were"

"""The command `vitals`: a lazy table, so that `--help` is instant.

Each package owns its commands in its `cli_commands.py`; nothing is imported before a command
is really called.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from vitals import __version__
from vitals.errors import VitalsError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("simulators.cli_commands:demo", "Try everything with simulated rooms."),
    "central-demo": (
        "simulators.central_demo:central_demo",
        "Try the central view with two simulated stations.",
    ),
    "run": ("vitals.cli_commands:run", "Supervise the station and the web pages."),
    "station": ("devices.cli_commands:station", "Devices, alarms, record and feed of one PC."),
    "web": ("dashboard.cli_commands:web", "The pages, following a station."),
    "central": ("vitals.central_command:central", "All stations on one page, by one PostgreSQL."),
    "sender": (
        "vitals.central.sender_command:sender",
        "Send a station's record to the centre.",
    ),
    "sessions": ("vitals.cli_commands:sessions", "List, show, open, close, export, verify."),
    "backup": ("vitals.backup_command:backup", "Copy the record, and check the copy."),
    "restore": ("vitals.backup_command:restore", "Make a record of a backup."),
    "key": ("vitals.key_command:key", "Encrypt the record: make a key, put it under one."),
    "import": ("vitals.import_command:import_", "Make a session for review of a recording."),
    "replay": ("devices.replay_command:replay", "Play a recording through station and pages."),
    "what-if": ("vitals.what_if_command:what_if", "Re-run recorded sessions under other limits."),
    "scan": ("devices.cli_commands:scan", "Find out which monitor is on which port."),
    "doctor": ("devices.cli_commands:doctor", "Check this computer, its ports and a config."),
    "user": ("dashboard.people_commands:user", "Accounts: add, list, change, disable people."),
    "tls": ("dashboard.tls_commands:tls", "Make a certificate for pages on other computers."),
    "drivers": ("devices.cli_commands:drivers", "List the monitors that can be connected."),
    "check-config": ("devices.cli_commands:check_config", "Check a config and show what it means."),
    "simulate": ("simulators.cli_commands:simulate", "Run one simulated monitor."),
    "simulate-cohort": (
        "simulators.cli_commands:simulate_cohort",
        "Sum up alarms over many simulated visits.",
    ),
}
"""Command -> (where it is, its one-line help)."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=_LazyGroup)
@click.version_option(__version__, prog_name="vitals")
def cli() -> None:
    """Live vital signs, alarms and a durable record for ketamine-assisted psychotherapy.

    A staff aid, not a medical device: keep the monitors' own alarms on.
    """


def main(args: list[str] | None = None) -> Any:
    """Entry point: every expected error is one sentence on stderr and exit code 2."""
    try:
        return cli.main(args=args, prog_name="vitals", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except VitalsError as error:
        click.echo(f"vitals: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""`vitals tls`: certificates, so that other computers can open the pages."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import click


@click.group()
def tls() -> None:
    """Make a certificate for pages on other computers."""


@tls.command()
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address by which browsers open the pages; may be given more than once "
    "[default: this computer's name].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tls"),
    show_default=True,
    help="Folder for the files.",
)
def init(hosts: tuple[str, ...], out: Path) -> None:
    """Make a certificate authority of the clinic's own and a certificate for this server."""
    from dashboard import tls as certificates

    own = hosts or (socket.gethostname(), f"{socket.gethostname()}.local")
    files = certificates.make(out, own, datetime.now(UTC))
    ca = files.ca.resolve()
    click.echo(f"Made for {', '.join(sorted(certificates.names_of(files.cert)))}:")
    click.echo(f"  {files.cert.resolve()} and its key, for {certificates.SERVER_DAYS} days")
    click.echo(f"  {ca}, the authority, for 10 years")
    click.echo(f"  {files.ca_key.resolve()}: keep it off this computer, it can vouch for any site")
    click.echo("\nIn the clinic's config:")
    click.echo("  [web]")
    click.echo('  host = "0.0.0.0"')
    click.echo(f'  tls_cert = "{files.cert.resolve().as_posix()}"')
    click.echo(f'  tls_key = "{files.key.resolve().as_posix()}"')
    click.echo(
        f"\nOn each of the nurses' devices, trust {ca.name} once as an authority for web sites\n"
        f"(and no other file), after comparing its SHA-256 fingerprint:\n"
        f"  {certificates.fingerprint(files.ca)}\n"
        "  Windows   double-click, Install Certificate, Local Machine, Trusted Root\n"
        "            Certification Authorities\n"
        "  macOS     open in Keychain Access, then Get Info, Trust, Always Trust\n"
        "  iOS       send it to the device, install the profile in Settings, then switch it on\n"
        "            in General, About, Certificate Trust Settings\n"
        "  Android   Settings, Security, Encryption & credentials, Install a certificate, CA\n"
        "  Linux     copy to /usr/local/share/ca-certificates/kap-vitals.crt, then\n"
        "            sudo update-ca-certificates; Chromium and Firefox: import it under\n"
        "            Certificates, Authorities"
    )

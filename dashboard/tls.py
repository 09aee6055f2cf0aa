"""A certificate authority of the clinic's own, and the server's certificate under it.

Browsers give sound, wake lock and trust only to pages over TLS, also without the internet. The
authority's key is needed again only for the next certificate: keep it off the server.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vitals.errors import VitalsError
from vitals.web_address import CA

CA_DAYS = 3652
SERVER_DAYS = 825
"""The longest that Apple's systems accept of an authority that a person has installed."""
ALWAYS = ("localhost", "127.0.0.1", "::1")
"""Names that every server certificate has: the station asks its own pages by them."""
_EARLY = timedelta(minutes=5)
"""Clocks of other computers may be behind."""


class TlsError(VitalsError):
    """A certificate cannot be made or read."""


@dataclass(frozen=True, slots=True)
class Files:
    """What `make` writes into a folder."""

    ca: Path
    ca_key: Path
    cert: Path
    key: Path

    @classmethod
    def of(cls, folder: Path) -> Files:
        """Their names."""
        names = (CA, "ca.key", "server.pem", "server.key")
        return cls(*(folder / name for name in names))

    def present(self) -> list[Path]:
        """Those that are there already."""
        return [path for path in (self.ca, self.ca_key, self.cert, self.key) if path.exists()]


def make(folder: Path, hosts: Sequence[str], now: datetime) -> Files:
    """Makes the authority and a certificate for the server; keys are readable by their owner.

    Args:
        folder: where to; made if it is not there.
        hosts: names and addresses by which browsers open the pages, besides `ALWAYS`.
        now: the present time.

    Raises:
        TlsError: a file is there already, a name cannot be, or the folder cannot be written.
    """
    files = Files.of(folder)
    names = [_name(host) for host in dict.fromkeys((*hosts, *ALWAYS))]
    if files.present():
        raise TlsError(
            f"{files.present()[0]} is there already and is not overwritten, as browsers may trust "
            "it; move the files away, or give another folder with --out"
        )
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    key = ec.generate_private_key(ec.SECP256R1())
    cert = _server(key, hosts[0] if hosts else ALWAYS[0], names, authority, authority_key, now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(files.ca_key, [_pem_of(authority_key)], 0o600)
        _write(files.key, [_pem_of(key)], 0o600)
        _write(files.ca, [_pem(authority)], 0o644)
        _write(files.cert, [_pem(cert), _pem(authority)], 0o644)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TlsError(f"{error.filename or folder} cannot be written ({reason})") from error
    return files


def names_of(cert: Path) -> frozenset[str]:
    """The names and addresses in a server's certificate.

    Raises:
        TlsError: it cannot be read, or has no names.
    """
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise TlsError(
            f"{cert} is no certificate of a server; make one with `vitals tls init`"
        ) from error
    hosts = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return frozenset(hosts | {str(a) for a in names.get_values_for_type(x509.IPAddress)})


def fingerprint(cert: Path) -> str:
    """SHA-256 of a certificate as browsers show it, AB:CD:… with colons."""
    digest = x509.load_pem_x509_certificate(cert.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kap-vitals, made {now:%Y-%m-%d}")])
    return (
        _builder(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    host: str,
    names: Iterable[x509.GeneralName],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(name, authority.subject, key, now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now - _EARLY + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    plain = host.isascii() and host.replace("-", "").replace(".", "").replace("*", "").isalnum()
    if not plain or len(host) > 253:
        raise TlsError(f"{host!r} is no name or address of a computer; correct --host")
    return x509.DNSName(host.lower())


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, parts: Iterable[bytes], mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.writelines(parts)


def days_left(cert: Path, now: datetime) -> int:
    """Days until a certificate is no longer accepted.

    Raises:
        TlsError: it cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(f"{cert} is no certificate; make one with `vitals tls init`") from error
    return (found.not_valid_after_utc - now.astimezone(UTC)).days

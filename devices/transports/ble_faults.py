"""Why a Bluetooth device cannot be had or has gone, in one sentence that says what to do.

What bleak raises for one and the same cause differs between Linux, Windows and macOS, and between
its own checks and those of the system; what is known is in the tables below, in the order in which
they are looked through. The texts are from the sources of bleak 3.1 and bleak-retry-connector 4.7,
and from the documents of BlueZ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakGATTProtocolError,
)
from bleak.exc import BleakBluetoothNotAvailableReason as Reason
from bleak.exc import BleakGATTProtocolErrorCode as Code

Doing = Literal["scan", "connect", "pair", "subscribe", "read", "write", "disconnect"]

NO_ADAPTER = "this computer has no Bluetooth adapter: plug one in"
OFF = "Bluetooth is off: turn it on in the system's settings, or with `bluetoothctl power on`"
NO_SERVICE = (
    "no Bluetooth service runs: plug an adapter in if there is none, and start the service "
    "(`sudo systemctl start bluetooth`)"
)
NO_ANSWER = (
    "the system's Bluetooth service does not answer: restart it "
    "(`sudo systemctl restart bluetooth`)"
)
FORBIDDEN = "this user may not use Bluetooth: `vitals doctor` says how to allow it"
OLD = "the system's Bluetooth service is too old: install BlueZ 5.55 or later"
BUSY = "the Bluetooth adapter is busy with another connection: nothing to do, it is tried again"
GONE = "it has ended the connection or is out of reach: look whether it is on, and bring it nearer"
FORGOTTEN = "the system has forgotten it meanwhile: bring it nearer, it is looked for again"
PAIR = (
    "it must be paired with this computer first: put it in pairing mode, keep it near, and wait; "
    "if it was paired before, remove the old pairing (docs/bluetooth.md)"
)

NEEDS_PAIRING = frozenset(
    {
        Code.INSUFFICIENT_AUTHENTICATION,
        Code.INSUFFICIENT_AUTHORIZATION,
        Code.INSUFFICIENT_ENCRYPTION,
        Code.INSUFFICIENT_ENCRYPTION_KEY_SIZE,
    }
)

_UNAVAILABLE: dict[Reason, str] = {
    Reason.NO_BLUETOOTH: NO_ADAPTER,
    Reason.NO_BLE_CENTRAL_ROLE: "the Bluetooth adapter knows no Bluetooth LE: plug in a newer one",
    Reason.POWERED_OFF: OFF,
    Reason.DENIED_BY_USER: FORBIDDEN,
    Reason.DENIED_BY_SYSTEM: FORBIDDEN,
    Reason.DENIED_BY_UNKNOWN: FORBIDDEN,
}
_DBUS: tuple[tuple[str, str], ...] = (
    (".NotReady", OFF),
    (".InProgress", BUSY),
    (".Authentication", PAIR),
    (".ServiceUnknown", NO_SERVICE),
    (".NameHasNoOwner", NO_SERVICE),
    (".Spawn", NO_SERVICE),
    (".AccessDenied", FORBIDDEN),
    (".AuthFailed", FORBIDDEN),
    (".NoReply", NO_ANSWER),
    (".Timeout", NO_ANSWER),
    ("DBus.Error.Disconnected", NO_ANSWER),
    (".UnknownObject", FORGOTTEN),
    (".DoesNotExist", FORGOTTEN),
    (".NotConnected", GONE),
    (".ConnectionAttemptFailed", GONE),
)
"""End of a D-Bus error's name."""
_TEXTS: tuple[tuple[str, str], ...] = (
    ("not paired", PAIR),
    ("too many connections", "the adapter has no free link: use fewer devices, or a second one"),
    ("connection slot", "the adapter has no free link: use fewer devices, or a second one"),
    ("requires bluez", OLD),
    ("bluetooth device is turned off", OFF),
    ("powered off", OFF),
    ("not turned on", OFF),
    ("le-connection-abort", GONE),
    ("connection-canceled", GONE),
    ("connection-timeout", GONE),
    ("connection timeout", GONE),
    ("disconnected", GONE),
    ("not connected", GONE),
    ("unreachable", GONE),
    ("failed to connect", GONE),
    ("has not been performed", GONE),  # how bleak says that the link went before discovery
    ("may be disconnected", GONE),
)
"""Part of an error's text, in small letters."""
_TIMES_OUT: dict[Doing, str] = {
    "scan": NO_ANSWER,
    "connect": "it was seen but takes no connection: is it connected to a telephone or another "
    "computer? Else turn it off and on",
    "pair": PAIR,
    "disconnect": NO_ANSWER,
}
_SILENT = "it is connected but does not answer: turn it off and on"
_DOES: dict[Doing, str] = {
    "scan": "Bluetooth devices cannot be looked for",
    "connect": "it cannot be connected to",
    "pair": "it cannot be paired",
    "subscribe": "it does not send its values",
    "read": "it cannot be read",
    "write": "it takes no command",
    "disconnect": "it cannot be disconnected",
}


def explain(error: BaseException, doing: Doing) -> str:
    """What `error`, raised by a call of bleak, means, and what to do."""
    if type(error).__module__.partition(".")[0] == "bleak_retry_connector" and error.__cause__:
        error = error.__cause__  # it only says how often was tried
    for kind, said in _KINDS:
        if isinstance(error, kind) and (sentence := said(error, doing)):
            return sentence
    text = str(error).lower()
    for part, sentence in _TEXTS:
        if part in text:
            return sentence
    if type(error).__module__.partition(".")[0] == "dbus_fast":
        return FORBIDDEN if "auth" in type(error).__name__.lower() else NO_ANSWER
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{_DOES[doing]} ({reason}): turn it off and on, and bring it nearer"


def needs_pairing(error: BaseException) -> bool:
    """Whether a refusal means that the link must be encrypted first."""
    if isinstance(error, BleakGATTProtocolError):
        return error.code in NEEDS_PAIRING
    return isinstance(error, BleakDBusError) and "not paired" in str(error).lower()


def _unavailable(error: BaseException, doing: Doing) -> str:
    reason = getattr(error, "reason", Reason.UNKNOWN)
    return _UNAVAILABLE.get(reason, "")


def _dbus(error: BaseException, doing: Doing) -> str:
    name = str(getattr(error, "dbus_error", ""))
    return next((sentence for part, sentence in _DBUS if part in name), "")


def _gatt(error: BaseException, doing: Doing) -> str:
    if needs_pairing(error):
        return PAIR
    return f"{_DOES[doing]} (it answers: {error.args[-1]}): turn it off and on"


def _missing(error: BaseException, doing: Doing) -> str:
    text = str(error).lower()
    if "adapter" not in text or "not found" not in text:
        return ""
    return f"there is no Bluetooth {text.split(':')[-1].strip()}: plug it in, or correct the url"


def _no_bus(error: BaseException, doing: Doing) -> str:
    return FORBIDDEN if isinstance(error, PermissionError) else NO_SERVICE


_KINDS: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[..., str]], ...
] = (
    (BleakBluetoothNotAvailableError, _unavailable),
    (BleakGATTProtocolError, _gatt),
    (BleakDBusError, _dbus),
    (BleakCharacteristicNotFoundError, lambda error, doing: ""),
    (BleakDeviceNotFoundError, lambda error, doing: FORGOTTEN),
    (TimeoutError, lambda error, doing: _TIMES_OUT.get(doing, _SILENT)),
    ((FileNotFoundError, ConnectionRefusedError, PermissionError), _no_bus),
    ((EOFError, BrokenPipeError, ConnectionResetError), lambda error, doing: NO_ANSWER),
    (Exception, _missing),
)
"""Kinds of errors and what they mean; `""` leaves it to the text."""

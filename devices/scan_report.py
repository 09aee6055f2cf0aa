"""What `vitals scan` says: a few lines for each port, lines for the config, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from devices import line
from devices.fingerprint import Fit
from devices.ports import Port
from devices.scan import Found, State

Seen = Sequence[tuple[Port, Found]]

_STATES: dict[State, str] = {
    "found": "found",
    "probably": "probably",
    "unclear": "unclear",
    "unknown": "unknown",
    "silent": "silent",
    "busy": "busy",
    "forbidden": "no permission",
    "failed": "failed",
}
_SILENT = "nothing came, not even when asked: is the monitor on, and its serial output enabled?"
_UNKNOWN = "{heard} bytes came that no driver reads; check the monitor's output setting"
_LESS = "few frames yet; scan again with a greater --seconds to be sure"
_EQUAL = "these fit equally; look at the monitor's name plate"


def port_lines(port: Port, found: Found) -> list[str]:
    """One port, for people."""
    name = "" if port.name == port.device else f"= {port.name}"
    head = [port.device, name, port.usb and f"{port.usb} ({port.adapter or 'unknown adapter'})"]
    out = ["  ".join(word for word in head if word)]
    width = max(map(len, _STATES.values()))
    said = _said(found)
    said += [port.note] if port.note and found.fits else []
    states = (_STATES[found.state], *[""] * len(said))
    return out + [f"  {state:<{width}}  {text}" for state, text in zip(states, said, strict=False)]


def _said(found: Found) -> list[str]:
    said: list[str] = []
    for fit in found.fits:
        said.append(
            f"{fit.driver.name} at {line.words(fit.line)} "
            f"({fit.accepted} frames accepted, {fit.rejected} refused)"
        )
        said.append(fit.driver.title)
    if found.detail:
        said.append(found.detail)
    elif found.state == "silent":
        said.append(_SILENT)
    elif found.state == "unknown":
        said.append(_UNKNOWN.format(heard=found.heard))
    elif found.state == "probably":
        said.append(_LESS)
    elif found.state == "unclear":
        said.append(_EQUAL)
    return said


def config_lines(seen: Seen) -> list[str]:
    """What to paste into a config: a device for each port on which something fits."""
    out: list[str] = []
    names = [found.fits[0].driver.name for _, found in seen if found.fits]
    used: dict[str, int] = {}
    for port, found in seen:
        if not found.fits:
            continue
        fit, *others = found.fits
        name = fit.driver.name
        used[name] = used.get(name, 0) + 1
        device = f"{name}-{used[name]}" if names.count(name) > 1 else name
        out += [""] * bool(out)
        out += ["  [[room.device]]", f"  id = {_toml(device)}", f"  driver = {_toml(name)}"]
        out += [f"  # or driver = {_toml(other.driver.name)}" for other in others]
        out.append(f"  url = {_toml(_url(port, fit))}")
    return out


def _url(port: Port, fit: Fit) -> str:
    return line.with_line(port.url, fit.line, fit.driver.settings)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a TOML basic string, as long as it is one line


def as_json(seen: Seen, bluetooth: Mapping[str, object] | None = None) -> str:
    """Everything, for programs; `bluetooth` as `ble_scan.facts` has it."""
    ports = [
        {
            "port": port.device,
            "url": port.url,
            "by_id": port.by_id,
            "by_path": port.by_path,
            "usb": port.usb,
            "adapter": port.adapter,
            "state": found.state,
            "detail": " ".join(_said(found)) if not found.fits else found.detail,
            "bytes": found.heard,
            "asked": found.asked,
            "fits": [
                {
                    "driver": fit.driver.name,
                    "title": fit.driver.title,
                    "line": line.words(fit.line),
                    "accepted": fit.accepted,
                    "refused": fit.rejected,
                    "sure": fit.sure,
                    "url": _url(port, fit),
                }
                for fit in found.fits
            ],
        }
        for port, found in seen
    ]
    both = {"ports": ports} | ({} if bluetooth is None else {"bluetooth": bluetooth})
    return json.dumps(both, indent=2, ensure_ascii=False)

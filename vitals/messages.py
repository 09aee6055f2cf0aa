"""The domain's types as messages of the feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vitals import wire
from vitals.model import (
    Alarm,
    Due,
    Link,
    Mode,
    Notice,
    Numeric,
    Priority,
    Rule,
    Session,
    Waveform,
)
from vitals.roaming import Held
from vitals.session.view import CareView
from vitals.store.recording import Health


def numeric(
    room: str, seq: int, n: Numeric, fresh_s: float, gone_s: float | None
) -> wire.NumericMsg:
    """`fresh_s`, `gone_s`: see `wire.NumericMsg`."""
    return wire.NumericMsg(
        seq=seq,
        room=room,
        channel=n.channel,
        device=n.device,
        at_us=n.at_us,
        value=n.value,
        quality=n.quality.value,
        flags=sorted(flag.value for flag in n.flags),
        fresh_s=fresh_s,
        gone_s=gone_s,
    )


def wave(room: str, seq: int, w: Waveform) -> wire.WaveMsg:
    """Raw device units, as integers."""
    return wire.WaveMsg(
        seq=seq,
        room=room,
        channel=w.channel,
        device=w.device,
        start_us=w.start_us,
        rate_hz=w.rate_hz,
        y=w.values.astype(int).tolist(),
        quality=w.quality.value,
    )


def notice(room: str, seq: int, n: Notice) -> wire.NoticeMsg:
    """A condition reported by a device."""
    return wire.NoticeMsg(
        seq=seq,
        room=room,
        device=n.device,
        at_us=n.at_us,
        code=n.code,
        active=n.active,
        detail=n.detail,
    )


def link(room: str, seq: int, n: Link) -> wire.LinkMsg:
    """State of the link to a device."""
    return wire.LinkMsg(
        seq=seq,
        room=room,
        device=n.device,
        at_us=n.at_us,
        state=n.state,
        rejected=n.rejected,
        detail=n.detail,
    )


def alarm(seq: int, a: Alarm, rule: Rule) -> wire.AlarmMsg:
    """All axes of one alarm."""
    return wire.AlarmMsg(
        seq=seq,
        room=a.room,
        rule=a.rule,
        channel=rule.channel,
        side=rule.side,
        priority=a.priority.value,
        level=a.level,
        condition=a.condition,
        acked_by=a.acked_by,
        acked_us=a.acked_us,
        signal=a.signal,
        signal_until_us=a.signal_until_us,
        rule_state=a.rule_state,
        rule_until_us=a.rule_until_us,
        onset_us=a.onset_us,
        value=a.value,
        limit=a.limit,
        text=a.text,
        sounding=a.sounding,
        label=rule.label,
        rule_by=a.rule_by,
        rule_reason=a.rule_reason,
        value_us=a.value_us,
        raised_us=a.raised_us,
        escalated=a.escalated,
        silent=a.silent,
        entered_by=a.entered_by,
    )


def due(seq: int, d: Due) -> wire.DueMsg:
    """A reading or act that is owed."""
    return wire.DueMsg(
        seq=seq,
        room=d.room,
        what=d.what,
        at_us=d.at_us,
        done_us=d.done_us,
        state=d.state,
        label=d.label,
    )


def session(
    room: str, seq: int, s: Session | None, mode: Mode, gaps: list[tuple[int, int]]
) -> wire.SessionMsg:
    """The room's session; None and an ended one become "no session"."""
    if s is None or s.ended_us is not None:
        return wire.SessionMsg(seq=seq, room=room, mode=mode)
    return wire.SessionMsg(
        seq=seq,
        room=room,
        id=s.id,
        subject_ref=s.subject_ref,
        route=s.route,
        mode=s.mode,
        phase=s.phase,
        started_us=s.started_us,
        ended_us=s.ended_us,
        dose_us=s.dose_us,
        resumed=s.resumed,
        gaps=gaps,
        baseline=dict(s.baseline),
        same_arm=s.same_arm,
        off_since_us=s.off_since_us,
        off_until_us=s.off_until_us,
        off_reason=s.off_reason,
        off_extended=s.off_extended,
        finished_us=s.finished_us,
        own_alarm_by=dict(s.own_alarm_by),
        checkin=dict(s.checkin),
        gate=dict(s.gate),
        doses=[asdict(dose) for dose in s.doses],
        infusion_end_us=s.infusion_end_us,
        scores={scale: dict(score) for scale, score in s.scores.items()},
        adverse={key: dict(event) for key, event in s.adverse.items()},
        discharge={key: dict(line) for key, line in s.discharge.items()},
        signed=dict(s.signed),
        emergency_us=s.emergency_us,
        cuff_off=s.cuff_off,
        moved_from=s.moved_from,
        rev=s.rev,
        last=dict(s.last),
    )


def mark(
    room: str, at_us: int, kind: str, text: str, by: str, body: Mapping[str, Any] | None = None
) -> wire.MarkMsg:
    """A point of the time line; `body`: of the event that it is, which may have been corrected."""
    event = body or {}
    return wire.MarkMsg(
        room=room,
        at_us=at_us,
        kind=kind,
        text=text,
        id=str(event.get("id", "")),
        by=str(event.get("by", by)),
        first_us=event.get("first_us"),
    )


def care(room: str, view: CareView) -> wire.CareMsg:
    """What follows from a session and its newest values."""
    return wire.CareMsg(
        room=room,
        gate={"state": view.gate, "words": list(view.words), "concerns": list(view.concerns)},
        criteria=[
            {
                "id": line.id,
                "label": line.label,
                "met": line.met,
                "auto": line.auto,
                "words": line.words,
                "override": line.override,
            }
            for line in view.criteria
        ],
        met_us=view.met_us,
        owed=list(view.owed),
        earliest_us=view.earliest_us,
        limits=[wire.LimitMsg(**asdict(limit)) for limit in view.limits],
    )


def held(reading: Held) -> wire.HeldMsg:
    """A reading that waits until somebody says whose it is."""
    return wire.HeldMsg(
        id=reading.id,
        device=reading.device,
        at_us=reading.at_us,
        values=dict(reading.values),
        gone=reading.gone,
    )


def store(health: Health) -> wire.StoreMsg:
    """Numbers of the record, without its words."""
    return wire.StoreMsg(
        queued=health.queued,
        waiting_s=round(health.waiting_s, 3),
        shed=health.shed,
        refused=health.refused,
        commits=health.commits,
        commit_s=round(health.commit_s, 6),
        committed_s=None if health.committed_s is None else round(health.committed_s, 3),
        free_bytes=health.free_bytes,
        log_bytes=health.log_bytes,
    )


def limits(rules: tuple[Rule, ...]) -> list[wire.LimitMsg]:
    """Limit lines of the physiological rules, for the trend."""
    return [
        wire.LimitMsg(
            channel=rule.channel, side=rule.side, priority=level.priority.value, limit=level.limit
        )
        for rule in rules
        if rule.side != "technical"
        for level in rule.levels
        if level.limit is not None and level.priority is not Priority.INFO
    ]

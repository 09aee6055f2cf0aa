"""What the technical conditions are judged on, gathered from bed and session."""

from __future__ import annotations

from vitals.alarms.technical import Loss, RoomFacts
from vitals.bedside.bed import Bed
from vitals.model import StoreState
from vitals.session.course import Course


def room_facts(
    course: Course,
    bed: Bed,
    loss: Loss | None,
    store: StoreState | None,
    unheard_us: int | None,
    slack_us: int,
) -> RoomFacts:
    """Everything that is known now; see `RoomFacts`."""
    return RoomFacts(
        loss=loss,
        links=bed.links,
        link_since_us=bed.link_since_us,
        notices=bed.notices,
        nibp_failures=bed.cuff.failures,
        nibp_failed=bed.cuff.failed,
        measuring_us=bed.cuff.measuring_us,
        measured_us=bed.cuff.measured_us,
        marked_us=course.marked_us,
        back_us=course.back_us,
        due=tuple(course.due),
        store=store,
        unheard_us=unheard_us,
        off_until_us=course.session.off_until_us,
        quiet=course.quiet,
        more=(*bed.sources.facts(), *course.reported.values()),
        slack_us=slack_us,
    )

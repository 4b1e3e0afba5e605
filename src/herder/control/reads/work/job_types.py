"""Views of job types: their settings, how many of their jobs run and wait, and how many more may start now."""

from collections import Counter

from herder.control.access.access_check import FLEET, OF_KIND, check
from herder.control.kernel.core import Core
from herder.control.reads.sharing import project_views
from herder.decide.quotas.type_rooms import UNLIMITED_JOBS, type_rooms
from herder.model.permissions import Action, Kind, Principal
from herder.model.work.job_type import SLOT
from herder.wire.api.resources import Page
from herder.wire.api.work import JobTypeView


class SharingReads:
    """The part of `Reads` about how the fleet is shared."""

    _core: Core

    def projects(self, who: Principal) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.PROJECT])
        views = project_views(self._core, who)
        return Page(items=views, total=len(views))

    def job_types(self, who: Principal) -> Page:
        check(who, Action.SEE, FLEET)
        views = job_type_views(self._core)
        return Page(items=views, total=len(views))


def job_type_views(core: Core) -> list[JobTypeView]:
    """In the order of herder.yaml."""
    state = core.state
    sharing, running = state.sharing, state.running_types
    rooms = type_rooms(sharing, running)
    waiting: Counter[str] = Counter()
    for class_id, queue in state.queues.items():
        if queue.count:
            waiting[state.classes[class_id].type] += queue.count
    return [
        JobTypeView(
            name=each.name,
            description=each.description,
            priority=each.priority,
            max_concurrent=each.max_concurrent,
            resource_weight=each.weight_milli / SLOT,
            running_jobs=running.get(each.name, 0),
            queued_jobs=waiting[each.name],
            may_start=None if (room := rooms.room(each.name)) >= UNLIMITED_JOBS else room,
        )
        for each in sharing.job_types
    ]

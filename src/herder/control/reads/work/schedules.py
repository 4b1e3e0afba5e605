"""Views of schedules. Part of `Reads`."""

import msgspec

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.schedules import own, thing
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Kind, Principal, Verdict, may
from herder.model.stored.service_records import ScheduleRecord
from herder.model.values.times import iso, iso_or_none
from herder.settings.syntax.cron import around
from herder.wire.api.resources import Page
from herder.wire.api.schedules import ScheduleView
from herder.wire.api.work import BatchCreate

#: Of one schedule that is shown.
NEXT_RUNS = 3


class ScheduleReads:
    _core: Core

    def schedules(self, who: Principal) -> Page:
        """Those that `who` may see, by name."""
        check(who, Action.SEE, OF_KIND[Kind.BATCH])
        state = self._core.state
        seen = [
            view_of(self._core, record)
            for _, record in sorted(state.schedules.items())
            if may(who, Action.SEE, thing(record)) is Verdict.ALLOWED
        ]
        return Page(items=seen, total=len(seen))

    def schedule(self, who: Principal, name: str) -> ScheduleView:
        return view_of(self._core, own(self._core, who, name, Action.SEE))

    def made_schedule(self, record: ScheduleRecord) -> ScheduleView:
        """One that was just created."""
        return view_of(self._core, record)


def view_of(core: Core, record: ScheduleRecord) -> ScheduleView:
    return ScheduleView(
        name=record.name,
        user=record.user,
        project=record.project,
        cron=record.cron,
        timezone=record.timezone,
        concurrency=record.concurrency,  # type: ignore[arg-type]
        catch_up_s=record.catch_up_ms / 1000,
        paused=bool(record.paused),
        jobs=len(msgspec.json.decode(record.spec, type=BatchCreate).jobs),
        created_at=iso(record.created_at_ms),
        next_runs=[] if record.paused else _next_runs(record, core.clock.now_ms()),
        last_run_at=iso_or_none(record.last_run_ms),
        last_batch=record.last_batch,
        last_text=record.last_text,
    )


def _next_runs(record: ScheduleRecord, now_ms: int) -> list[str]:
    found: list[str] = []
    minute = now_ms // 60_000
    while len(found) < NEXT_RUNS:
        _, after = around(record.cron, record.timezone, minute)
        if after is None:
            break
        found.append(iso(after))
        minute = after // 60_000
    return found

"""Schedules of batches as the API takes and shows them. Data only."""

from typing import Literal

import msgspec

from herder.wire.api.work import BatchCreate

Concurrency = Literal["allow", "forbid", "replace"]


class ScheduleCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`batch` is submitted, with its jobs, each time that `cron` (minute, hour, day, month, weekday) says."""

    name: str
    cron: str
    timezone: str = "UTC"
    """An IANA name, such as Europe/Berlin."""
    concurrency: Concurrency = "allow"
    """When the batch of the last run has not ended. forbid: this run is skipped. replace: that batch is cancelled."""
    catch_up_s: float = 600.0
    """The newest run that was missed is made up for as long as this."""
    batch: BatchCreate


class ScheduleView(msgspec.Struct, kw_only=True):
    name: str
    user: str
    project: str
    cron: str
    timezone: str
    concurrency: Concurrency
    catch_up_s: float
    paused: bool
    jobs: int
    created_at: str
    next_runs: list[str]
    """The next times, as far as they are near; none while it is paused."""
    last_run_at: str | None
    last_batch: int | None
    last_text: str
    """What became of the last run."""

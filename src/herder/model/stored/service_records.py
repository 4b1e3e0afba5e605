"""Rows of callbacks, pipelines, schedules and secrets; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple


class CallbackRecord(NamedTuple):
    """A message about the end of a batch, or of a job group, to be sent to a URL (see `engine/jobs/callbacks.py`)."""

    id: str
    """The same in each try, so that a receiver knows what it has already."""
    object: str
    """Of the events about it: `batch/17`."""
    batch_id: int
    """With which it is deleted."""
    user: str
    project: str
    url: str
    host: str
    """Of the URL, in small letters."""
    body: str
    state: str
    """due, delivered or failed."""
    tries: int
    since_ms: int
    """From when on its tries are counted."""
    next_at_ms: int | None
    """When it is to be sent; None: no more."""
    created_at_ms: int
    ended_at_ms: int | None
    """When it was delivered or given up."""
    status: int | None
    """HTTP status of the last answer; None: there was none."""
    error: str
    """Why the last try failed."""
    group_path: str
    """Empty: the batch has ended."""


class SecretRecord(NamedTuple):
    """The value of a secret, encrypted; the memory of a server holds it without `sealed`."""

    scope: str
    """`user` or `project`: what `owner` names."""
    owner: str
    name: str
    version: int
    """Grows with each value."""
    key_id: str
    sealed: str
    """Empty: the secret was deleted."""
    bytes: int
    text: int
    """Whether the value can be a variable of an environment: UTF-8 without NUL."""
    created_at_ms: int
    changed_at_ms: int
    changed_by: str
    deleted_at_ms: int | None = None


class ScheduleRecord(NamedTuple):
    """A batch that is submitted at the times of a cron expression (`control/jobs/schedules.py`)."""

    name: str
    user: str
    project: str
    cron: str
    timezone: str
    concurrency: str
    catch_up_ms: int
    paused: int
    spec: str
    """What is submitted: `wire.work.BatchCreate` as JSON."""
    created_at_ms: int
    handled_ms: int
    """Up to here its times are dealt with."""
    last_run_ms: int | None
    last_batch: int | None
    last_text: str
    """What became of the last run, as a sentence."""
    deleted: int = 0


class PipelineRecord(NamedTuple):
    """The configuration of a pipeline; the memory of a server holds it without `config`."""

    name: str
    user: str
    project: str
    config: str
    """Text that only jobs read. Empty: the pipeline was deleted."""
    bytes: int
    created_at_ms: int
    changed_at_ms: int
    changed_by: str
    deleted: int = 0

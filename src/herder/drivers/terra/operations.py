"""What Workspace Manager did with a VM, from its list of jobs: for a person who looks for a fault. Called by `driver`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from herder.drivers.terra.errors import PROVIDER
from herder.drivers.terra.resources import Job, Metadata
from herder.model.fleet.driver_capabilities import ProviderOperation
from herder.remote.clouds.errors import short
from herder.remote.clouds.records import read_as

_STATES = {"SUCCEEDED": "done", "FAILED": "failed"}


def operations_in(rows: Iterable[Mapping[str, Any]]) -> list[ProviderOperation]:
    """The newest first."""
    return sorted(map(_operation, rows), key=lambda each: each.began_ms or 0, reverse=True)


def _operation(row: Mapping[str, Any]) -> ProviderOperation:
    job, metadata = read_as(Job, row, PROVIDER), read_as(Metadata, row.get("metadata") or {}, PROVIDER)
    return ProviderOperation(
        kind=job.operationType,
        state=_STATES.get(job.jobReport.status, "running"),
        began_ms=_ms(job.jobReport.submitted),
        by=metadata.createdBy if job.operationType == "CREATE" else "",
        detail=short(job.errorReport.message) if job.errorReport is not None else "",
    )


def _ms(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None

"""Where inputs of a job are cached, for the explanation of one that waits or runs."""

from typing import Any

from sqlalchemy import Row

from herder.control.jobs.attempts.inputs import stored_payload
from herder.control.kernel.core import Core
from herder.model.ids import ClassId, JobId
from herder.model.values.phrases import agree, counted, listed
from herder.wire.api.resources import ReasonView

#: Workers that are named.
NAMED_MAX = 5


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


async def inputs_near(core: Core, row: Row[Any]) -> list[ReasonView]:
    """Nothing of a job without inputs by URL."""
    known = core.state.cached_inputs.of(ClassId(row.class_id))
    places = {name: size for name, size in known.items() if name in core.state.workers}
    payload = await stored_payload(core, JobId(row.id)) if places else None
    if payload is None or payload.data is None or not payload.data.inputs:
        return []
    largest = sorted(places, key=lambda name: (-places[name], name))[:NAMED_MAX]
    named = [f"{name} ({mebibytes(places[name])})" for name in largest]
    more = len(places) - len(named)
    shown = listed([*named, counted(more, "other")] if more else named)
    text = (
        f"{counted(len(places), 'worker')} {agree(len(places), 'has', 'have')} inputs of such jobs in the cache: {shown}. "
        "The job prefers such a worker when that costs nothing else."
    )
    return [ReasonView(kind="cached_inputs", text=text, evidence={name: places[name] for name in largest})]
